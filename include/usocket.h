/* usocket.h - sockets for any language runtime: MicroPython's usocket behind a C ABI.
 *
 * Generated from src/ffi by `make header`; do not edit.
 *
 * Sockets and the library's other objects are handles: numbers, not pointers. Every function gives
 * 0 or more for success and a negative number for an error, whole, in the return value:
 *
 *      -1 ...  -4095   -errno, as in <errno.h>
 *  -10000 - n          TLS, USOCKET_ETLS_...
 *  -20000 - n          the resolver, USOCKET_EAI_...
 *
 * usocket_strerror names any of them.
 *
 * Outputs are written only on success. (NULL, 0) is a legal empty buffer; NULL with a length is
 * -EFAULT; a length above SSIZE_MAX is -EINVAL. Text is UTF-8, NUL-terminated. Times are
 * microseconds; a negative time is none. Constants (AF_, SOCK_, SO_, MSG_, POLL, ...) are the
 * system's own.
 *
 * Threads: every function may be called from any thread at any time, also on the same handle. A
 * closed handle is -EBADF for ever. Closing a handle ends what other threads are doing with it.
 * Signals: no operation raises SIGPIPE; see usocket_set_event_hook for EINTR.
 * Fork: both sides go on; a handle is valid in both, as a descriptor is.
 */

#ifndef USOCKET_H
#define USOCKET_H

#include <stddef.h>
#include <stdint.h>

// Bad flags for getaddrinfo.
#define USOCKET_EAI_BADFLAGS -20001

// Name or service not known.
#define USOCKET_EAI_NONAME -20002

// Temporary failure in name resolution.
#define USOCKET_EAI_AGAIN -20003

// Non-recoverable failure in name resolution.
#define USOCKET_EAI_FAIL -20004

// No address associated with the name.
#define USOCKET_EAI_NODATA -20005

// Address family not supported.
#define USOCKET_EAI_FAMILY -20006

// Socket type not supported.
#define USOCKET_EAI_SOCKTYPE -20007

// Service not supported for the socket type; also a port outside 0-65535.
#define USOCKET_EAI_SERVICE -20008

// The name has no address of that family.
#define USOCKET_EAI_ADDRFAMILY -20009

// Out of memory in the resolver.
#define USOCKET_EAI_MEMORY -20010

// An argument buffer overflowed in the resolver.
#define USOCKET_EAI_OVERFLOW -20012

// An IPPROTO_SEC socket was asked to carry data before it was wrapped in TLS.
#define USOCKET_ETLS_NOT_WRAPPED -10001

// The protocol of a TCP socket that must be wrapped in TLS before it carries data (WiPy's
// IPPROTO_SEC): until then sending and receiving give USOCKET_ETLS_NOT_WRAPPED.
#define USOCKET_IPPROTO_SEC 65536

// A sensible backlog for usocket_listen where the caller has none in mind (CPython's too).
#define USOCKET_BACKLOG_DEFAULT 128

// For usocket_create_server: several sockets may share the port (SO_REUSEPORT).
#define USOCKET_REUSE_PORT 1

// For usocket_create_server: an IPv6 socket that takes IPv4 connections as well.
#define USOCKET_DUAL_STACK 2

// In an event mask: report once, then not again until usocket_poller_modify.
#define USOCKET_ONESHOT 1073741824

// In an event mask: report when it becomes ready, not while it is.
#define USOCKET_EDGE 2147483648

// A handle: a number that stands for a socket or another object of the library.
//
// Positive and below 2^53, so that it survives a double. Never reused: a closed handle gives
// -EBADF for ever, in any thread, and never reaches another's socket. 0 is never a handle.
typedef int64_t usocket_t;

// A socket address, passed by pointer and filled in by the library.
//
// The first bytes of `storage` are a `struct sockaddr`, `len` of them count: `(struct sockaddr
// *)&addr` and `addr.len` go into any system call. Treat it as opaque otherwise: it is made by
// usocket_getaddrinfo, usocket_addr_ip, usocket_addr_unix or usocket_addr_from_bytes and read by
// the usocket_addr_ functions.
typedef struct usocket_addr {
  // The `struct sockaddr`, aligned as a `struct sockaddr_storage` is.
  uint64_t storage[16];
  // How many bytes of it are the address.
  uint32_t len;
  // Zero.
  uint32_t reserved;
} usocket_addr;

