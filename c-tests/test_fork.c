// Fork: what a child does reaches no thread and no connection of its parent's, and what the parent's
// threads were doing hinders no child.

#include "inside.h"

#include <stdatomic.h>

// --- operations of the parent's other threads ---

static int64_t in_accept(struct inside *in)
{
    return usocket_accept(in->handle, NULL);
}

static int64_t in_poll(struct inside *in)
{
    usocket_pollfd p = {.socket = in->handle, .events = POLLIN};
    return usocket_poll(&p, 1, -1);
}

static int64_t in_wait(struct inside *in)
{
    usocket_event e;
    return usocket_poller_wait(in->handle, &e, 1, -1);
}

static void a_child_closes_what_the_parents_threads_wait_for(void **state)
{
    (void)state;
    usocket_t pair[2], polled[2], listener = listening_socket(AF_INET, 8);
    usocket_t poller = OK(usocket_poller_create());
    connected_pair(AF_INET, SOCK_STREAM, pair);
    connected_pair(AF_INET, SOCK_STREAM, polled);
    OK(usocket_poller_add(poller, polled[0], POLLIN, 1));
    struct inside in[] = {
        {.handle = pair[0], .operation = in_recv},
        {.handle = listener, .operation = in_accept},
        {.handle = polled[0], .operation = in_poll},
        {.handle = poller, .operation = in_wait},
    };
    for (int i = 0; i < 4; i++)
        begin(&in[i]);
    // Twice: the second child is forked by a process that has seen one.
    for (int round = 0; round < 2; round++) {
        pid_t child = fork_child();
        if (child == 0) {
            int fds[3];
            for (int i = 0; i < 3; i++)
                CHILD((fds[i] = usocket_fileno(in[i].handle)) >= 0);
            for (int i = 0; i < 4; i++)
                CHILD(usocket_close(in[i].handle) == 0);
            for (int i = 0; i < 3; i++)
                CHILD(fcntl(fds[i], F_GETFD) == -1);
            _exit(0);
        }
        child_ends_well(child);
    }
    pid_t child = fork_child();
    if (child == 0) {
        // Given up in the child, it is open, and good for sending.
        int fd = usocket_detach(pair[0]);
        CHILD(fd >= 0);
        CHILD(send(fd, "x", 1, 0) == 1);
        // And a child of the child's is no different.
        pid_t grandchild = fork_child();
        if (grandchild == 0) {
            CHILD(usocket_close(listener) == 0);
            _exit(0);
        }
        int status;
        CHILD(waitpid(grandchild, &status, 0) == grandchild && status == 0);
        _exit(0);
    }
    child_ends_well(child);
    char c;
    GIVES(1, usocket_recv(pair[1], &c, 1, 0));
    OK(usocket_send(pair[1], "a", 1, 0));
    OK(usocket_send(polled[1], "b", 1, 0));
    usocket_t client = client_of(listener);
    GIVES(1, end(&in[0]));
    usocket_t served = OK(end(&in[1]));
    GIVES(1, end(&in[2]));
    GIVES(1, end(&in[3]));
    usocket_t all[] = {pair[0], pair[1], polled[0], polled[1], listener, poller, client, served};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        OK(usocket_close(all[i]));
}

// --- a fork within the hook ---

static usocket_t hook_own[2], hook_others[2];
static _Atomic pid_t hook_child;
static int hook_fds[2];

static void nothing(int signal)
{
    (void)signal;
}

static int fork_in_hook(void *arg)
{
    (void)arg;
    if (hook_child)
        return 0;
    pid_t child = fork_child();
    hook_child = child ? child : getpid();
    if (child)
        return 0;
    // Objects pinned by another thread are unpinned here; those pinned by this thread stay until it has left.
    for (int i = 0; i < 2; i++)
        CHILD((hook_fds[i] = usocket_fileno(i ? hook_others[0] : hook_own[0])) >= 0);
    CHILD(usocket_detach(hook_own[0]) == -EBUSY);
    CHILD(usocket_close(hook_own[0]) == 0);
    CHILD(usocket_close(hook_others[0]) == 0);
    return 0;
}

