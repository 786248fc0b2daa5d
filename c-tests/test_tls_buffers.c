// TLS without a socket: the test carries the bytes.

#include "tls_support.h"

static usocket_t pair_of_buffers(usocket_t pair[2], const char *name)
{
    usocket_t c = OK(usocket_tls_context_create(USOCKET_TLS_CLIENT));
    usocket_t s = OK(usocket_tls_context_create(USOCKET_TLS_SERVER));
    GIVES(1, usocket_tls_context_add_trust_file(c, in_certs("ca.pem")));
    OK(usocket_tls_context_add_cert_file(s, in_certs("server.pem"), in_certs("server-key.pem")));
    pair[0] = OK(usocket_tls_create(c, name, 0));
    pair[1] = OK(usocket_tls_create(s, NULL, 0));
    OK(usocket_close(s));
    return c;
}

// Carries what `from` has to say to `to`, `piece` bytes at a time; gives how many.
static int64_t carry(usocket_t from, usocket_t to, size_t piece)
{
    char buf[4096];
    int64_t n, all = 0;
    while ((n = usocket_tls_drain(from, buf, piece)) > 0) {
        GIVES(n, usocket_tls_feed(to, buf, (size_t)n));
        all += n;
    }
    GIVES(0, n);
    return all;
}

static void shake(usocket_t pair[2], size_t piece)
{
    for (int turns = 0; turns < 10; turns++) {
        int32_t a = usocket_tls_handshake(pair[0]), b = usocket_tls_handshake(pair[1]);
        if (a == 0 && b == 0)
            return;
        assert_true(a == 0 || a == -EAGAIN);
        assert_true(b == 0 || b == -EAGAIN);
        carry(pair[0], pair[1], piece);
        carry(pair[1], pair[0], piece);
    }
    fail_msg("the handshake does not end");
}

static void both_ways(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= 4096; piece *= 64) {
        usocket_t pair[2];
        char buf[64];
        OK(usocket_close(pair_of_buffers(pair, "localhost")));
        GIVES(-EAGAIN, usocket_recv(pair[0], buf, sizeof buf, 0));
        GIVES(-EAGAIN, usocket_write(pair[0], "x", 1));
        shake(pair, piece);
        // Nothing yet is not the end.
        GIVES(-EAGAIN, usocket_read(pair[0], buf, sizeof buf));
        GIVES(-EAGAIN, usocket_readline(pair[0], buf, sizeof buf));
        GIVES(1, usocket_tls_verified(pair[0]));
        GIVES(USOCKET_TLS_1_3, usocket_tls_version(pair[1]));
        GIVES(5, usocket_send(pair[0], "hello", 5, 0));
        assert_true(usocket_tls_drain(pair[0], NULL, 0) > 5);
        GIVES(-EAGAIN, usocket_recv(pair[1], buf, sizeof buf, 0));
        GIVES(POLLIN, usocket_tls_wants(pair[1]));
        carry(pair[0], pair[1], piece);
        GIVES(2, usocket_recv(pair[1], buf, 2, 0));
        GIVES(3, usocket_tls_pending(pair[1]));
        GIVES(3, usocket_read(pair[1], buf, sizeof buf));
        assert_memory_equal(buf, "llo", 3);
        OK(usocket_sendall(pair[1], "a line\nand more", 15, 0));
        GIVES(3, usocket_write(pair[1], "...", 3));
        carry(pair[1], pair[0], piece);
        GIVES(7, usocket_readline(pair[0], buf, sizeof buf));
        GIVES(11, usocket_readline(pair[0], buf, sizeof buf));
        // close_notify in both directions, and the end.
        OK(usocket_shutdown(pair[0], SHUT_WR));
        GIVES(-EPIPE, usocket_send(pair[0], "x", 1, 0));
        carry(pair[0], pair[1], piece);
        GIVES(0, usocket_recv(pair[1], buf, sizeof buf, 0));
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
}

