// A poller's descriptor in somebody else's loop, and those of queries and connections.

#include "poller_support.h"
#include "tls_support.h"

#include <sys/epoll.h>

// Everything that a wait would report makes it readable, in an epoll of the host.
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
    // The next wait reports events that do not fit.
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
    tls_pair(AF_INET, pair);
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
// With a timer after `delay`. False when this machine was too slow for that.
static bool outlives_another_epoll(int64_t delay)
{
    int64_t begun = now_us();
    usocket_t p = OK(usocket_poller_create()), pair[2];
    int fd = (int)OK(usocket_fileno(p)), host = epoll_create1(EPOLL_CLOEXEC), ends[2];
    struct epoll_event e = {.events = EPOLLIN};
    assert_int_equal(epoll_ctl(host, EPOLL_CTL_ADD, fd, &e), 0);
    OK(usocket_poller_arm_timer(p, delay, 8));
    assert_int_equal(pipe(ends), 0);
    int copy = dup(ends[0]);
    OK(usocket_poller_add_fd(p, ends[0], POLLIN, 1));
    close(ends[0]);
    assert_int_equal(write(ends[1], "x", 1), 1);
    one_event(p);
    if (now_us() - begun > delay / 2) {
        close(copy);
        close(ends[1]);
        close(host);
        OK(usocket_close(p));
        return false;
    }
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
    return true;
}

static void the_descriptor_outlives_another_epoll(void **state)
{
    (void)state;
    for (int64_t delay = 100 * MS; !outlives_another_epoll(delay); delay *= 4)
        assert_true(delay < GENEROUS);
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
        cmocka_unit_test(the_descriptor_says_what_a_wait_would_report),
        cmocka_unit_test(the_descriptor_knows_what_tls_has_decrypted),
        cmocka_unit_test(the_descriptor_outlives_another_epoll),
        cmocka_unit_test(queries_and_connections_have_one_too),
    };
    return RUN(tests);
}
