// See stress.h.

#include "stress.h"

#include <dirent.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { HELD = 0, BROKEN = 1, SKIPPED = 77 };

static _Noreturn void end(int code, const char *format, va_list args)
{
    char text[600];
    int n = vsnprintf(text, sizeof text - 1, format, args);
    if (n > (int)sizeof text - 2)
        n = sizeof text - 2;
    text[n] = '\n';
    ssize_t written = write(STDERR_FILENO, text, n + 1); // at once: other threads may be writing
    (void)written;
    _exit(code);
}

void broken(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    end(BROKEN, format, args);
}

void skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    end(SKIPPED, format, args);
}

int64_t stress_ok(int64_t value, const char *call, const char *file, int line)
{
    if (value < 0) {
        char detail[256] = "";
        usocket_error_detail(0, detail, sizeof detail);
        broken("%s:%d: %s = %lld (%s) %s", file, line, call, (long long)value, usocket_strerror(value),
               detail);
    }
    return value;
}

void stress_gives(int64_t want, int64_t value, const char *call, const char *file, int line)
{
    if (value != want)
        broken("%s:%d: %s = %lld, not %lld", file, line, call, (long long)value, (long long)want);
}

long stress_sys(long value, const char *call, const char *file, int line)
{
    if (value < 0)
        broken("%s:%d: %s: %s", file, line, call, strerror(errno));
    return value;
}

int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * (int64_t)SECOND + t.tv_nsec / 1000;
}

int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * (int64_t)SECOND + t.tv_nsec / 1000;
}

void sleep_us(int64_t us)
{
    struct timespec t = {us / SECOND, us % SECOND * 1000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

long memory_kb(void)
{
    long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%ld %ld", &size, &resident) != 2)
            resident = 0;
        fclose(f);
    }
    return resident * 4;
}

static int entries(const char *path)
{
    int n = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return -1;
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

int open_descriptors(void)
{
    return entries("/proc/self/fd") - 1;
}

int threads_alive(void)
{
    return entries("/proc/self/task");
}

pid_t thread_number(void)
{
    return (pid_t)syscall(SYS_gettid);
}

void until_asleep(pid_t thread)
{
    char path[64], stat[512];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
    for (int64_t until = now_us() + GENEROUS; now_us() < until; sleep_us(500)) {
        FILE *f = fopen(path, "r");
        if (!f)
            return;
        size_t n = fread(stat, 1, sizeof stat - 1, f);
        fclose(f);
        stat[n] = 0;
        const char *state = strrchr(stat, ')');
        if (state && state[2] == 'S')
            return;
    }
    broken("thread %d never slept", thread);
}

pthread_t start(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    int e = pthread_create(&thread, NULL, run, arg);
    if (e)
        broken("pthread_create: %s", strerror(e));
    return thread;
}

void *join_within(pthread_t thread, int64_t us, const char *what)
{
    struct timespec until;
    void *out = NULL;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += us / SECOND + 1;
    if (pthread_timedjoin_np(thread, &out, &until) != 0)
        broken("%s: still there after %lld s", what, (long long)(us / SECOND + 1));
    return out;
}

// --- cases ---

bool ends_within(pid_t child, int64_t us, int *status)
{
    for (int64_t until = now_us() + us, nap = 200;; nap = nap < 5000 ? nap * 2 : nap) {
        pid_t got = waitpid(child, status, WNOHANG);
        if (got == child)
            return true;
        if (now_us() > until)
            return false;
        sleep_us(nap);
    }
}

void child_within(void (*run)(void *), void *arg, int64_t us)
{
    int status = 0;
    pid_t child = (pid_t)SYS(fork());
    if (child == 0) {
        run(arg);
        _exit(HELD);
    }
    if (!ends_within(child, us, &status)) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        broken("the forked child hangs (%lld s)", (long long)(us / SECOND));
    }
    if (WIFSIGNALED(status))
        broken("the forked child died of signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) != HELD)
        _exit(WEXITSTATUS(status)); // it has said why
}

// A sanitizer makes each fork of a large process slow; and what it keeps of freed memory is no leak.
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SLOWER = 5 };
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "quarantine_size_mb=4:malloc_context_size=8"; }
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "suppressions=stress/tsan.supp:report_thread_leaks=0:die_after_fork=0:history_size=4";
}
#else
enum { SLOWER = 1 };
#endif