// One answer of usocket_getaddrinfo: what a socket needs to reach the service.
typedef struct usocket_addrinfo {
  // AF_INET, AF_INET6, ...
  int32_t family;
  // SOCK_STREAM, SOCK_DGRAM, ...
  int32_t type;
  // IPPROTO_TCP, IPPROTO_UDP, ...
  int32_t proto;
  // Zero.
  int32_t reserved;
  // For usocket_connect or usocket_bind.
  struct usocket_addr addr;
  // With AI_CANONNAME, in the first answer; NULL otherwise.
  const char *canonname;
  // The next answer; NULL in the last.
  struct usocket_addrinfo *next;
} usocket_addrinfo;

// One entry of usocket_poll, as `struct pollfd` is of poll(2).
typedef struct usocket_pollfd {
  // The handle to poll; 0 polls the descriptor `fd` instead.
  usocket_t socket;
  // With `socket` 0, a descriptor that is none of the library's; negative is ignored.
  int32_t fd;
  // POLLIN, POLLOUT, POLLPRI, ...: what to wait for. POLLERR, POLLHUP, POLLNVAL come unasked.
  int16_t events;
  // The answer: what is there.
  int16_t revents;
} usocket_pollfd;

// What usocket_poller_wait reports about one registration.
typedef struct usocket_event {
  // The handle that was registered; 0 for a descriptor.
  usocket_t socket;
  // What was given with the registration.
  uint64_t data;
  // The descriptor that was registered; -1 for a handle.
  int32_t fd;
  // POLLIN, POLLOUT, POLLERR, POLLHUP, POLLNVAL, ...
  uint32_t events;
} usocket_event;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of the library, such as "0.1.0".
//
// Returns: static text, never NULL.
// Errors: none.
// Blocks: no.
// Threads: any.
// Ownership: the library's; do not free.
const char *usocket_version(void);

// What this build can do, as words separated by spaces, such as "tls=aws-lc-rs poller=epoll".
//
// Returns: static text, never NULL.
// Errors: none.
// Blocks: no.
// Threads: any.
// Ownership: the library's; do not free.
const char *usocket_features(void);

// The text for any code a function of the library returned.
//
// Returns: text, never NULL; "no error" for a code that is not negative.
// Errors: none.
// Blocks: no.
// Threads: any; each has a text of its own.
// Ownership: the library's; valid until the next usocket_strerror on the same thread.
const char *usocket_strerror(int64_t code);

// The platform's own number for a code of the resolver's range, as Python's `e.args[0]` has it.
//
// Returns: the negative EAI_ number of <netdb.h>; 0 when the code is not of that range.
// Errors: none.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_gai_code(int64_t code);

// Copies the sentence that explains the last error, where there is more to say than
// usocket_strerror: with a handle, the last cause on that handle; with 0, the last cause of a
// call without a handle (addresses, names) on this thread.
//
// `len` is the room in `buf` in bytes, the closing NUL included.
//
// Returns: the length of the sentence without its NUL, 0 when there is none. With (NULL, 0) only
// the length.
// Errors: -EBADF for a stale handle, -ENOSPC when it does not fit (nothing is written),
// -EFAULT, -EINVAL.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_error_detail(usocket_t s, char *buf, size_t len);

// Sets what runs when a signal interrupts a waiting operation, one for the process; NULL removes
// it. It is called on the interrupted thread with `arg`, and says with 0 to go on (for the time
// that is left) or with anything else to stop: the operation then fails with -EINTR. Without a
// hook every operation goes on.
//
// The hook must return: no longjmp, no exception through it. It may call the library. Install
// signal handlers without SA_RESTART where they are to interrupt operations in blocking mode
// (signal(7)).
//
// Returns: 0.
// Errors: none.
// Blocks: no.
// Threads: any; the hook runs on whichever thread is interrupted.
// Ownership: `arg` stays the caller's and must outlive the hook.
int32_t usocket_set_event_hook(int32_t (*hook)(void *arg), void *arg);

// Makes an IP address from the parts of Python's tuples: numeric text, port, and for IPv6
// flowinfo and scope id (0 for IPv4).
//
// `family` is AF_INET, AF_INET6, or 0 for whichever `host` is. An empty `host` is the wildcard
// address. IPv6 text may name its zone ("fe80::1%eth0"). `port` is 0 to 65535, `flowinfo` 0 to
// 1048575, `scope_id` an interface index.
//
// Returns: 0.
// Errors: -EINVAL for a host name (resolve it with usocket_getaddrinfo), a number out of its
// range, or text that is no address of the family: usocket_error_detail(0, ...) says which;
// -EAFNOSUPPORT for another family; -EFAULT for NULL.
// Blocks: no.
// Threads: any.
// Ownership: `host` is only read; `out` is the caller's.
int32_t usocket_addr_ip(int32_t family,
                        const char *host,
                        int64_t port,
                        uint32_t flowinfo,
                        uint32_t scope_id,
                        struct usocket_addr *out);

