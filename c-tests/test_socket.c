// Sockets: made, connected, used, closed. Datagrams have
// test_socket_datagram.c, modes test_modes.c, threads test_threads.c and test_close.c.

#include "support.h"

static void a_socket_is_what_it_was_made(void **state)
{
    (void)state;
    const struct { int family, type, proto, settled; } rows[] = {
        {AF_INET, SOCK_STREAM, 0, IPPROTO_TCP},
        {AF_INET, SOCK_STREAM, IPPROTO_TCP, IPPROTO_TCP},
        {AF_INET, SOCK_DGRAM, 0, IPPROTO_UDP},
        {AF_INET6, SOCK_STREAM, 0, IPPROTO_TCP},
        {AF_INET6, SOCK_DGRAM, IPPROTO_UDP, IPPROTO_UDP},
        {AF_UNIX, SOCK_STREAM, 0, 0},
        {AF_UNIX, SOCK_DGRAM, 0, 0},
        {AF_UNIX, SOCK_SEQPACKET, 0, 0},
        {AF_INET, SOCK_STREAM, USOCKET_IPPROTO_SEC, USOCKET_IPPROTO_SEC},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        usocket_t s = OK(usocket_socket(rows[i].family, rows[i].type, rows[i].proto));
        assert_in_range(s, 1, (1LL << 53) - 1);
        assert_int_equal(usocket_family(s), rows[i].family);
        assert_int_equal(usocket_type(s), rows[i].type);
        assert_int_equal(usocket_proto(s), rows[i].settled);
        int64_t timeout;
        OK(usocket_gettimeout(s, &timeout));
        assert_int_equal(timeout, -1);
        int fd = OK(usocket_fileno(s));
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
        OK(usocket_close(s));
        assert_int_equal(fcntl(fd, F_GETFD), -1);
    }
}

static void what_cannot_be_made_says_why(void **state)
{
    (void)state;
    usocket_t pair[2] = {7, 7};
    GIVES(-EAFNOSUPPORT, usocket_socket(12345, SOCK_STREAM, 0));
    GIVES(-EINVAL, usocket_socket(AF_INET, 77, 0));
    GIVES(-EINVAL, usocket_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    GIVES(-EINVAL, usocket_socket(AF_INET, -1, 0));
    GIVES(-EPROTONOSUPPORT, usocket_socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    GIVES(-EPROTONOSUPPORT, usocket_socket(AF_INET, SOCK_DGRAM, USOCKET_IPPROTO_SEC));
    GIVES(-EPROTONOSUPPORT, usocket_socket(AF_UNIX, SOCK_STREAM, USOCKET_IPPROTO_SEC));
    GIVES(-EOPNOTSUPP, usocket_socketpair(AF_INET, SOCK_STREAM, 0, pair));
    GIVES(-EFAULT, usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, NULL));
    assert_int_equal(pair[0], 7);
}

static void bytes_go_both_ways_over_every_kind(void **state)
{
    (void)state;
    FOR_EACH_KIND(k) {
        usocket_t pair[2];
        connected_pair(k->family, k->type, pair);
        for (int i = 0; i < 2; i++) {
            char buf[16];
            GIVES(5, usocket_send(pair[i], "hello", 5, 0));
            GIVES(2, usocket_recv(pair[!i], buf, 2, MSG_PEEK));
            GIVES(5, usocket_recv(pair[!i], buf, sizeof buf, 0));
            assert_memory_equal(buf, "hello", 5);
            OK(usocket_sendall(pair[i], "world", 5, 0));
            GIVES(5, usocket_recvfrom(pair[!i], buf, sizeof buf, 0, NULL));
            assert_memory_equal(buf, "world", 5);
        }
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
}

// Bytes after the length have no meaning.
static void assert_same(const usocket_addr *one, const usocket_addr *other)
{
    assert_int_equal(one->len, other->len);
    assert_memory_equal(one->storage, other->storage, one->len);
}

static void both_ends_agree_on_their_names(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_INET6};
    for (int i = 0; i < 2; i++) {
        usocket_t listener = listening_socket(families[i], USOCKET_BACKLOG_DEFAULT);
        usocket_t client = client_of(listener);
        usocket_addr peer, name, other;
        usocket_t served = OK(usocket_accept(listener, &peer));
        name = name_of(client);
        assert_same(&peer, &name);
        OK(usocket_getpeername(client, &other));
        name = name_of(listener);
        assert_same(&other, &name);
        assert_int_equal(usocket_family(served), families[i]);
        assert_int_equal(usocket_type(served), SOCK_STREAM);
        assert_int_equal(usocket_proto(served), IPPROTO_TCP);
        GIVES(-ENOTCONN, usocket_getpeername(listener, &other));
        OK(usocket_close(served));
        OK(usocket_close(client));
        OK(usocket_close(listener));
    }
}

static void an_accepted_socket_has_the_mode_that_was_asked_for(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_INET6, AF_UNIX};
    for (int i = 0; i < 3; i++) {
        usocket_t listener = listening_socket(families[i], 9);
        OK(usocket_settimeout(listener, GENEROUS));
        GIVES(-EINVAL, usocket_accept4(listener, SOCK_STREAM, NULL));
        for (int how = 0; how < 4; how++) {
            usocket_t client = client_of(listener), served;
            usocket_addr peer = {.len = 99};
            int flags = how == 3 ? SOCK_NONBLOCK | SOCK_CLOEXEC : how == 2 ? SOCK_NONBLOCK : 0;
            served = OK(how == 0 ? usocket_accept(listener, &peer) : usocket_accept4(listener, flags, &peer));
            int64_t timeout;
            OK(usocket_gettimeout(served, &timeout));
            assert_int_equal(timeout, flags ? 0 : -1);
            assert_int_equal(!!(fcntl(usocket_fileno(served), F_GETFL) & O_NONBLOCK), !!flags);
            assert_true(fcntl(usocket_fileno(served), F_GETFD) & FD_CLOEXEC);
            if (flags)
                GIVES(-EAGAIN, usocket_recv(served, &(char){0}, 1, 0));
            usocket_addr name = name_of(client);
            assert_string_equal(text_of(&peer), text_of(&name));
            OK(usocket_close(served));
            OK(usocket_close(client));
        }
        OK(usocket_close(listener));
    }
}

