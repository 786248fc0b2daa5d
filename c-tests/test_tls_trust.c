// Whom TLS contexts trust, and how the peer is verified.

#include "tls_support.h"

#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void trust_comes_from_everywhere(void **state)
{
    (void)state;
    usocket_t c = context(USOCKET_TLS_CLIENT);
    char buf[16384];
    size_t n = slurp("ca.der", buf, sizeof buf);
    GIVES(1, usocket_tls_context_add_trust(c, buf, n));
    GIVES(2, usocket_tls_context_add_trust_file(c, in_certs("chain.pem")));
    assert_true(OK(usocket_tls_context_add_trust_dir(c, in_certs("."))) >= 15);
    int32_t system = usocket_tls_context_add_trust_system(c);
    assert_true(system > 0 || system == USOCKET_ETLS_NO_TRUST);
    GIVES(1, usocket_tls_context_add_crl(c, buf, slurp("crl.pem", buf, sizeof buf)));
    OK(usocket_tls_context_set_crl_flags(c, USOCKET_TLS_CRL_LEAF_ONLY));
    OK(usocket_tls_context_set_ocsp_mode(c, USOCKET_TLS_OCSP_REQUIRED));
    GIVES(-EINVAL, usocket_tls_context_set_ocsp_mode(c, 3));
    GIVES(-EOPNOTSUPP, usocket_tls_context_add_ocsp(c, buf, n));
    usocket_t server = context(USOCKET_TLS_SERVER);
    GIVES(-EOPNOTSUPP, usocket_tls_context_set_ocsp_mode(server, USOCKET_TLS_OCSP_REQUIRED));
    GIVES(USOCKET_ETLS_CERT_BAD_STAPLE, usocket_tls_context_add_ocsp(server, buf, n));
    GIVES(0, usocket_tls_context_add_ocsp(server, NULL, 0));
    OK(usocket_close(server));
    OK(usocket_close(c));
}

static const char *says(const void *der, size_t len, int32_t what)
{
    static char text[256];
    OK(usocket_tls_cert_text(der, len, what, text, sizeof text));
    return text;
}

static void what_a_certificate_says(void **state)
{
    (void)state;
    char der[4096], text[4];
    int64_t from, until;
    size_t n = slurp("server.der", der, sizeof der);
    assert_non_null(strstr(says(der, n, USOCKET_TLS_CERT_SUBJECT), "CN="));
    assert_non_null(strstr(says(der, n, USOCKET_TLS_CERT_ISSUER), "CN="));
    assert_non_null(strstr(says(der, n, USOCKET_TLS_CERT_ALT_NAMES), "DNS:localhost"));
    assert_int_equal(strlen(says(der, n, USOCKET_TLS_CERT_FINGERPRINT)), 64);
    assert_int_equal(strlen(says(der, n, USOCKET_TLS_CERT_PIN)), 64);
    assert_string_equal(says(der, n, USOCKET_TLS_CERT_KEY), "EC P-256");
    assert_true(strlen(says(der, n, USOCKET_TLS_CERT_SERIAL)) >= 2);
    OK(usocket_tls_cert_time(der, n, USOCKET_TLS_CERT_NOT_BEFORE, &from));
    OK(usocket_tls_cert_time(der, n, USOCKET_TLS_CERT_NOT_AFTER, &until));
    assert_true(0 < from && from < until);
    GIVES(64, usocket_tls_cert_text(der, n, USOCKET_TLS_CERT_PIN, NULL, 0));
    GIVES(-ENOSPC, usocket_tls_cert_text(der, n, USOCKET_TLS_CERT_PIN, text, sizeof text));
    GIVES(-EINVAL, usocket_tls_cert_text(der, n, 8, text, sizeof text));
    GIVES(-EINVAL, usocket_tls_cert_time(der, n, 0, &from));
    GIVES(-EFAULT, usocket_tls_cert_time(der, n, USOCKET_TLS_CERT_NOT_AFTER, NULL));
    for (size_t cut = 0; cut < n; cut += 7)
        (void)usocket_tls_cert_text(der, cut, USOCKET_TLS_CERT_ALT_NAMES, NULL, 0);
    GIVES(USOCKET_ETLS_CERT_INVALID, usocket_tls_cert_time("x", 1, USOCKET_TLS_CERT_NOT_AFTER, &from));
}

struct seen {
    int calls, depths[8], refuse_at;
    int32_t refusal; // Anything but 0.
};

