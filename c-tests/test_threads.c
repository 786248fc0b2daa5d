// Threads and processes: closing a handle ends what other threads are doing on it; sharing sockets
// between threads; forking servers; nothing left behind.

#include "support.h"

#include <stdatomic.h>

// --- close wakes ---

struct blocked {
    int64_t (*run)(struct blocked *b);
    usocket_t s;
    usocket_addr to;
    char *buf;
    size_t len;
    _Atomic pid_t thread;
    int64_t result;
    usocket_pollfd p;
};

static int64_t recv_(struct blocked *b) { return usocket_recv(b->s, b->buf, b->len, 0); }
static int64_t recvfrom_(struct blocked *b) { return usocket_recvfrom(b->s, b->buf, b->len, 0, &b->to); }
static int64_t read_(struct blocked *b) { return usocket_read(b->s, b->buf, b->len); }
static int64_t readline_(struct blocked *b) { return usocket_readline(b->s, b->buf, b->len); }
static int64_t send_(struct blocked *b) { return usocket_send(b->s, b->buf, b->len, 0); }
static int64_t sendall_(struct blocked *b) { return usocket_sendall(b->s, b->buf, b->len, 0); }
static int64_t write_(struct blocked *b) { return usocket_write(b->s, b->buf, b->len); }
static int64_t sendto_(struct blocked *b) { return usocket_sendto(b->s, b->buf, b->len, 0, &b->to); }
static int64_t accept_(struct blocked *b) { return usocket_accept(b->s, NULL); }
static int64_t connect_(struct blocked *b) { return usocket_connect(b->s, &b->to); }
static int64_t poll_(struct blocked *b)
{
    int64_t n = usocket_poll(&b->p, 1, -1);
    return n == 1 && b->p.revents == POLLNVAL ? -EBADF : n;
}

static void *block(void *arg)
{
    struct blocked *b = arg;
    b->thread = this_thread();
    b->result = b->run(b);
    return NULL;
}

// Blocks a thread in `run` on `s`, closes `s`, and wants -EBADF there, soon. Takes s.
static void close_wakes(const char *what, usocket_t s, int64_t (*run)(struct blocked *),
                        const usocket_addr *to)
{
    static char buf[1 << 16];
    int fd = OK(usocket_fileno(s));
    struct blocked b = {.run = run, .s = s, .buf = buf, .len = 100, .p = {s, 0, POLLIN, 0}};
    if (to)
        b.to = *to;
    pthread_t thread;
    start_thread(&thread, block, &b);
    while (!b.thread)
        sched_yield();
    wait_until_asleep(b.thread);
    OK(usocket_close(s));
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += GENEROUS / SECOND;
    if (pthread_timedjoin_np(thread, NULL, &end))
        fail_msg("%s does not end when the handle is closed", what);
    if (b.result != -EBADF)
        fail_msg("%s gives %lld", what, (long long)b.result);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    GIVES(-EBADF, usocket_close(s));
}

// Blocking, and with a timeout that is far away.
static const int64_t WAITING_MODES[] = {-1, 10 * GENEROUS};
#define FOR_EACH_WAITING_MODE(m) for (const int64_t *m = WAITING_MODES; m < WAITING_MODES + 2; m++)

static void close_wakes_what_receives(void **state)
{
    (void)state;
    int64_t (*const runs[])(struct blocked *) = {recv_, recvfrom_, read_, readline_, poll_};
    int before = open_descriptors();
    FOR_EACH_KIND(k)
        FOR_EACH_WAITING_MODE(mode)
            for (int i = 0; i < 5; i++) {
                if (runs[i] == readline_ && k->type != SOCK_STREAM)
                    continue;
                usocket_t pair[2];
                connected_pair(k->family, k->type, pair);
                OK(usocket_settimeout(pair[0], *mode));
                close_wakes(k->name, pair[0], runs[i], NULL);
                // The other end of a stream sees the end.
                if (k->type == SOCK_STREAM)
                    GIVES(0, usocket_recv(pair[1], &(char){0}, 1, 0));
                OK(usocket_close(pair[1]));
                if (k->type == SOCK_DGRAM) {
                    usocket_t alone = bound_socket(k->family, k->type);
                    OK(usocket_settimeout(alone, *mode));
                    close_wakes("unconnected", alone, runs[i], NULL);
                }
            }
    assert_int_equal(open_descriptors(), before);
}