static void the_end_of_a_stream(void **state)
{
    (void)state;
    FOR_EACH_KIND(k) {
        if (k->type != SOCK_STREAM)
            continue;
        usocket_t pair[2];
        char buf[8];
        connected_pair(k->family, k->type, pair);
        OK(usocket_send(pair[0], "last", 4, 0));
        OK(usocket_shutdown(pair[0], SHUT_WR));
        GIVES(-EPIPE, usocket_send(pair[0], "x", 1, 0));
        GIVES(4, usocket_recv(pair[1], buf, sizeof buf, 0));
        GIVES(0, usocket_recv(pair[1], buf, sizeof buf, 0));
        GIVES(0, usocket_recv(pair[1], buf, sizeof buf, 0));
        // The other half still works.
        OK(usocket_send(pair[1], "back", 4, 0));
        GIVES(4, usocket_recv(pair[0], buf, sizeof buf, 0));
        GIVES(-EINVAL, usocket_shutdown(pair[0], 3));
        GIVES(-EINVAL, usocket_shutdown(pair[0], -1));
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    GIVES(-ENOTCONN, usocket_shutdown(s, SHUT_RDWR));
    OK(usocket_close(s));
}

static void writing_to_a_closed_peer_is_a_code_and_no_signal(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_DFL); // it would end the test
    FOR_EACH_KIND(k) {
        if (k->type != SOCK_STREAM)
            continue;
        usocket_t pair[2];
        connected_pair(k->family, k->type, pair);
        OK(usocket_close(pair[1]));
        int64_t r = 0;
        for (int i = 0; i < 100000 && r >= 0; i++)
            r = usocket_send(pair[0], "x", 1, 0);
        assert_true(r == -EPIPE || r == -ECONNRESET);
        GIVES(-EPIPE, usocket_sendall(pair[0], "x", 1, 0));
        GIVES(-EPIPE, usocket_write(pair[0], "x", 1));
        OK(usocket_close(pair[0]));
    }
}

