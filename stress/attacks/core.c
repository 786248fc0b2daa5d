// Deadlines, closing, refused system calls, and answers that must be true.

#include "../stress.h"

#include <limits.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

// --- O_NONBLOCK of a shared description ---

struct job {
    usocket_t s;
    int64_t result, took;
    atomic_int thread;
    usocket_addr to;
    int flags;
};

static void *job_accept(void *arg)
{
    struct job *j = arg;
    j->thread = thread_number();
    int64_t began = now_us();
    j->result = usocket_accept(j->s, NULL);
    j->took = now_us() - began;
    return NULL;
}

static void *job_recv(void *arg)
{
    struct job *j = arg;
    char buf[64];
    j->thread = thread_number();
    int64_t began = now_us();
    j->result = usocket_recv(j->s, buf, sizeof buf, j->flags);
    j->took = now_us() - began;
    return NULL;
}

static void *job_connect(void *arg)
{
    struct job *j = arg;
    j->thread = thread_number();
    int64_t began = now_us();
    j->result = usocket_connect(j->s, &j->to);
    j->took = now_us() - began;
    return NULL;
}

static void until_inside(struct job *j)
{
    while (!j->thread)
        sleep_us(200);
    until_asleep(j->thread);
}

static void accept_keeps_its_deadline(void)
{
    usocket_t listener = listener_on(AF_INET, 8), twin = OK(usocket_dup(listener));
    OK(usocket_settimeout(listener, 400 * MS));
    struct job j = {.s = listener};
    // Between one try and the next the descriptor becomes blocking: many times, to hit any moment.
    for (int round = 0; round < 3; round++) {
        j.thread = 0;
        OK(usocket_setblocking(twin, round != 1));
        pthread_t t = start(job_accept, &j);
        until_inside(&j);
        OK(usocket_setblocking(twin, 1));
        // A client that another thread accepts wakes it for nothing.
        struct job other = {.s = twin};
        pthread_t o = start(job_accept, &other);
        until_inside(&other);
        usocket_t c = client_of(listener);
        join_within(t, 8 * SECOND, "accept with 0.4 s");
        HOLDS(j.took < 3 * SECOND, "accept with 0.4 s took %.1f s", j.took / 1e6);
        usocket_t second = 0;
        if (j.result > 0) { // or it was the faster
            second = client_of(listener);
            OK(usocket_close(j.result));
        }
        join_within(o, 8 * SECOND, "accept without a timeout");
        OK(usocket_close(OK(other.result)));
        OK(usocket_close(c));
        if (second)
            OK(usocket_close(second));
    }
}

// The same descriptor made blocking before the call: the timeout holds all the same.
static void calls_keep_their_deadline_on_a_blocking_descriptor(void)
{
    usocket_t listener = listener_on(AF_INET, 8), pair[2];
    tcp_pair(pair);
    OK(usocket_settimeout(listener, 200 * MS));
    OK(usocket_settimeout(pair[0], 200 * MS));
    struct job a = {.s = listener}, r = {.s = pair[0]};
    int fds[] = {OK(usocket_fileno(listener)), OK(usocket_fileno(pair[0]))};
    for (int i = 0; i < 2; i++)
        fcntl(fds[i], F_SETFL, fcntl(fds[i], F_GETFL) & ~O_NONBLOCK);
    join_within(start(job_accept, &a), 8 * SECOND, "accept with 0.2 s on a descriptor made blocking");
    GIVES(-ETIMEDOUT, a.result);
    join_within(start(job_recv, &r), 8 * SECOND, "recv with 0.2 s on a descriptor made blocking");
    GIVES(-ETIMEDOUT, r.result);
    // Sending, until it does not fit.
    static char block[1 << 20];
    int64_t n, began = now_us();
    while ((n = usocket_send(pair[0], block, sizeof block, 0)) > 0 && now_us() - began < 10 * SECOND)
        ;
    GIVES(-ETIMEDOUT, n);
}