static void close_wakes_what_sends(void **state)
{
    (void)state;
    int64_t (*const runs[])(struct blocked *) = {send_, sendall_, write_};
    int before = open_descriptors();
    FOR_EACH_KIND(k) {
        if (k->type == SOCK_DGRAM && k->family != AF_UNIX)
            continue; // UDP never waits to send
        FOR_EACH_WAITING_MODE(mode)
            for (int i = 0; i < 3; i++) {
                usocket_t pair[2];
                connected_pair(k->family, k->type, pair);
                OK(usocket_settimeout(pair[0], *mode));
                small_buffers(pair);
                fill(pair[0]);
                close_wakes(k->name, pair[0], runs[i], NULL);
                OK(usocket_close(pair[1]));
            }
    }
    assert_int_equal(open_descriptors(), before);
}

static void close_wakes_sendto_a_full_peer(void **state)
{
    (void)state;
    FOR_EACH_WAITING_MODE(mode) {
        usocket_t peer = bound_socket(AF_UNIX, SOCK_DGRAM), s = bound_socket(AF_UNIX, SOCK_DGRAM);
        usocket_addr to = name_of(peer);
        while (usocket_sendto(s, "x", 1, MSG_DONTWAIT, &to) == 1)
            ;
        GIVES(-EAGAIN, usocket_sendto(s, "x", 1, MSG_DONTWAIT, &to));
        OK(usocket_settimeout(s, *mode));
        close_wakes("sendto", s, sendto_, &to);
        OK(usocket_close(peer));
    }
}

static void close_wakes_accept(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_INET6, AF_UNIX};
    for (int i = 0; i < 3; i++)
        FOR_EACH_WAITING_MODE(mode) {
            usocket_t listener = listening_socket(families[i], 1);
            OK(usocket_settimeout(listener, *mode));
            close_wakes("accept", listener, accept_, NULL);
            listener = listening_socket(families[i], 1);
            close_wakes("poll", listener, poll_, NULL);
        }
}

static void close_wakes_connect(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_UNIX};
    for (int i = 0; i < 2; i++) {
        usocket_t listener, clients[8];
        size_t n = full_listener(families[i], &listener, clients, 8);
        usocket_addr to = name_of(listener);
        FOR_EACH_WAITING_MODE(mode) {
            usocket_t s = OK(usocket_socket(families[i], SOCK_STREAM, 0));
            OK(usocket_settimeout(s, *mode));
            close_wakes("connect", s, connect_, &to);
        }
        while (n--)
            OK(usocket_close(clients[n]));
        OK(usocket_close(listener));
    }
}

static void close_wakes_everybody_inside(void **state)
{
    (void)state;
    enum { N = 8 };
    struct blocked b[N];
    pthread_t threads[N];
    usocket_t pair[2];
    char buf[N];
    int before = open_descriptors();
    connected_pair(AF_INET, SOCK_STREAM, pair);
    for (int i = 0; i < N; i++) {
        b[i] = (struct blocked){.run = recv_, .s = pair[0], .buf = &buf[i], .len = 1};
        start_thread(&threads[i], block, &b[i]);
        while (!b[i].thread)
            sched_yield();
        wait_until_asleep(b[i].thread);
    }
    GIVES(-EBUSY, usocket_detach(pair[0]));
    OK(usocket_close(pair[0]));
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(b[i].result, -EBADF);
    }
    OK(usocket_close(pair[1]));
    assert_int_equal(open_descriptors(), before);
}

// --- handles that are shared ---

