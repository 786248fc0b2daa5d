// Modes and deadlines: blocking, timeout and non-blocking, for every operation alike. Changes of the mode
// by others are in test_modes_description.c, signals in test_modes_signals.c.

#include "support.h"

#include <sys/syscall.h>

// --- what every operation does when it cannot be done now ---

enum { TIMEOUT = 60 * MS };

typedef int64_t operation(usocket_t s, const usocket_addr *to);

static char scratch[1 << 16];
static int64_t recv_(usocket_t s, const usocket_addr *to) { (void)to; return usocket_recv(s, scratch, 1, 0); }
static int64_t recvfrom_(usocket_t s, const usocket_addr *to) { (void)to; return usocket_recvfrom(s, scratch, 1, 0, NULL); }
static int64_t read_(usocket_t s, const usocket_addr *to) { (void)to; return usocket_read(s, scratch, 9); }
static int64_t readline_(usocket_t s, const usocket_addr *to) { (void)to; return usocket_readline(s, scratch, 9); }
static int64_t send_(usocket_t s, const usocket_addr *to) { (void)to; return usocket_send(s, "x", 1, 0); }
static int64_t sendall_(usocket_t s, const usocket_addr *to) { (void)to; return usocket_sendall(s, "x", 1, 0); }
static int64_t write_(usocket_t s, const usocket_addr *to) { (void)to; return usocket_write(s, "x", 1); }
static int64_t sendto_(usocket_t s, const usocket_addr *to) { return usocket_sendto(s, "x", 1, 0, to); }
static int64_t accept_(usocket_t s, const usocket_addr *to) { (void)to; return usocket_accept(s, NULL); }
static int64_t connect_(usocket_t s, const usocket_addr *to) { return usocket_connect(s, to); }

// `s` cannot do `run` now, nor later: -EAGAIN at once, -ETIMEDOUT in time, and in blocking mode it
// waits until something ends it, here a signal and the event hook.
static void follows_its_modes(const char *what, usocket_t s, operation *run, const usocket_addr *to,
                              int would_block)
{
    print_message("    %s\n", what);
    OK(usocket_settimeout(s, TIMEOUT));
    int64_t began = now_us();
    GIVES(-ETIMEDOUT, run(s, to));
    assert_in_range(now_us() - began, TIMEOUT, GENEROUS);
    OK(usocket_setblocking(s, 0));
    GIVES(would_block, run(s, to));
    // After a timeout and after non-blocking, blocking really blocks.
    OK(usocket_setblocking(s, 1));
    OK(usocket_set_event_hook(stop_hook, NULL));
    began = now_us();
    alarms(2 * TIMEOUT, true); // Again and again: one may come before the wait begins.
    GIVES(-EINTR, run(s, to));
    alarms(0, false);
    assert_in_range(now_us() - began, 2 * TIMEOUT - MS, GENEROUS);
    OK(usocket_set_event_hook(NULL, NULL));
}

