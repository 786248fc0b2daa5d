// TLS on a socket: what a wrapped handle does. Non-blocking, and polled: test_tls_poll.c.

#include "tls_support.h"

static void the_same_handle_goes_on(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_INET6, AF_UNIX};
    for (int i = 0; i < 3; i++) {
        usocket_t pair[2];
        char buf[64];
        tls_pair(families[i], pair);
        GIVES(5, usocket_send(pair[0], "hello", 5, 0));
        GIVES(5, usocket_recv(pair[1], buf, sizeof buf, 0));
        assert_memory_equal(buf, "hello", 5);
        OK(usocket_sendall(pair[1], "a line\nand the rest", 19, 0));
        GIVES(7, usocket_readline(pair[0], buf, sizeof buf));
        GIVES(12, usocket_read(pair[0], buf, 12));
        assert_memory_equal(buf, "and the rest", 12);
        GIVES(3, usocket_write(pair[0], "end", 3));
        OK(usocket_shutdown(pair[0], SHUT_WR));
        GIVES(3, usocket_recv(pair[1], buf, sizeof buf, 0));
        GIVES(0, usocket_recv(pair[1], buf, sizeof buf, 0));
        GIVES(-EPIPE, usocket_send(pair[0], "x", 1, 0));
        usocket_addr to = local_address(AF_INET, 1);
        GIVES(-EISCONN, usocket_sendto(pair[1], "x", 1, 0, &to));
        close_pair(pair);
    }
}

static void what_was_agreed_can_be_asked(void **state)
{
    (void)state;
    usocket_t pair[2];
    int64_t theirs;
    char text[128];
    unsigned char der[4096], one[32], two[32];
    usocket_t client = client_context(), server = server_context("server");
    OK(usocket_tls_context_set_alpn(client, "h2,http/1.1"));
    OK(usocket_tls_context_set_alpn(server, "http/1.1"));
    OK(usocket_tls_context_set_groups(server, "X25519"));
    OK(usocket_tls_context_set_ciphers(server, "TLS_CHACHA20_POLY1305_SHA256"));
    connected_pair(AF_INET, SOCK_STREAM, pair);
    GIVES(0, handshake_between(pair, client, server, "localhost", &theirs));
    // This change applies to later connections.
    GIVES(0, usocket_tls_context_set_alpn(client, "h3"));
    for (int i = 0; i < 2; i++) {
        GIVES(USOCKET_TLS_1_3, usocket_tls_version(pair[i]));
        GIVES(28, usocket_tls_cipher(pair[i], text, sizeof text));
        assert_string_equal(text, "TLS_CHACHA20_POLY1305_SHA256");
        GIVES(6, usocket_tls_group(pair[i], text, sizeof text));
        assert_string_equal(text, "X25519");
        GIVES(8, usocket_tls_alpn(pair[i], text, sizeof text));
        GIVES(9, usocket_tls_server_name(pair[i], text, sizeof text));
        assert_string_equal(text, "localhost");
        GIVES(-ENOSPC, usocket_tls_server_name(pair[i], text, 9));
        GIVES(0, usocket_tls_resumed(pair[i]));
        GIVES(-ENODATA, usocket_tls_alert(pair[i]));
        GIVES(0, usocket_tls_pending(pair[i]));
        GIVES(POLLIN, usocket_tls_wants(pair[i]));
    }
    GIVES(1, usocket_tls_verified(pair[0]));
    GIVES(0, usocket_tls_verified(pair[1]));
    assert_true(OK(usocket_tls_peer_cert(pair[0], 0, der, sizeof der)) > 200);
    assert_int_equal(der[0], 0x30);
    GIVES(-ENODATA, usocket_tls_peer_cert(pair[0], 1, der, sizeof der));
    GIVES(-ENODATA, usocket_tls_peer_cert(pair[1], 0, der, sizeof der));
    GIVES(32, usocket_tls_channel_binding(pair[0], one, 32));
    GIVES(32, usocket_tls_channel_binding(pair[1], two, 32));
    assert_memory_equal(one, two, 32);
    OK(usocket_tls_export(pair[0], "EXPERIMENTAL-x", "context", 7, one, 32));
    OK(usocket_tls_export(pair[1], "EXPERIMENTAL-x", "context", 7, two, 32));
    assert_memory_equal(one, two, 32);
    OK(usocket_close(client));
    OK(usocket_close(server));
    close_pair(pair);
}

