// One scenario over the whole API, in steps; each step's every system call fails in turn, with each
// error it can have, and its every allocation.
//
// After each failure: no crash, no hang, a code that the header names (or what the system said), no
// descriptor left, every close succeeds, and the same step works when nothing fails.
//
//   scenario calls|memory|memory-from [STEP...]     STRESS_SHARE per cent of the faults, by STRESS_SEED

#include "stress.h"

#include "documented.h"
#include "faults/faults.h"

#include <dlfcn.h>
#include <netdb.h>
#include <stdarg.h>
#include <sys/mman.h>

static struct faults *faults;

// --- calls that may fail now ---

static const char *step_name;
static bool failing; // a failure is allowed
static int refusals;
// A step's finding, for its parent.
static struct {
    char text[400];
} *report;

static _Noreturn void wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(report->text, sizeof report->text, format, args);
    _exit(1);
}

static bool named_in_header(const char *function, int64_t code)
{
    for (size_t i = 0; i < sizeof DOCUMENTED / sizeof *DOCUMENTED; i++)
        if (strcmp(DOCUMENTED[i].function, function) == 0)
            for (const int32_t *c = DOCUMENTED[i].codes; *c; c++)
                if (*c == code)
                    return true;
    return false;
}

// A call that succeeds, or fails with a code that may be.
static int64_t may(int64_t value, const char *call, int line)
{
    if (value >= 0)
        return value;
    if (!failing)
        wrong("line %d: %s = %lld (%s) with nothing failing", line, call, (long long)value, usocket_strerror(value));
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(call, "("), call);
    int32_t given = faults->error_given;
    bool system_said = (given == EAI_SYSTEM && value == -ENOMEM) || (given > 0 && value == -given) || (faults->kind >= COUNT_MEMORY && value == -ENOMEM);
    if (refusals == 0 && !system_said && value != USOCKET_EAI_MEMORY && !named_in_header(name, value))
        wrong("line %d: %s = %lld (%s), which the header does not name", line, call, (long long)value,
              usocket_strerror(value));
    refusals++;
    return value;
}
#define MAY(call) may((call), #call, __LINE__)

// Handles of a step, closed at its end whatever happened.
static usocket_t owned[64];
static int n_owned;

static usocket_t own(usocket_t h)
{
    if (h > 0 && n_owned < 64)
        owned[n_owned++] = h;
    return h;
}

static void give_back(usocket_t h)
{
    for (int i = 0; i < n_owned; i++)
        if (owned[i] == h)
            owned[i] = owned[--n_owned];
}

// The handle is gone, whatever close(2) returned.
static bool closes(usocket_t h)
{
    int32_t r = usocket_close(h);
    return (r == 0 || (r == -EIO && faults->error_given == EIO)) && usocket_close(h) == -EBADF;
}

static void must_close(usocket_t h)
{
    give_back(h);
    if (!closes(h))
        wrong("usocket_close fails, or leaves the handle");
}