static int32_t verdict(void *arg, const uint8_t *der, size_t len, int32_t depth)
{
    struct seen *seen = arg;
    if (len < 100 || der[0] != 0x30)
        return 1;
    if (seen->calls < 8)
        seen->depths[seen->calls++] = depth;
    return depth == seen->refuse_at ? seen->refusal : 0;
}

static void the_callback_decides_last(void **state)
{
    (void)state;
    const struct seen all[] = {
        {.refuse_at = -1}, {.refuse_at = 0, .refusal = 1}, {.refuse_at = 1, .refusal = 1},
        {.refuse_at = 0, .refusal = -1}, {.refuse_at = 1, .refusal = INT32_MIN},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct seen seen = all[i];
        int refuse_at = seen.refuse_at;
        usocket_t pair[2];
        pthread_t thread;
        usocket_t client = context(USOCKET_TLS_CLIENT), server = context(USOCKET_TLS_SERVER);
        GIVES(1, usocket_tls_context_add_trust_file(client, in_certs("ca.pem")));
        OK(usocket_tls_context_set_verify_callback(client, verdict, &seen));
        OK(usocket_tls_context_add_cert_file(server, in_certs("server.pem"), in_certs("server-key.pem")));
        connected_pair(AF_INET, SOCK_STREAM, pair);
        OK(usocket_tls_wrap(pair[0], client, "localhost", 0));
        OK(usocket_tls_wrap(pair[1], server, NULL, 0));
        start_thread(&thread, do_handshake, &pair[1]);
        GIVES(refuse_at < 0 ? 0 : USOCKET_ETLS_CERT_REFUSED, usocket_tls_handshake(pair[0]));
        pthread_join(thread, NULL);
        assert_int_equal(seen.depths[0], 1);
        assert_int_equal(seen.calls, refuse_at == 1 ? 1 : 2);
        OK(usocket_close(client));
        OK(usocket_close(server));
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
}

// A server that knows its clients, and one that asks.
static void clients_are_verified(void **state)
{
    (void)state;
    const struct {
        const char *client;
        int32_t mode;
        int64_t server_says;
        int verified;
    } cases[] = {
        {"client", USOCKET_TLS_VERIFY_REQUIRED, 0, 1},
        {"client", USOCKET_TLS_VERIFY_OPTIONAL, 0, 1},
        {NULL, USOCKET_TLS_VERIFY_OPTIONAL, 0, 0},
        {NULL, USOCKET_TLS_VERIFY_REQUIRED, USOCKET_ETLS_CERT_REQUIRED, -1},
        {"client-other", USOCKET_TLS_VERIFY_OPTIONAL, USOCKET_ETLS_CERT_UNKNOWN_ISSUER, -1},
        {"client", USOCKET_TLS_VERIFY_NONE_INSECURE, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char cert[64], key[64], byte;
        usocket_t pair[2];
        pthread_t thread;
        void *result;
        usocket_t client = context(USOCKET_TLS_CLIENT), server = context(USOCKET_TLS_SERVER);
        GIVES(1, usocket_tls_context_add_trust_file(client, in_certs("ca.pem")));
        GIVES(1, usocket_tls_context_add_trust_file(server, in_certs("ca.pem")));
        OK(usocket_tls_context_set_verify(server, cases[i].mode));
        OK(usocket_tls_context_add_cert_file(server, in_certs("server.pem"), in_certs("server-key.pem")));
        if (cases[i].client) {
            snprintf(cert, sizeof cert, "%s.pem", cases[i].client);
            snprintf(key, sizeof key, "%s-key.pem", cases[i].client);
            OK(usocket_tls_context_add_cert_file(client, in_certs(cert), in_certs(key)));
        }
        connected_pair(AF_INET, SOCK_STREAM, pair);
        OK(usocket_tls_wrap(pair[0], client, "localhost", 0));
        OK(usocket_tls_wrap(pair[1], server, NULL, 0));
        start_thread(&thread, do_handshake, &pair[1]);
        OK(usocket_tls_handshake(pair[0]));
        pthread_join(thread, &result);
        assert_int_equal((intptr_t)result, cases[i].server_says);
        if (cases[i].server_says) {
            // In TLS 1.3 the client learns of it when it next receives.
            int64_t got = usocket_recv(pair[0], &byte, 1, 0);
            assert_in_range(USOCKET_ETLS_ALERT - got, 1, 255);
            GIVES(got, usocket_send(pair[0], "x", 1, 0));
        } else {
            GIVES(cases[i].verified, usocket_tls_verified(pair[1]));
        }
        OK(usocket_close(client));
        OK(usocket_close(server));
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
}

// Runs `role` in a separate program, because the environment's store and key log are read once per process.
// Returns its exit status.
static int in_a_program(const char *path, const char *role)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("SSL_CERT_FILE", in_certs("self-signed.pem"), 1);
        unsetenv("SSL_CERT_DIR");
        setenv("SSLKEYLOGFILE", "/dev/null", 1);
        execl(path, path, role, NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static char self[PATH_MAX];

// SSL_CERT_FILE with a server's own certificate means what it means in add_trust_file.
static int a_program_that_trusts_the_environment(void)
{
    usocket_t pair[2], server = context(USOCKET_TLS_SERVER);
    pthread_t thread;
    OK(usocket_tls_context_add_cert_file(server, in_certs("self-signed.pem"), in_certs("self-signed-key.pem")));
    // Because nothing else is trusted, and because it is asked for.
    for (int asked = 0; asked < 2; asked++) {
        usocket_t client = context(USOCKET_TLS_CLIENT);
        if (asked)
            GIVES(1, usocket_tls_context_add_trust_system(client));
        connected_pair(AF_INET, SOCK_STREAM, pair);
        OK(usocket_tls_wrap(pair[0], client, "localhost", 0));
        OK(usocket_tls_wrap(pair[1], server, NULL, 0));
        start_thread(&thread, do_handshake, &pair[1]);
        GIVES(0, usocket_tls_handshake(pair[0]));
        pthread_join(thread, NULL);
        GIVES(1, usocket_tls_verified(pair[0]));
        GIVES(0, usocket_tls_context_set_insecure_keylog(client, NULL));
    }
    return 0;
}

static void the_environment_is_a_store_like_any(void **state)
{
    (void)state;
    if (emulated())
        skip();
    assert_int_equal(in_a_program(self, "trusting"), 0);
}

// A store of which a part could not be read for want of descriptors is not kept as if it were all.
static int a_program_without_descriptors(void)
{
    usocket_t client = context(USOCKET_TLS_CLIENT);
    struct rlimit all, few;
    setenv("SSL_CERT_DIR", in_certs("."), 1);
    int next = dup(0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
    // One is left: the file can be read, and the directory, but nothing in it.
    few = (struct rlimit){.rlim_cur = next + 1, .rlim_max = all.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    GIVES(-EMFILE, usocket_tls_context_add_trust_system(client));
    GIVES(-EMFILE, usocket_tls_create(client, "localhost", 0));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
    assert_true(usocket_tls_context_add_trust_system(client) > 1);
    return 0;
}

static void a_part_of_a_store_is_none(void **state)
{
    (void)state;
    if (emulated())
        skip();
    assert_int_equal(in_a_program(self, "lacking"), 0);
}

// One that runs with more rights than who started it: the environment is not its own.
static int a_privileged_program(void)
{
    if (!getauxval(AT_SECURE))
        return 77;
    usocket_t client = context(USOCKET_TLS_CLIENT);
    // Nothing is logged, and the store is not the one certificate.
    GIVES(1, usocket_tls_context_set_insecure_keylog(client, NULL));
    int32_t n = usocket_tls_context_add_trust_system(client);
    assert_true(n == USOCKET_ETLS_NO_TRUST || n > 1);
    return 0;
}

static void the_environment_is_not_a_privileged_programs(void **state)
{
    (void)state;
    if (emulated())
        skip();
    static char copy[PATH_MAX + 16], command[6 * PATH_MAX];
    if (geteuid() != 0)
        skip(); // It takes root to make a program with other rights.
    snprintf(copy, sizeof copy, "%s.setuid", self);
    snprintf(command, sizeof command, "cp '%s' '%s' && chown 65534 '%s' && chmod 4755 '%s'", self, copy, copy, copy);
    assert_int_equal(system(command), 0);
    int status = in_a_program(copy, "privileged");
    unlink(copy);
    if (status == 77)
        skip(); // The file system is mounted nosuid.
    assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return !strcmp(argv[1], "trusting") ? a_program_that_trusts_the_environment()
            : !strcmp(argv[1], "lacking") ? a_program_without_descriptors()
                                          : a_privileged_program();
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_certificate_says),
        cmocka_unit_test(the_environment_is_a_store_like_any),
        cmocka_unit_test(a_part_of_a_store_is_none),
        cmocka_unit_test(the_environment_is_not_a_privileged_programs),
        cmocka_unit_test(trust_comes_from_everywhere),
        cmocka_unit_test(the_callback_decides_last),
        cmocka_unit_test(clients_are_verified),
    };
    return RUN_TLS(tests);
}
