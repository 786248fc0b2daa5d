// A TCP server and its client in one small program: cc hello.c $(pkg-config --cflags --libs usocket)

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <usocket.h>

#define OK(call) ok((call), #call) // the value of a call, or out with the reason
static int64_t ok(int64_t value, const char *call)
{
    if (value < 0)
        exit(fprintf(stderr, "%s: %s\n", call, usocket_strerror(value)) > 0);
    return value;
}

int main(void)
{
    usocket_addr addr;
    char text[160], line[64];
    OK(usocket_addr_ip(AF_INET, "127.0.0.1", 0, 0, 0, &addr)); // port 0: any that is free
    usocket_t server = OK(usocket_create_server(&addr, USOCKET_BACKLOG_DEFAULT, 0));
    OK(usocket_getsockname(server, &addr));
    OK(usocket_addr_text(&addr, text, sizeof text));

    usocket_t client = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    OK(usocket_settimeout(client, 5000000)); // five seconds, for whatever it does
    OK(usocket_connect(client, &addr));
    usocket_t served = OK(usocket_accept(server, NULL));

    OK(usocket_sendall(served, "hello, socket\n", 14, 0));
    int64_t n = OK(usocket_readline(client, line, sizeof line));
    printf("%s says: %.*s", text, (int)n, line);

    OK(usocket_close(client));
    OK(usocket_close(served));
    OK(usocket_close(server));
    return n != 14 || memcmp(line, "hello, socket\n", 14);
}