static void dup_detach_and_from_fd(void **state)
{
    (void)state;
    usocket_t pair[2];
    char c;
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_settimeout(pair[0], GENEROUS));
    // A second handle: the same socket and mode, and closing one leaves the other.
    usocket_t twin = OK(usocket_dup(pair[0]));
    assert_int_not_equal(twin, pair[0]);
    assert_int_not_equal(usocket_fileno(twin), usocket_fileno(pair[0]));
    assert_true(fcntl(usocket_fileno(twin), F_GETFD) & FD_CLOEXEC);
    int64_t timeout;
    OK(usocket_gettimeout(twin, &timeout));
    assert_int_equal(timeout, GENEROUS);
    OK(usocket_close(pair[0]));
    OK(usocket_send(pair[1], "a", 1, 0));
    GIVES(1, usocket_recv(twin, &c, 1, 0));
    // Given up, it is a plain descriptor and the handle is stale.
    int number = OK(usocket_fileno(twin)), fd = OK(usocket_detach(twin));
    assert_int_equal(fd, number);
    GIVES(-EBADF, usocket_recv(twin, &c, 1, 0));
    GIVES(-EBADF, usocket_detach(twin));
    GIVES(-EBADF, usocket_close(twin));
    assert_int_equal(send(fd, "b", 1, 0), 1);
    GIVES(1, usocket_recv(pair[1], &c, 1, 0));
    // And taken back, with the mode its descriptor has.
    assert_int_equal(fcntl(fd, F_SETFD, 0), 0);
    usocket_t again = OK(usocket_from_fd(fd));
    assert_int_equal(usocket_fileno(again), fd);
    assert_int_equal(usocket_family(again), AF_INET);
    assert_int_equal(usocket_type(again), SOCK_STREAM);
    assert_int_equal(usocket_proto(again), IPPROTO_TCP);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    OK(usocket_gettimeout(again, &timeout));
    assert_int_equal(timeout, 0);
    GIVES(-EAGAIN, usocket_recv(again, &c, 1, 0));
    OK(usocket_close(again));
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    GIVES(0, usocket_recv(pair[1], &c, 1, 0));
    OK(usocket_close(pair[1]));
    // What is no socket stays its owner's.
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    GIVES(-ENOTSOCK, usocket_from_fd(fds[0]));
    assert_false(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    close(fds[0]);
    close(fds[1]);
    GIVES(-EBADF, usocket_from_fd(fds[0]));
    GIVES(-EBADF, usocket_from_fd(-1));
}

static void a_forking_server(void **state)
{
    (void)state;
    usocket_t listener = listening_socket(AF_INET, USOCKET_BACKLOG_DEFAULT);
    enum { CLIENTS = 5 };
    for (int i = 0; i < CLIENTS; i++) {
        usocket_t client = client_of(listener);
        usocket_t served = OK(usocket_accept(listener, NULL));
        pid_t child = fork();
        if (child == 0) {
            // The child serves: what it reads goes back in capitals.
            char line[32];
            CHILD(usocket_close(listener) == 0);
            CHILD(usocket_close(client) == 0);
            int64_t n = usocket_readline(served, line, sizeof line);
            CHILD(n == 6);
            for (int at = 0; at < n; at++)
                line[at] -= line[at] >= 'a' ? 32 : 0;
            CHILD(usocket_sendall(served, line, n, 0) == 0);
            CHILD(usocket_close(served) == 0);
            CHILD(usocket_close(served) == -EBADF);
            _exit(0);
        }
        // The parent closes its side before a byte is served: that must not cut the child off.
        OK(usocket_close(served));
        OK(usocket_sendall(client, "hello\n", 6, 0));
        char answer[32];
        GIVES(6, usocket_read(client, answer, sizeof answer));
        assert_memory_equal(answer, "HELLO\n", 6);
        child_ends_well(child);
        OK(usocket_close(client));
    }
    OK(usocket_close(listener));
}

// --- at once ---

enum { DUPLEX = 16 << 20 };

static void *send_much(void *s)
{
    static char block_[1 << 16];
    for (int i = 0; i < DUPLEX; i += sizeof block_)
        if (usocket_sendall(*(usocket_t *)s, block_, sizeof block_, 0))
            return "sendall failed";
    return NULL;
}

