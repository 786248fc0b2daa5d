// Closing a handle ends what other threads are doing on it, with -EBADF, whatever they are in.

#include "support.h"

#include <linux/if_ether.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>

struct blocked {
    int64_t (*run)(struct blocked *b);
    usocket_t s;
    usocket_addr to;
    char *buf;
    size_t len;
    _Atomic pid_t thread;
    int64_t result;
    usocket_pollfd p;
};

static int64_t recv_(struct blocked *b) { return usocket_recv(b->s, b->buf, b->len, 0); }
static int64_t recvfrom_(struct blocked *b) { return usocket_recvfrom(b->s, b->buf, b->len, 0, &b->to); }
static int64_t read_(struct blocked *b) { return usocket_read(b->s, b->buf, b->len); }
static int64_t readline_(struct blocked *b) { return usocket_readline(b->s, b->buf, b->len); }
static int64_t send_(struct blocked *b) { return usocket_send(b->s, b->buf, b->len, 0); }
static int64_t sendall_(struct blocked *b) { return usocket_sendall(b->s, b->buf, b->len, 0); }
static int64_t write_(struct blocked *b) { return usocket_write(b->s, b->buf, b->len); }
static int64_t sendto_(struct blocked *b) { return usocket_sendto(b->s, b->buf, b->len, 0, &b->to); }
static int64_t accept_(struct blocked *b) { return usocket_accept(b->s, NULL); }
static int64_t connect_(struct blocked *b) { return usocket_connect(b->s, &b->to); }
static int64_t poll_(struct blocked *b)
{
    int64_t n = usocket_poll(&b->p, 1, -1);
    return n == 1 && b->p.revents == POLLNVAL ? -EBADF : n;
}

static void *block(void *arg)
{
    struct blocked *b = arg;
    b->thread = this_thread();
    b->result = b->run(b);
    return NULL;
}

// Blocks a thread in `run` on `s`, closes `s`, and wants -EBADF there, soon. Takes s.
static void close_wakes(const char *what, usocket_t s, int64_t (*run)(struct blocked *),
                        const usocket_addr *to)
{
    static char buf[1 << 16];
    int fd = OK(usocket_fileno(s));
    struct blocked b = {.run = run, .s = s, .buf = buf, .len = 100, .p = {s, 0, POLLIN, 0}};
    if (to)
        b.to = *to;
    pthread_t thread;
    start_thread(&thread, block, &b);
    while (!b.thread)
        sched_yield();
    wait_until_asleep(b.thread);
    OK(usocket_close(s));
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += GENEROUS / SECOND;
    if (pthread_timedjoin_np(thread, NULL, &end))
        fail_msg("%s does not end when the handle is closed", what);
    if (b.result != -EBADF)
        fail_msg("%s gives %lld", what, (long long)b.result);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    GIVES(-EBADF, usocket_close(s));
}

static void close_wakes_what_receives(void **state)
{
    (void)state;
    int64_t (*const runs[])(struct blocked *) = {recv_, recvfrom_, read_, readline_, poll_};
    int before = open_descriptors();
    FOR_EACH_KIND(k)
        FOR_EACH_WAITING_MODE(mode)
            for (int i = 0; i < 5; i++) {
                if (runs[i] == readline_ && k->type != SOCK_STREAM)
                    continue;
                usocket_t pair[2];
                connected_pair(k->family, k->type, pair);
                OK(usocket_settimeout(pair[0], *mode));
                close_wakes(k->name, pair[0], runs[i], NULL);
                // The other end of a stream sees the end.
                if (k->type == SOCK_STREAM)
                    GIVES(0, usocket_recv(pair[1], &(char){0}, 1, 0));
                OK(usocket_close(pair[1]));
                if (k->type == SOCK_DGRAM) {
                    usocket_t alone = bound_socket(k->family, k->type);
                    OK(usocket_settimeout(alone, *mode));
                    close_wakes("unconnected", alone, runs[i], NULL);
                }
            }
    assert_int_equal(open_descriptors(), before);
}

