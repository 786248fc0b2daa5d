// Every error that the header documents for TLS on sockets and over buffers, made to happen.

#include "errors.h"
#include "tls_support.h"

// A wrapped pair, the client first, that has not begun; it waits for nothing.
static void wrapped(usocket_t pair[2], usocket_t client, usocket_t server)
{
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_tls_wrap(pair[0], client, "localhost", 0));
    OK(usocket_tls_wrap(pair[1], server, NULL, 0));
    for (int i = 0; i < 2; i++)
        OK(usocket_settimeout(pair[i], 0));
}

// Does the handshake on both sides; gives the client's code.
static int64_t shake(usocket_t pair[2])
{
    int64_t done[2] = {-EAGAIN, -EAGAIN}, end = now_us() + GENEROUS;
    while (done[0] == -EAGAIN || (done[0] == 0 && done[1] == -EAGAIN)) {
        assert_true(now_us() < end);
        for (int i = 0; i < 2; i++)
            done[i] = done[i] == -EAGAIN ? usocket_tls_handshake(pair[i]) : done[i];
    }
    return done[0];
}

static void shaken_pair(usocket_t pair[2])
{
    usocket_t client = client_context(), server = server_context("server");
    wrapped(pair, client, server);
    GIVES(0, shake(pair));
    CLOSE(client, server);
}

// The connection ends without close_notify.
static void cut(usocket_t s)
{
    assert_int_equal(shutdown((int)OK(usocket_fileno(s)), SHUT_WR), 0);
}

static void awaits_input(usocket_t s)
{
    struct pollfd p = {(int)OK(usocket_fileno(s)), POLLIN, 0};
    assert_int_equal(poll(&p, 1, GENEROUS / MS), 1);
}

// --- every function, on what has no session ---

static void of_other_handles(void **state)
{
    (void)state;
    usocket_t plain = tcp(), h = OK(usocket_poller_create());
    const struct {
        usocket_t h;
        int64_t code;
    } cases[] = {{plain, USOCKET_ETLS_NOT_WRAPPED}, {h, -ENOTSOCK}, {0, -EBADF}};
    for (int i = 0; i < 3; i++) {
        usocket_t s = cases[i].h;
        int64_t wrong = cases[i].code;
        GIVES(wrong, usocket_tls_handshake(s));
        GIVES(wrong, usocket_tls_unwrap(s));
        GIVES(wrong, usocket_tls_pending(s));
        GIVES(wrong, usocket_tls_wants(s));
        GIVES(wrong, usocket_tls_version(s));
        GIVES(wrong, usocket_tls_cipher(s, buf, 99));
        GIVES(wrong, usocket_tls_group(s, buf, 99));
        GIVES(wrong, usocket_tls_alpn(s, buf, 99));
        GIVES(wrong, usocket_tls_server_name(s, buf, 99));
        GIVES(wrong, usocket_tls_resumed(s));
        GIVES(wrong, usocket_tls_verified(s));
        GIVES(wrong, usocket_tls_alert(s));
        GIVES(wrong, usocket_tls_peer_cert(s, 0, buf, 99));
        GIVES(wrong, usocket_tls_verified_cert(s, 0, buf, 99));
        GIVES(wrong, usocket_tls_export(s, "x", NULL, 0, buf, 9));
        GIVES(wrong, usocket_tls_channel_binding(s, buf, 32));
        GIVES(wrong, usocket_tls_take_session(s));
        GIVES(wrong, usocket_tls_set_session(s, h));
        int buffers = i == 2 ? -EBADF : -EBADR;
        GIVES(i == 0 ? wrong : buffers, usocket_tls_feed(s, "x", 1)); // which may be a socket's
        GIVES(buffers, usocket_tls_feed_end(s));
        GIVES(buffers, usocket_tls_drain(s, buf, 9));
    }
    CLOSE(plain, h);
}

