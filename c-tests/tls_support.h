// Support for the TLS tests. Certificates: the directory USOCKET_TEST_CERTS, or target/certs, as `cargo run
// --example mkcert -- target/certs` makes it.

#ifndef TLS_SUPPORT_H
#define TLS_SUPPORT_H

#include "support.h"

static inline const char *in_certs(const char *name)
{
    static char path[4][PATH_MAX];
    static int next;
    const char *dir = getenv("USOCKET_TEST_CERTS");
    char *at = path[next++ % 4];
    snprintf(at, PATH_MAX, "%s/%s", dir ? dir : "target/certs", name);
    return at;
}

static inline size_t slurp(const char *name, char *buf, size_t room)
{
    FILE *f = fopen(in_certs(name), "rb");
    assert_non_null(f);
    size_t n = fread(buf, 1, room, f);
    fclose(f);
    return n;
}

static inline void without_tls(void **state)
{
    (void)state;
    print_message("the library was built without TLS\n");
    skip();
}

// RUN of tests that need TLS.
#define RUN_TLS(tests) run_tls(__FILE__, tests, sizeof tests / sizeof *tests)

static inline int run_tls(const char *file, const struct CMUnitTest *tests, size_t n)
{
    struct CMUnitTest chosen[64];
    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++) {
        chosen[i] = tests[i];
        if (!has_tls())
            chosen[i].test_func = without_tls;
    }
    return _cmocka_run_group_tests(file, chosen, n, NULL, NULL);
}

static inline usocket_t context(int32_t role)
{
    return OK(usocket_tls_context_create(role));
}

static inline usocket_t client_context(void)
{
    usocket_t c = context(USOCKET_TLS_CLIENT);
    GIVES(1, usocket_tls_context_add_trust_file(c, in_certs("ca.pem")));
    return c;
}

static inline usocket_t server_context(const char *name)
{
    char cert[64], key[64];
    snprintf(cert, sizeof cert, "%s.pem", name);
    snprintf(key, sizeof key, "%s-key.pem", name);
    usocket_t c = context(USOCKET_TLS_SERVER);
    OK(usocket_tls_context_add_cert_file(c, in_certs(cert), in_certs(key)));
    return c;
}

static inline void *do_handshake(void *s)
{
    return (void *)(intptr_t)usocket_tls_handshake(*(usocket_t *)s);
}

// Wraps both ends of a connected pair and does the handshake; pair[0] is the client. Gives the client's
// code, the server's in `theirs`.
static inline int64_t handshake_between(usocket_t pair[2], usocket_t client, usocket_t server, const char *name,
                                        int64_t *theirs)
{
    pthread_t thread;
    void *result;
    OK(usocket_tls_wrap(pair[0], client, name, 0));
    OK(usocket_tls_wrap(pair[1], server, NULL, 0));
    start_thread(&thread, do_handshake, &pair[1]);
    int64_t mine = usocket_tls_handshake(pair[0]);
    if (mine < 0)
        usocket_shutdown(pair[0], SHUT_WR);
    pthread_join(thread, &result);
    *theirs = (intptr_t)result;
    return mine;
}

// Gives a connected pair a session; pair[0] is the client.
static inline void secure(usocket_t pair[2])
{
    int64_t theirs;
    usocket_t client = client_context(), server = server_context("server");
    GIVES(0, handshake_between(pair, client, server, "localhost", &theirs));
    assert_int_equal(theirs, 0);
    // Connections keep what they need of their contexts.
    OK(usocket_close(client));
    OK(usocket_close(server));
}

// A pair with a session between its ends.
static inline void tls_pair(int family, usocket_t pair[2])
{
    connected_pair(family, SOCK_STREAM, pair);
    secure(pair);
}

static inline void close_pair(usocket_t pair[2])
{
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

#endif
