// TLS under threads, at its close, in its verification: attacks that need no forger.

#include "../stress.h"

#include <sys/resource.h>

struct job {
    usocket_t s;
    int64_t result, took;
    atomic_int thread;
    char buf[64];
};

static atomic_bool stop;

static void until_inside(struct job *j)
{
    while (!j->thread)
        sleep_us(200);
    until_asleep(j->thread);
}

// --- waiting while another thread closes ---

static void *polls_it(void *arg)
{
    struct job *j = arg;
    usocket_pollfd p = {.socket = j->s, .events = POLLIN};
    j->thread = thread_number();
    j->result = usocket_poll(&p, 1, -1);
    return NULL;
}

static usocket_poller_t poller;

static void *waits_for_it(void *arg)
{
    struct job *j = arg;
    usocket_event event;
    j->thread = thread_number();
    j->result = usocket_poller_wait(poller, &event, 1, -1);
    return NULL;
}

static void *sends_bits(void *arg)
{
    struct job *j = arg;
    while (!stop && usocket_send(j->s, "x", 1, 0) > 0)
        ;
    return NULL;
}

static void *reads_bits(void *arg)
{
    struct job *j = arg;
    char c[16];
    while (!stop && usocket_recv(j->s, c, sizeof c, MSG_DONTWAIT) != -EBADF)
        ;
    return NULL;
}

static void polled_while_closed(bool by_poller)
{
    usocket_tls_context_t c = client_context(), s = server_context();
    for (int64_t until = now_us() + scaled(8000, 1000) * MS; now_us() < until;) {
        usocket_t pair[2];
        tls_pair_with(pair, c, s, "server.example");
        if (by_poller) {
            poller = OK(usocket_poller_create());
            OK(usocket_poller_add(poller, pair[0], POLLIN | POLLNVAL, 1));
        }
        stop = false;
        struct job wait = {.s = pair[0]}, feed = {.s = pair[1]}, read = {.s = pair[0]};
        pthread_t t[3] = {start(by_poller ? waits_for_it : polls_it, &wait), start(sends_bits, &feed),
                          start(reads_bits, &read)};
        sleep_us(below(&stress_seed, 2000));
        OK(usocket_close(pair[0]));
        join_within(t[0], 8 * SECOND, by_poller ? "poller_wait on a TLS socket that was closed" : "poll on a TLS socket that was closed");
        stop = true;
        OK(usocket_close(pair[1]));
        join_within(t[1], 8 * SECOND, "send");
        join_within(t[2], 8 * SECOND, "recv");
        if (by_poller)
            OK(usocket_close(poller));
    }
}

static void poll_while_closed(void) { polled_while_closed(false); }
static void poller_while_closed(void) { polled_while_closed(true); }

// --- a slow callback ---

static usocket_t its_connection;
static atomic_int in_callback;
static int64_t reentered = 1;

static int32_t slow(void *arg, const uint8_t *der, size_t len, int32_t depth)
{
    (void)arg, (void)der, (void)len;
    if (depth == 0) {
        in_callback = 1;
        sleep_us(3 * SECOND);
    }
    return 0;
}

static int32_t reenters(void *arg, const uint8_t *der, size_t len, int32_t depth)
{
    (void)arg, (void)der, (void)len, (void)depth;
    char c;
    in_callback = 1;
    reentered = usocket_recv(its_connection, &c, 1, 0);
    return 0;
}

static void *handshakes(void *arg)
{
    struct job *j = arg;
    j->result = usocket_tls_handshake(j->s);
    return NULL;
}

