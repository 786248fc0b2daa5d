/* scale.c - the library with many handles, and with two threads.
 *
 *   scale lookup N      one operation: usocket_family of one of 64 handles among N open sockets
 *   scale threads T     one operation: 64 B sent and received by each of T threads on its own pair
 *   scale memory N      prints the heap bytes per handle of N open sockets
 */
#include "io.h"

#include <malloc.h>
#include <pthread.h>

enum { HOT = 64, SIZE = 64, MAX_THREADS = 2 };

static io_t hot[HOT];
static int threads;
static struct worker {
    _Alignas(128) io_t pair[2];
    long n;
    char buffer[SIZE];
    pthread_t thread;
} workers[MAX_THREADS];

static size_t heap(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static void open_many(long n)
{
    for (long i = 0; i < n; i++) {
        io_t s = CHECK(io_socket(AF_INET, SOCK_DGRAM));
        hot[i * HOT / n] = s;
    }
}

#ifdef USOCKET
static int64_t lookup(long n)
{
    int64_t start = now_ns();
    for (long i = 0; i < n; i++)
        CHECK(usocket_family(hot[i % HOT]));
    return now_ns() - start;
}
#endif

static void *work(void *arg)
{
    struct worker *w = arg;
    pin_to((int)(w - workers));
    for (long n = w->n; n > 0; n--) {
        CHECK(io_send(w->pair[0], w->buffer, SIZE));
        CHECK(io_recv(w->pair[1], w->buffer, SIZE));
    }
    return NULL;
}

static int64_t run_threads(long n)
{
    int64_t start = now_ns();
    for (int i = 0; i < threads; i++) {
        workers[i].n = n;
        CHECK(-pthread_create(&workers[i].thread, NULL, work, &workers[i]));
    }
    for (int i = 0; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
    return now_ns() - start;
}

int main(int argc, char **argv)
{
    const char *what = argument(argc, argv, 1, "lookup, threads or memory");
    long n = atol(argument(argc, argv, 2, "how many"));
    if (what[0] == 't') {
        threads = n < MAX_THREADS ? (int)n : MAX_THREADS;
        for (int i = 0; i < threads; i++)
            io_pair(AF_UNIX, workers[i].pair);
        return serve(run_threads);
    }
    pin_to(0);
    size_t before = heap();
    open_many(n);
    if (what[0] == 'm')
        return printf("%.1f\n", (double)(heap() - before) / (double)n) < 0;
#ifdef USOCKET
    return serve(lookup);
#else
    return 2;
#endif
}
