// Options: the mode as it is set and told, and the system's socket options.

#include "support.h"

static void the_mode_is_what_was_set_last(void **state)
{
    (void)state;
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    const struct { int64_t set, told; bool nonblocking; } rows[] = {
        {5 * SECOND, 5 * SECOND, true}, {-1, -1, false}, {0, 0, true}, {1, 1, true},
        {INT64_MAX, INT64_MAX, true}, {INT64_MIN, -1, false}, {-7, -1, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        OK(usocket_settimeout(s, rows[i].set));
        int64_t told = 77;
        OK(usocket_gettimeout(s, &told));
        assert_int_equal(told, rows[i].told);
        assert_int_equal(!!(fcntl(usocket_fileno(s), F_GETFL) & O_NONBLOCK), rows[i].nonblocking);
    }
    int64_t told;
    OK(usocket_settimeout(s, SECOND));
    OK(usocket_setblocking(s, 1));
    OK(usocket_gettimeout(s, &told));
    assert_int_equal(told, -1);
    OK(usocket_setblocking(s, 0));
    OK(usocket_gettimeout(s, &told));
    assert_int_equal(told, 0);
    OK(usocket_setblocking(s, -5));
    OK(usocket_gettimeout(s, &told));
    assert_int_equal(told, -1);
    OK(usocket_close(s));
}

static void integers_in_and_out(void **state)
{
    (void)state;
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    int32_t value = 77;
    OK(usocket_getsockopt_int(s, SOL_SOCKET, SO_REUSEADDR, &value));
    assert_int_equal(value, 0);
    OK(usocket_setsockopt_int(s, SOL_SOCKET, SO_REUSEADDR, 1));
    OK(usocket_getsockopt_int(s, SOL_SOCKET, SO_REUSEADDR, &value));
    assert_int_equal(value, 1);
    OK(usocket_setsockopt_int(s, IPPROTO_TCP, TCP_NODELAY, 1));
    OK(usocket_getsockopt_int(s, IPPROTO_TCP, TCP_NODELAY, &value));
    assert_int_equal(value, 1);
    OK(usocket_getsockopt_int(s, SOL_SOCKET, SO_TYPE, &value));
    assert_int_equal(value, SOCK_STREAM);
    GIVES(-ENOPROTOOPT, usocket_setsockopt_int(s, SOL_SOCKET, 12345, 1));
    GIVES(-ENOPROTOOPT, usocket_getsockopt_int(s, SOL_SOCKET, 12345, &value));
    GIVES(-EINVAL, usocket_setsockopt_int(s, IPPROTO_TCP, TCP_KEEPIDLE, -1));
    assert_int_equal(value, SOCK_STREAM);
    OK(usocket_close(s));
    // An option of one byte is an integer too.
    s = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    OK(usocket_setsockopt_int(s, IPPROTO_IP, IP_MULTICAST_TTL, 7));
    OK(usocket_getsockopt_int(s, IPPROTO_IP, IP_MULTICAST_TTL, &value));
    assert_int_equal(value, 7);
    OK(usocket_close(s));
}

static void buffers_in_and_out(void **state)
{
    (void)state;
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    struct linger set = {1, 5}, got = {0};
    OK(usocket_setsockopt(s, SOL_SOCKET, SO_LINGER, &set, sizeof set));
    GIVES(sizeof got, usocket_getsockopt(s, SOL_SOCKET, SO_LINGER, &got, sizeof got));
    assert_memory_equal(&got, &set, sizeof got);
    // Less room, fewer bytes, and not one more.
    unsigned char small[4] = {9, 9, 9, 9};
    GIVES(2, usocket_getsockopt(s, SOL_SOCKET, SO_TYPE, small, 2));
    assert_memory_equal(small + 2, "\t\t", 2);
    GIVES(-EINVAL, usocket_setsockopt(s, SOL_SOCKET, SO_LINGER, &set, 3));
    OK(usocket_close(s));
    // Joining a group takes a structure.
    s = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    struct ip_mreqn group = {.imr_multiaddr.s_addr = htonl(0xef000001), .imr_ifindex = 1};
    OK(usocket_setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
    GIVES(-EADDRINUSE, usocket_setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
    OK(usocket_setsockopt(s, IPPROTO_IP, IP_DROP_MEMBERSHIP, &group, sizeof group));
    OK(usocket_close(s));
}

static void the_systems_timeouts_do_not_end_an_operation(void **state)
{
    (void)state;
    usocket_t pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    struct timeval soon = {.tv_usec = 10 * MS};
    OK(usocket_setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon));
    OK(usocket_settimeout(pair[0], 100 * MS));
    char c;
    int64_t began = now_us();
    GIVES(-ETIMEDOUT, usocket_recv(pair[0], &c, 1, 0));
    assert_in_range(now_us() - began, 100 * MS, GENEROUS);
    // In blocking mode it goes on until there is something.
    OK(usocket_setblocking(pair[0], 1));
    pid_t child = fork();
    if (child == 0) {
        struct timespec t = {.tv_nsec = 60 * MS * 1000};
        nanosleep(&t, NULL);
        CHILD(usocket_send(pair[1], "x", 1, 0) == 1);
        _exit(0);
    }
    GIVES(1, usocket_recv(pair[0], &c, 1, 0));
    child_ends_well(child);
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void so_error_is_told_once(void **state)
{
    (void)state;
    usocket_t listener = listening_socket(AF_INET, 1);
    usocket_addr gone = name_of(listener);
    OK(usocket_close(listener));
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    OK(usocket_setblocking(s, 0));
    int64_t r = usocket_connect(s, &gone);
    assert_true(r == -EINPROGRESS || r == -ECONNREFUSED);
    if (r == -EINPROGRESS) {
        usocket_pollfd p = {.socket = s, .events = POLLOUT};
        GIVES(1, usocket_poll(&p, 1, GENEROUS));
        int32_t error = 0;
        OK(usocket_getsockopt_int(s, SOL_SOCKET, SO_ERROR, &error));
        assert_int_equal(error, ECONNREFUSED);
        OK(usocket_getsockopt_int(s, SOL_SOCKET, SO_ERROR, &error));
        assert_int_equal(error, 0);
    }
    OK(usocket_close(s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mode_is_what_was_set_last),
        cmocka_unit_test(integers_in_and_out),
        cmocka_unit_test(buffers_in_and_out),
        cmocka_unit_test(the_systems_timeouts_do_not_end_an_operation),
        cmocka_unit_test(so_error_is_told_once),
    };
    return RUN(tests);
}
