// An interposer: the library's n-th system call, or its n-th allocation, fails.
//
// Only calls from the library's own code count: the program around it has its own business. A close
// that fails has closed; a short transfer is one byte; a thread that cannot be started is EAGAIN.

#include "faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static struct faults *page;
static uintptr_t first, last;

// An errno, or this: the call does one byte.
#define SHORT -1

#define FUNCTIONS(X) \
    X(socket, EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES) \
    X(socketpair, EMFILE, ENFILE, ENOMEM) \
    X(accept4, EMFILE, ENFILE, ECONNABORTED, EINTR, EAGAIN, ENOMEM, EPERM) \
    X(bind, EADDRINUSE, EACCES, ENOMEM, EADDRNOTAVAIL) \
    X(listen, EADDRINUSE, ENOBUFS) \
    X(connect, ECONNREFUSED, ENETUNREACH, EINTR, EADDRNOTAVAIL, ENOBUFS, EPERM) \
    X(shutdown, ENOTCONN) \
    X(getsockname, ENOBUFS) \
    X(getpeername, ENOTCONN, ENOBUFS) \
    X(getsockopt, ENOBUFS, EPERM, ENOMEM) \
    X(setsockopt, ENOMEM, EPERM, ENOPROTOOPT) \
    X(recv, EINTR, EAGAIN, ECONNRESET, ENOMEM, SHORT) \
    X(recvfrom, EINTR, EAGAIN, ECONNRESET, ENOMEM, SHORT) \
    X(recvmsg, EINTR, EAGAIN, ECONNRESET, ENOMEM) \
    X(read, EINTR, EAGAIN, EIO, SHORT) \
    X(readv, EINTR, EAGAIN, ECONNRESET) \
    X(send, EINTR, EAGAIN, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, SHORT) \
    X(sendto, EINTR, EAGAIN, EPIPE, ECONNRESET, ENOBUFS, SHORT) \
    X(sendmsg, EINTR, EAGAIN, EPIPE, ECONNRESET, ENOBUFS) \
    X(write, EINTR) \
    X(writev, EINTR, EAGAIN, EPIPE, ECONNRESET) \
    X(close, EINTR, EIO) \
    X(dup, EMFILE) \
    X(dup2, EMFILE, EBUSY) \
    X(dup3, EMFILE, EBUSY, EPERM) \
    X(fcntl, EMFILE, EPERM, EINVAL) \
    X(ioctl, ENOTTY, ENOMEM) \
    X(poll, EINTR, ENOMEM) \
    X(ppoll, EINTR, ENOMEM) \
    X(epoll_create1, EMFILE, ENFILE, ENOMEM) \
    X(epoll_ctl, ENOMEM, ENOSPC, EPERM) \
    X(epoll_wait, EINTR) \
    X(epoll_pwait, EINTR) \
    X(eventfd, EMFILE, ENFILE, ENOMEM) \
    X(pipe2, EMFILE, ENFILE) \
    X(open, EMFILE, ENFILE, EACCES, ENOENT, EINTR) \
    X(open64, EMFILE, ENFILE, EACCES, ENOENT, EINTR) \
    X(fstat64, EIO, ENOMEM) \
    X(getrandom, ENOSYS, EINTR) \
    X(mmap, ENOMEM) \
    X(pthread_create, EAGAIN) \
    X(getaddrinfo, EAI_MEMORY, EAI_AGAIN, EAI_SYSTEM, EAI_FAIL) \
    X(futex, EINTR) \
    X(epoll_pwait2, EINTR, ENOSYS, EPERM) \
    X(syscall, ENOSYS, EPERM) \
    X(setns, EPERM, EINVAL) \
    X(malloc, ENOMEM)

enum function {
#define X(name, ...) F_##name,
    FUNCTIONS(X)
#undef X
};

#define X(name, ...) {#name, {__VA_ARGS__, 0}},
static const struct {
    const char *name;
    int errors[8];
} TABLE[] = {FUNCTIONS(X)};
#undef X

static int look(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    if (!info->dlpi_name || !strstr(info->dlpi_name, "libusocket"))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            first = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            last = first + info->dlpi_phdr[i].p_memsz;
            page->base = info->dlpi_addr;
        }
    return 1;
}

struct faults *faults_page(void)
{
    if (!page) {
        void *frames[2];
        backtrace(frames, 2); // loads what it needs
        page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        dl_iterate_phdr(look, NULL);
    }
    return page;
}

// How many errors the function of that number has.
int faults_errors(int function)
{
    int n = 0;
    while (TABLE[function].errors[n])
        n++;
    return n;
}

const char *faults_name(int function)
{
    return TABLE[function].name;
}