static void of_wrapping(void **state)
{
    (void)state;
    usocket_t client = client_context(), server = server_context("server"), bare = context(USOCKET_TLS_SERVER);
    usocket_t s = tcp(), d = udp(), none = context(USOCKET_TLS_CLIENT), pair[2], p = OK(usocket_poller_create());
    OK(usocket_tls_context_set_ciphers(bare, "TLS_AES_128_GCM_SHA256"));
    GIVES(USOCKET_ETLS_NAME_REQUIRED, usocket_tls_wrap(s, client, NULL, 0));
    GIVES(USOCKET_ETLS_BAD_NAME, usocket_tls_wrap(s, client, "not a name", 0));
    GIVES(USOCKET_ETLS_NO_CERT, usocket_tls_wrap(s, bare, NULL, 0));
    OK(usocket_tls_context_set_verify(server, USOCKET_TLS_VERIFY_REQUIRED));
    GIVES(USOCKET_ETLS_NO_TRUST, usocket_tls_wrap(s, server, NULL, 0));
    OK(usocket_tls_context_set_ciphers(client, "TLS_AES_128_GCM_SHA256"));
    OK(usocket_tls_context_set_versions(client, USOCKET_TLS_1_2, USOCKET_TLS_1_2));
    GIVES(USOCKET_ETLS_NO_SUCH_VERSION, usocket_tls_wrap(s, client, "localhost", 0));
    GIVES(-EPROTOTYPE, usocket_tls_wrap(d, client, "localhost", 0));
    GIVES(-EINVAL, usocket_tls_wrap(s, client, "localhost", 1 << 20));
    GIVES(-EBADR, usocket_tls_wrap(s, s, "localhost", 0));
    GIVES(-ENOTSOCK, usocket_tls_wrap(p, client, "localhost", 0));
    GIVES(-EBADF, usocket_tls_wrap(0, client, "localhost", 0));
    shaken_pair(pair);
    usocket_t other = client_context();
    GIVES(-EISCONN, usocket_tls_wrap(pair[0], other, "localhost", 0));
    GIVES(-EOPNOTSUPP, usocket_dup(pair[0]));
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(4)] = {0};
    usocket_iovec piece = {buf, 1};
    usocket_msg msg = {.data = &piece, .count = 1, .control = control, .control_len = sizeof control};
    GIVES(-EOPNOTSUPP, usocket_sendmsg(pair[0], &msg, 0));
    GIVES(USOCKET_ETLS_BAD_NAME, usocket_tls_create(other, "not a name", 0));
    CLOSE(client, server, bare, s, d, none, p, pair[0], pair[1], other);
}

// --- the handshake, and what may end it ---

static usocket_t called_on;
static int64_t called_gave;

static int32_t call_again(void *arg, const uint8_t *der, size_t len, int32_t depth)
{
    (void)arg, (void)der, (void)len, (void)depth;
    called_gave = usocket_tls_handshake(called_on);
    return 0;
}

