// Limits of operations besides the timeout: a deadline for many, and a cancel.

#include "inside.h"
#include "tls_support.h"

static bool nonblocking(usocket_t s) { return fcntl(usocket_fileno(s), F_GETFL) & O_NONBLOCK; }

// --- a deadline ---

static void one_deadline_for_many_operations(void **state)
{
    (void)state;
    FOR_EACH_KIND(k)
        FOR_EACH_WAITING_MODE(mode) {
            usocket_t pair[2];
            char c;
            int64_t told = 77, begun = now_us(), end = usocket_now() + 60 * MS;
            connected_pair(k->family, k->type, pair);
            OK(usocket_settimeout(pair[0], *mode));
            OK(usocket_set_deadline(pair[0], end));
            OK(usocket_send(pair[1], "x", 1, 0));
            GIVES(1, usocket_recv(pair[0], &c, 1, 0));
            GIVES(-ETIMEDOUT, usocket_recv(pair[0], &c, 1, 0));
            assert_true(usocket_now() >= end && now_us() - begun >= 60 * MS);
            GIVES(-ETIMEDOUT, usocket_recv(pair[0], &c, 1, 0)); // It is over.
            assert_true(now_us() - begun < GENEROUS);
            // Operations that need not wait are done.
            OK(usocket_send(pair[1], "y", 1, 0));
            GIVES(1, usocket_recv(pair[0], &c, 1, 0));
            OK(usocket_send(pair[0], "z", 1, 0));
            OK(usocket_gettimeout(pair[0], &told));
            assert_int_equal(told, *mode);
            assert_true(nonblocking(pair[0]));
            OK(usocket_set_deadline(pair[0], -1));
            assert_int_equal(nonblocking(pair[0]), *mode >= 0);
            OK(usocket_close(pair[0]));
            OK(usocket_close(pair[1]));
        }
}

static void the_earlier_of_the_two_counts(void **state)
{
    (void)state;
    usocket_t pair[2];
    char c;
    int64_t told, begun;
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_set_deadline(pair[0], usocket_now() + GENEROUS));
    OK(usocket_settimeout(pair[0], 20 * MS)); // Set behind it, and it goes on.
    begun = now_us();
    GIVES(-ETIMEDOUT, usocket_recv(pair[0], &c, 1, 0));
    assert_true(now_us() - begun >= 20 * MS && now_us() - begun < GENEROUS / 2);
    OK(usocket_set_deadline(pair[0], usocket_now() + 30 * MS));
    OK(usocket_settimeout(pair[0], GENEROUS));
    begun = now_us();
    GIVES(-ETIMEDOUT, usocket_recv(pair[0], &c, 1, 0));
    assert_true(now_us() - begun < GENEROUS / 2);
    OK(usocket_gettimeout(pair[0], &told));
    assert_int_equal(told, GENEROUS);
    // Non-blocking is non-blocking; and the deadline is still there behind it.
    OK(usocket_settimeout(pair[0], 0));
    GIVES(-EAGAIN, usocket_recv(pair[0], &c, 1, 0));
    OK(usocket_settimeout(pair[0], -1));
    GIVES(-ETIMEDOUT, usocket_recv(pair[0], &c, 1, 0));
    assert_true(nonblocking(pair[0]));
    // A dup has the timeout alone.
    usocket_t dup = OK(usocket_dup(pair[0]));
    OK(usocket_gettimeout(dup, &told));
    assert_int_equal(told, -1);
    OK(usocket_close(dup));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void a_deadline_ends_accept_connect_and_readline(void **state)
{
    (void)state;
    usocket_t listener = listening_socket(AF_INET, 8), clients[64], full, pair[2];
    char line[64];
    OK(usocket_set_deadline(listener, usocket_now() + 10 * MS));
    GIVES(-ETIMEDOUT, usocket_accept(listener, NULL));
    size_t n = full_listener(AF_UNIX, &full, clients, 64);
    usocket_t s = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    usocket_addr to = name_of(full);
    OK(usocket_set_deadline(s, usocket_now() + 10 * MS));
    GIVES(-ETIMEDOUT, usocket_connect(s, &to));
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_set_deadline(pair[0], usocket_now() + 30 * MS));
    OK(usocket_send(pair[1], "half", 4, 0));
    GIVES(4, usocket_readline(pair[0], line, sizeof line));
    GIVES(-ETIMEDOUT, usocket_readline(pair[0], line, sizeof line));
    GIVES(-ETIMEDOUT, usocket_readline(pair[0], line, sizeof line));
    for (size_t i = 0; i < n; i++)
        OK(usocket_close(clients[i]));
    OK(usocket_close(full));
    OK(usocket_close(s));
    OK(usocket_close(listener));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