static void receiving(void **state)
{
    (void)state;
    FOR_EACH_KIND(k) {
        usocket_t pair[2];
        connected_pair(k->family, k->type, pair);
        print_message("  %s\n", k->name);
        follows_its_modes("recv", pair[0], recv_, NULL, -EAGAIN);
        follows_its_modes("recvfrom", pair[0], recvfrom_, NULL, -EAGAIN);
        follows_its_modes("read", pair[0], read_, NULL, -EAGAIN);
        if (k->type == SOCK_STREAM)
            follows_its_modes("readline", pair[0], readline_, NULL, -EAGAIN);
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
}

static void sending(void **state)
{
    (void)state;
    FOR_EACH_KIND(k) {
        if (k->type == SOCK_DGRAM && k->family != AF_UNIX)
            continue; // UDP never waits to send
        usocket_t pair[2];
        connected_pair(k->family, k->type, pair);
        small_buffers(pair);
        fill(pair[0]);
        print_message("  %s\n", k->name);
        follows_its_modes("send", pair[0], send_, NULL, -EAGAIN);
        follows_its_modes("sendall", pair[0], sendall_, NULL, -EAGAIN);
        follows_its_modes("write", pair[0], write_, NULL, -EAGAIN);
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
    usocket_t peer = bound_socket(AF_UNIX, SOCK_DGRAM), s = bound_socket(AF_UNIX, SOCK_DGRAM);
    usocket_addr to = name_of(peer);
    while (usocket_sendto(s, "x", 1, MSG_DONTWAIT, &to) == 1)
        ;
    follows_its_modes("sendto", s, sendto_, &to, -EAGAIN);
    // And when there is room again, it goes through.
    GIVES(1, usocket_recv(peer, scratch, 1, 0));
    GIVES(1, usocket_sendto(s, "x", 1, 0, &to));
    OK(usocket_close(peer));
    OK(usocket_close(s));
}

static void accepting(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_INET6, AF_UNIX};
    for (int i = 0; i < 3; i++) {
        usocket_t listener = listening_socket(families[i], 1);
        follows_its_modes("accept", listener, accept_, NULL, -EAGAIN);
        OK(usocket_close(listener));
    }
}

static void connecting(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_INET6, AF_UNIX};
    for (int i = 0; i < 3; i++) {
        usocket_t listener, clients[8];
        size_t n = full_listener(families[i], &listener, clients, 8);
        usocket_addr to = name_of(listener);
        usocket_t s = OK(usocket_socket(families[i], SOCK_STREAM, 0));
        // The attempt goes on after a timeout, so that a TCP socket is connecting already.
        follows_its_modes("connect", s, connect_, &to, families[i] == AF_UNIX ? -EAGAIN : -EALREADY);
        OK(usocket_close(s));
        s = OK(usocket_socket(families[i], SOCK_STREAM, 0));
        OK(usocket_setblocking(s, 0));
        GIVES(families[i] == AF_UNIX ? -EAGAIN : -EINPROGRESS, usocket_connect(s, &to));
        // Room in the queue lets it through: the same call waits for the same attempt.
        for (size_t c = 0; c < n; c++)
            OK(usocket_close(OK(usocket_accept(listener, NULL))));
        OK(usocket_settimeout(s, GENEROUS));
        OK(usocket_connect(s, &to));
        OK(usocket_close(s));
        while (n--)
            OK(usocket_close(clients[n]));
        OK(usocket_close(listener));
    }
}

