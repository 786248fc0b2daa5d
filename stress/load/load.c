// Many connections at once, plain and TLS, that echo numbered blocks; among them slow readers, clients
// that stall, that reset half way and that never say a word. Every byte is checked; memory, descriptors
// and threads end where they began.
//
//   load     STRESS_SEED, STRESS_SECONDS, LOAD_CONNECTIONS (400; from a minute on, each fourth round has 8,000)

#include "stress.h"

#include <sys/resource.h>

enum { MOST = 8192, CROWD = 8000, BLOCK = 1500 };

// A client's behaviour, also known to its server, which may see its effects.
enum kind { HONEST, RESETS, STALLS, SILENT };

struct link {
    usocket_t s;
    enum kind kind;
    bool tls, done, ended;
    uint32_t sent, received, want;
    uint32_t cut; // after so many bytes it resets, or stalls
    int stalled; // for so many turns more
    uint8_t out[BLOCK];
    size_t out_len, out_at;
    uint64_t seed;
};

static struct link links[2][MOST];
static usocket_poller_t pollers[2];

static uint8_t byte_at(const struct link *l, uint32_t at) { return (uint8_t)(at * 31 + at / 253 + (uint32_t)(l->seed >> 7)); }

static void watch(struct link *l, int side, uint32_t events)
{
    int32_t r = usocket_poller_modify(pollers[side], l->s, events, (uint64_t)(l - links[side]));
    HOLDS(r == 0, "poller_modify: %d", r);
}

static void over(struct link *l)
{
    GIVES(0, usocket_close(l->s));
    l->done = true;
}

static void reset(struct link *l)
{
    struct linger now = {1, 0};
    OK(usocket_setsockopt(l->s, SOL_SOCKET, SO_LINGER, &now, sizeof now));
    over(l);
}

// The client sends `want` bytes and takes them back.
static void client_turn(struct link *l)
{
    uint8_t buf[BLOCK];
    if (l->stalled) {
        watch(l, 0, POLLERR);
        return;
    }
    while (l->sent < l->want) {
        size_t n = l->want - l->sent < BLOCK ? l->want - l->sent : BLOCK;
        for (size_t i = 0; i < n; i++)
            buf[i] = byte_at(l, l->sent + (uint32_t)i);
        int64_t r = usocket_send(l->s, buf, n, 0);
        if (r == -EAGAIN)
            break;
        HOLDS(r > 0, "client send: %lld (%s), %u of %u", (long long)r, usocket_strerror(r), l->sent, l->want);
        l->sent += (uint32_t)r;
    }
    if (l->sent == l->want && !l->ended) {
        int32_t r = usocket_shutdown(l->s, SHUT_WR);
        HOLDS(r == 0, "shutdown: %d", r);
        l->ended = true;
    }
    for (;;) {
        int64_t r = usocket_recv(l->s, buf, BLOCK, 0);
        if (r == -EAGAIN)
            break;
        HOLDS(r >= 0, "client recv: %lld (%s), %u of %u", (long long)r, usocket_strerror(r), l->received, l->want);
        if (r == 0) {
            HOLDS(l->received == l->want, "%u of %u bytes came back", l->received, l->want);
            over(l);
            return;
        }
        for (int64_t i = 0; i < r; i++)
            HOLDS(buf[i] == byte_at(l, l->received + (uint32_t)i), "byte %u is wrong", l->received + (uint32_t)i);
        l->received += (uint32_t)r;
        if (l->kind == RESETS && l->received >= l->cut) {
            reset(l);
            return;
        }
        if (l->kind == STALLS && l->received >= l->cut) {
            l->kind = HONEST;
            l->stalled = 20;
            watch(l, 0, POLLERR);
            return;
        }
    }
    watch(l, 0, l->sent < l->want ? POLLIN | POLLOUT : POLLIN);
}

// The errors of a server when its client resets, or closes silently.
static bool cut_off(const struct link *l, int64_t r)
{
    return (l->kind == RESETS && (r == -ECONNRESET || r == -EPIPE || r == USOCKET_ETLS_TRUNCATED))
        || (l->kind == SILENT && r == USOCKET_ETLS_HANDSHAKE_EOF);
}