// Makes a Unix address from `len` bytes of `path`: a path of at most 108 bytes, a Linux abstract
// name (first byte NUL), or, with no bytes, the unnamed address (binding to it picks a name).
//
// Returns: 0.
// Errors: -ENAMETOOLONG, -EINVAL for a NUL within a path, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `path` is only read; `out` is the caller's.
int32_t usocket_addr_unix(const void *path, size_t len, struct usocket_addr *out);

// Makes an address from the `len` bytes of a `struct sockaddr`, such as usocket_addr_bytes gave.
//
// Returns: 0.
// Errors: -EINVAL when the length does not fit the family, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `sockaddr` is only read; `out` is the caller's.
int32_t usocket_addr_from_bytes(const void *sockaddr, size_t len, struct usocket_addr *out);

// Copies the bytes of an address, a `struct sockaddr`, out.
//
// Returns: how many there are; with (NULL, 0) only that.
// Errors: -ENOSPC when they do not fit (nothing is written), -EFAULT, -EINVAL.
// Blocks: no.
// Threads: any.
// Ownership: the bytes are copied.
int32_t usocket_addr_bytes(const struct usocket_addr *addr, void *buf, size_t len);

// The family of an address.
//
// Returns: AF_INET, AF_INET6, AF_UNIX, ...; AF_UNSPEC (0) for an empty address, as a Unix
// peer without a name can have.
// Errors: -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_addr_family(const struct usocket_addr *addr);

// The port of an IP address.
//
// Returns: 0 to 65535.
// Errors: -EAFNOSUPPORT for another family, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_addr_port(const struct usocket_addr *addr);

// The flow information of an IPv6 address (RFC 3493); 0 for IPv4.
//
// Returns: 0 to 4294967295, as it stands in the address.
// Errors: -EAFNOSUPPORT for another family, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int64_t usocket_addr_flowinfo(const struct usocket_addr *addr);

// The scope id of an IPv6 address: an interface index, 0 for none; 0 for IPv4.
//
// Returns: 0 to 4294967295.
// Errors: -EAFNOSUPPORT for another family, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int64_t usocket_addr_scope_id(const struct usocket_addr *addr);

// Copies the numeric text of an IP address, without port and zone: "127.0.0.1", "fe80::1".
// 46 bytes of room (INET6_ADDRSTRLEN) are always enough.
//
// Returns: the length of the text without its NUL; with (NULL, 0) only that.
// Errors: -EAFNOSUPPORT for another family, -ENOSPC when it does not fit, -EFAULT, -EINVAL.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_addr_host(const struct usocket_addr *addr, char *buf, size_t len);

// Copies the path or abstract name of a Unix address: bytes, without a NUL behind a path.
// 108 bytes of room are always enough.
//
// Returns: how many bytes, 0 for the unnamed address; with (NULL, 0) only that.
// Errors: -EAFNOSUPPORT for another family, -ENOSPC when they do not fit, -EFAULT, -EINVAL.
// Blocks: no.
// Threads: any.
// Ownership: the bytes are copied.
int32_t usocket_addr_path(const struct usocket_addr *addr, void *buf, size_t len);

// Copies an address as a person reads it: "127.0.0.1:80", "[::1]:80", "/run/x", "@abstract".
// 160 bytes of room are always enough for these.
//
// Returns: the length of the text without its NUL; with (NULL, 0) only that.
// Errors: -ENOSPC when it does not fit, -EFAULT, -EINVAL.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_addr_text(const struct usocket_addr *addr, char *buf, size_t len);

// Numeric text to the bytes of an address (inet_pton(3)): 4 for AF_INET, 16 for AF_INET6.
//
// Returns: how many bytes were written.
// Errors: -EINVAL for text that is no address of the family, -EAFNOSUPPORT for another family,
// -ENOSPC when `len` is less than the family needs, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `host` is only read; the bytes are copied.
int32_t usocket_inet_pton(int32_t family, const char *host, void *buf, size_t len);

