// An echo server for each kind of socket in threads of this program, and clients that send it real
// data and compare what comes back: TCP, UDP and Unix sockets, all of it through libusocket.
// Exits with 0 only if every byte came back as sent.

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <usocket.h>

enum { STREAM_BYTES = 8 << 20, DATAGRAMS = 500, DATAGRAM_BYTES = 1200, LINES = 3 };
enum { PATIENCE = 10 * 1000000 };

// The value of a call, or out with the reason.
#define OK(call) ok((call), #call)
static int64_t ok(int64_t value, const char *call)
{
    if (value < 0) {
        fprintf(stderr, "%s: %s\n", call, usocket_strerror(value));
        exit(1);
    }
    return value;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

// FNV-1a: enough to compare received data with sent data.
static uint64_t checksum(uint64_t sum, const unsigned char *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ data[i]) * 1099511628211u;
    return sum;
}
#define CHECKSUM_OF_NOTHING 14695981039346656037u

static const char *name_of(usocket_t s, char text[160])
{
    usocket_addr addr;
    OK(usocket_getsockname(s, &addr));
    OK(usocket_addr_text(&addr, text, 160));
    return text;
}

// --- the servers ---

// Accepts one connection after the other and echoes its data, until its handle is closed.
static void *stream_server(void *listener)
{
    usocket_t s;
    while ((s = usocket_accept(*(usocket_t *)listener, NULL)) > 0) {
        char buf[64 * 1024];
        int64_t n;
        while ((n = usocket_recv(s, buf, sizeof buf, 0)) > 0)
            OK(usocket_sendall(s, buf, n, 0));
        usocket_close(s);
    }
    return NULL;
}

// Echoes every datagram to its sender, until its handle is closed.
static void *datagram_server(void *socket)
{
    usocket_t s = *(usocket_t *)socket;
    char buf[2048];
    usocket_addr from;
    int64_t n;
    while ((n = usocket_recvfrom(s, buf, sizeof buf, 0, &from)) >= 0)
        OK(usocket_sendto(s, buf, n, 0, &from));
    return NULL;
}

// --- the clients ---

struct sender {
    usocket_t s;
    const unsigned char *data;
};

static void *send_everything(void *arg)
{
    const struct sender *sender = arg;
    OK(usocket_sendall(sender->s, sender->data, STREAM_BYTES, 0));
    OK(usocket_shutdown(sender->s, SHUT_WR));
    return NULL;
}

static int compare(uint64_t sent, uint64_t received)
{
    printf("      checksum %016" PRIx64 " %s\n\n", received,
           sent == received ? "matches" : "DOES NOT MATCH what was sent");
    return sent != received;
}

static int stream_client(const usocket_addr *server, int family, const unsigned char *data)
{
    static unsigned char back[STREAM_BYTES];
    char mine[160], theirs[160], line[64];
    usocket_t s = OK(usocket_socket(family, SOCK_STREAM, 0));
    OK(usocket_settimeout(s, PATIENCE));
    OK(usocket_connect(s, server));
    OK(usocket_addr_text(server, theirs, sizeof theirs));
    printf("   %s -> %s\n", name_of(s, mine), theirs);

    for (int i = 1; i <= LINES; i++) {
        int n = snprintf(line, sizeof line, "line %d of %d\n", i, LINES);
        OK(usocket_write(s, line, n));
        n = OK(usocket_readline(s, line, sizeof line));
        printf("      %.*s", n, line);
    }

    printf("      %d MiB there and back ...\n", STREAM_BYTES >> 20);
    double began = seconds();
    pthread_t thread;
    struct sender sender = {s, data};
    pthread_create(&thread, NULL, send_everything, &sender);
    int64_t n = OK(usocket_read(s, back, sizeof back));
    pthread_join(thread, NULL);
    double took = seconds() - began;
    OK(usocket_close(s));
    printf("      %" PRId64 " bytes back in %.1f ms, %.0f MB/s each way\n", n, took * 1e3, n / took / 1e6);
    return compare(checksum(CHECKSUM_OF_NOTHING, data, STREAM_BYTES),
                   checksum(CHECKSUM_OF_NOTHING, back, n));
}

