// Fork beside a close: a child finishes the close that its parent had begun, and no fork waits for one.

#include "inside.h"

// The parent's close was under way at the fork: its thread's descriptor is not left in the child.
static void what_the_parent_was_closing_is_closed_in_the_child(void **state)
{
    (void)state;
    usocket_t pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    struct inside in = {.handle = pair[0], .operation = in_recv};
    begin(&in);
    int before = open_descriptors();
    pid_t child = fork_child();
    if (child == 0) {
        CHILD(usocket_close(pair[0]) == 0);
        CHILD(usocket_close(pair[1]) == 0);
        CHILD(open_descriptors() == before - 2);
        _exit(0);
    }
    child_ends_well(child);
    OK(usocket_close(pair[0]));
    GIVES(-EBADF, end(&in));
    OK(usocket_close(pair[1]));
}

// A close that another thread has yet to finish when the fork comes: the child finishes it.
static void a_close_under_way_leaves_no_descriptor_in_the_child(void **state)
{
    (void)state;
    FOR_ROUNDS (i, 300) {
        usocket_t pair[2];
        connected_pair(AF_UNIX, SOCK_STREAM, pair);
        int fd = OK(usocket_fileno(pair[0]));
        struct inside in = {.handle = pair[0], .operation = in_recv};
        begin(&in);
        OK(usocket_close(pair[0]));
        pid_t child = fork_child();
        if (child == 0) {
            CHILD(usocket_close(pair[1]) == 0);
            CHILD(fcntl(fd, F_GETFD) == -1);
            _exit(0);
        }
        child_ends_well(child);
        GIVES(-EBADF, end(&in));
        OK(usocket_close(pair[1]));
    }
}

static int64_t in_close(struct inside *in)
{
    return usocket_close(in->handle);
}

// With SO_LINGER a close waits for the peer: no fork waits for that, wherever it was set.
static void no_fork_waits_for_the_close(usocket_t pair[2])
{
    static char bytes[1 << 20];
    OK(usocket_settimeout(pair[0], 100 * MS));
    while (usocket_send(pair[0], bytes, sizeof bytes, 0) > 0) {
    }
    OK(usocket_settimeout(pair[0], -1));
    int before = open_descriptors();
    struct inside in = {.handle = pair[0], .operation = in_close};
    pthread_create(&in.id, NULL, run_inside, &in);
    while (open_descriptors() == before)
        usleep(1000);
    // A fork gives up after a second. (A busy machine may be as late, but not each time.)
    int64_t quickest = GENEROUS;
    for (int tries = 0; tries < 5 && quickest > 900 * MS; tries++) {
        int64_t begun = now_us();
        pid_t child = fork_child();
        if (child == 0) {
            CHILD(usocket_close(pair[1]) == 0);
            CHILD(open_descriptors() == before - 2);
            _exit(0);
        }
        int64_t took = now_us() - begun;
        quickest = took < quickest ? took : quickest;
        child_ends_well(child);
    }
    assert_true(quickest < 900 * MS);
    OK(usocket_close(pair[1]));
    pthread_join(in.id, NULL);
    OK(in.result);
}

static const struct linger LINGER = {1, 60};

static void a_fork_does_not_wait_for_a_close_that_lingers(void **state)
{
    (void)state;
    usocket_t pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &LINGER, sizeof LINGER));
    no_fork_waits_for_the_close(pair);
}

static void nor_for_one_that_lingers_unbeknown(void **state)
{
    (void)state;
    usocket_t pair[2];
    // By the descriptor,
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(setsockopt((int)OK(usocket_fileno(pair[0])), SOL_SOCKET, SO_LINGER, &LINGER, sizeof LINGER));
    no_fork_waits_for_the_close(pair);
    // by another handle of it,
    connected_pair(AF_INET, SOCK_STREAM, pair);
    usocket_t dup = OK(usocket_dup(pair[0]));
    OK(usocket_setsockopt(dup, SOL_SOCKET, SO_LINGER, &LINGER, sizeof LINGER));
    OK(usocket_close(dup));
    no_fork_waits_for_the_close(pair);
    // by a child.
    connected_pair(AF_INET, SOCK_STREAM, pair);
    pid_t child = fork_child();
    if (child == 0)
        _exit(usocket_setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &LINGER, sizeof LINGER) == 0 ? 0 : 1);
    child_ends_well(child);
    no_fork_waits_for_the_close(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_parent_was_closing_is_closed_in_the_child),
        cmocka_unit_test(a_close_under_way_leaves_no_descriptor_in_the_child),
        cmocka_unit_test(a_fork_does_not_wait_for_a_close_that_lingers),
        cmocka_unit_test(nor_for_one_that_lingers_unbeknown),
    };
    return RUN(tests);
}