static void connect_keeps_its_deadline(void)
{
    // A listener with a full queue: connecting waits.
    usocket_t listener = listener_on(AF_INET, 0);
    usocket_addr at;
    OK(usocket_getsockname(listener, &at));
    usocket_t last = 0;
    for (int i = 0; i < 8; i++) {
        last = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
        OK(usocket_settimeout(last, 200 * MS));
        if (usocket_connect(last, &at) == -ETIMEDOUT)
            break;
    }
    struct job j = {.s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0)), .to = at};
    OK(usocket_settimeout(j.s, 300 * MS));
    int fd = OK(usocket_fileno(j.s));
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    join_within(start(job_connect, &j), 10 * SECOND, "connect with 0.3 s on a descriptor made blocking");
    HOLDS(j.took < 2 * SECOND, "connect with 0.3 s took %.1f s", j.took / 1e6);
}

// --- connect and SO_ERROR ---

static atomic_bool stop;

static void *takes_errors(void *arg)
{
    struct job *j = arg;
    while (!stop) {
        int32_t e;
        usocket_getsockopt_int(j->s, SOL_SOCKET, SO_ERROR, &e);
    }
    return NULL;
}

// The port of nobody, in a namespace where it stays so.
static void a_failed_connect_never_says_success(void)
{
    usocket_t bound = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    usocket_addr at = loopback(AF_INET, 0);
    OK(usocket_bind(bound, &at));
    OK(usocket_getsockname(bound, &at)); // bound, and not listening: refused
    for (int i = 0; i < scaled(3000, 200); i++) {
        struct job j = {.s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0)), .to = at};
        OK(usocket_settimeout(j.s, 5 * SECOND));
        stop = false;
        pthread_t t = start(takes_errors, &j);
        int32_t r = usocket_connect(j.s, &at);
        stop = true;
        pthread_join(t, NULL);
        HOLDS(r < 0, "connect to a port that refuses: 0, after %d tries", i);
        usocket_close(j.s);
    }
}

// --- EAGAIN that does not mean "wait" ---

static void udp_without_a_free_port(void)
{
    own_network();
    int f = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY);
    if (f < 0 || write(f, "40000 40001\n", 12) != 12)
        skip("the port range cannot be set");
    close(f);
    int taken[4];
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (int i = 0; i < 2; i++) {
        any.sin_port = htons(40000 + i);
        taken[i] = (int)SYS(socket(AF_INET, SOCK_DGRAM, 0));
        any.sin_addr.s_addr = htonl(INADDR_ANY);
        SYS(bind(taken[i], (struct sockaddr *)&any, sizeof any));
    }
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    usocket_addr to = loopback(AF_INET, 9);
    int64_t began = now_us(), cpu = cpu_us();
    alarm(15);
    int64_t r = usocket_sendto(s, "x", 1, 0, &to);
    HOLDS(now_us() - began < 10 * SECOND, "sendto waits %.1f s", (now_us() - began) / 1e6);
    HOLDS(cpu_us() - cpu < 2 * SECOND, "sendto spins");
    HOLDS(r < 0, "sendto without a port: %lld", (long long)r);
}

static void the_error_queue_beside_ordinary_data(void)
{
    usocket_t pair[2];
    tcp_pair(pair);
    OK(usocket_send(pair[1], "data", 4, 0));
    struct job j = {.s = pair[0], .flags = MSG_ERRQUEUE}; // which never waits, to the system
    int64_t cpu = cpu_us();
    join_within(start(job_recv, &j), 8 * SECOND, "recv of an empty error queue");
    HOLDS(j.result < 0, "recv of an empty error queue: %lld", (long long)j.result);
    HOLDS(cpu_us() - cpu < 100 * MS, "recv of an empty error queue spins: %lld ms", (long long)(cpu_us() - cpu) / MS);
}

// --- closing ends what is under way ---

