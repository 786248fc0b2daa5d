// Polling: which of several handles can be used now.

#include "support.h"

static usocket_pollfd entry(usocket_t s, int events)
{
    return (usocket_pollfd){.socket = s, .events = events, .revents = 0x7fff};
}

static void readiness_of_every_kind(void **state)
{
    (void)state;
    FOR_EACH_KIND(k) {
        usocket_t pair[2];
        connected_pair(k->family, k->type, pair);
        usocket_pollfd p = entry(pair[0], POLLIN);
        GIVES(0, usocket_poll(&p, 1, 0));
        assert_int_equal(p.revents, 0);
        p = entry(pair[0], POLLIN | POLLOUT);
        GIVES(1, usocket_poll(&p, 1, -1));
        assert_int_equal(p.revents, POLLOUT);
        OK(usocket_send(pair[1], "x", 1, 0));
        GIVES(1, usocket_poll(&p, 1, 0));
        assert_int_equal(p.revents, POLLIN | POLLOUT);
        p = entry(pair[0], 0);
        GIVES(0, usocket_poll(&p, 1, 0));
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
}

static void listeners_and_connecting(void **state)
{
    (void)state;
    usocket_t listener = listening_socket(AF_INET, 1);
    usocket_pollfd p = entry(listener, POLLIN);
    GIVES(0, usocket_poll(&p, 1, 0));
    usocket_t client = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    OK(usocket_setblocking(client, 0));
    usocket_addr addr = name_of(listener);
    int64_t r = usocket_connect(client, &addr);
    assert_true(r == 0 || r == -EINPROGRESS);
    usocket_pollfd both[] = {entry(client, POLLOUT), entry(listener, POLLIN)};
    GIVES(1, usocket_poll(both, 1, GENEROUS));
    assert_int_equal(both[0].revents, POLLOUT);
    GIVES(1, usocket_poll(both + 1, 1, GENEROUS));
    assert_int_equal(both[1].revents, POLLIN);
    OK(usocket_close(client));
    OK(usocket_close(listener));
}

static void hang_ups_and_errors_come_unasked(void **state)
{
    (void)state;
    usocket_t pair[2];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    OK(usocket_close(pair[1]));
    usocket_pollfd p = entry(pair[0], 0);
    GIVES(1, usocket_poll(&p, 1, -1));
    assert_int_equal(p.revents, POLLHUP);
    p = entry(pair[0], POLLIN);
    GIVES(1, usocket_poll(&p, 1, -1));
    assert_true(p.revents & POLLIN);
    OK(usocket_close(pair[0]));
    // A reset.
    connected_pair(AF_INET, SOCK_STREAM, pair);
    struct linger now = {1, 0};
    OK(usocket_setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &now, sizeof now));
    OK(usocket_close(pair[1]));
    p = entry(pair[0], 0);
    GIVES(1, usocket_poll(&p, 1, GENEROUS));
    assert_true(p.revents & POLLERR);
    OK(usocket_close(pair[0]));
}