static void close_wakes_what_sends(void **state)
{
    (void)state;
    int64_t (*const runs[])(struct blocked *) = {send_, sendall_, write_};
    int before = open_descriptors();
    FOR_EACH_KIND(k) {
        if (k->type == SOCK_DGRAM && k->family != AF_UNIX)
            continue; // UDP never waits to send
        FOR_EACH_WAITING_MODE(mode)
            for (int i = 0; i < 3; i++) {
                usocket_t pair[2];
                connected_pair(k->family, k->type, pair);
                OK(usocket_settimeout(pair[0], *mode));
                small_buffers(pair);
                fill(pair[0]);
                close_wakes(k->name, pair[0], runs[i], NULL);
                OK(usocket_close(pair[1]));
            }
    }
    assert_int_equal(open_descriptors(), before);
}

static void close_wakes_sendto_a_full_peer(void **state)
{
    (void)state;
    FOR_EACH_WAITING_MODE(mode) {
        usocket_t peer = bound_socket(AF_UNIX, SOCK_DGRAM), s = bound_socket(AF_UNIX, SOCK_DGRAM);
        usocket_addr to = name_of(peer);
        while (usocket_sendto(s, "x", 1, MSG_DONTWAIT, &to) == 1)
            ;
        GIVES(-EAGAIN, usocket_sendto(s, "x", 1, MSG_DONTWAIT, &to));
        OK(usocket_settimeout(s, *mode));
        close_wakes("sendto", s, sendto_, &to);
        OK(usocket_close(peer));
    }
}

static void close_wakes_accept(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_INET6, AF_UNIX};
    for (int i = 0; i < 3; i++)
        FOR_EACH_WAITING_MODE(mode) {
            usocket_t listener = listening_socket(families[i], 1);
            OK(usocket_settimeout(listener, *mode));
            close_wakes("accept", listener, accept_, NULL);
            listener = listening_socket(families[i], 1);
            close_wakes("poll", listener, poll_, NULL);
        }
}

static void close_wakes_connect(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_UNIX};
    for (int i = 0; i < 2; i++) {
        usocket_t listener, clients[8];
        size_t n = full_listener(families[i], &listener, clients, 8);
        usocket_addr to = name_of(listener);
        FOR_EACH_WAITING_MODE(mode) {
            usocket_t s = OK(usocket_socket(families[i], SOCK_STREAM, 0));
            OK(usocket_settimeout(s, *mode));
            close_wakes("connect", s, connect_, &to);
        }
        while (n--)
            OK(usocket_close(clients[n]));
        OK(usocket_close(listener));
    }
}

static void close_wakes_everybody_inside(void **state)
{
    (void)state;
    enum { N = 8 };
    struct blocked b[N];
    pthread_t threads[N];
    usocket_t pair[2];
    char buf[N];
    int before = open_descriptors();
    connected_pair(AF_INET, SOCK_STREAM, pair);
    for (int i = 0; i < N; i++) {
        b[i] = (struct blocked){.run = recv_, .s = pair[0], .buf = &buf[i], .len = 1};
        start_thread(&threads[i], block, &b[i]);
        while (!b[i].thread)
            sched_yield();
        wait_until_asleep(b[i].thread);
    }
    GIVES(-EBUSY, usocket_detach(pair[0]));
    OK(usocket_close(pair[0]));
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(b[i].result, -EBADF);
    }
    OK(usocket_close(pair[1]));
    assert_int_equal(open_descriptors(), before);
}