static void a_slow_callback_delays_nobody(void)
{
    usocket_t pair[2];
    usocket_tls_context_t c = client_context(), s = server_context();
    OK(usocket_tls_context_set_verify_callback(c, slow, NULL));
    tcp_pair(pair);
    OK(usocket_tls_wrap(pair[0], c, "server.example", 0));
    OK(usocket_tls_wrap(pair[1], s, NULL, 0));
    struct job a = {.s = pair[0]}, b = {.s = pair[1]};
    pthread_t t[2] = {start(handshakes, &a), start(handshakes, &b)};
    while (!in_callback)
        sleep_us(500);
    OK(usocket_settimeout(pair[0], 200 * MS));
    char x;
    int64_t began = now_us(), r = usocket_recv(pair[0], &x, 1, 0), took = now_us() - began;
    HOLDS(took < 1500 * MS, "recv with 0.2 s beside a slow callback took %.1f s (%lld)", took / 1e6, (long long)r);
    began = now_us();
    usocket_tls_wants(pair[0]);
    usocket_tls_pending(pair[0]);
    took = now_us() - began;
    HOLDS(took < 1000 * MS, "tls_wants and tls_pending beside a slow callback took %.1f s", took / 1e6);
    usocket_pollfd p = {.socket = pair[0], .events = POLLIN};
    began = now_us();
    usocket_poll(&p, 1, 0);
    took = now_us() - began;
    HOLDS(took < 1000 * MS, "poll(0) beside a slow callback took %.1f s", took / 1e6);
    usocket_poller_t poller = OK(usocket_poller_create());
    OK(usocket_poller_add(poller, pair[0], POLLIN | POLLOUT, 0));
    usocket_event event;
    for (int64_t wait = 0; wait <= 100 * MS; wait += 100 * MS) {
        began = now_us();
        usocket_poller_wait(poller, &event, 1, wait);
        took = now_us() - began;
        HOLDS(took < 1000 * MS, "poller_wait beside a slow callback took %.1f s", took / 1e6);
    }
    OK(usocket_settimeout(pair[0], 0));
    began = now_us();
    usocket_send(pair[0], "x", 1, 0);
    took = now_us() - began;
    HOLDS(took < 1000 * MS, "a non-blocking send beside a slow callback took %.1f s", took / 1e6);
    join_within(t[0], GENEROUS, "the client's handshake");
    join_within(t[1], GENEROUS, "the server's handshake");
}

static void a_callback_that_reenters(void)
{
    usocket_t pair[2];
    usocket_tls_context_t c = client_context(), s = server_context();
    OK(usocket_tls_context_set_verify_callback(c, reenters, NULL));
    tcp_pair(pair);
    its_connection = pair[0];
    OK(usocket_tls_wrap(pair[0], c, "server.example", 0));
    OK(usocket_tls_wrap(pair[1], s, NULL, 0));
    struct job a = {.s = pair[0]}, b = {.s = pair[1]};
    pthread_t t[2] = {start(handshakes, &a), start(handshakes, &b)};
    join_within(t[0], 8 * SECOND, "a handshake whose callback uses its connection");
    join_within(t[1], 8 * SECOND, "its peer's");
    HOLDS(reentered == -EDEADLK, "recv from the connection's own callback: %lld", (long long)reentered);
}

// A name callback that does what it should not, and the peer's part in it.
static struct {
    enum badly { CLOSES_IT, CLOSES_ITS_CONTEXT, TAKES_ITSELF_OUT, CHILD_ENDS, CHILD_REFUSES, SHAKES_ELSEWHERE, ANSWERS_A_CLOSED_ONE, ANSWERS_A_SOCKET, WAYS } way;
    usocket_t connection;
    usocket_tls_context_t context, other;
    pid_t child;
} chooser;

static usocket_tls_context_t chooses_badly(void *arg, const char *name)
{
    (void)arg, (void)name;
    usocket_t pair[2];
    switch (chooser.way) {
    case CLOSES_IT: usocket_close(chooser.connection); return 0;
    case CLOSES_ITS_CONTEXT: usocket_close(chooser.context); return 0;
    case TAKES_ITSELF_OUT: usocket_tls_context_set_name_callback(chooser.context, NULL, NULL); return chooser.other;
    case CHILD_ENDS:
    case CHILD_REFUSES:
        chooser.child = fork();
        if (chooser.child == 0 && chooser.way == CHILD_ENDS)
            _exit(0);
        if (chooser.child == 0)
            return -1;
        sleep_us(100 * MS); // so that the child is first
        return 0;
    case SHAKES_ELSEWHERE: tls_pair(pair); usocket_close(pair[0]); usocket_close(pair[1]); return chooser.other;
    case ANSWERS_A_CLOSED_ONE: usocket_close(chooser.other); return chooser.other;
    default: return chooser.connection;
    }
}