// Counts a call; what it fails with, or 0.
static int hit(enum function f, const void *caller)
{
    if (!page || page->kind == NO_FAULTS || (uintptr_t)caller < first || (uintptr_t)caller >= last)
        return 0;
    bool memory = page->kind >= COUNT_MEMORY;
    if (memory != (f == F_malloc))
        return 0;
    int n = __atomic_fetch_add(&page->calls, 1, __ATOMIC_SEQ_CST);
    if (n < MOST_CALLS)
        page->function[n] = f;
    if (page->kind == COUNT_CALLS || page->kind == COUNT_MEMORY)
        return 0;
    if (page->kind == FAIL_MEMORY_FROM ? n < page->number : n != page->number)
        return 0;
    int error = TABLE[f].errors[page->error % faults_errors(f)];
    if (__atomic_fetch_add(&page->failed, 1, __ATOMIC_SEQ_CST) == 0) {
        strncpy(page->name, TABLE[f].name, sizeof page->name - 1);
        page->error_given = error;
        page->frames = backtrace(page->frame, FRAMES);
    }
    return error;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAILS(name, value) \
    do { \
        int e = hit(F_##name, __builtin_return_address(0)); \
        if (e) { \
            errno = e; \
            return value; \
        } \
    } while (0)
#define CALL(result, name, parameters, arguments) \
    result name parameters \
    { \
        REAL(name); \
        FAILS(name, -1); \
        return real arguments; \
    }

CALL(int, socket, (int a, int b, int c), (a, b, c))
CALL(int, socketpair, (int a, int b, int c, int d[2]), (a, b, c, d))
CALL(int, accept4, (int a, struct sockaddr *b, socklen_t *c, int d), (a, b, c, d))
CALL(int, bind, (int a, const struct sockaddr *b, socklen_t c), (a, b, c))
CALL(int, listen, (int a, int b), (a, b))
CALL(int, getsockname, (int a, struct sockaddr *b, socklen_t *c), (a, b, c))
CALL(int, getpeername, (int a, struct sockaddr *b, socklen_t *c), (a, b, c))
CALL(int, getsockopt, (int a, int b, int c, void *d, socklen_t *e), (a, b, c, d, e))
CALL(int, setsockopt, (int a, int b, int c, const void *d, socklen_t e), (a, b, c, d, e))
CALL(ssize_t, recvmsg, (int a, struct msghdr *b, int c), (a, b, c))
CALL(ssize_t, readv, (int a, const struct iovec *b, int c), (a, b, c))
CALL(ssize_t, sendmsg, (int a, const struct msghdr *b, int c), (a, b, c))
CALL(ssize_t, writev, (int a, const struct iovec *b, int c), (a, b, c))
CALL(int, dup, (int a), (a))
CALL(int, dup2, (int a, int b), (a, b))
CALL(int, dup3, (int a, int b, int c), (a, b, c))
CALL(int, poll, (struct pollfd *a, nfds_t b, int c), (a, b, c))
CALL(int, ppoll, (struct pollfd *a, nfds_t b, const struct timespec *c, const sigset_t *d), (a, b, c, d))
CALL(int, epoll_create1, (int a), (a))
CALL(int, epoll_ctl, (int a, int b, int c, struct epoll_event *d), (a, b, c, d))
CALL(int, epoll_wait, (int a, struct epoll_event *b, int c, int d), (a, b, c, d))
CALL(int, epoll_pwait, (int a, struct epoll_event *b, int c, int d, const sigset_t *e), (a, b, c, d, e))
CALL(int, eventfd, (unsigned a, int b), (a, b))
CALL(int, pipe2, (int a[2], int b), (a, b))
CALL(int, fstat64, (int a, struct stat64 *b), (a, b))
int setns(int a, int b);
CALL(int, setns, (int a, int b), (a, b))

static bool stream(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;
    return syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

#define TRANSFER(name, parameters, arguments, short_arguments) \
    ssize_t name parameters \
    { \
        REAL(name); \
        int e = hit(F_##name, __builtin_return_address(0)); \
        if (e == SHORT) \
            return len > 1 && stream(fd) ? real short_arguments : real arguments; \
        if (e) { \
            errno = e; \
            return -1; \
        } \
        return real arguments; \
    }

TRANSFER(recv, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags), (fd, buf, 1, flags))
TRANSFER(send, (int fd, const void *buf, size_t len, int flags), (fd, buf, len, flags), (fd, buf, 1, flags))
TRANSFER(read, (int fd, void *buf, size_t len), (fd, buf, len), (fd, buf, 1))

// To an eventfd, which is what the library writes to besides sockets, it does not fail.
ssize_t write(int fd, const void *buf, size_t len)
{
    REAL(write);
    if (stream(fd))
        FAILS(write, -1);
    return real(fd, buf, len);
}

TRANSFER(recvfrom, (int fd, void *buf, size_t len, int flags, struct sockaddr *a, socklen_t *n),
         (fd, buf, len, flags, a, n), (fd, buf, 1, flags, a, n))
TRANSFER(sendto, (int fd, const void *buf, size_t len, int flags, const struct sockaddr *a, socklen_t n),
         (fd, buf, len, flags, a, n), (fd, buf, 1, flags, a, n))

// An interrupted connect goes on.
int connect(int fd, const struct sockaddr *to, socklen_t len)
{
    REAL(connect);
    int e = hit(F_connect, __builtin_return_address(0));
    int r = e == 0 || e == EINTR ? real(fd, to, len) : -1;
    if (e)
        errno = e;
    return e ? -1 : r;
}

// The error of shutdown(2) on an unconnected socket, after waking its receivers.
int shutdown(int fd, int how)
{
    REAL(shutdown);
    int e = hit(F_shutdown, __builtin_return_address(0));
    int r = real(fd, how);
    if (e)
        errno = e;
    return e ? -1 : r;
}

int close(int fd)
{
    REAL(close);
    int e = hit(F_close, __builtin_return_address(0));
    int r = real(fd);
    if (e && r == 0) {
        errno = e;
        return -1;
    }
    return r;
}

int fcntl(int fd, int command, ...)
{
    REAL(fcntl);
    va_list args;
    va_start(args, command);
    void *arg = va_arg(args, void *);
    va_end(args);
    FAILS(fcntl, -1);
    return real(fd, command, arg);
}

int ioctl(int fd, unsigned long command, ...)
{
    static int (*real)(int, unsigned long, ...);
    if (!real)
        real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    va_list args;
    va_start(args, command);
    void *arg = va_arg(args, void *);
    va_end(args);
    FAILS(ioctl, -1);
    return real(fd, command, arg);
}

int open(const char *path, int flags, ...)
{
    REAL(open);
    va_list args;
    va_start(args, flags);
    int mode = va_arg(args, int);
    va_end(args);
    FAILS(open, -1);
    return real(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    REAL(open64);
    va_list args;
    va_start(args, flags);
    int mode = va_arg(args, int);
    va_end(args);
    FAILS(open64, -1);
    return real(path, flags, mode);
}

long syscall(long number, ...)
{
    REAL(syscall);
    va_list args;
    long a[6];
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    enum function f = number == SYS_futex ? F_futex : number == SYS_epoll_pwait2 ? F_epoll_pwait2 : F_syscall;
    // A futex that wakes cannot fail; one that waits can be interrupted. Which number a thread has is
    // no question that fails.
    bool wakes = number == SYS_futex && (a[1] & 127) != 0 && (a[1] & 127) != 9;
    if (!wakes && number != SYS_gettid) {
        int e = hit(f, __builtin_return_address(0));
        if (e) {
            errno = e;
            return -1;
        }
    }
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

ssize_t getrandom(void *buf, size_t len, unsigned flags)
{
    static ssize_t (*real)(void *, size_t, unsigned);
    if (!real)
        real = (ssize_t(*)(void *, size_t, unsigned))dlsym(RTLD_NEXT, "getrandom");
    FAILS(getrandom, -1);
    return real(buf, len, flags);
}

void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    FAILS(mmap, MAP_FAILED);
    static long (*real)(long, ...);
    if (!real)
        real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    return (void *)real(SYS_mmap, at, len, (long)prot, (long)flags, (long)fd, (long)offset);
}

int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    REAL(pthread_create);
    int e = hit(F_pthread_create, __builtin_return_address(0));
    return e ? e : real(t, attr, run, arg);
}

int getaddrinfo(const char *a, const char *b, const struct addrinfo *c, struct addrinfo **d)
{
    REAL(getaddrinfo);
    int e = hit(F_getaddrinfo, __builtin_return_address(0));
    if (e == EAI_SYSTEM)
        errno = ENOMEM;
    return e ? e : real(a, b, c, d);
}

// --- memory: glibc's own names beside the ones that are interposed ---

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t n)
{
    if (hit(F_malloc, __builtin_return_address(0))) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    if (hit(F_malloc, __builtin_return_address(0))) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
    if (n && hit(F_malloc, __builtin_return_address(0))) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(old, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
    if (hit(F_malloc, __builtin_return_address(0)))
        return ENOMEM;
    *out = __libc_memalign(align, n);
    return *out ? 0 : ENOMEM;
}
