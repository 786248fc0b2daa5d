// Every error that the header documents for TLS contexts, trust and certificates, made to happen.

#include "errors.h"
#include "tls_support.h"

#include <sys/stat.h>

// Its password is "right".
static const char LOCKED[] =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAj6F7DG1jq6dQICCAAw\n"
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEG/50lpjOG4NVrOMiZF/eiEEgZBP\n"
    "8MR0HppmMWkyvCDifl8bFnnunqHwZaaopar25qsvgUwpffgvpM5ifVvv+L5TiyUL\n"
    "vfLe/gNUI6CPiYdYCVxrl5ltvGLD/f3owswyYnZkXTiYEalayGbaEQyWtkybnGxD\n"
    "tdZwPEXf82U6F2VmPmNiF2uVdO0nLL3WwEXCIK+SF1JesMB9ZO6c2U3LlDefB/Y=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";
static const char CUT[] = "-----BEGIN CERTIFICATE-----\nMAAA\n";
// DER, and nothing that it should be.
static const char NONE[] = {0x30, 3, 4, 1, 0};

static char cert[16384], key[16384];

static void of_certificates(void **state)
{
    (void)state;
    usocket_t c = context(USOCKET_TLS_SERVER), client = context(USOCKET_TLS_CLIENT);
    size_t n = slurp("server.pem", cert, sizeof cert), m = slurp("mismatch-key.pem", key, sizeof key);
    GIVES(-EINVAL, usocket_tls_context_create(9));
    GIVES(USOCKET_ETLS_CERT_INVALID, usocket_tls_context_add_cert(c, NONE, sizeof NONE, key, m));
    GIVES(USOCKET_ETLS_KEY_INVALID, usocket_tls_context_add_cert(c, cert, n, NONE, sizeof NONE));
    GIVES(USOCKET_ETLS_KEY_MISMATCH, usocket_tls_context_add_cert(c, cert, n, key, m));
    GIVES(USOCKET_ETLS_PEM_EMPTY, usocket_tls_context_add_cert(c, cert, n, NULL, 0));
    GIVES(USOCKET_ETLS_PEM_BAD, usocket_tls_context_add_cert(c, CUT, sizeof CUT - 1, key, m));
    GIVES(USOCKET_ETLS_KEY_ENCRYPTED, usocket_tls_context_add_cert(c, cert, n, LOCKED, sizeof LOCKED - 1));
    OK(usocket_tls_context_set_key_password(c, "wrong", 5));
    GIVES(USOCKET_ETLS_KEY_PASSWORD, usocket_tls_context_add_cert(c, cert, n, LOCKED, sizeof LOCKED - 1));
    OK(usocket_tls_context_set_key_password(c, "right", 5));
    GIVES(USOCKET_ETLS_KEY_MISMATCH, usocket_tls_context_add_cert(c, cert, n, LOCKED, sizeof LOCKED - 1));
    GIVES(-EINVAL, usocket_tls_context_set_key_password(c, "x", SIZE_MAX));
    GIVES(-ENOENT, usocket_tls_context_add_cert_file(c, "/no/such", NULL));
    GIVES(-EISDIR, usocket_tls_context_add_cert_file(c, "/tmp", NULL));
    // For every property of a certificate.
    int64_t when;
    GIVES(USOCKET_ETLS_CERT_INVALID, usocket_tls_cert_text(NONE, sizeof NONE, USOCKET_TLS_CERT_SUBJECT, buf, 99));
    GIVES(USOCKET_ETLS_CERT_INVALID, usocket_tls_cert_time(NONE, sizeof NONE, USOCKET_TLS_CERT_NOT_AFTER, &when));
    n = slurp("server.der", cert, sizeof cert);
    GIVES(-EINVAL, usocket_tls_cert_text(cert, n, 99, buf, 99));
    GIVES(-ENOSPC, usocket_tls_cert_text(cert, n, USOCKET_TLS_CERT_SUBJECT, buf, 1));
    GIVES(-EINVAL, usocket_tls_cert_time(cert, n, 99, &when));
    GIVES(-EFAULT, usocket_tls_cert_time(cert, n, USOCKET_TLS_CERT_NOT_AFTER, NULL));
    CLOSE(c, client);
}