static void a_name_callback_used_badly(void)
{
    for (chooser.way = 0; chooser.way < WAYS; chooser.way++) {
        usocket_t pair[2];
        usocket_tls_context_t c = client_context();
        chooser.context = server_context(), chooser.other = server_context(), chooser.child = -1;
        OK(usocket_tls_context_set_name_callback(chooser.context, chooses_badly, NULL));
        tcp_pair(pair);
        chooser.connection = pair[1];
        OK(usocket_tls_wrap(pair[0], c, "server.example", 0));
        OK(usocket_tls_wrap(pair[1], chooser.context, NULL, 0));
        struct job job = {.s = pair[0]};
        pthread_t t = start(handshakes, &job);
        int64_t r = usocket_tls_handshake(pair[1]), sent = usocket_send(pair[1], "x", 1, 0);
        if (chooser.child == 0)
            _exit(0);
        if (chooser.child > 0)
            HOLDS(ends_within(chooser.child, 8 * SECOND, NULL), "the child of a name callback does not end");
        int64_t want = chooser.way == CLOSES_IT ? -EBADF : chooser.way >= ANSWERS_A_CLOSED_ONE ? USOCKET_ETLS_NAME_REFUSED : 0;
        HOLDS(r == want && (sent == 1) == (want == 0), "way %d: the server's handshake gave %lld, its send %lld", chooser.way, (long long)r, (long long)sent);
        usocket_close(pair[1]);
        join_within(t, 8 * SECOND, "the client of a name callback");
        HOLDS((job.result == 0) == (want == 0), "way %d: the client's handshake gave %lld", chooser.way, (long long)job.result);
        usocket_close(pair[0]), usocket_close(c), usocket_close(chooser.context), usocket_close(chooser.other);
    }
}

// --- bytes at close ---

static void *reads_slowly(void *arg)
{
    struct job *j = arg;
    char buf[4096];
    sleep_us(500 * MS);
    int64_t n;
    j->took = 0;
    while ((n = usocket_recv(j->s, buf, sizeof buf, 0)) > 0)
        j->took += n;
    j->result = n;
    return NULL;
}

enum how { BY_CLOSE, BY_SHUTDOWN, IN_A_CHILD, DONTWAIT };

static void delivered(enum how how, int64_t timeout)
{
    usocket_t pair[2];
    tls_pair(pair);
    OK(usocket_setsockopt_int(pair[0], SOL_SOCKET, SO_SNDBUF, 4608));
    OK(usocket_setsockopt_int(pair[1], SOL_SOCKET, SO_RCVBUF, 4608));
    OK(usocket_settimeout(pair[0], timeout));
    static char block[60000];
    struct job j = {.s = pair[1]};
    int64_t counted = 0, n;
    while (counted < 200000 && (n = usocket_send(pair[0], block, sizeof block, how == DONTWAIT ? MSG_DONTWAIT : 0)) > 0) {
        counted += n;
        if (timeout != 0 && how != DONTWAIT)
            break;
    }
    int64_t began = now_us();
    if (how == BY_SHUTDOWN)
        usocket_shutdown(pair[0], SHUT_WR);
    if (how == IN_A_CHILD) {
        pid_t child = (pid_t)SYS(fork());
        if (child == 0) {
            usocket_close(pair[1]);
            usocket_close(pair[0]);
            _exit(0);
        }
    }
    pthread_t t = start(reads_slowly, &j);
    OK(usocket_close(pair[0]));
    int64_t took = now_us() - began;
    HOLDS(timeout != 0 || took < 2 * SECOND, "close of a non-blocking session waits %.1f s", took / 1e6);
    join_within(t, GENEROUS, "the reader");
    HOLDS(j.took == counted, "%lld bytes counted by send, %lld arrived, then %lld", (long long)counted, (long long)j.took,
          (long long)j.result);
    HOLDS(j.result == 0, "all arrived, but not the end: %lld", (long long)j.result);
}

static void *reads_at_once(void *arg)
{
    struct job *j = arg;
    static char buf[65536];
    int64_t n;
    while ((n = usocket_recv(j->s, buf, sizeof buf, 0)) > 0)
        j->took += n;
    j->result = n;
    return NULL;
}

static void what_was_sent_arrives_nonblocking(void) { delivered(BY_CLOSE, 0); }
static void what_was_sent_arrives_dontwait(void) { delivered(DONTWAIT, -1); }
static void what_was_sent_arrives_shutdown(void) { delivered(BY_SHUTDOWN, 0); }
static void what_was_sent_arrives_fork(void) { delivered(IN_A_CHILD, 0); }

