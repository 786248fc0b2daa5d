// Modes where others change those of the description, or take what it has to say.

#include "support.h"

#include <sys/syscall.h>

enum { TIMEOUT = 60 * MS };

typedef int64_t operation(usocket_t s, const usocket_addr *to);

static int64_t accept_(usocket_t s, const usocket_addr *to) { (void)to; return usocket_accept(s, NULL); }
static int64_t connect_(usocket_t s, const usocket_addr *to) { return usocket_connect(s, to); }

static void clear_nonblock(int fd)
{
    CHILD(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0);
}

enum { BY_A_CHILD, BY_A_DUP, BY_ITS_NUMBER, WAYS };

// Makes the description of `s`, in whatever mode, block in the kernel.
static void make_it_block(usocket_t s, int way)
{
    usocket_t other;
    pid_t child;
    switch (way) {
    case BY_A_CHILD:
        if ((child = fork()) == 0) {
            CHILD(usocket_setblocking(s, 1) == 0);
            _exit(0);
        }
        child_ends_well(child);
        break;
    case BY_A_DUP:
        other = OK(usocket_dup(s));
        OK(usocket_setblocking(other, 1));
        OK(usocket_close(other));
        break;
    default:
        clear_nonblock(OK(usocket_fileno(s)));
    }
}

static void deadlines_hold_whatever_others_make_of_the_mode(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_UNIX};
    for (int way = 0; way < WAYS; way++)
        for (int i = 0; i < 2; i++) {
            usocket_t full, clients[8], l = listening_socket(families[i], 1);
            size_t n = full_listener(families[i], &full, clients, 8);
            usocket_addr to = name_of(full);
            operation *const runs[] = {accept_, connect_};
            for (int o = 0; o < 2; o++)
                for (int64_t timeout = 0; timeout <= TIMEOUT; timeout += TIMEOUT) {
                    usocket_t s = o == 0 ? OK(usocket_dup(l)) : OK(usocket_socket(families[i], SOCK_STREAM, 0));
                    struct rescue r;
                    OK(usocket_settimeout(s, timeout));
                    make_it_block(s, way);
                    rescue(&r, s);
                    int64_t got = runs[o](s, &to);
                    rescued(&r);
                    int now = o == 1 && families[i] == AF_INET ? -EINPROGRESS : -EAGAIN;
                    assert_int_equal(got, timeout ? -ETIMEDOUT : now);
                    OK(usocket_close(s));
                }
            while (n--)
                OK(usocket_close(clients[n]));
            OK(usocket_close(full));
            OK(usocket_close(l));
        }
}

// A mode that cannot be had is not said to be there; and without fcntl a deadline still holds.
static void what_a_filter_refuses(void **state)
{
    (void)state;
    if (!can_refuse())
        skip();
    usocket_t l = listening_socket(AF_INET, 1);
    OK(usocket_settimeout(l, TIMEOUT));
    make_it_block(l, BY_ITS_NUMBER);
    pid_t child = fork();
    if (child == 0) {
        alarm(GENEROUS / SECOND); // a hang is a death
        refuse((const int[]){SYS_fcntl}, 1);
        CHILD(usocket_accept(l, NULL) == -ETIMEDOUT);
        refuse((const int[]){SYS_ioctl}, 1);
        int64_t mode;
        CHILD(usocket_setblocking(l, 1) == -EPERM);
        CHILD(usocket_gettimeout(l, &mode) == 0 && mode == TIMEOUT);
        CHILD(usocket_settimeout(l, 0) == 0);
        CHILD(usocket_gettimeout(l, &mode) == 0 && mode == 0);
        _exit(0);
    }
    child_ends_well(child);
    OK(usocket_close(l));
}

struct set_mode {
    usocket_t s;
    int64_t us;
    pid_t waits;
};

static void *set_mode(void *arg)
{
    struct set_mode *set = arg;
    wait_until_asleep(set->waits);
    OK(usocket_settimeout(set->s, set->us));
    kill(getpid(), SIGALRM);
    return NULL;
}

