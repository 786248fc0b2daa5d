// A hostile wire between two TLS ends of ours: it splits, damages, drops, doubles and reorders
// records, adds strange ones, stops at a byte with an end or a reset.
//
// In every case: every call ends by its deadline, with a code; no byte arrives that was not sent (a prefix of
// it, or an error); a close returns; nothing is left.
//
//   wire     STRESS_SEED, STRESS_SECONDS

#include "stress.h"

#include <limits.h>

enum { UNTOUCHED, SPLIT, FLIP, DROP, DOUBLE, SWAP, INSERT, LENGTH, CUT, RESET, STALL, ACTIONS };
static const char *const ACTION_NAMES[] = {"untouched", "split", "flip", "drop", "double", "swap", "insert", "length", "cut", "reset", "stall"};

enum way { TIMEOUT, NONBLOCKING_POLL, POLLER, BLOCKING_THREADS, EDGES, WAYS };

struct plan {
    uint64_t seed;
    int action, direction; // 0: client to server
    int record;            // which record of that direction
    int at;                // which byte of it
    enum way way;
    int32_t version;
    bool mutual;
};

struct end {
    usocket_t s;
    enum way way;
    bool client;
    int64_t handshake, received, sent, closed, last; // last: of handshake or recv
    int64_t patience; // of one wait
    char got[9000];
    const char *trouble;
};

enum { TRIES = 20000 }; // each byte of a split record may be an edge
static char said[2][9000];

static void trouble(struct end *e, const char *what)
{
    if (!e->trouble)
        e->trouble = what;
}

// Waits as this way of use has it: whether to try again.
static bool again(struct end *e, int64_t r, short events, usocket_poller_t poller)
{
    if (r != -EAGAIN)
        return false;
    if (e->way == POLLER || e->way == EDGES) {
        usocket_event event;
        if (e->way == POLLER)
            usocket_poller_modify(poller, e->s, (uint32_t)events, 1);
        return usocket_poller_wait(poller, &event, 1, e->patience) > 0;
    }
    usocket_pollfd p = {.socket = e->s, .events = events};
    return usocket_poll(&p, 1, e->patience) > 0;
}

static void *live(void *arg)
{
    struct end *e = arg;
    usocket_poller_t poller = 0;
    bool polls = e->way == NONBLOCKING_POLL || e->way == POLLER || e->way == EDGES;
    if (e->way == POLLER || e->way == EDGES) {
        poller = usocket_poller_create();
        usocket_poller_add(poller, e->s, e->way == EDGES ? POLLIN | POLLOUT | USOCKET_POLLER_EDGE : POLLIN, 1);
    }
    int64_t began = now_us();
    usocket_settimeout(e->s, polls ? 0 : e->patience);
    int tries = 0;
    do
        e->handshake = usocket_tls_handshake(e->s);
    while (polls && ++tries < TRIES && again(e, e->handshake, POLLIN | POLLOUT, poller));
    e->last = e->handshake;
    if (now_us() - began > 9 * SECOND)
        trouble(e, "the handshake took too long");
    if (e->handshake == 0) {
        const char *out = said[e->client ? 0 : 1];
        size_t n = sizeof said[0];
        while (e->sent < (int64_t)n) {
            int64_t r = usocket_send(e->s, out + e->sent, n - e->sent, 0);
            if (r > 0)
                e->sent += r;
            else if (!(polls && ++tries < TRIES && again(e, r, POLLOUT, poller)))
                break;
        }
        int64_t r;
        for (;;) {
            began = now_us();
            r = usocket_recv(e->s, e->got + e->received, sizeof e->got - e->received, 0);
            if (now_us() - began > 5 * SECOND)
                trouble(e, "recv took longer than its timeout");
            e->last = r;
            if (r > 0)
                e->received += r;
            else if (!(polls && ++tries < TRIES && again(e, r, POLLIN, poller)))
                break;
            if (e->received == (int64_t)sizeof e->got)
                break;
        }
        const char *theirs = said[e->client ? 1 : 0];
        if (e->received > (int64_t)sizeof e->got || memcmp(e->got, theirs, e->received))
            trouble(e, "bytes came that were never sent");
        if (r == 0 && e->received < (int64_t)sizeof e->got && e->trouble == NULL)
            trouble(e, "an end without error, and not all had come");
    }
    // Asked about, whatever happened.
    char text[300];
    usocket_error_detail(e->s, text, sizeof text);
    usocket_tls_verified(e->s);
    usocket_tls_alert(e->s);
    int32_t wants = usocket_tls_wants(e->s);
    (void)wants;
    began = now_us();
    e->closed = usocket_close(e->s);
    if (now_us() - began > 3 * SECOND)
        trouble(e, "close took too long");
    if (e->closed != 0)
        trouble(e, "close failed");
    if (poller)
        usocket_close(poller);
    return NULL;
}

