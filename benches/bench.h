/* bench.h - the frame of every bench program.
 *
 * A program sets itself up, says "ready", and then runs as many operations as each line of its
 * input asks for, answering each with the nanoseconds they took. So `benches/run` can keep several
 * programs standing and let them take turns in short slices: whatever disturbs this machine
 * disturbs all of them. Under strace and callgrind the same programs are given one line.
 */
#ifndef BENCH_H
#define BENCH_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* A result that must not be negative. */
#define CHECK(call)                                                                                \
    __extension__({                                                                                \
        __typeof__(call) r_ = (call);                                                              \
        if (r_ < 0) {                                                                              \
            fprintf(stderr, "%s:%d: %s: %lld (%m)\n", __FILE__, __LINE__, #call, (long long)r_);    \
            exit(1);                                                                               \
        }                                                                                          \
        r_;                                                                                        \
    })

static inline int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Keeps the calling process or thread on one processor. Core 0 always exists. */
static inline void pin_to(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    CHECK(sched_setaffinity(0, sizeof set, &set));
}

/* The other end, in a process of its own that does not outlive this one. 1 in the child. */
static inline int in_child(int core)
{
    if (CHECK(fork()) != 0)
        return 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin_to(core);
    return 1;
}

/* Answers commands until the input ends. `run` gives the nanoseconds of n operations. */
static inline int serve(int64_t (*run)(long n))
{
    char line[64];
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        printf("%lld\n", (long long)run(atol(line)));
        fflush(stdout);
    }
    return 0;
}

/* The program's argument number `n`, or the reason why it ends here. */
static inline const char *argument(int argc, char **argv, int n, const char *what)
{
    if (n >= argc) {
        fprintf(stderr, "%s: missing argument: %s\n", argv[0], what);
        exit(2);
    }
    return argv[n];
}

#endif
