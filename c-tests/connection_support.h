// Support for the tests of connections: hosts with several addresses, and addresses that drop everything.

#ifndef CONNECTION_SUPPORT_H
#define CONNECTION_SUPPORT_H

#include "support.h"

#include <sched.h>
#include <sys/mount.h>

// Whether this process has an /etc/hosts of its own, in which hosts have several addresses.
static bool has_hosts;

static inline bool own_hosts(const char *text)
{
    char path[] = "/tmp/usocket-hosts-XXXXXX";
    int fd = mkstemp(path);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
                unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                mount(path, "/etc/hosts", NULL, MS_BIND, NULL) == 0;
    close(fd);
    unlink(path);
    return done;
}

// The hosts are "both" (::1, 127.0.0.1), "two" (127.0.0.1, 127.0.0.2) and "twenty".
static inline void hosts_of_our_own(void)
{
    char hosts[2048] = "::1 both localhost\n127.0.0.1 both localhost\n127.0.0.1 two\n127.0.0.2 two\n";
    for (int i = 1; i <= 20; i++)
        sprintf(hosts + strlen(hosts), "127.0.1.%d twenty\n", i);
    has_hosts = own_hosts(hosts);
}

static inline void need_hosts(void)
{
    if (!has_hosts) {
        print_message("needs a mount namespace, which this user may not make\n");
        skip();
    }
}

static inline char *port_of(usocket_t s)
{
    static char text[8];
    usocket_addr a = name_of(s);
    snprintf(text, sizeof text, "%d", (int)OK(usocket_addr_port(&a)));
    return text;
}

// Where the port is another listener's on another address, some other program may have it here for a
// while.
static inline usocket_t server_on(const char *host, int port, int flags)
{
    usocket_addr a;
    usocket_t server;
    if (strchr(host, ':') && !has_ipv6())
        skip();
    OK(usocket_addr_ip(0, host, port, 0, 0, &a));
    for (int64_t until = now_us() + GENEROUS; port && now_us() < until; usleep(20 * 1000))
        if ((server = usocket_create_server(&a, USOCKET_BACKLOG_DEFAULT, flags)) != -EADDRINUSE)
            return OK(server);
    return OK(usocket_create_server(&a, USOCKET_BACKLOG_DEFAULT, flags));
}

// A full listener on 127.0.0.1 and a server on 127.0.0.2 with the same port: the host "two" is both.
static usocket_t hole, clients[64];
static size_t n_clients;

static inline usocket_t hole_and_server(void)
{
    n_clients = full_listener(AF_INET, &hole, clients, 64);
    usocket_addr a = name_of(hole);
    return server_on("127.0.0.2", (int)OK(usocket_addr_port(&a)), 0);
}

static inline void close_hole(void)
{
    while (n_clients > 0)
        OK(usocket_close(clients[--n_clients]));
    OK(usocket_close(hole));
}

static inline bool connected_to(usocket_t c, const char *host)
{
    usocket_addr peer;
    char text[64];
    OK(usocket_getpeername(c, &peer));
    OK(usocket_addr_host(&peer, text, sizeof text));
    return strcmp(text, host) == 0;
}

#endif