static void server_turn(struct link *l)
{
    for (int turns = 0; turns < 20; turns++) {
        if (l->out_at < l->out_len) {
            int64_t r = usocket_send(l->s, l->out + l->out_at, l->out_len - l->out_at, 0);
            if (r == -EAGAIN)
                break;
            if (cut_off(l, r)) {
                over(l);
                return;
            }
            HOLDS(r > 0, "server send: %lld (%s)", (long long)r, usocket_strerror(r));
            l->out_at += (size_t)r;
            continue;
        }
        if (l->ended) {
            over(l);
            return;
        }
        int64_t r = usocket_recv(l->s, l->out, BLOCK, 0);
        if (r == -EAGAIN)
            break;
        if (cut_off(l, r)) {
            over(l);
            return;
        }
        HOLDS(r >= 0, "server recv: %lld (%s)", (long long)r, usocket_strerror(r));
        l->ended = r == 0;
        l->out_len = (size_t)r;
        l->out_at = 0;
    }
    watch(l, 1, l->out_at < l->out_len ? POLLOUT : POLLIN);
}

static int left[2];
static int n_links;

_Noreturn static void whats_left(int side, int32_t n)
{
    int i = 0;
    while (i < n_links - 1 && links[side][i].done)
        i++;
    const struct link *c = &links[0][i], *s = &links[1][i];
    broken("%s: poller_wait gave %d with %d connections left, as number %d, kind %d%s: client sent %u, received %u of %u, "
           "stalled %d%s%s; server holds %zu of %zu%s",
        side ? "server" : "client", n, left[side], i, c->kind, c->tls ? ", TLS" : "", c->sent, c->received, c->want, c->stalled,
        c->ended ? ", ended" : "", c->done ? ", done" : "", s->out_at, s->out_len, s->ended ? ", ended" : "");
}

// Stalled clients come back after some turns: returns whether any have not.
static bool stalled_go_on(void)
{
    bool any = false;
    for (int i = 0; i < n_links; i++) {
        struct link *l = &links[0][i];
        if (l->stalled && --l->stalled == 0) {
            client_turn(l);
            left[0] -= l->done;
        }
        any |= l->stalled > 0;
    }
    return any;
}

static void *side_of(void *arg)
{
    int side = (int)(intptr_t)arg;
    usocket_event events[64];
    for (int turn = 0; left[side] > 0; turn++) {
        bool soon = side == 0 && turn % 16 == 0 && stalled_go_on();
        int64_t wait = soon ? 5 * MS : side == 0 ? 100 * MS : GENEROUS * 3;
        int32_t n = usocket_poller_wait(pollers[side], events, 64, wait);
        if (n < 0 || (n == 0 && side == 1))
            whats_left(side, n);
        for (int i = 0; i < n; i++) {
            struct link *l = &links[side][events[i].data];
            if (l->done || events[i].socket != l->s)
                continue;
            if (side)
                server_turn(l);
            else
                client_turn(l);
            if (l->done)
                left[side]--;
        }
        if (side == 0 && n == 0)
            turn |= 15; // nobody else moves: those that stall do
    }
    // The silent ones go last, when nobody else is there.
    if (side == 0)
        for (int i = 0; i < n_links; i++)
            if (links[0][i].kind == SILENT)
                over(&links[0][i]);
    return NULL;
}

// No reset where the server's window is shrunk: the kernel sends it from beyond that, where it is ignored.
static bool slow(int i) { return i % 7 == 0; }
static enum kind kind_of(int i) { return i % 16 == 3 && !slow(i) ? RESETS : i % 16 == 6 || i % 16 == 9 ? STALLS : i % 16 == 12 || i % 16 == 15 ? SILENT : HONEST; }

