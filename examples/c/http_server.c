// A server of many connections in one thread, HTTP or HTTPS: http_server PORT [CERT KEY [TICKETS]]. It
// keeps connections open, and answers GET /N with N bytes, up to a million. Port 0 takes a free one;
// "listening on PORT" is printed when it is ready. TICKETS is the number of session tickets for each
// client, by default the library's.
//
// It uses one poller. A connection is read once for each event: the poller reports it again as long
// as there is more. If the peer does not read fast enough, the connection waits for POLLOUT, and is
// not read from meanwhile.

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <usocket.h>

enum { EVENTS = 256, REQUEST = 8192, BODY = 1000000 };

struct connection {
    usocket_t s;
    char *kept; // A partly received request.
    size_t kept_len;
    char head[128]; // The response being sent.
    size_t head_len, body_len, sent;
};

static usocket_poller_t poller;
static usocket_tls_context_t context; // 0 for plain HTTP.
static char body[BODY];

static int64_t ok(int64_t value, const char *what, usocket_t handle)
{
    char detail[512] = "";
    if (value >= 0)
        return value;
    usocket_error_detail(handle, detail, sizeof detail);
    fprintf(stderr, "%s: %s\n", what, *detail ? detail : usocket_strerror(value));
    exit(1);
}

static void end(struct connection *c)
{
    usocket_close(c->s); // This takes it out of the poller, too.
    free(c->kept);
    free(c);
}

static int is_unsent(const struct connection *c)
{
    return c->sent < c->head_len + c->body_len;
}

// Sends the rest of the response: head and body in one system call, and over TLS in one record.
// Negative when the connection is over.
static int push(struct connection *c)
{
    while (is_unsent(c)) {
        size_t of_body = c->sent > c->head_len ? c->sent - c->head_len : 0;
        usocket_iovec pieces[2] = {
            {c->head + (c->sent - of_body), c->head_len - (c->sent - of_body)},
            {body + of_body, c->body_len - of_body},
        };
        usocket_msg message = {.data = pieces, .count = 2};
        int64_t n = of_body ? usocket_send(c->s, pieces[1].base, pieces[1].len, 0)
                            : usocket_sendmsg(c->s, &message, 0);
        if (n == -EAGAIN)
            return usocket_poller_modify(poller, c->s, POLLOUT, (uintptr_t)c);
        if (n < 0)
            return -1;
        c->sent += (size_t)n;
    }
    return 0;
}

// Begins the response to the request at `line`.
static int answer(struct connection *c, const char *line)
{
    char *after = "";
    unsigned long n = BODY + 1;
    if (strncmp(line, "GET /", 5) == 0)
        n = strtoul(line + 5, &after, 10);
    if (n > BODY || *after != ' ') {
        c->body_len = 0;
        c->head_len = (size_t)snprintf(c->head, sizeof c->head,
                                       "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    } else {
        c->body_len = n;
        c->head_len = (size_t)snprintf(c->head, sizeof c->head,
                                       "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                       "Content-Length: %lu\r\n\r\n", n);
    }
    c->sent = 0;
    return push(c);
}

// Answers the complete requests in `text`, which ends with a NUL, and keeps the rest.
static int requests(struct connection *c, char *text, size_t len)
{
    char *stop;
    while (!is_unsent(c) && (stop = strstr(text, "\r\n\r\n")) != NULL) {
        if (answer(c, text) < 0)
            return -1;
        len -= (size_t)(stop + 4 - text);
        text = stop + 4;
    }
    if (len == 0)
        return 0;
    c->kept = malloc(len + 1);
    if (c->kept == NULL || len == REQUEST)
        return -1;
    memcpy(c->kept, text, len + 1);
    c->kept_len = len;
    return 0;
}

// Continues with the kept bytes and `n` more.
static int go_on(struct connection *c, char text[REQUEST + 1], size_t n)
{
    size_t len = c->kept_len + n;
    if (c->kept)
        memcpy(text, c->kept, c->kept_len);
    free(c->kept);
    c->kept = NULL;
    c->kept_len = 0;
    text[len] = '\0';
    return requests(c, text, len);
}

// An event: negative when the connection is over.
static int serve(struct connection *c)
{
    static char text[REQUEST + 1];
    if (is_unsent(c)) {
        if (push(c) < 0)
            return -1;
        if (is_unsent(c))
            return 0;
        // The next request may have arrived already.
        if (go_on(c, text, 0) < 0)
            return -1;
        return is_unsent(c) ? 0 : usocket_poller_modify(poller, c->s, POLLIN, (uintptr_t)c);
    }
    int64_t n = usocket_recv(c->s, text + c->kept_len, REQUEST - c->kept_len, 0);
    if (n == -EAGAIN)
        return 0;
    return n <= 0 ? -1 : go_on(c, text, (size_t)n);
}

static void welcome(usocket_t listener)
{
    usocket_t s;
    while ((s = usocket_accept4(listener, SOCK_NONBLOCK, NULL)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        if (c == NULL) {
            usocket_close(s);
            continue;
        }
        c->s = s;
        // Receiving does the handshake.
        if ((context && usocket_tls_wrap(s, context, NULL, 0) < 0) ||
            usocket_poller_add(poller, s, POLLIN, (uintptr_t)c) < 0)
            end(c);
    }
}

int main(int argc, char **argv)
{
    char *after = "";
    long port = argc > 1 ? strtol(argv[1], &after, 10) : -1;
    if (argc < 2 || argc == 3 || argc > 5 || after == argv[1] || *after || port < 0 || port > 65535) {
        fprintf(stderr, "usage: http_server PORT [CERT KEY [TICKETS]], PORT from 0 to 65535\n");
        return 2;
    }
    memset(body, '.', sizeof body);
    if (argc >= 4) {
        context = ok(usocket_tls_context_create(USOCKET_TLS_SERVER), "context", 0);
        ok(usocket_tls_context_add_cert_file(context, argv[2], argv[3]), argv[2], context);
        ok(usocket_tls_context_set_alpn(context, "http/1.1"), "ALPN", context);
        if (argc == 5)
            ok(usocket_tls_context_set_resumption(context, 256, atoi(argv[4])), "tickets", context);
    }
    usocket_addr addr;
    ok(usocket_addr_ip(AF_INET, "127.0.0.1", (int)port, 0, 0, &addr), argv[1], 0);
    usocket_t listener = ok(usocket_create_server(&addr, USOCKET_BACKLOG_DEFAULT, 0), "listen", 0);
    // Accepted sockets inherit this. (TCP_NODELAY: a response is one call.)
    int on = 1;
    ok(usocket_setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "no delay", listener);
    ok(usocket_setblocking(listener, 0), "non-blocking", listener);
    poller = ok(usocket_poller_create(), "poller", 0);
    ok(usocket_poller_add(poller, listener, POLLIN, 0), "poller", poller);
    ok(usocket_getsockname(listener, &addr), "listen", listener);
    printf("listening on %d\n", usocket_addr_port(&addr));
    fflush(stdout);
    for (;;) {
        usocket_event events[EVENTS];
        int n = (int)ok(usocket_poller_wait(poller, events, EVENTS, -1), "wait", poller);
        for (int i = 0; i < n; i++) {
            struct connection *c = (struct connection *)(uintptr_t)events[i].data;
            if (c == NULL)
                welcome(listener);
            else if (serve(c) < 0)
                end(c);
        }
    }
}
