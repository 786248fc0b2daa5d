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

static int32_t of(usocket_t s, int level, int name)
{
    int32_t value = -77;
    OK(usocket_getsockopt_int(s, level, name, &value));
    return value;
}

static void keepalive_with_its_times(void **state)
{
    (void)state;
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    int32_t count = of(s, IPPROTO_TCP, TCP_KEEPCNT);
    OK(usocket_set_keepalive(s, 30 * SECOND, 1, 0)); // Rounded up; the count stays the system's.
    assert_int_equal(of(s, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(of(s, IPPROTO_TCP, TCP_KEEPIDLE), 30);
    assert_int_equal(of(s, IPPROTO_TCP, TCP_KEEPINTVL), 1);
    assert_int_equal(of(s, IPPROTO_TCP, TCP_KEEPCNT), count);
    OK(usocket_set_keepalive(s, 1500 * MS, 0, 4));
    assert_int_equal(of(s, IPPROTO_TCP, TCP_KEEPIDLE), 2);
    assert_int_equal(of(s, IPPROTO_TCP, TCP_KEEPCNT), 4);
    OK(usocket_set_keepalive(s, -1, 0, 0));
    assert_int_equal(of(s, SOL_SOCKET, SO_KEEPALIVE), 0);
    GIVES(-EINVAL, usocket_set_keepalive(s, 40000LL * SECOND, 0, 0));
    GIVES(-EINVAL, usocket_set_keepalive(s, 0, -1, 0));
    GIVES(-EINVAL, usocket_set_keepalive(s, 0, 0, 128));
    assert_int_equal(of(s, SOL_SOCKET, SO_KEEPALIVE), 0);
    OK(usocket_close(s));
    s = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    GIVES(-EOPNOTSUPP, usocket_set_keepalive(s, SECOND, 0, 0));
    OK(usocket_close(s));
    s = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    GIVES(-EINVAL, usocket_set_keepalive(s, SECOND, 0, 0));
    OK(usocket_close(s));
}

static void linger_resets_or_waits(void **state)
{
    (void)state;
    usocket_t pair[2];
    struct linger linger;
    char c;
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_set_linger(pair[0], 1500 * MS));
    OK(usocket_getsockopt(pair[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    assert_true(linger.l_onoff && linger.l_linger == 2);
    OK(usocket_set_linger(pair[0], -1));
    OK(usocket_getsockopt(pair[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    assert_false(linger.l_onoff);
    OK(usocket_set_linger(pair[0], 0));
    OK(usocket_close(pair[0]));
    GIVES(-ECONNRESET, usocket_recv(pair[1], &c, 1, 0));
    OK(usocket_close(pair[1]));
}

static void the_traffic_class_of_both_families(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_INET6};
    for (int i = 0; i < 2; i++)
        for (int only = 0; only < 2; only++) {
            usocket_t s = OK(usocket_socket(families[i], SOCK_DGRAM, 0));
            if (families[i] == AF_INET6)
                OK(usocket_setsockopt_int(s, IPPROTO_IPV6, IPV6_V6ONLY, only));
            OK(usocket_set_tos(s, 46 << 2)); // Expedited forwarding.
            if (families[i] == AF_INET6)
                assert_int_equal(of(s, IPPROTO_IPV6, IPV6_TCLASS), 46 << 2);
            if (families[i] == AF_INET || !only)
                assert_int_equal(of(s, IPPROTO_IP, IP_TOS), 46 << 2);
            GIVES(-EINVAL, usocket_set_tos(s, 256));
            OK(usocket_close(s));
        }
    usocket_t s = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    GIVES(-EAFNOSUPPORT, usocket_set_tos(s, 0));
    OK(usocket_close(s));
}

static void an_error_that_waits_is_taken_once(void **state)
{
    (void)state;
    usocket_t gone = bound_socket(AF_INET, SOCK_STREAM), s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    usocket_addr addr = name_of(gone); // It has the port, and does not listen.
    GIVES(0, usocket_take_error(s));
    OK(usocket_settimeout(s, 0));
    int32_t code = usocket_connect(s, &addr);
    if (code == -EINPROGRESS) {
        usocket_pollfd p = {.socket = s, .events = POLLOUT};
        GIVES(1, usocket_poll(&p, 1, GENEROUS));
        code = usocket_take_error(s);
    }
    assert_int_equal(code, -ECONNREFUSED);
    GIVES(0, usocket_take_error(s));
    OK(usocket_close(s));
    OK(usocket_close(gone));
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
        wait_until_asleep(getppid());
        usleep(150 * MS); // More than the timeout that there was.
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
    usocket_t nobody = bound_socket(AF_INET, SOCK_STREAM);
    usocket_addr gone = name_of(nobody); // It has the port, and does not listen.
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
    OK(usocket_close(nobody));
    OK(usocket_close(s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mode_is_what_was_set_last),
        cmocka_unit_test(keepalive_with_its_times),
        cmocka_unit_test(linger_resets_or_waits),
        cmocka_unit_test(the_traffic_class_of_both_families),
        cmocka_unit_test(an_error_that_waits_is_taken_once),
        cmocka_unit_test(integers_in_and_out),
        cmocka_unit_test(buffers_in_and_out),
        cmocka_unit_test(the_systems_timeouts_do_not_end_an_operation),
        cmocka_unit_test(so_error_is_told_once),
    };
    return RUN(tests);
}
