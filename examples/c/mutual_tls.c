// Mutual TLS, both ends in one program: the server knows its client by its certificate, and turns
// away one with a stranger's and one without. mutual_tls [DIRECTORY], where examples/mkcert.rs has
// put certificates; without it, from the project's directory, they are made first.

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <usocket.h>

enum { PATIENCE = 10 * 1000000, CLIENTS = 3 };

static const char *directory = "target/certs";

// The reason for an error: the sentence of the handle where there is one.
static const char *reason(int64_t code, usocket_t handle)
{
    static _Thread_local char detail[512];
    int n = handle ? usocket_error_detail(handle, detail, sizeof detail) : 0;
    return n > 0 ? detail : usocket_strerror(code);
}

// The value of a call, or out with the reason.
#define OK(call, handle) ok((call), #call, handle)
static int64_t ok(int64_t value, const char *call, usocket_t handle)
{
    if (value < 0) {
        fprintf(stderr, "%s: %s\n", call, reason(value, handle));
        exit(1);
    }
    return value;
}

static const char *file(char path[512], const char *name, const char *end)
{
    snprintf(path, 512, "%s/%s%s", directory, name, end);
    return path;
}

static usocket_t context(int role, const char *identity)
{
    char cert[512], key[512], ca[512];
    usocket_t c = OK(usocket_tls_context_create(role), 0);
    OK(usocket_tls_context_add_trust_file(c, file(ca, "ca", ".pem")), c);
    if (identity)
        OK(usocket_tls_context_add_cert_file(c, file(cert, identity, ".pem"),
                                             file(key, identity, "-key.pem")), c);
    // A client verifies its server by default; a server must be told to.
    OK(usocket_tls_context_set_verify(c, USOCKET_TLS_VERIFY_REQUIRED), c);
    return c;
}

// The common name in the peer's certificate: the last one, the first is its issuer's. Good enough
// to print; the verification decides whether to accept the peer.
static void common_name(usocket_t s, char name[64])
{
    unsigned char der[8192];
    int n = OK(usocket_tls_peer_cert(s, 0, der, sizeof der), s);
    strcpy(name, "nobody");
    for (int i = 0; i + 5 <= n; i++)
        if (!memcmp(der + i, "\x55\x04\x03", 3) && der[i + 4] < 64 && i + 5 + der[i + 4] <= n)
            snprintf(name, 64, "%.*s", der[i + 4], (const char *)der + i + 5);
}

// --- the server ---

static void *server(void *listener)
{
    usocket_t c = context(USOCKET_TLS_SERVER, "server");
    for (int i = 0; i < CLIENTS; i++) {
        char name[64], line[128];
        usocket_t s = OK(usocket_accept(*(usocket_t *)listener, NULL), 0);
        OK(usocket_settimeout(s, PATIENCE), s);
        int r = usocket_tls_wrap(s, c, NULL, USOCKET_TLS_HANDSHAKE);
        if (r < 0) {
            printf("   server: %s\n", reason(r, s));
        } else {
            common_name(s, name);
            int n = snprintf(line, sizeof line, "good day, %s\n", name);
            OK(usocket_sendall(s, line, n, 0), s);
            usocket_recv(s, line, sizeof line, 0); // until the client closes
        }
        OK(usocket_close(s), 0);
    }
    OK(usocket_close(c), 0);
    return NULL;
}

// --- the clients ---

// Runs a client with that certificate; returns 0 or its error.
static int64_t client(const usocket_addr *addr, const char *identity)
{
    char suite[64], group[64], name[64], line[128];
    usocket_t c = context(USOCKET_TLS_CLIENT, identity);
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0), 0);
    OK(usocket_settimeout(s, PATIENCE), s);
    OK(usocket_connect(s, addr), s);
    OK(usocket_tls_wrap(s, c, "localhost", USOCKET_TLS_HANDSHAKE), s);
    OK(usocket_tls_cipher(s, suite, sizeof suite), s);
    OK(usocket_tls_group(s, group, sizeof group), s);
    common_name(s, name);
    printf("client %s\n   TLS 1.%d, %s, %s, with %s\n",
           identity ? identity : "without a certificate", usocket_tls_version(s) - USOCKET_TLS_1_2 + 2,
           suite, group, name);
    // In TLS 1.3 a client completes the handshake before the server checks its certificate: a
    // refusal comes with the first response.
    int64_t n = usocket_readline(s, line, sizeof line);
    if (n >= 0)
        printf("   the server says: %.*s", (int)n, line);
    else
        printf("   refused: %s\n", reason(n, s));
    OK(usocket_close(s), 0);
    OK(usocket_close(c), 0);
    return n < 0 ? n : 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1)
        directory = argv[1];
    else if (system("cargo run -q --release --example mkcert -- target/certs") != 0)
        return 1;

    usocket_addr addr;
    pthread_t thread;
    OK(usocket_addr_ip(AF_INET, "127.0.0.1", 0, 0, 0, &addr), 0);
    usocket_t listener = OK(usocket_create_server(&addr, USOCKET_BACKLOG_DEFAULT, 0), 0);
    OK(usocket_getsockname(listener, &addr), 0);
    pthread_create(&thread, NULL, server, &listener);
    // Alert 48 is unknown_ca, alert 116 certificate_required.
    int good = client(&addr, "client") == 0;
    good &= client(&addr, "client-other") == USOCKET_ETLS_ALERT - 48;
    good &= client(&addr, NULL) == USOCKET_ETLS_ALERT - 116;
    pthread_join(thread, NULL);
    OK(usocket_close(listener), 0);
    return !good;
}
