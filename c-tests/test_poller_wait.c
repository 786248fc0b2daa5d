// A poller's wait: its end, its events, and the distribution among several waits.

#include "poller_support.h"

static void timers_and_sockets_share_the_room(void **state)
{
    (void)state;
    enum { PAIRS = 4, ROOM = 3 };
    usocket_t pairs[PAIRS][2], p = usocket_poller_create();
    for (int turn = 0; turn < 8; turn++) {
        for (int i = 0; i < PAIRS; i++)
            assert_true(usocket_poller_arm_timer(p, 0, 0) > 0);
        for (int i = 0; turn == 0 && i < PAIRS; i++) {
            connected_pair(AF_INET, SOCK_STREAM, pairs[i]);
            GIVES(0, usocket_poller_add(p, pairs[i][0], POLLOUT, 0));
        }
        usocket_event e[ROOM + PAIRS];
        memset(e, 0xff, sizeof e);
        GIVES(ROOM, usocket_poller_wait(p, e, ROOM, GENEROUS));
        for (int i = ROOM; i < ROOM + PAIRS; i++)
            assert_int_equal(e[i].events, UINT32_MAX);
    }
    for (int i = 0; i < 2 * PAIRS; i++)
        GIVES(0, usocket_close(pairs[i / 2][i % 2]));
    GIVES(0, usocket_close(p));
}