static int datagram_client(const usocket_addr *server, int family, const unsigned char *data)
{
    char mine[160], theirs[160];
    unsigned char back[DATAGRAM_BYTES + 1];
    usocket_addr any;
    usocket_t s = OK(usocket_socket(family, SOCK_DGRAM, 0));
    if (family == AF_UNIX) {
        OK(usocket_addr_unix(NULL, 0, &any)); // the system picks a name to answer to
        OK(usocket_bind(s, &any));
    }
    OK(usocket_settimeout(s, PATIENCE));
    OK(usocket_connect(s, server));
    OK(usocket_addr_text(server, theirs, sizeof theirs));
    printf("   %s -> %s\n", name_of(s, mine), theirs);
    printf("      %d datagrams of %d bytes, each back before the next ...\n", DATAGRAMS, DATAGRAM_BYTES);
    uint64_t sent = CHECKSUM_OF_NOTHING, received = CHECKSUM_OF_NOTHING;
    int64_t total = 0;
    double began = seconds();
    for (int i = 0; i < DATAGRAMS; i++) {
        const unsigned char *piece = data + i * DATAGRAM_BYTES;
        OK(usocket_send(s, piece, DATAGRAM_BYTES, 0));
        int64_t n = OK(usocket_recv(s, back, sizeof back, 0));
        sent = checksum(sent, piece, DATAGRAM_BYTES);
        received = checksum(received, back, n);
        total += n;
    }
    double took = seconds() - began;
    OK(usocket_close(s));
    printf("      %" PRId64 " bytes back in %.1f ms, %.0f us a round trip\n", total, took * 1e3,
           took / DATAGRAMS * 1e6);
    return compare(sent, received);
}

// --- both together ---

static int play(const char *what, int family, int type, const unsigned char *data)
{
    usocket_addr addr;
    char text[160];
    if (family == AF_UNIX)
        OK(usocket_addr_unix(NULL, 0, &addr));
    else
        OK(usocket_addr_ip(family, family == AF_INET ? "127.0.0.1" : "::1", 0, 0, 0, &addr));
    usocket_t server = usocket_socket(family, type, 0);
    int64_t r = server < 0 ? server : usocket_bind(server, &addr);
    if (family == AF_INET6 && r < 0) {
        printf("%s\n   not on this machine: %s\n\n", what, usocket_strerror(r));
        usocket_close(server);
        return 0;
    }
    OK(r);
    if (type == SOCK_STREAM)
        OK(usocket_listen(server, USOCKET_BACKLOG_DEFAULT));
    OK(usocket_getsockname(server, &addr));
    printf("%s\n   an echo server on %s\n", what, name_of(server, text));

    pthread_t thread;
    pthread_create(&thread, NULL, type == SOCK_STREAM ? stream_server : datagram_server, &server);
    int bad = (type == SOCK_STREAM ? stream_client : datagram_client)(&addr, family, data);
    // Closing the handle wakes the server out of its accept or recvfrom.
    OK(usocket_close(server));
    pthread_join(thread, NULL);
    return bad;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("libusocket %s (%s)\n\n", usocket_version(), usocket_features());
    unsigned char *data = malloc(STREAM_BYTES);
    uint64_t x = 88172645463325252u; // xorshift: bytes that no mistake leaves alike
    for (size_t i = 0; i < STREAM_BYTES; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        data[i] = x >> 32;
    }
    int bad = play("TCP", AF_INET, SOCK_STREAM, data);
    bad += play("TCP over IPv6", AF_INET6, SOCK_STREAM, data);
    bad += play("UDP", AF_INET, SOCK_DGRAM, data);
    bad += play("Unix stream, with an abstract name", AF_UNIX, SOCK_STREAM, data);
    bad += play("Unix datagrams", AF_UNIX, SOCK_DGRAM, data);
    free(data);
    if (bad)
        printf("%d of 5 did not come back as they were sent\n", bad);
    return bad != 0;
}
