// Modes and deadlines: blocking, timeout and non-blocking, for every operation alike; signals.

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

static void on_alarm(int number)
{
    (void)number;
}

// Interrupts this thread once, `us` from now, or, repeating, every `us`; 0 stops it.
static void alarms(int64_t us, bool repeat)
{
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval t = {.it_value = {us / SECOND, us % SECOND}};
    if (repeat)
        t.it_interval = t.it_value;
    setitimer(ITIMER_REAL, &t, NULL);
}

static int32_t stop(void *arg)
{
    (void)arg;
    return 1;
}

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
    OK(usocket_set_event_hook(stop, NULL));
    began = now_us();
    alarms(2 * TIMEOUT, false);
    GIVES(-EINTR, run(s, to));
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
        OK(usocket_set_event_hook(stop, NULL)); // So that it fails and does not hang.
        alarms(10 * SECOND, false);
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

// --- what others do to the description ---

// Closes `s` if that is not called off in time: a call that hangs fails, and does not hang the tests.
struct rescue {
    usocket_t s;
    int off[2];
    pthread_t thread;
};

static void *rescues(void *arg)
{
    struct rescue *r = arg;
    struct pollfd p = {.fd = r->off[0], .events = POLLIN};
    if (poll(&p, 1, 5000) == 0)
        usocket_close(r->s);
    return NULL;
}

static void rescue(struct rescue *r, usocket_t s)
{
    r->s = s;
    assert_int_equal(pipe(r->off), 0);
    start_thread(&r->thread, rescues, r);
}

static void rescued(struct rescue *r)
{
    close(r->off[1]);
    pthread_join(r->thread, NULL);
    close(r->off[0]);
}

static void clear_nonblock(int fd)
{
    CHILD(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0);
}

enum { BY_A_CHILD, BY_A_DUP, BY_ITS_NUMBER, WAYS };

// Makes the description of `s`, in whatever mode, block in the kernel.
static void make_it_block(usocket_t s, int way)
{
    usocket_t other;
    pid_t child;
    switch (way) {
    case BY_A_CHILD:
        if ((child = fork()) == 0) {
            CHILD(usocket_setblocking(s, 1) == 0);
            _exit(0);
        }
        child_ends_well(child);
        break;
    case BY_A_DUP:
        other = OK(usocket_dup(s));
        OK(usocket_setblocking(other, 1));
        OK(usocket_close(other));
        break;
    default:
        clear_nonblock(OK(usocket_fileno(s)));
    }
}

static void deadlines_hold_whatever_others_make_of_the_mode(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_UNIX};
    for (int way = 0; way < WAYS; way++)
        for (int i = 0; i < 2; i++) {
            usocket_t full, clients[8], l = listening_socket(families[i], 1);
            size_t n = full_listener(families[i], &full, clients, 8);
            usocket_addr to = name_of(full);
            operation *const runs[] = {accept_, connect_};
            for (int o = 0; o < 2; o++)
                for (int64_t timeout = 0; timeout <= TIMEOUT; timeout += TIMEOUT) {
                    usocket_t s = o == 0 ? OK(usocket_dup(l)) : OK(usocket_socket(families[i], SOCK_STREAM, 0));
                    struct rescue r;
                    OK(usocket_settimeout(s, timeout));
                    make_it_block(s, way);
                    rescue(&r, s);
                    int64_t got = runs[o](s, &to);
                    rescued(&r);
                    int now = o == 1 && families[i] == AF_INET ? -EINPROGRESS : -EAGAIN;
                    assert_int_equal(got, timeout ? -ETIMEDOUT : now);
                    OK(usocket_close(s));
                }
            while (n--)
                OK(usocket_close(clients[n]));
            OK(usocket_close(full));
            OK(usocket_close(l));
        }
}

// A mode that cannot be had is not said to be there; and without fcntl a deadline still holds.
static void what_a_filter_refuses(void **state)
{
    (void)state;
    if (!can_refuse())
        skip();
    usocket_t l = listening_socket(AF_INET, 1);
    OK(usocket_settimeout(l, TIMEOUT));
    make_it_block(l, BY_ITS_NUMBER);
    pid_t child = fork();
    if (child == 0) {
        alarm(GENEROUS / SECOND); // a hang is a death
        refuse((const int[]){SYS_fcntl}, 1);
        CHILD(usocket_accept(l, NULL) == -ETIMEDOUT);
        refuse((const int[]){SYS_ioctl}, 1);
        int64_t mode;
        CHILD(usocket_setblocking(l, 1) == -EPERM);
        CHILD(usocket_gettimeout(l, &mode) == 0 && mode == TIMEOUT);
        CHILD(usocket_settimeout(l, 0) == 0);
        CHILD(usocket_gettimeout(l, &mode) == 0 && mode == 0);
        _exit(0);
    }
    child_ends_well(child);
    OK(usocket_close(l));
}