static void use_all_descriptors(void)
{
    struct rlimit few = {64, 64};
    setrlimit(RLIMIT_NOFILE, &few);
    while (dup(0) >= 0)
        ;
}

static void close_ends(struct job *j, void (*meanwhile)(void), const char *what)
{
    pthread_t t = start(job_recv, j);
    until_inside(j);
    if (meanwhile)
        meanwhile();
    int32_t r = usocket_close(j->s);
    HOLDS(r == 0, "close: %d", r);
    join_within(t, 8 * SECOND, what);
    HOLDS(j->result == -EBADF, "%s: %lld", what, (long long)j->result);
}

static void close_ends_udp(void (*meanwhile)(void), int64_t timeout, const char *what)
{
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    usocket_addr at = loopback(AF_INET, 0);
    OK(usocket_bind(s, &at));
    OK(usocket_settimeout(s, timeout));
    struct job j = {.s = s};
    close_ends(&j, meanwhile, what);
}

static void close_ends_udp_without_descriptors(void)
{
    close_ends_udp(use_all_descriptors, 60 * SECOND, "a UDP recv with a timeout, no descriptor free");
}

static void close_ends_udp_blocking_without_descriptors(void)
{
    close_ends_udp(use_all_descriptors, -1, "a blocking UDP recv, no descriptor free");
}

// Refuses some system calls from here on, with an errno.
static void refuse(int error, const int *calls, int n)
{
    struct sock_filter filter[40];
    int at = 0;
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < n; i++) {
        filter[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
        filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error);
    }
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {(unsigned short)at, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        skip("no seccomp: %s", strerror(errno));
}

static void refuse_open(void)
{
    refuse(EPERM, (const int[]){SYS_open, SYS_openat, SYS_dup2, SYS_dup3, SYS_dup}, 5);
}

static void close_ends_udp_without_open(void)
{
    close_ends_udp(refuse_open, 60 * SECOND, "a UDP recv with a timeout, open and dup refused");
}

static void close_ends_udp_blocking_without_open(void)
{
    close_ends_udp(refuse_open, -1, "a blocking UDP recv, open and dup refused");
}

static void close_ends_netlink(void)
{
    usocket_t s = usocket_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    if (s == -EAFNOSUPPORT || s == -EPROTONOSUPPORT)
        return; // refused: that is an answer too
    OK(s);
    struct job j = {.s = s};
    close_ends(&j, NULL, "a blocking recv on netlink");
}

static void close_ends_packet(void)
{
    own_network();
    usocket_t s = usocket_socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    if (s == -EAFNOSUPPORT || s == -EPROTONOSUPPORT)
        return;
    OK(s);
    struct job j = {.s = s};
    close_ends(&j, NULL, "a blocking recv on a packet socket");
}

static void close_ends_netlink_with_a_timeout(void)
{
    usocket_t s = usocket_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    if (s == -EAFNOSUPPORT || s == -EPROTONOSUPPORT)
        return;
    OK(usocket_settimeout(OK(s), 60 * SECOND));
    struct job j = {.s = s};
    close_ends(&j, NULL, "a recv with a timeout on netlink");
}

// --- system calls that a filter or an older kernel refuses ---

