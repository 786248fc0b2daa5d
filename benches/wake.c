/* wake.c - how long a thread that is blocked in recv sleeps on after its socket was closed.
 *
 *   wake N     prints N latencies in nanoseconds, one a line
 *
 * The peer does what plain C can: shutdown(2), then close(2).
 */
#include "io.h"

#include <pthread.h>
#include <sys/syscall.h>

static io_t victim;
static _Atomic int tid;
static int64_t woken;

static void *block(void *unused)
{
    char byte;
    pin_to(1);
    tid = (int)syscall(SYS_gettid);
    ssize_t got = io_recv(victim, &byte, 1);
    woken = now_ns();
    if (got > 0)
        abort();
    return unused;
}

/* Until the thread sleeps in the kernel. */
static void wait_asleep(void)
{
    char path[64], state = 0;
    while (tid == 0)
        usleep(50);
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    while (state != 'S') {
        usleep(100);
        FILE *f = fopen(path, "r");
        if (f == NULL || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
            abort();
        fclose(f);
    }
}

int main(int argc, char **argv)
{
    long n = atol(argument(argc, argv, 1, "how many"));
    pin_to(0);
    while (n--) {
        pthread_t thread;
        io_t pair[2];
        io_pair(AF_INET, pair);
        victim = pair[0];
        tid = 0;
        CHECK(-pthread_create(&thread, NULL, block, NULL));
        wait_asleep();
        int64_t start = now_ns();
        CHECK(io_close_wake(victim));
        pthread_join(thread, NULL);
        printf("%lld\n", (long long)(woken - start));
        CHECK(io_close(pair[1]));
    }
    return 0;
}
