// The poller: many handles registered once. Its wait has test_poller_wait.c, its timers
// test_poller_timer.c, its descriptor test_poller_fd.c.

#include "poller_support.h"

#include <sys/epoll.h>
#include <sys/syscall.h>

static void every_kind_of_socket(void **state)
{
    (void)state;
    FOR_EACH_KIND(k) {
        usocket_t p = new_poller(), pair[2];
        connected_pair(k->family, k->type, pair);
        OK(usocket_poller_add(p, pair[0], POLLIN, 42));
        no_event(p);
        OK(usocket_send(pair[1], "x", 1, 0));
        usocket_event e = one_event(p);
        assert_int_equal(e.socket, pair[0]);
        assert_int_equal(e.fd, -1);
        assert_int_equal(e.data, 42);
        assert_int_equal(e.events, POLLIN);
        one_event(p); // Level-triggered.
        OK(usocket_poller_modify(p, pair[0], POLLIN | POLLOUT, 43));
        e = one_event(p);
        assert_int_equal(e.data, 43);
        assert_int_equal(e.events, POLLIN | POLLOUT);
        OK(usocket_poller_remove(p, pair[0]));
        no_event(p);
        GIVES(-ENOENT, usocket_poller_remove(p, pair[0]));
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
        OK(usocket_close(p));
    }
}

static void one_shot_and_edge(void **state)
{
    (void)state;
    usocket_t p = new_poller(), pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_poller_add(p, pair[0], POLLOUT | USOCKET_POLLER_ONESHOT, 1));
    one_event(p);
    no_event(p);
    OK(usocket_poller_modify(p, pair[0], POLLIN | USOCKET_POLLER_EDGE, 2));
    no_event(p);
    OK(usocket_send(pair[1], "x", 1, 0));
    assert_int_equal(one_event(p).data, 2);
    no_event(p);
    OK(usocket_send(pair[1], "x", 1, 0));
    one_event(p);
    // A mask of POLLERR alone asks for what comes unasked.
    OK(usocket_poller_modify(p, pair[0], POLLERR, 3));
    no_event(p);
    struct linger now = {1, 0};
    OK(usocket_setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &now, sizeof now));
    OK(usocket_close(pair[1]));
    assert_true(one_event(p).events & POLLERR);
    OK(usocket_close(pair[0]));
    OK(usocket_close(p));
}

static void plain_descriptors_and_other_objects(void **state)
{
    (void)state;
    usocket_t p = new_poller(), inner = new_poller(), pair[2];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    OK(usocket_poller_add_fd(p, ends[0], POLLIN, 7));
    no_event(p);
    assert_int_equal(write(ends[1], "x", 1), 1);
    usocket_event e = one_event(p);
    assert_int_equal(e.socket, 0);
    assert_int_equal(e.fd, ends[0]);
    assert_int_equal(e.data, 7);
    OK(usocket_poller_remove_fd(p, ends[0]));
    close(ends[0]);
    close(ends[1]);
    // A poller in a poller.
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    OK(usocket_poller_add(inner, pair[0], POLLIN, 1));
    OK(usocket_poller_add(p, inner, POLLIN, 2));
    no_event(p);
    OK(usocket_send(pair[1], "x", 1, 0));
    assert_int_equal(one_event(p).socket, inner);
    usocket_pollfd q = {.socket = p, .events = POLLIN};
    GIVES(1, usocket_poll(&q, 1, 0));
    assert_int_equal(q.revents, POLLIN);
    // A name that is being asked for.
    usocket_t query = OK(usocket_query_create("localhost", "80", 0, SOCK_STREAM, 0, 0));
    OK(usocket_poller_remove(p, inner));
    OK(usocket_poller_add(p, query, POLLIN | POLLNVAL, 3));
    assert_int_equal(one_event(p).socket, query);
    OK(usocket_close(query));
    assert_int_equal(one_event(p).events, POLLNVAL);
    OK(usocket_close(inner));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
    OK(usocket_close(p));
}