// The bytes of an address to numeric text (inet_ntop(3)). `n` is exactly 4 for AF_INET and 16
// for AF_INET6. 46 bytes of room (INET6_ADDRSTRLEN) are always enough.
//
// Returns: the length of the text without its NUL; with (NULL, 0) only that.
// Errors: -EINVAL when `n` is not the family's, -EAFNOSUPPORT for another family, -ENOSPC when
// it does not fit, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `bin` is only read; the text is copied.
int32_t usocket_inet_ntop(int32_t family, const void *bin, size_t n, char *buf, size_t len);

// Makes a socket (socket(2)): in blocking mode, close-on-exec.
//
// `family` is AF_INET, AF_INET6 or AF_UNIX (any the system has), `type` SOCK_STREAM, SOCK_DGRAM
// or SOCK_RAW (any the system has, without flags). `proto` 0 takes the one that belongs to the
// type: TCP or UDP. USOCKET_IPPROTO_SEC makes a TCP socket for TLS.
//
// Returns: a handle.
// Errors: -EAFNOSUPPORT, -EPROTONOSUPPORT, -EPROTOTYPE, -ESOCKTNOSUPPORT, -EINVAL, -EMFILE,
// -ENFILE, -EPERM (SOCK_RAW), as socket(2).
// Blocks: no.
// Threads: any.
// Ownership: the handle is the caller's, to be given to usocket_close.
usocket_t usocket_socket(int32_t family, int32_t type, int32_t proto);

// Makes two connected sockets (socketpair(2)): AF_UNIX on Linux.
//
// Returns: 0, and the two handles in `out`.
// Errors: as usocket_socket; -EOPNOTSUPP for a family without pairs; -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: both handles are the caller's.
int32_t usocket_socketpair(int32_t family, int32_t type, int32_t proto, usocket_t *out);

// Makes a socket of an open descriptor, which becomes the library's and close-on-exec. Family,
// type and protocol are asked of the system; O_NONBLOCK means non-blocking mode.
//
// Returns: a handle.
// Errors: -EBADF, -ENOTSOCK: the descriptor then stays the caller's, untouched.
// Blocks: no.
// Threads: any.
// Ownership: on success the descriptor is the handle's and closed with it.
usocket_t usocket_from_fd(int32_t fd);

// Gives up the descriptor without closing it; the handle is stale afterwards.
//
// Returns: the descriptor.
// Errors: -EBADF; -EBUSY while another thread is inside an operation on it; -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: the descriptor is the caller's, to be given to close(2).
int32_t usocket_detach(usocket_t s);

// Makes a second handle for the same open socket (dup(2)), in the same mode. Closing one leaves
// the other open.
//
// Returns: a handle.
// Errors: -EBADF, -EMFILE, -ENFILE.
// Blocks: no.
// Threads: any.
// Ownership: the new handle is the caller's.
usocket_t usocket_dup(usocket_t s);

// The descriptor behind a handle, for select, poll and the like. It is O_NONBLOCK unless the
// socket is in blocking mode.
//
// Returns: the descriptor, 0 or more.
// Errors: -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: stays the library's: do not close it.
int32_t usocket_fileno(usocket_t s);

// Closes a handle, of any kind, for ever.
//
// Operations that other threads are blocked in end with -EBADF, and the descriptor is closed when
// the last of them has left. To end them the connection is shut down, which a dup'd or forked
// sibling of the descriptor notices; with nobody inside, a sibling notices nothing.
//
// Returns: 0.
// Errors: -EBADF when it is closed already or never was.
// Blocks: no (SO_LINGER aside).
// Threads: any.
// Ownership: the handle is given up.
int32_t usocket_close(usocket_t s);

// Binds a socket to an address (bind(2)).
//
// Returns: 0.
// Errors: -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EINVAL (bound already, bad address), -EBADF,
// -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_bind(usocket_t s, const struct usocket_addr *addr);

// Lets a socket accept connections (listen(2)). A negative `backlog` counts as 0;
// USOCKET_BACKLOG_DEFAULT is for callers without a wish.
//
// Returns: 0.
// Errors: -EADDRINUSE, -EOPNOTSUPP (not a stream), -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_listen(usocket_t s, int32_t backlog);

// Accepts a connection (accept(2)). The new socket is in blocking mode, close-on-exec, and of
// the listener's family, type and protocol. `peer`, unless NULL, receives the other end's address.
//
// Returns: a handle.
// Errors: -EAGAIN (non-blocking), -ETIMEDOUT (timeout), -EINTR (event hook), -EINVAL (not
// listening), -ECONNABORTED, -EMFILE, -ENFILE, -EBADF (also: closed meanwhile), -ENOTSOCK.
// Blocks: as the listener's mode has it.
// Threads: any; many may accept on one listener.
// Ownership: the new handle is the caller's.
usocket_t usocket_accept(usocket_t s, struct usocket_addr *peer);

