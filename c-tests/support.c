// The support library of the C tests: see support.h.

#include "support.h"

#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

const struct kind KINDS[] = {
    {"TCP", AF_INET, SOCK_STREAM},
    {"TCP over IPv6", AF_INET6, SOCK_STREAM},
    {"Unix stream", AF_UNIX, SOCK_STREAM},
    {"UDP", AF_INET, SOCK_DGRAM},
    {"UDP over IPv6", AF_INET6, SOCK_DGRAM},
    {"Unix datagram", AF_UNIX, SOCK_DGRAM},
};
const size_t N_KINDS = sizeof KINDS / sizeof *KINDS;

int64_t check_ok(int64_t value, const char *call, const char *file, int line)
{
    if (value < 0) {
        char detail[256] = "";
        usocket_error_detail(0, detail, sizeof detail);
        print_error("%s = %lld (%s) %s\n", call, (long long)value, usocket_strerror(value), detail);
        _fail(file, line);
    }
    return value;
}

// Appends a line to the file USOCKET_MADE, if there is one, from any process.
void note_made(const char *call, int64_t code)
{
    static int file = -2;
    if (file == -2)
        file = getenv("USOCKET_MADE") ? open(getenv("USOCKET_MADE"), O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (file >= 0 && code < 0)
        dprintf(file, "%.*s %lld\n", (int)strcspn(call, "("), call, (long long)code);
}

void check_code(int64_t want, int64_t value, const char *call, const char *file, int line)
{
    note_made(call, value);
    if (value != want) {
        print_error("%s = %lld (%s), ", call, (long long)value, usocket_strerror(value));
        print_error("not %lld (%s)\n", (long long)want, usocket_strerror(want));
        _fail(file, line);
    }
}

const int64_t WAITING_MODES[2] = {-1, 10 * GENEROUS};

usocket_addr local_address(int family, int port)
{
    usocket_addr addr;
    if (family == AF_UNIX)
        OK(usocket_addr_unix(NULL, 0, &addr));
    else
        OK(usocket_addr_ip(family, family == AF_INET6 ? "::1" : "127.0.0.1", port, 0, 0, &addr));
    return addr;
}

bool has_ipv6(void)
{
    static int has = -1;
    if (has < 0) {
        struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        has = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
        close(fd);
    }
    return has;
}

usocket_t bound_socket(int family, int type)
{
    if (family == AF_INET6 && !has_ipv6())
        skip();
    usocket_t s = OK(usocket_socket(family, type, 0));
    usocket_addr addr = local_address(family, 0);
    OK(usocket_bind(s, &addr));
    return s;
}

void refusing(usocket_t held[2], char port[8])
{
    for (;;) {
        held[0] = bound_socket(AF_INET, SOCK_STREAM);
        usocket_addr a = name_of(held[0]);
        snprintf(port, 8, "%d", (int)OK(usocket_addr_port(&a)));
        held[1] = OK(usocket_socket(AF_INET6, SOCK_STREAM, 0));
        a = local_address(AF_INET6, atoi(port));
        if (usocket_bind(held[1], &a) != -EADDRINUSE)
            return;
        no_more_refusing(held);
    }
}

void no_more_refusing(usocket_t held[2])
{
    OK(usocket_close(held[0]));
    OK(usocket_close(held[1]));
}

usocket_t listening_socket(int family, int backlog)
{
    usocket_t s = bound_socket(family, SOCK_STREAM);
    OK(usocket_listen(s, backlog));
    return s;
}

usocket_t client_of(usocket_t listener)
{
    usocket_t client = OK(usocket_socket(usocket_family(listener), SOCK_STREAM, 0));
    usocket_addr addr = name_of(listener);
    OK(usocket_connect(client, &addr));
    return client;
}

void connected_pair(int family, int type, usocket_t pair[2])
{
    if (type == SOCK_STREAM) {
        usocket_t listener = listening_socket(family, 1);
        pair[0] = client_of(listener);
        pair[1] = OK(usocket_accept(listener, NULL));
        OK(usocket_close(listener));
        return;
    }
    usocket_addr names[2];
    for (int i = 0; i < 2; i++) {
        pair[i] = bound_socket(family, type);
        names[i] = name_of(pair[i]);
    }
    OK(usocket_connect(pair[0], &names[1]));
    OK(usocket_connect(pair[1], &names[0]));
}

usocket_addr name_of(usocket_t s)
{
    usocket_addr addr;
    OK(usocket_getsockname(s, &addr));
    return addr;
}

const char *text_of(const usocket_addr *addr)
{
    static char text[160];
    OK(usocket_addr_text(addr, text, sizeof text));
    return text;
}

// Whether data is in flight between two TCP sockets, which may free buffer space.
static bool under_way(usocket_t s)
{
    struct tcp_info info;
    memset(&info, 0, sizeof info);
    return usocket_family(s) != AF_UNIX && usocket_type(s) == SOCK_STREAM &&
           usocket_getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, sizeof info) > 0 && info.tcpi_unacked > 0;
}

// Datagrams are all or nothing, so the smallest piece decides when it is full: when it stays so for a
// while, and nothing is under way. (What the receiver drops for want of room stays under way; it has a second.)
size_t fill(usocket_t s)
{
    static const char block[64 * 1024];
    size_t total = 0, piece = usocket_type(s) == SOCK_STREAM ? sizeof block : 1024;
    for (int full = 0; full < 4 || (full < 100 && under_way(s));) {
        int64_t n = usocket_send(s, block, piece, MSG_DONTWAIT);
        if (n > 0) {
            total += n;
            full = 0;
        } else if (piece > 1) {
            piece = 1;
        } else {
            full++;
            poll(NULL, 0, 10);
        }
    }
    return total;
}