static void bad_input_has_a_code_each(void **state)
{
    (void)state;
    usocket_t p = new_poller(), pair[2];
    usocket_event e;
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    uint32_t masks[] = {0, USOCKET_POLLER_ONESHOT, USOCKET_POLLER_EDGE, POLLIN | 0x01000000u, UINT32_MAX};
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        GIVES(-EINVAL, usocket_poller_add(p, pair[0], masks[i], 0));
    }
    GIVES(-EINVAL, usocket_poller_add(p, p, POLLIN, 0));
    GIVES(-EBADR, usocket_poller_add(pair[0], pair[1], POLLIN, 0));
    GIVES(-EBADR, usocket_poller_wait(pair[0], &e, 1, 0));
    GIVES(-EBADR, usocket_poller_wake(pair[0]));
    GIVES(-ENOTSOCK, usocket_send(p, "x", 1, 0));
    GIVES(-ENOTSOCK, usocket_detach(p));
    GIVES(-EBADF, usocket_poller_add_fd(p, -1, POLLIN, 0));
    GIVES(-EBADF, usocket_poller_add_fd(p, 1 << 20, POLLIN, 0));
    GIVES(-EINVAL, usocket_poller_wait(p, &e, 0, 0));
    GIVES(-EFAULT, usocket_poller_wait(p, NULL, 1, 0));
    GIVES(-ENOENT, usocket_poller_modify(p, pair[0], POLLIN, 0));
    OK(usocket_poller_add(p, pair[0], POLLIN, 0));
    GIVES(-EEXIST, usocket_poller_add(p, pair[0], POLLIN, 0));
    OK(usocket_close(pair[0]));
    GIVES(-EBADF, usocket_poller_add(p, pair[0], POLLIN, 0));
    GIVES(-EBADF, usocket_poller_modify(p, pair[0], POLLIN, 0));
    GIVES(-EBADF, usocket_poller_remove(p, pair[0]));
    OK(usocket_close(pair[1]));
    OK(usocket_close(p));
    GIVES(-EBADF, usocket_poller_wait(p, &e, 1, 0));
}

// Gone without a word, or, where the registration asks for it, with one last event.
static void a_closed_handle_is_gone_and_brings_no_stranger(void **state)
{
    (void)state;
    for (int with = 0; with < 4; with++) {
        bool with_dup = with & 1, told = with & 2;
        usocket_t p = new_poller(), pair[2], stranger[2];
        connected_pair(AF_INET, SOCK_STREAM, pair);
        usocket_t dup = with_dup ? OK(usocket_dup(pair[0])) : 0;
        int fd = OK(usocket_fileno(pair[0]));
        OK(usocket_poller_add(p, pair[0], told ? POLLIN | POLLNVAL : POLLIN, 9));
        if (with_dup)
            OK(usocket_send(pair[1], "x", 1, 0)); // Ready when it is closed.
        OK(usocket_close(pair[0]));
        // The descriptor's number comes back, in somebody else's hands, and is readable.
        OK(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, stranger));
        assert_true(fd == usocket_fileno(stranger[0]) || fd == usocket_fileno(stranger[1]));
        OK(usocket_send(stranger[0], "x", 1, 0));
        OK(usocket_send(stranger[1], "x", 1, 0));
        if (with_dup)
            OK(usocket_send(pair[1], "x", 1, 0));
        if (told) {
            usocket_event e = one_event(p);
            assert_int_equal(e.socket, pair[0]);
            assert_int_equal(e.events, POLLNVAL);
            assert_int_equal(e.data, 9);
        }
        no_event(p);
        if (with_dup)
            OK(usocket_close(dup));
        OK(usocket_close(pair[1]));
        OK(usocket_close(stranger[0]));
        OK(usocket_close(stranger[1]));
        OK(usocket_close(p));
    }
}

// An event reported once is not reported again, not even after a close.
static void one_shot_means_it(void **state)
{
    (void)state;
    usocket_t p = new_poller(), pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    uint32_t once = POLLOUT | POLLNVAL | USOCKET_POLLER_ONESHOT;
    for (int i = 0; i < 2; i++)
        OK(usocket_poller_add(p, pair[i], once, (uint64_t)i));
    usocket_event e[4];
    GIVES(2, usocket_poller_wait(p, e, 4, GENEROUS));
    OK(usocket_poller_modify(p, pair[1], (once & ~(uint32_t)POLLOUT) | POLLIN, 7));
    OK(usocket_close(pair[0]));
    assert_int_equal(one_event(p).data, 7); // The other, whose peer has gone; and nothing else.
    OK(usocket_poller_modify(p, pair[1], POLLPRI | POLLNVAL | USOCKET_POLLER_ONESHOT, 8));
    OK(usocket_close(p));
    OK(usocket_close(pair[1]));
}