static void a_blocking_send_takes_all(void)
{
    usocket_t pair[2];
    tls_pair(pair);
    struct job j = {.s = pair[1]};
    pthread_t t = start(reads_at_once, &j);
    static char big[5 << 20];
    int64_t n = usocket_send(pair[0], big, sizeof big, 0);
    OK(usocket_close(pair[0]));
    join_within(t, GENEROUS, "the reader");
    HOLDS(n == sizeof big, "a blocking send of %zu took %lld", sizeof big, (long long)n);
    HOLDS(j.took == n, "%lld of them arrived", (long long)j.took);
}

// --- settings of a context ---

static atomic_int callbacks;

static int32_t counts(void *arg, const uint8_t *der, size_t len, int32_t depth)
{
    (void)der, (void)len, (void)depth;
    callbacks++;
    return *(int32_t *)arg;
}

// Sessions are there once data has come.
static void talk(usocket_t pair[2])
{
    char c;
    OK(usocket_send(pair[1], "x", 1, 0));
    GIVES(1, usocket_recv(pair[0], &c, 1, 0));
    OK(usocket_send(pair[0], "x", 1, 0));
    GIVES(1, usocket_recv(pair[1], &c, 1, 0));
}

static void resumption_asks_the_callback(int32_t version)
{
    int32_t verdict = 0;
    usocket_tls_context_t c = client_context(), s = server_context();
    OK(usocket_tls_context_set_versions(c, version, version));
    OK(usocket_tls_context_set_verify_callback(c, counts, &verdict));
    usocket_t first[2], second[2];
    tls_pair_with(first, c, s, "server.example");
    talk(first);
    HOLDS(callbacks > 0, "the callback was not asked at all");
    verdict = 1; // from here on it refuses
    callbacks = 0;
    tcp_pair(second);
    OK(usocket_tls_wrap(second[0], c, "server.example", 0));
    OK(usocket_tls_wrap(second[1], s, NULL, 0));
    OK(usocket_settimeout(second[0], 0));
    OK(usocket_settimeout(second[1], 0));
    int32_t a = -EAGAIN, b = -EAGAIN;
    for (int i = 0; i < 200 && (a == -EAGAIN || b == -EAGAIN); i++) {
        a = a == -EAGAIN ? usocket_tls_handshake(second[0]) : a;
        b = b == -EAGAIN ? usocket_tls_handshake(second[1]) : b;
        sleep_us(500);
    }
    HOLDS(a == USOCKET_ETLS_CERT_REFUSED, "a connection that the callback refuses: %d, resumed %d, callback asked %d times", a,
          usocket_tls_resumed(second[0]), callbacks);
}

static void resumption_asks_the_callback_13(void) { resumption_asks_the_callback(USOCKET_TLS_1_3); }
static void resumption_asks_the_callback_12(void) { resumption_asks_the_callback(USOCKET_TLS_1_2); }

static void a_session_of_another_name(void)
{
    usocket_tls_context_t c = client_context(), s = server_context();
    usocket_t first[2], second[2];
    tls_pair_with(first, c, s, "server.example");
    talk(first);
    usocket_tls_session_t session = OK(usocket_tls_take_session(first[0]));
    tcp_pair(second);
    OK(usocket_tls_wrap(second[0], c, "bank.example", 0));
    int32_t r = usocket_tls_set_session(second[0], session);
    HOLDS(r < 0, "set_session of server.example's session for bank.example: %d", r);
}

static void a_session_of_another_context(void)
{
    usocket_tls_context_t c = client_context(), s = server_context(), other = client_context();
    usocket_t first[2], second[2];
    tls_pair_with(first, c, s, "server.example");
    talk(first);
    usocket_tls_session_t session = OK(usocket_tls_take_session(first[0]));
    tcp_pair(second);
    OK(usocket_tls_wrap(second[0], other, "server.example", 0));
    GIVES(-EINVAL, usocket_tls_set_session(second[0], session));
}

// A server with pins or a callback, and no mode set, either asks for a certificate or says no.
static void servers_settings_count(bool pins)
{
    usocket_tls_context_t c = client_context(), s = server_context();
    int32_t verdict = 1;
    static const uint8_t pin[32];
    int32_t set = pins ? usocket_tls_context_add_pin(s, pin, 32)
                       : usocket_tls_context_set_verify_callback(s, counts, &verdict);
    if (set < 0)
        return; // refused: clear
    usocket_t pair[2];
    tcp_pair(pair);
    OK(usocket_tls_wrap(pair[0], c, "server.example", 0));
    int32_t r = usocket_tls_wrap(pair[1], s, NULL, 0);
    if (r < 0)
        return;
    OK(usocket_settimeout(pair[0], 0));
    OK(usocket_settimeout(pair[1], 0));
    int32_t a = -EAGAIN, b = -EAGAIN;
    for (int i = 0; i < 200 && b == -EAGAIN; i++) {
        a = a == -EAGAIN ? usocket_tls_handshake(pair[0]) : a;
        b = usocket_tls_handshake(pair[1]);
        sleep_us(500);
    }
    HOLDS(b < 0, "a server with %s lets a client without a certificate in", pins ? "pins" : "a callback that refuses");
}

