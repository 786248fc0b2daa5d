// Does one operation after the other, with a mark before each that shows in a trace of the system
// calls: a write to descriptor -1 of the operation's name. test_syscalls.py reads the trace.

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <usocket.h>

static const struct { const char *name; int64_t timeout; } MODES[] = {
    {"blocking", -1}, {"timeout", 20 * 1000000}, {"non-blocking", 0},
};

static void mark(const char *what, const char *kind, const char *mode)
{
    char text[80];
    int n = snprintf(text, sizeof text, "%s %s %s", what, kind, mode);
    syscall(SYS_write, -1, text, n);
}

#define MUST(want, call) \
    do { \
        int64_t got = (call); \
        if ((want) >= 0 ? got != (want) : got < 0) { \
            fprintf(stderr, "%s = %lld (%s)\n", #call, (long long)got, usocket_strerror(got)); \
            exit(1); \
        } \
    } while (0)
enum { ANY = -1 };

// The event has occurred, so that the operation need not wait.
static void until(usocket_t s, int events)
{
    usocket_pollfd p = {s, 0, events, 0};
    MUST(1, usocket_poll(&p, 1, 20 * 1000000));
}

static usocket_t bound(int family, int type, usocket_addr *name)
{
    usocket_t s = usocket_socket(family, type, 0);
    MUST(ANY, s);
    if (family == AF_UNIX)
        MUST(0, usocket_addr_unix(NULL, 0, name));
    else
        MUST(0, usocket_addr_ip(family, family == AF_INET ? "127.0.0.1" : "::1", 0, 0, 0, name));
    MUST(0, usocket_bind(s, name));
    MUST(0, usocket_getsockname(s, name));
    return s;
}

// Sends a byte once the other thread sleeps, which shows as another thread in the trace.
static void *send_late(void *s)
{
    poll(NULL, 0, 100);
    MUST(1, usocket_send(*(usocket_t *)s, "x", 1, 0));
    return NULL;
}

static void waiting(usocket_t a, usocket_t b, const char *kind, int mode)
{
    char c;
    pthread_t thread;
    pthread_create(&thread, NULL, send_late, &b);
    mark("waiting-recv", kind, MODES[mode].name);
    MUST(1, usocket_recv(a, &c, 1, 0));
    mark("end", "", "");
    pthread_join(thread, NULL);
}

static void streams(int family, const char *kind)
{
    for (int m = 0; m < 3; m++) {
        usocket_addr name;
        usocket_t listener = bound(family, SOCK_STREAM, &name), s = usocket_socket(family, SOCK_STREAM, 0);
        char buf[8];
        MUST(0, usocket_listen(listener, 1));
        MUST(0, usocket_connect(s, &name));
        MUST(0, usocket_settimeout(listener, MODES[m].timeout));
        until(listener, POLLIN);
        mark("accept", kind, MODES[m].name);
        usocket_t peer = usocket_accept(listener, &name);
        mark("end", "", "");
        MUST(ANY, peer);
        MUST(0, usocket_settimeout(s, MODES[m].timeout));
        mark("send", kind, MODES[m].name);
        MUST(5, usocket_send(s, "x\ny\nz", 5, 0));
        mark("sendall", kind, MODES[m].name);
        MUST(0, usocket_sendall(s, "z", 1, 0));
        mark("write", kind, MODES[m].name);
        MUST(1, usocket_write(s, "z", 1));
        mark("end", "", "");
        MUST(6, usocket_send(peer, "1\n2\n34", 6, 0));
        until(s, POLLIN);
        // However long the line, looking and taking: two.
        mark("readline", kind, MODES[m].name);
        MUST(2, usocket_readline(s, buf, sizeof buf));
        mark("read", kind, MODES[m].name);
        MUST(2, usocket_read(s, buf, 2));
        mark("recv", kind, MODES[m].name);
        MUST(1, usocket_recv(s, buf, 1, 0));
        mark("recvfrom", kind, MODES[m].name);
        MUST(1, usocket_recvfrom(s, buf, 1, 0, &name));
        mark("end", "", "");
        if (MODES[m].timeout)
            waiting(s, peer, kind, m);
        MUST(0, usocket_close(s));
        MUST(0, usocket_close(peer));
        MUST(0, usocket_close(listener));
    }
}

static void datagrams(int family, const char *kind)
{
    for (int m = 0; m < 3; m++) {
        usocket_addr to, from;
        char buf[8];
        usocket_t b = bound(family, SOCK_DGRAM, &from), a = bound(family, SOCK_DGRAM, &to);
        MUST(0, usocket_settimeout(a, MODES[m].timeout));
        mark("sendto", kind, MODES[m].name);
        MUST(1, usocket_sendto(a, "x", 1, 0, &from));
        mark("end", "", "");
        MUST(0, usocket_connect(a, &from));
        mark("send", kind, MODES[m].name);
        MUST(1, usocket_send(a, "x", 1, 0));
        mark("end", "", "");
        MUST(0, usocket_connect(b, &to));
        for (int i = 0; i < 2; i++)
            MUST(1, usocket_send(b, "x", 1, 0));
        until(a, POLLIN);
        mark("recv", kind, MODES[m].name);
        MUST(1, usocket_recv(a, buf, 8, 0));
        mark("recvfrom", kind, MODES[m].name);
        MUST(1, usocket_recvfrom(a, buf, 8, 0, &from));
        mark("end", "", "");
        if (MODES[m].timeout)
            waiting(a, b, kind, m);
        MUST(0, usocket_close(a));
        MUST(0, usocket_close(b));
    }
}

static const char *in_certs(const char *name)
{
    static char path[2][4096];
    static int turn;
    const char *dir = getenv("USOCKET_TEST_CERTS");
    char *at = path[turn = !turn];
    snprintf(at, sizeof path[0], "%s/%s", dir ? dir : "target/certs", name);
    return at;
}

static void *shake(void *s)
{
    MUST(0, usocket_tls_handshake(*(usocket_t *)s));
    return NULL;
}

// The handshake of `ours`, and of the other in the thread behind it.
static void handshake(usocket_t ours, usocket_t other, const char *kind, int mode)
{
    pthread_t thread;
    pthread_create(&thread, NULL, shake, &other);
    mark("handshake", kind, MODES[mode].name);
    MUST(0, usocket_tls_handshake(ours));
    mark("end", "", "");
    pthread_join(thread, NULL);
}

// The kernel has something; asking the library would take it in.
static void until_kernel(usocket_t s)
{
    struct pollfd p = {usocket_fileno(s), POLLIN, 0};
    MUST(1, poll(&p, 1, 20000));
}

static void tls(int is_server, const char *kind)
{
    usocket_t context[2] = {usocket_tls_context_create(USOCKET_TLS_CLIENT), usocket_tls_context_create(USOCKET_TLS_SERVER)};
    MUST(1, usocket_tls_context_add_trust_file(context[0], in_certs("ca.pem")));
    MUST(0, usocket_tls_context_add_cert_file(context[1], in_certs("server.pem"), in_certs("server-key.pem")));
    // No tickets: they come when they like.
    MUST(0, usocket_tls_context_set_resumption(context[1], 0, 0));
    for (int m = 0; m < 2; m++) {
        usocket_t pair[2];
        char buf[8];
        MUST(0, usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
        MUST(0, usocket_tls_wrap(pair[is_server], context[0], "localhost", 0));
        MUST(0, usocket_tls_wrap(pair[!is_server], context[1], NULL, 0));
        MUST(0, usocket_settimeout(pair[0], MODES[m].timeout));
        handshake(pair[0], pair[1], kind, m);
        mark("send", kind, MODES[m].name);
        MUST(5, usocket_send(pair[0], "hello", 5, 0));
        mark("sendall", kind, MODES[m].name);
        MUST(0, usocket_sendall(pair[0], "z", 1, 0));
        mark("end", "", "");
        MUST(5, usocket_send(pair[1], "hello", 5, 0));
        until_kernel(pair[0]);
        mark("recv", kind, MODES[m].name);
        MUST(2, usocket_recv(pair[0], buf, 2, 0));
        mark("recv-rest", kind, MODES[m].name);
        MUST(3, usocket_recv(pair[0], buf, 8, 0));
        mark("end", "", "");
        waiting(pair[0], pair[1], kind, m);
        for (int i = 0; i < 2; i++)
            MUST(0, usocket_close(pair[i]));
    }
    for (int i = 0; i < 2; i++)
        MUST(0, usocket_close(context[i]));
}

// Continues both handshakes until the server has sent its flight, and it has the client's second and a
// request. Each step finds in the kernel all that it needs.
static void tls_in_turns(int tickets)
{
    const char *kind = tickets ? "tls-tickets" : "tls-plain", *mode = MODES[2].name;
    usocket_t context[2] = {usocket_tls_context_create(USOCKET_TLS_CLIENT), usocket_tls_context_create(USOCKET_TLS_SERVER)};
    MUST(1, usocket_tls_context_add_trust_file(context[0], in_certs("ca.pem")));
    MUST(0, usocket_tls_context_add_cert_file(context[1], in_certs("server.pem"), in_certs("server-key.pem")));
    MUST(0, usocket_tls_context_set_resumption(context[1], 10, tickets));
    usocket_t pair[2];
    char buf[8];
    MUST(0, usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    for (int i = 0; i < 2; i++) {
        MUST(0, usocket_tls_wrap(pair[i], context[i], i ? NULL : "localhost", 0));
        MUST(0, usocket_setblocking(pair[i], 0));
    }
    MUST(1, usocket_tls_handshake(pair[0]) == -EAGAIN);
    until_kernel(pair[1]);
    mark("hello", kind, mode);
    int64_t hello = usocket_recv(pair[1], buf, 8, 0);
    mark("end", "", "");
    MUST(1, hello == -EAGAIN);
    until_kernel(pair[0]);
    MUST(0, usocket_tls_handshake(pair[0]));
    MUST(5, usocket_send(pair[0], "hello", 5, 0));
    until_kernel(pair[1]);
    mark("request", kind, mode);
    MUST(5, usocket_recv(pair[1], buf, 8, 0));
    mark("answer", kind, mode);
    MUST(5, usocket_send(pair[1], "there", 5, 0));
    mark("end", "", "");
    until_kernel(pair[0]);
    MUST(5, usocket_recv(pair[0], buf, 8, 0));
    for (int i = 0; i < 2; i++)
        MUST(0, usocket_close(pair[i]));
    for (int i = 0; i < 2; i++)
        MUST(0, usocket_close(context[i]));
}

int main(void)
{
    tls(0, "tls-client");
    tls(1, "tls-server");
    tls_in_turns(0);
    tls_in_turns(2);
    streams(AF_INET, "tcp");
    streams(AF_INET6, "tcp6");
    streams(AF_UNIX, "unix");
    datagrams(AF_INET, "udp");
    datagrams(AF_UNIX, "unix-datagram");
    return 0;
}
