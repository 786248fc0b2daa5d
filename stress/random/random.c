// The random caller: every function of the header with valid, stale and hostile arguments, from four
// threads, with signals that run a hook, and forks whose children go on calling.
//
// In a network of its own, where no address leads out, and in a directory of its own. Found are: a
// crash, a call that does not end within a minute, a descriptor or a thread that is left.
//
//   random [SECONDS]     STRESS_SEED, STRESS_THREADS (4), STRESS_FORKS (1)

#include "stress.h"

#include <dirent.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

enum kind { SOCKET, POLLER, QUERY, CONTEXT, SESSION, KINDS };
enum { SLOTS = 24, LISTS = 16, ROOM = 70000, FDS = 40, EVENTS = 256, THREADS = 8 };

struct caller {
    uint64_t seed;
    int number;
    pthread_t thread;
    atomic_long calls;
    atomic_int which; // what it is in
    atomic_long since;
    usocket_addr addr, other;
    usocket_pollfd fds[FDS];
    usocket_event events[EVENTS];
    size_t len, n_fds, n_events;
    usocket_addrinfo *list;
    usocket_t pair[2];
    int64_t numbers[8];
    char room[ROOM], bytes[ROOM];
};

static _Atomic usocket_t pool[KINDS][SLOTS];
static _Atomic usocket_t stale[SLOTS];
static _Atomic(usocket_addrinfo *) lists[LISTS];
static int own_fds[4];
static atomic_int hooked;
static struct caller callers[THREADS];
static int n_callers = 4;
static bool forks = true, in_child;

static bool chance(struct caller *t, int percent) { return (int)below(&t->seed, 100) < percent; }

static int32_t pick(struct caller *t, const int32_t *from, int n)
{
    return chance(t, 98) ? from[below(&t->seed, n)] : (int32_t)rnd(&t->seed);
}

static int64_t a_number(struct caller *t)
{
    static const int64_t some[] = {0, 1, 2, 3, 4, 8, 128, 771, 772, 65535, 65536, -1, INT32_MIN, INT32_MAX, 1024};
    return chance(t, 75) ? (int64_t)below(&t->seed, 5) : chance(t, 80) ? some[below(&t->seed, 15)] : (int64_t)rnd(&t->seed);
}

static int64_t a_time(struct caller *t)
{
    static const int64_t some[] = {0, 0, 50, 500, 3000, -1, 20000, INT64_MIN, INT64_MAX};
    return some[below(&t->seed, 9)];
}

static size_t a_length(struct caller *t) { return chance(t, 90) ? below(&t->seed, ROOM) : SIZE_MAX - below(&t->seed, 9); }

static usocket_t a_handle(struct caller *t, enum kind kind)
{
    int d = below(&t->seed, 100);
    if (d < 82)
        return pool[kind][below(&t->seed, SLOTS)];
    if (d < 90)
        return pool[below(&t->seed, KINDS)][below(&t->seed, SLOTS)];
    if (d < 96)
        return stale[below(&t->seed, SLOTS)];
    static const int64_t hostile[] = {0, 1, -1, INT64_MIN, INT64_MAX, 1LL << 53, (1LL << 53) - 1, 1LL << 22, INT32_MIN};
    return d < 98 ? hostile[below(&t->seed, 9)] : (int64_t)rnd(&t->seed);
}

// The descriptor it replaces is closed.
static void keep(struct caller *t, enum kind kind, usocket_t h)
{
    usocket_t old = atomic_exchange(&pool[kind][below(&t->seed, SLOTS)], h);
    if (old > 0) {
        usocket_close(old);
        stale[below(&t->seed, SLOTS)] = old;
    }
}

static void keep_list(struct caller *t, usocket_addrinfo *list)
{
    usocket_addrinfo *old = atomic_exchange(&lists[below(&t->seed, LISTS)], list);
    if (old)
        usocket_freeaddrinfo(old);
}

static usocket_addrinfo *a_list(struct caller *t)
{
    if (chance(t, 85))
        return atomic_exchange(&lists[below(&t->seed, LISTS)], NULL);
    if (chance(t, 50))
        return (usocket_addrinfo *)t->room;
    return chance(t, 50) ? (usocket_addrinfo *)(uintptr_t)rnd(&t->seed) : t->list; // freed already, perhaps
}

