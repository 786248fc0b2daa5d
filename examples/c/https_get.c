// Fetches a page over HTTPS: https_get URL [CA-FILE]. Without a file it trusts the system's
// certificates. It prints the negotiated parameters, or the reason of a failure, on the standard
// error.

#include <stdbool.h>
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

static int usage(const char *why)
{
    fprintf(stderr, "%s\nusage: https_get https://HOST[:PORT][/PATH] [CA-FILE]\n", why);
    return 2;
}

// The parts of https://HOST[:PORT][/PATH]; an IPv6 address stands in brackets. Returns NULL, or the
// problem with it.
static const char *parse(const char *url, char host[256], char port[6], char path[1024])
{
    if (strncmp(url, "https://", 8) != 0)
        return "the URL must begin with https://";
    const char *begin = url + 8, *end;
    bool numeric = *begin == '[';
    if (numeric) {
        end = strchr(++begin, ']');
        if (!end)
            return "the URL has an unclosed [";
    } else {
        end = begin + strcspn(begin, ":/?#");
    }
    size_t n = end - begin;
    if (n == 0 || n > 255)
        return "the URL has no host, or one that is too long";
    snprintf(host, 256, "%.*s", (int)n, begin);
    end += numeric;
    strcpy(port, "443");
    if (*end == ':') {
        n = strspn(++end, "0123456789");
        if (n == 0 || n > 5 || strtol(end, NULL, 10) > 65535 || strtol(end, NULL, 10) == 0)
            return "the port is not a number from 1 to 65535";
        snprintf(port, 6, "%.*s", (int)n, end);
        end += n;
    }
    if (*end && !strchr("/?#", *end))
        return "unexpected characters after the host";
    n = strcspn(end, "#");
    if (n > 1000)
        return "the path is too long";
    snprintf(path, 1024, "%s%.*s", *end == '/' ? "" : "/", (int)n, end);
    return NULL;
}

int main(int argc, char **argv)
{
    char host[256], port[6], path[1024];
    if (argc < 2 || argc > 3)
        return usage("expected a URL, and optionally a file of certificates");
    const char *wrong = parse(argv[1], host, port, path);
    if (wrong)
        return usage(wrong);

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
    const char *authority = argv[1] + 8; // as it was given
    int len = snprintf(request, sizeof request,
                       "GET %s HTTP/1.1\r\nHost: %.*s\r\nConnection: close\r\n\r\n", path,
                       (int)strcspn(authority, "/?#"), authority);
    ok(usocket_sendall(s, request, len, 0), "send", s);
    char buf[16384];
    int64_t got;
    while ((got = usocket_recv(s, buf, sizeof buf, 0)) > 0)
        fwrite(buf, 1, got, stdout);
    // Without the peer's close_notify the page may be incomplete: a failure.
    ok(got, "receive", s);
    usocket_close(s);
    if (fflush(stdout) != 0) {
        perror("standard output");
        return 1;
    }
    return 0;
}