static void of_settings(void **state)
{
    (void)state;
    usocket_t c = context(USOCKET_TLS_SERVER), client = context(USOCKET_TLS_CLIENT);
    static char name[300];
    memset(name, 'x', 256);
    GIVES(-EINVAL, usocket_tls_context_set_alpn(c, name));
    GIVES(-EINVAL, usocket_tls_context_set_alpn(c, "h2,,http/1.1"));
    GIVES(-EINVAL, usocket_tls_context_set_alpn_required(c, 2));
    GIVES(USOCKET_ETLS_NO_SUCH_VERSION, usocket_tls_context_set_versions(c, USOCKET_TLS_1_3, USOCKET_TLS_1_2));
    GIVES(USOCKET_ETLS_NO_SUCH_SUITE, usocket_tls_context_set_ciphers(c, "TLS_NONE"));
    GIVES(USOCKET_ETLS_NO_SUCH_SUITE, usocket_tls_context_set_groups(c, "none"));
    GIVES(-ENOSPC, usocket_tls_context_ciphers(c, buf, 1));
    GIVES(-EFAULT, usocket_tls_context_ciphers(c, NULL, 1));
    GIVES(-EINVAL, usocket_tls_context_ciphers(c, buf, SIZE_MAX));
    GIVES(-EINVAL, usocket_tls_context_set_resumption(c, 1000001, 0));
    GIVES(-EINVAL, usocket_tls_context_set_resumption(c, 1, 17));
    GIVES(-EINVAL, usocket_tls_context_add_ticket_key(c, (const uint8_t *)name, 31));
    GIVES(-EFAULT, usocket_tls_context_add_ticket_key(c, NULL, 32));
    GIVES(-EOPNOTSUPP, usocket_tls_context_add_ticket_key(client, (const uint8_t *)name, 32));
    GIVES(-EINVAL, usocket_tls_context_set_max_record(c, 1));
    GIVES(-ENOENT, usocket_tls_context_set_insecure_keylog(c, "/no/such/file"));
    GIVES(-EISDIR, usocket_tls_context_set_insecure_keylog(c, "/tmp"));
    CLOSE(c, client);
}

static void of_trust(void **state)
{
    (void)state;
    usocket_t c = context(USOCKET_TLS_CLIENT);
    char dir[] = "/tmp/usocket-trust-XXXXXX", file[64];
    GIVES(USOCKET_ETLS_CERT_INVALID, usocket_tls_context_add_trust(c, NONE, sizeof NONE));
    GIVES(USOCKET_ETLS_PEM_EMPTY, usocket_tls_context_add_trust(c, "no PEM", 6));
    GIVES(USOCKET_ETLS_PEM_BAD, usocket_tls_context_add_trust(c, CUT, sizeof CUT - 1));
    GIVES(USOCKET_ETLS_CRL_INVALID, usocket_tls_context_add_crl(c, NONE, sizeof NONE));
    GIVES(USOCKET_ETLS_PEM_EMPTY, usocket_tls_context_add_crl(c, "no PEM", 6));
    GIVES(USOCKET_ETLS_PEM_BAD, usocket_tls_context_add_crl(c, "-----BEGIN X509 CRL-----\nMAAA\n", 30));
    GIVES(-EISDIR, usocket_tls_context_add_trust_file(c, "/tmp"));
    GIVES(-ENOTDIR, usocket_tls_context_add_trust_dir(c, "/dev/null"));
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/cut.pem", dir);
    int fd = open(file, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, CUT, sizeof CUT - 1), sizeof CUT - 1);
    close(fd);
    GIVES(USOCKET_ETLS_PEM_BAD, usocket_tls_context_add_trust_dir(c, dir));
    unlink(file);
    rmdir(dir);
    GIVES(USOCKET_ETLS_NO_TRUST, usocket_tls_context_add_trust_system(c));
    GIVES(-EINVAL, usocket_tls_context_set_crl_flags(c, 1 << 20));
    GIVES(-EINVAL, usocket_tls_context_set_verify(c, 9));
    GIVES(-EINVAL, usocket_tls_context_set_hostname_check(c, 9));
    GIVES(-EINVAL, usocket_tls_context_add_pin(c, (const uint8_t *)buf, 31));
    GIVES(-EINVAL, usocket_tls_context_set_clock(c, -1));
    CLOSE(c);
}