static void everything(void)
{
    usocket_t pair[2];
    char buf[8];
    tcp_pair(pair);
    OK(usocket_settimeout(pair[1], 5 * SECOND));
    OK(usocket_sendall(pair[0], "hello", 5, 0));
    GIVES(5, usocket_read(pair[1], buf, 5));
    usocket_pollfd p = {.socket = pair[0], .events = POLLOUT};
    GIVES(1, usocket_poll(&p, 1, GENEROUS));
    usocket_poller_t poller = OK(usocket_poller_create());
    OK(usocket_poller_add(poller, pair[1], POLLIN, 7));
    usocket_event event;
    int64_t began = now_us();
    GIVES(0, usocket_poller_wait(poller, &event, 1, 50 * MS));
    HOLDS(now_us() - began >= 50 * MS, "poller_wait came early: %lld us", (long long)(now_us() - began));
    OK(usocket_send(pair[0], "x", 1, 0));
    GIVES(1, usocket_poller_wait(poller, &event, 1, GENEROUS));
    OK(usocket_poller_wake(poller));
    OK(usocket_poller_wait(poller, &event, 1, GENEROUS));
    usocket_t twin = OK(usocket_dup(pair[0]));
    HOLDS(fcntl(OK(usocket_fileno(twin)), F_GETFD) & FD_CLOEXEC, "a dup without close-on-exec");
    OK(usocket_close(twin));
    OK(usocket_close(pair[1]));
    OK(usocket_close(poller));
    OK(usocket_close(pair[0]));
    names_are_found();
    usocket_t ends[2];
    OK(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    OK(usocket_close(ends[0]));
    OK(usocket_close(ends[1]));
    close_ends_udp(NULL, 30 * SECOND, "a UDP recv with a timeout");
    close_ends_udp(NULL, -1, "a blocking UDP recv");
    tls_pair(pair);
    OK(usocket_send(pair[0], "x", 1, 0));
    GIVES(1, usocket_recv(pair[1], buf, 1, 0));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

// Calls newer than Linux 4.14, which programs' filters do not know (they answer EPERM or ENOSYS).
#define NEWER SYS_epoll_pwait2, SYS_close_range, SYS_clone3, SYS_openat2, SYS_faccessat2, SYS_pidfd_open, \
              SYS_statx, SYS_futex_waitv
static const int NEWER_CALLS[] = {NEWER};
enum { N_NEWER = sizeof NEWER_CALLS / sizeof *NEWER_CALLS };

static void with_newer_calls_eperm(void)
{
    // glibc itself falls back from clone3 on ENOSYS alone.
    const int calls[] = {SYS_epoll_pwait2, SYS_close_range, SYS_openat2, SYS_pidfd_open, SYS_futex_waitv, SYS_statx};
    refuse(EPERM, calls, 6);
    everything();
}

static void with_newer_calls_enosys(void)
{
    refuse(ENOSYS, NEWER_CALLS, N_NEWER);
    everything();
}

static void with_getrandom_refused(void)
{
    refuse(ENOSYS, (const int[]){SYS_getrandom}, 1);
    everything();
}

static void with_calls_refused_while_running(void)
{
    everything();
    const int calls[] = {SYS_epoll_pwait2};
    refuse(EPERM, calls, 1);
    everything();
}

// --- answers that must be true ---

static void *flips_modes(void *arg)
{
    struct job *j = arg;
    while (!stop)
        usocket_settimeout(j->s, 0);
    return NULL;
}

static void mode_and_descriptor_agree(void)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/usocket-stress-%d", getpid());
    usocket_addr at;
    OK(usocket_addr_unix(path, strlen(path), &at));
    usocket_t listener = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    OK(usocket_bind(listener, &at));
    OK(usocket_listen(listener, 1000));
    unlink(path);
    OK(usocket_getsockname(listener, &at));
    usocket_t l2 = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    usocket_addr none = loopback(AF_UNIX, 0);
    OK(usocket_bind(l2, &none));
    OK(usocket_listen(l2, 1000));
    OK(usocket_getsockname(l2, &at));
    for (int i = 0; i < scaled(2000, 200); i++) {
        struct job j = {.s = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0))};
        stop = false;
        pthread_t t = start(flips_modes, &j);
        usocket_connect(j.s, &at);
        stop = true;
        pthread_join(t, NULL);
        int64_t timeout;
        OK(usocket_gettimeout(j.s, &timeout));
        bool nonblocking = fcntl(OK(usocket_fileno(j.s)), F_GETFL) & O_NONBLOCK;
        HOLDS((timeout == -1) == !nonblocking, "timeout %lld, O_NONBLOCK %d, after %d tries", (long long)timeout,
              nonblocking, i);
        OK(usocket_close(j.s));
        usocket_t c;
        OK(usocket_settimeout(l2, 0));
        while ((c = usocket_accept(l2, NULL)) > 0)
            usocket_close(c);
    }
}

