// Many connections at once, plain and TLS, that echo numbered blocks; among them slow readers, resets
// and half-closed ones. Every byte is checked; memory, descriptors and threads end where they began.
//
//   load     STRESS_SEED, STRESS_SECONDS, LOAD_CONNECTIONS (400)

#include "stress.h"

#include <sys/resource.h>

enum { MOST = 8192, BLOCK = 1500 };

struct link {
    usocket_t s;
    bool tls, server, open, done, ended;
    uint32_t sent, received, want;
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

// The client sends `want` bytes and takes them back.
static void client_turn(struct link *l)
{
    uint8_t buf[BLOCK];
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
    }
    watch(l, 0, l->sent < l->want ? POLLIN | POLLOUT : POLLIN);
}

static void server_turn(struct link *l)
{
    for (int turns = 0; turns < 20; turns++) {
        if (l->out_at < l->out_len) {
            int64_t r = usocket_send(l->s, l->out + l->out_at, l->out_len - l->out_at, 0);
            if (r == -EAGAIN)
                break;
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
        HOLDS(r >= 0, "server recv: %lld (%s)", (long long)r, usocket_strerror(r));
        l->ended = r == 0;
        l->out_len = (size_t)r;
        l->out_at = 0;
    }
    watch(l, 1, l->out_at < l->out_len ? POLLOUT : POLLIN);
}

static atomic_int left[2];
static int n_links;

static void *side_of(void *arg)
{
    int side = (int)(intptr_t)arg;
    usocket_event events[64];
    while (left[side] > 0) {
        int32_t n = usocket_poller_wait(pollers[side], events, 64, 20 * SECOND);
        HOLDS(n > 0, "%s: poller_wait gave %d with %d connections left", side ? "server" : "client", n, left[side]);
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
    }
    return NULL;
}

static void round_of(int n, uint64_t *seed, usocket_tls_context_t c, usocket_tls_context_t s)
{
    usocket_t listener = listener_on(AF_INET, 1000);
    pollers[0] = OK(usocket_poller_create());
    pollers[1] = OK(usocket_poller_create());
    for (int i = 0; i < n; i++) {
        struct link *a = &links[0][i], *b = &links[1][i];
        memset(a, 0, sizeof *a);
        memset(b, 0, sizeof *b);
        a->s = client_of(listener);
        b->s = OK(usocket_accept(listener, NULL));
        b->server = true;
        a->seed = b->seed = rnd(seed) | 1;
        a->want = 1 + below(seed, 60000);
        a->tls = b->tls = i % 2;
        if (i % 7 == 0)
            OK(usocket_setsockopt_int(b->s, SOL_SOCKET, SO_RCVBUF, 4000));
        if (a->tls) {
            OK(usocket_tls_wrap(a->s, c, "server.example", 0));
            OK(usocket_tls_wrap(b->s, s, NULL, 0));
        }
        OK(usocket_settimeout(a->s, 0));
        OK(usocket_settimeout(b->s, 0));
        OK(usocket_poller_add(pollers[0], a->s, POLLIN | POLLOUT, (uint64_t)i));
        OK(usocket_poller_add(pollers[1], b->s, POLLIN, (uint64_t)i));
    }
    left[0] = left[1] = n_links = n;
    pthread_t t[2] = {start(side_of, (void *)0), start(side_of, (void *)1)};
    for (int i = 0; i < 2; i++)
        join_within(t[i], 120 * SECOND, i ? "the server" : "the client");
    OK(usocket_close(pollers[0]));
    OK(usocket_close(pollers[1]));
    OK(usocket_close(listener));
}

static void run(void)
{
    struct rlimit many = {20000, 20000};
    setrlimit(RLIMIT_NOFILE, &many);
    int n = getenv("LOAD_CONNECTIONS") ? atoi(getenv("LOAD_CONNECTIONS")) : 400;
    int64_t until = now_us() + (getenv("STRESS_SECONDS") ? atoi(getenv("STRESS_SECONDS")) : 15) * (int64_t)SECOND;
    usocket_tls_context_t c = client_context(), s = server_context();
    int before = 0, threads = 0, rounds = 0;
    long memory = 0;
    uint64_t seed = stress_seed;
    do {
        round_of(n, &seed, c, s);
        if (++rounds == 2)
            before = open_descriptors(), memory = memory_kb(), threads = threads_alive();
    } while (now_us() < until || rounds < 3);
    HOLDS(open_descriptors() <= before, "%d descriptors after 2 rounds, %d after %d", before, open_descriptors(), rounds);
    HOLDS(threads_alive() <= threads, "%d threads after 2 rounds, %d after %d", threads, threads_alive(), rounds);
    HOLDS(memory_kb() < memory + memory / 4 + 8000, "%ld KB after 2 rounds, %ld after %d", memory, memory_kb(), rounds);
    printf("tried %d rounds of %d connections\n", rounds, n);
    fflush(stdout);
}

static const struct stress_case CASES[] = {{"load", run, 7200}};

int main(int argc, char **argv)
{
    seed_from_environment();
    fprintf(stderr, "seed %llu\n", (unsigned long long)stress_seed);
    return stress_main(argc, argv, CASES, 1);
}
