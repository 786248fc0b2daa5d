// Timers of a poller, and its descriptor in somebody else's loop.

#include "support.h"
#include "tls_support.h"

#include <sys/epoll.h>

static usocket_event one_event(usocket_t poller)
{
    usocket_event e[2];
    GIVES(1, usocket_poller_wait(poller, e, 2, GENEROUS));
    return e[0];
}

static void no_event(usocket_t poller)
{
    usocket_event e;
    GIVES(0, usocket_poller_wait(poller, &e, 1, 0));
}

static bool readable(int fd, int64_t within_us)
{
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, (int)(within_us / MS)) == 1 && p.revents & POLLIN;
}

// Nothing but what is told once may be left: a level, not an edge.
static void becomes_unreadable(usocket_t poller, int fd)
{
    for (int i = 0; i < 100 && readable(fd, 0); i++) {
        usocket_event e;
        OK(usocket_poller_wait(poller, &e, 1, 0));
    }
    assert_false(readable(fd, 0));
    no_event(poller);
}

// --- timers ---

static void a_timer_ends_a_wait_in_its_time(void **state)
{
    (void)state;
    usocket_t p = OK(usocket_poller_create());
    int64_t begun = now_us();
    int64_t timer = OK(usocket_poller_arm_timer(p, 30 * MS, 42));
    assert_true(timer > 0 && timer < 1LL << 53);
    no_event(p);
    usocket_event e = one_event(p);
    assert_true(now_us() - begun >= 30 * MS);
    assert_int_equal(e.socket, 0);
    assert_int_equal(e.fd, -1);
    assert_int_equal(e.events, USOCKET_POLLER_TIMER);
    assert_int_equal(e.data, 42);
    no_event(p); // Once.
    GIVES(-ENOENT, usocket_poller_cancel_timer(p, timer));
    // At once; and the timeout of the wait still counts where no timer is due.
    OK(usocket_poller_arm_timer(p, 0, 43));
    assert_int_equal(one_event(p).data, 43);
    OK(usocket_poller_arm_timer(p, GENEROUS, 44));
    begun = now_us();
    GIVES(0, usocket_poller_wait(p, &e, 1, 20 * MS));
    assert_true(now_us() - begun >= 20 * MS);
    OK(usocket_close(p));
}

static void timers_come_in_order_and_cancelled_ones_never(void **state)
{
    (void)state;
    enum { N = 300 };
    usocket_t p = OK(usocket_poller_create());
    int64_t timers[N], earliest[N], latest[N]; // When each is due.
    for (int i = 0; i < N; i++) {
        int64_t after = (N - i) * 1000;
        earliest[i] = usocket_now() + after;
        timers[i] = OK(usocket_poller_arm_timer(p, after, (uint64_t)i));
        latest[i] = usocket_now() + 1 + after;
    }
    int seen = 0, last = -1;
    for (int i = 0; i < N; i += 3) {
        int32_t code = usocket_poller_cancel_timer(p, timers[i]);
        assert_int_equal(code, 0); // Nobody has waited yet.
    }
    while (seen < N - N / 3) {
        usocket_event e[7];
        int n = (int)OK(usocket_poller_wait(p, e, 7, GENEROUS));
        assert_true(n > 0);
        for (int i = 0; i < n; i++, seen++) {
            int now = (int)e[i].data;
            assert_true(now % 3 != 0 && (last < 0 || earliest[last] <= latest[now]));
            last = now;
        }
    }
    no_event(p);
    for (int i = 0; i < N; i++)
        GIVES(-ENOENT, usocket_poller_cancel_timer(p, timers[i]));
    OK(usocket_close(p));
}

// An earlier one, put in by another thread, ends a wait for a later one; one put off does not come early.
struct waiter {
    usocket_t poller;
    _Atomic pid_t thread;
    int result;
    usocket_event event;
};

static void *wait_in_thread(void *arg)
{
    struct waiter *w = arg;
    w->thread = this_thread();
    w->result = usocket_poller_wait(w->poller, &w->event, 1, GENEROUS);
    return NULL;
}