// The descriptor goes on without the library: a wait for the handle is notified.
static void a_detached_handle_is_invalid_once(void **state)
{
    (void)state;
    usocket_t p = new_poller(), pair[2];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    OK(usocket_poller_add(p, pair[0], POLLIN | POLLNVAL, 7));
    int fd = (int)OK(usocket_detach(pair[0]));
    usocket_event e = one_event(p);
    assert_int_equal(e.events, POLLNVAL);
    assert_int_equal(e.data, 7);
    assert_int_equal(e.socket, pair[0]);
    OK(usocket_send(pair[1], "x", 1, 0)); // The poller does not report this any more.
    no_event(p);
    close(fd);
    OK(usocket_close(pair[1]));
    OK(usocket_close(p));
}

// A child that closes what it inherited must not take the parent's registrations away, and can
// use the poller itself.
static void fork_keeps_both_sides_working(void **state)
{
    (void)state;
    usocket_t p = new_poller(), pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_poller_add(p, pair[0], POLLIN, 1));
    pid_t child = fork();
    if (child == 0) {
        CHILD(usocket_close(pair[0]) == 0);
        _exit(0);
    }
    child_ends_well(child);
    no_event(p);
    OK(usocket_send(pair[1], "x", 1, 0));
    one_event(p);
    child = fork();
    if (child == 0) {
        usocket_event e;
        CHILD(usocket_poller_wait(p, &e, 1, GENEROUS) == 1);
        CHILD(e.socket == pair[0] && e.events == POLLIN);
        CHILD(usocket_poller_remove(p, pair[0]) == 0);
        CHILD(usocket_poller_wait(p, &e, 1, 0) == 0);
        CHILD(usocket_poller_wake(p) == 0);
        _exit(0);
    }
    child_ends_well(child);
    // Neither its removal nor its wake reached us.
    usocket_event e;
    GIVES(1, usocket_poller_wait(p, &e, 1, GENEROUS));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
    OK(usocket_close(p));
}

// Wrapped, a socket that was registered as exclusive is registered anew. Where the system has no room for
// that, a wait says so: it would never hear of the socket again.
static void what_cannot_be_registered_anew_is_told(void **state)
{
    (void)state;
    if (!can_refuse() || !has_tls()) {
        print_message("needs seccomp, and TLS\n");
        skip();
    }
    usocket_t p = new_poller(), pair[2], context = OK(usocket_tls_context_create(USOCKET_TLS_CLIENT));
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_poller_add(p, pair[0], POLLIN | USOCKET_POLLER_EXCLUSIVE, 1));
    pid_t child = fork_child();
    if (child == 0) {
        usocket_event e;
        CHILD(usocket_poller_wait(p, &e, 1, 0) == 0); // From now on it is the child's.
        answer_when(SYS_epoll_ctl, 1, EPOLL_CTL_ADD, ENOSPC);
        CHILD(usocket_tls_wrap(pair[0], context, "localhost", 0) == 0);
        CHILD(usocket_poller_wait(p, &e, 1, MS) == -ENOSPC);
        CHILD(usocket_close(p) == 0);
        _exit(0);
    }
    child_ends_well(child);
    OK(usocket_close(context));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
    OK(usocket_close(p));
}

static void nothing_is_left_behind(void **state)
{
    (void)state;
    int before = open_descriptors();
    for (int i = 0; i < 1000; i++) {
        usocket_t p = new_poller(), pair[2];
        connected_pair(AF_UNIX, SOCK_STREAM, pair);
        OK(usocket_poller_add(p, pair[0], POLLIN, 1));
        // In either order.
        OK(usocket_close(i % 2 ? p : pair[0]));
        OK(usocket_close(i % 2 ? pair[0] : p));
        OK(usocket_close(pair[1]));
    }
    assert_int_equal(open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_socket),
        cmocka_unit_test(one_shot_and_edge),
        cmocka_unit_test(plain_descriptors_and_other_objects),
        cmocka_unit_test(bad_input_has_a_code_each),
        cmocka_unit_test(a_closed_handle_is_gone_and_brings_no_stranger),
        cmocka_unit_test(one_shot_means_it),
        cmocka_unit_test(a_detached_handle_is_invalid_once),
        cmocka_unit_test(fork_keeps_both_sides_working),
        cmocka_unit_test(what_cannot_be_registered_anew_is_told),
        cmocka_unit_test(nothing_is_left_behind),
    };
    return RUN(tests);
}