// Families whose shutdown(2) is EOPNOTSUPP: the kernel cannot be made to end what waits in it.
static void close_wakes_where_the_kernel_has_no_shutdown(void **state)
{
    (void)state;
    int64_t (*const runs[])(struct blocked *) = {recv_, recvfrom_, read_, poll_};
    const struct { int family, type, proto; } kinds[] = {
        {AF_NETLINK, SOCK_RAW, 0}, {AF_PACKET, SOCK_RAW, 0},
    };
    int before = open_descriptors();
    for (int k = 0; k < 2; k++)
        FOR_EACH_WAITING_MODE(mode)
            for (int i = 0; i < 4; i++) {
                usocket_t s = usocket_socket(kinds[k].family, kinds[k].type, kinds[k].proto);
                if (s == -EPERM)
                    continue; // packet sockets are for root
                OK(s);
                OK(usocket_settimeout(s, *mode));
                close_wakes("no shutdown", s, runs[i], NULL);
            }
    assert_int_equal(open_descriptors(), before);
}

// In a child: makes what close needs fail, then closes a socket that a thread is blocked on.
static void close_wakes_after(void (*spoil)(void), int64_t (*run)(struct blocked *), int family, int type,
                              int64_t mode)
{
    pid_t child = fork();
    if (child == 0) {
        static char buf[100];
        usocket_addr any;
        struct blocked b = {.run = run, .buf = buf, .len = sizeof buf};
        if (family == AF_INET6 && !has_ipv6())
            _exit(0);
        b.s = usocket_socket(family, type, 0);
        CHILD(b.s > 0);
        CHILD(usocket_addr_ip(family, family == AF_INET ? "127.0.0.1" : "::1", 0, 0, 0, &any) == 0);
        CHILD(usocket_bind(b.s, &any) == 0);
        CHILD(type != SOCK_STREAM || usocket_listen(b.s, 1) == 0);
        CHILD(usocket_settimeout(b.s, mode) == 0);
        b.p = (usocket_pollfd){b.s, 0, POLLIN, 0};
        pthread_t thread;
        CHILD(pthread_create(&thread, NULL, block, &b) == 0);
        while (!b.thread)
            sched_yield();
        wait_until_asleep(b.thread);
        spoil();
        alarm(GENEROUS / SECOND); // a hang is a death
        CHILD(usocket_close(b.s) == 0);
        CHILD(pthread_join(thread, NULL) == 0);
        CHILD(b.result == -EBADF);
        _exit(0);
    }
    child_ends_well(child);
}

static void no_descriptor_is_free(void)
{
    struct rlimit none = {0, 0};
    CHILD(setrlimit(RLIMIT_NOFILE, &none) == 0);
}

static void no_file_is_opened(void)
{
    refuse((const int[]){
#ifdef SYS_open
        SYS_open,
#endif
        SYS_openat}, 1
#ifdef SYS_open
        + 1
#endif
    );
}

static void no_descriptor_is_replaced(void)
{
    refuse((const int[]){SYS_dup3}, 1);
}

static void close_wakes_with_what_it_needs_refused(void **state)
{
    (void)state;
    if (!can_refuse())
        skip();
    void (*const spoils[])(void) = {no_descriptor_is_free, no_file_is_opened, no_descriptor_is_replaced};
    for (int i = 0; i < 3; i++)
        FOR_EACH_WAITING_MODE(mode) {
            close_wakes_after(spoils[i], recv_, AF_INET, SOCK_DGRAM, *mode);
            close_wakes_after(spoils[i], recvfrom_, AF_INET6, SOCK_DGRAM, *mode);
            close_wakes_after(spoils[i], poll_, AF_INET, SOCK_DGRAM, *mode);
            close_wakes_after(spoils[i], accept_, AF_INET, SOCK_STREAM, *mode);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_wakes_what_receives),
        cmocka_unit_test(close_wakes_what_sends),
        cmocka_unit_test(close_wakes_sendto_a_full_peer),
        cmocka_unit_test(close_wakes_accept),
        cmocka_unit_test(close_wakes_connect),
        cmocka_unit_test(close_wakes_everybody_inside),
        cmocka_unit_test(close_wakes_where_the_kernel_has_no_shutdown),
        cmocka_unit_test(close_wakes_with_what_it_needs_refused),
    };
    return RUN(tests);
}
