/* calls.c - single calls, in one thread that never waits: what strace and callgrind count.
 *
 *   calls send|recv|sendto|recvfrom|sendall|family|accept|connection|wait
 *
 * Only the named call goes through the library; its other half is bare libc on both sides, so that
 * the difference of the two programs is what the library adds to that call. `connection` is
 * socket + connect + accept + two closes, all through the library; `none` is the loop alone.
 */
#include "io.h"

enum { SIZE = 64, READY = 10 };

static char buffer[SIZE];
static io_t ours, listener, poller;
static int theirs;
static io_addr name;

/* Every socket here has one end in the library and one outside of it. */
static void half_pair(int type)
{
    int pair[2];
    if (type == SOCK_STREAM) {
        int l = CHECK(socket(AF_INET, SOCK_STREAM, 0));
        name = io_local(AF_INET);
        CHECK(bind(l, SOCKADDR(&name), name.len));
        CHECK(listen(l, 1));
        CHECK(getsockname(l, SOCKADDR(&name), &name.len));
        pair[0] = CHECK(socket(AF_INET, SOCK_STREAM, 0));
        CHECK(connect(pair[0], SOCKADDR(&name), name.len));
        pair[1] = CHECK(accept(l, NULL, NULL));
        CHECK(close(l));
    } else {
        io_addr other = name = io_local(AF_INET);
        for (int i = 0; i < 2; i++) {
            pair[i] = CHECK(socket(AF_INET, SOCK_DGRAM, 0));
            CHECK(bind(pair[i], SOCKADDR(&other), other.len));
        }
        CHECK(getsockname(pair[0], SOCKADDR(&other), &other.len));
        CHECK(getsockname(pair[1], SOCKADDR(&name), &name.len));
        CHECK(connect(pair[1], SOCKADDR(&other), other.len));
    }
    ours = CHECK(io_from_fd(pair[0]));
    theirs = pair[1];
}

static void libc_send(void) { CHECK(send(theirs, buffer, SIZE, MSG_NOSIGNAL)); }
static void libc_recv(void) { CHECK(recv(theirs, buffer, SIZE, 0)); }

static void do_send(void) { CHECK(io_send(ours, buffer, SIZE)); libc_recv(); }
static void do_sendall(void) { CHECK(io_sendall(ours, buffer, SIZE)); libc_recv(); }
static void do_sendto(void) { CHECK(io_sendto(ours, buffer, SIZE, &name)); libc_recv(); }
static void do_recv(void) { libc_send(); CHECK(io_recv(ours, buffer, SIZE)); }
static void do_recvfrom(void)
{
    io_addr from;
    libc_send();
    CHECK(io_recvfrom(ours, buffer, SIZE, &from));
}

static void do_accept(void)
{
    io_addr peer;
    int c = CHECK(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK(connect(c, SOCKADDR(&name), name.len));
    CHECK(io_close(CHECK(io_accept(listener, &peer))));
    CHECK(close(c));
}

static void do_connection(void)
{
    io_addr peer;
    io_t c = CHECK(io_socket(AF_INET, SOCK_STREAM));
    CHECK(io_connect(c, &name));
    CHECK(io_close(CHECK(io_accept(listener, &peer))));
    CHECK(io_close(c));
}

static void do_wait(void)
{
    io_event events[2 * READY];
    if (CHECK(io_poller_wait(poller, events, 2 * READY, 0)) != READY)
        abort();
}

static void do_none(void) {}

static void listen_up(void)
{
    /* The accepted side closes first and with a reset: no TIME_WAIT uses up the ports. */
    struct linger reset = {1, 0};
    listener = io_bound(AF_INET, SOCK_STREAM, &name);
    CHECK(io_setsockopt(listener, SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
    CHECK(io_listen(listener, 128));
}

static void poll_up(void)
{
    poller = CHECK(io_poller());
    for (int i = 0; i < READY; i++) {
        half_pair(SOCK_DGRAM);
        libc_send();
        CHECK(io_poller_add(poller, ours, (uint64_t)i));
    }
}

static void tcp_up(void) { half_pair(SOCK_STREAM); }
static void udp_up(void) { half_pair(SOCK_DGRAM); }

static const struct {
    const char *name;
    void (*set_up)(void);
    void (*call)(void);
} calls[] = {
    {"none", tcp_up, do_none},         {"send", tcp_up, do_send},
    {"sendall", tcp_up, do_sendall},   {"sendto", udp_up, do_sendto},
    {"recv", tcp_up, do_recv},         {"recvfrom", udp_up, do_recvfrom},
    {"accept", listen_up, do_accept},  {"connection", listen_up, do_connection},
    {"wait", poll_up, do_wait},
};

static void (*call)(void);

static int64_t run(long n)
{
    int64_t start = now_ns();
    while (n--)
        call();
    return now_ns() - start;
}

int main(int argc, char **argv)
{
    const char *which = argument(argc, argv, 1, "which call");
    pin_to(0);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(calls[i].name, which) == 0) {
            calls[i].set_up();
            call = calls[i].call;
            return serve(run);
        }
    fprintf(stderr, "no such call: %s\n", which);
    return 2;
}
