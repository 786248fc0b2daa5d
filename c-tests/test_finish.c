// The end of the library's work: no threads, nothing open; and a new beginning.

#include "tls_support.h"

#include <dirent.h>

static int threads(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *d; (d = readdir(dir));)
        n += d->d_name[0] != '.';
    closedir(dir);
    return n;
}

// A thread that was joined may be listed for a moment yet.
static void threads_are(int want)
{
    int64_t end = now_us() + GENEROUS;
    while (threads() != want && now_us() < end)
        usleep(1000);
    assert_int_equal(threads(), want);
}

static void *wait_for_ever(void *s)
{
    char c;
    return (void *)(intptr_t)usocket_recv(*(usocket_t *)s, &c, 1, 0);
}

static void use_everything(usocket_t pair[2])
{
    usocket_addr nobody;
    usocket_addrinfo *list;
    connected_pair(AF_INET, SOCK_STREAM, pair);
    usocket_poller_t p = OK(usocket_poller_create());
    OK(usocket_poller_add(p, pair[0], POLLIN, 1));
    OK(usocket_poller_arm_timer(p, GENEROUS, 2));
    OK(usocket_fileno(p));
    context(USOCKET_TLS_CLIENT);
    // A connection and a query that have threads run for them, and come to no end soon.
    usocket_t clients[64], full;
    full_listener(AF_INET, &full, clients, 64);
    nobody = name_of(full);
    char port[8];
    snprintf(port, sizeof port, "%d", (int)OK(usocket_addr_port(&nobody)));
    OK(usocket_connection_create("127.0.0.1", port, GENEROUS, NULL));
    OK(usocket_getaddrinfo("localhost", "80", 0, SOCK_STREAM, 0, 0, GENEROUS, &list));
    OK(usocket_freeaddrinfo(list));
}

static void nothing_runs_and_nothing_is_open(void **state)
{
    (void)state;
    GIVES(0, usocket_finish(0)); // There was nothing.
    int before = open_descriptors(), alone = threads();
    for (int round = 0; round < 5; round++) {
        usocket_t pair[2];
        use_everything(pair);
        pthread_t thread;
        void *result;
        start_thread(&thread, wait_for_ever, &pair[0]);
        GIVES(0, usocket_finish(GENEROUS));
        pthread_join(thread, &result);
        // Or the other end was closed first.
        assert_true((intptr_t)result == -EBADF || (intptr_t)result == 0);
        threads_are(alone);
        assert_int_equal(open_descriptors(), before);
        GIVES(-EBADF, usocket_close(pair[0])); // For ever.
    }
}

static int32_t finish_within(void *result)
{
    *(int32_t *)result = usocket_finish(0);
    return 1;
}

static void not_from_within_a_hook(void **state)
{
    (void)state;
    int32_t result = 77;
    usocket_t pair[2];
    char c;
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_set_event_hook(finish_within, &result));
    alarms(20 * MS, true);
    GIVES(-EINTR, usocket_recv(pair[0], &c, 1, 0));
    alarms(0, false);
    assert_int_equal(result, -EDEADLK);
    GIVES(0, usocket_finish(GENEROUS));
}

static void in_a_child_as_well(void **state)
{
    (void)state;
    if (getenv("USOCKET_TEST_MEMCHECK")) {
        print_message("a child has what the parent's threads keep on their stacks, and no pointer to it\n");
        skip();
    }
    usocket_t pair[2];
    use_everything(pair);
    pid_t child = fork();
    if (child == 0) {
        char c;
        CHILD(usocket_finish(GENEROUS) == 0);
        CHILD(usocket_recv(pair[0], &c, 1, 0) == -EBADF);
        _exit(0);
    }
    child_ends_well(child);
    OK(usocket_send(pair[0], "x", 1, 0)); // The parent's is not touched.
    char c;
    GIVES(1, usocket_recv(pair[1], &c, 1, 0));
    GIVES(0, usocket_finish(GENEROUS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_runs_and_nothing_is_open),
        cmocka_unit_test(not_from_within_a_hook),
        cmocka_unit_test(in_a_child_as_well),
    };
    return RUN(tests);
}