static void another_thread_ends_a_wait(void **state)
{
    (void)state;
    enum { WAKE, CLOSE_POLLER, CLOSE_SOCKET, CLOSE_WITHOUT_A_WORD, ADD_READY, ENDS };
    for (int end = 0; end < ENDS; end++) {
        usocket_t p = new_poller(), pair[2];
        connected_pair(AF_INET, SOCK_STREAM, pair);
        OK(usocket_poller_add(p, pair[0], end == CLOSE_SOCKET ? POLLIN | POLLNVAL : POLLIN, 5));
        struct waiter w = {.poller = p};
        pthread_t thread;
        start_thread(&thread, wait_in_thread, &w);
        wait_until_inside(&w.thread);
        switch (end) {
        case WAKE: OK(usocket_poller_wake(p)); break;
        case CLOSE_POLLER: OK(usocket_close(p)); break;
        case CLOSE_SOCKET: OK(usocket_close(pair[0])); break;
        case CLOSE_WITHOUT_A_WORD: OK(usocket_close(pair[0])); OK(usocket_poller_wake(p)); break;
        case ADD_READY: OK(usocket_poller_add(p, pair[1], POLLOUT, 6)); break;
        }
        pthread_join(thread, NULL);
        assert_int_equal(w.result, end == WAKE || end == CLOSE_WITHOUT_A_WORD ? 0 : end == CLOSE_POLLER ? -EBADF : 1);
        if (end == CLOSE_SOCKET)
            assert_int_equal(w.event.events, POLLNVAL);
        if (end == ADD_READY)
            assert_int_equal(w.event.data, 6);
        if (end != CLOSE_POLLER)
            OK(usocket_close(p));
        if (end != CLOSE_SOCKET && end != CLOSE_WITHOUT_A_WORD)
            OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
}

static void a_wait_keeps_its_time(void **state)
{
    (void)state;
    usocket_t p = new_poller();
    usocket_event e;
    int64_t begun = now_us();
    GIVES(0, usocket_poller_wait(p, &e, 1, 30 * MS));
    assert_true(now_us() - begun >= 30 * MS);
    OK(usocket_poller_wake(p)); // One before the wait counts for it.
    GIVES(0, usocket_poller_wait(p, &e, 1, -1));
    begun = now_us();
    GIVES(0, usocket_poller_wait(p, &e, 1, 30 * MS)); // And for no other.
    assert_true(now_us() - begun >= 30 * MS);
    OK(usocket_close(p));
}

// The end is for all who wait, however many there are.
static void closing_ends_every_wait(void **state)
{
    (void)state;
    enum { WAITERS = 4 };
    for (int round = 0; round < 20; round++) {
        struct waiter w[WAITERS] = {0};
        pthread_t threads[WAITERS];
        usocket_t p = new_poller();
        for (int i = 0; i < WAITERS; i++) {
            w[i].poller = p;
            start_thread(&threads[i], wait_in_thread, &w[i]);
        }
        for (int i = 0; i < WAITERS; i++)
            wait_until_inside(&w[i].thread);
        OK(usocket_close(p));
        for (int i = 0; i < WAITERS; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(w[i].result, -EBADF);
        }
    }
}

// A listener in four pollers: its event is not for all of them, but no connection is left lying.
static void an_exclusive_registration(void **state)
{
    (void)state;
    enum { POLLERS = 4 };
    usocket_t p[POLLERS], listener = listening_socket(AF_INET, 8);
    struct waiter w[POLLERS] = {0};
    pthread_t threads[POLLERS];
    for (int i = 0; i < POLLERS; i++) {
        p[i] = w[i].poller = new_poller();
        OK(usocket_poller_add(p[i], listener, POLLIN | USOCKET_POLLER_EXCLUSIVE, 1));
        start_thread(&threads[i], wait_in_thread, &w[i]);
    }
    for (int i = 0; i < POLLERS; i++)
        wait_until_inside(&w[i].thread);
    usocket_t client = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    usocket_addr addr;
    OK(usocket_getsockname(listener, &addr));
    OK(usocket_connect(client, &addr));
    int told = 0;
    for (int i = 0; i < POLLERS; i++) {
        OK(usocket_poller_wake(p[i]));
        pthread_join(threads[i], NULL);
        told += w[i].result == 1;
    }
    assert_in_range(told, 1, POLLERS - 1);
    OK(usocket_close(OK(usocket_accept(listener, NULL))));
    // It is changed by taking it out; and it is not for everything.
    GIVES(-EINVAL, usocket_poller_modify(p[0], listener, POLLIN, 2));
    OK(usocket_poller_remove(p[0], listener));
    OK(usocket_poller_add(p[0], listener, POLLIN, 2));
    GIVES(-EINVAL, usocket_poller_modify(p[0], listener, POLLIN | USOCKET_POLLER_EXCLUSIVE, 2));
    GIVES(-EINVAL, usocket_poller_add(p[0], client, POLLPRI | USOCKET_POLLER_EXCLUSIVE, 2));
    uint32_t once = POLLIN | USOCKET_POLLER_EXCLUSIVE | USOCKET_POLLER_ONESHOT;
    GIVES(-EINVAL, usocket_poller_add(p[0], client, once, 2));
    GIVES(-EINVAL, usocket_poller_add(p[0], p[1], POLLIN | USOCKET_POLLER_EXCLUSIVE, 2));
    for (int i = 0; i < POLLERS; i++)
        OK(usocket_close(p[i]));
    OK(usocket_close(client));
    OK(usocket_close(listener));
}

static void more_ready_than_fit(void **state)
{
    (void)state;
    enum { N = 40 };
    usocket_t p = new_poller(), pairs[N][2];
    for (int i = 0; i < N; i++) {
        connected_pair(AF_UNIX, SOCK_STREAM, pairs[i]);
        OK(usocket_poller_add(p, pairs[i][0], POLLOUT | USOCKET_POLLER_ONESHOT, (uint64_t)i));
    }
    bool seen[N] = {false};
    for (int got = 0; got < N;) {
        usocket_event e[7];
        int n = (int)OK(usocket_poller_wait(p, e, 7, GENEROUS));
        assert_true(n > 0);
        for (int i = 0; i < n; i++, got++) {
            assert_false(seen[e[i].data]);
            seen[e[i].data] = true;
        }
    }
    no_event(p);
    for (int i = 0; i < N; i++) {
        OK(usocket_close(pairs[i][0]));
        OK(usocket_close(pairs[i][1]));
    }
    OK(usocket_close(p));
}

// One wait reports all that are ready and fit, whether it may sleep or not.
static void all_that_fit_come_at_once(void **state)
{
    (void)state;
    enum { N = 300 };
    usocket_t p = new_poller(), pairs[N][2];
    for (int i = 0; i < N; i++) {
        GIVES(0, usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]));
        OK(usocket_poller_add(p, pairs[i][0], POLLOUT, (uint64_t)i));
    }
    static usocket_event e[2 * N];
    int rooms[] = {1, 63, 64, 65, 255, 256, 257, N, 2 * N};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        int want = rooms[i] < N ? rooms[i] : N;
        for (int turn = 0; turn < 3; turn++) {
            GIVES(want, usocket_poller_wait(p, e, (size_t)rooms[i], 0));
            GIVES(want, usocket_poller_wait(p, e, (size_t)rooms[i], GENEROUS));
        }
    }
    for (int i = 0; i < N; i++) {
        OK(usocket_close(pairs[i][0]));
        OK(usocket_close(pairs[i][1]));
    }
    OK(usocket_close(p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_thread_ends_a_wait),
        cmocka_unit_test(a_wait_keeps_its_time),
        cmocka_unit_test(all_that_fit_come_at_once),
        cmocka_unit_test(closing_ends_every_wait),
        cmocka_unit_test(an_exclusive_registration),
        cmocka_unit_test(more_ready_than_fit),
        cmocka_unit_test(timers_and_sockets_share_the_room),
    };
    return RUN(tests);
}
