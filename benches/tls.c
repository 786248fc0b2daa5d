/* tls.c - TLS between two processes; the library is one of those in tls/.
 *
 *   tls bulk SIZE CORES        one operation: SIZE bytes sent, and received
 *   tls pingpong SIZE CORES    one operation: a message there and one back
 *   tls full CORES             one operation: connect, full handshake, a byte from the server, close
 *   tls resumed CORES          the same with the session of the connection before
 *   tls memory N BYTES         prints what the heap of the client, and of the server, grew by for
 *                              each of N idle connections that have carried BYTES each way
 *   tls context                prints what the heap grew by for a client and a server context
 *   tls describe               prints what is agreed upon
 *
 * $BENCH_TLS12 asks for TLS 1.2, $BENCH_GROUPS for key exchange groups.
 */
#include "tls/tls.h"

#include <malloc.h>

static io_addr name;
static io_t listener;
static tls_t here;
static char *buffer;
static size_t size = 1;
static int control[2], done[2]; /* to the child, and from it */
static int resume;

static void recv_whole(tls_t t, size_t n)
{
    for (size_t at = 0; at < n;) {
        long r = CHECK(tls_recv(t, buffer, n - at));
        if (r == 0)
            exit(1);
        at += (size_t)r;
    }
}

static int64_t pingpong(long n)
{
    int64_t start = now_ns();
    while (n--) {
        CHECK(tls_send(here, buffer, size));
        recv_whole(here, size);
    }
    return now_ns() - start;
}

static void pong(tls_t t)
{
    for (;;) {
        recv_whole(t, size);
        CHECK(tls_send(t, buffer, size));
    }
}

static int64_t bulk(long n)
{
    size_t total = (size_t)n * size;
    char byte;
    int64_t start = now_ns();
    CHECK(write(control[1], &total, sizeof total));
    while (n--)
        CHECK(tls_send(here, buffer, size));
    CHECK(read(done[0], &byte, 1));
    return now_ns() - start;
}

static void sink(tls_t t)
{
    size_t total;
    while (read(control[0], &total, sizeof total) > 0) {
        for (size_t at = 0; at < total;) {
            long r = CHECK(tls_recv(t, buffer, size));
            if (r == 0)
                exit(1);
            at += (size_t)r;
        }
        CHECK(write(done[1], "", 1));
    }
}

static tls_t client(void)
{
    io_t s = CHECK(io_socket(AF_UNIX, SOCK_STREAM));
    CHECK(io_connect(s, &name));
    return tls_open(s, 0);
}

static tls_t server(void)
{
    io_addr peer;
    return tls_open(CHECK(io_accept(listener, &peer)), 1);
}

static int64_t handshakes(long n)
{
    int64_t start = now_ns();
    while (n--) {
        static int first = 1;
        tls_t t = client();
        recv_whole(t, 1);
        if (!first && tls_resumed(t) != resume) {
            fprintf(stderr, resume ? "not resumed\n" : "resumed\n");
            exit(1);
        }
        first = 0;
        if (resume)
            tls_keep(t);
        tls_close(t);
    }
    return now_ns() - start;
}

static void serve_handshakes(void)
{
    for (;;) {
        tls_t t = server();
        CHECK(tls_send(t, "x", 1));
        while (tls_recv(t, buffer, 1) > 0)
            ;
        tls_close(t);
    }
}

static size_t heap(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

/* Both ends of n connections, each of which carries `size` bytes there and back. */
static double grown(long n, int is_server)
{
    tls_t *all = calloc((size_t)n + 1, sizeof *all);
    size_t before = 0;
    for (long i = 0; i <= n; i++) {
        all[i] = is_server ? server() : client();
        /* A byte in any case: it brings the ticket, and says that the handshake is over. */
        for (int turn = 0; turn < 2; turn++)
            if (turn == is_server)
                CHECK(tls_send(all[i], buffer, size));
            else
                recv_whole(all[i], size);
        if (i == 0)
            before = heap(); /* after the first, which pays for what is made once */
    }
    double each = (double)(heap() - before) / (double)n;
    for (long i = 0; i <= n; i++)
        tls_close(all[i]);
    free(all);
    return each;
}

static int memory(long n)
{
    double client_side, server_side;
    if (in_child(0)) {
        double each = grown(n, 1);
        return write(done[1], &each, sizeof each) < 0;
    }
    client_side = grown(n, 0);
    CHECK(read(done[0], &server_side, sizeof server_side));
    return printf("%.0f %.0f\n", client_side, server_side) < 0;
}

static int context(const struct tls_options *options)
{
    size_t before = heap(); /* the first pair is there, with all that is made once */
    tls_init(options);
    return printf("%zu\n", heap() - before) < 0;
}

/* One connection for good, over TCP. */
static int stream(int other, int64_t (*run)(long), void (*far)(tls_t))
{
    io_t pair[2];
    io_pair(AF_INET, pair);
    if (in_child(other)) {
        far(tls_open(pair[1], 1));
        return 0;
    }
    here = tls_open(pair[0], 0);
    return serve(run);
}

int main(int argc, char **argv)
{
    const char *what = argument(argc, argv, 1, "what");
    struct tls_options options = {
        .resume = resume = strcmp(what, "resumed") == 0,
        .tls12 = getenv("BENCH_TLS12") != NULL,
        .groups = getenv("BENCH_GROUPS"),
    };
    signal(SIGPIPE, SIG_IGN);
    CHECK(pipe(control));
    CHECK(pipe(done));
    pin_to(0);
    tls_init(&options);
    listener = io_bound(AF_UNIX, SOCK_STREAM, &name);
    CHECK(io_listen(listener, 128));
    if (strcmp(what, "bulk") == 0 || strcmp(what, "pingpong") == 0) {
        size = strtoul(argument(argc, argv, 2, "size"), NULL, 10);
        buffer = calloc(1, size);
        int other = atoi(argument(argc, argv, 3, "cores")) - 1;
        return what[0] == 'b' ? stream(other, bulk, sink) : stream(other, pingpong, pong);
    }
    if (strcmp(what, "context") == 0)
        return context(&options);
    if (strcmp(what, "memory") == 0) {
        size = strtoul(argument(argc, argv, 3, "bytes"), NULL, 10);
        buffer = calloc(1, size);
        return memory(atol(argv[2]));
    }
    buffer = calloc(1, size);
    if (in_child(strcmp(what, "describe") ? atoi(argument(argc, argv, 2, "cores")) - 1 : 0)) {
        serve_handshakes();
        return 0;
    }
    if (strcmp(what, "describe") == 0)
        return puts(tls_description(client())) < 0;
    return serve(handshakes);
}