static void a_servers_pins_count(void) { servers_settings_count(true); }
static void a_servers_callback_counts(void) { servers_settings_count(false); }

static void the_order_of_ciphers(void)
{
    usocket_tls_context_t c = client_context(), s = server_context();
    OK(usocket_tls_context_set_ciphers(s, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"));
    OK(usocket_tls_context_set_ciphers(c, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"));
    usocket_t pair[2];
    tls_pair_with(pair, c, s, "server.example");
    char name[64];
    OK(usocket_tls_cipher(pair[0], name, sizeof name));
    // Either is right; which is documented. It is looked at here so that a change is noticed.
    fprintf(stderr, "%s wins", strcmp(name, "TLS_AES_256_GCM_SHA384") ? "the client's order" : "the server's order");
}

// --- many threads on one session ---

static void *a_bit_of_all(void *arg)
{
    struct job *j = arg;
    char buf[3000];
    uint64_t seed = stress_seed ^ (uint64_t)thread_number() << 20;
    while (!stop) {
        int64_t r = 0;
        switch (below(&seed, 9)) {
        case 0: r = usocket_send(j->s, buf, below(&seed, sizeof buf), 0); break;
        case 1: r = usocket_recv(j->s, buf, below(&seed, sizeof buf), 0); break;
        case 2: r = usocket_recv(j->s, buf, below(&seed, sizeof buf), MSG_DONTWAIT); break;
        case 3: r = usocket_recv(j->s, buf, 10, MSG_PEEK | MSG_DONTWAIT); break;
        case 4: r = usocket_tls_pending(j->s); break;
        case 5: r = usocket_tls_wants(j->s); break;
        case 6: {
            usocket_pollfd p = {.socket = j->s, .events = (int16_t)(below(&seed, 2) ? POLLIN : POLLIN | POLLOUT)};
            r = usocket_poll(&p, 1, below(&seed, 3000));
            break;
        }
        case 7: r = usocket_tls_handshake(j->s); break;
        default: r = usocket_send(j->s, buf, 10, MSG_DONTWAIT); break;
        }
        if (r < 0 && r != -EAGAIN && r != -ETIMEDOUT && r != -EBADF && r != -EPIPE && r != -ECONNRESET)
            broken("%lld (%s)", (long long)r, usocket_strerror(r));
        if (r == -EBADF)
            break;
    }
    return NULL;
}

static void threads_on_one_session(void)
{
    for (int round = 0; round < scaled(6, 2); round++) {
        usocket_t pair[2];
        tls_pair(pair);
        OK(usocket_settimeout(pair[0], 50 * MS));
        OK(usocket_settimeout(pair[1], 50 * MS));
        stop = false;
        struct job j[6];
        pthread_t t[6];
        for (int i = 0; i < 6; i++) {
            j[i] = (struct job){.s = pair[i % 2]};
            t[i] = start(a_bit_of_all, &j[i]);
        }
        sleep_us(700 * MS);
        if (round % 2) {
            usocket_close(pair[0]);
            usocket_close(pair[1]);
        }
        stop = true;
        for (int i = 0; i < 6; i++)
            join_within(t[i], 8 * SECOND, "a thread on a TLS session");
        if (round % 2 == 0) {
            usocket_close(pair[0]);
            usocket_close(pair[1]);
        }
    }
}

static void *blocked_in_recv(void *arg)
{
    struct job *j = arg;
    j->thread = thread_number();
    j->result = usocket_recv(j->s, j->buf, sizeof j->buf, 0);
    return NULL;
}

static void close_ends_a_blocked_recv(void)
{
    usocket_t pair[2];
    tls_pair(pair);
    struct job j = {.s = pair[0]};
    pthread_t t = start(blocked_in_recv, &j);
    until_inside(&j);
    OK(usocket_close(pair[0]));
    join_within(t, 8 * SECOND, "a blocking recv on a TLS socket that was closed");
    GIVES(-EBADF, j.result);
}

// The way to the peer is full: its thread is blocked in send.
static void *blocked_in_send(void *arg)
{
    struct job *j = arg;
    static char big[8 << 20];
    j->thread = thread_number();
    j->result = usocket_sendall(j->s, big, sizeof big, 0);
    return NULL;
}

static void close_ends_a_blocked_send(void)
{
    usocket_t pair[2];
    tls_pair(pair);
    struct job j = {.s = pair[0]};
    pthread_t t = start(blocked_in_send, &j);
    until_inside(&j);
    sleep_us(100 * MS);
    until_inside(&j);
    int64_t began = now_us();
    OK(usocket_close(pair[0]));
    HOLDS(now_us() - began < 5 * SECOND, "close took %.1f s", (now_us() - began) / 1e6);
    join_within(t, 8 * SECOND, "a blocking send on a TLS socket that was closed");
    GIVES(-EBADF, j.result);
}

static int32_t says_stop(void *arg)
{
    (void)arg;
    return 1;
}

static void nothing(int signal)
{
    (void)signal;
}

// A hook that says stop ends it, however much it has done: Ctrl-C.
static void a_signal_ends_a_blocked_send(void)
{
    usocket_t pair[2];
    tls_pair(pair);
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGUSR1, &action, NULL);
    OK(usocket_set_event_hook(says_stop, NULL));
    struct job j = {.s = pair[0]};
    pthread_t t = start(blocked_in_send, &j);
    until_inside(&j);
    sleep_us(100 * MS);
    until_inside(&j);
    pthread_kill(t, SIGUSR1);
    join_within(t, 8 * SECOND, "a blocking send that a signal was to end");
    GIVES(-EINTR, j.result);
    OK(usocket_set_event_hook(NULL, NULL));
}

// Received beside a blocked send: one direction must not hold the other.
static void receiving_beside_a_blocked_send(void)
{
    usocket_t pair[2];
    tls_pair(pair);
    struct job j = {.s = pair[0]};
    start(blocked_in_send, &j);
    until_inside(&j);
    OK(usocket_send(pair[1], "hello", 5, 0));
    OK(usocket_settimeout(pair[0], 5 * SECOND));
    char buf[8];
    GIVES(5, usocket_recv(pair[0], buf, 8, 0));
    GIVES(0, usocket_tls_pending(pair[0]));
    usocket_tls_wants(pair[0]);
}

static const struct stress_case CASES[] = {
    {"tls: poll while another thread closes", poll_while_closed, 0},
    {"tls: poller_wait while another thread closes", poller_while_closed, 0},
    {"tls: a slow callback delays nobody", a_slow_callback_delays_nobody, 0},
    {"tls: a callback that uses its connection", a_callback_that_reenters, 0},
    {"tls: a name callback used badly", a_name_callback_used_badly, 0},
    {"tls: what send counted arrives, non-blocking close", what_was_sent_arrives_nonblocking, 0},
    {"tls: what send counted arrives, MSG_DONTWAIT", what_was_sent_arrives_dontwait, 0},
    {"tls: what send counted arrives, shutdown and close", what_was_sent_arrives_shutdown, 0},
    {"tls: what send counted arrives, closed after a fork", what_was_sent_arrives_fork, 0},
    {"tls: a blocking send takes all", a_blocking_send_takes_all, 0},
    {"tls: a resumption asks the callback, 1.3", resumption_asks_the_callback_13, 0},
    {"tls: a resumption asks the callback, 1.2", resumption_asks_the_callback_12, 0},
    {"tls: a session of another name", a_session_of_another_name, 0},
    {"tls: a session of another context", a_session_of_another_context, 0},
    {"tls: a server's pins count", a_servers_pins_count, 0},
    {"tls: a server's callback counts", a_servers_callback_counts, 0},
    {"tls: the order of ciphers", the_order_of_ciphers, 0},
    {"tls: threads on one session", threads_on_one_session, 0},
    {"tls: close ends a blocked recv", close_ends_a_blocked_recv, 0},
    {"tls: close ends a blocked send", close_ends_a_blocked_send, 0},
    {"tls: a signal ends a blocked send", a_signal_ends_a_blocked_send, 0},
    {"tls: receiving beside a blocked send", receiving_beside_a_blocked_send, 0},
};

STRESS_MAIN(CASES)