static void *fork_while_receiving(void *arg)
{
    pid_t parent = getpid();
    struct inside *in = arg;
    in->thread = this_thread();
    char c;
    in->result = usocket_recv(hook_own[0], &c, 1, 0);
    if (getpid() == parent)
        return NULL;
    // The child's only thread: its call went on, found the handle closed, and has freed both.
    CHILD(in->result == -EBADF);
    for (int i = 0; i < 2; i++)
        CHILD(fcntl(hook_fds[i], F_GETFD) == -1);
    CHILD(usocket_close(hook_own[1]) == 0);
    CHILD(usocket_close(hook_others[1]) == 0);
    _exit(0);
}

static void a_thread_that_forks_within_its_hook_keeps_its_call(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGUSR1, &action, NULL);
    connected_pair(AF_UNIX, SOCK_STREAM, hook_own);
    connected_pair(AF_UNIX, SOCK_STREAM, hook_others);
    OK(usocket_set_event_hook(fork_in_hook, NULL));
    struct inside other = {.handle = hook_others[0], .operation = in_recv}, forking = {0};
    begin(&other);
    start_thread(&forking.id, fork_while_receiving, &forking);
    wait_until_inside(&forking.thread);
    while (!hook_child) {
        wait_until_asleep(forking.thread);
        pthread_kill(forking.id, SIGUSR1);
        usleep(1000);
    }
    child_ends_well(hook_child);
    OK(usocket_send(hook_own[1], "p", 1, 0));
    GIVES(1, end(&forking));
    OK(usocket_send(hook_others[1], "p", 1, 0));
    GIVES(1, end(&other));
    OK(usocket_set_event_hook(NULL, NULL));
    for (int i = 0; i < 2; i++) {
        OK(usocket_close(hook_own[i]));
        OK(usocket_close(hook_others[i]));
    }
}

static _Atomic int in_slow_hook, slow_hook_done;
static pid_t remover;

static int slow_hook(void *arg)
{
    atomic_int *alive = arg;
    in_slow_hook = 1;
    wait_until_asleep(remover);
    slow_hook_done = 1;
    return *alive ? 1 : 2;
}

static void a_hook_that_was_removed_runs_no_more(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGUSR1, &action, NULL);
    usocket_t pair[2];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    atomic_int *alive = calloc(1, sizeof *alive);
    *alive = 1;
    remover = this_thread();
    OK(usocket_set_event_hook(slow_hook, alive));
    struct inside in = {.handle = pair[0], .operation = in_recv};
    begin(&in);
    while (!in_slow_hook) {
        pthread_kill(in.id, SIGUSR1);
        sched_yield(); // It sleeps nowhere but in the removal.
    }
    OK(usocket_set_event_hook(NULL, NULL));
    assert_true(slow_hook_done);
    free(alive);
    GIVES(-EINTR, end(&in));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

// --- names ---

static atomic_bool stop_asking;

static void *asks_for_the_local_host(void *arg)
{
    (void)arg;
    while (!stop_asking) {
        usocket_addrinfo *list;
        if (usocket_getaddrinfo("localhost", "80", 0, SOCK_STREAM, 0, 0, GENEROUS, &list))
            return "getaddrinfo failed";
        usocket_freeaddrinfo(list);
    }
    return NULL;
}

// The C library's resolver has locks of its own, and a child has them as they were at the fork.
static void a_child_asks_for_names_that_the_parents_threads_were_asking_for(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        start_thread(&threads[i], asks_for_the_local_host, NULL);
    for (int n = 0; n < 100; n++) {
        pid_t child = fork_child();
        if (child == 0) {
            usocket_addrinfo *list;
            CHILD(usocket_getaddrinfo("localhost", "80", 0, SOCK_STREAM, 0, 0, GENEROUS, &list) == 0);
            _exit(0);
        }
        child_ends_well(child);
    }
    stop_asking = true;
    for (int i = 0; i < 4; i++) {
        void *failure;
        pthread_join(threads[i], &failure);
        if (failure)
            fail_msg("%s", (const char *)failure);
    }
}

// --- a daemon ---

enum { PIPES = 100 };
static int strangers[PIPES][2];

// Like a daemon: closes every unknown descriptor, and opens its own.
static void begin_anew(void)
{
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    for (int i = 0; i < PIPES; i++)
        CHILD(pipe2(strangers[i], O_NONBLOCK | O_CLOEXEC) == 0);
}

static bool untouched(void)
{
    for (int i = 0; i < PIPES; i++) {
        char byte = 's', back = 0;
        // Alive, of this kind, at this number, and with nothing in it.
        if (read(strangers[i][0], &back, 1) != -1 || errno != EAGAIN)
            return false;
        if (write(strangers[i][1], &byte, 1) != 1 || read(strangers[i][0], &back, 1) != 1)
            return false;
    }
    return true;
}

