// An HTTPS server that says who you are: https_server PORT CERT KEY [CLIENT-CA]. With CLIENT-CA,
// clients must present a certificate issued by it (mutual TLS). One thread per connection.
// Port 0 takes a free one; "listening on PORT" is printed when it is ready.

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <usocket.h>

enum { SECOND = 1000000 };

static usocket_t context;

static int64_t ok(int64_t value, const char *what, usocket_t handle)
{
    char detail[512] = "";
    if (value >= 0)
        return value;
    usocket_error_detail(handle, detail, sizeof detail);
    fprintf(stderr, "%s: %s\n", what, *detail ? detail : usocket_strerror(value));
    exit(1);
}

static void answer(usocket_t s)
{
    char line[4096], name[256] = "", cipher[64] = "", detail[512] = "", text[1024];
    int64_t n = usocket_tls_wrap(s, context, NULL, USOCKET_TLS_HANDSHAKE);
    if (n < 0) {
        usocket_error_detail(s, detail, sizeof detail);
        fprintf(stderr, "refused: %s\n", *detail ? detail : usocket_strerror(n));
        return;
    }
    // The request, up to the empty line.
    while ((n = usocket_readline(s, line, sizeof line)) > 2)
        ;
    if (n <= 0)
        return;
    usocket_tls_server_name(s, name, sizeof name);
    usocket_tls_cipher(s, cipher, sizeof cipher);
    int len = snprintf(text, sizeof text, "you asked for %s over %s%s%s\n", *name ? name : "nobody",
                       cipher, usocket_tls_resumed(s) > 0 ? ", resumed" : "",
                       usocket_tls_verified(s) > 0 ? ", and I know you" : "");
    char head[256];
    int head_len = snprintf(head, sizeof head,
                            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
                            "Connection: close\r\n\r\n",
                            len);
    if (usocket_sendall(s, head, head_len, 0) == 0)
        usocket_sendall(s, text, len, 0);
}

static void *serve(void *handle)
{
    usocket_t s = (usocket_t)(intptr_t)handle;
    usocket_settimeout(s, 10 * SECOND); // A silent client costs a thread no longer than that.
    answer(s);
    usocket_close(s);
    return NULL;
}

int main(int argc, char **argv)
{
    char *end = "";
    long port = argc > 1 ? strtol(argv[1], &end, 10) : -1;
    if (argc < 4 || argc > 5 || end == argv[1] || *end || port < 0 || port > 65535) {
        fprintf(stderr, "usage: https_server PORT CERT KEY [CLIENT-CA], PORT from 0 to 65535\n");
        return 2;
    }
    context = ok(usocket_tls_context_create(USOCKET_TLS_SERVER), "context", 0);
    ok(usocket_tls_context_add_cert_file(context, argv[2], argv[3]), argv[2], context);
    ok(usocket_tls_context_set_alpn(context, "http/1.1"), "ALPN", context);
    if (argc > 4) {
        ok(usocket_tls_context_add_trust_file(context, argv[4]), argv[4], context);
        ok(usocket_tls_context_set_verify(context, USOCKET_TLS_VERIFY_REQUIRED), "verify", context);
    }
    usocket_addr addr;
    ok(usocket_addr_ip(AF_INET, "127.0.0.1", (int)port, 0, 0, &addr), argv[1], 0);
    usocket_t listener = ok(usocket_create_server(&addr, USOCKET_BACKLOG_DEFAULT, 0), "listen", 0);
    ok(usocket_getsockname(listener, &addr), "listen", listener);
    printf("listening on %d\n", usocket_addr_port(&addr));
    fflush(stdout);
    for (;;) {
        usocket_t s = ok(usocket_accept(listener, NULL), "accept", listener);
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)s) == 0)
            pthread_detach(thread);
        else
            usocket_close(s);
    }
}
