// Older kernels, and filters of system calls that are older than the kernel: each call in the table is
// answered with ENOSYS, EPERM and EACCES in turn, and everything else must work as it did.

#include "tls_support.h"

#include <sys/syscall.h>

static const struct call {
    const char *name;
    long number;
    // Calls that the C library itself cannot do without: it falls back only on ENOSYS.
    bool only_enosys;
} CALLS[] = {
#define CALL(name) {#name, SYS_##name, false},
#define CALL_OF_LIBC(name) {#name, SYS_##name, true},
    // Younger than Linux 4.14.
#ifdef SYS_statx
    CALL_OF_LIBC(statx)
#endif
#ifdef SYS_io_uring_setup
    CALL(io_uring_setup)
#endif
#ifdef SYS_pidfd_open
    CALL(pidfd_open)
#endif
#ifdef SYS_clone3
    CALL_OF_LIBC(clone3)
#endif
#ifdef SYS_close_range
    CALL(close_range)
#endif
#ifdef SYS_openat2
    CALL(openat2)
#endif
#ifdef SYS_faccessat2
    CALL_OF_LIBC(faccessat2)
#endif
#ifdef SYS_epoll_pwait2
    CALL(epoll_pwait2)
#endif
    // Those with 64-bit times, on 32 bits: 5.1.
#ifdef SYS_ppoll_time64
    CALL(ppoll_time64)
    CALL_OF_LIBC(futex_time64)
    CALL(clock_gettime64)
    CALL(recvmmsg_time64)
    CALL_OF_LIBC(timerfd_settime64)
    CALL_OF_LIBC(clock_nanosleep_time64)
    CALL(rt_sigtimedwait_time64)
#endif
    // Older, and not to be had in every container.
    CALL(getrandom)
    CALL(memfd_create)
    CALL(membarrier)
    CALL(sendfile)
    CALL(accept4)
    CALL(sendmmsg)
    CALL(madvise)
    CALL(dup3)
    CALL(prctl)
    CALL(shmat)
    CALL(shmctl)
    CALL(shmget)
    CALL(sysinfo)
    CALL(prlimit64)
    CALL(rt_sigtimedwait)
};

// --- what must work ---

static void *accepts(void *listener)
{
    usocket_t s = usocket_accept(*(usocket_t *)listener, NULL);
    CHILD(s > 0);
    CHILD(usocket_sendall(s, "hello\n", 6, 0) == 0);
    CHILD(usocket_close(s) == 0);
    return NULL;
}

static void connections_and_deadlines(void)
{
    usocket_addr at;
    pthread_t thread;
    char service[16], buf[16];
    int64_t modes[] = {-1, GENEROUS};
    for (int i = 0; i < 2; i++) {
        at = local_address(AF_INET, 0);
        usocket_t listener = usocket_create_server(&at, 5, 0);
        CHILD(listener > 0);
        CHILD(usocket_settimeout(listener, modes[i]) == 0);
        CHILD(usocket_getsockname(listener, &at) == 0);
        snprintf(service, sizeof service, "%d", usocket_addr_port(&at));
        CHILD(pthread_create(&thread, NULL, accepts, &listener) == 0);
        usocket_t s = usocket_create_connection("localhost", service, GENEROUS, NULL);
        CHILD(s > 0);
        CHILD(usocket_readline(s, buf, sizeof buf) == 6);
        CHILD(usocket_recv(s, buf, sizeof buf, 0) == 0);
        CHILD(pthread_join(thread, NULL) == 0);
        CHILD(usocket_close(s) == 0);
        // Nobody comes.
        CHILD(usocket_settimeout(listener, 3500) == 0);
        int64_t begun = now_us();
        CHILD(usocket_accept(listener, NULL) == -ETIMEDOUT);
        CHILD(now_us() - begun >= 3500);
        CHILD(usocket_setblocking(listener, 0) == 0);
        CHILD(usocket_accept4(listener, SOCK_NONBLOCK, NULL) == -EAGAIN);
        CHILD(usocket_close(listener) == 0);
    }
}

static void accepted_sockets_have_their_flags(void)
{
    usocket_addr at;
    at = local_address(AF_INET, 0);
    usocket_t listener = usocket_create_server(&at, 5, 0);
    CHILD(usocket_getsockname(listener, &at) == 0);
    for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
        usocket_t client = usocket_socket(AF_INET, SOCK_STREAM, 0);
        usocket_addr from;
        CHILD(usocket_connect(client, &at) == 0);
        usocket_t s = usocket_accept4(listener, flags, &from);
        CHILD(s > 0 && usocket_addr_family(&from) == AF_INET);
        CHILD(fcntl(usocket_fileno(s), F_GETFD) == FD_CLOEXEC);
        char c;
        if (flags)
            CHILD(usocket_recv(s, &c, 1, 0) == -EAGAIN);
        CHILD(usocket_close(s) == 0 && usocket_close(client) == 0);
    }
    CHILD(usocket_close(listener) == 0);
}