static void failures_say_why(void **state)
{
    (void)state;
    struct {
        const char *server, *name;
        int64_t code;
        const char *words;
    } cases[] = {
        {"server", "localhost", 0, ""},
        {"chain", "server.example", 0, ""},
        {"server-rsa", "a.wild.example", 0, ""},
        {"server-ed25519", "127.0.0.1", 0, ""},
        {"server-p384", "::1", 0, ""},
        {"expired", "localhost", USOCKET_ETLS_CERT_EXPIRED, "certificate expired 2024-05-01"},
        {"future", "localhost", USOCKET_ETLS_CERT_NOT_YET_VALID, "not valid before 2090-01-01"},
        {"stranger", "localhost", USOCKET_ETLS_CERT_UNKNOWN_ISSUER, "other test CA"},
        {"self-signed", "localhost", USOCKET_ETLS_CERT_UNKNOWN_ISSUER, "self-signed"},
        {"second", "localhost", USOCKET_ETLS_CERT_WRONG_NAME, "for second.example, not for localhost"},
        {"client", "localhost", USOCKET_ETLS_CERT_WRONG_PURPOSE, "not valid for server"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        usocket_t pair[2];
        int64_t theirs;
        char words[512] = "";
        usocket_t client = client_context(), server = server_context(cases[i].server);
        connected_pair(AF_INET, SOCK_STREAM, pair);
        GIVES(cases[i].code, handshake_between(pair, client, server, cases[i].name, &theirs));
        OK(usocket_error_detail(pair[0], words, sizeof words));
        if (!strstr(words, cases[i].words))
            fail_msg("%s: %s", cases[i].server, words);
        if (cases[i].code < 0) {
            // The peer was told, in an alert; and what is over stays over.
            assert_in_range(USOCKET_ETLS_ALERT - theirs, 1, 255);
            assert_int_equal(usocket_tls_alert(pair[1]), USOCKET_ETLS_ALERT - theirs);
            GIVES(cases[i].code, usocket_tls_verified(pair[0]));
            GIVES(cases[i].code, usocket_send(pair[0], "x", 1, 0));
            GIVES(cases[i].code, usocket_recv(pair[0], words, 1, 0));
        }
        OK(usocket_close(client));
        OK(usocket_close(server));
        close_pair(pair);
    }
}

// The sentence of any failed wrap is kept with the socket, for the calling thread, and goes with its next
// failure.
static void why_it_cannot_be_wrapped(void **state)
{
    (void)state;
    usocket_t pair[2];
    char text[256];
    usocket_t client = client_context(), empty = context(USOCKET_TLS_SERVER);
    connected_pair(AF_INET, SOCK_STREAM, pair);
    GIVES(USOCKET_ETLS_BAD_NAME, usocket_tls_wrap(pair[0], client, "not a name", 0));
    assert_true(OK(usocket_error_detail(pair[0], text, sizeof text)) > 0);
    assert_non_null(strstr(text, "not a name"));
    GIVES(0, usocket_error_detail(pair[1], text, sizeof text));
    GIVES(0, usocket_error_detail(0, text, sizeof text));
    GIVES(USOCKET_ETLS_NO_CERT, usocket_tls_wrap(pair[1], empty, NULL, 0));
    assert_true(OK(usocket_error_detail(pair[1], text, sizeof text)) > 0);
    GIVES(0, usocket_error_detail(pair[0], text, sizeof text));
    GIVES(-EAGAIN, usocket_recv(pair[1], text, 1, MSG_DONTWAIT));
    GIVES(0, usocket_error_detail(pair[1], text, sizeof text));
    OK(usocket_close(client));
    OK(usocket_close(empty));
    close_pair(pair);
}

static void without_close_notify_it_is_truncated(void **state)
{
    (void)state;
    usocket_t pair[2];
    char buf[10];
    tls_pair(AF_INET, pair);
    close(OK(usocket_detach(pair[1])));
    GIVES(USOCKET_ETLS_TRUNCATED, usocket_recv(pair[0], buf, 1, 0));
    GIVES(USOCKET_ETLS_TRUNCATED, usocket_recv(pair[0], buf, 1, 0));
    OK(usocket_close(pair[0]));
    tls_pair(AF_INET, pair);
    OK(usocket_close(pair[1]));
    GIVES(0, usocket_recv(pair[0], buf, 1, 0));
    OK(usocket_close(pair[0]));
}

static void a_silent_peer_costs_one_timeout(void **state)
{
    (void)state;
    usocket_t pair[2];
    usocket_t client = client_context();
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_settimeout(pair[0], 200 * MS));
    int64_t begun = now_us();
    GIVES(-ETIMEDOUT, usocket_tls_wrap(pair[0], client, "localhost", USOCKET_TLS_HANDSHAKE));
    assert_in_range(now_us() - begun, 200 * MS, GENEROUS);
    OK(usocket_close(client));
    close_pair(pair);
}

