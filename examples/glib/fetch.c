// The library's poller inside GLib: a GSource of its descriptor. GLib's main loop handles a
// connection under way, a query and datagrams, together with its own timeouts:
//
//   cc fetch.c -o fetch $(pkg-config --cflags --libs usocket glib-2.0)

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <glib-unix.h>
#include <glib.h>
#include <usocket.h>

static GMainLoop *loop;
static usocket_poller_t poller;
static usocket_t listener, accepted, fetched;
static usocket_query_t query;
static usocket_connection_t connection;
static int timers, found;

static int64_t ok(int64_t value, const char *what)
{
    if (value >= 0)
        return value;
    fprintf(stderr, "%s: %s\n", what, usocket_strerror(value));
    exit(1);
}

static void watch(usocket_t handle)
{
    ok(usocket_poller_add(poller, handle, POLLIN, 0), "add");
}

static void on_ready(const usocket_event *event)
{
    char text[16] = "";
    if (event->events & USOCKET_POLLER_TIMER) {
        if (++timers < 10)
            ok(usocket_poller_arm_timer(poller, 1000, 0), "timer");
        else
            ok(usocket_sendall(accepted, "that is all", 11, 0), "send");
    } else if (event->socket == query) {
        usocket_addrinfo *list;
        ok(usocket_query_result(query, 0, &list), "query");
        found = list->family == AF_INET;
        usocket_freeaddrinfo(list);
        usocket_close(query);
    } else if (event->socket == listener) {
        accepted = ok(usocket_accept(listener, NULL), "accept");
        ok(usocket_poller_arm_timer(poller, 1000, 0), "timer");
    } else if (event->socket == connection) {
        fetched = ok(usocket_connection_take(connection, 0), "connect");
        usocket_close(connection);
        watch(fetched);
    } else {
        int64_t n = ok(usocket_recv(event->socket, text, sizeof text - 1, 0), "recv");
        printf("%d timers, then \"%.*s\"\n", timers, (int)n, text);
        g_main_loop_quit(loop);
    }
}

static gboolean on_poller(gint fd, GIOCondition condition, gpointer data)
{
    (void)fd, (void)condition, (void)data;
    usocket_event ready[16];
    int32_t n = (int32_t)ok(usocket_poller_wait(poller, ready, 16, 0), "wait"); // 0: GLib has waited.
    for (int32_t i = 0; i < n; i++)
        on_ready(&ready[i]);
    return G_SOURCE_CONTINUE;
}

static gboolean too_late(gpointer data)
{
    (void)data;
    fprintf(stderr, "nothing came\n");
    exit(1);
}

int main(void)
{
    usocket_addr addr;
    char port[8];
    loop = g_main_loop_new(NULL, FALSE);
    poller = ok(usocket_poller_create(), "poller");
    ok(usocket_addr_ip(0, "127.0.0.1", 0, 0, 0, &addr), "address");
    listener = ok(usocket_create_server(&addr, 1, 0), "listen");
    ok(usocket_getsockname(listener, &addr), "name");
    snprintf(port, sizeof port, "%d", (int)usocket_addr_port(&addr));
    query = ok(usocket_query_create("localhost", port, AF_INET, SOCK_STREAM, 0, 0), "query");
    connection = ok(usocket_connection_create("127.0.0.1", port, -1, NULL), "connect");
    watch(listener);
    watch(query);
    watch(connection);
    guint source = g_unix_fd_add((gint)ok(usocket_fileno(poller), "descriptor"), G_IO_IN, on_poller, NULL);
    g_timeout_add_seconds(60, too_late, NULL);
    g_main_loop_run(loop);
    // Out of the loop before it is closed.
    g_source_remove(source);
    usocket_close(poller);
    usocket_close(fetched);
    usocket_close(accepted);
    usocket_close(listener);
    g_main_loop_unref(loop);
    return timers == 10 && found ? 0 : 1;
}
