/* openssl.h - TLS by OpenSSL's libssl, with its defaults but for what tls.h says. */
#include <openssl/err.h>
#include <openssl/ssl.h>

typedef SSL *tls_t;

static SSL_CTX *contexts[2];
static SSL_SESSION *kept;

static void tls_die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

#define TLS_OK(call)                                                                               \
    do {                                                                                           \
        if ((call) <= 0)                                                                           \
            tls_die(#call);                                                                        \
    } while (0)

static void tls_init(const struct tls_options *o)
{
    int version = o->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
    for (int server = 0; server < 2; server++) {
        SSL_CTX *c = contexts[server] = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
        TLS_OK(SSL_CTX_set_min_proto_version(c, version));
        TLS_OK(SSL_CTX_set_max_proto_version(c, version));
        TLS_OK(SSL_CTX_set_ciphersuites(c, "TLS_AES_256_GCM_SHA384"));
        TLS_OK(SSL_CTX_set_cipher_list(c, "ECDHE-ECDSA-AES256-GCM-SHA384"));
        if (o->groups)
            TLS_OK(SSL_CTX_set1_groups_list(c, o->groups));
        if (!o->resume) {
            SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
            SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
        }
#ifdef RELEASE_BUFFERS
        SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
#endif
#ifdef READ_AHEAD
        SSL_CTX_set_read_ahead(c, 1);
#endif
    }
    TLS_OK(SSL_CTX_set_num_tickets(contexts[1], o->resume ? 1 : 0) + 1);
    TLS_OK(SSL_CTX_use_certificate_chain_file(contexts[1], tls_file("server.pem")));
    TLS_OK(SSL_CTX_use_PrivateKey_file(contexts[1], tls_file("server.key"), SSL_FILETYPE_PEM));
    TLS_OK(SSL_CTX_load_verify_locations(contexts[0], tls_file("ca.pem"), NULL));
    SSL_CTX_set_verify(contexts[0], SSL_VERIFY_PEER, NULL);
}

static tls_t tls_open(io_t s, int server)
{
    SSL *t = SSL_new(contexts[server]);
    TLS_OK(SSL_set_fd(t, s));
    if (server) {
        TLS_OK(SSL_accept(t));
    } else {
        TLS_OK(SSL_set_tlsext_host_name(t, SERVER_NAME));
        TLS_OK(SSL_set1_host(t, SERVER_NAME));
        if (kept)
            TLS_OK(SSL_set_session(t, kept));
        TLS_OK(SSL_connect(t));
    }
    return t;
}

static inline long tls_send(tls_t t, const void *p, size_t n) { return SSL_write(t, p, (int)n); }
static inline long tls_recv(tls_t t, void *p, size_t n) { return SSL_read(t, p, (int)n); }

static void tls_close(tls_t t)
{
    int fd = SSL_get_fd(t);
    SSL_shutdown(t);
    SSL_free(t);
    ERR_clear_error();
    CHECK(close(fd));
}

static inline void tls_keep(tls_t t)
{
    SSL_SESSION_free(kept);
    kept = SSL_get1_session(t);
}

static inline int tls_resumed(tls_t t) { return SSL_session_reused(t); }

static inline const char *tls_description(tls_t t)
{
    static char text[128];
    snprintf(text, sizeof text, "%s %s, %s", SSL_get_version(t), SSL_get_cipher_name(t),
             OpenSSL_version(OPENSSL_VERSION));
    return text;
}