// Connects a socket (connect(2)); a datagram socket gets its default peer.
//
// A timeout leaves the attempt going on in the kernel: a second call waits for it again.
//
// Returns: 0.
// Errors: -EINPROGRESS (non-blocking: poll for POLLOUT, then SO_ERROR tells), -EALREADY
// (non-blocking and in progress), -EISCONN, -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH,
// -ENETUNREACH, -EAGAIN (Unix, non-blocking, backlog full), -ENOENT (Unix), -EINTR (event hook),
// -EINVAL (bad address), -EBADF (also: closed meanwhile), -ENOTSOCK, -EFAULT.
// Blocks: as the socket's mode has it.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_connect(usocket_t s, const struct usocket_addr *addr);

// Shuts down one or both halves of a connection (shutdown(2)). `how` is SHUT_RD, SHUT_WR or
// SHUT_RDWR.
//
// Returns: 0.
// Errors: -ENOTCONN, -EINVAL for another `how`, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_shutdown(usocket_t s, int32_t how);

// Sends from `buf`, perhaps less than `len` bytes (send(2)). `flags` are MSG_ flags;
// MSG_NOSIGNAL is always added, MSG_DONTWAIT makes this call non-blocking.
//
// Returns: how many bytes were sent.
// Errors: -EAGAIN (non-blocking), -ETIMEDOUT (timeout), -EPIPE, -ECONNRESET, -ENOTCONN,
// -EDESTADDRREQ, -EMSGSIZE, -EINTR (event hook), -EBADF (also: closed meanwhile), -ENOTSOCK,
// -EFAULT, -EINVAL, USOCKET_ETLS_NOT_WRAPPED.
// Blocks: as the socket's mode has it.
// Threads: any; one may send while another receives.
// Ownership: `buf` is only read.
int64_t usocket_send(usocket_t s, const void *buf, size_t len, int32_t flags);

// Sends all of `buf`: one deadline for the whole, however many pieces it takes.
//
// Returns: 0.
// Errors: as usocket_send; how much was sent is then not known (usocket_write knows).
// Blocks: as the socket's mode has it.
// Threads: any; of two at once the bytes may interleave.
// Ownership: `buf` is only read.
int32_t usocket_sendall(usocket_t s, const void *buf, size_t len, int32_t flags);

// Sends to an address (sendto(2)), usually one datagram.
//
// Returns: how many bytes were sent.
// Errors: as usocket_send; -EISCONN on a connected stream.
// Blocks: as the socket's mode has it.
// Threads: any.
// Ownership: `buf` and `to` are only read.
int64_t usocket_sendto(usocket_t s,
                       const void *buf,
                       size_t len,
                       int32_t flags,
                       const struct usocket_addr *to);

// Receives at most `len` bytes into `buf` (recv(2)). `flags` are MSG_ flags; MSG_DONTWAIT makes
// this call non-blocking.
//
// Returns: how many bytes were received; 0 at the end of a stream.
// Errors: -EAGAIN (non-blocking), -ETIMEDOUT (timeout), -ECONNRESET, -ENOTCONN, -EINTR (event
// hook), -EBADF (also: closed meanwhile), -ENOTSOCK, -EFAULT, -EINVAL, USOCKET_ETLS_NOT_WRAPPED.
// Blocks: as the socket's mode has it.
// Threads: any; one may receive while another sends.
// Ownership: `buf` is the caller's.
int64_t usocket_recv(usocket_t s, void *buf, size_t len, int32_t flags);

// Receives like usocket_recv and says from whom (recvfrom(2)): `from`, unless NULL, receives the
// sender's address (an empty one where there is none, as on a stream).
//
// Returns: how many bytes were received.
// Errors: as usocket_recv.
// Blocks: as the socket's mode has it.
// Threads: any.
// Ownership: `buf` and `from` are the caller's.
int64_t usocket_recvfrom(usocket_t s,
                         void *buf,
                         size_t len,
                         int32_t flags,
                         struct usocket_addr *from);

// The address a socket is bound to (getsockname(2)).
//
// Returns: 0.
// Errors: -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `out` is the caller's.
int32_t usocket_getsockname(usocket_t s, struct usocket_addr *out);

// The address of the other end (getpeername(2)).
//
// Returns: 0.
// Errors: -ENOTCONN, -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `out` is the caller's.
int32_t usocket_getpeername(usocket_t s, struct usocket_addr *out);