static void dontwait_makes_one_call_non_blocking(void **state)
{
    (void)state;
    const int64_t modes[] = {-1, GENEROUS};
    for (int i = 0; i < 2; i++) {
        usocket_t pair[2];
        connected_pair(AF_UNIX, SOCK_STREAM, pair);
        OK(usocket_settimeout(pair[0], modes[i]));
        GIVES(-EAGAIN, usocket_recv(pair[0], scratch, 1, MSG_DONTWAIT));
        GIVES(-EAGAIN, usocket_recvfrom(pair[0], scratch, 1, MSG_DONTWAIT, NULL));
        fill(pair[0]);
        GIVES(-EAGAIN, usocket_send(pair[0], "x", 1, MSG_DONTWAIT));
        GIVES(-EAGAIN, usocket_sendall(pair[0], "x", 1, MSG_DONTWAIT));
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
}

// A process that shares the description may make it block: the deadline holds all the same.
static void another_process_makes_it_block(void **state)
{
    (void)state;
    FOR_EACH_KIND(k) {
        usocket_t pair[2];
        connected_pair(k->family, k->type, pair);
        small_buffers(pair);
        bool fills = k->type == SOCK_STREAM || k->family == AF_UNIX;
        if (fills)
            fill(pair[0]);
        OK(usocket_settimeout(pair[0], TIMEOUT));
        int fd = (int)OK(usocket_fileno(pair[0])), flags = fcntl(fd, F_GETFL);
        assert_true(flags & O_NONBLOCK);
        assert_int_equal(fcntl(fd, F_SETFL, flags & ~O_NONBLOCK), 0);
        OK(usocket_set_event_hook(stop_hook, NULL)); // So that it fails and does not hang.
        alarms(60 * SECOND, false);
        GIVES(-ETIMEDOUT, usocket_recv(pair[0], scratch, 1, 0));
        GIVES(-ETIMEDOUT, usocket_recvfrom(pair[0], scratch, 1, 0, NULL));
        if (fills)
            GIVES(-ETIMEDOUT, usocket_send(pair[0], "x", 1, 0));
        alarms(0, false);
        OK(usocket_set_event_hook(NULL, NULL));
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
}

// --- one deadline for the whole operation ---

// A peer that takes a little every 10 ms, for as long as there is something: every single system
// call of sendall is in time, and the whole is not.
static void *sip(void *s)
{
    static char sips[1 << 14];
    while (usocket_recv(*(usocket_t *)s, sips, sizeof sips, 0) > 0)
        poll(NULL, 0, 10);
    return NULL;
}

static void sendall_has_one_deadline(void **state)
{
    (void)state;
    static char much[64 << 20];
    usocket_t pair[2];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    pthread_t thread;
    start_thread(&thread, sip, &pair[1]);
    OK(usocket_settimeout(pair[0], 300 * MS));
    int64_t began = now_us();
    GIVES(-ETIMEDOUT, usocket_sendall(pair[0], much, sizeof much, 0));
    assert_in_range(now_us() - began, 300 * MS, GENEROUS);
    began = now_us();
    int64_t n = usocket_write(pair[0], much, sizeof much);
    assert_in_range(n, 1, sizeof much - 1);
    assert_in_range(now_us() - began, 300 * MS, GENEROUS);
    OK(usocket_close(pair[0]));
    pthread_join(thread, NULL);
    OK(usocket_close(pair[1]));
}

static void *drip(void *s)
{
    while (usocket_send(*(usocket_t *)s, "x", 1, 0) == 1)
        poll(NULL, 0, 10);
    return NULL;
}

static void read_and_readline_have_one_deadline(void **state)
{
    (void)state;
    usocket_t pair[2];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    pthread_t thread;
    start_thread(&thread, drip, &pair[1]);
    OK(usocket_settimeout(pair[0], 200 * MS));
    int64_t (*const runs[])(usocket_t, void *, size_t) = {usocket_read, usocket_readline};
    for (int i = 0; i < 2; i++) {
        int64_t began = now_us();
        int64_t n = runs[i](pair[0], scratch, sizeof scratch);
        assert_in_range(n, 1, sizeof scratch - 1);
        assert_in_range(now_us() - began, 200 * MS, GENEROUS);
        GIVES(-ETIMEDOUT, runs[i](pair[0], scratch, sizeof scratch));
    }
    OK(usocket_close(pair[0]));
    pthread_join(thread, NULL);
    OK(usocket_close(pair[1]));
}

// --- EAGAIN that does not mean "wait" ---

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

static void no_port_left_is_told_at_once(void **state)
{
    (void)state;
    usocket_t taken = bound_socket(AF_INET, SOCK_DGRAM);
    usocket_addr to = name_of(taken), any;
    OK(usocket_addr_ip(AF_INET, "", usocket_addr_port(&to), 0, 0, &any));
    usocket_t all = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    OK(usocket_close(taken));
    OK(usocket_bind(all, &any));
    uint32_t port = usocket_addr_port(&to), range = port << 16 | port;
    const int64_t modes[] = {-1, GENEROUS, 0};
    for (int m = 0; m < 3; m++) {
        usocket_t s = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
        if (usocket_setsockopt(s, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof range) < 0)
            skip(); // Linux 6.3
        OK(usocket_settimeout(s, modes[m]));
        struct rescue r;
        rescue(&r, s);
        int64_t got = usocket_sendto(s, "x", 1, 0, &to), again = usocket_sendto(s, "x", 1, 0, &to);
        rescued(&r);
        assert_int_equal(got, -EAGAIN);
        assert_int_equal(again, -EAGAIN);
        OK(usocket_close(s));
    }
    OK(usocket_close(all));
}

static void what_the_kernel_never_waits_for_is_not_waited_for(void **state)
{
    (void)state;
    const int64_t modes[] = {-1, GENEROUS, 0};
    for (int m = 0; m < 3; m++)
        for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
            usocket_t pair[2];
            connected_pair(AF_INET, type, pair);
            GIVES(1, usocket_send(pair[1], "x", 1, 0));
            usocket_pollfd p = {.socket = pair[0], .events = POLLIN};
            GIVES(1, usocket_poll(&p, 1, GENEROUS));
            OK(usocket_settimeout(pair[0], modes[m]));
            struct rescue r;
            rescue(&r, pair[0]);
            int64_t got = usocket_recv(pair[0], scratch, 9, MSG_ERRQUEUE);
            int64_t from = usocket_recvfrom(pair[0], scratch, 9, MSG_ERRQUEUE, &(usocket_addr){0});
            rescued(&r);
            assert_int_equal(got, -EAGAIN);
            assert_int_equal(from, -EAGAIN);
            GIVES(1, usocket_recv(pair[0], scratch, 9, 0));
            OK(usocket_close(pair[0]));
            OK(usocket_close(pair[1]));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receiving),
        cmocka_unit_test(sending),
        cmocka_unit_test(accepting),
        cmocka_unit_test(connecting),
        cmocka_unit_test(dontwait_makes_one_call_non_blocking),
        cmocka_unit_test(another_process_makes_it_block),
        cmocka_unit_test(sendall_has_one_deadline),
        cmocka_unit_test(read_and_readline_have_one_deadline),
        cmocka_unit_test(no_port_left_is_told_at_once),
        cmocka_unit_test(what_the_kernel_never_waits_for_is_not_waited_for),
    };
    return RUN(tests);
}