// --- a cancel ---

enum what { RECV, READ, ACCEPT, CONNECT, SENDALL, HANDSHAKE, TLS_RECV, WHATS };

struct waiter {
    enum what what;
    usocket_t s;
    usocket_addr to;
    _Atomic pid_t thread;
    int64_t result;
};

static char big[8 << 20];

static int64_t wait_for(struct waiter *w)
{
    char c[8];
    switch (w->what) {
    case RECV:
    case TLS_RECV: return usocket_recv(w->s, c, sizeof c, 0);
    case READ: return usocket_read(w->s, c, sizeof c);
    case ACCEPT: return usocket_accept(w->s, NULL);
    case CONNECT: return usocket_connect(w->s, &w->to);
    case SENDALL: return usocket_sendall(w->s, big, sizeof big, 0);
    case HANDSHAKE: return usocket_tls_handshake(w->s);
    default: return 0;
    }
}

static void *wait_in_thread(void *arg)
{
    struct waiter *w = arg;
    w->thread = this_thread();
    w->result = wait_for(w);
    return NULL;
}

static void wrap_pair(usocket_t pair[2], bool handshake)
{
    if (handshake) {
        secure(pair);
        return;
    }
    usocket_t client = client_context(), server = server_context("server");
    OK(usocket_tls_wrap(pair[0], client, "localhost", 0));
    OK(usocket_tls_wrap(pair[1], server, NULL, 0));
    OK(usocket_close(client));
    OK(usocket_close(server));
}

static void a_cancel_ends_what_waits_and_nothing_else(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_UNIX};
    enum { THREADS = 2 };
    for (int f = 0; f < 2; f++)
        for (enum what what = 0; what < WHATS; what++)
            FOR_EACH_WAITING_MODE(mode) {
                usocket_t pair[2], clients[64], s, full = 0;
                size_t n = 0;
                int family = families[f];
                if (what == CONNECT && family != AF_UNIX)
                    continue; // Its queue is no place to wait in.
                connected_pair(family, SOCK_STREAM, pair);
                s = pair[0];
                if (what == HANDSHAKE || what == TLS_RECV)
                    wrap_pair(pair, what == TLS_RECV);
                if (what == ACCEPT)
                    s = listening_socket(family, 8);
                if (what == CONNECT) {
                    n = full_listener(family, &full, clients, 64);
                    s = OK(usocket_socket(family, SOCK_STREAM, 0));
                }
                OK(usocket_settimeout(s, *mode));
                GIVES(-EINVAL, usocket_cancel(s, 1)); // Not ready for it.
                OK(usocket_cancel(s, 0));
                struct waiter w[THREADS];
                pthread_t threads[THREADS];
                int waiting = what == SENDALL || what == HANDSHAKE || what == CONNECT ? 1 : THREADS;
                for (int i = 0; i < waiting; i++) {
                    w[i] = (struct waiter){.what = what, .s = s};
                    if (full)
                        w[i].to = name_of(full);
                    start_thread(&threads[i], wait_in_thread, &w[i]);
                    wait_until_inside(&w[i].thread);
                }
                OK(usocket_cancel(s, 1));
                for (int i = 0; i < waiting; i++) {
                    pthread_join(threads[i], NULL);
                    assert_int_equal(w[i].result, -ECANCELED);
                }
                // Waits that begin now are cancelled too, until it is reset.
                GIVES(-ECANCELED, wait_for(&w[0]));
                OK(usocket_cancel(s, 0));
                OK(usocket_settimeout(s, 10 * MS));
                if (what != SENDALL)
                    GIVES(-ETIMEDOUT, wait_for(&w[0]));
                OK(usocket_settimeout(s, *mode));
                // The connection is whole.
                char c;
                if (what == RECV || what == READ || what == TLS_RECV) {
                    OK(usocket_send(pair[1], "x", 1, 0));
                    GIVES(1, usocket_recv(s, &c, 1, 0));
                    OK(usocket_cancel(s, 1));
                    OK(usocket_send(pair[1], "y", 1, 0));
                    usocket_pollfd p = {.socket = s, .events = POLLIN};
                    GIVES(1, usocket_poll(&p, 1, GENEROUS));
                    GIVES(1, usocket_recv(s, &c, 1, 0)); // It need not wait.
                    assert_int_equal(c, 'y');
                } else if (what == HANDSHAKE) {
                    pthread_t thread;
                    void *theirs;
                    start_thread(&thread, do_handshake, &pair[1]);
                    OK(usocket_tls_handshake(s));
                    pthread_join(thread, &theirs);
                    assert_null(theirs);
                }
                for (size_t i = 0; i < n; i++)
                    OK(usocket_close(clients[i]));
                if (full)
                    OK(usocket_close(full));
                if (s != pair[0])
                    OK(usocket_close(s));
                OK(usocket_close(pair[0]));
                OK(usocket_close(pair[1]));
            }
}

