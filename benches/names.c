// Names: 200 at once at a server that takes a tenth of a second, then one after another; the C
// library's getaddrinfo beside ours. To be run in the world of names.py, which has that server.

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include <usocket.h>

enum { NAMES = 200, ROUNDS = 9, OFTEN = 300 };
static const int64_t LIMIT = 10 * 1000000;
static const char *pattern = "slow.n%d.test";
static int failed;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void *by_libc(void *number)
{
    char name[64];
    snprintf(name, sizeof name, pattern, (int)(intptr_t)number);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    if (getaddrinfo(name, "80", &hints, &list))
        failed++;
    else
        freeaddrinfo(list);
    return NULL;
}

static void *by_usocket(void *number)
{
    char name[64];
    snprintf(name, sizeof name, pattern, (int)(intptr_t)number);
    usocket_addrinfo *list;
    if (usocket_getaddrinfo(name, "80", 0, SOCK_STREAM, 0, 0, LIMIT, &list))
        failed++;
    else
        usocket_freeaddrinfo(list);
    return NULL;
}

static double by_threads(void *(*ask)(void *))
{
    pthread_t threads[NAMES];
    double begun = now();
    for (intptr_t i = 0; i < NAMES; i++)
        pthread_create(&threads[i], NULL, ask, (void *)i);
    for (int i = 0; i < NAMES; i++)
        pthread_join(threads[i], NULL);
    return now() - begun;
}

static double by_queries(void)
{
    usocket_query_t queries[NAMES];
    char name[64];
    double begun = now();
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, pattern, i);
        queries[i] = usocket_query_create(name, "80", 0, SOCK_STREAM, 0, 0);
    }
    for (int i = 0; i < NAMES; i++) {
        usocket_addrinfo *list;
        if (usocket_query_result(queries[i], LIMIT, &list))
            failed++;
        else
            usocket_freeaddrinfo(list);
        usocket_close(queries[i]);
    }
    return now() - begun;
}

static double one_by_one(void *(*ask)(void *))
{
    double begun = now();
    for (intptr_t i = 0; i < OFTEN; i++)
        ask((void *)i);
    return (now() - begun) / OFTEN * 1e6;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *of)
{
    qsort(of, ROUNDS, sizeof *of, by_size);
    return of[ROUNDS / 2];
}

int main(void)
{
    double times[3][ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        times[0][i] = by_threads(by_libc);
        times[1][i] = by_threads(by_usocket);
        times[2][i] = by_queries();
    }
    printf("%d names at once, 0.1 s each: libc's threads %.3f s, ours %.3f s, queries %.3f s\n", NAMES,
           median(times[0]), median(times[1]), median(times[2]));
    const char *names[] = {"localhost", "good.test", "127.0.0.1"};
    for (int n = 0; n < 3; n++) {
        pattern = names[n];
        for (int i = 0; i < ROUNDS; i++) {
            times[0][i] = one_by_one(by_libc);
            times[1][i] = one_by_one(by_usocket);
        }
        printf("%s: libc %.1f us, usocket %.1f us\n", pattern, median(times[0]), median(times[1]));
    }
    printf("%d failed\n", failed);
    return failed != 0;
}
