// Streams: read, readline and write, which do not come back half done.

#include "support.h"

static void read_waits_for_all_of_it(void **state)
{
    (void)state;
    FOR_EACH_KIND(k) {
        if (k->type != SOCK_STREAM)
            continue;
        const int64_t modes[] = {-1, GENEROUS};
        for (int i = 0; i < 2; i++) {
            usocket_t pair[2];
            connected_pair(k->family, k->type, pair);
            OK(usocket_settimeout(pair[0], modes[i]));
            pid_t child = fork();
            if (child == 0) {
                for (int piece = 0; piece < 10; piece++) {
                    wait_until_asleep(getppid()); // So each piece is one of its own.
                    CHILD(usocket_send(pair[1], "0123456789", 10, 0) == 10);
                }
                _exit(0);
            }
            char buf[100];
            GIVES(100, usocket_read(pair[0], buf, sizeof buf));
            for (int at = 0; at < 100; at++)
                assert_int_equal(buf[at], '0' + at % 10);
            child_ends_well(child);
            OK(usocket_close(pair[0]));
            OK(usocket_close(pair[1]));
        }
    }
}

static void read_gives_less_at_the_end(void **state)
{
    (void)state;
    usocket_t pair[2];
    char buf[100];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_sendall(pair[1], "the rest", 8, 0));
    OK(usocket_close(pair[1]));
    GIVES(8, usocket_read(pair[0], buf, sizeof buf));
    assert_memory_equal(buf, "the rest", 8);
    GIVES(0, usocket_read(pair[0], buf, sizeof buf));
    GIVES(0, usocket_readline(pair[0], buf, sizeof buf));
    GIVES(0, usocket_read(pair[0], NULL, 0));
    OK(usocket_close(pair[0]));
}

static void a_timeout_half_way_loses_no_byte(void **state)
{
    (void)state;
    usocket_t pair[2];
    char buf[100];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_settimeout(pair[0], 50 * MS));
    // Each way to hear of the timeout: once, and then the stream goes on.
    for (int way = 0; way < 4; way++) {
        OK(usocket_sendall(pair[1], "half", 4, 0));
        GIVES(4, usocket_read(pair[0], buf, sizeof buf));
        OK(usocket_sendall(pair[1], "more\n", 5, 0));
        switch (way) {
        case 0: GIVES(-ETIMEDOUT, usocket_read(pair[0], buf, 5)); break;
        case 1: GIVES(-ETIMEDOUT, usocket_recv(pair[0], buf, 5, 0)); break;
        case 2: GIVES(-ETIMEDOUT, usocket_recvfrom(pair[0], buf, 5, 0, NULL)); break;
        case 3: GIVES(-ETIMEDOUT, usocket_readline(pair[0], buf, 5)); break;
        }
        GIVES(5, usocket_read(pair[0], buf, 5));
        assert_memory_equal(buf, "more\n", 5);
    }
    // With nothing there at all it is told at once.
    GIVES(-ETIMEDOUT, usocket_read(pair[0], buf, 5));
    // Half a line likewise.
    OK(usocket_sendall(pair[1], "half a", 6, 0));
    GIVES(6, usocket_readline(pair[0], buf, sizeof buf));
    OK(usocket_sendall(pair[1], " line\n", 6, 0));
    GIVES(-ETIMEDOUT, usocket_readline(pair[0], buf, sizeof buf));
    GIVES(6, usocket_readline(pair[0], buf, sizeof buf));
    // The sending side hears nothing of it.
    OK(usocket_sendall(pair[1], "x", 1, 0));
    GIVES(1, usocket_read(pair[0], buf, 2));
    GIVES(1, usocket_send(pair[0], "x", 1, 0));
    GIVES(-ETIMEDOUT, usocket_recv(pair[0], buf, 1, 0));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void a_reset_half_way_loses_no_byte(void **state)
{
    (void)state;
    usocket_t pair[2];
    char buf[100];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_settimeout(pair[0], GENEROUS));
    OK(usocket_sendall(pair[1], "part", 4, 0));
    GIVES(4, usocket_recv(pair[0], buf, sizeof buf, MSG_PEEK));
    pid_t child = fork();
    if (child == 0) {
        CHILD(usocket_close(pair[0]) == 0);
        struct linger now = {1, 0};
        CHILD(usocket_setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
        wait_until_asleep(getppid());
        CHILD(usocket_close(pair[1]) == 0);
        _exit(0);
    }
    OK(usocket_close(pair[1]));
    GIVES(4, usocket_read(pair[0], buf, sizeof buf));
    assert_memory_equal(buf, "part", 4);
    GIVES(-ECONNRESET, usocket_read(pair[0], buf, sizeof buf));
    GIVES(0, usocket_read(pair[0], buf, sizeof buf));
    child_ends_well(child);
    OK(usocket_close(pair[0]));
}