static void addresses_that_do_not_work(void **state)
{
    (void)state;
    usocket_t taken = listening_socket(AF_INET, 1);
    usocket_addr addr = name_of(taken), local = local_address(AF_INET, 0), six, unused;
    OK(usocket_addr_ip(AF_INET6, "::1", 1, 0, 0, &six));
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    GIVES(-EADDRINUSE, usocket_bind(s, &addr));
    OK(usocket_bind(s, &local));
    GIVES(-EINVAL, usocket_bind(s, &local)); // bound already
    OK(usocket_shutdown(taken, SHUT_RD)); // It has the port, and listens no more.
    GIVES(-ECONNREFUSED, usocket_connect(s, &addr));
    OK(usocket_close(taken));
    GIVES(-EAFNOSUPPORT, usocket_connect(s, &six));
    OK(usocket_addr_ip(AF_INET, "192.0.2.1", 0, 0, 0, &unused));
    usocket_t t = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    GIVES(-EADDRNOTAVAIL, usocket_bind(t, &unused));
    usocket_t u = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    OK(usocket_addr_unix("/no/such/folder/socket", 22, &addr));
    GIVES(-ENOENT, usocket_connect(u, &addr));
    GIVES(-ENOENT, usocket_bind(u, &addr));
    OK(usocket_close(s));
    OK(usocket_close(t));
    OK(usocket_close(u));
}

static void what_is_not_connected_says_so(void **state)
{
    (void)state;
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    usocket_t d = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    char c;
    GIVES(-EPIPE, usocket_send(s, "x", 1, 0));
    GIVES(-ENOTCONN, usocket_recv(s, &c, 1, 0));
    GIVES(-EDESTADDRREQ, usocket_send(d, "x", 1, 0));
    GIVES(-EINVAL, usocket_accept(s, NULL));
    GIVES(-EOPNOTSUPP, usocket_accept(d, NULL));
    GIVES(-EOPNOTSUPP, usocket_listen(d, 1));
    OK(usocket_close(s));
    OK(usocket_close(d));
}

static void a_descriptor_that_others_have_closed_is_said_at_the_close(void **state)
{
    (void)state;
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    int fd = (int)OK(usocket_fileno(s));
    assert_int_equal(close(fd), 0);
    GIVES(-EBADF, usocket_close(s));
    // The handle is gone all the same: a new owner of the number keeps it.
    assert_int_equal(open("/", O_PATH | O_CLOEXEC), fd);
    GIVES(-EBADF, usocket_close(s));
    assert_int_not_equal(fcntl(fd, F_GETFD), -1);
    close(fd);
    // Nothing of it is left for the next.
    OK(usocket_close(OK(usocket_socket(AF_INET, SOCK_STREAM, 0))));
}

static void any_backlog_is_a_backlog(void **state)
{
    (void)state;
    const int backlogs[] = {-1, 0, 1, USOCKET_BACKLOG_DEFAULT, INT32_MIN, INT32_MAX};
    for (int i = 0; i < 6; i++) {
        usocket_t listener = listening_socket(AF_INET, backlogs[i]);
        // A negative one counts as 0; to the kernel it would be as large as there can be. Of a
        // listener, tcpi_sacked is how many may wait.
        struct tcp_info info;
        OK(usocket_getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, sizeof info));
        if (backlogs[i] < 2 && !emulated())
            assert_int_equal(info.tcpi_sacked, backlogs[i] < 0 ? 0 : backlogs[i]);
        usocket_t client = client_of(listener);
        OK(usocket_close(OK(usocket_accept(listener, NULL))));
        OK(usocket_close(client));
        OK(usocket_close(listener));
    }
}