static pid_t waits;

static void *close_when_it_waits(void *s)
{
    wait_until_asleep(waits);
    return (void *)(intptr_t)usocket_close(*(usocket_t *)s);
}

static void closing_ends_a_handshake_and_a_recv(void **state)
{
    (void)state;
    usocket_t pair[2];
    pthread_t thread;
    char buf[10];
    usocket_t client = client_context();
    waits = this_thread();
    connected_pair(AF_INET, SOCK_STREAM, pair);
    start_thread(&thread, close_when_it_waits, &pair[0]);
    GIVES(-EBADF, usocket_tls_wrap(pair[0], client, "localhost", USOCKET_TLS_HANDSHAKE));
    pthread_join(thread, NULL);
    OK(usocket_close(pair[1]));
    tls_pair(AF_INET, pair);
    start_thread(&thread, close_when_it_waits, &pair[0]);
    GIVES(-EBADF, usocket_recv(pair[0], buf, sizeof buf, 0));
    pthread_join(thread, NULL);
    // And it sent close_notify.
    GIVES(0, usocket_recv(pair[1], buf, sizeof buf, 0));
    OK(usocket_close(pair[1]));
    OK(usocket_close(client));
}

static int32_t stop(void *arg)
{
    (void)arg;
    return 1;
}

static void nothing(int signal)
{
    (void)signal;
}

static volatile bool interrupted_it;

static void *interrupt_when_it_waits(void *thread)
{
    // Again until it is seen: what it waits for may come at the same time.
    while (!interrupted_it) {
        wait_until_asleep(waits);
        pthread_kill(*(pthread_t *)thread, SIGUSR1);
        poll(NULL, 0, 10);
    }
    return NULL;
}

// Ctrl-C. Counted bytes are in the kernel, as with a plain socket: the peer gets them without a further call.
static void a_signal_ends_a_send_that_has_done_a_part(void **state)
{
    (void)state;
    static char data[8 << 20], in[sizeof data];
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGUSR1, &action, NULL);
    FILE *file = tmpfile();
    assert_non_null(file);
    memset(data, 'd', sizeof data);
    assert_int_equal(fwrite(data, 1, sizeof data, file), sizeof data);
    fflush(file);
    OK(usocket_set_event_hook(stop, NULL));
    for (int how = 0; how < 4; how++) {
        usocket_t pair[2];
        pthread_t thread, self = pthread_self();
        tls_pair(how % 2 ? AF_UNIX : AF_INET, pair);
        OK(usocket_settimeout(pair[1], GENEROUS));
        OK(usocket_setsockopt_int(pair[0], SOL_SOCKET, SO_SNDBUF, 8192));
        waits = this_thread();
        interrupted_it = false;
        start_thread(&thread, interrupt_when_it_waits, &self);
        int64_t n = how == 0 ? usocket_sendall(pair[0], data, sizeof data, 0)
            : how == 1 ? usocket_write(pair[0], data, sizeof data)
            : how == 2 ? usocket_sendfile(pair[0], fileno(file), 0, sizeof data)
                       : usocket_send(pair[0], data, sizeof data, 0);
        interrupted_it = true;
        pthread_join(thread, NULL);
        if (how == 0) {
            assert_int_equal(n, -EINTR);
        } else {
            assert_in_range(n, 1, sizeof data - 1);
            GIVES(n, usocket_read(pair[1], in, n));
            assert_memory_equal(in, data, n);
            if (how != 3)
                GIVES(-EINTR, usocket_write(pair[0], data, 1));
        }
        close_pair(pair);
    }
    OK(usocket_set_event_hook(NULL, NULL));
    fclose(file);
}