static void another_thread_sets_an_earlier_one(void **state)
{
    (void)state;
    usocket_t p = OK(usocket_poller_create());
    int64_t late = OK(usocket_poller_arm_timer(p, GENEROUS, 1));
    struct waiter w = {.poller = p};
    pthread_t thread;
    start_thread(&thread, wait_in_thread, &w);
    while (!w.thread)
        sched_yield();
    wait_until_asleep(w.thread);
    int64_t soon = OK(usocket_poller_arm_timer(p, 10 * MS, 2));
    pthread_join(thread, NULL);
    assert_int_equal(w.result, 1);
    assert_int_equal(w.event.data, 2);
    GIVES(-ENOENT, usocket_poller_cancel_timer(p, soon));
    OK(usocket_poller_cancel_timer(p, late));
    // Put off: what was set first goes off for nothing.
    int64_t begun = now_us();
    soon = OK(usocket_poller_arm_timer(p, 10 * MS, 3));
    OK(usocket_poller_cancel_timer(p, soon));
    OK(usocket_poller_arm_timer(p, 40 * MS, 4));
    assert_int_equal(one_event(p).data, 4);
    assert_true(now_us() - begun >= 40 * MS);
    OK(usocket_close(p));
}

// Of a cancel and a wait on another thread exactly one has each timer.
struct racers {
    usocket_t poller;
    _Atomic bool over;
    _Atomic int fired;
};

static void *take_what_is_due(void *arg)
{
    struct racers *r = arg;
    while (!r->over) {
        usocket_event e[8];
        int n = usocket_poller_wait(r->poller, e, 8, 5 * MS);
        if (n > 0)
            r->fired += n;
    }
    return NULL;
}

static void a_cancel_races_with_the_time(void **state)
{
    (void)state;
    enum { N = 3000, WAITERS = 2 };
    struct racers r = {.poller = OK(usocket_poller_create())};
    pthread_t threads[WAITERS];
    for (int i = 0; i < WAITERS; i++)
        start_thread(&threads[i], take_what_is_due, &r);
    int cancelled = 0;
    for (int i = 0; i < N; i++) {
        int64_t timer = OK(usocket_poller_arm_timer(r.poller, i % 40, 1));
        if (i % 3 == 0)
            sched_yield();
        int32_t code = usocket_poller_cancel_timer(r.poller, timer);
        assert_true(code == 0 || code == -ENOENT);
        cancelled += code == 0;
    }
    while (r.fired + cancelled < N)
        usleep(1000); // The test's watchdog ends what does not end.
    r.over = true;
    for (int i = 0; i < WAITERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(r.fired + cancelled, N);
    OK(usocket_close(r.poller));
}

static void each_process_has_its_own_after_a_fork(void **state)
{
    (void)state;
    usocket_t p = OK(usocket_poller_create());
    int64_t timer = OK(usocket_poller_arm_timer(p, 20 * MS, 5)), other = OK(usocket_poller_arm_timer(p, GENEROUS, 6));
    int fd = (int)OK(usocket_fileno(p));
    pid_t child = fork();
    if (child == 0) {
        usocket_event e;
        CHILD(usocket_poller_cancel_timer(p, other) == 0);
        int lent = usocket_fileno(p);
        CHILD(lent >= 0 && readable(lent, GENEROUS));
        CHILD(usocket_poller_wait(p, &e, 1, GENEROUS) == 1 && e.data == 5);
        CHILD(usocket_poller_arm_timer(p, 0, 7) > 0);
        CHILD(usocket_poller_wait(p, &e, 1, GENEROUS) == 1 && e.data == 7);
        CHILD(usocket_poller_wait(p, &e, 1, 0) == 0);
        _exit(0);
    }
    child_ends_well(child);
    assert_true(readable(fd, GENEROUS));
    assert_int_equal(one_event(p).data, 5);
    becomes_unreadable(p, fd);
    GIVES(-ENOENT, usocket_poller_cancel_timer(p, timer));
    OK(usocket_poller_cancel_timer(p, other));
    OK(usocket_close(p));
}

static void bad_timers_have_a_code_each(void **state)
{
    (void)state;
    usocket_t p = OK(usocket_poller_create()), s = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    GIVES(-EINVAL, usocket_poller_arm_timer(p, -1, 0));
    GIVES(-EBADR, usocket_poller_arm_timer(s, 0, 0));
    GIVES(-EBADR, usocket_poller_cancel_timer(s, 1));
    const int64_t none[] = {0, -1, 1, INT64_MAX, INT64_MIN, 1LL << 22, (1LL << 22) - 1};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        GIVES(-ENOENT, usocket_poller_cancel_timer(p, none[i]));
    // A time that no clock reaches: it is refused, or it never comes.
    int64_t far = usocket_poller_arm_timer(p, INT64_MAX, 0);
    assert_true(far > 0 || far == -EINVAL);
    no_event(p);
    OK(usocket_close(s));
    OK(usocket_close(p));
    GIVES(-EBADF, usocket_poller_arm_timer(p, 0, 0));
    GIVES(-EBADF, usocket_poller_cancel_timer(p, 1));
}

static void timers_leave_nothing_behind(void **state)
{
    (void)state;
    int before = open_descriptors();
    for (int i = 0; i < 200; i++) {
        usocket_t p = OK(usocket_poller_create());
        OK(usocket_poller_arm_timer(p, i * 10, 1));
        OK(usocket_fileno(p));
        OK(usocket_close(p));
    }
    assert_int_equal(open_descriptors(), before);
}

// --- the descriptor ---

struct handshake {
    usocket_t s;
    int64_t result;
};

static void *shake_in_thread(void *arg)
{
    struct handshake *h = arg;
    h->result = usocket_tls_handshake(h->s);
    return NULL;
}

static void tls_pair(usocket_t pair[2])
{
    usocket_t client = context(USOCKET_TLS_CLIENT), server = context(USOCKET_TLS_SERVER);
    GIVES(1, usocket_tls_context_add_trust_file(client, in_certs("ca.pem")));
    OK(usocket_tls_context_add_cert_file(server, in_certs("server.pem"), in_certs("server-key.pem")));
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_tls_wrap(pair[0], client, "localhost", 0));
    OK(usocket_tls_wrap(pair[1], server, NULL, 0));
    struct handshake other = {.s = pair[1]};
    pthread_t thread;
    start_thread(&thread, shake_in_thread, &other);
    OK(usocket_tls_handshake(pair[0]));
    pthread_join(thread, NULL);
    assert_int_equal(other.result, 0);
    OK(usocket_close(client));
    OK(usocket_close(server));
}