// Of many threads, some of which have not begun to wait: none is left behind.
static void none_comes_too_early(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    FOR_ROUNDS (round, 200) {
        usocket_t pair[2];
        struct waiter w[THREADS];
        pthread_t threads[THREADS];
        connected_pair(AF_UNIX, SOCK_STREAM, pair);
        OK(usocket_cancel(pair[0], 0));
        for (int i = 0; i < THREADS; i++) {
            w[i] = (struct waiter){.what = RECV, .s = pair[0]};
            start_thread(&threads[i], wait_in_thread, &w[i]);
        }
        OK(usocket_cancel(pair[0], 1));
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(w[i].result, -ECANCELED);
        }
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
}

static void a_close_ends_it_all_the_same(void **state)
{
    (void)state;
    usocket_t pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_cancel(pair[0], 0));
    OK(usocket_set_deadline(pair[0], usocket_now() + GENEROUS));
    struct waiter w = {.what = RECV, .s = pair[0]};
    pthread_t thread;
    start_thread(&thread, wait_in_thread, &w);
    wait_until_inside(&w.thread);
    OK(usocket_close(pair[0]));
    pthread_join(thread, NULL);
    assert_int_equal(w.result, -EBADF);
    OK(usocket_close(pair[1]));
}

static void each_process_cancels_its_own(void **state)
{
    (void)state;
    usocket_t pair[2];
    char c;
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_cancel(pair[0], 0));
    OK(usocket_settimeout(pair[0], 50 * MS));
    pid_t child = fork();
    if (child == 0) {
        CHILD(usocket_cancel(pair[0], 1) == 0);
        CHILD(usocket_recv(pair[0], &c, 1, 0) == -ECANCELED);
        _exit(0);
    }
    GIVES(-ETIMEDOUT, usocket_recv(pair[0], &c, 1, 0));
    child_ends_well(child);
    GIVES(-ETIMEDOUT, usocket_recv(pair[0], &c, 1, 0));
    OK(usocket_cancel(pair[0], 1));
    child = fork();
    if (child == 0) { // The state goes with it, and is undone here alone.
        CHILD(usocket_recv(pair[0], &c, 1, 0) == -ECANCELED);
        CHILD(usocket_cancel(pair[0], 0) == 0);
        CHILD(usocket_recv(pair[0], &c, 1, 0) == -ETIMEDOUT);
        _exit(0);
    }
    child_ends_well(child);
    GIVES(-ECANCELED, usocket_recv(pair[0], &c, 1, 0));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void limits_leave_nothing_behind(void **state)
{
    (void)state;
    int before = open_descriptors();
    for (int i = 0; i < 100; i++) {
        usocket_t s = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
        OK(usocket_cancel(s, 0));
        OK(usocket_set_deadline(s, i));
        OK(usocket_close(s));
    }
    assert_int_equal(open_descriptors(), before);
}

// How often a thread of this process has gone to sleep.
static long sleeps_of(pid_t thread)
{
    char path[64], line[128];
    long n = -1;
    snprintf(path, sizeof path, "/proc/self/task/%d/status", thread);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (n < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) != 1)
            n = -1;
    fclose(f);
    return n;
}

// A wait with a deadline is one wait, and not a look now and then.
static void who_waits_sleeps(void **state)
{
    (void)state;
    usocket_t pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_set_deadline(pair[0], usocket_now() + 10 * GENEROUS));
    struct inside in = {.handle = pair[0], .operation = in_recv};
    begin(&in);
    long before = sleeps_of(in.thread);
    usleep(300 * MS);
    assert_in_range(sleeps_of(in.thread) - before, 0, 2);
    GIVES(1, usocket_send(pair[1], "x", 1, 0));
    GIVES(1, end(&in));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_deadline_for_many_operations),
        cmocka_unit_test(the_earlier_of_the_two_counts),
        cmocka_unit_test(a_deadline_ends_accept_connect_and_readline),
        cmocka_unit_test(a_cancel_ends_what_waits_and_nothing_else),
        cmocka_unit_test(none_comes_too_early),
        cmocka_unit_test(a_close_ends_it_all_the_same),
        cmocka_unit_test(each_process_cancels_its_own),
        cmocka_unit_test(limits_leave_nothing_behind),
        cmocka_unit_test(who_waits_sleeps),
    };
    return RUN(tests);
}
