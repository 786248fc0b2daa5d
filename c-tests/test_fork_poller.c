// Pollers across a fork: in a child each is the child's own, with what was registered.

#include "support.h"

#include <sys/resource.h>
#include <sys/syscall.h>

// A descriptor that was closed without being taken out, and its number is a handle's by now.
static void a_dead_entry_does_not_hinder_a_childs_wait(void **state)
{
    (void)state;
    usocket_t poller = OK(usocket_poller_create()), pair[2];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    int dead = OK(fcntl(0, F_DUPFD_CLOEXEC, 0));
    close(dead);
    assert_int_equal(dead, dup(OK(usocket_fileno(pair[0]))));
    OK(usocket_poller_add_fd(poller, dead, POLLIN, 1));
    close(dead);
    usocket_t reuser = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    assert_int_equal(dead, OK(usocket_fileno(reuser)));
    OK(usocket_poller_add(poller, reuser, POLLIN, 2));
    OK(usocket_poller_add(poller, pair[1], POLLIN, 3));
    pid_t child = fork_child();
    if (child == 0) {
        usocket_event e[4];
        CHILD(usocket_poller_wait(poller, e, 4, 0) == 0);
        CHILD(usocket_send(pair[0], "x", 1, 0) == 1);
        CHILD(usocket_poller_wait(poller, e, 4, GENEROUS) == 1);
        CHILD(e[0].socket == pair[1] && e[0].data == 3);
        _exit(0);
    }
    child_ends_well(child);
    usocket_t all[] = {poller, reuser, pair[0], pair[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        OK(usocket_close(all[i]));
}

static void nested_pollers_report_in_a_child(void **state)
{
    (void)state;
    usocket_t outer = OK(usocket_poller_create()), inner = OK(usocket_poller_create()), pair[2];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    OK(usocket_poller_add(outer, inner, POLLIN, 1));
    OK(usocket_poller_add(inner, pair[0], POLLIN, 2));
    // In whatever order the child comes to use them, or something else takes their numbers.
    for (int order = 0; order < 3; order++) {
        pid_t child = fork_child();
        if (child == 0) {
            usocket_event e;
            if (order == 1)
                CHILD(usocket_poller_wait(inner, &e, 1, 0) == 0);
            if (order == 2)
                CHILD(usocket_poller_wait(outer, &e, 1, 0) == 0);
            for (int i = 0; i < 8; i++)
                CHILD(fcntl(0, F_DUPFD_CLOEXEC, 0) >= 0);
            CHILD(usocket_poller_wait(outer, &e, 1, 20 * MS) == 0);
            CHILD(usocket_send(pair[1], "x", 1, 0) == 1);
            CHILD(usocket_poller_wait(outer, &e, 1, GENEROUS) == 1);
            CHILD(e.socket == inner && e.data == 1);
            CHILD(usocket_poller_wait(inner, &e, 1, GENEROUS) == 1);
            CHILD(e.socket == pair[0] && e.data == 2);
            char c;
            CHILD(usocket_recv(pair[0], &c, 1, 0) == 1);
            CHILD(usocket_poller_wait(outer, &e, 1, 0) == 0);
            CHILD(usocket_poller_remove(inner, pair[0]) == 0);
            _exit(0);
        }
        child_ends_well(child);
    }
    usocket_event e;
    OK(usocket_send(pair[1], "x", 1, 0));
    GIVES(1, usocket_poller_wait(outer, &e, 1, GENEROUS));
    GIVES(1, usocket_poller_wait(inner, &e, 1, GENEROUS));
    usocket_t all[] = {outer, inner, pair[0], pair[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        OK(usocket_close(all[i]));
}

static void a_wake_is_its_own_processs(void **state)
{
    (void)state;
    usocket_t p = OK(usocket_poller_create());
    usocket_event e;
    pid_t child = fork_child();
    if (child == 0) {
        // Before the child's first wait.
        CHILD(usocket_poller_wake(p) == 0);
        CHILD(usocket_poller_wait(p, &e, 1, -1) == 0);
        CHILD(usocket_poller_wake(p) == 0);
        _exit(0);
    }
    child_ends_well(child);
    int64_t begun = now_us();
    GIVES(0, usocket_poller_wait(p, &e, 1, 50 * MS));
    assert_true(now_us() - begun >= 50 * MS);
    OK(usocket_close(p));
}

// A child's failure to get a resource is reported, and repaired as soon as possible.
static void a_child_without_descriptors_is_told(void **state)
{
    (void)state;
    usocket_t p = OK(usocket_poller_create()), pair[2];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    OK(usocket_poller_add(p, pair[0], POLLIN, 7));
    OK(usocket_send(pair[1], "x", 1, 0));
    pid_t child = fork_child();
    if (child == 0) {
        struct rlimit before, none;
        getrlimit(RLIMIT_NOFILE, &before);
        none = before;
        none.rlim_cur = 3;
        setrlimit(RLIMIT_NOFILE, &none);
        usocket_event e;
        CHILD(usocket_poller_wait(p, &e, 1, 0) == -EMFILE);
        CHILD(usocket_poller_wake(p) == -EMFILE);
        setrlimit(RLIMIT_NOFILE, &before);
        CHILD(usocket_poller_wait(p, &e, 1, 0) == 1 && e.data == 7);
        _exit(0);
    }
    child_ends_well(child);
    usocket_t all[] = {p, pair[0], pair[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        OK(usocket_close(all[i]));
}

// The system has no room for the child's registrations: that is no empty poller.
static void a_child_whose_registrations_are_refused_is_told(void **state)
{
    (void)state;
    if (!can_refuse()) {
        print_message("needs seccomp\n");
        skip();
    }
    usocket_t p = OK(usocket_poller_create()), pair[2];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    OK(usocket_poller_add(p, pair[0], POLLIN, 7));
    OK(usocket_send(pair[1], "x", 1, 0));
    pid_t child = fork_child();
    if (child == 0) {
        answer((const int[]){SYS_epoll_ctl}, 1, ENOSPC);
        usocket_event e;
        CHILD(usocket_poller_wait(p, &e, 1, 0) == -ENOSPC);
        CHILD(usocket_poller_wait(p, &e, 1, 0) == -ENOSPC);
        CHILD(usocket_close(p) == 0);
        _exit(0);
    }
    child_ends_well(child);
    usocket_event e;
    GIVES(1, usocket_poller_wait(p, &e, 1, 0));
    usocket_t all[] = {p, pair[0], pair[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        OK(usocket_close(all[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_entry_does_not_hinder_a_childs_wait),
        cmocka_unit_test(nested_pollers_report_in_a_child),
        cmocka_unit_test(a_wake_is_its_own_processs),
        cmocka_unit_test(a_child_without_descriptors_is_told),
        cmocka_unit_test(a_child_whose_registrations_are_refused_is_told),
    };
    return RUN(tests);
}