// Whatever a wait would report makes it readable, in an epoll of the host's.
static void the_descriptor_says_what_a_wait_would_report(void **state)
{
    (void)state;
    usocket_t p = OK(usocket_poller_create()), pair[2];
    int fd = (int)OK(usocket_fileno(p)), host = epoll_create1(EPOLL_CLOEXEC);
    assert_int_equal(usocket_fileno(p), fd);
    struct epoll_event e = {.events = EPOLLIN};
    assert_int_equal(epoll_ctl(host, EPOLL_CTL_ADD, fd, &e), 0);
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_poller_add(p, pair[0], POLLIN | POLLNVAL, 1));
    assert_false(readable(host, 0));
    // A socket, for as long as it is readable.
    OK(usocket_send(pair[1], "x", 1, 0));
    assert_true(readable(host, GENEROUS));
    assert_int_equal(one_event(p).data, 1);
    assert_true(readable(host, 0));
    char c;
    GIVES(1, usocket_recv(pair[0], &c, 1, 0));
    becomes_unreadable(p, host);
    // A wake, a timer, a plain file, a closed handle.
    OK(usocket_poller_wake(p));
    assert_true(readable(host, 0));
    no_event(p);
    becomes_unreadable(p, host);
    OK(usocket_poller_arm_timer(p, 5 * MS, 2));
    assert_true(readable(host, GENEROUS));
    assert_int_equal(one_event(p).data, 2);
    becomes_unreadable(p, host);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    OK(usocket_poller_add_fd(p, file, POLLIN, 3));
    assert_true(readable(host, 0));
    assert_int_equal(one_event(p).data, 3);
    assert_true(readable(host, 0));
    OK(usocket_poller_remove_fd(p, file));
    close(file);
    becomes_unreadable(p, host);
    OK(usocket_close(pair[0]));
    assert_true(readable(host, 0));
    assert_int_equal(one_event(p).events, POLLNVAL);
    becomes_unreadable(p, host);
    // What does not fit comes with the next wait.
    OK(usocket_poller_arm_timer(p, 0, 4));
    OK(usocket_poller_arm_timer(p, 0, 5));
    usocket_event one;
    GIVES(1, usocket_poller_wait(p, &one, 1, GENEROUS));
    assert_true(readable(host, 0));
    GIVES(1, usocket_poller_wait(p, &one, 1, 0));
    becomes_unreadable(p, host);
    close(host);
    OK(usocket_close(pair[1]));
    OK(usocket_close(p));
}