static void one_sends_while_another_receives(void **state)
{
    (void)state;
    usocket_t pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    pthread_t threads[2], echo;
    for (int i = 0; i < 2; i++)
        start_thread(&threads[i], send_much, &pair[i]);
    pid_t child = fork();
    if (child == 0) {
        CHILD(drain(pair[1], DUPLEX) == DUPLEX);
        _exit(0);
    }
    (void)echo;
    assert_int_equal(drain(pair[0], DUPLEX), DUPLEX);
    for (int i = 0; i < 2; i++) {
        void *failure;
        pthread_join(threads[i], &failure);
        assert_null(failure);
    }
    child_ends_well(child);
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static _Atomic int accepted;

static void *accept_until_closed(void *listener)
{
    for (;;) {
        usocket_t s = usocket_accept(*(usocket_t *)listener, NULL);
        if (s < 0)
            return (void *)(intptr_t)-s;
        accepted++;
        usocket_sendall(s, "x", 1, 0);
        usocket_close(s);
    }
}

static void many_accept_on_one_listener(void **state)
{
    (void)state;
    FOR_EACH_WAITING_MODE(mode) {
        enum { THREADS = 6, CLIENTS = 300 };
        usocket_t listener = listening_socket(AF_INET, USOCKET_BACKLOG_DEFAULT);
        OK(usocket_settimeout(listener, *mode));
        pthread_t threads[THREADS];
        accepted = 0;
        for (int i = 0; i < THREADS; i++)
            start_thread(&threads[i], accept_until_closed, &listener);
        for (int i = 0; i < CLIENTS; i++) {
            usocket_t client = client_of(listener);
            GIVES(1, usocket_read(client, &(char){0}, 1));
            OK(usocket_close(client));
        }
        OK(usocket_close(listener));
        for (int i = 0; i < THREADS; i++) {
            void *error;
            pthread_join(threads[i], &error);
            assert_int_equal((intptr_t)error, EBADF);
        }
        assert_int_equal(accepted, CLIENTS);
    }
}

// Sockets that come and go under everybody's hands: each pair carries one byte of its own, and
// whoever receives through a handle must get that byte or a code, never another pair's.
enum { PLACES = 16, ROUNDS = 20000 };
static struct place {
    _Atomic usocket_t a, b;
} places[PLACES];

static void *hammer(void *seed)
{
    unsigned r = *(unsigned *)seed;
    for (int round = 0; round < ROUNDS; round++) {
        r = r * 1664525 + 1013904223;
        unsigned at = (r >> 8) % PLACES;
        struct place *p = &places[at];
        usocket_t a = p->a, b = p->b, pair[2];
        char c = (char)at;
        switch ((r >> 24) % 8) {
        case 0:
            usocket_close(a);
            usocket_close(b);
            if (usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
                return "no socketpair";
            p->a = pair[0];
            p->b = pair[1];
            break;
        case 1: {
            usocket_t twin = usocket_dup(b);
            if (twin > 0 && usocket_close(twin))
                return "a fresh handle is stale";
            break;
        }
        case 2: {
            usocket_pollfd set[] = {{a, 0, POLLIN, 0}, {b, 0, POLLOUT, 0}};
            if (usocket_poll(set, 2, 0) < 0)
                return "poll failed";
            break;
        }
        case 3: case 4:
            usocket_send(a, &c, 1, MSG_DONTWAIT);
            break;
        default:
            if (usocket_recv(b, &c, 1, MSG_DONTWAIT) == 1 && c != (char)at)
                return "received what belongs to another";
        }
    }
    return NULL;
}

static void threads_hammer_on_the_table(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    int before = open_descriptors();
    unsigned seeds[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = 77 * i;
        start_thread(&threads[i], hammer, &seeds[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failure;
        pthread_join(threads[i], &failure);
        if (failure)
            fail_msg("%s", (char *)failure);
    }
    // A handle lost by two threads that renewed a place at once stays open; the system knows it.
    for (int fd = before; fd < 20000; fd++)
        close(fd);
    memset(places, 0, sizeof places);
}

static long resident_pages(void)
{
    long size, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &size, &resident), 2);
    fclose(f);
    return resident;
}

static void a_million_sockets_leave_nothing_behind(void **state)
{
    (void)state;
    int before = open_descriptors();
    long pages = 0;
    usocket_t last = 0;
    for (int i = 0; i < 1000000; i++) {
        usocket_t s = usocket_socket(AF_UNIX, SOCK_DGRAM, 0);
        if (s <= 0 || s == last || usocket_close(last = s))
            fail_msg("socket %d: %lld", i, (long long)s);
        if (i == 1000)
            pages = resident_pages();
    }
    assert_int_equal(open_descriptors(), before);
    assert_in_range(last, 1, (1LL << 53) - 1);
    // Not even a byte each: the slots were used again.
    assert_true(resident_pages() - pages < 200);
    GIVES(-EBADF, usocket_close(last));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_wakes_what_receives),
        cmocka_unit_test(close_wakes_what_sends),
        cmocka_unit_test(close_wakes_sendto_a_full_peer),
        cmocka_unit_test(close_wakes_accept),
        cmocka_unit_test(close_wakes_connect),
        cmocka_unit_test(close_wakes_everybody_inside),
        cmocka_unit_test(dup_detach_and_from_fd),
        cmocka_unit_test(a_forking_server),
        cmocka_unit_test(one_sends_while_another_receives),
        cmocka_unit_test(many_accept_on_one_listener),
        cmocka_unit_test(a_million_sockets_leave_nothing_behind),
        cmocka_unit_test(threads_hammer_on_the_table), // last: it closes descriptors by number
    };
    return RUN(tests);
}