static void urgent_data(void **state)
{
    (void)state;
    usocket_t pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_send(pair[1], "!", 1, MSG_OOB));
    usocket_pollfd p = entry(pair[0], POLLPRI);
    GIVES(1, usocket_poll(&p, 1, GENEROUS));
    assert_int_equal(p.revents, POLLPRI);
    char c;
    GIVES(1, usocket_recv(pair[0], &c, 1, MSG_OOB));
    assert_int_equal(c, '!');
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void handles_and_descriptors_together(void **state)
{
    (void)state;
    usocket_t pair[2];
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    connected_pair(AF_INET, SOCK_DGRAM, pair);
    usocket_pollfd set[] = {
        {.socket = 0, .fd = fds[0], .events = POLLIN},
        {.socket = pair[0], .fd = -77, .events = POLLIN},
        {.socket = 0, .fd = -1, .events = POLLIN, .revents = 77}, // ignored
        {.socket = 0, .fd = 1 << 30, .events = POLLIN},           // not open
    };
    GIVES(0, usocket_poll(set, 3, 0));
    assert_int_equal(set[2].revents, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    OK(usocket_send(pair[1], "x", 1, 0));
    GIVES(3, usocket_poll(set, 4, GENEROUS));
    assert_int_equal(set[0].revents, POLLIN);
    assert_int_equal(set[1].revents, POLLIN);
    assert_int_equal(set[2].revents, 0);
    assert_int_equal(set[3].revents, POLLNVAL);
    // Only the answers were written.
    assert_int_equal(set[1].fd, -77);
    assert_int_equal(set[1].socket, pair[0]);
    assert_int_equal(set[1].events, POLLIN);
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
    close(fds[0]);
    close(fds[1]);
}

static void a_stale_handle_is_said_so_at_once(void **state)
{
    (void)state;
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0)), idle = bound_socket(AF_INET, SOCK_DGRAM);
    OK(usocket_close(s));
    usocket_pollfd set[] = {entry(idle, POLLIN), entry(s, POLLIN), entry(-5, POLLIN)};
    GIVES(2, usocket_poll(set, 3, -1));
    assert_int_equal(set[0].revents, 0);
    assert_int_equal(set[1].revents, POLLNVAL);
    assert_int_equal(set[2].revents, POLLNVAL);
    OK(usocket_close(idle));
}

static void a_timeout_in_microseconds(void **state)
{
    (void)state;
    usocket_t s = bound_socket(AF_INET, SOCK_DGRAM);
    usocket_pollfd p = entry(s, POLLIN);
    const int64_t timeouts[] = {1, 1500, 50 * MS};
    for (int i = 0; i < 3; i++) {
        int64_t began = now_us();
        GIVES(0, usocket_poll(&p, 1, timeouts[i]));
        assert_in_range(now_us() - began, timeouts[i], GENEROUS);
        assert_int_equal(p.revents, 0);
    }
    // With no entries it is a way to wait.
    int64_t began = now_us();
    GIVES(0, usocket_poll(NULL, 0, 10 * MS));
    assert_in_range(now_us() - began, 10 * MS, GENEROUS);
    OK(usocket_close(s));
}

static void more_entries_than_descriptors_is_einval(void **state)
{
    (void)state;
    // Documented; and memory for them must not be asked for first.
    usocket_pollfd one = {.fd = -1};
    GIVES(-EINVAL, usocket_poll(&one, SIZE_MAX / 2, 0));
}

// On both sides of what is polled without asking for memory.
static void many_at_once(void **state)
{
    (void)state;
    enum { MOST = 500 };
    static const int sizes[] = {1, 15, 16, 17, MOST};
    usocket_t pairs[MOST][2];
    usocket_pollfd set[MOST];
    struct rlimit most;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &most), 0);
    most.rlim_cur = most.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &most), 0);
    if (most.rlim_cur < 2 * MOST + 100)
        skip();
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        int n = sizes[k];
        for (int i = 0; i < n; i++) {
            OK(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]));
            set[i] = entry(pairs[i][0], POLLIN);
        }
        for (int i = 0; i < n; i += 7)
            OK(usocket_send(pairs[i][1], "x", 1, 0));
        GIVES((n + 6) / 7, usocket_poll(set, n, -1));
        for (int i = 0; i < n; i++) {
            assert_int_equal(set[i].revents, i % 7 ? 0 : POLLIN);
            OK(usocket_close(pairs[i][0]));
            OK(usocket_close(pairs[i][1]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readiness_of_every_kind),
        cmocka_unit_test(listeners_and_connecting),
        cmocka_unit_test(hang_ups_and_errors_come_unasked),
        cmocka_unit_test(urgent_data),
        cmocka_unit_test(handles_and_descriptors_together),
        cmocka_unit_test(a_stale_handle_is_said_so_at_once),
        cmocka_unit_test(a_timeout_in_microseconds),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(more_entries_than_descriptors_is_einval),
    };
    return RUN(tests);
}
