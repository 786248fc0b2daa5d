// Fetches a page over HTTPS: https_get URL [CA-FILE]. Without a file, whom the system trusts is
// trusted. Says what was agreed on the standard error, and why, when it fails.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <usocket.h>

enum { SECOND = 1000000 };

// The value of a call, or out with the reason: the sentence of the handle where there is one.
static int64_t ok(int64_t value, const char *what, usocket_t handle)
{
    char detail[512] = "";
    if (value >= 0)
        return value;
    usocket_error_detail(handle, detail, sizeof detail);
    fprintf(stderr, "%s: %s (%lld)\n", what, *detail ? detail : usocket_strerror(value),
            (long long)value);
    exit(1);
}

int main(int argc, char **argv)
{
    char host[256], port[6] = "443", path[1024] = "/";
    if (argc < 2 || strncmp(argv[1], "https://", 8) != 0) {
        fprintf(stderr, "usage: https_get https://HOST[:PORT][/PATH] [CA-FILE]\n");
        return 2;
    }
    const char *rest = argv[1] + 8;
    size_t n = strcspn(rest, ":/");
    if (n == 0 || n >= sizeof host)
        return 2;
    memcpy(host, rest, n);
    host[n] = 0;
    if (rest[n] == ':')
        sscanf(rest + n, ":%5[0-9]", port);
    if (strchr(rest, '/'))
        snprintf(path, sizeof path, "%s", strchr(rest, '/'));

    usocket_t context = ok(usocket_tls_context_create(USOCKET_TLS_CLIENT), "context", 0);
    if (argc > 2)
        ok(usocket_tls_context_add_trust_file(context, argv[2]), argv[2], context);
    ok(usocket_tls_context_set_alpn(context, "http/1.1"), "ALPN", context);

    usocket_t s = ok(usocket_create_connection(host, port, 10 * SECOND, NULL), host, 0);
    ok(usocket_tls_wrap(s, context, host, USOCKET_TLS_HANDSHAKE), host, s);
    usocket_close(context); // The connection keeps what it needs.

    char cipher[64] = "", group[64] = "";
    usocket_tls_cipher(s, cipher, sizeof cipher);
    usocket_tls_group(s, group, sizeof group);
    fprintf(stderr, "TLS 1.%d, %s, %s\n", usocket_tls_version(s) == USOCKET_TLS_1_3 ? 3 : 2, cipher,
            *group ? group : "resumed");

    char request[1536];
    int len = snprintf(request, sizeof request,
                       "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host);
    ok(usocket_sendall(s, request, len, 0), "send", s);
    char buf[16384];
    int64_t got;
    while ((got = usocket_recv(s, buf, sizeof buf, 0)) > 0)
        fwrite(buf, 1, got, stdout);
    // Some servers just hang up; whether all came is then for HTTP to say.
    if (got != USOCKET_ETLS_TRUNCATED)
        ok(got, "receive", s);
    usocket_close(s);
    return 0;
}
