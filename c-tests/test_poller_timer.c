// Timers of a poller.

#include "poller_support.h"

static void a_timer_ends_a_wait_in_its_time(void **state)
{
    (void)state;
    usocket_t p = OK(usocket_poller_create());
    int64_t begun = now_us();
    int64_t timer = OK(usocket_poller_arm_timer(p, 30 * MS, 42));
    assert_true(timer > 0 && timer < 1LL << 53);
    // Nothing is due yet, unless the machine is slow.
    usocket_event e;
    if (OK(usocket_poller_wait(p, &e, 1, 0)) == 0)
        e = one_event(p);
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
static void another_thread_sets_an_earlier_one(void **state)
{
    (void)state;
    usocket_t p = OK(usocket_poller_create());
    int64_t late = OK(usocket_poller_arm_timer(p, GENEROUS, 1));
    struct waiter w = {.poller = p};
    pthread_t thread;
    start_thread(&thread, wait_in_thread, &w);
    wait_until_inside(&w.thread);
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
    };
    return RUN(tests);
}