// Data that TLS has decrypted and nobody has taken is in no kernel.
static void the_descriptor_knows_what_tls_has_decrypted(void **state)
{
    (void)state;
    usocket_t pair[2], p = OK(usocket_poller_create());
    tls_pair(pair);
    int fd = (int)OK(usocket_fileno(p));
    OK(usocket_settimeout(pair[0], 0));
    OK(usocket_poller_add(p, pair[0], POLLIN, 1));
    becomes_unreadable(p, fd);
    OK(usocket_send(pair[1], "abc", 3, 0));
    char c;
    for (const char *want = "abc"; *want; want++) {
        assert_true(readable(fd, GENEROUS));
        assert_int_equal(one_event(p).data, 1);
        GIVES(1, usocket_recv(pair[0], &c, 1, 0));
        assert_int_equal(c, *want);
    }
    becomes_unreadable(p, fd);
    // Taken in by another call than the wait, and left.
    OK(usocket_send(pair[1], "de", 2, 0));
    while (usocket_recv(pair[0], &c, 1, 0) == -EAGAIN)
        sched_yield();
    assert_true(readable(fd, GENEROUS));
    assert_int_equal(one_event(p).data, 1);
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
    OK(usocket_close(p));
}

// A descriptor that was closed while it was registered, and lives on in a dup, makes the poller take
// another epoll: the loops of others must not lose it.
static void the_descriptor_outlives_another_epoll(void **state)
{
    (void)state;
    usocket_t p = OK(usocket_poller_create()), pair[2];
    int fd = (int)OK(usocket_fileno(p)), host = epoll_create1(EPOLL_CLOEXEC), ends[2];
    struct epoll_event e = {.events = EPOLLIN};
    assert_int_equal(epoll_ctl(host, EPOLL_CTL_ADD, fd, &e), 0);
    OK(usocket_poller_arm_timer(p, 20 * MS, 8));
    assert_int_equal(pipe(ends), 0);
    int copy = dup(ends[0]);
    OK(usocket_poller_add_fd(p, ends[0], POLLIN, 1));
    close(ends[0]);
    assert_int_equal(write(ends[1], "x", 1), 1);
    one_event(p);
    OK(usocket_poller_remove_fd(p, ends[0]));
    becomes_unreadable(p, host);
    assert_true(readable(host, GENEROUS));
    assert_int_equal(one_event(p).data, 8);
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    OK(usocket_poller_add(p, pair[0], POLLIN, 2));
    assert_false(readable(host, 0));
    OK(usocket_send(pair[1], "x", 1, 0));
    assert_true(readable(host, GENEROUS));
    assert_int_equal(one_event(p).data, 2);
    close(copy);
    close(ends[1]);
    close(host);
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
    OK(usocket_close(p));
}

static void queries_and_connections_have_one_too(void **state)
{
    (void)state;
    usocket_t query = OK(usocket_query_create("localhost", "80", 0, SOCK_STREAM, 0, 0));
    assert_true(readable((int)OK(usocket_fileno(query)), GENEROUS));
    OK(usocket_close(query));
    usocket_t listener = listening_socket(AF_INET, 8);
    usocket_addr addr;
    char port[8];
    OK(usocket_getsockname(listener, &addr));
    snprintf(port, sizeof port, "%d", (int)OK(usocket_addr_port(&addr)));
    usocket_t connection = OK(usocket_connection_create("127.0.0.1", port, GENEROUS, NULL));
    assert_true(readable((int)OK(usocket_fileno(connection)), GENEROUS));
    OK(usocket_close(OK(usocket_connection_take(connection, 0))));
    OK(usocket_close(connection));
    OK(usocket_close(listener));
    usocket_t context = OK(usocket_tls_context_create(USOCKET_TLS_CLIENT));
    GIVES(-ENOTSOCK, usocket_fileno(context));
    OK(usocket_close(context));
    GIVES(-EBADF, usocket_fileno(context));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_ends_a_wait_in_its_time),
        cmocka_unit_test(timers_come_in_order_and_cancelled_ones_never),
        cmocka_unit_test(another_thread_sets_an_earlier_one),
        cmocka_unit_test(a_cancel_races_with_the_time),
        cmocka_unit_test(each_process_has_its_own_after_a_fork),
        cmocka_unit_test(bad_timers_have_a_code_each),
        cmocka_unit_test(timers_leave_nothing_behind),
        cmocka_unit_test(the_descriptor_says_what_a_wait_would_report),
        cmocka_unit_test(the_descriptor_knows_what_tls_has_decrypted),
        cmocka_unit_test(the_descriptor_outlives_another_epoll),
        cmocka_unit_test(queries_and_connections_have_one_too),
    };
    return RUN(tests);
}
