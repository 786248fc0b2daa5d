// Support for the tests that provoke every documented error. check_code writes each provoked error to the
// file USOCKET_MADE; test_errors.py compares them with the header.

#ifndef ERRORS_H
#define ERRORS_H

#include "support.h"

#include <net/if.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>

// In a child process, where cmocka's asserts must not be used.
#define CHILD_GIVES(code, call) \
    do { \
        int64_t got_ = (call); \
        if (got_ != (code)) { \
            fprintf(stderr, "%s:%d: child: %s = %lld, not %d\n", __FILE__, __LINE__, #call, (long long)got_, (int)(code)); \
            _exit(1); \
        } \
        note_made(#call, got_); \
    } while (0)

static char buf[1 << 16];

static inline usocket_addr ip(int family, const char *host, int port)
{
    usocket_addr a;
    OK(usocket_addr_ip(family, host, port, 0, 0, &a));
    return a;
}

static inline usocket_addr unix_path(const char *path)
{
    usocket_addr a;
    OK(usocket_addr_unix(path, strlen(path), &a));
    return a;
}

// A Unix path that is this process's, at which there is nothing.
static inline usocket_addr own_path(void)
{
    char path[60];
    snprintf(path, sizeof path, "/tmp/usocket-errors-%d", getpid());
    unlink(path);
    return unix_path(path);
}

static inline usocket_t tcp(void) { return OK(usocket_socket(AF_INET, SOCK_STREAM, 0)); }
static inline usocket_t udp(void) { return OK(usocket_socket(AF_INET, SOCK_DGRAM, 0)); }

static inline void close_all(const usocket_t *all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        OK(usocket_close(all[i]));
}

#define CLOSE(...) close_all((const usocket_t[]){__VA_ARGS__}, sizeof (const usocket_t[]){__VA_ARGS__} / sizeof(usocket_t))

// --- what is interrupted ---

static inline int32_t stop(void *arg)
{
    (void)arg;
    return 1;
}

static inline void on_alarm(int number)
{
    (void)number;
}

// From here on a signal ends what waits. One comes every 20 ms: the first may be there before the wait.
static inline void interrupted(void)
{
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    OK(usocket_set_event_hook(stop, NULL));
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {0, 20 * MS}, .it_interval = {0, 20 * MS}}, NULL);
}

static inline void uninterrupted(void)
{
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    OK(usocket_set_event_hook(NULL, NULL));
}

// In a child: a network of its own, of which `lo` is all, and what else unshare(2) takes. False where this
// user may not have one.
static inline bool own_network(int more)
{
    if (unshare((geteuid() == 0 ? 0 : CLONE_NEWUSER) | CLONE_NEWNET | more) < 0)
        return false;
    usocket_t s = usocket_socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    CHILD(ioctl(usocket_fileno(s), SIOCSIFFLAGS, &up) == 0);
    return usocket_close(s) == 0;
}

// Opens descriptors until there are no more, in a child.
static inline void use_all_descriptors(void)
{
    struct rlimit few = {50, 50};
    CHILD(setrlimit(RLIMIT_NOFILE, &few) == 0);
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
}

static inline void be_nobody(void)
{
    if (geteuid() == 0)
        CHILD(setresuid(65534, 65534, 65534) == 0);
}

#endif
