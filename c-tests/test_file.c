// Files that are sent: in the kernel, and through TLS.

#include "inside.h"
#include "tls_support.h"

enum { SIZE = 3 << 20 };

static int file_of(size_t size)
{
    char name[] = "/tmp/usocket-test-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    unsigned char *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 7 + (i >> 9));
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    free(bytes);
    return fd;
}

struct reader {
    usocket_t s;
    size_t at;
    int64_t got;
};

// Reads to the end, and looks at every byte.
static void *read_all(void *arg)
{
    struct reader *r = arg;
    static _Thread_local unsigned char buf[1 << 16];
    for (size_t at = r->at;;) {
        int64_t n = usocket_recv(r->s, buf, sizeof buf, 0);
        for (int64_t i = 0; i < n; i++, at++)
            if (buf[i] != (unsigned char)(at * 7 + (at >> 9)))
                n = -1;
        if (n <= 0) {
            r->got = n < 0 ? n : (int64_t)(at - r->at);
            return NULL;
        }
    }
}

static void a_whole_file_and_a_part_of_it(void **state)
{
    (void)state;
    int fd = file_of(SIZE);
    off_t before = lseek(fd, 0, SEEK_CUR);
    const int families[] = {AF_INET, AF_UNIX};
    const struct { int64_t offset; size_t count, sent; } parts[] = {
        {0, SIZE, SIZE}, {0, SSIZE_MAX, SIZE}, {12345, 1000000, 1000000}, {SIZE - 10, 100, 10},
        {SIZE, 1, 0}, {SIZE + 100, 1, 0}, {5, 0, 0},
    };
    for (int tls = 0; tls < 2; tls++)
        for (int f = 0; f < 2; f++)
            FOR_EACH_WAITING_MODE(mode)
                for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
                    usocket_t pair[2];
                    connected_pair(families[f], SOCK_STREAM, pair);
                    if (tls)
                        secure((usocket_t[]){pair[1], pair[0]});
                    OK(usocket_settimeout(pair[0], *mode));
                    struct reader reader = {pair[1], (size_t)parts[i].offset, 0};
                    pthread_t thread;
                    start_thread(&thread, read_all, &reader);
                    GIVES((int64_t)parts[i].sent, usocket_sendfile(pair[0], fd, parts[i].offset, parts[i].count));
                    OK(usocket_shutdown(pair[0], SHUT_WR));
                    pthread_join(thread, NULL);
                    assert_int_equal(reader.got, parts[i].sent);
                    OK(usocket_close(pair[0]));
                    OK(usocket_close(pair[1]));
                }
    assert_int_equal(lseek(fd, 0, SEEK_CUR), before);
    close(fd);
}