static void an_errors_sentence_is_its_own(void)
{
    usocket_addr a;
    char text[256] = "";
    // The first has a sentence, the second none that is like it.
    usocket_addr_ip(AF_INET, "no address", 1, 0, 0, &a);
    usocket_error_detail(0, text, sizeof text);
    char second[256] = "";
    GIVES(-EAFNOSUPPORT, usocket_inet_pton(12345, "1.2.3.4", &a, sizeof a));
    usocket_error_detail(0, second, sizeof second);
    HOLDS(!*text || strcmp(text, second) != 0, "inet_pton's failure is explained by addr_ip's: %s", second);
    usocket_addr_ip(AF_INET, "no address", 1, 0, 0, &a);
    GIVES(-EINVAL, usocket_freeaddrinfo((usocket_addrinfo *)&a));
    second[0] = 0;
    usocket_error_detail(0, second, sizeof second);
    HOLDS(!*text || strcmp(text, second) != 0, "freeaddrinfo's failure is explained by addr_ip's: %s", second);
}

struct hook_state {
    atomic_int inside, gone;
    atomic_bool used_after;
};

static int32_t slow_hook(void *arg)
{
    struct hook_state *h = arg;
    h->inside = 1;
    sleep_us(300 * MS);
    if (h->gone)
        h->used_after = true;
    return 1;
}

static void nothing(int signal) { (void)signal; }

static void removing_the_hook_waits_for_it(void)
{
    static struct hook_state h;
    struct sigaction act = {.sa_handler = nothing};
    sigaction(SIGUSR1, &act, NULL);
    OK(usocket_set_event_hook(slow_hook, &h));
    usocket_t pair[2];
    tcp_pair(pair);
    struct job j = {.s = pair[0]};
    pthread_t t = start(job_recv, &j);
    until_inside(&j);
    pthread_kill(t, SIGUSR1);
    while (!h.inside)
        sleep_us(500);
    OK(usocket_set_event_hook(NULL, NULL));
    h.gone = 1; // from here on `arg` may be freed
    join_within(t, GENEROUS, "recv");
    HOLDS(!h.used_after, "set_event_hook(NULL) returned while the hook still ran");
}