static int run_case(const struct stress_case *one)
{
    int out[2], status = 0;
    char text[2048] = "";
    size_t have = 0;
    int seconds = (one->seconds ? one->seconds : 30) * SLOWER;
    SYS(pipe(out));
    int64_t began = now_us(), until = began + seconds * (int64_t)SECOND;
    pid_t child = (pid_t)SYS(fork());
    if (child == 0) {
        setpgid(0, 0);
        dup2(out[1], STDERR_FILENO);
        close(out[0]);
        close(out[1]);
        one->run();
        _exit(HELD);
    }
    setpgid(child, child);
    close(out[1]);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    bool over = false;
    while (!over && now_us() < until) {
        struct pollfd p = {out[0], POLLIN, 0};
        poll(&p, 1, 20);
        char bin[1024];
        size_t room = sizeof text - 1 - have;
        ssize_t n = read(out[0], room ? text + have : bin, room ? room : sizeof bin);
        if (n > 0 && room)
            have += n;
        if (n <= 0)
            over = waitpid(child, &status, WNOHANG) == child;
        if (n == 0 && !over)
            sleep_us(1000);
    }
    kill(-child, SIGKILL);
    if (!over)
        waitpid(child, &status, 0);
    close(out[0]);
    text[have] = 0;
    for (char *c = text; *c; c++)
        if (*c == '\n')
            *c = c[1] ? '|' : ' ';
    double took = (now_us() - began) / 1e6;
    if (!over) {
        printf("BROKEN %s: did not end within %d s %s\n", one->name, seconds, text);
        return BROKEN;
    }
    if (WIFSIGNALED(status)) {
        printf("BROKEN %s: died of signal %d (%s) %s\n", one->name, WTERMSIG(status),
               strsignal(WTERMSIG(status)), text);
        return BROKEN;
    }
    if (WEXITSTATUS(status) == SKIPPED) {
        printf("skipped %s: %s\n", one->name, text);
        return SKIPPED;
    }
    if (WEXITSTATUS(status) != HELD) {
        printf("BROKEN %s: %s\n", one->name, text);
        return BROKEN;
    }
    printf("held %s (%.1f s)\n", one->name, took);
    return HELD;
}

int stress_main(int argc, char **argv, const struct stress_case *cases, size_t n)
{
    int held = 0, bad = 0, skipped = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_DFL); // the library must never raise it
    for (size_t i = 0; i < n; i++) {
        bool wanted = argc < 2;
        for (int a = 1; a < argc; a++)
            wanted |= strstr(cases[i].name, argv[a]) != NULL;
        if (!wanted)
            continue;
        int r = run_case(&cases[i]);
        held += r == HELD;
        skipped += r == SKIPPED;
        bad += r == BROKEN;
    }
    printf("%d passed, %d failed, %d skipped\n", held, bad, skipped);
    return bad != 0;
}

// --- numbers ---

int scaled(int n, int least)
{
    const char *text = getenv("STRESS_SHARE");
    int of = text ? n * atoi(text) / 100 : n;
    return of > least ? of : least;
}

uint64_t stress_seed;

uint64_t seed_from_environment(void)
{
    const char *text = getenv("STRESS_SEED");
    if (text && *text)
        stress_seed = strtoull(text, NULL, 0);
    else
        stress_seed = (uint64_t)now_us() ^ (uint64_t)getpid() << 40;
    if (stress_seed == 0)
        stress_seed = 1;
    return stress_seed;
}

uint64_t rnd(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 2685821657736338717ull;
}

// --- sockets ---

usocket_addr loopback(int family, int port)
{
    usocket_addr addr;
    if (family == AF_UNIX)
        OK(usocket_addr_unix(NULL, 0, &addr));
    else
        OK(usocket_addr_ip(family, family == AF_INET6 ? "::1" : "127.0.0.1", port, 0, 0, &addr));
    return addr;
}

void names_are_found(void)
{
    usocket_addrinfo *list = NULL;
    OK(usocket_getaddrinfo("127.0.0.1", "80", 0, SOCK_STREAM, 0, 0, GENEROUS, &list));
    OK(usocket_freeaddrinfo(list));
    usocket_query_t q = OK(usocket_query_create("localhost", "80", AF_INET, SOCK_STREAM, 0, 0));
    OK(usocket_query_result(q, GENEROUS, &list));
    OK(usocket_freeaddrinfo(list));
    OK(usocket_close(q));
}