static void sessions_can_be_carried_over(void **state)
{
    (void)state;
    usocket_t pair[2];
    int64_t theirs;
    usocket_t client = client_context(), server = server_context("server");
    connected_pair(AF_INET, SOCK_STREAM, pair);
    GIVES(0, handshake_between(pair, client, server, "localhost", &theirs));
    GIVES(-EOPNOTSUPP, usocket_tls_take_session(pair[1]));
    // The tickets come with the first bytes.
    usocket_pollfd p = {pair[0], -1, POLLIN, 0};
    GIVES(0, usocket_poll(&p, 1, 50 * MS));
    usocket_t session = OK(usocket_tls_take_session(pair[0]));
    close_pair(pair);
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_tls_wrap(pair[0], client, "localhost", 0));
    OK(usocket_tls_set_session(pair[0], session));
    GIVES(-ENODATA, usocket_tls_set_session(pair[0], session));
    OK(usocket_close(session));
    pthread_t thread;
    OK(usocket_tls_wrap(pair[1], server, NULL, 0));
    start_thread(&thread, do_handshake, &pair[1]);
    GIVES(0, usocket_tls_handshake(pair[0]));
    pthread_join(thread, NULL);
    GIVES(1, usocket_tls_resumed(pair[0]));
    GIVES(1, usocket_tls_resumed(pair[1]));
    GIVES(1, usocket_tls_verified(pair[0]));
    close_pair(pair);
    OK(usocket_close(client));
    OK(usocket_close(server));
}

static void no_byte_in_clear_on_ipproto_sec(void **state)
{
    (void)state;
    char c;
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, USOCKET_IPPROTO_SEC));
    GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_send(s, "x", 1, 0));
    GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_recv(s, &c, 1, 0));
    GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_handshake(s));
    OK(usocket_close(s));
}

// WiPy's way is to wrap first; what is tried before there is a connection must not spoil it.
static void wrapped_before_it_is_connected(void **state)
{
    (void)state;
    usocket_t client = client_context(), server = server_context("server"), pair[2];
    usocket_t listener = listening_socket(AF_INET, 1);
    usocket_addr addr = name_of(listener);
    char buf[4];
    pair[0] = OK(usocket_socket(AF_INET, SOCK_STREAM, USOCKET_IPPROTO_SEC));
    OK(usocket_tls_wrap(pair[0], client, "localhost", 0));
    for (int twice = 0; twice < 2; twice++) {
        GIVES(-ENOTCONN, usocket_send(pair[0], "x", 1, 0));
        GIVES(-ENOTCONN, usocket_recv(pair[0], buf, 1, 0));
        GIVES(-ENOTCONN, usocket_tls_handshake(pair[0]));
    }
    OK(usocket_connect(pair[0], &addr));
    pair[1] = OK(usocket_accept(listener, NULL));
    OK(usocket_tls_wrap(pair[1], server, NULL, 0));
    pthread_t thread;
    void *theirs;
    start_thread(&thread, do_handshake, &pair[1]);
    GIVES(4, usocket_write(pair[0], "ping", 4));
    pthread_join(thread, &theirs);
    assert_int_equal((intptr_t)theirs, 0);
    GIVES(4, usocket_read(pair[1], buf, 4));
    close_pair(pair);
    OK(usocket_close(listener));
    OK(usocket_close(client));
    OK(usocket_close(server));
}

// A client that closes with the server's tickets unread must not reset what it has sent.
static void closing_with_tickets_unread(void **state)
{
    (void)state;
    usocket_t pair[2];
    tls_pair(AF_INET, pair);
    // Now the tickets are in the client's kernel.
    usocket_pollfd p = {.fd = (int)OK(usocket_fileno(pair[0])), .events = POLLIN};
    GIVES(1, usocket_poll(&p, 1, GENEROUS));
    GIVES(4, usocket_write(pair[0], "last", 4));
    OK(usocket_close(pair[0]));
    char buf[8];
    GIVES(4, usocket_read(pair[1], buf, sizeof buf));
    GIVES(0, usocket_read(pair[1], buf, sizeof buf));
    OK(usocket_close(pair[1]));
}