static void a_truncated_datagram_is_not_longer_than_its_buffer(void)
{
    usocket_t pair[2];
    OK(usocket_socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    char big[600] = "", small[10];
    OK(usocket_send(pair[0], big, sizeof big, 0));
    int64_t r = usocket_recv(pair[1], small, sizeof small, MSG_TRUNC);
    HOLDS(r <= (int64_t)sizeof small, "recv(10 bytes, MSG_TRUNC) = %lld", (long long)r);
    OK(usocket_send(pair[0], big, sizeof big, 0));
    r = usocket_recvfrom(pair[1], small, sizeof small, MSG_TRUNC, NULL);
    HOLDS(r <= (int64_t)sizeof small, "recvfrom(10 bytes, MSG_TRUNC) = %lld", (long long)r);
    // On TCP it discards, without writing: what is counted is not in the buffer.
    tcp_pair(pair);
    OK(usocket_send(pair[0], big, sizeof big, 0));
    OK(usocket_settimeout(pair[1], 5 * SECOND));
    r = usocket_recv(pair[1], small, sizeof small, MSG_TRUNC);
    HOLDS(r <= (int64_t)sizeof small, "recv(10 bytes of a stream, MSG_TRUNC) = %lld", (long long)r);
}

static void *job_wait(void *arg)
{
    struct job *j = arg;
    usocket_event event;
    j->thread = thread_number();
    j->result = usocket_poller_wait(j->s, &event, 1, 20 * SECOND);
    return NULL;
}

// "Makes one usocket_poller_wait return": four wakes for four waiters are not fewer than four.
static void four_wakes_wake_four(void)
{
    usocket_poller_t p = OK(usocket_poller_create());
    for (int round = 0; round < scaled(500, 20); round++) {
        struct job j[4] = {{.s = p}, {.s = p}, {.s = p}, {.s = p}};
        pthread_t t[4];
        for (int i = 0; i < 4; i++)
            t[i] = start(job_wait, &j[i]);
        for (int i = 0; i < 4; i++)
            until_inside(&j[i]);
        for (int i = 0; i < 4; i++)
            OK(usocket_poller_wake(p));
        for (int i = 0; i < 4; i++)
            join_within(t[i], 5 * SECOND, "one of four waiters, all woken");
    }
    OK(usocket_close(p));
}

// --- results against closes ---

static void *closes_it(void *arg)
{
    struct job *j = arg;
    sleep_us(j->flags);
    usocket_close(j->s);
    return NULL;
}

// A result is either given with its list or refused without one.
static void a_result_against_a_close(void)
{
    for (int i = 0; i < 400; i++) {
        struct job j = {.s = OK(usocket_query_create("127.0.0.1", "80", 0, SOCK_STREAM, 0, 0)), .flags = (int)below(&stress_seed, 300)};
        pthread_t t = start(closes_it, &j);
        usocket_addrinfo *list = NULL;
        int32_t r = usocket_query_result(j.s, 5 * SECOND, &list);
        pthread_join(t, NULL);
        HOLDS((r == 0) == (list != NULL), "result %d, and %s list", r, list ? "a" : "no");
        if (list)
            usocket_freeaddrinfo(list);
    }
}

// --- few descriptors ---

// Everything fails at some point, says so, and goes on once there are some again.
static void with_few_descriptors(void)
{
    everything();
    int before = open_descriptors();
    for (int room = 0; room < 14; room += 100 / scaled(100, 20)) {
        struct rlimit few = {(rlim_t)(3 + before + 40), 20000}, many = {20000, 20000};
        getrlimit(RLIMIT_NOFILE, &many);
        few.rlim_max = many.rlim_max;
        int fill[4096], n = 0;
        setrlimit(RLIMIT_NOFILE, &few);
        while (n < 4096 && (fill[n] = dup(0)) >= 0)
            n++;
        for (int i = 0; i < room && n; i++)
            close(fill[--n]);
        usocket_t listener = usocket_socket(AF_INET, SOCK_STREAM, 0);
        usocket_addr at = loopback(AF_INET, 0);
        usocket_t c = 0, s = 0, poller = usocket_poller_create(), q = 0;
        usocket_addrinfo *list = NULL;
        if (listener > 0) {
            OK(usocket_bind(listener, &at));
            OK(usocket_listen(listener, 5));
            OK(usocket_getsockname(listener, &at));
            c = usocket_socket(AF_INET, SOCK_STREAM, 0);
            if (c > 0) {
                OK(usocket_settimeout(c, 5 * SECOND));
                OK(usocket_connect(c, &at));
                OK(usocket_settimeout(listener, 5 * SECOND));
                s = usocket_accept(listener, NULL);
                HOLDS(s > 0 || s == -EMFILE, "accept: %lld", (long long)s);
            }
        }
        if (poller > 0 && c > 0) {
            usocket_event event;
            int32_t r = usocket_poller_add(poller, c, POLLOUT, 1);
            HOLDS(r == 0 || r == -EMFILE, "poller_add: %d", r);
            r = usocket_poller_wait(poller, &event, 1, 100 * MS);
            HOLDS(r >= 0 || r == -EMFILE, "poller_wait: %d", r);
            r = usocket_poller_wake(poller);
            HOLDS(r == 0 || r == -EMFILE, "poller_wake: %d", r);
        }
        q = usocket_query_create("localhost", "80", AF_INET, SOCK_STREAM, 0, 0);
        HOLDS(q > 0 || q == -EMFILE || q == -EAGAIN, "query_create: %lld", (long long)q);
        if (q > 0) {
            int32_t r = usocket_query_result(q, 5 * SECOND, &list);
            HOLDS(r != -ETIMEDOUT, "query_result: timed out with %d descriptors free", room);
            if (r == 0)
                usocket_freeaddrinfo(list);
        }
        usocket_t all[] = {listener, c, s, poller, q};
        for (int i = 0; i < 5; i++)
            if (all[i] > 0)
                OK(usocket_close(all[i]));
        while (n)
            close(fill[--n]);
        setrlimit(RLIMIT_NOFILE, &many);
        everything();
    }
    int64_t until = now_us() + 15 * SECOND;
    while (open_descriptors() > before && now_us() < until)
        sleep_us(10 * MS);
    HOLDS(open_descriptors() <= before, "%d descriptors open before, %d after", before, open_descriptors());
}

// A sandbox that takes every new descriptor away. poll(2) itself refuses to wait then.
static void waits_without_descriptors(void)
{
    usocket_t pair[2];
    tcp_pair(pair);
    OK(usocket_settimeout(pair[0], 50 * MS));
    OK(usocket_cancel(pair[0], 0));
    for (int limit = 1; limit >= 0; limit--) {
        SYS(setrlimit(RLIMIT_NOFILE, &(struct rlimit){limit, 1024}));
        char byte;
        GIVES(-ETIMEDOUT, usocket_recv(pair[0], &byte, 1, 0));
        GIVES(1, usocket_send(pair[1], "x", 1, 0));
        GIVES(1, usocket_recv(pair[0], &byte, 1, 0));
    }
}

static const struct stress_case CASES[] = {
    {"deadline: accept, the descriptor's mode changing", accept_keeps_its_deadline, 0},
    {"deadline: accept, recv, send on a descriptor made blocking", calls_keep_their_deadline_on_a_blocking_descriptor, 0},
    {"deadline: connect on a descriptor made blocking", connect_keeps_its_deadline, 0},
    {"truth: a failed connect never says success", a_failed_connect_never_says_success, 60},
    {"progress: UDP without a free port", udp_without_a_free_port, 0},
    {"progress: the error queue beside ordinary data", the_error_queue_beside_ordinary_data, 0},
    {"close ends: UDP with a timeout, no descriptor free", close_ends_udp_without_descriptors, 0},
    {"close ends: UDP blocking, no descriptor free", close_ends_udp_blocking_without_descriptors, 0},
    {"close ends: UDP with a timeout, open refused", close_ends_udp_without_open, 0},
    {"close ends: UDP blocking, open refused", close_ends_udp_blocking_without_open, 0},
    {"close ends: netlink", close_ends_netlink, 0},
    {"close ends: netlink with a timeout", close_ends_netlink_with_a_timeout, 0},
    {"close ends: packet socket", close_ends_packet, 0},
    {"filter: newer calls EPERM", with_newer_calls_eperm, 0},
    {"filter: newer calls ENOSYS", with_newer_calls_enosys, 0},
    {"filter: getrandom ENOSYS", with_getrandom_refused, 0},
    {"filter: set while running", with_calls_refused_while_running, 0},
    {"truth: mode and O_NONBLOCK agree beside a Unix connect", mode_and_descriptor_agree, 60},
    {"truth: an error's sentence is its own", an_errors_sentence_is_its_own, 0},
    {"truth: removing the hook waits for it", removing_the_hook_waits_for_it, 0},
    {"truth: MSG_TRUNC is not longer than the buffer", a_truncated_datagram_is_not_longer_than_its_buffer, 0},
    {"truth: four wakes wake four waiters", four_wakes_wake_four, 60},
    {"truth: a query's result against its close", a_result_against_a_close, 0},
    {"faults: no descriptors", waits_without_descriptors, 0},
    {"faults: few descriptors", with_few_descriptors, 90},
};

STRESS_MAIN(CASES)
