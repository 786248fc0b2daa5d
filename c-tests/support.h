// The support library of the C tests: cmocka, the library, and ready-made sockets of every kind.

#ifndef SUPPORT_H
#define SUPPORT_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <usocket.h>

// Times, in microseconds. A time that only guards against hanging is GENEROUS.
#define MS 1000
#define SECOND 1000000
#define GENEROUS (20 * SECOND)

// The value of a call that must succeed.
#define OK(call) check_ok((call), #call, __FILE__, __LINE__)
// A call that must give exactly this number, usually a negative code.
#define GIVES(code, call) check_code((code), (call), #call, __FILE__, __LINE__)

int64_t check_ok(int64_t value, const char *call, const char *file, int line);
void check_code(int64_t want, int64_t value, const char *call, const char *file, int line);
// Notes an error that a call has given, for test_errors.py; check_code does.
void note_made(const char *call, int64_t code);

// The kinds of connected socket pairs.
struct kind {
    const char *name;
    int family, type;
};
extern const struct kind KINDS[];
extern const size_t N_KINDS;
#define FOR_EACH_KIND(k) \
    for (const struct kind *k = KINDS; k < KINDS + N_KINDS; k++) \
        if (k->family == AF_INET6 && !has_ipv6()) {} else

// Whether ::1 can be had. A test that asks for a socket there is skipped where it cannot.
bool has_ipv6(void);

// The loopback address of an IP family, or an unnamed Unix address, for which bind picks a name.
usocket_addr local_address(int family, int port);
// A socket bound to it, with a port or name of its own.
usocket_t bound_socket(int family, int type);
// An address that refuses connections: a socket bound to a port of both families' loopback (IPv6 if
// available) that does not listen. A released port may be another program's listener a moment later.
void refusing(usocket_t held[2], char port[8]);
void no_more_refusing(usocket_t held[2]);
// Listening on it. Any type of AF_INET, AF_INET6, AF_UNIX.
usocket_t listening_socket(int family, int backlog);
// A client connected to `listener`, which is not accepted.
usocket_t client_of(usocket_t listener);
// Two sockets that talk to each other: connected streams, or datagram sockets connected both ways.
void connected_pair(int family, int type, usocket_t pair[2]);
// The address a socket is bound to.
usocket_addr name_of(usocket_t s);
// As usocket_addr_text has it, in a static buffer.
const char *text_of(const usocket_addr *addr);

// Fills the buffers from s to its peer until not one byte fits; returns the number of bytes.
size_t fill(usocket_t s);
// Fixed buffers, which the kernel does not widen while a test wants them full.
void small_buffers(usocket_t pair[2]);
// Receives until `want` bytes have come or the stream has ended; returns their number.
size_t drain(usocket_t s, size_t want);
// A listener whose queue is full, so that connecting to it waits: the clients that fill it go to `clients`,
// at most `room`; returns their number.
size_t full_listener(int family, usocket_t *listener, usocket_t *clients, size_t room);

// Blocking, and with a timeout that is far away.
extern const int64_t WAITING_MODES[2];
#define FOR_EACH_WAITING_MODE(m) for (const int64_t *m = WAITING_MODES; m < WAITING_MODES + 2; m++)

// Repeats a test to hit a rare moment: `most` rounds, or on a slow or busy machine as many as fit into three
// seconds, but at least twenty.
#define FOR_ROUNDS(i, most) \
    for (int64_t i = 0, i##_end = now_us() + 3 * SECOND; i < (most) && (i < 20 || now_us() < i##_end); i++)

// At most this many descriptors, or fewer where fewer are allowed; gives the limits as they were.
struct rlimit few_descriptors(rlim_t n);

// Descriptors that are only there to leave none for others; the last one may be closed to leave one.
struct used_up {
    int fds[512], n;
    struct rlimit was;
};
void use_up_descriptors(struct used_up *u);
void give_descriptors_back(struct used_up *u);

// The number of open descriptors of the process.
int open_descriptors(void);
// The monotonic clock.
int64_t now_us(void);
// Returns the id of this thread. Waits until that thread sleeps in the kernel.
pid_t this_thread(void);
void wait_until_asleep(pid_t thread);
// The same for a thread that stores its number there when it begins.
void wait_until_inside(_Atomic pid_t *thread);
// Interrupts the process once, `us` from now, or, repeating, every `us`; 0 stops it.
void alarms(int64_t us, bool repeat);
// An event hook that ends the wait.
int32_t stop_hook(void *arg);
void start_thread(pthread_t *thread, void *(*run)(void *), void *arg);

// Closes `s` unless cancelled in time: so a hanging call fails and does not hang the tests.
struct rescue {
    usocket_t s;
    int off[2];
    pthread_t thread;
};
void rescue(struct rescue *r, usocket_t s);
void rescued(struct rescue *r);

// Fails in a child process, where cmocka's asserts must not be used.
#define CHILD(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: child: %s\n", __FILE__, __LINE__, #condition); \
            _exit(1); \
        } \
    } while (0)
// In a child: installs a seccomp filter, for all threads, that makes the calls fail with EPERM.
void answer(const int *calls, unsigned n, int with);
void refuse(const int *calls, unsigned n);
// The same for one call if an argument, counted from 0, has this value.
void answer_when(int call, unsigned argument, uint32_t value, int with);
// Whether there are such filters.
bool can_refuse(void);
// Whether an emulator runs the tests (scripts/cross-test says so): it fails differently, and knows fewer
// options.
bool emulated(void);
// Whether the library was built with TLS.
bool has_tls(void);
// A child that does not end by itself has failed.
pid_t fork_child(void);
// Waits for the child and checks that it has exited with 0.
void child_ends_well(pid_t child);

#define RUN(tests) cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL)

#endif