// A head and a body are one record; nothing goes beside a record.
static void messages_over_tls(void **state)
{
    (void)state;
    static char body[40000], in[5 + sizeof body];
    usocket_t pair[2];
    tls_pair(AF_INET, pair);
    usocket_iovec out[] = {{"head ", 5}, {NULL, 0}, {body, 11}};
    usocket_msg msg = {.data = out, .count = 3};
    memset(body, 'b', sizeof body);
    GIVES(16, usocket_sendmsg(pair[0], &msg, 0));
    usocket_iovec room[] = {{NULL, 0}, {in, sizeof in}};
    usocket_addr from = {.len = 99};
    usocket_msg got = {.data = room, .count = 2, .addr = &from, .control = body, .control_len = 9, .flags = 9};
    GIVES(16, usocket_recvmsg(pair[1], &got, 0)); // all at once: a record is what comes
    assert_memory_equal(in, "head bbbbbbbbbbb", 16);
    // One piece after another is filled with what is there.
    GIVES(16, usocket_sendmsg(pair[0], &msg, 0));
    usocket_iovec small[] = {{in + 9, 7}, {in, 0}, {in + 5, 4}, {in, 5}, {in + 16, 1}};
    usocket_msg pieces = {.data = small, .count = 5};
    memset(in, 0, 17);
    GIVES(16, usocket_recvmsg(pair[1], &pieces, 0));
    assert_memory_equal(in, "bbbbbbbbbhead bb\0", 17);
    assert_int_equal(got.control_len + got.flags + usocket_addr_family(&from), 0);
    static usocket_iovec many[1025];
    usocket_msg most = {.data = many, .count = 1025};
    GIVES(-EMSGSIZE, usocket_sendmsg(pair[0], &most, 0));
    GIVES(-EMSGSIZE, usocket_recvmsg(pair[1], &most, 0));
    out[2].len = sizeof body;
    GIVES(sizeof in, usocket_sendmsg(pair[0], &msg, 0)); // what does not fit in the record follows it
    GIVES(16384, usocket_recv(pair[1], in, 16384, 0));
    GIVES(sizeof in - 16384, usocket_read(pair[1], in + 16384, sizeof in - 16384));
    assert_memory_equal(in, "head ", 5);
    assert_memory_equal(in + 5, body, sizeof body);
    memset(body, 0, sizeof body);
    msg.addr = &from;
    GIVES(-EINVAL, usocket_sendmsg(pair[0], &msg, 0));
    from = name_of(pair[1]);
    GIVES(-EISCONN, usocket_sendmsg(pair[0], &msg, 0));
    msg = (usocket_msg){.data = out, .count = 3, .control = body, .control_len = 16};
    GIVES(-EOPNOTSUPP, usocket_sendmsg(pair[0], &msg, 0));
    GIVES(-EOPNOTSUPP, usocket_dup(pair[0]));
    // A flag that would be ignored is refused.
    GIVES(-EOPNOTSUPP, usocket_recv(pair[1], in, 1, MSG_WAITALL));
    GIVES(-EOPNOTSUPP, usocket_recv(pair[1], in, 1, MSG_TRUNC));
    close_pair(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_handle_goes_on),
        cmocka_unit_test(what_was_agreed_can_be_asked),
        cmocka_unit_test(failures_say_why),
        cmocka_unit_test(why_it_cannot_be_wrapped),
        cmocka_unit_test(without_close_notify_it_is_truncated),
        cmocka_unit_test(a_silent_peer_costs_one_timeout),
        cmocka_unit_test(closing_ends_a_handshake_and_a_recv),
        cmocka_unit_test(a_signal_ends_a_send_that_has_done_a_part),
        cmocka_unit_test(sessions_can_be_carried_over),
        cmocka_unit_test(no_byte_in_clear_on_ipproto_sec),
        cmocka_unit_test(wrapped_before_it_is_connected),
        cmocka_unit_test(closing_with_tickets_unread),
        cmocka_unit_test(messages_over_tls),
    };
    return RUN_TLS(tests);
}