static int some_socket(struct caller *t)
{
    if (chance(t, 90))
        return socket(chance(t, 50) ? AF_INET : AF_UNIX, (chance(t, 50) ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    return chance(t, 50) ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int32_t a_descriptor(struct caller *t)
{
    return chance(t, 80) ? own_fds[below(&t->seed, 4)] : chance(t, 50) ? -1 : (int32_t)rnd(&t->seed) | 1 << 20;
}

static const usocket_addr *an_address(struct caller *t)
{
    int d = below(&t->seed, 100);
    if (d < 3)
        return NULL;
    if (d < 50)
        return &t->addr; // as a call before filled it in
    if (d < 70)
        usocket_getsockname(pool[SOCKET][below(&t->seed, SLOTS)], &t->other);
    else if (d < 80)
        usocket_addr_ip(AF_INET, "127.0.0.1", below(&t->seed, 3) ? 0 : 7, 0, 0, &t->other);
    else if (d < 85)
        usocket_addr_ip(AF_INET6, "::1", 0, 0, 0, &t->other);
    else if (d < 92)
        usocket_addr_unix("\0stress", below(&t->seed, 8), &t->other);
    else {
        for (int i = 0; i < 16; i++)
            t->other.storage[i] = rnd(&t->seed);
        if (chance(t, 70))
            *(uint16_t *)t->other.storage = (uint16_t[]){AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC}[below(&t->seed, 4)];
        t->other.len = chance(t, 80) ? below(&t->seed, 129) : (uint32_t)rnd(&t->seed);
    }
    return &t->other;
}

static const char *const TEXTS[] = {
    "127.0.0.1", "::1", "localhost", "80", "http", "0", "65536", "", "server.example", "no.such.name", "1.2.3", "fe80::1%lo",
    "certs/ca.pem", "certs/server.pem", "certs/server-key.pem", "certs", "certs/crl.pem", "/no/such", "h2,http/1.1", ",",
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256", "X25519:secp256r1", "EXPORTER-x",
    "\xff\xfe", "a..b", "xn--bcher-kva.example", "b\xc3\xbc""cher.example", "certs/client.pem", "certs/client-key.pem", "certs/ca.der",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

static const char *a_text(struct caller *t)
{
    if (chance(t, 3))
        return NULL;
    if (chance(t, 3)) {
        for (int i = 0; i < 299; i++)
            t->bytes[i] = (char)(rnd(&t->seed) | 1);
        t->bytes[below(&t->seed, 300)] = 0;
        t->bytes[299] = 0;
        return t->bytes;
    }
    return TEXTS[below(&t->seed, sizeof TEXTS / sizeof *TEXTS)];
}

// Certificates and keys, whole and damaged; or anything.
static struct {
    char data[8192];
    size_t len;
} files[12];
static int n_files;

static const void *some_bytes(struct caller *t)
{
    int d = below(&t->seed, 100);
    if (d < 2) {
        t->len = 1 + below(&t->seed, 9);
        return NULL;
    }
    if (d < 4) {
        t->len = (size_t)SSIZE_MAX + 1 + below(&t->seed, 9);
        return t->bytes;
    }
    if (d < 40 && n_files) {
        int f = below(&t->seed, n_files);
        memcpy(t->bytes, files[f].data, t->len = files[f].len);
        for (int i = below(&t->seed, 4); i > 1; i--)
            t->bytes[below(&t->seed, t->len)] ^= (char)(1 << below(&t->seed, 8));
        return t->bytes;
    }
    t->len = d < 60 ? (size_t[]){0, 1, 4, 16, 32, 31, 128}[below(&t->seed, 7)] : below(&t->seed, d < 95 ? 300 : ROOM);
    return t->bytes;
}

static void *some_room(struct caller *t)
{
    int d = below(&t->seed, 100);
    if (d < 3) {
        t->len = d < 1 ? 0 : 1 + below(&t->seed, 100);
        return NULL;
    }
    t->len = d < 5 ? (size_t)SSIZE_MAX + 1 + below(&t->seed, 9) : below(&t->seed, d < 80 ? 200 : ROOM);
    return t->room;
}

static usocket_pollfd *some_pollfds(struct caller *t)
{
    t->n_fds = chance(t, 70) ? below(&t->seed, 5) : below(&t->seed, FDS);
    for (size_t i = 0; i < t->n_fds; i++)
        t->fds[i] = (usocket_pollfd){chance(t, 80) ? a_handle(t, SOCKET) : 0, a_descriptor(t),
                                     (int16_t)(chance(t, 90) ? POLLIN | POLLOUT * (int)below(&t->seed, 2) : (int)rnd(&t->seed)), 0};
    if (chance(t, 2)) {
        t->n_fds = SIZE_MAX / 64;
        return chance(t, 50) ? NULL : t->fds;
    }
    return t->fds;
}

static usocket_event *room_for_events(struct caller *t)
{
    t->n_events = chance(t, 95) ? below(&t->seed, EVENTS) : 0;
    return chance(t, 97) ? t->events : NULL;
}

static int32_t message_flags(struct caller *t)
{
    static const int32_t some[] = {0, 0, 0, MSG_DONTWAIT, MSG_PEEK, MSG_DONTWAIT | MSG_PEEK, MSG_MORE, MSG_TRUNC, MSG_WAITALL, MSG_OOB, MSG_ERRQUEUE};
    return chance(t, 97) ? some[below(&t->seed, 11)] : (int32_t)rnd(&t->seed);
}

// A close that lingers waits, and says so; a filter is a pointer of the caller's own.
static int32_t an_option(struct caller *t)
{
    int32_t name = (int32_t)below(&t->seed, chance(t, 90) ? 40 : 80);
    return name == SO_LINGER || name == SO_ATTACH_FILTER || name == SO_ATTACH_REUSEPORT_CBPF ? SO_REUSEADDR : name;
}

static int32_t hook(void *arg)
{
    static _Thread_local uint64_t seed;
    if (!seed)
        seed = (uint64_t)(uintptr_t)&seed | 1;
    ++*(atomic_int *)arg;
    if (below(&seed, 50) == 0)
        usocket_version();
    return below(&seed, 2);
}

static int32_t verdict(void *arg, const uint8_t *der, size_t len, int32_t depth)
{
    (void)arg, (void)depth;
    return len ? der[len - 1] & 1 : 0;
}

// Another context, one that is closed, anything; or no name is served.
static usocket_tls_context_t chooses(void *arg, const char *name)
{
    static _Thread_local uint64_t seed;
    if (!seed)
        seed = (uint64_t)(uintptr_t)&seed | 1;
    (void)arg;
    if (below(&seed, 4) == 0)
        return (usocket_tls_context_t)below(&seed, 3) - 1;
    return name ? pool[CONTEXT][below(&seed, SLOTS)] : stale[below(&seed, SLOTS)];
}

#include "calls.h"

static const char *which_of(struct caller *t) { return t->which >= 0 ? NAMES[t->which] : "nothing"; }

// Connected pairs, some of them wrapped, so that more than errors happens.
static void plant(struct caller *t)
{
    usocket_t pair[2];
    usocket_addr at;
    usocket_t l = usocket_socket(AF_INET, SOCK_STREAM, 0);
    if (l < 0)
        return;
    usocket_addr_ip(AF_INET, "127.0.0.1", 0, 0, 0, &at);
    usocket_bind(l, &at);
    usocket_listen(l, 4);
    usocket_getsockname(l, &at);
    usocket_settimeout(l, 200 * MS);
    pair[0] = usocket_socket(AF_INET, SOCK_STREAM, 0);
    usocket_settimeout(pair[0], 200 * MS);
    if (pair[0] < 0 || usocket_connect(pair[0], &at) < 0 || (pair[1] = usocket_accept(l, NULL)) < 0) {
        usocket_close(pair[0]);
        usocket_close(l);
        return;
    }
    if (chance(t, 60)) {
        usocket_tls_context_t c = usocket_tls_context_create(USOCKET_TLS_CLIENT), s = usocket_tls_context_create(USOCKET_TLS_SERVER);
        usocket_tls_context_add_trust_file(c, "certs/ca.pem");
        usocket_tls_context_add_cert_file(s, "certs/server.pem", "certs/server-key.pem");
        usocket_tls_wrap(pair[0], c, "server.example", 0);
        usocket_tls_wrap(pair[1], s, NULL, 0);
        if (chance(t, 80)) {
            usocket_settimeout(pair[0], 0);
            usocket_settimeout(pair[1], 0);
            for (int i = 0; i < 60; i++) {
                int32_t a = usocket_tls_handshake(pair[0]), b = usocket_tls_handshake(pair[1]);
                if (!a && !b)
                    break;
            }
        }
        keep(t, CONTEXT, c);
        keep(t, CONTEXT, s);
    }
    for (int i = 0; i < 2; i++)
        usocket_settimeout(pair[i], (int64_t[]){0, 3000, -1}[below(&t->seed, 3)]);
    keep(t, SOCKET, pair[0]);
    keep(t, SOCKET, pair[1]);
    keep(t, SOCKET, l);
}

static void one_call(struct caller *t)
{
    int which = below(&t->seed, N_FUNCTIONS);
    // Closing is one of a hundred: give it its due.
    if (below(&t->seed, 40) == 0) {
        int kind = below(&t->seed, KINDS);
        usocket_t h = atomic_exchange(&pool[kind][below(&t->seed, SLOTS)], 0);
        if (h > 0) {
            usocket_close(h);
            stale[below(&t->seed, SLOTS)] = h;
        }
    }
    t->since = (long)(now_us() / 1000);
    t->which = which;
    call(t, which);
    t->which = -1;
    t->calls++;
}

static void tick(int signal) { (void)signal; }

static atomic_long children;

// A child, alone with what all threads had, goes on for a while.
static void fork_one(struct caller *t)
{
    pid_t child = fork();
    if (child < 0)
        return;
    if (child == 0) {
        struct itimerval often = {{0, 3000}, {0, 3000}};
        setitimer(ITIMER_REAL, &often, NULL);
        for (int i = 0; i < n_callers; i++)
            callers[i].which = -1;
        in_child = true; // nobody else would set the hook again
        usocket_set_event_hook(hook, &hooked);
        for (int i = 0; i < 400; i++)
            one_call(t);
        for (int k = 0; k < KINDS; k++)
            for (int i = 0; i < SLOTS; i++)
                if (pool[k][i] > 0)
                    usocket_close(pool[k][i]);
        _exit(0);
    }
    int status;
    if (!ends_within(child, 60 * SECOND, &status)) {
        char path[64], stack[2000] = "";
        snprintf(path, sizeof path, "/proc/%d/wchan", child);
        FILE *f = fopen(path, "r");
        size_t n = f ? fread(stack, 1, sizeof stack - 1, f) : 0;
        stack[n] = 0;
        kill(child, SIGABRT);
        broken("seed %llu: a forked child hangs (%s)", (unsigned long long)stress_seed, stack);
    }
    if (WIFSIGNALED(status))
        broken("seed %llu: a forked child died of signal %d", (unsigned long long)stress_seed, WTERMSIG(status));
    if (WEXITSTATUS(status))
        broken("seed %llu: a forked child ended with %d", (unsigned long long)stress_seed, WEXITSTATUS(status));
    children++;
}

static atomic_bool stop;

static void *work(void *arg)
{
    struct caller *t = arg;
    while (!stop) {
        if (t->calls % 500 == 0)
            plant(t);
        if (forks && t->calls % 20000 == 10000 + 1000 * t->number) {
            fork_one(t);
        }
        one_call(t);
    }
    return NULL;
}

static void crashed(int signal)
{
    // The calls made, for a report.
    char text[600];
    int n = snprintf(text, sizeof text, "signal %d, seed %llu, in:", signal, (unsigned long long)stress_seed);
    for (int i = 0; i < n_callers && n < 500; i++)
        n += snprintf(text + n, sizeof text - n, " %s", which_of(&callers[i]));
    text[n++] = '\n';
    ssize_t w = write(2, text, n);
    (void)w;
    struct sigaction act = {.sa_handler = SIG_DFL};
    sigaction(signal, &act, NULL);
    raise(signal);
}

static void load_files(const char *certs)
{
    static const char *const NAMES_OF[] = {"ca.pem", "server.pem", "server-key.pem", "ca.der", "server-key.der", "crl.pem", "chain.pem",
                                           "server-rsa.pem", "server-rsa-key.pem", "server-ed25519-key.pem", "client.pem", "client-key.pem"};
    for (size_t i = 0; i < 12; i++) {
        char path[PATH_MAX + 64], to[64];
        snprintf(path, sizeof path, "%s/%s", certs, NAMES_OF[i]);
        FILE *f = fopen(path, "rb");
        if (!f)
            continue;
        files[n_files].len = fread(files[n_files].data, 1, sizeof files[0].data, f);
        fclose(f);
        snprintf(to, sizeof to, "certs/%s", NAMES_OF[i]);
        f = fopen(to, "wb");
        if (f) {
            fwrite(files[n_files].data, 1, files[n_files].len, f);
            fclose(f);
        }
        n_files++;
    }
}

static void run(void)
{
    char certs[PATH_MAX], dir[] = "/tmp/usocket-random-XXXXXX";
    if (!realpath(in_certs("."), certs) || !mkdtemp(dir) || chdir(dir))
        broken("%s: %s", dir, strerror(errno));
    mkdir("certs", 0755);
    load_files(certs);
    own_network();
    struct rlimit few = {400, 400};
    setrlimit(RLIMIT_NOFILE, &few);
    struct sigaction act = {.sa_handler = tick}, crash = {.sa_handler = crashed};
    sigaction(SIGUSR1, &act, NULL);
    sigaction(SIGALRM, &act, NULL);
    sigaction(SIGSEGV, &crash, NULL);
    sigaction(SIGBUS, &crash, NULL);
    sigaction(SIGABRT, &crash, NULL);
    sigaction(SIGPIPE, &crash, NULL);
    if (pipe2(own_fds, O_CLOEXEC | O_NONBLOCK) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, own_fds + 2))
        broken("%s", strerror(errno));
    usocket_set_event_hook(hook, &hooked);
    const char *text = getenv("STRESS_SECONDS");
    int seconds = text ? atoi(text) : 20;
    int before = open_descriptors();
    for (int i = 0; i < n_callers; i++) {
        callers[i].number = i;
        callers[i].which = -1;
        callers[i].since = (long)(now_us() / 1000);
        callers[i].seed = (stress_seed + (uint64_t)i * 0x9e3779b97f4a7c15ull) | 1;
        callers[i].thread = start(work, &callers[i]);
    }
    long slow = getenv("STRESS_SLOW") ? atol(getenv("STRESS_SLOW")) : 60;
    for (int64_t until = now_us() + seconds * (int64_t)SECOND; now_us() < until || !stop;) {
        stop = now_us() >= until;
        sleep_us(2 * MS);
        static int ticks;
        if (++ticks % 50 == 0)
            usocket_set_event_hook(hook, &hooked); // without one, a call may wait for ever
        for (int i = 0; i < n_callers; i++)
            pthread_kill(callers[i].thread, SIGUSR1);
        for (int i = 0; i < n_callers; i++)
            if (callers[i].which >= 0 && (long)(now_us() / 1000) - callers[i].since > slow * 1000)
                broken("seed %llu: %s does not end", (unsigned long long)stress_seed, which_of(&callers[i]));
    }
    long total = 0;
    for (int i = 0; i < n_callers; i++) {
        int64_t until = now_us() + slow * SECOND;
        struct timespec soon;
        do {
            usocket_set_event_hook(hook, &hooked);
            pthread_kill(callers[i].thread, SIGUSR1);
            clock_gettime(CLOCK_REALTIME, &soon);
            soon.tv_nsec += 5 * 1000 * 1000;
            if (soon.tv_nsec >= 1000000000)
                soon.tv_sec++, soon.tv_nsec -= 1000000000;
            if (now_us() > until)
                broken("seed %llu: %s does not end", (unsigned long long)stress_seed, which_of(&callers[i]));
        } while (pthread_timedjoin_np(callers[i].thread, NULL, &soon) != 0);
        total += callers[i].calls;
    }
    for (int k = 0; k < KINDS; k++)
        for (int i = 0; i < SLOTS; i++)
            if (pool[k][i] > 0)
                usocket_close(pool[k][i]);
    for (int i = 0; i < LISTS; i++)
        if (lists[i])
            usocket_freeaddrinfo(lists[i]);
    for (int64_t until = now_us() + 20 * SECOND; open_descriptors() > before && now_us() < until;)
        sleep_us(20 * MS);
    int after = open_descriptors();
    char command[PATH_MAX + 16];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command))
        fprintf(stderr, "%s stays\n", dir);
    printf("tried %ld calls of %d functions, %ld children, %d hooks\n", total, N_FUNCTIONS, (long)children, (int)hooked);
    fflush(stdout);
    // The library's own: the poller's spare, the pool's wakers, /dev/null to lay over a closed socket.
    if (after > before + 8)
        broken("seed %llu: %d descriptors before, %d after", (unsigned long long)stress_seed, before, after);
}

static const struct stress_case CASES[] = {{"random calls", run, 7200}};

int main(int argc, char **argv)
{
    seed_from_environment();
    if (getenv("STRESS_THREADS"))
        n_callers = atoi(getenv("STRESS_THREADS"));
    if (getenv("STRESS_FORKS"))
        forks = atoi(getenv("STRESS_FORKS"));
    fprintf(stderr, "seed %llu\n", (unsigned long long)stress_seed);
    if (argc > 1 && strcmp(argv[1], "--here") == 0) { // for a debugger
        run();
        return 0;
    }
    return stress_main(argc, argv, CASES, 1);
}
