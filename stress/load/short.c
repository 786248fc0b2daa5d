// Short connections, one after the other in several threads: connect, a block there and back, closed in
// every order; one in fifty over TLS. Nothing is left of them, and no byte is lost.
//
//   short    STRESS_SEED, STRESS_SECONDS

#include "stress.h"

enum { CLIENTS = 3, SERVERS = 2, BLOCK = 700, TLS_EACH = 50 };

static usocket_t plain, secure;
static usocket_tls_context_t client, server;
static atomic_long made;
static int64_t until;

static void all_of(usocket_t s, uint8_t *buf, size_t n, const char *who)
{
    for (size_t at = 0; at < n;) {
        int64_t r = usocket_recv(s, buf + at, n - at, 0);
        HOLDS(r > 0, "%s: recv gave %lld after %zu of %zu", who, (long long)r, at, n);
        at += (size_t)r;
    }
}

static void echo(usocket_t s, bool tls)
{
    uint8_t buf[BLOCK];
    OK(usocket_settimeout(s, GENEROUS));
    if (tls)
        OK(usocket_tls_wrap(s, server, NULL, 0));
    all_of(s, buf, BLOCK, "server");
    OK(usocket_sendall(s, buf, BLOCK, 0));
    // The client's end, in whatever way it comes.
    int64_t r = usocket_recv(s, buf, 1, 0);
    HOLDS(r == 0 || r == -ECONNRESET || (tls && r == USOCKET_ETLS_TRUNCATED), "the server's end is %lld (%s)", (long long)r, usocket_strerror(r));
    GIVES(0, usocket_close(s));
}

static void ask(usocket_t listener, bool tls, uint64_t *seed)
{
    uint8_t sent[BLOCK], got[BLOCK];
    uint64_t what = rnd(seed);
    for (int i = 0; i < BLOCK; i++)
        sent[i] = (uint8_t)(what >> (i % 7 * 8)) + (uint8_t)i;
    usocket_t s = client_of(listener);
    OK(usocket_settimeout(s, GENEROUS));
    if (tls)
        OK(usocket_tls_wrap(s, client, "server.example", 0));
    OK(usocket_sendall(s, sent, BLOCK, 0));
    all_of(s, got, BLOCK, "client");
    HOLDS(!memcmp(sent, got, BLOCK), "what came back differs");
    // Mostly by a reset, which leaves no TIME_WAIT: ports would run out.
    if (below(seed, 16)) {
        struct linger now = {1, 0};
        OK(usocket_setsockopt(s, SOL_SOCKET, SO_LINGER, &now, sizeof now));
    } else if (below(seed, 2)) {
        OK(usocket_shutdown(s, SHUT_WR));
        int64_t r = usocket_recv(s, got, 1, 0);
        HOLDS(r == 0, "the client's end is %lld", (long long)r);
    }
    GIVES(0, usocket_close(s));
    made++;
}

// A server serves until its listener is closed, a client until the time is over.
static void *serve(void *arg)
{
    usocket_t listener = arg ? secure : plain;
    for (;;) {
        usocket_t s = usocket_accept(listener, NULL);
        if (s == -EBADF)
            return NULL;
        HOLDS(s >= 0, "accept: %lld (%s)", (long long)s, usocket_strerror(s));
        echo(s, arg != NULL);
    }
}

static void *asker(void *arg)
{
    uint64_t seed = stress_seed + (uint64_t)(intptr_t)arg;
    for (int i = 1; now_us() < until; i++)
        ask(i % TLS_EACH ? plain : secure, i % TLS_EACH == 0, &seed);
    return NULL;
}

static void some(int64_t us)
{
    pthread_t clients[CLIENTS], servers[SERVERS + 1];
    plain = listener_on(AF_INET, 100);
    secure = listener_on(AF_INET, 100);
    until = now_us() + us;
    for (int i = 0; i < SERVERS; i++)
        servers[i] = start(serve, NULL);
    servers[SERVERS] = start(serve, (void *)1);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = start(asker, (void *)(intptr_t)(i + 1));
    for (int i = 0; i < CLIENTS; i++)
        join_within(clients[i], us + 3 * GENEROUS, "a client");
    OK(usocket_close(plain));
    OK(usocket_close(secure));
    for (int i = 0; i <= SERVERS; i++)
        join_within(servers[i], 3 * GENEROUS, "a server");
}

static void run(void)
{
    int64_t seconds = getenv("STRESS_SECONDS") ? atoi(getenv("STRESS_SECONDS")) : 15;
    client = client_context();
    server = server_context();
    some(seconds * SECOND / 4);
    int descriptors = open_descriptors(), threads = threads_alive();
    long memory = memory_kb();
    some(seconds * SECOND * 3 / 4);
    HOLDS(open_descriptors() <= descriptors, "%d descriptors, then %d", descriptors, open_descriptors());
    HOLDS(threads_alive() <= threads, "%d threads, then %d", threads, threads_alive());
    HOLDS(memory_kb() < memory + memory / 4 + 8000, "%ld KB, then %ld", memory, memory_kb());
    printf("tried %ld connections\n", made);
    fflush(stdout);
}

static const struct stress_case CASES[] = {{"short", run, 7200}};

STRESS_MAIN(CASES)