static void polling(void)
{
    usocket_t p = usocket_poller_create(), pair[2];
    usocket_event e;
    CHILD(p > 0);
    CHILD(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHILD(usocket_poller_add(p, pair[0], POLLIN, 1) == 0);
    usocket_pollfd one = {.socket = pair[0], .events = POLLIN};
    int64_t begun = now_us();
    CHILD(usocket_poller_wait(p, &e, 1, 3500) == 0);
    CHILD(usocket_poll(&one, 1, 3500) == 0);
    CHILD(now_us() - begun >= 7000);
    CHILD(usocket_send(pair[1], "x", 1, 0) == 1);
    CHILD(usocket_poller_wait(p, &e, 1, GENEROUS) == 1 && e.socket == pair[0]);
    CHILD(usocket_poller_wait(p, &e, 1, -1) == 1);
    CHILD(usocket_poll(&one, 1, -1) == 1 && one.revents == POLLIN);
    CHILD(usocket_close(p) == 0);
    CHILD(usocket_close(pair[0]) == 0 && usocket_close(pair[1]) == 0);
}

static void timers(void)
{
    usocket_t p = usocket_poller_create();
    usocket_event e;
    int64_t begun = now_us();
    CHILD(usocket_poller_arm_timer(p, 3500, 7) > 0);
    // In a loop of the host's.
    struct pollfd loop = {.fd = usocket_fileno(p), .events = POLLIN};
    CHILD(poll(&loop, 1, (int)(GENEROUS / MS)) == 1);
    CHILD(usocket_poller_wait(p, &e, 1, GENEROUS) == 1 && e.data == 7);
    CHILD(now_us() - begun >= 3500);
    CHILD(usocket_close(p) == 0);
}

// sendfile(2) raises SIGPIPE.
static void files(void)
{
    usocket_t pair[2];
    int file = open("/proc/self/exe", O_RDONLY);
    CHILD(file >= 0);
    CHILD(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHILD(usocket_sendfile(pair[0], file, 0, 100) == 100);
    CHILD(usocket_close(pair[1]) == 0);
    CHILD(usocket_sendfile(pair[0], file, 0, 100) == -EPIPE);
    CHILD(usocket_close(pair[0]) == 0 && close(file) == 0);
}

struct receiver {
    usocket_t s;
    pid_t volatile thread;
};

static void *receives(void *arg)
{
    struct receiver *r = arg;
    char c;
    r->thread = this_thread();
    CHILD(usocket_recv(r->s, &c, 1, 0) == -EBADF);
    return NULL;
}

static void a_close_wakes_who_receives(void)
{
    usocket_t pair[2];
    pthread_t thread;
    CHILD(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    struct receiver r = {.s = pair[0]};
    CHILD(pthread_create(&thread, NULL, receives, &r) == 0);
    while (!r.thread)
        usleep(100);
    wait_until_asleep(r.thread);
    CHILD(usocket_close(pair[0]) == 0);
    CHILD(pthread_join(thread, NULL) == 0);
    CHILD(usocket_close(pair[1]) == 0);
}

static void names(void)
{
    usocket_addrinfo *found;
    CHILD(usocket_getaddrinfo("127.0.0.1", "80", AF_INET, SOCK_STREAM, 0, 0, GENEROUS, &found) == 0);
    usocket_freeaddrinfo(found);
    CHILD(usocket_getaddrinfo("localhost", "80", AF_INET, SOCK_STREAM, 0, 0, GENEROUS, &found) == 0);
    usocket_freeaddrinfo(found);
    usocket_query_t q = usocket_query_create("localhost", "80", AF_INET, SOCK_STREAM, 0, 0);
    CHILD(q > 0);
    CHILD(usocket_query_result(q, GENEROUS, &found) == 0);
    usocket_freeaddrinfo(found);
    CHILD(usocket_close(q) == 0);
}

static void forks(void)
{
    usocket_t pair[2];
    char c;
    CHILD(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    pid_t child = fork();
    CHILD(child >= 0);
    if (child == 0) {
        CHILD(usocket_send(pair[1], "x", 1, 0) == 1);
        CHILD(usocket_close(pair[1]) == 0);
        _exit(0);
    }
    CHILD(usocket_recv(pair[0], &c, 1, 0) == 1);
    int status;
    CHILD(waitpid(child, &status, 0) == child && status == 0);
    CHILD(usocket_close(pair[0]) == 0 && usocket_close(pair[1]) == 0);
}

static void *shakes(void *s)
{
    CHILD(usocket_tls_handshake(*(usocket_t *)s) == 0);
    return NULL;
}

static void tls(void)
{
    if (!has_tls())
        return;
    usocket_t client = usocket_tls_context_create(USOCKET_TLS_CLIENT), pair[2];
    // Without any random numbers there is no TLS. (AWS-LC would abort the process.)
    if (client == -EPERM) {
        CHILD(syscall(SYS_getrandom, pair, 1, 0) == -1 && (errno == EPERM || errno == EACCES));
        return;
    }
    usocket_t server = usocket_tls_context_create(USOCKET_TLS_SERVER);
    pthread_t thread;
    char buf[8];
    CHILD(usocket_tls_context_add_trust_file(client, in_certs("ca.pem")) == 1);
    CHILD(usocket_tls_context_add_cert_file(server, in_certs("server.pem"), in_certs("server-key.pem")) == 0);
    CHILD(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHILD(usocket_tls_wrap(pair[0], client, "localhost", 0) == 0);
    CHILD(usocket_tls_wrap(pair[1], server, NULL, 0) == 0);
    CHILD(pthread_create(&thread, NULL, shakes, &pair[1]) == 0);
    CHILD(usocket_tls_handshake(pair[0]) == 0);
    CHILD(pthread_join(thread, NULL) == 0);
    CHILD(usocket_send(pair[0], "x", 1, 0) == 1 && usocket_recv(pair[1], buf, 8, 0) == 1);
    CHILD(usocket_close(pair[0]) == 0 && usocket_close(pair[1]) == 0);
    CHILD(usocket_close(client) == 0 && usocket_close(server) == 0);
}

// --- the table ---

static void each_call_can_be_done_without(void **state)
{
    (void)state;
    if (!can_refuse())
        skip();
    static void (*const SCENARIOS[])(void) = {
        connections_and_deadlines, accepted_sockets_have_their_flags, polling, timers,
        a_close_wakes_who_receives, files, names, forks, tls,
    };
    static const int ANSWERS[] = {ENOSYS, EPERM, EACCES};
    int failures = 0;
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++)
        for (int a = 0; a < (CALLS[i].only_enosys ? 1 : 3); a++)
            for (size_t k = 0; k < sizeof SCENARIOS / sizeof *SCENARIOS; k++) {
                // Each process detects the kernel's features for itself.
                pid_t child = fork();
                if (child == 0) {
                    alarm(3 * GENEROUS / SECOND); // a hang is a death
                    const int number = CALLS[i].number;
                    answer(&number, 1, ANSWERS[a]);
                    SCENARIOS[k]();
                    _exit(0);
                }
                int status;
                assert_int_equal(waitpid(child, &status, 0), child);
                if (status) {
                    print_error("%s: %s (scenario %zu: status %#x)\n", CALLS[i].name, strerror(ANSWERS[a]), k, status);
                    failures++;
                }
            }
    assert_int_equal(failures, 0);
}

// A sandbox that takes every new descriptor away: poll(2) refuses to wait then.
static void without_descriptors(rlim_t limit)
{
    usocket_t pairs[2][2];
    for (int i = 0; i < 2; i++) {
        connected_pair(AF_INET, SOCK_STREAM, pairs[i]);
        OK(usocket_settimeout(pairs[i][0], 20 * MS));
    }
    OK(usocket_cancel(pairs[1][0], 0));
    struct rlimit few = {limit, limit};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    char byte;
    for (int i = 0; i < 2; i++) {
        GIVES(-ETIMEDOUT, usocket_recv(pairs[i][0], &byte, 1, 0));
        GIVES(1, usocket_send(pairs[i][1], "x", 1, 0));
        OK(usocket_settimeout(pairs[i][0], GENEROUS));
        GIVES(1, usocket_recv(pairs[i][0], &byte, 1, 0));
        OK(usocket_close(pairs[i][1]));
        GIVES(0, usocket_recv(pairs[i][0], &byte, 1, 0));
    }
}

// Connections under way, of which one ends: the others' thread goes on waiting, and is not busy with it.
static void connections_without_descriptors(void)
{
    usocket_t full, clients[16];
    full_listener(AF_INET, &full, clients, 16);
    usocket_addr addr = name_of(full);
    char port[8];
    snprintf(port, sizeof port, "%d", usocket_addr_port(&addr));
    usocket_connection_t all[8];
    for (int i = 0; i < 8; i++)
        all[i] = OK(usocket_connection_create("127.0.0.1", port, SECOND / 2, NULL));
    struct rlimit few = {2, 2};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    OK(usocket_close(all[0]));
    struct timespec before, after;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before), 0);
    for (int i = 1; i < 8; i++)
        GIVES(-ETIMEDOUT, usocket_connection_take(all[i], GENEROUS));
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after), 0);
    // A busy thread uses what the machine has to give in half a second.
    int64_t used = (after.tv_sec - before.tv_sec) * SECOND + (after.tv_nsec - before.tv_nsec) / 1000;
    assert_in_range(used, 0, 60 * MS);
}

static void waits_need_no_descriptors(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(3 * GENEROUS / SECOND);
            if (i < 2)
                without_descriptors(i);
            else
                connections_without_descriptors();
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_need_no_descriptors),
        cmocka_unit_test(each_call_can_be_done_without),
    };
    return RUN(tests);
}
