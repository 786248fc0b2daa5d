/* mbedtls.h - TLS by mbedTLS, with its defaults but for what tls.h says. */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cache.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/version.h>
#include <psa/crypto.h>

typedef struct {
    mbedtls_ssl_context ssl;
    mbedtls_net_context net;
} *tls_t;

static mbedtls_ssl_config contexts[2];
static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context drbg;
static mbedtls_x509_crt authority, certificate;
static mbedtls_pk_context key;
static mbedtls_ssl_ticket_context tickets;
static mbedtls_ssl_session kept;
static int has_kept, did_resume;

#define TLS_OK(call)                                                                               \
    do {                                                                                           \
        int r_ = (call);                                                                           \
        if (r_ != 0) {                                                                             \
            char text[128];                                                                        \
            mbedtls_strerror(r_, text, sizeof text);                                               \
            fprintf(stderr, "%s: -%#x %s\n", #call, (unsigned)-r_, text);                          \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void tls_init(const struct tls_options *o)
{
    static const int suites[] = {MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, 0};
    static const uint16_t x25519[] = {MBEDTLS_SSL_IANA_TLS_GROUP_X25519, 0};
    mbedtls_ssl_protocol_version version =
        o->tls12 ? MBEDTLS_SSL_VERSION_TLS1_2 : MBEDTLS_SSL_VERSION_TLS1_3;
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&drbg);
    mbedtls_x509_crt_init(&authority);
    mbedtls_x509_crt_init(&certificate);
    mbedtls_pk_init(&key);
    mbedtls_ssl_ticket_init(&tickets);
    mbedtls_ssl_session_init(&kept);
    TLS_OK(psa_crypto_init());
    TLS_OK(mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, NULL, 0));
    TLS_OK(mbedtls_x509_crt_parse_file(&authority, tls_file("ca.pem")));
    TLS_OK(mbedtls_x509_crt_parse_file(&certificate, tls_file("server.pem")));
    TLS_OK(mbedtls_pk_parse_keyfile(&key, tls_file("server.key"), NULL, mbedtls_ctr_drbg_random, &drbg));
    for (int server = 0; server < 2; server++) {
        mbedtls_ssl_config *c = &contexts[server];
        mbedtls_ssl_config_init(c);
        TLS_OK(mbedtls_ssl_config_defaults(c, server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
                                           MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT));
        mbedtls_ssl_conf_rng(c, mbedtls_ctr_drbg_random, &drbg);
        mbedtls_ssl_conf_min_tls_version(c, version);
        mbedtls_ssl_conf_max_tls_version(c, version);
        mbedtls_ssl_conf_ciphersuites(c, suites);
        if (o->groups)
            mbedtls_ssl_conf_groups(c, x25519);
#ifdef MBEDTLS_SSL_SESSION_TICKETS
        mbedtls_ssl_conf_session_tickets(c, o->resume);
#endif
    }
    mbedtls_ssl_conf_ca_chain(&contexts[0], &authority, NULL);
    mbedtls_ssl_conf_authmode(&contexts[0], MBEDTLS_SSL_VERIFY_REQUIRED);
    TLS_OK(mbedtls_ssl_conf_own_cert(&contexts[1], &certificate, &key));
    if (o->resume) {
        TLS_OK(mbedtls_ssl_ticket_setup(&tickets, mbedtls_ctr_drbg_random, &drbg,
                                        MBEDTLS_CIPHER_AES_256_GCM, 86400));
        mbedtls_ssl_conf_session_tickets_cb(&contexts[1], mbedtls_ssl_ticket_write,
                                            mbedtls_ssl_ticket_parse, &tickets);
        mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
            &contexts[0], MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    }
}

static tls_t tls_open(io_t s, int server)
{
    tls_t t = malloc(sizeof *t);
    int r;
    mbedtls_ssl_init(&t->ssl);
    t->net.fd = s;
    TLS_OK(mbedtls_ssl_setup(&t->ssl, &contexts[server]));
    mbedtls_ssl_set_bio(&t->ssl, &t->net, mbedtls_net_send, mbedtls_net_recv, NULL);
    if (!server) {
        TLS_OK(mbedtls_ssl_set_hostname(&t->ssl, SERVER_NAME));
        if (has_kept)
            TLS_OK(mbedtls_ssl_set_session(&t->ssl, &kept));
    }
    did_resume = 1;
    do {
        /* Only a full handshake verifies a certificate. */
        if (t->ssl.MBEDTLS_PRIVATE(state) == MBEDTLS_SSL_CERTIFICATE_VERIFY)
            did_resume = 0;
        r = mbedtls_ssl_handshake_step(&t->ssl);
    } while (r == 0 && !mbedtls_ssl_is_handshake_over(&t->ssl));
    TLS_OK(r);
    return t;
}

static inline long tls_send(tls_t t, const void *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        int r = mbedtls_ssl_write(&t->ssl, (const unsigned char *)p + at, n - at);
        if (r < 0)
            return r;
        at += (size_t)r;
    }
    return (long)n;
}

static inline void tls_keep(tls_t t)
{
    mbedtls_ssl_session_free(&kept);
    mbedtls_ssl_session_init(&kept);
    TLS_OK(mbedtls_ssl_get_session(&t->ssl, &kept));
    has_kept = 1;
}

static inline long tls_recv(tls_t t, void *p, size_t n)
{
    for (;;) {
        int r = mbedtls_ssl_read(&t->ssl, p, n);
        if (r != MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET && r != MBEDTLS_ERR_SSL_WANT_READ)
            return r;
    }
}

static void tls_close(tls_t t)
{
    mbedtls_ssl_close_notify(&t->ssl);
    mbedtls_ssl_free(&t->ssl);
    CHECK(close(t->net.fd));
    free(t);
}

static inline int tls_resumed(tls_t t) { return (void)t, did_resume; }

static inline const char *tls_description(tls_t t)
{
    static char text[128];
    snprintf(text, sizeof text, "%s %s, mbedTLS %s", mbedtls_ssl_get_version(&t->ssl),
             mbedtls_ssl_get_ciphersuite(&t->ssl), MBEDTLS_VERSION_STRING);
    return text;
}
