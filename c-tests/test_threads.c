// Threads and processes: sockets shared between them, forking servers, nothing left behind.

#include "support.h"

#include <stdatomic.h>

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
    // A descriptor that is not a socket stays its owner's.
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
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        start_thread(&threads[i], send_much, &pair[i]);
    pid_t child = fork();
    if (child == 0) {
        CHILD(drain(pair[1], DUPLEX) == DUPLEX);
        _exit(0);
    }
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
    FOR_ROUNDS (round, ROUNDS) {
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
        cmocka_unit_test(dup_detach_and_from_fd),
        cmocka_unit_test(a_forking_server),
        cmocka_unit_test(one_sends_while_another_receives),
        cmocka_unit_test(many_accept_on_one_listener),
        cmocka_unit_test(a_million_sockets_leave_nothing_behind),
        cmocka_unit_test(threads_hammer_on_the_table), // last: it closes descriptors by number
    };
    return RUN(tests);
}
