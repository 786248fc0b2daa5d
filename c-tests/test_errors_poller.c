// Every error that the header documents for poll and pollers, made to happen.

#include "errors.h"

static void of_polls(void **state)
{
    (void)state;
    usocket_t pair[2];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    usocket_pollfd p = {.socket = pair[0], .events = POLLIN};
    GIVES(-EFAULT, usocket_poll(NULL, 1, 0));
    GIVES(-EINVAL, usocket_poll(&p, SIZE_MAX, 0));
    interrupted();
    GIVES(-EINTR, usocket_poll(&p, 1, GENEROUS));
    uninterrupted();
    CLOSE(pair[0], pair[1]);
}

static void of_pollers(void **state)
{
    (void)state;
    usocket_t pair[2], p = OK(usocket_poller_create()), s = tcp();
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    usocket_event event;
    OK(usocket_poller_add(p, pair[0], POLLIN, 0));
    GIVES(-EEXIST, usocket_poller_add(p, pair[0], POLLIN, 0));
    GIVES(-EINVAL, usocket_poller_add(p, s, 0, 0));
    GIVES(-EINVAL, usocket_poller_add(p, p, POLLIN, 0));
    GIVES(-EINVAL, usocket_poller_modify(p, pair[0], 1 << 24, 0));
    GIVES(-EBADF, usocket_poller_add_fd(p, -1, POLLIN, 0));
    GIVES(-ENOENT, usocket_poller_modify(p, s, POLLIN, 0));
    GIVES(-ENOENT, usocket_poller_remove(p, s));
    GIVES(-EINVAL, usocket_poller_wait(p, &event, 0, 0));
    GIVES(-EFAULT, usocket_poller_wait(p, NULL, 1, 0));
    GIVES(-EBADR, usocket_poller_add(s, pair[0], POLLIN, 0));
    GIVES(-EBADR, usocket_poller_modify(s, pair[0], POLLIN, 0));
    GIVES(-EBADR, usocket_poller_remove(s, pair[0]));
    GIVES(-EBADR, usocket_poller_wait(s, &event, 1, 0));
    GIVES(-EBADR, usocket_poller_wake(s));
    int fd = (int)OK(usocket_fileno(pair[1]));
    OK(usocket_poller_add_fd(p, fd, POLLIN, 0));
    GIVES(-EEXIST, usocket_poller_add_fd(p, fd, POLLIN, 0));
    GIVES(-EINVAL, usocket_poller_modify_fd(p, fd, POLLIN | USOCKET_POLLER_EXCLUSIVE, 0));
    GIVES(-EBADR, usocket_poller_add_fd(s, fd, POLLIN, 0));
    GIVES(-EBADR, usocket_poller_modify_fd(s, fd, POLLIN, 0));
    GIVES(-EBADR, usocket_poller_remove_fd(s, fd));
    // Nested: in a ring, and too deep.
    usocket_t nest[7] = {p};
    for (int i = 1; i < 7; i++)
        nest[i] = OK(usocket_poller_create());
    OK(usocket_poller_add(nest[1], p, POLLIN, 0));
    GIVES(-ELOOP, usocket_poller_add(p, nest[1], POLLIN, 0));
    GIVES(-ELOOP, usocket_poller_add_fd(p, (int)OK(usocket_fileno(nest[1])), POLLIN, 0));
    for (int i = 2; i < 5; i++)
        OK(usocket_poller_add(nest[i], nest[i - 1], POLLIN, 0));
    GIVES(-ELOOP, usocket_poller_add(nest[5], nest[4], POLLIN, 0));
    interrupted();
    GIVES(-EINTR, usocket_poller_wait(p, &event, 1, GENEROUS));
    uninterrupted();
    usocket_t connecting = OK(usocket_connection_create("127.0.0.1", "1", -1, NULL));
    pid_t child = fork();
    if (child == 0) {
        use_all_descriptors();
        CHILD_GIVES(-EMFILE, usocket_poller_create());
        CHILD_GIVES(-EMFILE, usocket_poller_wait(p, &event, 1, 0));
        CHILD_GIVES(-EMFILE, usocket_poller_wake(p));
        CHILD_GIVES(-EMFILE, usocket_poller_arm_timer(p, 1, 0));
        CHILD_GIVES(-EMFILE, usocket_fileno(p));
        CHILD_GIVES(-EPERM, usocket_fileno(connecting));
        _exit(0);
    }
    child_ends_well(child);
    close_all(nest, 7);
    CLOSE(pair[0], pair[1], s, connecting);
    GIVES(-EBADF, usocket_poller_add(p, s, POLLIN, 0));
    GIVES(-EBADF, usocket_poller_modify(p, s, POLLIN, 0));
    GIVES(-EBADF, usocket_poller_remove(p, s));
    GIVES(-EBADF, usocket_poller_wait(p, &event, 1, 0));
    GIVES(-EBADF, usocket_poller_wake(p));
}

static void of_the_library(void **state)
{
    (void)state;
    usocket_t s = tcp();
    GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_handshake(s));
    GIVES(-EINVAL, usocket_addr_ip(AF_INET, "localhost", 1, 0, 0, &(usocket_addr){0}));
    assert_true(OK(usocket_error_detail(0, buf, sizeof buf)) > 0);
    GIVES(-ENOSPC, usocket_error_detail(0, buf, 1));
    GIVES(-EFAULT, usocket_error_detail(0, NULL, 1));
    GIVES(-EINVAL, usocket_error_detail(0, buf, SIZE_MAX));
    CLOSE(s);
    GIVES(-EBADF, usocket_error_detail(s, buf, sizeof buf));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_polls),
        cmocka_unit_test(of_pollers),
        cmocka_unit_test(of_the_library),
    };
    return RUN(tests);
}
