// Fork while threads do everything at once: each child can do everything, and no thread of the parent's
// notices.

#include "inside.h"

#include <stdatomic.h>

static atomic_bool stop;
static usocket_t storm_poller, storm_listener, storm_echo[2], storm_idle[2];

static void *echoes(void *arg)
{
    (void)arg;
    for (unsigned char n = 0; !stop; n++) {
        unsigned char back = (unsigned char)(n + 1);
        if (usocket_send(storm_echo[0], &n, 1, 0) != 1 || usocket_recv(storm_echo[1], &back, 1, 0) != 1)
            return "an echo failed";
        if (back != n)
            return "an echo was wrong";
    }
    return NULL;
}

static void *registers(void *arg)
{
    (void)arg;
    while (!stop) {
        usocket_t pair[2];
        if (usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
            return "socketpair failed";
        if (usocket_poller_add(storm_poller, pair[0], POLLIN, 3) ||
            usocket_poller_modify(storm_poller, pair[0], POLLIN | POLLOUT, 4))
            return "add or modify failed";
        if (usocket_close(pair[0]) || usocket_close(pair[1]))
            return "close failed";
    }
    return NULL;
}

static void *waits(void *arg)
{
    (void)arg;
    while (!stop) {
        usocket_event e[4];
        if (usocket_poller_wait(storm_poller, e, 4, 5 * MS) < 0)
            return "a wait failed";
        if (usocket_poller_wake(storm_poller))
            return "a wake failed";
    }
    return NULL;
}

static void *connects(void *arg)
{
    (void)arg;
    usocket_addr to;
    if (usocket_getsockname(storm_listener, &to))
        return "getsockname failed";
    while (!stop) {
        usocket_t client = usocket_socket(AF_INET, SOCK_STREAM, 0);
        usocket_pollfd p = {.socket = storm_listener, .events = POLLIN};
        if (usocket_connect(client, &to) || usocket_poll(&p, 1, GENEROUS) != 1)
            return "connect or poll failed";
        usocket_t served = usocket_accept(storm_listener, NULL);
        if (served < 0 || usocket_close(served) || usocket_close(client))
            return "accept or close failed";
    }
    return NULL;
}

static void *texts(void *arg)
{
    (void)arg;
    while (!stop) {
        usocket_addrinfo *list;
        if (usocket_getaddrinfo("localhost", "80", 0, SOCK_STREAM, 0, 0, GENEROUS, &list))
            return "getaddrinfo failed";
        usocket_freeaddrinfo(list);
        if (!usocket_strerror(-EBADF))
            return "strerror failed";
    }
    return NULL;
}

static void everything_in_a_child(int n)
{
    usocket_event e[4];
    usocket_t shared[] = {storm_poller, storm_listener, storm_echo[0], storm_echo[1], storm_idle[0]};
    CHILD(usocket_poller_wait(storm_poller, e, 4, n % 2 ? 0 : MS) >= 0);
    usocket_t pair[2], own = usocket_poller_create();
    CHILD(own > 0);
    CHILD(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHILD(usocket_poller_add(storm_poller, pair[0], POLLIN, 9) == 0);
    CHILD(usocket_poller_add(own, pair[0], POLLIN, 9) == 0);
    CHILD(usocket_poller_add(own, storm_poller, POLLIN, 10) == 0);
    CHILD(usocket_send(pair[1], "x", 1, 0) == 1);
    CHILD(usocket_poller_wait(own, e, 4, GENEROUS) >= 1);
    usocket_pollfd p = {.socket = pair[0], .events = POLLIN};
    CHILD(usocket_poll(&p, 1, GENEROUS) == 1);
    CHILD(usocket_poller_wake(own) == 0);
    usocket_addrinfo *list;
    CHILD(usocket_getaddrinfo("localhost", "80", 0, SOCK_STREAM, 0, 0, GENEROUS, &list) == 0);
    usocket_freeaddrinfo(list);
    CHILD(usocket_set_event_hook(NULL, NULL) == 0);
    int fd = usocket_fileno(storm_echo[0]);
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        CHILD(usocket_close(shared[i]) == 0);
    CHILD(fcntl(fd, F_GETFD) == -1);
    CHILD(usocket_poller_wait(own, e, 4, GENEROUS) >= 1);
    CHILD(usocket_close(pair[0]) == 0 && usocket_close(pair[1]) == 0 && usocket_close(own) == 0);
    _exit(0);
}

static void children_while_threads_do_everything(void **state)
{
    (void)state;
    const char *asked = getenv("USOCKET_FORKS");
    int forks = asked ? atoi(asked) : 300;
    int64_t until = now_us() + (asked ? 3600LL : 3LL) * SECOND; // On a slow machine fewer, unless they were asked for.
    storm_poller = OK(usocket_poller_create());
    storm_listener = listening_socket(AF_INET, 8);
    connected_pair(AF_INET, SOCK_STREAM, storm_echo);
    connected_pair(AF_INET, SOCK_STREAM, storm_idle);
    OK(usocket_poller_add(storm_poller, storm_idle[1], POLLIN, 1));
    struct inside idle = {.handle = storm_idle[0], .operation = in_recv};
    begin(&idle);
    void *(*const work[])(void *) = {echoes, registers, registers, waits, waits, connects, texts};
    enum { WORKERS = sizeof work / sizeof *work };
    pthread_t workers[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        start_thread(&workers[i], work[i], NULL);
    for (int n = 0; n < forks && (n < 20 || now_us() < until); n++) {
        pid_t child = fork_child();
        if (child == 0)
            everything_in_a_child(n);
        child_ends_well(child);
    }
    stop = true;
    for (int i = 0; i < WORKERS; i++) {
        void *failure;
        pthread_join(workers[i], &failure);
        if (failure)
            fail_msg("%s", (const char *)failure);
    }
    OK(usocket_send(storm_idle[1], "x", 1, 0));
    GIVES(1, end(&idle));
    usocket_t all[] = {storm_poller,  storm_listener, storm_echo[0],
                       storm_echo[1], storm_idle[0],  storm_idle[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        OK(usocket_close(all[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_while_threads_do_everything),
    };
    return RUN(tests);
}