// After a failure, what follows need not be so; without one, it must.
#define EXPECT(condition) \
    do { \
        if (refusals == 0 && !(condition)) \
            wrong("line %d: not so: %s", __LINE__, #condition); \
    } while (0)
#define TRY(variable, call) \
    do { \
        variable = MAY(call); \
        if (variable < 0) \
            return; \
    } while (0)
#define DO(call) \
    do { \
        if (MAY(call) < 0) \
            return; \
    } while (0)

enum { WITHIN = 3 * SECOND };

static bool pair_of(usocket_t out[2])
{
    usocket_t listener = own(MAY(usocket_socket(AF_INET, SOCK_STREAM, 0)));
    if (listener < 0)
        return false;
    usocket_addr at;
    if (MAY(usocket_addr_ip(AF_INET, "127.0.0.1", 0, 0, 0, &at)) < 0 || MAY(usocket_bind(listener, &at)) < 0 ||
        MAY(usocket_listen(listener, 4)) < 0 || MAY(usocket_settimeout(listener, WITHIN)) < 0 ||
        MAY(usocket_getsockname(listener, &at)) < 0)
        return false;
    out[0] = own(MAY(usocket_socket(AF_INET, SOCK_STREAM, 0)));
    if (out[0] < 0 || MAY(usocket_settimeout(out[0], WITHIN)) < 0 || MAY(usocket_connect(out[0], &at)) < 0)
        return false;
    out[1] = own(MAY(usocket_accept(listener, NULL)));
    if (out[1] < 0 || MAY(usocket_settimeout(out[1], WITHIN)) < 0)
        return false;
    must_close(listener);
    return true;
}

static void step_streams(void)
{
    usocket_t p[2], twin;
    usocket_addr at;
    char buf[64], text[200];
    int32_t value;
    int64_t n;
    if (!pair_of(p))
        return;
    DO(usocket_getpeername(p[0], &at));
    DO(usocket_addr_text(&at, text, sizeof text));
    DO(usocket_setsockopt_int(p[0], IPPROTO_TCP, TCP_NODELAY, 1));
    DO(usocket_getsockopt_int(p[0], IPPROTO_TCP, TCP_NODELAY, &value));
    EXPECT(value == 1);
    DO(usocket_sendall(p[0], "first line\nsecond", 17, 0));
    TRY(n, usocket_readline(p[1], buf, sizeof buf));
    if (refusals == 0 && (n != 11 || memcmp(buf, "first line\n", 11) != 0))
        wrong("readline gave %lld bytes", (long long)n);
    TRY(n, usocket_read(p[1], buf, 6));
    EXPECT(n == 6 && memcmp(buf, "second", 6) == 0);
    TRY(n, usocket_write(p[1], "back", 4));
    EXPECT(n == 4);
    int64_t got = 0;
    while (got < 4) {
        TRY(n, usocket_recv(p[0], buf + got, sizeof buf - got, 0));
        if (n == 0)
            break;
        got += n;
    }
    EXPECT(got == 4 && memcmp(buf, "back", 4) == 0);
    twin = own(MAY(usocket_dup(p[0])));
    if (twin < 0)
        return;
    must_close(p[0]);
    TRY(n, usocket_send(twin, "x", 1, 0));
    TRY(n, usocket_recvfrom(p[1], buf, 1, 0, &at));
    EXPECT(n == 1);
    DO(usocket_shutdown(twin, SHUT_WR));
    TRY(n, usocket_recv(p[1], buf, 1, 0));
    EXPECT(n == 0);
}

static void step_modes(void)
{
    usocket_t p[2];
    char c;
    if (!pair_of(p))
        return;
    DO(usocket_setblocking(p[0], 0));
    EXPECT(usocket_recv(p[0], &c, 1, 0) == -EAGAIN || failing);
    DO(usocket_settimeout(p[0], 20 * MS));
    int64_t r = usocket_recv(p[0], &c, 1, 0);
    EXPECT(r == -ETIMEDOUT || (failing && r < 0));
    DO(usocket_setblocking(p[0], 1));
    usocket_t l = own(MAY(usocket_socket(AF_INET, SOCK_STREAM, 0)));
    if (l < 0)
        return;
    DO(usocket_listen(l, 1));
    DO(usocket_settimeout(l, 20 * MS));
    r = usocket_accept(l, NULL);
    EXPECT(r == -ETIMEDOUT || (failing && r < 0));
    if (r > 0)
        own(r);
}

static void step_datagrams(void)
{
    usocket_t a = own(MAY(usocket_socket(AF_INET, SOCK_DGRAM, 0))), b = own(MAY(usocket_socket(AF_INET, SOCK_DGRAM, 0)));
    usocket_addr at, from;
    char buf[16];
    int64_t n;
    if (a < 0 || b < 0)
        return;
    DO(usocket_addr_ip(AF_INET, "127.0.0.1", 0, 0, 0, &at));
    DO(usocket_bind(a, &at));
    DO(usocket_getsockname(a, &at));
    TRY(n, usocket_sendto(b, "hello", 5, 0, &at));
    EXPECT(n == 5);
    DO(usocket_settimeout(a, WITHIN));
    TRY(n, usocket_recvfrom(a, buf, sizeof buf, 0, &from));
    EXPECT(n == 5);
    usocket_t ends[2];
    if (MAY(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) < 0)
        return;
    own(ends[0]), own(ends[1]);
    int32_t fd = (int32_t)MAY(usocket_detach(ends[0]));
    if (fd < 0)
        return;
    give_back(ends[0]);
    usocket_t again = own(MAY(usocket_from_fd(fd)));
    if (again < 0)
        close(fd); // stays ours
}

static void step_poll(void)
{
    usocket_t p[2];
    if (!pair_of(p))
        return;
    usocket_pollfd few[2] = {{.socket = p[0], .events = POLLIN}, {.socket = p[1], .events = POLLOUT}};
    int64_t n;
    TRY(n, usocket_poll(few, 2, WITHIN));
    EXPECT(n == 1 && few[1].revents == POLLOUT);
    usocket_pollfd many[40];
    for (int i = 0; i < 40; i++)
        many[i] = (usocket_pollfd){.socket = p[i % 2], .events = POLLIN};
    TRY(n, usocket_poll(many, 40, 5 * MS));
    EXPECT(n == 0);
}

static void step_poller(void)
{
    usocket_t p[2];
    usocket_event event[4];
    int64_t n;
    if (!pair_of(p))
        return;
    usocket_poller_t poller = own(MAY(usocket_poller_create())), outer = own(MAY(usocket_poller_create()));
    if (poller < 0 || outer < 0)
        return;
    DO(usocket_poller_add(poller, p[0], POLLIN | POLLNVAL, 1));
    DO(usocket_poller_add(poller, p[1], POLLIN, 2));
    DO(usocket_poller_add(outer, poller, POLLIN, 3));
    DO(usocket_poller_modify(poller, p[1], POLLIN | POLLOUT, 4));
    TRY(n, usocket_poller_wait(outer, event, 4, WITHIN));
    EXPECT(n == 1 && event[0].data == 3);
    TRY(n, usocket_poller_wait(poller, event, 4, WITHIN));
    EXPECT(n == 1 && event[0].data == 4);
    DO(usocket_poller_remove(poller, p[1]));
    TRY(n, usocket_poller_wait(poller, event, 4, 5 * MS));
    EXPECT(n == 0);
    DO(usocket_poller_wake(poller));
    TRY(n, usocket_poller_wait(poller, event, 4, WITHIN));
    must_close(p[0]);
    TRY(n, usocket_poller_wait(poller, event, 4, WITHIN));
    EXPECT(n == 1 && event[0].events == POLLNVAL);
}

static void step_names(void)
{
    usocket_addrinfo *list = NULL;
    DO(usocket_getaddrinfo("127.0.0.1", "80", 0, SOCK_STREAM, 0, 0, WITHIN, &list));
    EXPECT(list != NULL);
    if (list && usocket_freeaddrinfo(list) != 0)
        wrong("usocket_freeaddrinfo");
    list = NULL;
    DO(usocket_getaddrinfo("localhost", "http", AF_INET, SOCK_STREAM, 0, 0, WITHIN, &list));
    if (list && usocket_freeaddrinfo(list) != 0)
        wrong("usocket_freeaddrinfo");
    usocket_query_t q = own(MAY(usocket_query_create("localhost", "80", AF_INET, SOCK_STREAM, 0, 0)));
    if (q < 0)
        return;
    usocket_pollfd p = {.socket = q, .events = POLLIN};
    int64_t n;
    TRY(n, usocket_poll(&p, 1, WITHIN));
    EXPECT(n == 1);
    list = NULL;
    DO(usocket_query_result(q, WITHIN, &list));
    EXPECT(list != NULL);
    if (list && usocket_freeaddrinfo(list) != 0)
        wrong("usocket_freeaddrinfo");
    own(MAY(usocket_query_create("localhost", "81", AF_INET, SOCK_STREAM, 0, 0))); // cancelled
}

static void step_connection(void)
{
    usocket_addr at;
    DO(usocket_addr_ip(AF_INET, "127.0.0.1", 0, 0, 0, &at));
    usocket_t server = own(MAY(usocket_create_server(&at, 4, 0)));
    if (server < 0)
        return;
    DO(usocket_getsockname(server, &at));
    char port[16];
    snprintf(port, sizeof port, "%d", usocket_addr_port(&at));
    usocket_t c = own(MAY(usocket_create_connection("localhost", port, WITHIN, NULL)));
    if (c < 0)
        return;
    usocket_addr source;
    DO(usocket_addr_ip(AF_INET, "127.0.0.1", 0, 0, 0, &source));
    own(MAY(usocket_create_connection("127.0.0.1", port, WITHIN, &source)));
}

static usocket_tls_context_t tls_context(int32_t role)
{
    usocket_tls_context_t c = own(MAY(usocket_tls_context_create(role)));
    if (c < 0)
        return c;
    int64_t r = role == USOCKET_TLS_SERVER
                    ? MAY(usocket_tls_context_add_cert_file(c, in_certs("server.pem"), in_certs("server-key.pem")))
                    : MAY(usocket_tls_context_add_trust_file(c, in_certs("ca.pem")));
    return r < 0 ? r : c;
}

static void step_tls_context(void)
{
    usocket_tls_context_t c = tls_context(USOCKET_TLS_CLIENT), s = tls_context(USOCKET_TLS_SERVER);
    if (c < 0 || s < 0)
        return;
    char names[2000];
    DO(usocket_tls_context_set_alpn(c, "h2,http/1.1"));
    DO(usocket_tls_context_set_ciphers(c, "TLS_AES_128_GCM_SHA256"));
    DO(usocket_tls_context_set_groups(c, "X25519:secp256r1"));
    DO(usocket_tls_context_ciphers(s, names, sizeof names));
    DO(usocket_tls_context_set_versions(s, USOCKET_TLS_1_2, USOCKET_TLS_1_3));
    DO(usocket_tls_context_set_resumption(s, 10, 1));
    DO(usocket_tls_context_add_trust_file(s, in_certs("ca.pem")));
    DO(usocket_tls_context_set_verify(s, USOCKET_TLS_VERIFY_OPTIONAL));
    static char crl[8192];
    FILE *f = fopen(in_certs("crl.pem"), "rb");
    size_t len = f ? fread(crl, 1, sizeof crl, f) : 0;
    if (f)
        fclose(f);
    DO(usocket_tls_context_add_crl(c, crl, len));
    usocket_t p[2];
    if (!pair_of(p))
        return;
    DO(usocket_tls_wrap(p[0], c, "server.example", 0));
    DO(usocket_tls_wrap(p[1], s, NULL, 0));
}

// Both handshakes, on one thread, within three seconds.
static bool shaken(usocket_t p[2])
{
    int64_t until = now_us() + WITHIN;
    if (MAY(usocket_settimeout(p[0], 0)) < 0 || MAY(usocket_settimeout(p[1], 0)) < 0)
        return false;
    int32_t c = -EAGAIN, s = -EAGAIN;
    while (c || s) {
        if (c)
            c = usocket_tls_handshake(p[0]);
        if (s)
            s = usocket_tls_handshake(p[1]);
        if (c && c != -EAGAIN) {
            may(c, "usocket_tls_handshake(p[0])", __LINE__);
            return false;
        }
        if (s && s != -EAGAIN) {
            may(s, "usocket_tls_handshake(p[1])", __LINE__);
            return false;
        }
        if (now_us() > until) {
            if (!failing)
                wrong("the handshake does not end");
            wrong("the handshake does not end: client %d, server %d", c, s);
        }
    }
    return MAY(usocket_settimeout(p[0], WITHIN)) >= 0 && MAY(usocket_settimeout(p[1], WITHIN)) >= 0;
}

static void tls_of(int32_t version)
{
    usocket_t p[2];
    usocket_tls_context_t c = tls_context(USOCKET_TLS_CLIENT), s = tls_context(USOCKET_TLS_SERVER);
    char buf[64];
    int64_t n;
    if (c < 0 || s < 0 || MAY(usocket_tls_context_set_versions(c, version, version)) < 0 || !pair_of(p))
        return;
    DO(usocket_tls_wrap(p[0], c, "server.example", 0));
    DO(usocket_tls_wrap(p[1], s, NULL, 0));
    if (!shaken(p))
        return;
    DO(usocket_sendall(p[0], "hello there", 11, 0));
    TRY(n, usocket_read(p[1], buf, 11));
    EXPECT(n == 11 && memcmp(buf, "hello there", 11) == 0);
    static char big[40000], back[40000];
    memset(big, 'x', sizeof big);
    TRY(n, usocket_write(p[1], big, sizeof big));
    EXPECT(n == sizeof big);
    TRY(n, usocket_read(p[0], back, sizeof back));
    EXPECT(n == sizeof back && memcmp(big, back, sizeof big) == 0);
    usocket_pollfd q = {.socket = p[0], .events = POLLIN};
    TRY(n, usocket_poll(&q, 1, 5 * MS));
    EXPECT(n == 0);
    usocket_tls_session_t session = usocket_tls_take_session(p[0]);
    if (session > 0)
        own(session);
    DO(usocket_shutdown(p[0], SHUT_WR));
    TRY(n, usocket_recv(p[1], buf, sizeof buf, 0));
    EXPECT(n == 0);
}

static void step_tls_13(void) { tls_of(USOCKET_TLS_1_3); }
static void step_tls_12(void) { tls_of(USOCKET_TLS_1_2); }

static void *blocked(void *arg)
{
    char c;
    return (void *)(intptr_t)usocket_recv(*(usocket_t *)arg, &c, 1, 0);
}

// A close by one thread ends the call of the other, on a stream and on a datagram socket.
static void step_close(void)
{
    usocket_t p[2], u = own(MAY(usocket_socket(AF_INET, SOCK_DGRAM, 0)));
    usocket_addr at;
    if (u < 0 || !pair_of(p))
        return;
    DO(usocket_addr_ip(AF_INET, "127.0.0.1", 0, 0, 0, &at));
    DO(usocket_bind(u, &at));
    DO(usocket_settimeout(u, 8 * SECOND));
    usocket_t *all[] = {&p[0], &u};
    for (int i = 0; i < 2; i++) {
        pthread_t t = start(blocked, all[i]);
        sleep_us(2 * MS);
        must_close(*all[i]);
        void *result = NULL;
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 6;
        if (pthread_timedjoin_np(t, &result, &until) != 0)
            wrong("recv goes on after close (%s)", i ? "UDP" : "TCP");
        if ((intptr_t)result >= 0 && i)
            wrong("recv on a closed socket: %ld", (long)(intptr_t)result);
    }
}

static void step_fork(void)
{
    usocket_t p[2];
    if (!pair_of(p))
        return;
    pid_t child = fork();
    if (child == 0) {
        char c;
        int bad = usocket_send(p[0], "c", 1, 0) == 0;
        bad |= !closes(p[0]) || !closes(p[1]);
        usocket_poller_t poller = usocket_poller_create();
        if (poller > 0)
            bad |= !closes(poller);
        usocket_addrinfo *list;
        if (usocket_getaddrinfo("127.0.0.1", "1", 0, 0, 0, 0, WITHIN, &list) == 0)
            bad |= usocket_freeaddrinfo(list) != 0;
        (void)c;
        _exit(bad ? 7 : 0);
    }
    int status;
    if (!ends_within(child, 8 * SECOND, &status)) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        wrong("the forked child hangs");
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        wrong("the forked child: status %x", status);
    char c;
    int64_t n;
    TRY(n, usocket_recv(p[1], &c, 1, 0));
    TRY(n, usocket_send(p[1], &c, 1, 0));
    TRY(n, usocket_recv(p[0], &c, 1, 0));
}

static const struct {
    const char *name;
    void (*run)(void);
} STEPS[] = {
    {"streams", step_streams}, {"modes", step_modes}, {"datagrams", step_datagrams}, {"poll", step_poll},
    {"poller", step_poller}, {"names", step_names}, {"connection", step_connection},
    {"tls-context", step_tls_context}, {"tls-1.3", step_tls_13}, {"tls-1.2", step_tls_12},
    {"close", step_close}, {"fork", step_fork},
};
enum { N_STEPS = sizeof STEPS / sizeof *STEPS };

static void close_all(void)
{
    while (n_owned)
        must_close(owned[n_owned - 1]);
}

// In a process of its own: the step as it should be, then with the fault, then as it should be.
static void attempt(int step, bool warm)
{
    step_name = STEPS[step].name;
    failing = false;
    if (warm) {
        faults->kind = NO_FAULTS;
        STEPS[step].run();
        close_all();
    }
    int before = open_descriptors();
    faults->calls = faults->failed = 0;
    extern int32_t armed_kind;
    failing = armed_kind != COUNT_CALLS && armed_kind != COUNT_MEMORY;
    faults->kind = armed_kind;
    STEPS[step].run();
    close_all();
    faults->kind = NO_FAULTS;
    int calls = faults->calls;
    failing = false;
    refusals = 0;
    // Wait for the pool's threads to end and release their resources.
    for (int64_t until = now_us() + 4 * SECOND; open_descriptors() > before && now_us() < until;)
        sleep_us(2 * MS);
    int after = open_descriptors();
    if (after > before + (warm ? 0 : 2))
        wrong("%d descriptors open before, %d after", before, after);
    STEPS[step].run();
    close_all();
    faults->calls = calls;
    _exit(0);
}

int32_t armed_kind;

// The outcome of one fault: 0 held, 1 found.
static int one(int step, int32_t kind, int number, int error, bool warm)
{
    int status = 0;
    report->text[0] = 0;
    faults->number = number;
    faults->error = error;
    faults->error_given = 0;
    faults->frames = 0;
    faults->name[0] = 0;
    faults->failed = 0;
    armed_kind = kind;
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 2); // what a panic or an abort says
        close(null);
        attempt(step, warm);
    }
    setpgid(child, child);
    bool ended = ends_within(child, 40 * SECOND, &status);
    kill(-child, SIGKILL);
    if (!ended) {
        waitpid(child, &status, 0);
        snprintf(report->text, sizeof report->text, "hangs");
    } else if (WIFSIGNALED(status)) {
        snprintf(report->text, sizeof report->text, "dies of signal %d", WTERMSIG(status));
    } else if (WEXITSTATUS(status) && !report->text[0]) {
        snprintf(report->text, sizeof report->text, "exit %d", WEXITSTATUS(status));
    }
    return report->text[0] != 0;
}

