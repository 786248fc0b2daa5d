/* io.h - the calls a bench program makes, twice: over libusocket (-DUSOCKET) and over bare libc.
 *
 * Both sides are what a careful C program would write: the same system calls, the same flags
 * (close-on-exec, no SIGPIPE, the peer's address taken at accept), every result checked.
 */
#ifndef IO_H
#define IO_H

#include "bench.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <usocket.h>

/* The library's address is laid out as a sockaddr_storage and a length: both sides use the type. */
typedef usocket_addr io_addr;
#define SOCKADDR(a) ((struct sockaddr *)(a)->storage)

#ifdef USOCKET

typedef usocket_t io_t;
typedef usocket_event io_event;

static inline io_t io_socket(int family, int type) { return usocket_socket(family, type, 0); }
static inline io_t io_from_fd(int fd) { return usocket_from_fd(fd); }
static inline int io_close(io_t s) { return usocket_close(s); }
static inline int io_bind(io_t s, const io_addr *a) { return usocket_bind(s, a); }
static inline int io_listen(io_t s, int backlog) { return usocket_listen(s, backlog); }
static inline io_t io_accept(io_t s, io_addr *peer) { return usocket_accept(s, peer); }
static inline int io_connect(io_t s, const io_addr *a) { return usocket_connect(s, a); }
static inline int io_getsockname(io_t s, io_addr *a) { return usocket_getsockname(s, a); }
static inline int io_setsockopt(io_t s, int level, int name, const void *v, size_t n)
{
    return usocket_setsockopt(s, level, name, v, n);
}
static inline int io_nonblocking(io_t s) { return usocket_setblocking(s, 0); }
static inline ssize_t io_send(io_t s, const void *p, size_t n) { return usocket_send(s, p, n, 0); }
static inline ssize_t io_recv(io_t s, void *p, size_t n) { return usocket_recv(s, p, n, 0); }
static inline ssize_t io_sendto(io_t s, const void *p, size_t n, const io_addr *to)
{
    return usocket_sendto(s, p, n, 0, to);
}
static inline ssize_t io_recvfrom(io_t s, void *p, size_t n, io_addr *from)
{
    return usocket_recvfrom(s, p, n, 0, from);
}
static inline int io_sendall(io_t s, const void *p, size_t n) { return usocket_sendall(s, p, n, 0); }
static inline int io_again(ssize_t r) { return r == -EAGAIN; }

static inline io_t io_poller(void) { return usocket_poller_create(); }
static inline int io_poller_add(io_t p, io_t s, uint64_t data)
{
    return usocket_poller_add(p, s, POLLIN, data);
}
static inline int io_poller_wait(io_t p, io_event *e, int n, int64_t us)
{
    return usocket_poller_wait(p, e, (size_t)n, us);
}

/* Ends a recv that another thread is blocked in, and closes. */
static inline int io_close_wake(io_t s) { return usocket_close(s); }

#else

typedef int io_t;
typedef struct epoll_event io_event;

static inline io_t io_socket(int family, int type) { return socket(family, type | SOCK_CLOEXEC, 0); }
static inline io_t io_from_fd(int fd) { return fd; }
static inline int io_close(io_t s) { return close(s); }
static inline int io_bind(io_t s, const io_addr *a) { return bind(s, SOCKADDR(a), a->len); }
static inline int io_listen(io_t s, int backlog) { return listen(s, backlog); }
static inline io_t io_accept(io_t s, io_addr *peer)
{
    peer->len = sizeof peer->storage;
    return accept4(s, SOCKADDR(peer), &peer->len, SOCK_CLOEXEC);
}
static inline int io_connect(io_t s, const io_addr *a) { return connect(s, SOCKADDR(a), a->len); }
static inline int io_getsockname(io_t s, io_addr *a)
{
    a->len = sizeof a->storage;
    return getsockname(s, SOCKADDR(a), &a->len);
}
static inline int io_setsockopt(io_t s, int level, int name, const void *v, size_t n)
{
    return setsockopt(s, level, name, v, (socklen_t)n);
}
static inline int io_nonblocking(io_t s) { return fcntl(s, F_SETFL, fcntl(s, F_GETFL) | O_NONBLOCK); }
static inline ssize_t io_send(io_t s, const void *p, size_t n) { return send(s, p, n, MSG_NOSIGNAL); }
static inline ssize_t io_recv(io_t s, void *p, size_t n) { return recv(s, p, n, 0); }
static inline ssize_t io_sendto(io_t s, const void *p, size_t n, const io_addr *to)
{
    return sendto(s, p, n, MSG_NOSIGNAL, SOCKADDR(to), to->len);
}
static inline ssize_t io_recvfrom(io_t s, void *p, size_t n, io_addr *from)
{
    from->len = sizeof from->storage;
    return recvfrom(s, p, n, 0, SOCKADDR(from), &from->len);
}
static inline int io_sendall(io_t s, const void *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t r = send(s, (const char *)p + at, n - at, MSG_NOSIGNAL);
        if (r < 0)
            return -1;
        at += (size_t)r;
    }
    return 0;
}
static inline int io_again(ssize_t r) { return r < 0 && errno == EAGAIN; }

static inline io_t io_poller(void) { return epoll_create1(EPOLL_CLOEXEC); }
static inline int io_poller_add(io_t p, io_t s, uint64_t data)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = data};
    return epoll_ctl(p, EPOLL_CTL_ADD, s, &e);
}
static inline int io_poller_wait(io_t p, io_event *e, int n, int64_t us)
{
    return epoll_wait(p, e, n, us < 0 ? -1 : (int)(us / 1000));
}

/* As in plain C: close(2) alone would leave the other thread blocked. */
static inline int io_close_wake(io_t s) { return shutdown(s, SHUT_RDWR) | close(s); }

#endif

/* An address of this machine's own: loopback with a free port, or an abstract Unix name. */
static inline io_addr io_local(int family)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr un = {.sa_family = AF_UNIX}; /* no name: the kernel picks one */
    io_addr a = {.len = family == AF_INET ? sizeof in : sizeof un.sa_family};
    memcpy(a.storage, family == AF_INET ? (void *)&in : (void *)&un, a.len);
    return a;
}

/* A socket bound there, and the name it got. */
static inline io_t io_bound(int family, int type, io_addr *name)
{
    *name = io_local(family);
    io_t s = CHECK(io_socket(family, type));
    CHECK(io_bind(s, name));
    CHECK(io_getsockname(s, name));
    return s;
}

static inline void io_nodelay(io_t s)
{
    int on = 1;
    CHECK(io_setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
}

/* A connected pair over the loopback, as two processes would have it. */
static inline void io_pair(int family, io_t pair[2])
{
    io_addr name, peer;
    io_t listener = io_bound(family, SOCK_STREAM, &name);
    CHECK(io_listen(listener, 1));
    pair[0] = CHECK(io_socket(family, SOCK_STREAM));
    CHECK(io_connect(pair[0], &name));
    pair[1] = CHECK(io_accept(listener, &peer));
    CHECK(io_close(listener));
    for (int i = 0; i < 2 && family != AF_UNIX; i++)
        io_nodelay(pair[i]);
}

#endif