// Sets the mode by a timeout in microseconds: negative is blocking, 0 non-blocking, more is how
// long each later operation may take as a whole before it fails with -ETIMEDOUT.
//
// Returns: 0.
// Errors: -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any; an operation under way keeps the mode it began with.
// Ownership: nothing changes hands.
int32_t usocket_settimeout(usocket_t s, int64_t timeout_us);

// The timeout last set, in microseconds: -1 in blocking mode, 0 in non-blocking mode.
//
// Returns: 0, and the timeout in `timeout_us`.
// Errors: -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `timeout_us` is the caller's.
int32_t usocket_gettimeout(usocket_t s, int64_t *timeout_us);

// Blocking mode when `flag` is not 0 (a timeout is forgotten), non-blocking mode when it is.
//
// Returns: 0.
// Errors: -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: as usocket_settimeout.
// Ownership: nothing changes hands.
int32_t usocket_setblocking(usocket_t s, int32_t flag);

// The address family the socket was made with.
//
// Returns: AF_INET, AF_INET6, AF_UNIX, ...
// Errors: -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_family(usocket_t s);

// The type the socket was made with.
//
// Returns: SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, ...
// Errors: -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_type(usocket_t s);

// The protocol of the socket: the one it was made with, or the one that 0 stood for.
//
// Returns: IPPROTO_TCP, IPPROTO_UDP, USOCKET_IPPROTO_SEC, ...; 0 for Unix sockets.
// Errors: -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_proto(usocket_t s);

// Sets an option to `len` bytes (setsockopt(2)).
//
// SO_RCVTIMEO and SO_SNDTIMEO do not end an operation of the library: usocket_settimeout does.
//
// Returns: 0.
// Errors: -ENOPROTOOPT, -EINVAL, -EDOM, -EPERM, -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `value` is only read.
int32_t usocket_setsockopt(usocket_t s, int32_t level, int32_t name, const void *value, size_t len);

// Sets an option that is an integer (setsockopt(2)).
//
// Returns: 0.
// Errors: as usocket_setsockopt.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_setsockopt_int(usocket_t s, int32_t level, int32_t name, int32_t value);

// Reads an option into at most `len` bytes (getsockopt(2)).
//
// Returns: how many bytes were written.
// Errors: -ENOPROTOOPT, -EINVAL, -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `value` is the caller's.
int64_t usocket_getsockopt(usocket_t s, int32_t level, int32_t name, void *value, size_t len);

// Reads an option that is an integer (getsockopt(2)).
//
// Returns: 0, and the integer in `value`.
// Errors: as usocket_getsockopt.
// Blocks: no.
// Threads: any.
// Ownership: `value` is the caller's.
int32_t usocket_getsockopt_int(usocket_t s, int32_t level, int32_t name, int32_t *value);

// Reads `len` bytes into `buf`: MicroPython's read(n) and readinto. It goes on until it has them
// all ("no short reads"); readall is this function with more room each time until it gives less.
//
// Less than `len` comes back at the end of the stream, from a non-blocking socket (what is there),
// or when an error or a timeout ended it with part of the bytes here: those are returned, and the
// next call on the receiving side reports the error. No received byte is ever lost.
//
// Returns: how many bytes were read; 0 at the end of the stream.
// Errors: as usocket_recv, when not one byte had come.
// Blocks: as the socket's mode has it, with one deadline for the whole.
// Threads: any; of two reading at once each gets some of the bytes.
// Ownership: `buf` is the caller's.
int64_t usocket_read(usocket_t s, void *buf, size_t len);

// Reads a line with its newline into `buf`, at most `len` bytes.
//
// No byte behind the newline is taken out of the kernel, so polling the descriptor stays
// truthful. A line without newline comes back when `buf` is full, and in the cases where
// usocket_read gives less than asked.
//
// Returns: how many bytes were read; 0 at the end of the stream.
// Errors: as usocket_read; -EOPNOTSUPP on a socket that is not a stream.
// Blocks: as the socket's mode has it, with one deadline for the whole.
// Threads: one at a time: two reading lines at once split them.
// Ownership: `buf` is the caller's.
int64_t usocket_readline(usocket_t s, void *buf, size_t len);