static void round_of(int n, uint64_t *seed, usocket_tls_context_t c, usocket_tls_context_t s)
{
    usocket_t listener = listener_on(AF_INET, 1000);
    int talk = 0;
    n_links = n;
    pollers[0] = OK(usocket_poller_create());
    pollers[1] = OK(usocket_poller_create());
    for (int i = 0; i < n; i++) {
        struct link *a = &links[0][i], *b = &links[1][i];
        memset(a, 0, sizeof *a);
        memset(b, 0, sizeof *b);
        a->s = client_of(listener);
        b->s = OK(usocket_accept(listener, NULL));
        a->kind = b->kind = kind_of(i);
        a->seed = b->seed = rnd(seed) | 1;
        a->want = 1 + below(seed, 60000);
        a->cut = 1 + below(seed, a->want);
        a->tls = b->tls = i % 2;
        if (slow(i))
            OK(usocket_setsockopt_int(b->s, SOL_SOCKET, SO_RCVBUF, 4000));
        if (a->tls) {
            OK(usocket_tls_wrap(a->s, c, "server.example", 0));
            OK(usocket_tls_wrap(b->s, s, NULL, 0));
        }
        OK(usocket_settimeout(a->s, 0));
        OK(usocket_settimeout(b->s, 0));
        if (a->kind != SILENT) {
            talk++;
            OK(usocket_poller_add(pollers[0], a->s, POLLIN | POLLOUT, (uint64_t)i));
        }
        OK(usocket_poller_add(pollers[1], b->s, POLLIN, (uint64_t)i));
    }
    left[0] = talk;
    left[1] = n;
    pthread_t t[2] = {start(side_of, (void *)0), start(side_of, (void *)1)};
    for (int i = 0; i < 2; i++)
        join_within(t[i], 600 * SECOND, i ? "the server" : "the client");
    OK(usocket_close(pollers[0]));
    OK(usocket_close(pollers[1]));
    OK(usocket_close(listener));
}

static void run(void)
{
    struct rlimit many = {20000, 20000};
    setrlimit(RLIMIT_NOFILE, &many);
    const char *asked = getenv("LOAD_CONNECTIONS");
    int n = asked ? atoi(asked) : 400, most = 0;
    HOLDS(n > 0 && n <= MOST, "LOAD_CONNECTIONS is 1 to %d", MOST);
    int64_t seconds = getenv("STRESS_SECONDS") ? atoi(getenv("STRESS_SECONDS")) : 15;
    int64_t until = now_us() + seconds * SECOND;
    // Both ends of each are in this process.
    bool crowds = !asked && seconds >= 60 && getrlimit(RLIMIT_NOFILE, &many) == 0 && many.rlim_cur >= 2 * CROWD + 100;
    usocket_tls_context_t c = client_context(), s = server_context();
    // The first rounds fill the C library's arenas; from here on nothing may grow.
    int before = 0, threads = 0, rounds = 0, warm = crowds ? 6 : 2;
    long memory = 0;
    uint64_t seed = stress_seed;
    do {
        int now = crowds && rounds % 4 == 1 ? CROWD : n;
        round_of(now, &seed, c, s);
        most = now > most ? now : most;
        if (++rounds == warm)
            before = open_descriptors(), memory = memory_kb(), threads = threads_alive();
    } while (now_us() < until || rounds <= warm);
    HOLDS(open_descriptors() <= before, "%d descriptors after %d rounds, %d after %d", before, warm, open_descriptors(), rounds);
    HOLDS(threads_alive() <= threads, "%d threads after %d rounds, %d after %d", threads, warm, threads_alive(), rounds);
    HOLDS(memory_kb() < memory + memory / 4 + 8000, "%ld KB after %d rounds, %ld after %d", memory, warm, memory_kb(), rounds);
    printf("tried %d rounds of %d to %d connections\n", rounds, n, most);
    fflush(stdout);
}

static const struct stress_case CASES[] = {{"load", run, 7200}};

int main(int argc, char **argv)
{
    seed_from_environment();
    fprintf(stderr, "seed %llu\n", (unsigned long long)stress_seed);
    return stress_main(argc, argv, CASES, 1);
}