static void an_end_without_goodbye(void **state)
{
    (void)state;
    usocket_t pair[2];
    char buf[8];
    OK(usocket_close(pair_of_buffers(pair, "localhost")));
    shake(pair, 1000);
    GIVES(3, usocket_send(pair[0], "end", 3, 0));
    carry(pair[0], pair[1], 1000);
    OK(usocket_tls_feed_end(pair[1]));
    GIVES(-EPIPE, usocket_tls_feed(pair[1], "x", 1));
    GIVES(3, usocket_recv(pair[1], buf, sizeof buf, 0));
    GIVES(USOCKET_ETLS_TRUNCATED, usocket_recv(pair[1], buf, sizeof buf, 0));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
    // Before the handshake.
    OK(usocket_close(pair_of_buffers(pair, "localhost")));
    GIVES(-EAGAIN, usocket_tls_handshake(pair[0]));
    OK(usocket_tls_feed_end(pair[0]));
    GIVES(USOCKET_ETLS_HANDSHAKE_EOF, usocket_tls_handshake(pair[0]));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void a_refusal_has_its_alert_to_be_carried(void **state)
{
    (void)state;
    usocket_t pair[2];
    char words[200];
    OK(usocket_close(pair_of_buffers(pair, "other.example")));
    int32_t a = -EAGAIN, b = -EAGAIN;
    for (int turns = 0; turns < 10 && (a == -EAGAIN || b == -EAGAIN || b == 0); turns++) {
        a = usocket_tls_handshake(pair[0]);
        carry(pair[0], pair[1], 500);
        b = usocket_tls_handshake(pair[1]);
        carry(pair[1], pair[0], 500);
    }
    GIVES(USOCKET_ETLS_CERT_WRONG_NAME, a);
    GIVES(USOCKET_ETLS_ALERT - 42, b);
    GIVES(42, usocket_tls_alert(pair[1]));
    assert_true(usocket_error_detail(pair[0], words, sizeof words) > 0);
    assert_non_null(strstr(words, "other.example"));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void it_takes_no_more_than_it_holds(void **state)
{
    (void)state;
    usocket_t pair[2];
    static char block[64 << 10], back[64 << 10];
    OK(usocket_close(pair_of_buffers(pair, "localhost")));
    shake(pair, 4096);
    carry(pair[1], pair[0], 4096);
    // Sent until there is no room, carried, and all of it arrives.
    int64_t sent = 0, got = 0, n;
    while ((n = usocket_send(pair[0], block, sizeof block, 0)) > 0)
        sent += n;
    GIVES(-EAGAIN, n);
    assert_in_range(sent, 64 << 10, 2 << 20);
    assert_true(usocket_tls_wants(pair[0]) & POLLOUT || usocket_tls_drain(pair[0], NULL, 0) > 0);
    char wire[4096];
    size_t held = 0;
    for (;;) {
        if (held == 0)
            held = (size_t)OK(usocket_tls_drain(pair[0], wire, sizeof wire));
        int64_t took = held ? usocket_tls_feed(pair[1], wire, held) : 0;
        if (took > 0) {
            memmove(wire, wire + took, held - (size_t)took);
            held -= (size_t)took;
        }
        n = usocket_recv(pair[1], back, sizeof back, 0);
        if (n > 0)
            got += n;
        else if (held == 0 && usocket_tls_drain(pair[0], NULL, 0) == 0)
            break;
    }
    assert_int_equal(sent, got);
    GIVES(1, usocket_send(pair[0], "x", 1, 0));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void with_a_socket_at_the_other_end(void **state)
{
    (void)state;
    usocket_t pair[2], ends[2];
    char buf[4096];
    usocket_t client = pair_of_buffers(pair, "localhost");
    connected_pair(AF_UNIX, SOCK_STREAM, ends);
    OK(usocket_settimeout(ends[0], 0));
    OK(usocket_settimeout(ends[1], 0));
    OK(usocket_tls_wrap(ends[0], client, "localhost", 0));
    // ends[0] is a wrapped client; the server is over buffers, and its bytes go by ends[1].
    int32_t a = -EAGAIN, b = -EAGAIN;
    for (int turns = 0; turns < 20 && (a || b); turns++) {
        a = usocket_tls_handshake(ends[0]);
        int64_t n = usocket_recv(ends[1], buf, sizeof buf, 0);
        if (n > 0)
            GIVES(n, usocket_tls_feed(pair[1], buf, (size_t)n));
        b = usocket_tls_handshake(pair[1]);
        n = OK(usocket_tls_drain(pair[1], buf, sizeof buf));
        OK(usocket_sendall(ends[1], buf, (size_t)n, 0));
    }
    GIVES(0, a);
    GIVES(0, b);
    OK(usocket_close(client));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
    OK(usocket_close(ends[0]));
    OK(usocket_close(ends[1]));
}

static void what_it_is_not(void **state)
{
    (void)state;
    usocket_t pair[2];
    char buf[8];
    usocket_t client = pair_of_buffers(pair, "localhost");
    GIVES(-EINVAL, usocket_tls_create(client, "localhost", 1));
    GIVES(USOCKET_ETLS_NAME_REQUIRED, usocket_tls_create(client, NULL, 0));
    GIVES(-EBADF, usocket_tls_create(0, "localhost", 0));
    GIVES(-EBADR, usocket_tls_create(pair[0], "localhost", 0));
    GIVES(-ENOTSOCK, usocket_fileno(pair[0]));
    GIVES(-ENOTSOCK, usocket_settimeout(pair[0], 1));
    GIVES(-ENOTSOCK, usocket_tls_wrap(pair[0], client, "localhost", 0));
    GIVES(-EBADR, usocket_tls_drain(client, buf, sizeof buf));
    GIVES(-EBADR, usocket_tls_feed(client, buf, sizeof buf));
    GIVES(-EFAULT, usocket_tls_feed(pair[0], NULL, 1));
    GIVES(0, usocket_tls_feed(pair[0], NULL, 0));
    OK(usocket_close(client));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
    GIVES(-EBADF, usocket_tls_drain(pair[0], buf, sizeof buf));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(an_end_without_goodbye),
        cmocka_unit_test(a_refusal_has_its_alert_to_be_carried),
        cmocka_unit_test(it_takes_no_more_than_it_holds),
        cmocka_unit_test(with_a_socket_at_the_other_end),
        cmocka_unit_test(what_it_is_not),
    };
    return RUN_TLS(tests);
}
