// What the TLS tests share. Certificates: the directory USOCKET_TEST_CERTS, or target/certs, as
// `cargo run --example mkcert -- target/certs` makes it.

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

#endif