// The library's mode and O_NONBLOCK agree, even if others change the flag meanwhile.
static void a_blocking_unix_connect_leaves_the_mode_that_was_set_meanwhile(void **state)
{
    (void)state;
    usocket_t full, clients[8], s = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    size_t n = full_listener(AF_UNIX, &full, clients, 8);
    usocket_addr to = name_of(full);
    const int64_t modes[] = {0, GENEROUS, -1};
    for (int m = 0; m < 3; m++) {
        OK(usocket_settimeout(s, -1));
        pid_t here = this_thread();
        pthread_t thread;
        struct set_mode set = {s, modes[m], here};
        OK(usocket_set_event_hook(stop_hook, NULL));
        alarms(0, false);
        sigset_t alarm_only, before;
        sigemptyset(&alarm_only);
        sigaddset(&alarm_only, SIGALRM);
        pthread_sigmask(SIG_BLOCK, &alarm_only, &before); // the thread's mask; this one's is put back
        start_thread(&thread, set_mode, &set);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        GIVES(-EINTR, usocket_connect(s, &to));
        pthread_join(thread, NULL);
        OK(usocket_set_event_hook(NULL, NULL));
        int flags = fcntl(OK(usocket_fileno(s)), F_GETFL);
        assert_int_equal(!!(flags & O_NONBLOCK), modes[m] >= 0);
        int64_t mode;
        OK(usocket_gettimeout(s, &mode));
        assert_int_equal(mode, modes[m]);
    }
    while (n--)
        OK(usocket_close(clients[n]));
    OK(usocket_close(full));
    OK(usocket_close(s));
}

struct connecting {
    usocket_t s;
    usocket_addr to;
    _Atomic pid_t thread;
    int64_t result;
};

static void *connect_to(void *arg)
{
    struct connecting *c = arg;
    c->thread = this_thread();
    c->result = usocket_connect(c->s, &c->to);
    return NULL;
}

// A refusal that comes while the call waits is its result: the kernel asks again after a second, and
// whoever had no room then is not there any more.
static void a_refusal_that_comes_late_is_told(void **state)
{
    (void)state;
    const int64_t modes[] = {GENEROUS, -1};
    for (int m = 0; m < 2; m++) {
        usocket_t full, clients[8];
        size_t n = full_listener(AF_INET, &full, clients, 8);
        struct connecting c = {OK(usocket_socket(AF_INET, SOCK_STREAM, 0)), name_of(full), 0, 0};
        OK(usocket_settimeout(c.s, modes[m]));
        pthread_t thread;
        start_thread(&thread, connect_to, &c);
        while (!c.thread)
            sched_yield();
        wait_until_asleep(c.thread);
        OK(usocket_close(full));
        pthread_join(thread, NULL);
        GIVES(-ECONNREFUSED, c.result);
        while (n--)
            OK(usocket_close(clients[n]));
        OK(usocket_close(c.s));
    }
}

static int32_t take_the_error(void *arg)
{
    int error, fd = *(int *)arg;
    socklen_t len = sizeof error;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    alarms(0, false); // It came while the connect waited.
    poll(&p, 1, GENEROUS / MS);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return 0;
}

// A connect that waits is interrupted; meanwhile the attempt fails, and somebody else is told why.
static void a_failed_connect_is_no_success_because_the_error_was_taken(void **state)
{
    (void)state;
    const int64_t modes[] = {GENEROUS, -1};
    for (int m = 0; m < 2; m++) {
        usocket_t full, clients[8], s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
        size_t n = full_listener(AF_INET, &full, clients, 8);
        usocket_addr to = name_of(full);
        OK(usocket_settimeout(s, 10 * MS));
        GIVES(-ETIMEDOUT, usocket_connect(s, &to));
        OK(usocket_close(full)); // from here on it is refused, when the kernel asks again
        int fd = OK(usocket_fileno(s));
        OK(usocket_settimeout(s, modes[m]));
        OK(usocket_set_event_hook(take_the_error, &fd));
        alarms(50 * MS, true); // Until one comes while it waits.
        GIVES(-ECONNABORTED, usocket_connect(s, &to));
        OK(usocket_set_event_hook(NULL, NULL));
        while (n--)
            OK(usocket_close(clients[n]));
        OK(usocket_close(s));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlines_hold_whatever_others_make_of_the_mode),
        cmocka_unit_test(what_a_filter_refuses),
        cmocka_unit_test(a_blocking_unix_connect_leaves_the_mode_that_was_set_meanwhile),
        cmocka_unit_test(a_refusal_that_comes_late_is_told),
        cmocka_unit_test(a_failed_connect_is_no_success_because_the_error_was_taken),
    };
    return RUN(tests);
}
