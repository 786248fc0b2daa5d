/* http.c - examples/c/http_server.c on epoll: what it is compared with. The same program, over bare
 * sockets, and with -DOPENSSL over OpenSSL as it is best used for many connections: buffers released
 * when they are empty, writes that may end in the middle. (Its HTTP is a copy: people copy an example
 * as one file.)
 *
 *   http PORT [CERT KEY]       prints "listening on PORT"
 */
#include "bench.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifdef OPENSSL
#include <openssl/err.h>
#include <openssl/ssl.h>

static SSL_CTX *context;
#endif

enum { EVENTS = 256, REQUEST = 8192, BODY = 1000000, HEAD = 128 };

struct connection {
    int s;
#ifdef OPENSSL
    SSL *tls;
#endif
    char *kept;
    size_t kept_len;
    char head[HEAD];
    size_t head_len, body_len, sent;
};

static int poller;
static char body[BODY];

static void watch(struct connection *c, int op, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    CHECK(epoll_ctl(poller, op, c->s, &e));
}

static int is_unsent(const struct connection *c)
{
    return c->sent < c->head_len + c->body_len;
}

#ifdef OPENSSL

/* The bytes moved; 0 when it has to wait, negative at the end. */
static long outcome(struct connection *c, int r)
{
    int e = SSL_get_error(c->tls, r);
    if (r > 0)
        return r;
    ERR_clear_error();
    return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static long receive(struct connection *c, char *to, size_t n)
{
    return outcome(c, SSL_read(c->tls, to, (int)n));
}

/* A record takes head and body; what is behind needs no copy. */
static long transmit(struct connection *c)
{
    static char record[16384];
    if (c->sent >= c->head_len) {
        size_t at = c->sent - c->head_len;
        return outcome(c, SSL_write(c->tls, body + at, (int)(c->body_len - at)));
    }
    size_t head = c->head_len - c->sent, room = sizeof record - head;
    size_t of_body = c->body_len < room ? c->body_len : room;
    memcpy(record, c->head + c->sent, head);
    memcpy(record + head, body, of_body);
    return outcome(c, SSL_write(c->tls, record, (int)(head + of_body)));
}

static void dress(struct connection *c)
{
    c->tls = SSL_new(context);
    SSL_set_fd(c->tls, c->s);
    SSL_set_accept_state(c->tls);
}

static void end(struct connection *c)
{
    if (SSL_is_init_finished(c->tls))
        SSL_shutdown(c->tls);
    SSL_free(c->tls);
    ERR_clear_error();
    CHECK(close(c->s));
    free(c->kept);
    free(c);
}

static void prepare(int argc, char **argv)
{
    if (argc < 4)
        exit(2);
    context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384");
    SSL_CTX_set_num_tickets(context, getenv("BENCH_RESUME") ? 1 : 0);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
#ifdef READ_AHEAD
    SSL_CTX_set_read_ahead(context, 1);
#endif
    if (SSL_CTX_use_certificate_chain_file(context, argv[2]) <= 0 ||
        SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) <= 0) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
}

#else

static long receive(struct connection *c, char *to, size_t n)
{
    ssize_t r = recv(c->s, to, n, 0);
    return r > 0 ? r : r < 0 && errno == EAGAIN ? 0 : -1;
}

static long transmit(struct connection *c)
{
    size_t of_body = c->sent > c->head_len ? c->sent - c->head_len : 0;
    struct iovec pieces[2] = {
        {c->head + (c->sent - of_body), c->head_len - (c->sent - of_body)},
        {body + of_body, c->body_len - of_body},
    };
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    ssize_t r = of_body ? send(c->s, pieces[1].iov_base, pieces[1].iov_len, MSG_NOSIGNAL)
                        : sendmsg(c->s, &message, MSG_NOSIGNAL);
    return r >= 0 ? r : errno == EAGAIN ? 0 : -1;
}

static void dress(struct connection *c) { (void)c; }

static void end(struct connection *c)
{
    CHECK(close(c->s));
    free(c->kept);
    free(c);
}

static void prepare(int argc, char **argv) { (void)argc, (void)argv; }

#endif

static int push(struct connection *c)
{
    while (is_unsent(c)) {
        long n = transmit(c);
        if (n == 0) {
            watch(c, EPOLL_CTL_MOD, EPOLLOUT);
            return 0;
        }
        if (n < 0)
            return -1;
        c->sent += (size_t)n;
    }
    return 0;
}

/* Begins the answer to the request that begins at `line`. */
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

/* Answers the whole requests in `text`, which ends with a NUL, and keeps the rest. */
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

/* Goes on with what was kept, and `n` bytes behind it. */
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

/* An event: negative when the connection is over. */
static int attend(struct connection *c)
{
    static char text[REQUEST + 1];
    if (is_unsent(c)) {
        if (push(c) < 0)
            return -1;
        if (is_unsent(c))
            return 0;
        if (go_on(c, text, 0) < 0)
            return -1;
        if (!is_unsent(c))
            watch(c, EPOLL_CTL_MOD, EPOLLIN);
        return 0;
    }
    long n = receive(c, text + c->kept_len, REQUEST - c->kept_len);
    return n == 0 ? 0 : n < 0 ? -1 : go_on(c, text, (size_t)n);
}

static void welcome(int listener)
{
    int s;
    while ((s = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        c->s = s;
        dress(c);
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

int main(int argc, char **argv)
{
    int on = 1;
    signal(SIGPIPE, SIG_IGN);
    memset(body, '.', sizeof body);
    prepare(argc, argv);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                               .sin_port = htons((uint16_t)atoi(argument(argc, argv, 1, "port")))};
    socklen_t len = sizeof name;
    int listener = CHECK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    CHECK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    CHECK(setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    CHECK(bind(listener, (struct sockaddr *)&name, sizeof name));
    CHECK(listen(listener, 128));
    poller = CHECK(epoll_create1(EPOLL_CLOEXEC));
    struct epoll_event e = {.events = EPOLLIN};
    CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e));
    CHECK(getsockname(listener, (struct sockaddr *)&name, &len));
    printf("listening on %d\n", ntohs(name.sin_port));
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(poller, events, EVENTS, -1);
        if (n < 0 && errno == EINTR) /* of strace */
            continue;
        CHECK(n);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (c == NULL)
                welcome(listener);
            else if (attend(c) < 0)
                end(c);
        }
    }
}