// A non-blocking socket takes what fits, and goes on from there.
static void as_much_as_fits(void **state)
{
    (void)state;
    int fd = file_of(SIZE);
    for (int tls = 0; tls < 2; tls++) {
        usocket_t pair[2];
        connected_pair(AF_INET, SOCK_STREAM, pair);
        if (tls)
            secure((usocket_t[]){pair[1], pair[0]});
        OK(usocket_settimeout(pair[0], 0));
        int64_t sent = OK(usocket_sendfile(pair[0], fd, 0, SIZE));
        assert_in_range(sent, 1, SIZE);
        while (sent < SIZE && usocket_sendfile(pair[0], fd, sent, 0) == 0) {
            int64_t n = usocket_sendfile(pair[0], fd, sent, SIZE - (size_t)sent);
            if (n == -EAGAIN)
                break;
            sent += OK(n);
        }
        struct reader reader = {pair[1], 0, 0};
        pthread_t thread;
        start_thread(&thread, read_all, &reader);
        while (sent < SIZE) {
            usocket_pollfd p = {.socket = pair[0], .events = POLLOUT};
            GIVES(1, usocket_poll(&p, 1, GENEROUS));
            int64_t n = usocket_sendfile(pair[0], fd, sent, SIZE - (size_t)sent);
            if (n != -EAGAIN)
                sent += OK(n);
        }
        OK(usocket_settimeout(pair[0], GENEROUS));
        OK(usocket_shutdown(pair[0], SHUT_WR));
        pthread_join(thread, NULL);
        assert_int_equal(reader.got, SIZE);
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
    close(fd);
}

// With a timeout, what was sent is said, and then the timeout.
static void a_timeout_ends_it(void **state)
{
    (void)state;
    int fd = file_of(SIZE);
    usocket_t pair[2];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    OK(usocket_settimeout(pair[0], 20 * MS));
    int64_t sent = OK(usocket_sendfile(pair[0], fd, 0, SIZE));
    assert_in_range(sent, 1, SIZE - 1);
    GIVES(-ETIMEDOUT, usocket_sendfile(pair[0], fd, sent, 1));
    GIVES(-ETIMEDOUT, usocket_sendfile(pair[0], fd, sent, 1)); // Its own.
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
    close(fd);
}

static int sent_fd;
static int64_t in_sendfile(struct inside *in) { return usocket_sendfile(in->handle, sent_fd, 0, SIZE); }

static void a_close_ends_it(void **state)
{
    (void)state;
    sent_fd = file_of(SIZE);
    FOR_EACH_WAITING_MODE(mode) {
        usocket_t pair[2];
        connected_pair(AF_UNIX, SOCK_STREAM, pair);
        OK(usocket_settimeout(pair[0], *mode));
        struct inside sender = {.handle = pair[0], .operation = in_sendfile};
        begin(&sender);
        OK(usocket_close(pair[0]));
        int64_t sent = end(&sender);
        assert_true(sent == -EBADF || (sent > 0 && sent < SIZE));
        OK(usocket_close(pair[1]));
    }
    close(sent_fd);
}

static volatile sig_atomic_t pipes;
static void on_pipe(int number) { pipes += number == SIGPIPE; }

// sendfile(2) has no MSG_NOSIGNAL: SIGPIPE does not come all the same, and what was blocked stays so.
static void no_sigpipe(void **state)
{
    (void)state;
    struct sigaction old, count = {.sa_handler = on_pipe};
    sigaction(SIGPIPE, &count, &old);
    int fd = file_of(1000);
    for (int blocked = 0; blocked < 3; blocked++) {
        sigset_t set, mask;
        sigemptyset(&set);
        sigaddset(&set, SIGPIPE);
        pthread_sigmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
        if (blocked == 2)
            pthread_kill(pthread_self(), SIGPIPE); // Somebody else's, which stays.
        usocket_t pair[2];
        connected_pair(AF_UNIX, SOCK_STREAM, pair);
        OK(usocket_close(pair[1]));
        GIVES(-EPIPE, usocket_sendfile(pair[0], fd, 0, 1000));
        OK(usocket_close(pair[0]));
        pthread_sigmask(SIG_SETMASK, NULL, &mask);
        assert_int_equal(sigismember(&mask, SIGPIPE), blocked > 0);
        assert_int_equal(pipes, 0);
        sigset_t waiting;
        sigpending(&waiting);
        assert_int_equal(sigismember(&waiting, SIGPIPE), blocked == 2);
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    assert_int_equal(pipes, 1);
    sigaction(SIGPIPE, &old, NULL);
    close(fd);
}

static void what_is_no_file(void **state)
{
    (void)state;
    usocket_t pair[2], datagrams[2];
    int ends[2], fd = file_of(10), folder = open("/", O_RDONLY | O_CLOEXEC);
    connected_pair(AF_INET, SOCK_STREAM, pair);
    connected_pair(AF_INET, SOCK_DGRAM, datagrams);
    assert_int_equal(pipe(ends), 0);
    GIVES(-ESPIPE, usocket_sendfile(pair[0], ends[0], 0, 1));
    GIVES(-EISDIR, usocket_sendfile(pair[0], folder, 0, 1));
    GIVES(-EBADF, usocket_sendfile(pair[0], -1, 0, 1));
    GIVES(-EBADF, usocket_sendfile(pair[0], 1 << 20, 0, 1));
    GIVES(-EINVAL, usocket_sendfile(pair[0], fd, -1, 1));
    GIVES(-EINVAL, usocket_sendfile(pair[0], fd, 0, (size_t)SSIZE_MAX + 1));
    GIVES(-EOPNOTSUPP, usocket_sendfile(datagrams[0], fd, 0, 1));
    // One that sendfile(2) does not take, as files of /proc: read and sent.
    int odd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    assert_true(OK(usocket_sendfile(pair[0], odd, 0, 100)) > 1);
    close(odd);
    close(ends[0]);
    close(ends[1]);
    close(fd);
    close(folder);
    for (int i = 0; i < 2; i++) {
        OK(usocket_close(pair[i]));
        OK(usocket_close(datagrams[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_and_a_part_of_it), cmocka_unit_test(as_much_as_fits),
        cmocka_unit_test(a_timeout_ends_it),             cmocka_unit_test(a_close_ends_it),
        cmocka_unit_test(no_sigpipe),                    cmocka_unit_test(what_is_no_file),
    };
    return RUN(tests);
}