usocket_t listener_on(int family, int backlog)
{
    usocket_t s = OK(usocket_socket(family, SOCK_STREAM, 0));
    usocket_addr addr = loopback(family, 0);
    OK(usocket_bind(s, &addr));
    OK(usocket_listen(s, backlog));
    return s;
}

usocket_t client_of(usocket_t listener)
{
    usocket_t client = OK(usocket_socket(usocket_family(listener), SOCK_STREAM, 0));
    usocket_addr addr;
    OK(usocket_getsockname(listener, &addr));
    OK(usocket_connect(client, &addr));
    return client;
}

void tcp_pair(usocket_t pair[2])
{
    usocket_t listener = listener_on(AF_INET, 8);
    pair[0] = client_of(listener);
    pair[1] = OK(usocket_accept(listener, NULL));
    OK(usocket_close(listener));
}

// --- TLS ---

const char *in_certs(const char *name)
{
    static _Thread_local char path[4][PATH_MAX];
    static _Thread_local int next;
    const char *dir = getenv("STRESS_CERTS");
    char *at = path[next++ % 4];
    snprintf(at, PATH_MAX, "%s/%s", dir ? dir : "target/certs", name);
    return at;
}

usocket_tls_context_t server_context(void)
{
    usocket_tls_context_t c = OK(usocket_tls_context_create(USOCKET_TLS_SERVER));
    OK(usocket_tls_context_add_cert_file(c, in_certs("server.pem"), in_certs("server-key.pem")));
    return c;
}

usocket_tls_context_t client_context(void)
{
    usocket_tls_context_t c = OK(usocket_tls_context_create(USOCKET_TLS_CLIENT));
    OK(usocket_tls_context_add_trust_file(c, in_certs("ca.pem")));
    return c;
}

void tls_handshake_pair(usocket_t client, usocket_t server)
{
    OK(usocket_settimeout(client, 0));
    OK(usocket_settimeout(server, 0));
    int32_t c = -EAGAIN, s = -EAGAIN;
    for (int turns = 0; (c || s) && turns < 20000; turns++) {
        c = c ? usocket_tls_handshake(client) : 0;
        s = s ? usocket_tls_handshake(server) : 0;
        if ((c && c != -EAGAIN) || (s && s != -EAGAIN))
            broken("handshake: client %d, server %d", c, s);
        if (turns > 50)
            sleep_us(200);
    }
    if (c || s)
        broken("the handshake does not end: client %d, server %d", c, s);
    OK(usocket_settimeout(client, -1));
    OK(usocket_settimeout(server, -1));
}

void tls_pair_with(usocket_t pair[2], usocket_tls_context_t client, usocket_tls_context_t server, const char *name)
{
    tcp_pair(pair);
    OK(usocket_tls_wrap(pair[0], client, name, 0));
    OK(usocket_tls_wrap(pair[1], server, NULL, 0));
    tls_handshake_pair(pair[0], pair[1]);
}

void tls_pair(usocket_t pair[2])
{
    usocket_tls_context_t c = client_context(), s = server_context();
    tls_pair_with(pair, c, s, "server.example");
    OK(usocket_close(c));
    OK(usocket_close(s));
}

// --- worlds ---

void replace_file(const char *path, const char *text)
{
    char name[] = "/tmp/usocket-stress-XXXXXX";
    int fd = (int)SYS(mkstemp(name));
    if (write(fd, text, strlen(text)) < 0)
        broken("write: %s", strerror(errno));
    fchmod(fd, 0644);
    close(fd);
    int r = mount(name, path, "", MS_BIND, NULL);
    unlink(name);
    if (r != 0)
        skip("mount over %s: %s", path, strerror(errno));
}

void own_network(void)
{
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0)
        skip("no namespaces: %s", strerror(errno));
    if (mount("none", "/", "", MS_REC | MS_PRIVATE, NULL) != 0)
        skip("mount: %s", strerror(errno));
    int s = (int)SYS(socket(AF_INET, SOCK_DGRAM, 0));
    struct ifreq lo = {.ifr_name = "lo"};
    SYS(ioctl(s, SIOCGIFFLAGS, &lo));
    lo.ifr_flags |= IFF_UP;
    SYS(ioctl(s, SIOCSIFFLAGS, &lo));
    close(s);
}
