/* usocket.h - TLS by libusocket, with its defaults but for what tls.h says. */

typedef usocket_t tls_t;

static usocket_t contexts[2];

static void tls_init(const struct tls_options *o)
{
    int version = o->tls12 ? USOCKET_TLS_1_2 : USOCKET_TLS_1_3;
    const char *suite = o->tls12 ? "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" : "TLS_AES_256_GCM_SHA384";
    for (int server = 0; server < 2; server++) {
        usocket_t c = contexts[server] =
            CHECK(usocket_tls_context_create(server ? USOCKET_TLS_SERVER : USOCKET_TLS_CLIENT));
        CHECK(usocket_tls_context_set_versions(c, version, version));
        CHECK(usocket_tls_context_set_ciphers(c, suite));
        if (o->groups)
            CHECK(usocket_tls_context_set_groups(c, o->groups));
        CHECK(usocket_tls_context_set_resumption(c, o->resume ? 256 : 0, o->resume ? 1 : 0));
    }
    CHECK(usocket_tls_context_add_cert_file(contexts[1], tls_file("server.pem"), tls_file("server.key")));
    CHECK(usocket_tls_context_add_trust_file(contexts[0], tls_file("ca.pem")));
}

static tls_t tls_open(io_t s, int server)
{
    CHECK(usocket_tls_wrap(s, contexts[server], server ? NULL : SERVER_NAME, USOCKET_TLS_HANDSHAKE));
    return s;
}

static inline long tls_send(tls_t t, const void *p, size_t n)
{
    int r = usocket_sendall(t, p, n, 0);
    return r < 0 ? r : (long)n;
}
static inline long tls_recv(tls_t t, void *p, size_t n) { return usocket_recv(t, p, n, 0); }
static inline void tls_close(tls_t t) { CHECK(usocket_close(t)); }
static inline void tls_keep(tls_t t) { (void)t; /* a context resumes by itself */ }
static inline int tls_resumed(tls_t t) { return CHECK(usocket_tls_resumed(t)); }

static inline const char *tls_description(tls_t t)
{
    static char text[160], suite[64], group[32];
    CHECK(usocket_tls_cipher(t, suite, sizeof suite));
    CHECK(usocket_tls_group(t, group, sizeof group));
    snprintf(text, sizeof text, "TLSv1.%d %s %s, libusocket %s", usocket_tls_version(t) - 769, suite,
             group, usocket_version());
    return text;
}