void small_buffers(usocket_t pair[2])
{
    for (int i = 0; i < 2; i++) {
        OK(usocket_setsockopt_int(pair[i], SOL_SOCKET, SO_SNDBUF, 8192));
        OK(usocket_setsockopt_int(pair[i], SOL_SOCKET, SO_RCVBUF, 8192));
    }
}

size_t drain(usocket_t s, size_t want)
{
    static char block[64 * 1024];
    size_t total = 0;
    while (total < want) {
        int64_t n = OK(usocket_recv(s, block, sizeof block, 0));
        if (n == 0)
            break;
        total += n;
    }
    return total;
}

size_t full_listener(int family, usocket_t *listener, usocket_t *clients, size_t room)
{
    *listener = listening_socket(family, 0);
    usocket_addr addr = name_of(*listener);
    for (size_t n = 0; n < room; n++) {
        clients[n] = OK(usocket_socket(family, SOCK_STREAM, 0));
        OK(usocket_settimeout(clients[n], 200 * MS));
        int64_t r = usocket_connect(clients[n], &addr);
        if (r == -ETIMEDOUT) {
            OK(usocket_close(clients[n]));
            return n;
        }
        OK(r);
    }
    fail_msg("%zu clients do not fill the queue", room);
    return 0;
}

struct rlimit few_descriptors(rlim_t n)
{
    struct rlimit was, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    few = was;
    few.rlim_cur = n < was.rlim_max ? n : was.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    return was;
}

void use_up_descriptors(struct used_up *u)
{
    enum { MOST = sizeof u->fds / sizeof *u->fds };
    u->was = few_descriptors(MOST);
    u->n = 0;
    while (u->n < MOST && (u->fds[u->n] = open("/dev/null", O_RDONLY)) >= 0)
        u->n++;
}

void give_descriptors_back(struct used_up *u)
{
    while (u->n > 0)
        close(u->fds[--u->n]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &u->was), 0);
}

int open_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 3; // ".", ".." and the directory itself
}

int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * (int64_t)SECOND + t.tv_nsec / 1000;
}

pid_t this_thread(void)
{
    return (pid_t)syscall(SYS_gettid);
}

void wait_until_inside(_Atomic pid_t *thread)
{
    while (!*thread)
        sched_yield();
    wait_until_asleep(*thread);
}

void wait_until_asleep(pid_t thread)
{
    char path[64];
    int seen = 0; // More than once: a lock on the way may make it sleep, too.
    snprintf(path, sizeof path, "/proc/%d/stat", thread);
    for (int64_t end = now_us() + GENEROUS; now_us() < end; sched_yield()) {
        char stat[256] = "";
        FILE *f = fopen(path, "r");
        if (!f)
            return; // it has ended
        size_t n = fread(stat, 1, sizeof stat - 1, f);
        fclose(f);
        const char *state = n ? strrchr(stat, ')') : NULL;
        seen = state && state[2] == 'S' ? seen + 1 : 0;
        if (seen == 3)
            return;
    }
    fail_msg("thread %d never slept", thread);
}

void start_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
    assert_int_equal(pthread_create(thread, NULL, run, arg), 0);
}

static void on_alarm(int number)
{
    (void)number;
}

void alarms(int64_t us, bool repeat)
{
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval t = {.it_value = {us / SECOND, us % SECOND}};
    if (repeat)
        t.it_interval = t.it_value;
    setitimer(ITIMER_REAL, &t, NULL);
}

int32_t stop_hook(void *arg)
{
    (void)arg;
    return 1;
}

static void *rescues(void *arg)
{
    struct rescue *r = arg;
    struct pollfd p = {.fd = r->off[0], .events = POLLIN};
    if (poll(&p, 1, 5000) == 0)
        usocket_close(r->s);
    return NULL;
}

void rescue(struct rescue *r, usocket_t s)
{
    r->s = s;
    assert_int_equal(pipe(r->off), 0);
    start_thread(&r->thread, rescues, r);
}

void rescued(struct rescue *r)
{
    close(r->off[1]);
    pthread_join(r->thread, NULL);
    close(r->off[0]);
}

pid_t fork_child(void)
{
    pid_t child = fork();
    if (child == 0)
        alarm(120);
    return child;
}

void child_ends_well(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void install(struct sock_filter *code, unsigned n)
{
    struct sock_fprog program = {(unsigned short)n, code};
    CHILD(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHILD(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0);
}

void answer(const int *calls, unsigned n, int with)
{
    struct sock_filter code[16] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    unsigned at = 1;
    for (unsigned i = 0; i < n; i++) {
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
        code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | with);
    }
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    install(code, at);
}

void answer_when(int call, unsigned argument, uint32_t value, int with)
{
    const uint16_t one = 1; // On a big machine the word that counts is the second.
    unsigned low = *(const char *)&one ? 0 : 4;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * argument + low),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | with),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    install(code, sizeof code / sizeof *code);
}

void refuse(const int *calls, unsigned n)
{
    answer(calls, n, EPERM);
}

bool can_refuse(void)
{
    // An emulator has none.
    return prctl(PR_GET_SECCOMP) == 0;
}

bool emulated(void)
{
    const char *is = getenv("USOCKET_TEST_EMULATED");
    return is && *is;
}

bool has_tls(void)
{
    return !strstr(usocket_features(), "tls=none");
}
