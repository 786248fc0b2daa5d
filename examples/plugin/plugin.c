// A plugin with the library linked into it statically, unloaded together with it. Before that,
// usocket_finish ends the library's threads, so that none runs in unmapped memory.
//
//   cc -shared -fPIC plugin.c -o plugin.so $(pkg-config --cflags usocket) -l:libusocket.a -lm
//   cc host.c -o host && ./host ./plugin.so CA

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <usocket.h>

// Called by the host: uses everything that starts threads, keeps tables and stays open. Returns 0
// on success.
int plugin_run(const char *trusted)
{
    usocket_addr addr;
    char port[8];
    usocket_addrinfo *list;
    if (usocket_addr_ip(0, "127.0.0.1", 0, 0, 0, &addr) < 0)
        return 1;
    usocket_t listener = usocket_create_server(&addr, 1, 0);
    if (listener < 0 || usocket_getsockname(listener, &addr) < 0)
        return 2;
    snprintf(port, sizeof port, "%d", (int)usocket_addr_port(&addr));
    usocket_connection_t connection = usocket_connection_create("127.0.0.1", port, -1, NULL);
    usocket_t s = connection < 0 ? connection : usocket_connection_take(connection, -1);
    usocket_query_t query = usocket_query_create("localhost", port, 0, SOCK_STREAM, 0, 0);
    if (s < 0 || query < 0 || usocket_query_result(query, -1, &list) < 0)
        return 3;
    usocket_freeaddrinfo(list);
    usocket_tls_context_t context = usocket_tls_context_create(USOCKET_TLS_CLIENT);
    if (context < 0 || usocket_tls_context_add_trust_file(context, trusted) != 1)
        return 4;
    if (usocket_tls_wrap(s, context, "localhost", 0) < 0)
        return 5;
    return 0; // Nothing is closed: that is for the end.
}

int plugin_end(void)
{
    return usocket_finish(-1);
}