// Writes all of `buf` ("no short writes").
//
// Less than `len` comes back from a non-blocking socket (what fitted), or when an error or a
// timeout ended it with part of the bytes sent: the next call on the sending side reports the
// error.
//
// Returns: how many bytes were written.
// Errors: as usocket_send, when not one byte was written.
// Blocks: as the socket's mode has it, with one deadline for the whole.
// Threads: any; of two writing at once the bytes may interleave.
// Ownership: `buf` is only read.
int64_t usocket_write(usocket_t s, const void *buf, size_t len);

// Asks the resolver for the addresses of a host and service (getaddrinfo(3)).
//
// `host` is a name or numeric text, NULL or "" the local host (with AI_PASSIVE: any address).
// `service` is a service name or a decimal port, NULL or "" none (port 0). `family`, `type` and
// `proto` filter the answers, 0 is any. `flags` are AI_ flags. `timeout_us` is how long it may
// take in microseconds; negative is as long as the C library's resolver does.
//
// Returns: 0, and a list of at least one answer in `out`.
// Errors: the resolver's own range, USOCKET_EAI_ (usocket_gai_code has the platform's number);
// an errno where the resolver reports one; -ETIMEDOUT; -EINTR (event hook); -EFAULT.
// Blocks: up to the timeout.
// Threads: any.
// Ownership: the list is the caller's, to be given to usocket_freeaddrinfo.
int32_t usocket_getaddrinfo(const char *host,
                            const char *service,
                            int32_t family,
                            int32_t type,
                            int32_t proto,
                            int32_t flags,
                            int64_t timeout_us,
                            struct usocket_addrinfo **out);

// Frees a list of usocket_getaddrinfo, by its first answer. NULL is allowed.
//
// Returns: 0.
// Errors: -EINVAL for a pointer that is no such list, or one freed before: nothing happens.
// Blocks: no.
// Threads: any.
// Ownership: the list and all it points to are gone.
int32_t usocket_freeaddrinfo(struct usocket_addrinfo *list);

// Starts a query of the resolver and returns at once; the arguments are usocket_getaddrinfo's.
//
// The handle can be polled like a socket: POLLIN means the answer is there, for
// usocket_resolve_result. usocket_close cancels it. Queries run on at most four threads of the
// library's, started with the first of them.
//
// Returns: a handle.
// Errors: USOCKET_EAI_SERVICE for a port out of range, -EMFILE, -ENFILE, -EAGAIN (no thread).
// Blocks: no.
// Threads: any.
// Ownership: the handle is the caller's, to be given to usocket_close.
usocket_t usocket_resolve_start(const char *host,
                                const char *service,
                                int32_t family,
                                int32_t type,
                                int32_t proto,
                                int32_t flags);

// The answer to a query of usocket_resolve_start, waited for up to `timeout_us` microseconds
// (negative: as long as it takes; 0: not at all). It can be taken more than once.
//
// Returns: 0, and a list of at least one answer in `out`.
// Errors: those of usocket_getaddrinfo; -EAGAIN with a timeout of 0 while the answer is not
// there; -EBADF (also: closed meanwhile); -EINVAL for a handle of another kind.
// Blocks: up to the timeout.
// Threads: any.
// Ownership: the list is the caller's, to be given to usocket_freeaddrinfo.
int32_t usocket_resolve_result(usocket_t query, int64_t timeout_us, struct usocket_addrinfo **out);

// Connects to `service` (a name or decimal port) on `host` (a name or numeric text): all its
// addresses, IPv6 and IPv4 taking turns, a new attempt every 250 ms or as soon as one fails; the
// first to connect wins (RFC 8305, "Happy Eyeballs").
//
// `timeout_us` microseconds cover the names and the connecting, and become the socket's timeout;
// negative is none. `source`, unless NULL, is the local address to connect from.
//
// Returns: a handle.
// Errors: those of usocket_getaddrinfo, -ETIMEDOUT, -EINTR (event hook); otherwise the error of
// the most telling attempt: that the host refused before that the way there failed, before that
// there is none. -EINVAL for a timeout of 0 or a bad `source`, -EFAULT for a NULL `service`.
// Blocks: up to the timeout.
// Threads: any.
// Ownership: the handle is the caller's; the texts and `source` are only read.
usocket_t usocket_create_connection(const char *host,
                                    const char *service,
                                    int64_t timeout_us,
                                    const struct usocket_addr *source);

// Makes a socket that listens on an IP or Unix address, as CPython's socket.create_server does:
// SO_REUSEADDR on IP, IPv6 only unless asked otherwise. `backlog` is usocket_listen's; `flags`
// are USOCKET_REUSE_PORT and USOCKET_DUAL_STACK, or 0.
//
// Returns: a handle.
// Errors: -EINVAL for an unknown flag, a bad address, or USOCKET_DUAL_STACK on an address that
// is not IPv6; those of usocket_socket, usocket_bind, usocket_listen; -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: the handle is the caller's.
usocket_t usocket_create_server(const struct usocket_addr *addr, int32_t backlog, int32_t flags);