static void socketpairs(void **state)
{
    (void)state;
    const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (int i = 0; i < 3; i++) {
        usocket_t pair[2];
        char buf[8];
        OK(usocket_socketpair(AF_UNIX, types[i], 0, pair));
        GIVES(3, usocket_send(pair[0], "one", 3, 0));
        GIVES(3, usocket_recv(pair[1], buf, sizeof buf, 0));
        GIVES(3, usocket_send(pair[1], "two", 3, 0));
        GIVES(3, usocket_recv(pair[0], buf, sizeof buf, 0));
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
}

static void ipproto_sec_carries_nothing_before_it_is_wrapped(void **state)
{
    (void)state;
    const int modes[] = {-1, 0, GENEROUS};
    for (int i = 0; i < 3; i++) {
        usocket_t listener = listening_socket(AF_INET, 1);
        usocket_addr addr = name_of(listener);
        usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, USOCKET_IPPROTO_SEC));
        OK(usocket_connect(s, &addr));
        usocket_t peer = OK(usocket_accept(listener, NULL));
        OK(usocket_send(peer, "line\n", 5, 0));
        OK(usocket_settimeout(s, modes[i]));
        char buf[8];
        GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_send(s, "x", 1, 0));
        GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_sendall(s, "x", 1, 0));
        GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_sendto(s, "x", 1, 0, &addr));
        GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_write(s, "x", 1));
        GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_recv(s, buf, 8, 0));
        GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_recvfrom(s, buf, 8, 0, NULL));
        GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_read(s, buf, 8));
        GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_readline(s, buf, 8));
        // Its peer, an ordinary socket, saw not one byte.
        OK(usocket_close(s));
        int64_t n = usocket_recv(peer, buf, 8, 0);
        assert_true(n == 0 || n == -ECONNRESET);
        OK(usocket_close(peer));
        OK(usocket_close(listener));
    }
}

static void raw_sockets_where_they_are_permitted(void **state)
{
    (void)state;
    usocket_t s = usocket_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    if (s == -EPERM) {
        print_message("raw sockets are not permitted here\n");
        skip();
    }
    OK(s);
    assert_int_equal(usocket_type(s), SOCK_RAW);
    assert_int_equal(usocket_proto(s), IPPROTO_ICMP);
    OK(usocket_settimeout(s, GENEROUS));
    // An echo request to ourselves, and its answer among what arrives.
    unsigned char ping[8] = {8, 0, 0, 0, 0x75, 0x73, 0, 1};
    uint32_t sum = 0;
    for (int i = 0; i < 8; i += 2)
        sum += ping[i] << 8 | ping[i + 1];
    sum = ~((sum >> 16) + sum) & 0xffff;
    ping[2] = sum >> 8, ping[3] = sum;
    usocket_addr to = local_address(AF_INET, 0), from;
    GIVES(8, usocket_sendto(s, ping, sizeof ping, 0, &to));
    for (;;) {
        unsigned char packet[1500];
        int64_t n = OK(usocket_recvfrom(s, packet, sizeof packet, 0, &from));
        size_t header = (packet[0] & 15) * 4;
        if (n == (int64_t)header + 8 && packet[header] == 0 && !memcmp(packet + header + 4, ping + 4, 4))
            break;
    }
    assert_string_equal(text_of(&from), "127.0.0.1:0");
    OK(usocket_close(s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_is_what_it_was_made),
        cmocka_unit_test(what_cannot_be_made_says_why),
        cmocka_unit_test(bytes_go_both_ways_over_every_kind),
        cmocka_unit_test(both_ends_agree_on_their_names),
        cmocka_unit_test(an_accepted_socket_has_the_mode_that_was_asked_for),
        cmocka_unit_test(the_end_of_a_stream),
        cmocka_unit_test(writing_to_a_closed_peer_is_a_code_and_no_signal),
        cmocka_unit_test(addresses_that_do_not_work),
        cmocka_unit_test(what_is_not_connected_says_so),
        cmocka_unit_test(a_descriptor_that_others_have_closed_is_said_at_the_close),
        cmocka_unit_test(any_backlog_is_a_backlog),
        cmocka_unit_test(socketpairs),
        cmocka_unit_test(ipproto_sec_carries_nothing_before_it_is_wrapped),
        cmocka_unit_test(raw_sockets_where_they_are_permitted),
    };
    return RUN(tests);
}
