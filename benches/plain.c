/* plain.c - plain sockets between two processes: ping-pong and bulk.
 *
 *   plain pingpong tcp|udp|unix SIZE CORES     one operation: a message there and one back
 *   plain bulk     tcp|unix     SIZE CORES     one operation: SIZE bytes sent whole, and received
 *
 * CORES 1 keeps both ends on one processor (steady, and every instruction counts), 2 gives each
 * its own.
 */
#include "io.h"

static io_t here;
static io_addr there;
static size_t size;
static char *buffer;
static int control[2]; /* how many bytes of bulk are to come */
static int done[2];    /* they came */

static void recv_whole(io_t s)
{
    for (size_t at = 0; at < size;)
        at += (size_t)CHECK(io_recv(s, buffer + at, size - at));
}

static int64_t pingpong(long n)
{
    int64_t start = now_ns();
    while (n--) {
        CHECK(io_sendall(here, buffer, size));
        recv_whole(here);
    }
    return now_ns() - start;
}

static void pong(io_t s)
{
    for (;;) {
        recv_whole(s);
        CHECK(io_sendall(s, buffer, size));
    }
}

static int64_t pingpong_udp(long n)
{
    io_addr from;
    int64_t start = now_ns();
    while (n--) {
        CHECK(io_sendto(here, buffer, size, &there));
        CHECK(io_recvfrom(here, buffer, size, &from));
    }
    return now_ns() - start;
}

static void pong_udp(io_t s)
{
    io_addr from;
    for (;;) {
        CHECK(io_recvfrom(s, buffer, size, &from));
        CHECK(io_sendto(s, buffer, size, &from));
    }
}

static int64_t bulk(long n)
{
    size_t total = (size_t)n * size;
    char byte;
    int64_t start = now_ns();
    CHECK(write(control[1], &total, sizeof total));
    while (n--)
        CHECK(io_sendall(here, buffer, size));
    CHECK(read(done[0], &byte, 1));
    return now_ns() - start;
}

static void sink(io_t s)
{
    size_t total;
    while (read(control[0], &total, sizeof total) > 0) {
        for (size_t at = 0; at < total;)
            at += (size_t)CHECK(io_recv(s, buffer, size));
        CHECK(write(done[1], "", 1));
    }
}

int main(int argc, char **argv)
{
    const char *what = argument(argc, argv, 1, "pingpong or bulk");
    const char *kind = argument(argc, argv, 2, "tcp, udp or unix");
    size = strtoul(argument(argc, argv, 3, "size"), NULL, 10);
    int other = atoi(argument(argc, argv, 4, "cores")) - 1;
    int is_bulk = what[0] == 'b', is_udp = strcmp(kind, "udp") == 0;
    /* At the start of a page on both sides: how fast the kernel copies depends on it. */
    buffer = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    memset(buffer, 0, size);
    CHECK(pipe(control));
    CHECK(pipe(done));
    pin_to(0);
    io_t pair[2];
    if (is_udp) {
        io_addr mine;
        pair[0] = io_bound(AF_INET, SOCK_DGRAM, &mine);
        pair[1] = io_bound(AF_INET, SOCK_DGRAM, &there);
    } else {
        io_pair(strcmp(kind, "unix") ? AF_INET : AF_UNIX, pair);
    }
    here = pair[0];
    if (in_child(other)) {
        if (is_bulk)
            sink(pair[1]);
        else if (is_udp)
            pong_udp(pair[1]);
        else
            pong(pair[1]);
        return 0;
    }
    return serve(is_bulk ? bulk : is_udp ? pingpong_udp : pingpong);
}
