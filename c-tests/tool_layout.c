// Prints the layout of every structure of the header: what a program compiled today relies on.

#include <stddef.h>
#include <stdio.h>
#include <usocket.h>

#define STRUCT(s) printf("struct %s size %zu align %zu\n", #s, sizeof(s), _Alignof(s))
#define MEMBER(s, m) printf("  %s at %zu size %zu\n", #m, offsetof(s, m), sizeof(((s *)0)->m))

int main(void)
{
    printf("usocket_t size %zu\n", sizeof(usocket_t));
    printf("usocket_poller_t size %zu\n", sizeof(usocket_poller_t));
    printf("usocket_query_t size %zu\n", sizeof(usocket_query_t));
    printf("usocket_connection_t size %zu\n", sizeof(usocket_connection_t));
    printf("usocket_tls_context_t size %zu\n", sizeof(usocket_tls_context_t));
    printf("usocket_tls_session_t size %zu\n", sizeof(usocket_tls_session_t));
    STRUCT(usocket_addr);
    MEMBER(usocket_addr, storage);
    MEMBER(usocket_addr, len);
    MEMBER(usocket_addr, reserved);
    STRUCT(usocket_addrinfo);
    MEMBER(usocket_addrinfo, family);
    MEMBER(usocket_addrinfo, type);
    MEMBER(usocket_addrinfo, proto);
    MEMBER(usocket_addrinfo, reserved);
    MEMBER(usocket_addrinfo, addr);
    MEMBER(usocket_addrinfo, canonname);
    MEMBER(usocket_addrinfo, next);
    STRUCT(usocket_interface);
    MEMBER(usocket_interface, index);
    MEMBER(usocket_interface, flags);
    MEMBER(usocket_interface, name);
    MEMBER(usocket_interface, addr);
    MEMBER(usocket_interface, netmask);
    STRUCT(usocket_iovec);
    MEMBER(usocket_iovec, base);
    MEMBER(usocket_iovec, len);
    STRUCT(usocket_msg);
    MEMBER(usocket_msg, addr);
    MEMBER(usocket_msg, data);
    MEMBER(usocket_msg, count);
    MEMBER(usocket_msg, control);
    MEMBER(usocket_msg, control_len);
    MEMBER(usocket_msg, flags);
    MEMBER(usocket_msg, reserved);
    STRUCT(usocket_event);
    MEMBER(usocket_event, socket);
    MEMBER(usocket_event, data);
    MEMBER(usocket_event, fd);
    MEMBER(usocket_event, events);
    STRUCT(usocket_pollfd);
    MEMBER(usocket_pollfd, socket);
    MEMBER(usocket_pollfd, fd);
    MEMBER(usocket_pollfd, events);
    MEMBER(usocket_pollfd, revents);
    return 0;
}