int main(int argc, char **argv)
{
    struct faults *(*get)(void) = (struct faults * (*)(void)) dlsym(RTLD_DEFAULT, "faults_page");
    int (*errors)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "faults_errors");
    const char *(*name)(int) = (const char *(*)(int))dlsym(RTLD_DEFAULT, "faults_name");
    if (argc < 2 || !get) {
        fprintf(stderr, "usage: LD_PRELOAD=faults.so scenario calls|memory|memory-from [STEP...]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_DFL);
    usocket_version(); // bound
    faults = get();
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool memory = strncmp(argv[1], "memory", 6) == 0;
    int32_t kind = !memory ? FAIL_CALL : strcmp(argv[1], "memory-from") ? FAIL_MEMORY : FAIL_MEMORY_FROM;
    int share = getenv("STRESS_SHARE") ? atoi(getenv("STRESS_SHARE")) : 100;
    int64_t until = now_us() + (getenv("STRESS_SECONDS") ? atoi(getenv("STRESS_SECONDS")) : 3600) * (int64_t)SECOND;
    uint64_t seed = seed_from_environment();
    fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
    int tried = 0, found = 0, missed = 0;
    int only_k = getenv("FAULT_NUMBER") ? atoi(getenv("FAULT_NUMBER")) : -1;
    int only_e = getenv("FAULT_ERROR") ? atoi(getenv("FAULT_ERROR")) : -1;
    for (int step = 0; step < N_STEPS; step++) {
        bool wanted = argc < 3;
        for (int a = 2; a < argc; a++)
            wanted |= strcmp(argv[a], STEPS[step].name) == 0;
        if (!wanted)
            continue;
        // With everything loaded already, and, of memory, as the first use of all.
        for (int warm = memory ? 0 : 1; warm < 2; warm++) {
            if (one(step, memory ? COUNT_MEMORY : COUNT_CALLS, 0, 0, warm)) {
                printf("BROKEN %s with nothing failing: %s\n", STEPS[step].name, report->text);
                found++;
                continue;
            }
            int n = faults->calls < MOST_CALLS ? faults->calls : MOST_CALLS;
            static uint8_t function[MOST_CALLS];
            memcpy(function, faults->function, sizeof function);
            int here = 0, bad = 0;
            for (int k = 0; k < n && now_us() < until; k++) {
                if (only_k >= 0 && k != only_k)
                    continue;
                for (int e = 0; e < (memory ? 1 : errors(function[k])); e++) {
                    if ((only_e >= 0 && e != only_e) || (int)below(&seed, 100) >= share)
                        continue;
                    here++;
                    int r = one(step, kind, k, e, warm);
                    missed += faults->failed == 0;
                    if (!r)
                        continue;
                    bad++;
                    printf("BROKEN %s %s%s: call %d (%s), error %d: %s |", argv[1], STEPS[step].name, warm ? "" : " (first use)", k,
                           faults->name[0] ? faults->name : name(function[k]), faults->error_given, report->text);
                    for (int f = 0; f < faults->frames; f++)
                        if ((uintptr_t)faults->frame[f] > faults->base && (uintptr_t)faults->frame[f] < faults->base + (64 << 20))
                            printf(" %lx", (unsigned long)((uintptr_t)faults->frame[f] - faults->base));
                    printf("\n");
                }
            }
            printf("step %s%s: %d calls, %d faults, %d found\n", STEPS[step].name, warm ? "" : " (first use)", n, here, bad);
            tried += here;
            found += bad;
        }
    }
    printf("tried %d faults, %d of which were not reached\n", tried, missed);
    printf("%d passed, %d failed, 0 skipped\n", tried - found, found);
    return found != 0;
}