static void without_blocking_it_is_what_is_there(void **state)
{
    (void)state;
    usocket_t pair[2];
    char buf[100];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    OK(usocket_setblocking(pair[0], 0));
    GIVES(-EAGAIN, usocket_read(pair[0], buf, sizeof buf));
    GIVES(-EAGAIN, usocket_readline(pair[0], buf, sizeof buf));
    OK(usocket_sendall(pair[1], "some", 4, 0));
    GIVES(4, usocket_read(pair[0], buf, sizeof buf));
    GIVES(-EAGAIN, usocket_read(pair[0], buf, sizeof buf));
    OK(usocket_sendall(pair[1], "a line\nand", 10, 0));
    GIVES(7, usocket_readline(pair[0], buf, sizeof buf));
    GIVES(3, usocket_readline(pair[0], buf, sizeof buf));
    GIVES(-EAGAIN, usocket_readline(pair[0], buf, sizeof buf));
    // Writing: what fits, then EAGAIN, and every byte of it arrives.
    static char block[8 << 20];
    int64_t fitted = OK(usocket_write(pair[0], block, sizeof block));
    assert_in_range(fitted, 1, sizeof block - 1);
    GIVES(-EAGAIN, usocket_write(pair[0], block, sizeof block));
    assert_int_equal(drain(pair[1], fitted), fitted);
    OK(usocket_setblocking(pair[1], 0));
    GIVES(-EAGAIN, usocket_recv(pair[1], buf, 1, 0));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void write_sends_all_of_it(void **state)
{
    (void)state;
    FOR_EACH_KIND(k) {
        if (k->type != SOCK_STREAM)
            continue;
        static unsigned char block[4 << 20], back[sizeof block];
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = i * 2654435761u >> 24;
        usocket_t pair[2];
        connected_pair(k->family, k->type, pair);
        OK(usocket_settimeout(pair[0], GENEROUS));
        pid_t child = fork();
        if (child == 0) {
            CHILD(usocket_close(pair[1]) == 0);
            CHILD(usocket_write(pair[0], block, sizeof block) == sizeof block);
            CHILD(usocket_sendall(pair[0], block, sizeof block, 0) == 0);
            _exit(0);
        }
        OK(usocket_close(pair[0]));
        for (int i = 0; i < 2; i++) {
            GIVES(sizeof back, usocket_read(pair[1], back, sizeof back));
            assert_memory_equal(back, block, sizeof back);
        }
        GIVES(0, usocket_read(pair[1], back, 1));
        child_ends_well(child);
        OK(usocket_close(pair[1]));
    }
}

static void a_write_that_times_out_says_how_much_went(void **state)
{
    (void)state;
    static char block[16 << 20];
    usocket_t pair[2];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    OK(usocket_settimeout(pair[0], 50 * MS));
    int64_t n = OK(usocket_write(pair[0], block, sizeof block));
    assert_in_range(n, 1, sizeof block - 1);
    GIVES(-ETIMEDOUT, usocket_send(pair[0], "x", 1, 0));
    assert_int_equal(drain(pair[1], n), n);
    GIVES(1, usocket_write(pair[0], "x", 1));
    assert_int_equal(drain(pair[1], 1), 1);
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void lines_come_one_by_one(void **state)
{
    (void)state;
    FOR_EACH_KIND(k) {
        if (k->type != SOCK_STREAM)
            continue;
        usocket_t pair[2];
        char buf[64];
        connected_pair(k->family, k->type, pair);
        OK(usocket_sendall(pair[1], "first\n\nthird\r\n\0\n0123456789", 26, 0));
        GIVES(6, usocket_readline(pair[0], buf, sizeof buf));
        assert_memory_equal(buf, "first\n", 6);
        GIVES(1, usocket_readline(pair[0], buf, sizeof buf));
        GIVES(7, usocket_readline(pair[0], buf, sizeof buf));
        GIVES(2, usocket_readline(pair[0], buf, sizeof buf));
        // A line longer than the room comes in pieces.
        GIVES(4, usocket_readline(pair[0], buf, 4));
        assert_memory_equal(buf, "0123", 4);
        // The last one may have no newline.
        OK(usocket_close(pair[1]));
        GIVES(6, usocket_readline(pair[0], buf, sizeof buf));
        GIVES(0, usocket_readline(pair[0], buf, sizeof buf));
        OK(usocket_close(pair[0]));
    }
    usocket_t s = bound_socket(AF_INET, SOCK_DGRAM);
    char c;
    GIVES(-EOPNOTSUPP, usocket_readline(s, &c, 1));
    OK(usocket_close(s));
}

static void polling_stays_truthful_behind_a_line(void **state)
{
    (void)state;
    usocket_t pair[2];
    char buf[64];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_sendall(pair[1], "one\ntwo\n", 8, 0));
    struct pollfd fd = {.fd = usocket_fileno(pair[0]), .events = POLLIN};
    usocket_pollfd p = {.socket = pair[0], .events = POLLIN};
    int waiting;
    GIVES(4, usocket_readline(pair[0], buf, sizeof buf));
    // The second line is still in the kernel: the descriptor knows, and so does everything else.
    assert_int_equal(poll(&fd, 1, 0), 1);
    GIVES(1, usocket_poll(&p, 1, 0));
    ioctl(fd.fd, FIONREAD, &waiting);
    assert_int_equal(waiting, 4);
    GIVES(4, usocket_readline(pair[0], buf, sizeof buf));
    assert_int_equal(poll(&fd, 1, 0), 0);
    GIVES(0, usocket_poll(&p, 1, 0));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void long_lines(void **state)
{
    (void)state;
    static char line[100000], back[sizeof line];
    memset(line, 'l', sizeof line);
    line[sizeof line - 1] = '\n';
    usocket_t pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    pid_t child = fork();
    if (child == 0) {
        CHILD(usocket_sendall(pair[1], line, sizeof line, 0) == 0);
        CHILD(usocket_sendall(pair[1], "next\n", 5, 0) == 0);
        _exit(0);
    }
    GIVES(sizeof line, usocket_readline(pair[0], back, sizeof back));
    assert_memory_equal(back, line, sizeof line);
    GIVES(5, usocket_readline(pair[0], back, sizeof back));
    child_ends_well(child);
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_waits_for_all_of_it),
        cmocka_unit_test(read_gives_less_at_the_end),
        cmocka_unit_test(a_timeout_half_way_loses_no_byte),
        cmocka_unit_test(a_reset_half_way_loses_no_byte),
        cmocka_unit_test(without_blocking_it_is_what_is_there),
        cmocka_unit_test(write_sends_all_of_it),
        cmocka_unit_test(a_write_that_times_out_says_how_much_went),
        cmocka_unit_test(lines_come_one_by_one),
        cmocka_unit_test(polling_stays_truthful_behind_a_line),
        cmocka_unit_test(long_lines),
    };
    return RUN(tests);
}