// A handle that is no context.
static void of_other_handles(void **state)
{
    (void)state;
    usocket_t h = tcp();
    for (int wrong = -EBADR; h; wrong = -EBADF) {
        GIVES(wrong, usocket_tls_context_add_cert(h, "", 0, "", 0));
        GIVES(wrong, usocket_tls_context_add_cert_file(h, "/no/such", NULL));
        GIVES(wrong, usocket_tls_context_set_key_password(h, "x", 1));
        GIVES(wrong, usocket_tls_context_clear_certs(h));
        GIVES(wrong, usocket_tls_context_set_key_check(h, 1));
        GIVES(wrong, usocket_tls_context_set_alpn(h, NULL));
        GIVES(wrong, usocket_tls_context_set_alpn_required(h, 1));
        GIVES(wrong, usocket_tls_context_set_versions(h, 0, 0));
        GIVES(wrong, usocket_tls_context_set_ciphers(h, NULL));
        GIVES(wrong, usocket_tls_context_ciphers(h, buf, 99));
        GIVES(wrong, usocket_tls_context_set_groups(h, NULL));
        GIVES(wrong, usocket_tls_context_set_resumption(h, 1, 1));
        GIVES(wrong, usocket_tls_context_add_ticket_key(h, (const uint8_t *)buf, 32));
        GIVES(wrong, usocket_tls_context_set_max_record(h, 0));
        GIVES(wrong, usocket_tls_context_set_insecure_keylog(h, NULL));
        GIVES(wrong, usocket_tls_context_add_trust(h, "", 0));
        GIVES(wrong, usocket_tls_context_add_trust_file(h, "/no/such"));
        GIVES(wrong, usocket_tls_context_add_trust_dir(h, "/no/such"));
        GIVES(wrong, usocket_tls_context_add_trust_system(h));
        GIVES(wrong, usocket_tls_context_add_trust_mozilla(h));
        GIVES(wrong, usocket_tls_context_add_crl(h, "", 0));
        GIVES(wrong, usocket_tls_context_set_crl_flags(h, 0));
        GIVES(wrong, usocket_tls_context_set_verify(h, 0));
        GIVES(wrong, usocket_tls_context_set_hostname_check(h, 0));
        GIVES(wrong, usocket_tls_context_add_pin(h, (const uint8_t *)buf, 32));
        GIVES(wrong, usocket_tls_context_set_verify_callback(h, NULL, NULL));
        GIVES(wrong, usocket_tls_context_set_clock(h, 1));
        GIVES(wrong, usocket_tls_context_set_name_callback(h, NULL, NULL));
        GIVES(wrong, usocket_tls_context_set_ocsp_mode(h, 0));
        GIVES(wrong, usocket_tls_context_add_ocsp(h, "", 0));
        GIVES(wrong, usocket_tls_create(h, "x", 0));
        if (wrong == -EBADF)
            break;
        OK(usocket_close(h));
    }
}

int main(void)
{
    // Where the system's store is to be, which is read once.
    setenv("SSL_CERT_FILE", "/no/such/file", 1);
    unsetenv("SSL_CERT_DIR");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_certificates),
        cmocka_unit_test(of_settings),
        cmocka_unit_test(of_trust),
        cmocka_unit_test(of_other_handles),
    };
    return RUN_TLS(tests);
}