static void works_anew(void)
{
    usocket_addrinfo *list;
    CHILD(usocket_getaddrinfo("localhost", "80", 0, SOCK_STREAM, 0, 0, GENEROUS, &list) == 0);
    usocket_freeaddrinfo(list);
    usocket_connection_t connection = usocket_connection_create("127.0.0.1", "1", GENEROUS, NULL);
    CHILD(connection > 0);
    CHILD(usocket_connection_take(connection, GENEROUS) == -ECONNREFUSED);
    CHILD(usocket_close(connection) == 0);
    usocket_poller_t poller = usocket_poller_create();
    usocket_event e;
    CHILD(poller > 0 && usocket_poller_wake(poller) == 0);
    CHILD(usocket_poller_wait(poller, &e, 1, GENEROUS) == 0);
    CHILD(usocket_close(poller) == 0);
    CHILD(untouched());
}

struct everything {
    usocket_t pair[2], cancellable;
    usocket_poller_t poller;
    usocket_query_t query;
    usocket_connection_t connection;
};

static void use_everything(struct everything *all)
{
    usocket_event e;
    CHILD(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, all->pair) == 0);
    all->cancellable = usocket_socket(AF_INET, SOCK_DGRAM, 0);
    all->poller = usocket_poller_create();
    all->query = usocket_query_create("localhost", "80", 0, SOCK_STREAM, 0, 0);
    all->connection = usocket_connection_create("127.0.0.1", "1", GENEROUS, NULL);
    CHILD(all->cancellable > 0 && all->poller > 0 && all->query > 0 && all->connection > 0);
    CHILD(usocket_cancel(all->cancellable, 0) == 0);
    CHILD(usocket_poller_add(all->poller, all->pair[0], POLLIN, 1) == 0);
    CHILD(usocket_poller_arm_timer(all->poller, GENEROUS, 2) > 0);
    CHILD(usocket_fileno(all->poller) >= 0);
    CHILD(usocket_poller_wait(all->poller, &e, 1, 0) == 0);
}

static void a_daemon_closes_everything_and_opens_its_own(void **state)
{
    (void)state;
    pid_t child = fork_child();
    if (child == 0) {
        struct everything all;
        use_everything(&all);
        // In the process itself, where the library has threads.
        CHILD(usocket_finish(GENEROUS) == 0);
        begin_anew();
        works_anew();
        _exit(0);
    }
    child_ends_well(child);
    for (int finish = 0; finish < 2; finish++) {
        struct everything all;
        use_everything(&all);
        child = fork_child();
        if (child == 0) {
            begin_anew();
            if (finish) {
                CHILD(usocket_finish(GENEROUS) == 0);
                CHILD(untouched());
            } else {
                usocket_event e;
                usocket_addrinfo *list;
                CHILD(usocket_poller_wait(all.poller, &e, 1, 0) == -EBADF);
                CHILD(usocket_poller_wake(all.poller) == -EBADF);
                CHILD(usocket_close(all.poller) == 0);
                CHILD(usocket_cancel(all.cancellable, 1) == -EBADF);
                CHILD(usocket_close(all.cancellable) == -EBADF);
                CHILD(usocket_query_result(all.query, GENEROUS, &list) == 0);
                usocket_freeaddrinfo(list);
                CHILD(usocket_close(all.query) == 0);
                int32_t closed = usocket_close(all.connection);
                CHILD(closed == 0 || closed == -EBADF); // It may have had a socket at the fork.
                CHILD(usocket_close(all.pair[0]) == -EBADF);
                CHILD(untouched());
            }
            works_anew();
            _exit(0);
        }
        child_ends_well(child);
        OK(usocket_close(all.pair[0]));
        OK(usocket_close(all.pair[1]));
        OK(usocket_close(all.cancellable));
        OK(usocket_close(all.poller));
        OK(usocket_close(all.query));
        OK(usocket_close(all.connection));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_closes_what_the_parents_threads_wait_for),
        cmocka_unit_test(a_thread_that_forks_within_its_hook_keeps_its_call),
        cmocka_unit_test(a_hook_that_was_removed_runs_no_more),
        cmocka_unit_test(a_child_asks_for_names_that_the_parents_threads_were_asking_for),
        cmocka_unit_test(a_daemon_closes_everything_and_opens_its_own),
    };
    return RUN(tests);
}