struct set_mode {
    usocket_t s;
    int64_t us;
    pid_t waits;
};

static void *set_mode(void *arg)
{
    struct set_mode *set = arg;
    wait_until_asleep(set->waits);
    OK(usocket_settimeout(set->s, set->us));
    kill(getpid(), SIGALRM);
    return NULL;
}

// The mode of the library and that of the description are one, whoever changes it meanwhile.
static void a_blocking_unix_connect_leaves_the_mode_that_was_set_meanwhile(void **state)
{
    (void)state;
    usocket_t full, clients[8], s = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    size_t n = full_listener(AF_UNIX, &full, clients, 8);
    usocket_addr to = name_of(full);
    const int64_t modes[] = {0, GENEROUS, -1};
    for (int m = 0; m < 3; m++) {
        OK(usocket_settimeout(s, -1));
        pid_t here = this_thread();
        pthread_t thread;
        struct set_mode set = {s, modes[m], here};
        OK(usocket_set_event_hook(stop, NULL));
        alarms(0, false);
        sigset_t alarm_only, before;
        sigemptyset(&alarm_only);
        sigaddset(&alarm_only, SIGALRM);
        pthread_sigmask(SIG_BLOCK, &alarm_only, &before); // the thread's mask; this one's is put back
        start_thread(&thread, set_mode, &set);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        GIVES(-EINTR, usocket_connect(s, &to));
        pthread_join(thread, NULL);
        OK(usocket_set_event_hook(NULL, NULL));
        int flags = fcntl(OK(usocket_fileno(s)), F_GETFL);
        assert_int_equal(!!(flags & O_NONBLOCK), modes[m] >= 0);
        int64_t mode;
        OK(usocket_gettimeout(s, &mode));
        assert_int_equal(mode, modes[m]);
    }
    while (n--)
        OK(usocket_close(clients[n]));
    OK(usocket_close(full));
    OK(usocket_close(s));
}

struct connecting {
    usocket_t s;
    usocket_addr to;
    _Atomic pid_t thread;
    int64_t result;
};

static void *connect_to(void *arg)
{
    struct connecting *c = arg;
    c->thread = this_thread();
    c->result = usocket_connect(c->s, &c->to);
    return NULL;
}

// A refusal that comes while the call waits is its result: the kernel asks again after a second, and
// whoever had no room then is not there any more.
static void a_refusal_that_comes_late_is_told(void **state)
{
    (void)state;
    const int64_t modes[] = {GENEROUS, -1};
    for (int m = 0; m < 2; m++) {
        usocket_t full, clients[8];
        size_t n = full_listener(AF_INET, &full, clients, 8);
        struct connecting c = {OK(usocket_socket(AF_INET, SOCK_STREAM, 0)), name_of(full), 0, 0};
        OK(usocket_settimeout(c.s, modes[m]));
        pthread_t thread;
        start_thread(&thread, connect_to, &c);
        while (!c.thread)
            sched_yield();
        wait_until_asleep(c.thread);
        OK(usocket_close(full));
        pthread_join(thread, NULL);
        GIVES(-ECONNREFUSED, c.result);
        while (n--)
            OK(usocket_close(clients[n]));
        OK(usocket_close(c.s));
    }
}

static int32_t take_the_error(void *arg)
{
    int error, fd = *(int *)arg;
    socklen_t len = sizeof error;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    poll(&p, 1, GENEROUS / MS);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return 0;
}

