// The library's poller inside libuv: the loop watches its descriptor and handles its events,
// together with libuv's own timers. An echo server over TLS, and a client of it, in one thread:
//
//   cc echo.c -o echo $(pkg-config --cflags --libs usocket libuv)
//   ./echo CERTS                  where `make certs` has put certificates (target/certs)

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <usocket.h>
#include <uv.h>

enum { ROUNDS = 100 };

static usocket_poller_t poller;
static usocket_t listener, client, server;
static usocket_tls_context_t contexts[2];
static int rounds, ticks;
static uv_poll_t watch;
static uv_timer_t tick;

static int64_t ok(int64_t value, const char *what)
{
    if (value >= 0)
        return value;
    fprintf(stderr, "%s: %s\n", what, usocket_strerror(value));
    exit(1);
}

static void end(void)
{
    // Out of the loop before it is closed.
    uv_poll_stop(&watch);
    uv_close((uv_handle_t *)&watch, NULL);
    uv_close((uv_handle_t *)&tick, NULL);
    usocket_close(client);
    usocket_close(server);
    usocket_close(listener);
    usocket_close(poller);
}

static void on_ready(const usocket_event *event)
{
    char text[64];
    if (event->events & USOCKET_POLLER_TIMER) {
        // The client speaks: the library's timer, in libuv's loop.
        ok(usocket_send(client, "hello", 5, 0), "send");
    } else if (event->socket == listener) {
        server = ok(usocket_accept4(listener, SOCK_NONBLOCK, NULL), "accept");
        ok(usocket_tls_wrap(server, contexts[1], NULL, 0), "wrap");
        ok(usocket_poller_add(poller, server, POLLIN, 0), "add");
    } else {
        int64_t n = usocket_recv(event->socket, text, sizeof text, 0);
        if (n == -EAGAIN) {
            // The client's side of the handshake; after it the client may send.
            static int shaken;
            if (event->socket == client && !shaken && usocket_tls_handshake(client) == 0)
                shaken = ok(usocket_poller_arm_timer(poller, 1000, 0), "timer") > 0;
            return;
        }
        ok(n, "recv");
        if (event->socket == server)
            ok(usocket_sendall(server, text, (size_t)n, 0), "echo");
        else if (++rounds == ROUNDS)
            end();
        else
            ok(usocket_poller_arm_timer(poller, 100, 0), "timer");
    }
}

static void on_poller(uv_poll_t *handle, int status, int events)
{
    (void)handle, (void)status, (void)events;
    usocket_event ready[16];
    int32_t n = (int32_t)ok(usocket_poller_wait(poller, ready, 16, 0), "wait"); // 0: libuv has waited.
    for (int32_t i = 0; i < n; i++)
        on_ready(&ready[i]);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
    ticks++;
}

int main(int argc, char **argv)
{
    char ca[512], cert[512], key[512], port[8];
    const char *certs = argc > 1 ? argv[1] : "target/certs";
    snprintf(ca, sizeof ca, "%s/ca.pem", certs);
    snprintf(cert, sizeof cert, "%s/server.pem", certs);
    snprintf(key, sizeof key, "%s/server-key.pem", certs);
    poller = ok(usocket_poller_create(), "poller");
    contexts[0] = ok(usocket_tls_context_create(USOCKET_TLS_CLIENT), "context");
    contexts[1] = ok(usocket_tls_context_create(USOCKET_TLS_SERVER), "context");
    ok(usocket_tls_context_add_trust_file(contexts[0], ca), ca);
    ok(usocket_tls_context_add_cert_file(contexts[1], cert, key), cert);
    usocket_addr addr;
    ok(usocket_addr_ip(0, "127.0.0.1", 0, 0, 0, &addr), "address");
    listener = ok(usocket_create_server(&addr, 1, 0), "listen");
    ok(usocket_getsockname(listener, &addr), "name");
    snprintf(port, sizeof port, "%d", (int)usocket_addr_port(&addr));
    ok(usocket_settimeout(listener, 0), "mode");
    ok(usocket_poller_add(poller, listener, POLLIN, 0), "add");
    client = ok(usocket_create_connection("127.0.0.1", port, -1, NULL), "connect");
    ok(usocket_settimeout(client, 0), "mode");
    ok(usocket_tls_wrap(client, contexts[0], "localhost", 0), "wrap");
    usocket_tls_handshake(client);
    ok(usocket_poller_add(poller, client, POLLIN, 0), "add");

    uv_loop_t *loop = uv_default_loop();
    uv_poll_init(loop, &watch, (int)ok(usocket_fileno(poller), "descriptor"));
    uv_poll_start(&watch, UV_READABLE, on_poller);
    uv_timer_init(loop, &tick);
    uv_timer_start(&tick, on_tick, 1, 1);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    printf("%d echoes inside libuv, whose own timer went off %s\n", rounds, ticks ? "as well" : "never");
    usocket_close(contexts[0]);
    usocket_close(contexts[1]);
    return rounds == ROUNDS && ticks ? 0 : 1;
}
