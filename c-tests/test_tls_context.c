// TLS contexts: what they take, what they refuse, and that a refusal says why.

#include "tls_support.h"

static void every_form_of_certificate_and_key(void **state)
{
    (void)state;
    const char *pairs[][2] = {
        {"server.pem", "server-key.pem"}, {"server.der", "server-key.der"},
        {"server.pem", "server-key-sec1.pem"}, {"server.der", "server-key-sec1.der"},
        {"server-rsa.pem", "server-rsa-key-pkcs1.pem"},
        {"server-rsa.der", "server-rsa-key-pkcs1.der"}, {"server-rsa.der", "server-rsa-key.pem"},
        {"server-ed25519.pem", "server-ed25519-key.der"}, {"chain.pem", "chain-key.pem"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char cert[16384], key[16384];
        usocket_t c = context(USOCKET_TLS_SERVER);
        OK(usocket_tls_context_add_cert_file(c, in_certs(pairs[i][0]), in_certs(pairs[i][1])));
        size_t n = slurp(pairs[i][0], cert, sizeof cert), m = slurp(pairs[i][1], key, sizeof key);
        OK(usocket_tls_context_add_cert(c, cert, n, key, m));
        OK(usocket_close(c));
    }
    // Both in one text.
    char both[32768];
    size_t n = slurp("server.pem", both, sizeof both);
    n += slurp("server-key.pem", both + n, sizeof both - n);
    usocket_t c = context(USOCKET_TLS_CLIENT);
    OK(usocket_tls_context_add_cert(c, both, n, NULL, 0));
    OK(usocket_close(c));
}

static void what_is_refused_and_why(void **state)
{
    (void)state;
    char words[512];
    usocket_t c = context(USOCKET_TLS_SERVER);
    GIVES(USOCKET_ETLS_KEY_MISMATCH, usocket_tls_context_add_cert_file(
        c, in_certs("server.pem"), in_certs("mismatch-key.pem")));
    assert_true(OK(usocket_error_detail(c, words, sizeof words)) > 0);
    assert_non_null(strstr(words, "does not match"));
    // Not when the check is left to the peer.
    GIVES(-EINVAL, usocket_tls_context_set_key_check(c, 2));
    usocket_t unchecked = context(USOCKET_TLS_SERVER);
    OK(usocket_tls_context_set_key_check(unchecked, 0));
    OK(usocket_tls_context_add_cert_file(unchecked, in_certs("server.pem"), in_certs("mismatch-key.pem")));
    OK(usocket_close(unchecked));
    GIVES(USOCKET_ETLS_PEM_EMPTY, usocket_tls_context_add_cert_file(c, in_certs("server.pem"), NULL));
    static const char locked[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAA\n"
                                 "-----END ENCRYPTED PRIVATE KEY-----\n";
    char cert[16384];
    size_t n = slurp("server.pem", cert, sizeof cert);
    GIVES(USOCKET_ETLS_KEY_ENCRYPTED, usocket_tls_context_add_cert(c, cert, n, locked, sizeof locked - 1));
    GIVES(USOCKET_ETLS_PEM_BAD, usocket_tls_context_add_cert(c, cert, n - 30, locked, sizeof locked - 1));
    GIVES(USOCKET_ETLS_KEY_INVALID, usocket_tls_context_add_cert(c, cert, n, "\x30\x03\x04\x01\x00", 5));
    GIVES(USOCKET_ETLS_CERT_INVALID, usocket_tls_context_add_trust(c, "\x30\x03\x04\x01\x00", 5));
    GIVES(-ENOENT, usocket_tls_context_add_trust_file(c, in_certs("nothing.pem")));
    OK(usocket_error_detail(c, words, sizeof words));
    assert_non_null(strstr(words, "nothing.pem"));
    // Used without a certificate.
    usocket_t pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    GIVES(USOCKET_ETLS_NO_CERT, usocket_tls_wrap(pair[0], c, NULL, 0));
    OK(usocket_tls_context_add_cert_file(c, in_certs("server.pem"), in_certs("server-key.pem")));
    OK(usocket_tls_context_set_verify(c, USOCKET_TLS_VERIFY_REQUIRED));
    GIVES(USOCKET_ETLS_NO_TRUST, usocket_tls_wrap(pair[0], c, NULL, 0));
    GIVES(1, usocket_tls_context_add_trust_file(c, in_certs("ca.pem")));
    OK(usocket_tls_wrap(pair[0], c, NULL, 0));
    // In use, it can be changed, for what is wrapped from then on.
    GIVES(0, usocket_tls_context_set_verify(c, 0));
    GIVES(1, usocket_tls_context_add_trust_file(c, in_certs("ca.pem")));
    GIVES(0, usocket_tls_context_set_clock(c, 1));
    GIVES(0, usocket_tls_context_clear_certs(c));
    usocket_t other[2];
    connected_pair(AF_INET, SOCK_STREAM, other);
    GIVES(USOCKET_ETLS_NO_CERT, usocket_tls_wrap(other[0], c, NULL, 0));
    OK(usocket_close(other[0]));
    OK(usocket_close(other[1]));
    usocket_t client = context(USOCKET_TLS_CLIENT);
    GIVES(1, usocket_tls_context_add_trust_file(client, in_certs("ca.pem")));
    GIVES(USOCKET_ETLS_NAME_REQUIRED, usocket_tls_wrap(pair[1], client, NULL, 0));
    GIVES(USOCKET_ETLS_BAD_NAME, usocket_tls_wrap(pair[1], client, "not a name", 0));
    OK(usocket_close(c));
    OK(usocket_close(client));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void ciphers_by_either_name(void **state)
{
    (void)state;
    char names[1024];
    usocket_t c = context(USOCKET_TLS_CLIENT);
    assert_true(OK(usocket_tls_context_ciphers(c, names, sizeof names)) > 50);
    assert_non_null(strstr(names, "TLS_AES_128_GCM_SHA256"));
    OK(usocket_tls_context_set_ciphers(c, "ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256"));
    OK(usocket_tls_context_ciphers(c, names, sizeof names));
    assert_string_equal(names, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:TLS_AES_128_GCM_SHA256");
    OK(usocket_tls_context_set_versions(c, USOCKET_TLS_1_3, 0));
    OK(usocket_tls_context_ciphers(c, names, sizeof names));
    assert_string_equal(names, "TLS_AES_128_GCM_SHA256");
    GIVES(USOCKET_ETLS_NO_SUCH_VERSION, usocket_tls_context_set_versions(c, 0x0302, 0));
    OK(usocket_close(c));
}

struct chooser {
    usocket_t answer, connection;
    int calls;
    char name[300];
    int64_t within;
};

static usocket_t choose(void *arg, const char *name)
{
    struct chooser *c = arg;
    c->calls++;
    snprintf(c->name, sizeof c->name, "%s", name);
    char byte;
    c->within = usocket_recv(c->connection, &byte, 1, 0);
    return c->answer;
}

// Carries what one end says to the other.
static void carry(usocket_t from, usocket_t to)
{
    char buf[4096];
    int64_t n;
    while ((n = OK(usocket_tls_drain(from, buf, sizeof buf))) > 0)
        GIVES(n, usocket_tls_feed(to, buf, (size_t)n));
}

// A handshake over buffers: what it comes to on the client's side, the server's in `theirs`.
static int32_t shaken(usocket_t client, usocket_t server, const char *name, struct chooser *chooser, int32_t *theirs, char *subject)
{
    usocket_t c = OK(usocket_tls_create(client, name, 0)), s = OK(usocket_tls_create(server, NULL, 0));
    int32_t mine = -EAGAIN;
    *theirs = -EAGAIN;
    chooser->connection = s;
    for (int turn = 0; turn < 10; turn++) {
        mine = usocket_tls_handshake(c);
        carry(c, s);
        *theirs = usocket_tls_handshake(s);
        carry(s, c);
    }
    char der[4096];
    if (mine == 0) {
        int32_t n = OK(usocket_tls_peer_cert(c, 0, der, sizeof der));
        OK(usocket_tls_cert_text(der, (size_t)n, USOCKET_TLS_CERT_SUBJECT, subject, 100));
        assert_int_equal(usocket_tls_server_name(s, der, sizeof der), (int)strlen(name));
        assert_string_equal(der, name);
    }
    OK(usocket_close(c));
    OK(usocket_close(s));
    return mine;
}

static void a_callback_chooses_by_name(void **state)
{
    (void)state;
    usocket_t server = context(USOCKET_TLS_SERVER), second = context(USOCKET_TLS_SERVER), client = context(USOCKET_TLS_CLIENT);
    struct chooser chooser = {0};
    char subject[100];
    int32_t theirs;
    GIVES(1, usocket_tls_context_add_trust_file(client, in_certs("ca.pem")));
    OK(usocket_tls_context_add_cert_file(second, in_certs("second.pem"), in_certs("second-key.pem")));
    GIVES(-EOPNOTSUPP, usocket_tls_context_set_name_callback(client, choose, &chooser));
    OK(usocket_tls_context_set_name_callback(server, choose, &chooser));
    // A server needs no certificate of its own then.
    chooser.answer = second;
    GIVES(0, shaken(client, server, "second.example", &chooser, &theirs, subject));
    assert_int_equal(theirs, 0);
    assert_string_equal(subject, "CN=second.example");
    assert_string_equal(chooser.name, "second.example");
    assert_int_equal(chooser.within, -EDEADLK);
    // A resumed connection is asked about, too, and has no other answer to a refusal.
    chooser.answer = -1;
    GIVES(USOCKET_ETLS_ALERT - 112, shaken(client, server, "second.example", &chooser, &theirs, subject));
    assert_int_equal(theirs, USOCKET_ETLS_NAME_REFUSED);
    assert_int_equal(chooser.calls, 2);
    // Its own, of which there is none; a client's context; nobody's.
    usocket_t answers[] = {0, client, 123456789};
    for (int i = 0; i < 3; i++) {
        chooser.answer = answers[i];
        GIVES(USOCKET_ETLS_ALERT - 112, shaken(client, server, "localhost", &chooser, &theirs, subject));
        assert_int_equal(theirs, USOCKET_ETLS_NAME_REFUSED);
    }
    OK(usocket_tls_context_add_cert_file(server, in_certs("server.pem"), in_certs("server-key.pem")));
    chooser.answer = 0;
    GIVES(0, shaken(client, server, "localhost", &chooser, &theirs, subject));
    assert_string_equal(subject, "CN=server.example");
    // An address is no name that is sent.
    GIVES(0, usocket_tls_context_set_hostname_check(client, 0));
    usocket_t s = OK(usocket_tls_create(server, NULL, 0)), c = OK(usocket_tls_create(client, "127.0.0.1", 0));
    chooser.connection = s;
    GIVES(-EAGAIN, usocket_tls_handshake(c));
    carry(c, s);
    GIVES(-EAGAIN, usocket_tls_handshake(s));
    assert_string_equal(chooser.name, "");
    OK(usocket_close(s));
    OK(usocket_close(c));
    int calls = chooser.calls;
    OK(usocket_tls_context_set_name_callback(server, NULL, NULL));
    GIVES(0, shaken(client, server, "localhost", &chooser, &theirs, subject));
    assert_int_equal(chooser.calls, calls);
    OK(usocket_close(server));
    OK(usocket_close(second));
    OK(usocket_close(client));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_certificate_and_key),
        cmocka_unit_test(what_is_refused_and_why),
        cmocka_unit_test(ciphers_by_either_name),
        cmocka_unit_test(a_callback_chooses_by_name),
    };
    return RUN_TLS(tests);
}