// --- the wire ---

struct wire {
    int from, to;
    const struct plan *plan; // of this direction, or NULL
    uint64_t seed;
    atomic_bool *over;
    atomic_bool was_reset, cut;
};

static void put(int fd, const void *data, size_t n)
{
    while (n) {
        ssize_t w = send(fd, data, n, MSG_NOSIGNAL);
        if (w <= 0)
            return;
        data = (const char *)data + w;
        n -= (size_t)w;
    }
}

static void reset(int fd)
{
    struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static bool whole(int fd, uint8_t *to, size_t n)
{
    while (n) {
        ssize_t r = recv(fd, to, n, 0);
        if (r <= 0)
            return false;
        to += r;
        n -= (size_t)r;
    }
    return true;
}

static void *carry(void *arg)
{
    struct wire *w = arg;
    static _Thread_local uint8_t record[5 + 70000], held[5 + 70000];
    size_t n_held = 0;
    const struct plan *p = w->plan;
    for (int number = 0; whole(w->from, record, 5); number++) {
        size_t n = 5 + ((size_t)record[3] << 8 | record[4]);
        if (!whole(w->from, record + 5, n - 5))
            break;
        int action = p && number == p->record ? p->action : UNTOUCHED;
        size_t at = p ? (size_t)p->at % n : 0;
        switch (action) {
        case SPLIT:
            for (size_t i = 0; i < n; i++)
                put(w->to, record + i, 1);
            continue;
        case FLIP: record[at] ^= (uint8_t)(1 << below(&w->seed, 8)); break;
        case DROP: continue;
        case DOUBLE: put(w->to, record, n); break;
        case SWAP:
            memcpy(held, record, n);
            n_held = n;
            continue;
        case INSERT: {
            uint8_t strange[64] = {(uint8_t)(20 + below(&w->seed, 6)), 3, (uint8_t)below(&w->seed, 5), 0, (uint8_t)below(&w->seed, 59)};
            for (int i = 5; i < 64; i++)
                strange[i] = (uint8_t)rnd(&w->seed);
            put(w->to, strange, 5 + strange[4]);
            break;
        }
        case LENGTH: record[3 + below(&w->seed, 2)] = (uint8_t)rnd(&w->seed); break;
        case CUT:
            put(w->to, record, at);
            w->cut = true;
            goto done;
        case RESET:
            put(w->to, record, at);
            sleep_us(2 * MS);
            w->was_reset = true;
            reset(w->to);
            shutdown(w->from, SHUT_RD);
            return NULL;
        case STALL:
            put(w->to, record, at);
            while (!*w->over)
                sleep_us(5 * MS);
            goto done;
        }
        put(w->to, record, n);
        if (n_held) {
            put(w->to, held, n_held);
            n_held = 0;
        }
    }
done:
    shutdown(w->to, SHUT_WR);
    return NULL;
}

static usocket_tls_context_t contexts[2][2][2]; // version, mutual, role

static void make_contexts(void)
{
    for (int v = 0; v < 2; v++)
        for (int m = 0; m < 2; m++) {
            usocket_tls_context_t c = client_context(), s = server_context();
            int32_t version = v ? USOCKET_TLS_1_3 : USOCKET_TLS_1_2;
            OK(usocket_tls_context_set_versions(c, version, version));
            OK(usocket_tls_context_set_resumption(c, below(&stress_seed, 2) * 8, 2));
            if (m) {
                OK(usocket_tls_context_add_cert_file(c, in_certs("client.pem"), in_certs("client-key.pem")));
                OK(usocket_tls_context_add_trust_file(s, in_certs("ca.pem")));
                OK(usocket_tls_context_set_verify(s, USOCKET_TLS_VERIFY_REQUIRED));
            }
            contexts[v][m][0] = c;
            contexts[v][m][1] = s;
        }
}

static void describe(const struct plan *p, char *text, size_t room)
{
    snprintf(text, room, "%s record %d at byte %d, %s, TLS 1.%d%s, way %d, seed %llu", ACTION_NAMES[p->action], p->record, p->at,
             p->direction ? "to the client" : "to the server", p->version == USOCKET_TLS_1_3 ? 3 : 2, p->mutual ? ", mutual" : "", p->way,
             (unsigned long long)p->seed);
}

static int64_t codes[2][ACTIONS];

static void try(const struct plan *p)
{
    usocket_t a[2], b[2];
    char what[300];
    describe(p, what, sizeof what);
    tcp_pair(a);
    tcp_pair(b);
    int left = (int)OK(usocket_detach(a[1])), right = (int)OK(usocket_detach(b[1]));
    int one = 1;
    setsockopt(left, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(right, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int v = p->version == USOCKET_TLS_1_3;
    OK(usocket_tls_wrap(a[0], contexts[v][p->mutual][0], "server.example", 0));
    OK(usocket_tls_wrap(b[0], contexts[v][p->mutual][1], NULL, 0));
    // Where nothing is lost, only a slow machine makes an end wait.
    bool harmless = p->action == UNTOUCHED || p->action == SPLIT;
    int64_t patience = harmless ? 3 * SECOND : 300 * MS;
    struct end client = {.s = a[0], .client = true, .way = p->way, .patience = patience};
    struct end server = {.s = b[0], .way = (enum way)((p->way + (int)(p->seed >> 9)) % WAYS), .patience = patience};
    atomic_bool over = false;
    struct wire out = {left, right, p->direction ? NULL : p, p->seed, &over, false, false}, in = {right, left, p->direction ? p : NULL, p->seed ^ 5, &over, false, false};
    pthread_t t[4] = {start(live, &client), start(live, &server), start(carry, &out), start(carry, &in)};
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 25;
    for (int i = 0; i < 2; i++)
        if (pthread_timedjoin_np(t[i], NULL, &until) != 0)
            broken("%s hangs: %s", i ? "the server" : "the client", what);
    over = true;
    // The wire's own ends: both of its threads wait for one that is closed by now.
    if (!in.was_reset)
        shutdown(left, SHUT_RDWR);
    if (!out.was_reset)
        shutdown(right, SHUT_RDWR);
    for (int i = 2; i < 4; i++)
        pthread_join(t[i], NULL);
    if (!in.was_reset)
        close(left);
    if (!out.was_reset)
        close(right);
    if (client.trouble)
        broken("client: %s (handshake %lld, %lld received): %s", client.trouble, (long long)client.handshake, (long long)client.received, what);
    if (server.trouble)
        broken("server: %s (handshake %lld, %lld received): %s", server.trouble, (long long)server.handshake, (long long)server.received, what);
    // Who is told of an edge, and goes on until EAGAIN, has heard of the end.
    struct end *cut = p->direction ? &client : &server;
    if (p->action == CUT && cut->way == EDGES && atomic_load(p->direction ? &in.cut : &out.cut) && cut->last == -EAGAIN)
        broken("nobody told of the end: %s", what);
    bool all = client.received == sizeof said[0] && server.received == sizeof said[0];
    if (harmless && !all)
        broken("nothing was damaged, and it failed: client %lld, %lld received; server %lld, %lld received: %s", (long long)client.handshake,
               (long long)client.received, (long long)server.handshake, (long long)server.received, what);
    codes[0][p->action]++;
    codes[1][p->action] += !all;
}

static void run(void)
{
    make_contexts();
    for (int d = 0; d < 2; d++)
        for (size_t i = 0; i < sizeof said[0]; i++)
            said[d][i] = (char)(i * 7 + i / 251 + d);
    int64_t until = now_us() + (getenv("STRESS_SECONDS") ? atoi(getenv("STRESS_SECONDS")) : 20) * (int64_t)SECOND;
    uint64_t seed = stress_seed;
    const char *only = getenv("WIRE_PLAN"); // the seed of one
    int before = 0;
    long tried = 0;
    while (now_us() < until) {
        struct plan p = {.seed = only ? strtoull(only, NULL, 0) : rnd(&seed) | 1};
        uint64_t of = p.seed;
        p.action = (int)below(&of, ACTIONS);
        p.direction = (int)below(&of, 2);
        p.record = (int)below(&of, below(&of, 3) ? 7 : 12);
        p.at = (int)below(&of, below(&of, 2) ? 12 : 2000);
        p.way = (enum way)below(&of, WAYS);
        p.version = below(&of, 2) ? USOCKET_TLS_1_3 : USOCKET_TLS_1_2;
        p.mutual = below(&of, 3) == 0;
        try(&p);
        if (++tried == 30)
            before = open_descriptors();
        if (only)
            break;
    }
    int after = open_descriptors();
    if (tried > 30 && after > before)
        broken("%d descriptors open before, %d after", before, after);
    printf("tried %ld connections:", tried);
    for (int i = 0; i < ACTIONS; i++)
        printf(" %s %lld/%lld", ACTION_NAMES[i], (long long)codes[1][i], (long long)codes[0][i]);
    printf("\n");
    fflush(stdout);
}

static const struct stress_case CASES[] = {{"a hostile wire", run, 7200}};

int main(int argc, char **argv)
{
    seed_from_environment();
    fprintf(stderr, "seed %llu\n", (unsigned long long)stress_seed);
    return stress_main(argc, argv, CASES, 1);
}