// Waits until at least one of `n` entries has one of its events, or for `timeout_us`
// microseconds (negative: for ever, 0: not at all). This is for small sets: every call goes
// through all entries.
//
// A handle that is stale, or is closed while it is waited for, reports POLLNVAL.
//
// Returns: how many entries have events in `revents`; 0 when the time is over.
// Errors: -EINTR (event hook), -EINVAL (more entries than the process may open descriptors),
// -ENOMEM, -EFAULT.
// Blocks: up to the timeout.
// Threads: any; a set belongs to one call.
// Ownership: `fds` is the caller's; only `revents` is written.
int32_t usocket_poll(struct usocket_pollfd *fds, size_t n, int64_t timeout_us);

// Makes a poller.
//
// A poller is a handle: it can be polled and put into other pollers, and usocket_close closes it.
//
// Returns: a handle.
// Errors: -EMFILE, -ENFILE, -ENOMEM.
// Blocks: no.
// Threads: any.
// Ownership: the handle is the caller's, to be given to usocket_close.
usocket_t usocket_poller_create(void);

// Registers the handle `s` with a poller, or, when `s` is 0, the descriptor `fd`, which is none
// of the library's. `events` is POLLIN, POLLOUT, POLLPRI, POLLRDHUP; POLLERR and POLLHUP come
// unasked (a mask of POLLERR asks for nothing else). It is level-triggered unless USOCKET_ONESHOT
// or USOCKET_EDGE is added. `data` comes back with every event.
//
// Closing a registered handle takes it out; the poller reports POLLNVAL for it, once. A
// descriptor must be taken out before it is closed.
//
// Returns: 0.
// Errors: -EEXIST when it is registered already; -EBADF for a stale handle or a descriptor that
// is not open; -EINVAL for a mask without an event or with an unknown bit, for the poller itself,
// or a `poller` that is none; -EPERM for a handle that cannot be polled; -ELOOP for pollers in a
// ring; -ENOSPC, -ENOMEM.
// Blocks: no.
// Threads: any; also while others wait.
// Ownership: the poller does not keep `s` open.
int32_t usocket_poller_add(usocket_t poller,
                           usocket_t s,
                           int32_t fd,
                           uint32_t events,
                           uint64_t data);

// Changes what a registration asks for and its `data`; one that USOCKET_ONESHOT has silenced
// reports again.
//
// Returns: 0.
// Errors: -ENOENT when it is not registered, and those of usocket_poller_add.
// Blocks: no.
// Threads: any; also while others wait.
// Ownership: nothing changes hands.
int32_t usocket_poller_modify(usocket_t poller,
                              usocket_t s,
                              int32_t fd,
                              uint32_t events,
                              uint64_t data);

// Takes a registration out.
//
// Returns: 0.
// Errors: -ENOENT when it is not registered, -EBADF for a stale handle (which takes itself out),
// -EINVAL for a `poller` that is none.
// Blocks: no.
// Threads: any; also while others wait.
// Ownership: nothing changes hands.
int32_t usocket_poller_remove(usocket_t poller, usocket_t s, int32_t fd);

// Waits until a registration has one of its events, or for `timeout_us` microseconds (negative:
// for ever, 0: not at all). At most `n` events are written; what does not fit comes with the next
// wait. The cost grows with what is ready, not with what is registered.
//
// Returns: how many events were written; 0 when the time is over or usocket_poller_wake was
// called.
// Errors: -EBADF (also: closed meanwhile), -EINTR (event hook), -EINVAL for a `poller` that is
// none or an `n` of 0, -EFAULT.
// Blocks: up to the timeout.
// Threads: any; several may wait at once.
// Ownership: `events` is the caller's.
int32_t usocket_poller_wait(usocket_t poller,
                            struct usocket_event *events,
                            size_t n,
                            int64_t timeout_us);

// Makes one usocket_poller_wait, the one that is waiting or else the next, return 0 at once.
//
// Returns: 0.
// Errors: -EBADF, -EINVAL for a `poller` that is none.
// Blocks: no.
// Threads: any: that is what it is for.
// Ownership: nothing changes hands.
int32_t usocket_poller_wake(usocket_t poller);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* USOCKET_H */