static void of_handshakes(void **state)
{
    (void)state;
    usocket_t client = client_context(), server = server_context("server"), pair[2], s = tcp();
    OK(usocket_tls_wrap(s, client, "localhost", 0));
    GIVES(-ENOTCONN, usocket_tls_handshake(s));
    wrapped(pair, client, server);
    GIVES(-EAGAIN, usocket_tls_handshake(pair[0]));
    OK(usocket_settimeout(pair[0], MS));
    GIVES(-ETIMEDOUT, usocket_tls_handshake(pair[0]));
    OK(usocket_settimeout(pair[0], GENEROUS));
    interrupted();
    GIVES(-EINTR, usocket_tls_handshake(pair[0]));
    uninterrupted();
    struct linger at_once = {1, 0};
    OK(usocket_setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
    OK(usocket_close(pair[1]));
    GIVES(-ECONNRESET, usocket_tls_handshake(pair[0]));
    OK(usocket_close(pair[0]));
    wrapped(pair, client, server);
    cut(pair[1]);
    OK(usocket_settimeout(pair[0], GENEROUS));
    GIVES(USOCKET_ETLS_HANDSHAKE_EOF, usocket_tls_handshake(pair[0]));
    CLOSE(pair[0], pair[1]);
    // From its own callback.
    OK(usocket_tls_context_set_verify_callback(client, call_again, NULL));
    wrapped(pair, client, server);
    called_on = pair[0];
    GIVES(0, shake(pair));
    GIVES(-EDEADLK, called_gave);
    note_made("usocket_tls_handshake", called_gave);
    CLOSE(pair[0], pair[1]);
    // Refused, by date and by list.
    char crl[16384];
    usocket_t strict = client_context();
    OK(usocket_tls_context_set_clock(strict, 1));
    wrapped(pair, strict, server);
    GIVES(USOCKET_ETLS_CERT_NOT_YET_VALID, shake(pair));
    GIVES(USOCKET_ETLS_CERT_NOT_YET_VALID, usocket_tls_verified(pair[0]));
    CLOSE(pair[0], pair[1], strict);
    strict = client_context();
    OK(usocket_tls_context_add_crl(strict, crl, slurp("crl-stale.pem", crl, sizeof crl)));
    wrapped(pair, strict, server);
    GIVES(USOCKET_ETLS_CRL_EXPIRED, shake(pair));
    GIVES(USOCKET_ETLS_CRL_EXPIRED, usocket_tls_verified(pair[0]));
    CLOSE(pair[0], pair[1], strict, client, server, s);
}

// --- what was agreed ---

static void of_questions(void **state)
{
    (void)state;
    usocket_t client = client_context(), server = server_context("server"), pair[2];
    OK(usocket_tls_context_set_alpn(client, "h2"));
    OK(usocket_tls_context_set_alpn(server, "h2"));
    wrapped(pair, client, server);
    GIVES(-ENOTCONN, usocket_tls_export(pair[0], "x", NULL, 0, buf, 9));
    GIVES(-ENOTCONN, usocket_tls_channel_binding(pair[0], buf, 32));
    GIVES(0, shake(pair));
    usocket_t s = pair[0];
    GIVES(-ENOSPC, usocket_tls_cipher(s, buf, 3));
    GIVES(-EFAULT, usocket_tls_cipher(s, NULL, 3));
    GIVES(-ENOSPC, usocket_tls_group(s, buf, 1));
    GIVES(-EFAULT, usocket_tls_group(s, NULL, 3));
    GIVES(-ENOSPC, usocket_tls_alpn(s, buf, 2));
    GIVES(-EFAULT, usocket_tls_alpn(s, NULL, 3));
    GIVES(-ENOSPC, usocket_tls_server_name(s, buf, 9));
    GIVES(-EFAULT, usocket_tls_server_name(s, NULL, 3));
    GIVES(-ENODATA, usocket_tls_alert(s));
    GIVES(-ENODATA, usocket_tls_peer_cert(s, 9, buf, sizeof buf));
    GIVES(-ENODATA, usocket_tls_peer_cert(s, -1, buf, sizeof buf));
    GIVES(-ENOSPC, usocket_tls_peer_cert(s, 0, buf, 9));
    GIVES(-EFAULT, usocket_tls_peer_cert(s, 0, NULL, 9));
    GIVES(-ENODATA, usocket_tls_verified_cert(s, 9, buf, sizeof buf));
    GIVES(-ENOSPC, usocket_tls_verified_cert(s, 0, buf, 9));
    GIVES(-EFAULT, usocket_tls_verified_cert(s, 0, NULL, 9));
    GIVES(-EINVAL, usocket_tls_export(s, "x", NULL, 0, buf, 0));
    GIVES(-EINVAL, usocket_tls_export(s, "x", NULL, 0, buf, sizeof buf));
    GIVES(-EFAULT, usocket_tls_export(s, NULL, NULL, 0, buf, 9));
    GIVES(-EFAULT, usocket_tls_export(s, "x", NULL, 0, NULL, 9));
    GIVES(-EFAULT, usocket_tls_export(s, "x", NULL, 1, buf, 9));
    GIVES(-ENOSPC, usocket_tls_channel_binding(s, buf, 31));
    GIVES(-EFAULT, usocket_tls_channel_binding(s, NULL, 32));
    CLOSE(pair[0], pair[1]);
    OK(usocket_tls_context_set_versions(client, USOCKET_TLS_1_2, USOCKET_TLS_1_2));
    wrapped(pair, client, server);
    GIVES(0, shake(pair));
    GIVES(-EOPNOTSUPP, usocket_tls_export(pair[0], "x", NULL, 0, buf, 9));
    GIVES(-EOPNOTSUPP, usocket_tls_channel_binding(pair[0], buf, 32));
    CLOSE(pair[0], pair[1], client, server);
}

static void of_sessions(void **state)
{
    (void)state;
    usocket_t client = client_context(), server = server_context("server"), other = client_context(), pair[2];
    wrapped(pair, client, server);
    GIVES(-ENODATA, usocket_tls_take_session(pair[0]));
    GIVES(-EOPNOTSUPP, usocket_tls_take_session(pair[1]));
    GIVES(0, shake(pair));
    awaits_input(pair[0]);
    GIVES(-EAGAIN, usocket_recv(pair[0], buf, 1, 0));
    usocket_t session = OK(usocket_tls_take_session(pair[0]));
    GIVES(-EISCONN, usocket_tls_set_session(pair[0], session));
    GIVES(-EOPNOTSUPP, usocket_tls_set_session(pair[1], session));
    CLOSE(pair[0], pair[1]);
    wrapped(pair, other, server);
    GIVES(-EINVAL, usocket_tls_set_session(pair[0], session));
    GIVES(-EBADR, usocket_tls_set_session(pair[0], client));
    CLOSE(pair[0], pair[1]);
    wrapped(pair, client, server);
    OK(usocket_tls_set_session(pair[0], session));
    GIVES(-ENODATA, usocket_tls_set_session(pair[0], session));
    CLOSE(pair[0], pair[1], session, client, server, other);
}

static void of_unwrapping(void **state)
{
    (void)state;
    usocket_t pair[2];
    shaken_pair(pair);
    GIVES(1, usocket_send(pair[1], "x", 1, 0));
    awaits_input(pair[0]);
    int64_t end = now_us() + GENEROUS; // A ticket may be what came, and the byte be behind it.
    while (usocket_tls_unwrap(pair[0]) != -EBUSY)
        assert_true(now_us() < end);
    GIVES(-EBUSY, usocket_tls_unwrap(pair[0]));
    GIVES(1, usocket_recv(pair[0], buf, 1, 0));
    GIVES(-EAGAIN, usocket_tls_unwrap(pair[0]));
    OK(usocket_settimeout(pair[0], MS));
    GIVES(-ETIMEDOUT, usocket_tls_unwrap(pair[0]));
    cut(pair[1]);
    OK(usocket_settimeout(pair[0], GENEROUS));
    GIVES(USOCKET_ETLS_TRUNCATED, usocket_tls_unwrap(pair[0]));
    CLOSE(pair[0], pair[1]);
}

static void of_buffers(void **state)
{
    (void)state;
    usocket_t client = client_context(), b = OK(usocket_tls_create(client, "localhost", 0));
    GIVES(-EFAULT, usocket_tls_feed(b, NULL, 1));
    GIVES(-EINVAL, usocket_tls_feed(b, buf, SIZE_MAX));
    GIVES(-EFAULT, usocket_tls_drain(b, NULL, 1));
    GIVES(-EINVAL, usocket_tls_drain(b, buf, SIZE_MAX));
    int64_t n = 1, all = 0;
    while ((n = usocket_tls_feed(b, buf, sizeof buf)) > 0 && all < 1 << 24)
        all += n;
    assert_true(all < 1 << 24);
    GIVES(-EAGAIN, usocket_tls_feed(b, buf, sizeof buf));
    OK(usocket_tls_feed_end(b));
    GIVES(-EPIPE, usocket_tls_feed(b, buf, 1));
    CLOSE(client, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_other_handles), cmocka_unit_test(of_wrapping),   cmocka_unit_test(of_handshakes),
        cmocka_unit_test(of_questions),     cmocka_unit_test(of_sessions),   cmocka_unit_test(of_unwrapping),
        cmocka_unit_test(of_buffers),
    };
    return RUN_TLS(tests);
}
