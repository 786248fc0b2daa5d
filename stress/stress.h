// The common part of the stress programs: a table of cases, each in a process of its own with a deadline;
// numbers from a seed; sockets and TLS sessions ready made.
//
// A case calls broken() with a reason, or skip() if the machine lacks something, or returns: it held.
// Everything it leaves behind ends with its process group.

#ifndef STRESS_H
#define STRESS_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <usocket.h>

#define MS 1000
#define SECOND 1000000
// A time that only guards against hanging.
#define GENEROUS (20 * SECOND)

struct stress_case {
    const char *name;
    void (*run)(void);
    int seconds; // how long it may take; 0 is 30
};

// Runs the cases named on the command line, or all of them; gives main's exit code. A line for each:
// "held NAME", "BROKEN NAME: why", "skipped NAME: why".
int stress_main(int argc, char **argv, const struct stress_case *cases, size_t n);
#define STRESS_MAIN(cases) \
    int main(int argc, char **argv) \
    { \
        seed_from_environment(); \
        fprintf(stderr, "seed %llu\n", (unsigned long long)stress_seed); \
        return stress_main(argc, argv, cases, sizeof cases / sizeof *cases); \
    }

_Noreturn void broken(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Checks a condition.
#define HOLDS(condition, ...) \
    do { \
        if (!(condition)) \
            broken(__VA_ARGS__); \
    } while (0)
// A call that must not fail, and one that must give exactly this.
#define OK(call) stress_ok((call), #call, __FILE__, __LINE__)
#define GIVES(want, call) stress_gives((want), (call), #call, __FILE__, __LINE__)
int64_t stress_ok(int64_t value, const char *call, const char *file, int line);
void stress_gives(int64_t want, int64_t value, const char *call, const char *file, int line);
// The same of the system's own calls, -1 and errno.
#define SYS(call) stress_sys((call), #call, __FILE__, __LINE__)
long stress_sys(long value, const char *call, const char *file, int line);

// A child that has this long; broken() in it, a signal and an overrun are the caller's too.
void child_within(void (*run)(void *), void *arg, int64_t us);
// Waits for it that long: whether it ended; its status, if it did.
bool ends_within(pid_t child, int64_t us, int *status);

int64_t now_us(void);
void sleep_us(int64_t us);
pid_t thread_number(void);
// Waits until that thread sleeps in the kernel.
void until_asleep(pid_t thread);
pthread_t start(void *(*run)(void *), void *arg);
// Joins a thread that must end by then.
void *join_within(pthread_t thread, int64_t us, const char *what);
int open_descriptors(void);
int threads_alive(void);
int64_t cpu_us(void); // of the process
long memory_kb(void); // resident

// STRESS_SHARE per cent of `n`, at least `least`.
int scaled(int n, int least);

// xorshift64*: from STRESS_SEED, or the clock, and said on stderr.
extern uint64_t stress_seed;
uint64_t seed_from_environment(void);
uint64_t rnd(uint64_t *state);
static inline uint32_t below(uint64_t *state, uint32_t n) { return n ? (uint32_t)((rnd(state) >> 33) % n) : 0; }

// --- sockets ---

usocket_addr loopback(int family, int port);
usocket_t listener_on(int family, int backlog);
// A number and a name of /etc/hosts, asked for in both ways.
void names_are_found(void);
usocket_t client_of(usocket_t listener);
void tcp_pair(usocket_t pair[2]);

// --- TLS ---

const char *in_certs(const char *name); // target/certs, or STRESS_CERTS
usocket_tls_context_t server_context(void);
usocket_tls_context_t client_context(void);
// Both sides of a connection through the handshake, on one thread; then blocking.
void tls_handshake_pair(usocket_t client, usocket_t server);
void tls_pair(usocket_t pair[2]); // client, server
void tls_pair_with(usocket_t pair[2], usocket_tls_context_t client, usocket_tls_context_t server, const char *name);

// --- worlds of our own ---

// A network namespace (and one of mounts) with loopback alone; skips where that is not allowed.
void own_network(void);
void replace_file(const char *path, const char *text);

#endif
