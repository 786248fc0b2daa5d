/* poller.c - waiting on many sockets.
 *
 *   poller wait N     one operation: a wait that reports 10 ready sockets of N registered
 *   poller accept     one operation: a connection accepted and closed by a loop around the wait
 *
 * Both in one thread; what the clients of `accept` do is bare libc and not timed.
 */
#include "io.h"

enum { READY = 10, BATCH = 64 };

static io_t poller, listener;
static io_addr name;

static int64_t wait_ready(long n)
{
    io_event events[2 * READY];
    int64_t start = now_ns();
    while (n--)
        if (CHECK(io_poller_wait(poller, events, 2 * READY, 0)) != READY)
            abort();
    return now_ns() - start;
}

/* N sockets, ten of them, evenly spread, with a datagram in them. */
static void register_many(long n)
{
    for (long i = 0; i < n; i++) {
        io_addr addr;
        io_t s;
        if (i % (n / READY) == 0 && i / (n / READY) < READY) {
            s = io_bound(AF_INET, SOCK_DGRAM, &addr);
            CHECK(io_sendto(s, "x", 1, &addr));
        } else {
            s = CHECK(io_socket(AF_INET, SOCK_DGRAM));
        }
        CHECK(io_poller_add(poller, s, (uint64_t)i));
    }
}

/* Until `n` connections are accepted: wait; on an event accept until there is none; close. */
static void accept_loop(long n)
{
    io_event events[16];
    io_addr peer;
    while (n > 0) {
        int ready = CHECK(io_poller_wait(poller, events, 16, -1));
        for (int i = 0; i < ready; i++)
            for (;;) {
                io_t s = io_accept(listener, &peer);
                if (io_again(s))
                    break;
                CHECK(io_close(CHECK(s)));
                n--;
            }
    }
}

static int64_t accept_many(long n)
{
    int64_t spent = 0;
    int clients[BATCH];
    for (; n > 0; n -= BATCH) {
        long batch = n < BATCH ? n : BATCH;
        for (long i = 0; i < batch; i++) {
            clients[i] = CHECK(socket(AF_INET, SOCK_STREAM, 0));
            CHECK(connect(clients[i], SOCKADDR(&name), name.len));
        }
        int64_t start = now_ns();
        accept_loop(batch);
        spent += now_ns() - start;
        for (long i = 0; i < batch; i++)
            CHECK(close(clients[i]));
    }
    return spent;
}

int main(int argc, char **argv)
{
    const char *what = argument(argc, argv, 1, "wait or accept");
    pin_to(0);
    poller = CHECK(io_poller());
    if (what[0] == 'w') {
        register_many(atol(argument(argc, argv, 2, "how many sockets")));
        return serve(wait_ready);
    }
    struct linger reset = {1, 0}; /* no TIME_WAIT: see calls.c */
    listener = io_bound(AF_INET, SOCK_STREAM, &name);
    CHECK(io_setsockopt(listener, SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
    CHECK(io_listen(listener, 2 * BATCH));
    CHECK(io_nonblocking(listener));
    CHECK(io_poller_add(poller, listener, 0));
    return serve(accept_many);
}