// A connect that waits is interrupted; meanwhile the attempt fails, and somebody else is told why.
static void a_failed_connect_is_no_success_because_the_error_was_taken(void **state)
{
    (void)state;
    const int64_t modes[] = {GENEROUS, -1};
    for (int m = 0; m < 2; m++) {
        usocket_t full, clients[8], s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
        size_t n = full_listener(AF_INET, &full, clients, 8);
        usocket_addr to = name_of(full);
        OK(usocket_settimeout(s, 10 * MS));
        GIVES(-ETIMEDOUT, usocket_connect(s, &to));
        OK(usocket_close(full)); // from here on it is refused, when the kernel asks again
        int fd = OK(usocket_fileno(s));
        OK(usocket_settimeout(s, modes[m]));
        OK(usocket_set_event_hook(take_the_error, &fd));
        alarms(50 * MS, false);
        GIVES(-ECONNABORTED, usocket_connect(s, &to));
        OK(usocket_set_event_hook(NULL, NULL));
        while (n--)
            OK(usocket_close(clients[n]));
        OK(usocket_close(s));
    }
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

// --- signals ---

static void a_timeout_survives_a_storm_of_signals(void **state)
{
    (void)state;
    usocket_t s = bound_socket(AF_INET, SOCK_DGRAM), listener = listening_socket(AF_INET, 1);
    usocket_t full, clients[8], c = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    full_listener(AF_INET, &full, clients, 8);
    usocket_addr to = name_of(full);
    OK(usocket_settimeout(s, 500 * MS));
    OK(usocket_settimeout(listener, 500 * MS));
    OK(usocket_settimeout(c, 500 * MS));
    usocket_pollfd p = {.socket = s, .events = POLLIN};
    for (int i = 0; i < 4; i++) {
        alarms(1 * MS, true);
        int64_t began = now_us(), r = 0;
        switch (i) {
        case 0: r = usocket_recv(s, scratch, 1, 0); break;
        case 1: r = usocket_accept(listener, NULL); break;
        case 2: r = usocket_connect(c, &to); break;
        case 3: r = usocket_poll(&p, 1, 500 * MS); break;
        }
        int64_t took = now_us() - began;
        alarms(0, false);
        assert_int_equal(r, i == 3 ? 0 : -ETIMEDOUT);
        // It neither ends early nor starts again with each signal.
        assert_in_range(took, 500 * MS, GENEROUS);
    }
    OK(usocket_close(s));
    OK(usocket_close(listener));
    OK(usocket_close(c));
}

// In blocking mode the kernel ends a call that has done a part with that part, and not with EINTR.
static void the_hook_stops_what_has_done_a_part(void **state)
{
    (void)state;
    static char much[16 << 20];
    usocket_t pair[2];
    OK(usocket_set_event_hook(stop, NULL));
    for (int64_t timeout = -1; timeout < GENEROUS; timeout += 1 + GENEROUS) {
        connected_pair(AF_INET, SOCK_STREAM, pair);
        OK(usocket_settimeout(pair[0], timeout));
        alarms(20 * MS, true);
        int64_t sent = usocket_sendall(pair[0], much, sizeof much, 0);
        alarms(0, false);
        assert_int_equal(sent, -EINTR);
        // What came is handed over, and the next call says why there was no more.
        OK(usocket_send(pair[1], "part", 4, 0));
        alarms(20 * MS, true);
        int64_t got = usocket_read(pair[0], scratch, 100);
        alarms(0, false);
        assert_int_equal(got, 4);
        GIVES(-EINTR, usocket_read(pair[0], scratch, 100));
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
    OK(usocket_set_event_hook(NULL, NULL));
}

static void blocking_operations_go_on_through_signals(void **state)
{
    (void)state;
    FOR_EACH_KIND(k) {
        usocket_t pair[2];
        connected_pair(k->family, k->type, pair);
        pid_t child = fork();
        if (child == 0) {
            poll(NULL, 0, 30);
            CHILD(usocket_send(pair[1], "x", 1, 0) == 1);
            _exit(0);
        }
        alarms(1 * MS, true);
        int64_t r = usocket_recv(pair[0], scratch, 1, 0);
        alarms(0, false);
        assert_int_equal(r, 1);
        child_ends_well(child);
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
    // Not a byte is lost or doubled by a transfer under fire.
    static unsigned char block[8 << 20], back[sizeof block];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = i * 2654435761u >> 24;
    usocket_t pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    pid_t child = fork();
    if (child == 0) {
        alarms(1 * MS, true);
        CHILD(usocket_sendall(pair[1], block, sizeof block, 0) == 0);
        CHILD(usocket_close(pair[1]) == 0);
        _exit(0);
    }
    alarms(1 * MS, true);
    int64_t n = usocket_read(pair[0], back, sizeof back);
    alarms(0, false);
    assert_int_equal(n, sizeof back);
    assert_memory_equal(back, block, sizeof back);
    child_ends_well(child);
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
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
        cmocka_unit_test(deadlines_hold_whatever_others_make_of_the_mode),
        cmocka_unit_test(what_a_filter_refuses),
        cmocka_unit_test(a_blocking_unix_connect_leaves_the_mode_that_was_set_meanwhile),
        cmocka_unit_test(a_refusal_that_comes_late_is_told),
        cmocka_unit_test(a_failed_connect_is_no_success_because_the_error_was_taken),
        cmocka_unit_test(no_port_left_is_told_at_once),
        cmocka_unit_test(what_the_kernel_never_waits_for_is_not_waited_for),
        cmocka_unit_test(a_timeout_survives_a_storm_of_signals),
        cmocka_unit_test(the_hook_stops_what_has_done_a_part),
        cmocka_unit_test(blocking_operations_go_on_through_signals),
    };
    return RUN(tests);
}
