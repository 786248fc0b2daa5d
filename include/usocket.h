/* usocket.h - sockets for any language runtime: MicroPython's usocket behind a C ABI.
 *
 * Generated from src/ffi by `make header`; do not edit.
 *
 * Sockets and the library's other objects are handles: numbers, not pointers. Every function
 * returns 0 or more on success and a negative number on failure. That number is the whole error:
 *
 *      -1 ...  -4095   -errno, as in <errno.h>
 *  -10000 - n          TLS, USOCKET_ETLS_...
 *  -20000 - n          the resolver, USOCKET_EAI_...
 *
 * usocket_strerror names any of them.
 *
 * Outputs are written only on success. (NULL, 0) is a legal empty buffer; NULL with a length is
 * -EFAULT; a length above SSIZE_MAX is -EINVAL. Text is UTF-8, NUL-terminated. Times are
 * microseconds; a negative time means no limit. Constants (AF_, SOCK_, SO_, MSG_, POLL, ...) are the
 * system's own.
 *
 * For event loops and runtimes:
 *
 *   many sockets in one wait      usocket_poller_create, _add, _wait; _add_fd for other descriptors
 *   one listener, many threads    USOCKET_POLLER_EXCLUSIVE, or USOCKET_SERVER_REUSE_PORT
 *   timers                        usocket_poller_arm_timer, _cancel_timer
 *   inside libuv, GLib, an epoll  usocket_fileno of the poller, then usocket_poller_wait(..., 0)
 *   connecting, names             usocket_connection_create, usocket_query_create: pollable, closable
 *   connections, non-blocking     usocket_accept4(s, SOCK_NONBLOCK, ...)
 *   one deadline for a request    usocket_set_deadline(s, usocket_now() + ...)
 *   end another thread's call     usocket_cancel; usocket_close; usocket_poller_wake
 *   head and body in one call     usocket_sendmsg, also with TLS; a file: usocket_sendfile
 *   TLS over bytes of your own    usocket_tls_create, _feed, _drain
 *   why it failed                 usocket_error_detail, usocket_error_category, usocket_set_log_hook
 *   unload the library            usocket_finish
 *
 * Threads: every function may be called from any thread at any time, also on the same handle. A
 * closed handle gives -EBADF for ever. Closing a handle ends the calls of other threads on it. Do not
 * cancel a thread (pthread_cancel) inside a call: close the handle instead.
 * Signals: no operation raises SIGPIPE; see usocket_set_event_hook for EINTR. No function of the
 * library may be called from a signal handler.
 * Fork: a child may call every function, whatever the parent's threads were doing. A handle is valid
 * in both processes, as a descriptor is. They share the connection, and closing the handle in one
 * leaves it open in the other; but if another thread of the closing process is in a call on it, the
 * connection is shut down for both. From the fork on each process has pollers of its own. fork()
 * waits for calls that are about to return, never for a blocked one. A thread that forks in its event
 * hook or in a callback continues its call in the child. A child that closes every
 * descriptor it finds (a daemon) and opens others can go on: close the handles from before the fork,
 * which does not touch a file or pipe that has one of their numbers now. Without a fork, call
 * usocket_finish before. _Fork() and clone() run no fork handlers:
 * after them the child may call the library only if the process had no other threads.
 */

#ifndef USOCKET_H
#define USOCKET_H

#include <stddef.h>
#include <stdint.h>

// The socket is not wrapped in TLS yet: it was created with IPPROTO_SEC, or the call needs TLS.
#define USOCKET_ETLS_NOT_WRAPPED -10001

// The connection was closed without the peer's close_notify: the data may be incomplete.
#define USOCKET_ETLS_TRUNCATED -10002

// The connection was closed during the handshake.
#define USOCKET_ETLS_HANDSHAKE_EOF -10003

// The peer does not speak TLS.
#define USOCKET_ETLS_NOT_TLS -10004

// The peer violated the TLS protocol.
#define USOCKET_ETLS_PROTOCOL -10005

// A record could not be decrypted: damaged, or forged.
#define USOCKET_ETLS_DECRYPT -10006

// The peer sent an oversized record.
#define USOCKET_ETLS_RECORD_OVERFLOW -10007

// TLS failed for another reason; usocket_error_detail has the sentence.
#define USOCKET_ETLS_OTHER -10008

// The session has reached the limit of its keys.
#define USOCKET_ETLS_EXHAUSTED -10009

// The system provided no random bytes or no time.
#define USOCKET_ETLS_SYSTEM -10010

// The peer sent too many records without data.
#define USOCKET_ETLS_FLOOD -10011

// Another process has used this connection since a fork.
#define USOCKET_ETLS_FORKED -10012

// The peer's certificate has expired (by the clock that usocket_error_detail names).
#define USOCKET_ETLS_CERT_EXPIRED -10020

// The peer's certificate is not yet valid (by the clock that usocket_error_detail names).
#define USOCKET_ETLS_CERT_NOT_YET_VALID -10021

// The issuer of the peer's certificate is not trusted.
#define USOCKET_ETLS_CERT_UNKNOWN_ISSUER -10022

// The peer's certificate is not valid for the name to check.
#define USOCKET_ETLS_CERT_WRONG_NAME -10023

// The peer's certificate has been revoked.
#define USOCKET_ETLS_CERT_REVOKED -10024

// The peer's certificate is malformed.
#define USOCKET_ETLS_CERT_BAD_ENCODING -10025

// A signature does not verify: that of a certificate, or that of the handshake.
#define USOCKET_ETLS_CERT_BAD_SIGNATURE -10026

// The peer's certificate uses an unsupported algorithm, version or extension.
#define USOCKET_ETLS_CERT_UNSUPPORTED -10027

// The peer's certificate is not valid for this purpose (extended key usage).
#define USOCKET_ETLS_CERT_WRONG_PURPOSE -10028

// The peer's own certificate is a CA certificate and is not trusted itself.
#define USOCKET_ETLS_CERT_IS_CA -10029

// No revocation list covers the peer's certificate.
#define USOCKET_ETLS_CRL_MISSING -10030

// The revocation list is out of date.
#define USOCKET_ETLS_CRL_EXPIRED -10031

// A revocation list is invalid.
#define USOCKET_ETLS_CRL_INVALID -10032

// The key of the peer's certificate matches none of the pinned keys.
#define USOCKET_ETLS_CERT_NOT_PINNED -10033

// The verify callback rejected the peer's certificate.
#define USOCKET_ETLS_CERT_REFUSED -10034

// The peer presented no certificate, but one is required.
#define USOCKET_ETLS_CERT_REQUIRED -10035

// The chain violates one of its own constraints (names, length), or is too complex to check.
#define USOCKET_ETLS_CERT_CONSTRAINT -10036

// The certificate status stapled to the handshake (OCSP) is invalid, or is missing where one is required.
#define USOCKET_ETLS_CERT_BAD_STAPLE -10037

// A key or signature of the peer's certificates is too weak: RSA below 2048 bits, SHA-1, MD5.
#define USOCKET_ETLS_CERT_WEAK -10038

// No TLS version in common.
#define USOCKET_ETLS_NO_COMMON_VERSION -10050

// No cipher suite in common.
#define USOCKET_ETLS_NO_COMMON_SUITE -10051

// No key exchange group in common.
#define USOCKET_ETLS_NO_COMMON_GROUP -10052

// No application protocol (ALPN) in common.
#define USOCKET_ETLS_NO_COMMON_ALPN -10053

// No signature algorithm in common: no certificate suits the peer.
#define USOCKET_ETLS_NO_COMMON_SIGNATURE -10054

// The peer lacks a required TLS feature.
#define USOCKET_ETLS_PEER_INCOMPATIBLE -10055

// The name callback has no certificate for the server name the client requested.
#define USOCKET_ETLS_NAME_REFUSED -10056

// No PEM item of the required kind was found.
#define USOCKET_ETLS_PEM_EMPTY -10070

// The PEM text is malformed: invalid base64, or no END line.
#define USOCKET_ETLS_PEM_BAD -10071

// A certificate given to the context is invalid.
#define USOCKET_ETLS_CERT_INVALID -10072

// A private key given to the context is unusable.
#define USOCKET_ETLS_KEY_INVALID -10073

// The private key is encrypted: no password was set, or its encryption is not supported.
#define USOCKET_ETLS_KEY_ENCRYPTED -10074

// The private key does not match the certificate.
#define USOCKET_ETLS_KEY_MISMATCH -10075

// There are no trusted certificates to verify the peer against.
#define USOCKET_ETLS_NO_TRUST -10076

// A server needs a certificate, but none was added.
#define USOCKET_ETLS_NO_CERT -10077

// The server name is neither a host name nor an IP address.
#define USOCKET_ETLS_BAD_NAME -10078

// Checking the host name requires a server name, and none was given.
#define USOCKET_ETLS_NAME_REQUIRED -10079

// A cipher suite or group name is unknown, or none is left.
#define USOCKET_ETLS_NO_SUCH_SUITE -10080

// No TLS version of the requested range is available.
#define USOCKET_ETLS_NO_SUCH_VERSION -10081

// The processor lacks instructions that this build's cryptography needs.
#define USOCKET_ETLS_CPU -10083

// Wrong password for the encrypted private key.
#define USOCKET_ETLS_KEY_PASSWORD -10084

// Alert n from the peer is USOCKET_ETLS_ALERT - n; for example -10548 is alert 48, unknown_ca.
#define USOCKET_ETLS_ALERT -10500

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

// The protocol of a TCP socket that must be wrapped in TLS before it carries data (WiPy's
// IPPROTO_SEC). Until then sending and receiving fail with USOCKET_ETLS_NOT_WRAPPED. The system
// has no such protocol: its numbers end at 65535.
#define USOCKET_IPPROTO_SEC 65536

// A default backlog for usocket_listen, the same as CPython's.
#define USOCKET_BACKLOG_DEFAULT 128

// For usocket_create_server: several sockets may share the port (SO_REUSEPORT).
#define USOCKET_SERVER_REUSE_PORT 1

// For usocket_create_server: an IPv6 socket that takes IPv4 connections as well.
#define USOCKET_SERVER_DUAL_STACK 2

// In an event mask: report once, then not again until usocket_poller_modify.
#define USOCKET_POLLER_ONESHOT 1073741824

// In an event mask: edge-triggered (EPOLLET).
#define USOCKET_POLLER_EDGE 2147483648

// In an event mask: an event wakes one or more of the pollers with this socket, not all
// (EPOLLEXCLUSIVE).
#define USOCKET_POLLER_EXCLUSIVE 268435456

// In a reported event: a timer of usocket_poller_arm_timer has expired.
#define USOCKET_POLLER_TIMER 536870912

// A context for connections to servers.
#define USOCKET_TLS_CLIENT 1

// A context for connections from clients.
#define USOCKET_TLS_SERVER 2

// TLS 1.2
#define USOCKET_TLS_1_2 771

// TLS 1.3
#define USOCKET_TLS_1_3 772

// The peer is not verified: anybody can be in the middle. A server asks for no client certificate.
// Pins and the verify callback, if set, still decide, and a server with either requires a
// certificate.
#define USOCKET_TLS_VERIFY_NONE_INSECURE 0

// A server asks for a client certificate and verifies it if there is one. On a client the same as
// USOCKET_TLS_VERIFY_REQUIRED.
#define USOCKET_TLS_VERIFY_OPTIONAL 1

// The peer must present a certificate that verifies.
#define USOCKET_TLS_VERIFY_REQUIRED 2

// Any name in the server's certificate is accepted: anybody with a certificate can be in the
// middle.
#define USOCKET_TLS_HOSTNAME_INSECURE_ANY 0

// The server's certificate must be for the name given to usocket_tls_wrap.
#define USOCKET_TLS_HOSTNAME_CHECK 1

// Stapled certificate status (OCSP): if the server sends one, it must verify.
#define USOCKET_TLS_OCSP_IF_STAPLED 0

// Stapled certificate status: the server must send one, and it must verify.
#define USOCKET_TLS_OCSP_REQUIRED 1

// Stapled certificate status: ignored.
#define USOCKET_TLS_OCSP_INSECURE_IGNORE 2

// Revocation lists: only the peer's own certificate is looked up, not its issuers.
#define USOCKET_TLS_CRL_LEAF_ONLY 1

// Revocation lists: a certificate whose issuer has no list passes.
#define USOCKET_TLS_CRL_INSECURE_ALLOW_UNKNOWN 2

// Revocation lists: a list past its next update is still used.
#define USOCKET_TLS_CRL_INSECURE_ALLOW_EXPIRED 4

// usocket_tls_cert_text: the subject, such as "C=US,O=Example,CN=www".
#define USOCKET_TLS_CERT_SUBJECT 1

// usocket_tls_cert_text: the issuer, in the same form.
#define USOCKET_TLS_CERT_ISSUER 2

// usocket_tls_cert_text: the subject alternative names, such as
// "DNS:example.com,DNS:*.example.com,IP:192.0.2.1".
#define USOCKET_TLS_CERT_ALT_NAMES 3

// usocket_tls_cert_text: the serial number, hexadecimal.
#define USOCKET_TLS_CERT_SERIAL 4

// usocket_tls_cert_text: SHA-256 of the whole certificate, hexadecimal.
#define USOCKET_TLS_CERT_FINGERPRINT 5

// usocket_tls_cert_text: SHA-256 of the key, hexadecimal (a pin of usocket_tls_context_add_pin).
#define USOCKET_TLS_CERT_PIN 6

// usocket_tls_cert_text: the kind of key, such as "RSA-2048" or "EC P-256".
#define USOCKET_TLS_CERT_KEY 7

// usocket_tls_cert_time: the start of validity (notBefore).
#define USOCKET_TLS_CERT_NOT_BEFORE 1

// usocket_tls_cert_time: the end of validity (notAfter).
#define USOCKET_TLS_CERT_NOT_AFTER 2

// usocket_tls_wrap: do the handshake at once, in the socket's mode.
#define USOCKET_TLS_HANDSHAKE 1

// usocket_tls_wrap: read at most one record at a time from the kernel.
#define USOCKET_TLS_NO_READ_AHEAD 2

// No error, or a number that the library never gives.
#define USOCKET_CATEGORY_NONE 0

// An error of the system, -errno.
#define USOCKET_CATEGORY_SYSTEM 1

// An error of the resolver.
#define USOCKET_CATEGORY_RESOLVER 2

// TLS itself failed: a protocol violation, a damaged record, a limit.
#define USOCKET_CATEGORY_TLS_CONNECTION 3

// The connection ended before TLS was closed: the data may be incomplete.
#define USOCKET_CATEGORY_TLS_END 4

// The peer's certificate was rejected, or it presented none and one is required.
#define USOCKET_CATEGORY_TLS_CERTIFICATE 5

// The two sides have no version, suite, group, protocol or signature algorithm in common.
#define USOCKET_CATEGORY_TLS_AGREEMENT 6

// The program supplied something unusable: a certificate, a key, a name, a setting.
#define USOCKET_CATEGORY_TLS_SETTING 7

// The peer ended the connection with an alert.
#define USOCKET_CATEGORY_TLS_ALERT 8

// A handle: a number that stands for a socket or another object of the library.
//
// Positive and below 2^53, so that it survives a double. Never reused: a closed handle gives
// -EBADF for ever, in any thread, and never reaches another's socket. 0 is never a handle.
typedef int64_t usocket_t;

// A socket address, passed by pointer and filled in by the library.
//
// `storage` begins with a `struct sockaddr` of `len` bytes: `(struct sockaddr *)&addr` and
// `addr.len` go into any system call. Otherwise treat it as opaque: usocket_getaddrinfo,
// usocket_addr_ip, usocket_addr_unix and usocket_addr_from_bytes make it, and the other
// usocket_addr_ functions read it.
typedef struct usocket_addr {
  // The `struct sockaddr`, aligned as a `struct sockaddr_storage` is. Bytes after the first
  // `len` have no meaning.
  uint64_t storage[16];
  // The length of the address in bytes.
  uint32_t len;
  // Zero.
  uint32_t reserved;
} usocket_addr;

// A piece of a message's data: laid out as `struct iovec`.
typedef struct usocket_iovec {
  // The data, or the buffer to receive into.
  void *base;
  // Its length in bytes.
  size_t len;
} usocket_iovec;

// A message of usocket_sendmsg and usocket_recvmsg, like `struct msghdr` of sendmsg(2).
typedef struct usocket_msg {
  // The destination; on receive the source is written here. NULL for none.
  struct usocket_addr *addr;
  // The pieces of its data, sent or filled in this order.
  const struct usocket_iovec *data;
  // The number of pieces.
  size_t count;
  // Ancillary data, in the form that the macros of cmsg(3) write and read.
  void *control;
  // Its length in bytes; on receive the size of the buffer, then the number of bytes received.
  size_t control_len;
  // Of a received message: MSG_TRUNC (the data did not fit), MSG_CTRUNC (the ancillary data did
  // not fit), MSG_EOR, MSG_OOB, MSG_ERRQUEUE. To send: 0.
  int32_t flags;
  // Zero.
  int32_t reserved;
} usocket_msg;

// A network interface, or one of its addresses.
typedef struct usocket_interface {
  // Its index, 1 or more, as in a scope id or for usocket_join_group.
  uint32_t index;
  // IFF_UP, IFF_LOOPBACK, IFF_MULTICAST, ... of <net/if.h>.
  uint32_t flags;
  // Its name.
  char name[16];
  // One of its IP addresses; of length 0 in the entry for the interface itself.
  struct usocket_addr addr;
  // The netmask of that address.
  struct usocket_addr netmask;
} usocket_interface;

// One result of usocket_getaddrinfo: the arguments for a socket that reaches the service.
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
  // With AI_CANONNAME, in the first result; NULL otherwise.
  const char *canonname;
  // The next result; NULL in the last.
  struct usocket_addrinfo *next;
} usocket_addrinfo;

// A handle of a name query: usocket_query_create.
typedef int64_t usocket_query_t;

// A handle of a connection under way: usocket_connection_create.
typedef int64_t usocket_connection_t;

// One entry of usocket_poll, as `struct pollfd` is of poll(2).
typedef struct usocket_pollfd {
  // The handle to poll; 0 to poll the descriptor `fd` instead.
  usocket_t socket;
  // With `socket` 0, a descriptor that the library does not own; a negative one is ignored.
  int32_t fd;
  // The events to wait for: POLLIN, POLLOUT, POLLPRI, ... POLLERR, POLLHUP and POLLNVAL are
  // always reported.
  int16_t events;
  // The events that occurred.
  int16_t revents;
} usocket_pollfd;

// A handle of a poller: usocket_poller_create.
typedef int64_t usocket_poller_t;

// One event of usocket_poller_wait.
typedef struct usocket_event {
  // The handle that was registered; 0 for a descriptor, and for a timer.
  usocket_t socket;
  // The `data` of the registration.
  uint64_t data;
  // The descriptor that was registered; -1 for a handle, and for a timer.
  int32_t fd;
  // POLLIN, POLLOUT, POLLERR, POLLHUP, ...; POLLNVAL where the registration asks for it;
  // USOCKET_POLLER_TIMER.
  uint32_t events;
} usocket_event;

// A handle of a TLS context: usocket_tls_context_create.
typedef int64_t usocket_tls_context_t;

// Chooses a server's certificates by name; see usocket_tls_context_set_name_callback.
typedef usocket_tls_context_t (*usocket_tls_name_cb)(void *arg, const char *name);

// Decides about each certificate after every other check; see
// usocket_tls_context_set_verify_callback.
typedef int32_t (*usocket_tls_verify_cb)(void *arg, const uint8_t *der, size_t len, int32_t depth);

// A handle of a TLS session to be resumed: usocket_tls_take_session.
typedef int64_t usocket_tls_session_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Returns the version of the library, such as "0.1.0".
//
// Returns: static text, never NULL.
// Errors: none.
// Blocks: no.
// Threads: any.
// Ownership: the library's; do not free.
const char *usocket_version(void);

// Returns the features of this build, as words separated by spaces: "poller=epoll tls=aws-lc-rs
// aws-lc-rs=1.19.0 rustls=0.23.46 tls-versions=1.2,1.3"; "tls=none" without TLS.
//
// Returns: static text, never NULL.
// Errors: none.
// Blocks: no.
// Threads: any.
// Ownership: the library's; do not free.
const char *usocket_features(void);

// Reads the clock of usocket_set_deadline, CLOCK_MONOTONIC.
//
// Returns: microseconds since some point in the past.
// Errors: none.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int64_t usocket_now(void);

// Returns the text for any code returned by the library.
//
// Returns: text, never NULL; "no error" for a code that is not negative.
// Errors: none.
// Blocks: no.
// Threads: any; each has a text of its own.
// Ownership: the library's; valid until the next usocket_strerror on the same thread.
const char *usocket_strerror(int64_t code);

// Returns the category of an error code from any function, for programs that decide by the kind of
// failure and not by its number.
//
// Returns: USOCKET_CATEGORY_...; USOCKET_CATEGORY_NONE if the code is no error of the library.
// Errors: none.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_error_category(int64_t code);

// Returns the platform's own number for a code of the resolver's range, as in Python's
// `e.args[0]`.
//
// Returns: the negative EAI_ number of <netdb.h>; 0 when the code is not of that range.
// Errors: none.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_gai_code(int64_t code);

// Copies the sentence that explains the last error in more detail than usocket_strerror: with a
// handle, the last error on that handle; with 0, the last failure on this thread, if that was of a
// call without a handle (addresses, names).
//
// `len` is the size of `buf` in bytes, including the NUL.
//
// Returns: the length of the sentence without its NUL, 0 when there is none. With (NULL, 0) only
// the length.
// Errors: -EBADF for a stale handle, -ENOSPC when it does not fit (nothing is written),
// -EFAULT, -EINVAL.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_error_detail(usocket_t s, char *buf, size_t len);

// Sets the hook that runs when a signal interrupts a waiting operation, one per process; NULL
// removes it. It is called on the interrupted thread with `arg`. If it returns 0, the operation
// goes on waiting for the remaining time; otherwise the operation fails with -EINTR. Without a
// hook every operation goes on.
//
// When this returns, the old hook is not running on any thread, and its `arg` can be freed. The
// caller must therefore not hold a lock that the old hook waits for (an interpreter's lock).
// Called from within a hook, this does not wait.
//
// The hook must return: no longjmp, no exception through it. It may call the library, and fork.
// Signal handlers interrupt operations in blocking mode only if they are installed without
// SA_RESTART (signal(7)).
//
// Returns: 0.
// Errors: none.
// Blocks: while another thread runs the old hook.
// Threads: any; the hook runs on the interrupted thread.
// Ownership: `arg` stays the caller's, until the hook is replaced or removed.
int32_t usocket_set_event_hook(int32_t (*hook)(void *arg), void *arg);

// Sets the hook that is called for every call that fails, one per process; NULL removes it. It is
// called on the thread of the call, before that returns, with `arg`, the handle (0 for a call
// without one), the code and the sentence of usocket_error_detail, or "". It is not called for
// -EAGAIN, -EINPROGRESS and -EALREADY, nor for failures of calls made by a hook or a callback.
//
// When this returns, the old hook is not running on any thread, unless this is called from within
// a hook. The hook must return: no longjmp, no exception through it.
//
// Returns: 0.
// Errors: none.
// Blocks: while another thread runs the old hook.
// Threads: any; the hook may run on several threads at once.
// Ownership: `arg` stays the caller's, until the hook is replaced or removed; the sentence is the
// library's, until the hook returns.
int32_t usocket_set_log_hook(void (*hook)(void *arg, usocket_t s, int32_t code, const char *sentence),
                             void *arg);

// Shuts the library down in this process: closes every handle, removes the hooks, ends the
// library's threads, waits for them up to `timeout_us` microseconds (negative: no limit), and
// frees its caches (the system's certificates). It is for plugins before they are unloaded and for
// tools that count memory; a program need not call it before it exits. The library can be used
// again afterwards.
//
// Calls in other threads end as with usocket_close. Lists of usocket_getaddrinfo stay the
// caller's. The handle table is kept (reachable), so that every earlier handle gives -EBADF for
// ever.
//
// Returns: 0: no thread of the library is running, and none will start until it is used again.
// Errors: -ETIMEDOUT when a thread is still running (the C library's resolver holds one until it
// returns; call again), -EDEADLK from within a hook or callback.
// Blocks: up to the timeout, and as usocket_close does.
// Threads: any.
// Ownership: all handles are closed.
int32_t usocket_finish(int64_t timeout_us);

// Makes an IP address from the parts of Python's tuples: numeric text, port, and for IPv6
// flowinfo and scope id (0 for IPv4).
//
// `family` is AF_INET, AF_INET6, or 0 for that of `host`. An empty `host` is the wildcard address.
// IPv6 text may name its zone ("fe80::1%eth0"). `port` is 0 to 65535, `flowinfo` 0 to 1048575,
// `scope_id` an interface index; the last two are 0 for IPv4.
//
// Returns: 0.
// Errors: -EINVAL for a host name (resolve it with usocket_getaddrinfo), a number out of its
// range, or text that is not an address of the family: usocket_error_detail(0, ...) says which;
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

// Copies the bytes of an address, a `struct sockaddr`, to `buf`.
//
// Returns: how many there are; with (NULL, 0) only that.
// Errors: -ENOSPC when they do not fit (nothing is written), -EFAULT, -EINVAL.
// Blocks: no.
// Threads: any.
// Ownership: the bytes are copied.
int32_t usocket_addr_bytes(const struct usocket_addr *addr, void *buf, size_t len);

// Returns the family of an address.
//
// Returns: AF_INET, AF_INET6, AF_UNIX, ...; AF_UNSPEC (0) for an empty address, as a Unix
// peer without a name can have.
// Errors: -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_addr_family(const struct usocket_addr *addr);

// Returns the port of an IP address.
//
// Returns: 0 to 65535.
// Errors: -EAFNOSUPPORT for another family, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_addr_port(const struct usocket_addr *addr);

// Returns the flow information of an IPv6 address (RFC 3493); 0 for IPv4.
//
// Returns: 0 to 4294967295, in host byte order.
// Errors: -EAFNOSUPPORT for another family, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int64_t usocket_addr_flowinfo(const struct usocket_addr *addr);

// Returns the scope id of an IPv6 address: an interface index, 0 for none; 0 for IPv4.
//
// Returns: 0 to 4294967295.
// Errors: -EAFNOSUPPORT for another family, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int64_t usocket_addr_scope_id(const struct usocket_addr *addr);

// Copies the numeric text of an IP address, without port and zone: "127.0.0.1", "fe80::1".
// A buffer of 46 bytes (INET6_ADDRSTRLEN) is always large enough.
//
// Returns: the length of the text without its NUL; with (NULL, 0) only that.
// Errors: -EAFNOSUPPORT for another family, -ENOSPC when it does not fit, -EFAULT, -EINVAL.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_addr_host(const struct usocket_addr *addr, char *buf, size_t len);

// Copies the path or abstract name of a Unix address: bytes, without a NUL behind a path.
// A buffer of 108 bytes is always large enough.
//
// Returns: how many bytes, 0 for the unnamed address; with (NULL, 0) only that.
// Errors: -EAFNOSUPPORT for another family, -ENOSPC when they do not fit, -EFAULT, -EINVAL.
// Blocks: no.
// Threads: any.
// Ownership: the bytes are copied.
int32_t usocket_addr_path(const struct usocket_addr *addr, void *buf, size_t len);

// Copies an address as readable text: "127.0.0.1:80", "[::1]:80", "/run/x", "@abstract". Bytes of
// a Unix name that are not UTF-8 become U+FFFD. A buffer of 325 bytes is always large enough.
//
// Returns: the length of the text without its NUL; with (NULL, 0) only that.
// Errors: -ENOSPC when it does not fit, -EFAULT, -EINVAL.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_addr_text(const struct usocket_addr *addr, char *buf, size_t len);

// Converts numeric text to the bytes of an address (inet_pton(3)): 4 for AF_INET, 16 for AF_INET6.
//
// Returns: how many bytes were written.
// Errors: -EINVAL for text that is not an address of the family, -EAFNOSUPPORT for another family,
// -ENOSPC when `len` is less than the family needs, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `host` is only read; the bytes are copied.
int32_t usocket_inet_pton(int32_t family, const char *host, void *buf, size_t len);

// Converts the bytes of an address to numeric text (inet_ntop(3)). `n` is exactly 4 for AF_INET
// and 16 for AF_INET6. A buffer of 46 bytes (INET6_ADDRSTRLEN) is always large enough.
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
// `family` is AF_INET, AF_INET6, AF_UNIX or any other of the system's; `type` is SOCK_STREAM,
// SOCK_DGRAM, SOCK_RAW or any other, without flags. `proto` 0 selects the default for the type,
// TCP or UDP. USOCKET_IPPROTO_SEC makes a TCP socket for TLS.
//
// Returns: a handle.
// Errors: -EAFNOSUPPORT, -EPROTONOSUPPORT, -ESOCKTNOSUPPORT, -EINVAL (no such type, or flags in
// it), -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, -EPERM (SOCK_RAW), as socket(2).
// Blocks: no.
// Threads: any.
// Ownership: the handle is the caller's, to be given to usocket_close.
usocket_t usocket_socket(int32_t family, int32_t type, int32_t proto);

// Makes two connected sockets (socketpair(2)); on Linux of family AF_UNIX.
//
// Returns: 0, and the two handles in `out`.
// Errors: as usocket_socket; -EOPNOTSUPP for a family without pairs; -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: both handles are the caller's.
int32_t usocket_socketpair(int32_t family, int32_t type, int32_t proto, usocket_t *out);

// Makes a socket from an open descriptor. The library takes the descriptor over and makes it
// close-on-exec. The system supplies family, type and protocol; O_NONBLOCK means non-blocking
// mode.
//
// Returns: a handle.
// Errors: -EBADF, -ENOTSOCK, -ENFILE (no handle left): the descriptor then stays the caller's, open.
// Blocks: no.
// Threads: any.
// Ownership: on success the descriptor is the handle's and closed with it.
usocket_t usocket_from_fd(int32_t fd);

// Gives up the descriptor without closing it; the handle is stale afterwards. The descriptor of a
// wrapped socket carries TLS records, and the session that could read them is gone: bytes received
// but not yet read are lost.
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
// Errors: -EOPNOTSUPP on a wrapped socket (one stream of records has one session), -EBADF,
// -ENOTSOCK, -EMFILE, -ENFILE.
// Blocks: no.
// Threads: any.
// Ownership: the new handle is the caller's.
usocket_t usocket_dup(usocket_t s);

// Returns the descriptor behind a handle, for select, poll and other event loops. A socket's
// descriptor is O_NONBLOCK unless the socket is in blocking mode; on a wrapped socket
// usocket_tls_wants gives the events to wait for.
//
// The descriptor of a query or of a connection under way becomes readable when it has finished. A
// poller's descriptor is readable while usocket_poller_wait with a timeout of 0 would report
// something: an event, a timer, a wake, or data that only the library knows of, such as decrypted
// TLS data. (It may also be readable once with nothing to report.) So a poller can be watched by
// libuv, GLib or an epoll, for POLLIN, level-triggered. Remove the descriptor there before closing
// the handle, and ask for it again in a forked child.
//
// Returns: the descriptor, 0 or more.
// Errors: -EBADF, -ENOTSOCK for a handle of usocket_tls_create or another without a descriptor;
// -EPERM for a connection in a forked child; -EMFILE, -ENFILE, -ENOMEM and -ENOSPC for a poller,
// and for a query in a forked child.
// Blocks: no.
// Threads: any.
// Ownership: stays the library's: do not close it, nor read from it.
int32_t usocket_fileno(usocket_t s);

// Closes a handle of any kind.
//
// Operations of other threads on the handle fail with -EBADF: at once on AF_INET, AF_INET6 and
// AF_UNIX, within 0.1 s on families without a shutdown of their own (AF_NETLINK, AF_PACKET). The
// last of them to return closes the descriptor. To end them the connection is shut down, and a
// dup'd or forked copy of the descriptor sees that; if no operation is under way, a copy sees
// nothing. A TLS session sends close_notify, unless this process has not used it since a fork and
// another process may. Bytes counted by a send on a wrapped socket are then in the kernel, and are
// delivered like those of a plain socket, even if the process ends.
//
// Returns: 0.
// Errors: -EBADF for a handle that is closed already or never existed. When close(2) fails, its
// code: -EBADF for a descriptor that was closed behind the library's back, -EIO; the handle is
// closed all the same.
// Blocks: no (SO_LINGER aside). A wrapped socket not in non-blocking mode blocks for its timeout
// or a second at most while the send buffer has no room for close_notify, and for 0.25 s after a
// handshake refused on this side, so that the peer can read the alert.
// Threads: any.
// Ownership: the handle is gone.
int32_t usocket_close(usocket_t s);

// Binds a socket to an address (bind(2)).
//
// Returns: 0.
// Errors: -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EINVAL (bound already, bad address),
// -EAFNOSUPPORT (an address of another family), for a Unix path -ENOENT, -ENOTDIR, -ELOOP, -EROFS;
// -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_bind(usocket_t s, const struct usocket_addr *addr);

// Lets a socket accept connections (listen(2)). A negative `backlog` counts as 0;
// USOCKET_BACKLOG_DEFAULT suits most callers.
//
// Returns: 0.
// Errors: -EADDRINUSE, -EINVAL (connected, or a Unix socket that is not bound), -EOPNOTSUPP (not a
// stream), -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_listen(usocket_t s, int32_t backlog);

// Accepts a connection (accept(2)). The new socket is in blocking mode, close-on-exec, and of
// the listener's family, type and protocol. `peer`, unless NULL, receives the peer's address.
//
// Returns: a handle.
// Errors: -EAGAIN (non-blocking), -ETIMEDOUT (timeout), -EINTR (event hook), -ECANCELED
// (usocket_cancel), -EINVAL (not listening), -EOPNOTSUPP (not a stream), -ECONNABORTED, -EMFILE,
// -ENFILE, -ENOBUFS, -ENOMEM, -EPERM (firewall), -EBADF (also: closed meanwhile), -ENOTSOCK.
// Blocks: according to the listener's mode.
// Threads: any; many may accept on one listener.
// Ownership: the new handle is the caller's.
usocket_t usocket_accept(usocket_t s, struct usocket_addr *peer);

// Accepts a connection (accept4(2)): SOCK_NONBLOCK in `flags` makes the new socket non-blocking, in
// the same system call. SOCK_CLOEXEC is allowed and always in effect. Otherwise the same as
// usocket_accept.
//
// Returns: a handle.
// Errors: those of usocket_accept; -EINVAL for another flag.
// Blocks: according to the listener's mode.
// Threads: any; many may accept on one listener.
// Ownership: the new handle is the caller's.
usocket_t usocket_accept4(usocket_t s, int32_t flags, struct usocket_addr *peer);

// Connects a socket (connect(2)); a datagram socket gets its default peer.
//
// After a timeout the attempt goes on in the kernel, and a second call waits for it again. After a
// connect that did not complete at once, one more call returns 0 and the next -EISCONN.
//
// Returns: 0.
// Errors: -EINPROGRESS (non-blocking: poll for POLLOUT, then read SO_ERROR), -EALREADY
// (non-blocking and in progress), -EISCONN, -ETIMEDOUT, -ECONNREFUSED, -ECONNABORTED (it failed,
// and another thread has read the reason from SO_ERROR), -ECONNRESET, -EHOSTUNREACH, -ENETUNREACH,
// -EADDRNOTAVAIL (no local port left), -EADDRINUSE (bound to a port that has this connection
// already), -EACCES (broadcast, or a Unix path without permission), -EPERM (firewall),
// -EAFNOSUPPORT (an address of another family), -EAGAIN (Unix, non-blocking, backlog full; a
// datagram socket without a local port left), -ENOENT, -ENOTDIR, -ELOOP, -EPROTOTYPE (Unix),
// -EOPNOTSUPP (the socket listens), -EINTR (event hook), -ECANCELED (usocket_cancel), -EINVAL (bad
// address), -EBADF (also: closed meanwhile), -ENOTSOCK, -EFAULT.
// Blocks: according to the socket's mode.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_connect(usocket_t s, const struct usocket_addr *addr);

// Shuts down one or both halves of a connection (shutdown(2)). `how` is SHUT_RD, SHUT_WR or
// SHUT_RDWR. A wrapped socket sends close_notify before its sending half is shut down.
//
// Returns: 0.
// Errors: -ENOTCONN, -EINVAL for another `how`, -EBADF, -ENOTSOCK; on a wrapped socket also those of
// usocket_send.
// Blocks: no; on a wrapped socket according to its mode, while the send buffer has no room for
// close_notify.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_shutdown(usocket_t s,
                         int32_t how);

// Gets the address a socket is bound to (getsockname(2)).
//
// Returns: 0.
// Errors: -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `out` is the caller's.
int32_t usocket_getsockname(usocket_t s, struct usocket_addr *out);

// Gets the address of the peer (getpeername(2)).
//
// Returns: 0.
// Errors: -ENOTCONN, -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `out` is the caller's.
int32_t usocket_getpeername(usocket_t s, struct usocket_addr *out);

// Sends up to `len` bytes from `buf` (send(2)). `flags` are MSG_ flags; MSG_NOSIGNAL is always
// added, MSG_DONTWAIT makes this call non-blocking.
//
// Returns: how many bytes were sent.
// Errors: -EAGAIN (non-blocking; also a datagram socket without a local port left), -ETIMEDOUT
// (timeout), -EPIPE, -ECONNRESET, -ECONNREFUSED (an earlier datagram was refused), -EHOSTUNREACH,
// -ENETUNREACH, -ENOTCONN, -EDESTADDRREQ, -EMSGSIZE, -ENOBUFS, -ENOMEM, -EOPNOTSUPP (a flag not
// supported here), -EACCES, -EPERM (firewall), -EINTR (event hook), -ECANCELED (usocket_cancel),
// -EBADF (also: closed meanwhile), -ENOTSOCK, -EFAULT, -EINVAL, USOCKET_ETLS_NOT_WRAPPED; on a
// wrapped socket USOCKET_ETLS_....
// Blocks: according to the socket's mode.
// Threads: any; one may send while another receives.
// Ownership: `buf` is only read.
int64_t usocket_send(usocket_t s, const void *buf, size_t len, int32_t flags);

// Sends all of `buf`, with one deadline for the whole.
//
// Returns: 0.
// Errors: as usocket_send; the number of bytes sent is then unknown (usocket_write returns it).
// Blocks: according to the socket's mode.
// Threads: any; bytes of concurrent calls may interleave.
// Ownership: `buf` is only read.
int32_t usocket_sendall(usocket_t s, const void *buf, size_t len, int32_t flags);

// Sends to an address (sendto(2)), usually one datagram. A connected TCP socket ignores the
// address.
//
// Returns: how many bytes were sent.
// Errors: as usocket_send; -EISCONN on a connected Unix stream and on a wrapped socket, -EOPNOTSUPP
// on a Unix stream that is not connected; -EAFNOSUPPORT, -ENOENT, -ENOTDIR, -ELOOP,
// -EPROTOTYPE about the address; -EINVAL for a bad one.
// Blocks: according to the socket's mode.
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
// The result is never more than `len`, even with MSG_TRUNC. (NULL, 0) with MSG_PEEK | MSG_TRUNC
// returns the length of the next datagram. On a stream MSG_TRUNC discards the bytes it counts and
// fills `buf` with zeroes.
//
// Returns: how many bytes were received; 0 at the end of a stream.
// Errors: -EAGAIN (non-blocking; also with MSG_ERRQUEUE or MSG_OOB in every mode), -ETIMEDOUT
// (timeout, or the connection's), -ECONNRESET, -ECONNREFUSED (an earlier datagram was refused),
// -EHOSTUNREACH, -ENETUNREACH, -ENOTCONN, -ENOBUFS, -ENOMEM, -EOPNOTSUPP (a flag not supported
// here), -EINTR (event hook), -ECANCELED (usocket_cancel), -EBADF (also: closed meanwhile),
// -ENOTSOCK, -EFAULT, -EINVAL (also: no urgent data to come), USOCKET_ETLS_NOT_WRAPPED; on a
// wrapped socket USOCKET_ETLS_....
// Blocks: according to the socket's mode.
// Threads: any; one may receive while another sends.
// Ownership: `buf` is the caller's.
int64_t usocket_recv(usocket_t s, void *buf, size_t len, int32_t flags);

// Receives as usocket_recv does, with the sender's address in `from` unless that is NULL
// (recvfrom(2)). The address is empty where there is none, as on a stream.
//
// Returns: how many bytes were received.
// Errors: as usocket_recv.
// Blocks: according to the socket's mode.
// Threads: any.
// Ownership: `buf` and `from` are the caller's.
int64_t usocket_recvfrom(usocket_t s,
                         void *buf,
                         size_t len,
                         int32_t flags,
                         struct usocket_addr *from);

// Sends a message (sendmsg(2)): the pieces of `data`, to `addr` unless that is NULL, with
// ancillary data unless `control_len` is 0. `flags` are those of usocket_send.
//
// On a wrapped socket the pieces share one record as far as they fit; the rest of the last piece
// in it follows in the same call.
//
// Returns: how many bytes were sent.
// Errors: as usocket_send; -EMSGSIZE for more than 1024 pieces; -EINVAL, -EPERM, -EBADF,
// -ETOOMANYREFS, -ENOBUFS for ancillary data that is malformed, not permitted, refers to a closed
// descriptor, or is too large; -EISCONN for an address on a connected Unix stream or a wrapped
// socket; -EOPNOTSUPP for ancillary data on a wrapped socket; -EFAULT, -EINVAL, also for a piece.
// Blocks: according to the socket's mode.
// Threads: any.
// Ownership: everything is only read; descriptors sent stay open in this process.
int64_t usocket_sendmsg(usocket_t s, const struct usocket_msg *msg, int32_t flags);

// Receives a message (recvmsg(2)): its data into `data`, its source into `addr` unless that is
// NULL, and ancillary data into `control`. `flags` are those of usocket_recv.
//
// Descriptors received with it (SCM_RIGHTS) are close-on-exec and belong to the caller. All that
// the process received are in `control`, even when MSG_CTRUNC says that some did not fit. If none
// fits, the process receives none.
//
// The result is never more than the size of the pieces; MSG_TRUNC in the message's `flags` says
// that there was more.
//
// Returns: how many bytes were received; 0 at the end of a stream. The message's `control_len` and
// `flags` are updated.
// Errors: as usocket_recv; -EMSGSIZE for more than 1024 pieces; -EFAULT, -EINVAL, also for a
// piece.
// Blocks: according to the socket's mode.
// Threads: any; a message belongs to one call.
// Ownership: everything is the caller's, including received descriptors.
int64_t usocket_recvmsg(usocket_t s, struct usocket_msg *msg, int32_t flags);

// Sets the mode by a timeout in microseconds: negative is blocking, 0 is non-blocking. A positive
// timeout limits each later operation as a whole: after that time it fails with -ETIMEDOUT.
//
// Returns: 0.
// Errors: -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any; an operation under way keeps the mode it began with.
// Ownership: nothing changes hands.
int32_t usocket_settimeout(usocket_t s, int64_t timeout_us);

// Gets the timeout in microseconds: -1 in blocking mode, 0 in non-blocking mode.
//
// Returns: 0, and the timeout in `timeout_us`.
// Errors: -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `timeout_us` is the caller's.
int32_t usocket_gettimeout(usocket_t s, int64_t *timeout_us);

// Sets one deadline for all operations that begin from now on, in addition to the timeout: a
// request of several operations then ends in time as a whole. `when_us` is a time of
// CLOCK_MONOTONIC in microseconds, such as usocket_now() + 5000000; a negative one removes the
// deadline. There is none at first. An operation that would have to wait beyond the deadline fails
// with -ETIMEDOUT. One that need not wait is done.
//
// While a deadline is set, a socket in blocking mode has an O_NONBLOCK descriptor and behaves as
// one with a timeout. In non-blocking mode the deadline has no effect.
//
// Returns: 0.
// Errors: -ENOMEM, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any; an operation under way keeps the deadline it began with.
// Ownership: nothing changes hands; a socket of usocket_accept or usocket_dup has none.
int32_t usocket_set_deadline(usocket_t s, int64_t when_us);

// Cancels the waiting operations of other threads on the socket and leaves the socket as it is.
// First call usocket_cancel(s, 0), before the operations begin: it prepares the socket, and they
// then wait as on a socket with a timeout. With `on` 1 they fail with -ECANCELED, and so does
// every later operation that would have to wait, until usocket_cancel(s, 0) resets it. So a cancel
// that comes before the operation is not lost. An operation that need not wait is done.
//
// A cancelled send has sent a part of its bytes or none, as after a timeout; a handshake continues
// when it is called again. In non-blocking mode nothing waits, and a cancel has no effect.
//
// Returns: 0.
// Errors: -EINVAL for a socket that was not prepared, or another `on`; -EMFILE, -ENFILE, -ENOMEM;
// -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands. After a fork each process cancels its own operations.
int32_t usocket_cancel(usocket_t s, int32_t on);

// Sets blocking mode if `flag` is not 0 (and removes a timeout), non-blocking mode if it is.
//
// Returns: 0.
// Errors: -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: as usocket_settimeout.
// Ownership: nothing changes hands.
int32_t usocket_setblocking(usocket_t s, int32_t flag);

// Returns the address family of the socket.
//
// Returns: AF_INET, AF_INET6, AF_UNIX, ...
// Errors: -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_family(usocket_t s);

// Returns the type of the socket.
//
// Returns: SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, ...
// Errors: -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_type(usocket_t s);

// Returns the protocol of the socket: the one it was made with, or the default selected by 0.
//
// Returns: IPPROTO_TCP, IPPROTO_UDP, USOCKET_IPPROTO_SEC, ...; 0 for Unix sockets.
// Errors: -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_proto(usocket_t s);

// Sets an option to `len` bytes (setsockopt(2)).
//
// SO_RCVTIMEO and SO_SNDTIMEO do not limit operations of the library: use usocket_settimeout.
//
// Returns: 0.
// Errors: -ENOPROTOOPT (no such option here), -EOPNOTSUPP (no such level here), -EINVAL (a value
// that is too short or invalid; also after the connection has ended), -EDOM, -EPERM, -EACCES,
// -ENODEV, -EADDRNOTAVAIL, -EADDRINUSE, -EISCONN, -ENOTCONN, -EBUSY, -ENOBUFS, -ENOMEM, depending
// on the option; -EBADF, -ENOTSOCK, -EFAULT.
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
// Errors: -ENOPROTOOPT (no such option here), -EOPNOTSUPP (no such level here), -EINVAL (a size
// that is not the option's), -ENOTCONN, -EPERM, depending on the option; -EBADF, -ENOTSOCK,
// -EFAULT.
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

// Reads and clears the socket's pending error (SO_ERROR): the result of a non-blocking connect, or
// the error of an ICMP message.
//
// Returns: 0 when there is none.
// Errors: the error itself, -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH, ...; -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any; one of them gets the error.
// Ownership: nothing changes hands.
int32_t usocket_take_error(usocket_t s);

// Sets TCP keepalive: probes a silent peer after `idle_us` microseconds without data, then every
// `interval_us`. After `count` unanswered probes in a row the connection fails with ETIMEDOUT
// (SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT). Times are rounded up to whole seconds.
// 0 leaves a parameter at its present value; a negative `idle_us` turns keepalive off.
//
// TCP sends no probes while data is unacknowledged: use TCP_USER_TIMEOUT for that.
//
// Returns: 0.
// Errors: -EINVAL for times above 32767 seconds, a count above 127, or a socket that is not a
// stream; -EOPNOTSUPP for a stream that is not TCP; -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_set_keepalive(usocket_t s, int64_t idle_us, int64_t interval_us, int32_t count);

// Sets how usocket_close treats unsent data (SO_LINGER). With a negative time, the default, the
// kernel sends it in the background. With 0 the connection is reset and the data dropped.
// Otherwise the close waits up to `time_us` microseconds, rounded up to whole seconds, until it is
// sent.
//
// Returns: 0.
// Errors: -EINVAL for a time above 68 years, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_set_linger(usocket_t s, int64_t time_us);

// Joins a multicast group, IPv4 or IPv6, on the interface of that index (usocket_interfaces); 0
// lets the system choose one (MCAST_JOIN_GROUP). The port of `group` is ignored: bind the socket
// to one.
//
// Returns: 0.
// Errors: -EADDRINUSE when it is in the group already, -ENODEV when there is no such interface, or
// no route to the group, -EINVAL for an address that is not a group, -EAFNOSUPPORT for one that is
// not of the socket's family, -ENOBUFS for too many; -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `group` is only read.
int32_t usocket_join_group(usocket_t s, const struct usocket_addr *group, uint32_t interface);

// Leaves a multicast group; the arguments are those of usocket_join_group.
//
// Returns: 0.
// Errors: -EADDRNOTAVAIL when the socket is not in the group, and those of usocket_join_group.
// Blocks: no.
// Threads: any.
// Ownership: `group` is only read.
int32_t usocket_leave_group(usocket_t s, const struct usocket_addr *group, uint32_t interface);

// Sets the traffic class of outgoing packets, the byte of IPv4's TOS and IPv6's traffic class;
// DSCP is its upper six bits (dscp << 2). On a dual-stack IPv6 socket it applies to both.
//
// Returns: 0.
// Errors: -EINVAL for a number above 255 or below 0, -EAFNOSUPPORT for a socket that is not IP,
// -EPERM; -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_set_tos(usocket_t s, int32_t tos);

// Binds the socket to the interface of that name: it sends and receives only there
// (SO_BINDTODEVICE). NULL or "" removes the binding.
//
// Returns: 0.
// Errors: -ENODEV when there is no such interface; -EPERM when it is set already and the process
// has no CAP_NET_RAW; -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: `name` is only read.
int32_t usocket_bind_device(usocket_t s, const char *name);

// Lists the network interfaces of the caller's network namespace (getifaddrs(3)): one entry for
// each interface itself, and one for each of its IP addresses. (NULL, 0) only counts.
//
// Returns: how many entries there are, all of them in `list`.
// Errors: -ENOSPC when there are more than `n` (nothing is written), -EFAULT, -EINVAL; -EMFILE, -ENFILE,
// -ENOMEM.
// Blocks: no.
// Threads: any.
// Ownership: `list` is the caller's.
int64_t usocket_interfaces(struct usocket_interface *list,
                           size_t n);

// Reads `len` bytes into `buf`, as MicroPython's read(n) and readinto do: it returns when it has
// them all ("no short reads"). For readall, call it with further buffers until it returns less
// than asked.
//
// It returns less than `len` at the end of the stream, on a non-blocking socket (the bytes
// available), or when an error or a timeout comes after some bytes: those are returned, and the
// next receiving call reports the error. No received byte is ever lost.
//
// One error is reported before the last bytes: with TLS, the end of the connection without the
// peer's close_notify, since a short read would hide it. The call fails with
// USOCKET_ETLS_TRUNCATED, the next call returns the bytes, and the one after that fails with
// USOCKET_ETLS_TRUNCATED again. usocket_readline does the same.
//
// Returns: how many bytes were read; 0 at the end of the stream.
// Errors: as usocket_recv, when no byte was received.
// Blocks: according to the socket's mode, with one deadline for the whole.
// Threads: any; concurrent calls share the bytes between them.
// Ownership: `buf` is the caller's.
int64_t usocket_read(usocket_t s, void *buf, size_t len);

// Reads a line with its newline into `buf`, at most `len` bytes.
//
// Bytes after the newline stay in the kernel, so that polling the descriptor remains correct. A
// line without newline is returned when `buf` is full, and where usocket_read returns less than
// asked.
//
// Returns: how many bytes were read; 0 at the end of the stream.
// Errors: as usocket_read; -EOPNOTSUPP on a socket that is not a stream.
// Blocks: according to the socket's mode, with one deadline for the whole.
// Threads: one at a time: concurrent calls split lines.
// Ownership: `buf` is the caller's.
int64_t usocket_readline(usocket_t s, void *buf, size_t len);

// Writes all of `buf` ("no short writes").
//
// It returns less than `len` on a non-blocking socket (the bytes that fitted), or when an error or
// a timeout comes after some bytes: the next sending call reports the error.
//
// Returns: how many bytes were written.
// Errors: as usocket_send, when no byte was written.
// Blocks: according to the socket's mode, with one deadline for the whole.
// Threads: any; bytes of concurrent calls may interleave.
// Ownership: `buf` is only read.
int64_t usocket_write(usocket_t s, const void *buf, size_t len);

// Sends `count` bytes of the file `fd` from `offset` on, or fewer at the end of the file: in the
// kernel where possible (sendfile(2)), piece by piece on a wrapped socket. The file's own position
// is neither used nor changed.
//
// It returns less than `count` at the end of the file, and where usocket_write returns less than
// asked.
//
// Returns: how many bytes were sent; 0 at the end of the file.
// Errors: as usocket_write; -EBADF also for `fd`, -EINVAL for a negative offset or a count above
// SSIZE_MAX, -ESPIPE, -EISDIR for a descriptor that is not a file; -EIO; -EOPNOTSUPP on a socket
// that is not a stream; -ENOMEM.
// Blocks: according to the socket's mode, with one deadline for the whole; on the file.
// Threads: any; bytes of concurrent calls may interleave.
// Ownership: `fd` stays the caller's.
int64_t usocket_sendfile(usocket_t s, int32_t fd, int64_t offset, size_t count);

// Resolves a host and service to addresses (getaddrinfo(3)).
//
// `host` is a name or numeric text, NULL or "" the local host (with AI_PASSIVE: any address). A
// name is ASCII. An internationalized name is given in its xn-- form (IDNA), or with AI_IDN if the
// C library supports that. `service` is a service name or a decimal port, NULL or "" none (port
// 0). `family`, `type` and `proto` filter the results, 0 is any. `flags` are AI_ flags.
// `timeout_us` is the time limit in microseconds; negative is that of the resolver.
//
// Returns: 0, and a list of at least one result in `out`.
// Errors: the resolver's own range, USOCKET_EAI_ (usocket_gai_code has the platform's number);
// an errno where the resolver reports one; -ETIMEDOUT; -EINTR (event hook); -EMFILE, -ENFILE,
// -ENOMEM, -EAGAIN (no thread); -EFAULT.
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

// Resolves an address to the names of its host and port (getnameinfo(3)).
//
// `host_len` and `service_len` are the sizes of `host` and `service` in bytes, including the NULs;
// (NULL, 0) leaves one out. `flags` are NI_ flags; `timeout_us` is the time limit in microseconds,
// negative is that of the C library's resolver.
//
// Returns: 0.
// Errors: USOCKET_EAI_NONAME when there is no name and NI_NAMEREQD is set, or when both are left
// out; -ENOSPC when either does not fit (nothing is written); USOCKET_EAI_FAMILY for an address
// that is neither IP nor Unix; USOCKET_EAI_BADFLAGS; the rest of USOCKET_EAI_; -ETIMEDOUT; -EINTR
// (event hook); -EMFILE, -ENFILE, -EAGAIN (no thread); -EINVAL (bad address), -EFAULT.
// Blocks: up to the timeout; with NI_NUMERICHOST not at all.
// Threads: any.
// Ownership: the texts are copies.
int32_t usocket_getnameinfo(const struct usocket_addr *addr,
                            char *host,
                            size_t host_len,
                            char *service,
                            size_t service_len,
                            int32_t flags,
                            int64_t timeout_us);

// Frees a list of usocket_getaddrinfo, given its first result. NULL is allowed.
//
// Returns: 0.
// Errors: -EINVAL for a pointer that is not such a list, or is freed already: nothing happens.
// Blocks: no.
// Threads: any.
// Ownership: the list and all it points to are gone.
int32_t usocket_freeaddrinfo(struct usocket_addrinfo *list);

// Starts a query of the resolver and returns at once; the arguments are usocket_getaddrinfo's.
//
// The handle can be polled like a socket: POLLIN means that usocket_query_result has the result.
// usocket_close cancels the query at any stage and frees its descriptor. Numeric addresses and
// names in /etc/hosts are resolved at once, all others in the caller's network namespace. If
// resolv.conf and nsswitch.conf contain only "files dns" and the usual options, one thread of the
// library asks the name servers for all queries under way. Otherwise threads of the library call
// the C library's resolver (usocket_set_resolver_threads). The threads are started on demand and
// end after a while without work. A forked child repeats a query that had no result at the fork.
//
// Returns: a handle.
// Errors: USOCKET_EAI_SERVICE for a port out of range, USOCKET_EAI_MEMORY, -EMFILE, -ENFILE,
// -EAGAIN (no thread).
// Blocks: no.
// Threads: any.
// Ownership: the handle is the caller's, to be given to usocket_close.
usocket_query_t usocket_query_create(const char *host,
                                     const char *service,
                                     int32_t family,
                                     int32_t type,
                                     int32_t proto,
                                     int32_t flags);

// Sets the maximum number of threads that wait for the C library's resolver, in each network
// namespace: 1 to 1024, 64 by default. They serve the queries that the library does not send to
// the name servers itself (see usocket_query_create). Each takes a descriptor while it waits;
// further queries wait for a free thread. A quarter of the threads is reserved for new names while
// all others wait for name servers that do not answer. The number applies to later queries;
// surplus threads end when they are free.
//
// Returns: 0.
// Errors: -EINVAL for another number.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_set_resolver_threads(int32_t count);

// Waits up to `timeout_us` microseconds (negative: no limit; 0: not at all) for the result of a
// query of usocket_query_create. The result can be read more than once.
//
// Returns: 0, and a list of at least one result in `out`.
// Errors: those of usocket_getaddrinfo; -EAGAIN with a timeout of 0 while there is no result;
// -EBADF (also: closed meanwhile); -EBADR for a handle of another kind.
// Blocks: up to the timeout.
// Threads: any.
// Ownership: the list is the caller's, to be given to usocket_freeaddrinfo.
int32_t usocket_query_result(usocket_query_t query,
                             int64_t timeout_us,
                             struct usocket_addrinfo **out);

// Connects to `service` (a name or decimal port) on `host` (a name or numeric text). It tries all
// addresses, IPv6 and IPv4 in turn, with a new attempt as soon as one fails or after 250 ms (down
// to 100 ms if the timeout is short); the first to connect wins (RFC 8305, "Happy Eyeballs"). IPv6
// and IPv4 addresses are queried separately, and connecting begins with the first response: the
// other query may remain unanswered.
//
// `timeout_us` limits resolving and connecting together, in microseconds, and becomes the socket's
// timeout; negative is none. `source`, unless NULL, is the local address to connect from;
// addresses of another family are skipped. An attempt that fails for lack of a local port, a
// descriptor or memory is repeated when another one has ended.
//
// Returns: a handle.
// Errors: those of usocket_getaddrinfo, -ETIMEDOUT, -EINTR (event hook). If attempts failed, also
// when the timeout expires, the error of usocket_connect from the most specific failure: first a
// refusal by the host, then a failure on the way, then the lack of a route; among equals the
// first. usocket_error_detail(0) lists all of them with their times. -EAFNOSUPPORT when no address
// is of the family of `source`, -EADDRNOTAVAIL when `source` is not an address of this machine,
// -EINVAL for a timeout of 0 or a bad `source`, -EFAULT for a NULL `service`.
// Blocks: up to the timeout.
// Threads: any.
// Ownership: the handle is the caller's; the texts and `source` are only read.
usocket_t usocket_create_connection(const char *host,
                                    const char *service,
                                    int64_t timeout_us,
                                    const struct usocket_addr *source);

// Starts to connect, as usocket_create_connection does, and returns at once. `timeout_us`
// microseconds (negative: no limit) cover resolving and connecting, and become the socket's
// timeout.
//
// The handle can be polled like a socket: POLLIN means that connecting has succeeded or failed,
// and usocket_connection_take has the result. usocket_close stops the attempt; close the handle
// also after its socket was taken. One thread of the library runs all connections under way, in
// the caller's network namespace; it is started with the first and ends after a while without any.
// In a forked child the handle can only be closed.
//
// Returns: a handle.
// Errors: USOCKET_EAI_ for a host or service that is resolved without a query, USOCKET_EAI_MEMORY;
// -EINVAL for a timeout of 0 or a bad `source`, -EAFNOSUPPORT when no address is of the family of
// `source`, -EFAULT for a NULL `service`, -EMFILE, -ENFILE, -ENOMEM, -EAGAIN (no thread).
// Blocks: no.
// Threads: any.
// Ownership: the handle is the caller's, to be given to usocket_close; the texts and `source` are
// only read.
usocket_connection_t usocket_connection_create(const char *host,
                                               const char *service,
                                               int64_t timeout_us,
                                               const struct usocket_addr *source);

// Waits up to `wait_us` microseconds (negative: no limit; 0: not at all) for a connection of
// usocket_connection_create, and takes its socket.
//
// Returns: a handle of the socket, with the timeout given at creation.
// Errors: those of usocket_create_connection when connecting failed; usocket_error_detail of
// `connection` then lists all attempts. While connecting is under way, -EAGAIN with a wait of 0,
// -ETIMEDOUT with another; -EALREADY when the socket was taken before; -ECANCELED in a forked
// child; -EINTR (event hook); -EBADF (also: closed meanwhile); -EBADR for a handle of another
// kind.
// Blocks: up to `wait_us`.
// Threads: any; one of them gets the socket.
// Ownership: the socket is the caller's, to be given to usocket_close; `connection` stays the
// caller's.
usocket_t usocket_connection_take(usocket_connection_t connection, int64_t wait_us);

// Gets the failed attempt number `n` of a connection that is under way or has failed. Failed
// attempts are numbered from 0 in the order of their failures. Outputs may be NULL.
//
// `addr` is the address, `error` the code, `after_us` the microseconds from the beginning to the
// failure.
//
// Returns: 0.
// Errors: -ENOENT when `n` or fewer have failed; -EBADF; -EBADR for a handle of another kind.
// Blocks: no.
// Threads: any.
// Ownership: the outputs are copies.
int32_t usocket_connection_failure(usocket_connection_t connection,
                                   size_t n,
                                   struct usocket_addr *addr,
                                   int32_t *error,
                                   int64_t *after_us);

// Makes a socket that listens on an IP or Unix address, as CPython's socket.create_server does:
// SO_REUSEADDR on IP, and IPv6 only unless `flags` say otherwise. `backlog` is usocket_listen's;
// `flags` are USOCKET_SERVER_REUSE_PORT and USOCKET_SERVER_DUAL_STACK, or 0.
//
// Returns: a handle.
// Errors: -EINVAL for an unknown flag, a bad address, or USOCKET_SERVER_DUAL_STACK on an address that
// is not IPv6; those of usocket_socket, usocket_bind, usocket_listen; -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: the handle is the caller's.
usocket_t usocket_create_server(const struct usocket_addr *addr,
                                int32_t backlog,
                                int32_t flags);

// Waits until at least one of `n` entries has one of its events, or for `timeout_us` microseconds
// (negative: for ever, 0: not at all). The cost grows with the number of entries: use a poller for
// large sets.
//
// A handle that is stale, or is closed during the wait, reports POLLNVAL.
//
// Returns: how many entries have events in `revents`; 0 after the timeout.
// Errors: -EINTR (event hook), -EINVAL (more entries than the process may open descriptors),
// -ENOMEM, -EFAULT.
// Blocks: up to the timeout.
// Threads: any; a set belongs to one call.
// Ownership: `fds` is the caller's; only `revents` is written.
int32_t usocket_poll(struct usocket_pollfd *fds, size_t n, int64_t timeout_us);

// Makes a poller.
//
// A poller is a handle: it can be polled and added to other pollers, and usocket_close closes it.
//
// Returns: a handle.
// Errors: -EMFILE, -ENFILE, -ENOMEM.
// Blocks: no.
// Threads: any.
// Ownership: the handle is the caller's, to be given to usocket_close.
usocket_poller_t usocket_poller_create(void);

// Registers a handle with a poller. `events` is POLLIN, POLLOUT, POLLPRI, POLLRDHUP; POLLERR and
// POLLHUP are always reported (a mask of POLLERR requests only those). `data` is returned with
// every event.
//
// The registration is level-triggered unless USOCKET_POLLER_ONESHOT or USOCKET_POLLER_EDGE is
// added. With USOCKET_POLLER_EXCLUSIVE and POLLIN or POLLOUT an event wakes one or more of the
// pollers with the socket, not all of them: for a listener shared by several threads.
//
// Closing a handle removes its registrations: no usocket_poller_wait that begins after
// usocket_close has returned reports it. With POLLNVAL in `events` the closing itself is reported
// once, as POLLNVAL, unless USOCKET_POLLER_ONESHOT has disabled the registration.
//
// Returns: 0.
// Errors: -EEXIST when it is registered already; -EBADF for a stale handle; -EINVAL for a mask
// without an event or with an unknown bit, for the poller itself, or for USOCKET_POLLER_EXCLUSIVE
// with other events, with USOCKET_POLLER_ONESHOT, or on a wrapped socket or a poller; -EBADR if
// `poller` is a handle of another kind; -EPERM for a handle that cannot be polled; -ELOOP for
// pollers in a ring or nested deeper than 5; -ENOSPC, -ENOMEM.
// Blocks: no.
// Threads: any, also during a wait.
// Ownership: the poller does not keep `s` open.
int32_t usocket_poller_add(usocket_poller_t poller, usocket_t s, uint32_t events, uint64_t data);

// Registers a descriptor that the library does not own with a poller, as usocket_poller_add
// registers a handle. Remove it before it is closed.
//
// Returns: 0.
// Errors: -EEXIST when it is registered already; -EBADF when it is not open; -EINVAL for a mask as
// in usocket_poller_add; -EBADR if `poller` is a handle of another kind; -ELOOP, -ENOSPC, -ENOMEM.
// Blocks: no.
// Threads: any, also during a wait.
// Ownership: the descriptor stays the caller's.
int32_t usocket_poller_add_fd(usocket_poller_t poller, int32_t fd, uint32_t events, uint64_t data);

// Changes the events and `data` of a handle's registration, and enables it again after
// USOCKET_POLLER_ONESHOT. A registration with USOCKET_POLLER_EXCLUSIVE cannot be changed: remove
// and add it.
//
// Returns: 0.
// Errors: -ENOENT when it is not registered, -EINVAL with USOCKET_POLLER_EXCLUSIVE in the old or
// the new mask, and those of usocket_poller_add.
// Blocks: no.
// Threads: any, also during a wait.
// Ownership: nothing changes hands.
int32_t usocket_poller_modify(usocket_poller_t poller, usocket_t s, uint32_t events, uint64_t data);

// As usocket_poller_modify, for a descriptor.
//
// Returns: 0.
// Errors: -ENOENT when it is not registered, -EINVAL as in usocket_poller_modify, and those of
// usocket_poller_add_fd.
// Blocks: no.
// Threads: any, also during a wait.
// Ownership: nothing changes hands.
int32_t usocket_poller_modify_fd(usocket_poller_t poller,
                                 int32_t fd,
                                 uint32_t events,
                                 uint64_t data);

// Removes the registration of a handle: no usocket_poller_wait that begins afterwards reports it.
//
// Returns: 0.
// Errors: -ENOENT when it is not registered, -EBADF for a stale handle (closing removed it),
// -EBADR if `poller` is a handle of another kind.
// Blocks: no.
// Threads: any, also during a wait.
// Ownership: nothing changes hands.
int32_t usocket_poller_remove(usocket_poller_t poller, usocket_t s);

// As usocket_poller_remove, for a descriptor.
//
// Returns: 0.
// Errors: -ENOENT when it is not registered, -EBADF for a negative one, -EBADR if `poller` is a
// handle of another kind.
// Blocks: no.
// Threads: any, also during a wait.
// Ownership: nothing changes hands.
int32_t usocket_poller_remove_fd(usocket_poller_t poller, int32_t fd);

// Waits until a registration has one of its events or a timer is due, or for `timeout_us`
// microseconds (negative: for ever, 0: not at all). At most `n` events are written; the next wait
// reports the rest. The cost grows with the number of ready registrations, not with that of all.
//
// Returns: how many events were written; 0 after the timeout or a usocket_poller_wake.
// Errors: -EBADF (also: closed meanwhile), -EINTR (event hook); -EMFILE, -ENFILE, -ENOMEM and
// -ENOSPC when the poller must be set up again (in a forked child that has not used it, or when
// the system had no room for a registered handle that was wrapped in TLS); -EBADR if `poller` is
// a handle of another kind, -EINVAL for an `n` of 0, -EFAULT.
// Blocks: up to the timeout.
// Threads: any; several may wait at the same time.
// Ownership: `events` is the caller's.
int32_t usocket_poller_wait(usocket_poller_t poller,
                            struct usocket_event *events,
                            size_t n,
                            int64_t timeout_us);

// Sets a timer: `after_us` microseconds from now (0: at once) usocket_poller_wait reports one
// event with this `data`, USOCKET_POLLER_TIMER in `events`, `socket` 0 and `fd` -1. A wait under
// way returns for it. Expired timers are reported in the order of their times.
//
// The clock is CLOCK_MONOTONIC. To postpone a timer, cancel it and set another: that usually costs
// no system call.
//
// Returns: the number of the timer for usocket_poller_cancel_timer, above 0 and below 2^53. It is
// not a handle, and is valid for this poller only.
// Errors: -EINVAL for a negative time, or one too far away; -ENOSPC for more than four million;
// -ENOMEM, -EMFILE, -ENFILE; -EBADF; -EBADR if `poller` is a handle of another kind.
// Blocks: no.
// Threads: any, also during a wait.
// Ownership: nothing changes hands; closing the poller discards its timers. After a fork each
// process has its own copy of them.
int64_t usocket_poller_arm_timer(usocket_poller_t poller, int64_t after_us, uint64_t data);

// Cancels a timer: no usocket_poller_wait reports it from now on.
//
// Returns: 0.
// Errors: -ENOENT when it was reported or cancelled already, or never existed (a timer is either
// reported by a wait on another thread or cancelled here, never both); -EBADF; -EBADR if `poller`
// is a handle of another kind.
// Blocks: no.
// Threads: any, also during a wait.
// Ownership: nothing changes hands.
int32_t usocket_poller_cancel_timer(usocket_poller_t poller, int64_t timer);

// Makes one usocket_poller_wait return 0 at once: one under way, or else the next. If several
// threads wait, each call wakes another; calls that find nobody waiting count as one.
//
// Returns: 0.
// Errors: -EBADF; -EBADR if `poller` is a handle of another kind; in a forked child that has not
// used the poller, -EMFILE, -ENFILE, -ENOMEM.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_poller_wake(usocket_poller_t poller);

// Makes a TLS context: USOCKET_TLS_CLIENT or USOCKET_TLS_SERVER. Set it up with the functions
// below, and use it for any number of connections (usocket_tls_wrap). A connection takes the
// settings in force when it is wrapped; later changes apply to connections wrapped from then on. A
// change drops the sessions a client has kept for resumption. The sessions of a server's clients
// stay, and each is checked against the new settings before it is resumed.
//
// A client verifies its server by default: a chain to a trusted certificate (the system's store if
// none was added), dates, and the name. A server asks for no client certificate by default.
//
// Returns: a handle.
// Errors: -EINVAL for another role, -ENFILE, -EOPNOTSUPP in a build without TLS, -EPERM where a
// filter of system calls refuses getrandom(2), USOCKET_ETLS_CPU.
// Blocks: no.
// Threads: any.
// Ownership: the handle is the caller's, to be given to usocket_close; connections that use the
// context keep it alive.
usocket_tls_context_t usocket_tls_context_create(int32_t role);

// Gives the context a certificate and its private key. A server may have several and chooses by
// the name its client asks for and by the client's algorithms; the first is the default. A client
// presents the first that suits the server. A certificate for the same names and with the same
// kind of key as an earlier one replaces it: so a certificate can be renewed while the server
// runs.
//
// `cert` is PEM (the certificate first, its issuers after it) or DER (one certificate after
// another); `key` is PEM or DER: PKCS#8 (encrypted: usocket_tls_context_set_key_password), PKCS#1 or
// SEC1. NULL as `key` takes it from the PEM text in `cert`.
//
// Returns: 0.
// Errors: USOCKET_ETLS_CERT_INVALID, USOCKET_ETLS_KEY_INVALID, USOCKET_ETLS_KEY_ENCRYPTED,
// USOCKET_ETLS_KEY_PASSWORD, USOCKET_ETLS_KEY_MISMATCH, USOCKET_ETLS_PEM_EMPTY,
// USOCKET_ETLS_PEM_BAD; -EBADF, -EBADR, -EINVAL, -EFAULT, -EOPNOTSUPP.
// usocket_error_detail(context, ...) has the sentence.
// Blocks: no.
// Threads: any.
// Ownership: both are copied.
int32_t usocket_tls_context_add_cert(usocket_tls_context_t context,
                                     const void *cert,
                                     size_t cert_len,
                                     const void *key,
                                     size_t key_len);

// As usocket_tls_context_add_cert, from files. NULL as `key_path` takes the key from `cert_path`.
//
// Returns: 0.
// Errors: as usocket_tls_context_add_cert, and those of open(2) and read(2).
// Blocks: on the file system.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_add_cert_file(usocket_tls_context_t context,
                                          const char *cert_path,
                                          const char *key_path);

// Sets the password for encrypted private keys added from now on (PKCS#8 with PBES2, as `openssl
// pkcs8 -topk8` and `openssl genpkey` write them: AES-CBC with PBKDF2 or scrypt). NULL removes it.
// The key's file sets the cost of decryption: it may take seconds. A key that asks for more than
// that, or for more than 256 MiB, is USOCKET_ETLS_KEY_ENCRYPTED.
//
// Returns: 0. A wrong password is reported when the key is added: USOCKET_ETLS_KEY_PASSWORD.
// Errors: -EBADF, -EBADR, -EFAULT, -EINVAL, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the password is copied, and the copy is wiped when it is freed.
int32_t usocket_tls_context_set_key_password(usocket_tls_context_t context,
                                             const void *password,
                                             size_t len);

// Removes all certificates with their keys from the context, so that others can replace them for
// connections wrapped from then on. A server without any cannot be used (USOCKET_ETLS_NO_CERT).
//
// Returns: 0.
// Errors: -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any; a connection wrapped on another thread in between finds none.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_clear_certs(usocket_tls_context_t context);

// Sets whether adding a certificate checks that the private key belongs to it: 1, the default, or
// 0. Without the check the peer refuses a wrong key in the handshake. (Mbed TLS behaves like that.
// Nothing becomes less secure; the error only comes later.)
//
// Returns: 0.
// Errors: -EINVAL for another number, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_key_check(usocket_tls_context_t context, int32_t check);

// Sets a callback that chooses a server's certificate by the name a client asks for (SNI). It is
// called for each handshake, also of resumed sessions, with the name, or "" if the client sent
// none. It returns another server context, to use its certificates; 0, to use those of this
// context; or a negative number to refuse the client, with USOCKET_ETLS_NAME_REFUSED and the alert
// unrecognized_name. A context without a certificate refuses it, too. Only the certificates and
// their stapled status are taken from the other context. A server with a callback needs no
// certificate of its own. NULL removes the callback.
//
// The callback runs within the handshake, on the thread that does it. It must return (no longjmp),
// and must not use the connection of that handshake.
//
// Returns: 0.
// Errors: -EOPNOTSUPP on a client or in a build without TLS, -EBADF, -EBADR.
// Blocks: no.
// Threads: any; connections on several threads may call it at the same time.
// Ownership: `arg` stays the caller's and must outlive the context and its connections. The
// returned context stays the caller's; its certificates are taken when the callback returns.
int32_t usocket_tls_context_set_name_callback(usocket_tls_context_t context,
                                              usocket_tls_name_cb callback,
                                              void *arg);

// Sets the application protocols (ALPN) in the order of preference, separated by commas, such as
// "h2,http/1.1"; empty or NULL for none. A server with protocols refuses a client that offers only
// others; it accepts a client without ALPN.
//
// Returns: 0.
// Errors: -EINVAL for a name that is empty or over 255 bytes, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_context_set_alpn(usocket_tls_context_t context, const char *protocols);

// Sets whether a server with protocols (ALPN) refuses a client that offers only others: 1, the
// default and as RFC 7301 requires; or goes on without a protocol: 0, as OpenSSL's servers do.
//
// Returns: 0.
// Errors: -EINVAL for another number, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_alpn_required(usocket_tls_context_t context, int32_t required);

// Sets the lowest and highest TLS version: USOCKET_TLS_1_2, USOCKET_TLS_1_3, or 0 for the
// library's own (1.2 and 1.3).
//
// Returns: 0.
// Errors: USOCKET_ETLS_NO_SUCH_VERSION for other numbers, an empty range, or 1.2 in a build
// without it; -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_versions(usocket_tls_context_t context, int32_t min, int32_t max);

// Sets the cipher suites in the order of preference: names separated by colons or commas, IANA's
// ("TLS_AES_128_GCM_SHA256") or OpenSSL's ("ECDHE-RSA-AES128-GCM-SHA256"). NULL for the library's
// own. A TLS version with no suite in the list is disabled. A server with a list follows its own
// order; one without follows the order of its clients.
//
// Returns: 0.
// Errors: USOCKET_ETLS_NO_SUCH_SUITE for an unknown name, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_context_set_ciphers(usocket_tls_context_t context, const char *names);

// Copies the IANA names of the cipher suites the context would use, separated by colons, with a
// NUL. `len` is the size of `buf` in bytes.
//
// Returns: the length without the NUL; with (NULL, 0) only that.
// Errors: -ENOSPC when it does not fit (nothing is written), -EBADF, -EBADR, -EFAULT, -EINVAL,
// -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_context_ciphers(usocket_tls_context_t context, char *buf, size_t len);

// Sets the key exchange groups, in the order of preference: names separated by colons or commas,
// such as "X25519MLKEM768:X25519:secp256r1". NULL for the library's own.
//
// Returns: 0.
// Errors: USOCKET_ETLS_NO_SUCH_SUITE for an unknown name, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_context_set_groups(usocket_tls_context_t context, const char *names);

// Sets the number of sessions kept for resumption (256 by default), and of TLS 1.3 tickets a
// server sends to each client (2 by default). 0 sessions turn resumption off; 0 tickets turn off a
// server's tickets in both versions, and a client then resumes only sessions that
// usocket_tls_set_session gives it.
//
// Returns: 0.
// Errors: -EINVAL for a negative number or more than 1,000,000 sessions or 16 tickets, -EBADF,
// -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_resumption(usocket_tls_context_t context,
                                           int32_t sessions,
                                           int32_t tickets);

// Gives a server a key to encrypt its session tickets, 32 random bytes, in place of keys of its
// own: processes and machines with the same key resume each other's sessions. The latest key
// encrypts; the 3 before it still decrypt, so that keys can be rotated while clients hold tickets.
// A ticket expires after 12 hours, whatever becomes of the key. The client's certificate is
// checked again before a session is resumed, wherever the ticket comes from. Anybody with the key
// can read the TLS 1.2 connections whose tickets it encrypts, and impersonate the server to
// clients that resume: protect it like a private key, and change it daily.
//
// Returns: 0.
// Errors: -EINVAL for another length, -EOPNOTSUPP on a client or in a build without TLS, -EBADF,
// -EBADR, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: the key is copied, and the copy is wiped when it is freed.
int32_t usocket_tls_context_add_ticket_key(usocket_tls_context_t context,
                                           const uint8_t *key,
                                           size_t len);

// Sets the maximum size of the data in one record, for peers with small buffers: 64 to 16384
// bytes, or 0 for 16384, TLS's own limit. A record is up to 29 bytes longer on the wire. Handshake
// messages are split into such records as well; a peer that cannot reassemble a long message needs
// a short certificate chain. The peer's own records are not limited.
//
// Returns: 0.
// Errors: -EINVAL for another number, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_max_record(usocket_tls_context_t context, int32_t bytes);

// Makes every connection of the context append its secrets to a file, in Wireshark's format:
// anybody with the file can read the traffic. NULL takes the file's name from the environment
// variable SSLKEYLOGFILE. Nothing is logged if that is not set, or in a program that runs with
// elevated rights (setuid, capabilities). A line that cannot be written is lost, and the
// connection goes on.
//
// Returns: 0, or 1 when nothing will be logged.
// Errors: those of open(2), -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: on the file system.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_insecure_keylog(usocket_tls_context_t context, const char *path);

// Trusts certificates, PEM or DER, any number of them. A certificate that may issue others
// (CA:TRUE in its basic constraints, or version 1) is a trust anchor: chains may end in it until
// it expires. Each certificate is also accepted as the peer's own, without a chain, even if it is
// self-signed, is marked as a CA, or has only a common name. Its dates, name, purpose (extended
// key usage), pins and the callback are then checked as usual, and with revocation lists a list of
// its issuer must pass it. All this also holds for usocket_tls_context_add_trust_file,
// usocket_tls_context_add_trust_dir and the system's store. Of several certificates, unreadable
// ones are skipped.
//
// Returns: how many certificates were added.
// Errors: USOCKET_ETLS_CERT_INVALID, USOCKET_ETLS_PEM_EMPTY, USOCKET_ETLS_PEM_BAD; -EBADF, -EBADR,
// -EINVAL, -EFAULT, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the certificates are copied.
int32_t usocket_tls_context_add_trust(usocket_tls_context_t context, const void *certs, size_t len);

// As usocket_tls_context_add_trust, from a file.
//
// Returns: how many certificates were added.
// Errors: as usocket_tls_context_add_trust, and those of open(2) and read(2).
// Blocks: on the file system.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_add_trust_file(usocket_tls_context_t context, const char *path);

// As usocket_tls_context_add_trust, from all files of a directory, or from none of them on error.
// Files without a certificate are skipped; a damaged or unreadable file is an error, and the
// sentence names it. After a directory without certificates nobody is trusted: the system's store
// is not used instead.
//
// Returns: how many certificates were added.
// Errors: those of opendir(3), open(2) and read(2), USOCKET_ETLS_PEM_BAD; -EBADF, -EBADR, -EFAULT,
// -EOPNOTSUPP.
// Blocks: on the file system.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_add_trust_dir(usocket_tls_context_t context, const char *path);

// Trusts the system's certificates: those of the environment variables SSL_CERT_FILE and
// SSL_CERT_DIR, or else the distribution's store (always the store in a program that runs with
// elevated rights). They are read once per process and shared. A client without any trusted
// certificates does this by itself on first use.
//
// Returns: the number of certificates in the store.
// Errors: USOCKET_ETLS_NO_TRUST when the store is empty; -EMFILE, -ENFILE, -ENOMEM, after which it is
// read again the next time; -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: the first time, on the file system, for some milliseconds.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_add_trust_system(usocket_tls_context_t context);

// Trusts Mozilla's roots as of the library's build: for systems without a store.
//
// Returns: how many certificates were added.
// Errors: -EOPNOTSUPP when the build has no feature "webpki-roots" (or no TLS), -EBADF, -EBADR.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_add_trust_mozilla(usocket_tls_context_t context);

// Adds revocation lists, PEM or DER: all of them, or none on error. With at least one, up-to-date
// lists must cover the peer's whole chain; see usocket_tls_context_set_crl_flags. Lists that the
// library cannot use in full are refused (delta and indirect lists, unknown critical extensions).
// Of several lists of one issuer the latest one already valid is used: to renew a list, add the
// new one.
//
// Returns: how many lists were added.
// Errors: USOCKET_ETLS_CRL_INVALID, USOCKET_ETLS_PEM_EMPTY, USOCKET_ETLS_PEM_BAD; -EBADF, -EBADR,
// -EINVAL, -EFAULT, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the lists are copied.
int32_t usocket_tls_context_add_crl(usocket_tls_context_t context, const void *crl, size_t len);

// Sets how revocation lists are used: USOCKET_TLS_CRL_ flags, 0 by default.
//
// Returns: 0.
// Errors: -EINVAL for unknown flags, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_crl_flags(usocket_tls_context_t context, int32_t flags);

// Sets how a client treats the certificate status that a server staples to the handshake (OCSP):
// USOCKET_TLS_OCSP_IF_STAPLED, the default (a stapled status must verify; a response that only
// reports a failure of the responder counts as none), USOCKET_TLS_OCSP_REQUIRED or
// USOCKET_TLS_OCSP_INSECURE_IGNORE. A status verifies if it is signed by the issuer of the
// certificate, or by a responder with an OCSP certificate from that issuer, says that the
// certificate is good, and is current; else the handshake fails with USOCKET_ETLS_CERT_BAD_STAPLE
// or USOCKET_ETLS_CERT_REVOKED. If a status is required and the server is not verified, the first
// use fails with USOCKET_ETLS_NO_TRUST. The library itself queries no responder.
//
// Returns: 0.
// Errors: -EINVAL for another mode, -EOPNOTSUPP on a server or in a build without TLS, -EBADF,
// -EBADR.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_ocsp_mode(usocket_tls_context_t context, int32_t mode);

// Gives a server the status of one of its certificates, to staple to the handshakes of clients
// that request it: an OCSP response, DER, from the issuer's responder or `openssl ocsp -respout`.
// It replaces an earlier one for connections wrapped from then on; NULL removes all. A certificate
// that is replaced loses its status. The library does not check that the response is valid or
// current: clients refuse it if it is not.
//
// Returns: the number of the context's certificates it applies to, by serial number; 0 for NULL.
// Errors: USOCKET_ETLS_CERT_BAD_STAPLE if it applies to none of them, is malformed, or only
// reports a failure of the responder; -EOPNOTSUPP on a client or in a build without TLS, -EBADF,
// -EBADR, -EINVAL, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: the response is copied.
int32_t usocket_tls_context_add_ocsp(usocket_tls_context_t context,
                                     const void *response,
                                     size_t len);

// Sets whether the peer is verified: USOCKET_TLS_VERIFY_REQUIRED (a client's default),
// USOCKET_TLS_VERIFY_OPTIONAL or USOCKET_TLS_VERIFY_NONE_INSECURE (a server's default: it asks for
// no certificate, and this is insecure only if the server must identify its clients). The default
// of a server with pins, a verify callback or revocation lists is USOCKET_TLS_VERIFY_REQUIRED.
//
// Returns: 0.
// Errors: -EINVAL for another mode, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_verify(usocket_tls_context_t context, int32_t mode);

// Sets whether a client checks the server's name: USOCKET_TLS_HOSTNAME_CHECK (the default) or
// USOCKET_TLS_HOSTNAME_INSECURE_ANY.
//
// Returns: 0.
// Errors: -EINVAL for another mode, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_hostname_check(usocket_tls_context_t context, int32_t mode);

// Pins a key: in addition to all other checks, the peer's certificate or one of its issuers in the
// verified chain must have one of the pinned keys. `sha256` is the SHA-256 of the key's
// SubjectPublicKeyInfo, 32 bytes. Without verification only the peer's own key counts.
//
// Returns: 0.
// Errors: -EINVAL for another length, -EBADF, -EBADR, -EFAULT, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the pin is copied.
int32_t usocket_tls_context_add_pin(usocket_tls_context_t context,
                                    const uint8_t *sha256,
                                    size_t len);

// Sets a callback that decides last about the peer. After all other checks have passed, it is
// called for each certificate of the chain, from the trusted one down to the peer's own (depth 0),
// and returns 0 to accept. Any other result refuses the peer (USOCKET_ETLS_CERT_REFUSED). Without
// verification it is called for the peer's own certificate only. A client with a callback resumes
// no sessions, because a resumed connection has no certificates. On a server the callback is
// called again with the client's original certificate. NULL removes the callback.
//
// The callback runs within the handshake, on the thread that does it. It must return (no longjmp),
// and must not use the connection of that handshake.
//
// Returns: 0.
// Errors: -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any; connections on several threads may call it at the same time.
// Ownership: `arg` stays the caller's and must outlive the context and its connections.
int32_t usocket_tls_context_set_verify_callback(usocket_tls_context_t context,
                                                usocket_tls_verify_cb callback,
                                                void *arg);

// Sets the clock for checking certificates, for devices without a real-time clock: `unix_seconds`
// is the time now, and the clock runs on from there. 0 is the system's clock.
//
// Returns: 0.
// Errors: -EINVAL for a negative time, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_clock(usocket_tls_context_t context, int64_t unix_seconds);

// Copies a property of a certificate as text, with a NUL: `what` is one of
// USOCKET_TLS_CERT_SUBJECT, _ISSUER, _ALT_NAMES, _SERIAL, _FINGERPRINT, _PIN and _KEY. The
// certificate is DER, from usocket_tls_peer_cert, usocket_tls_verified_cert, a verify callback or
// elsewhere. Nothing is verified here. In names a backslash escapes separators, and a backslash
// with two hexadecimal digits stands for a byte that does not print.
//
// Returns: the length without the NUL; with (NULL, 0) only that.
// Errors: USOCKET_ETLS_CERT_INVALID if `der` is not a certificate, -EINVAL for another `what`,
// -ENOSPC when it does not fit (nothing is written), -EFAULT, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_cert_text(const void *der, size_t der_len, int32_t what, char *buf, size_t len);

// Gets a date of a certificate (DER), in seconds since 1970: `what` is USOCKET_TLS_CERT_NOT_BEFORE
// or USOCKET_TLS_CERT_NOT_AFTER.
//
// Returns: 0, and the time in `unix_seconds`.
// Errors: USOCKET_ETLS_CERT_INVALID if `der` is not a certificate, -EINVAL for another `what`,
// -EFAULT, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_cert_time(const void *der, size_t der_len, int32_t what, int64_t *unix_seconds);

// Wraps a connected stream socket in TLS; the handle stays the same. From then on send, sendall,
// recv, read, readline, write, poll, shutdown, close and the others act on the TLS session. No
// data passes before the handshake is complete. It is done at once with USOCKET_TLS_HANDSHAKE in
// `flags`, by usocket_tls_handshake, or by the first use.
//
// With USOCKET_TLS_NO_READ_AHEAD in `flags` the session reads at most one record at a time from
// the kernel. It is for hosts whose programs wait with select(2) and know usocket_tls_pending, and
// for connections that continue in clear text: nothing after the peer's close_notify is read.
//
// `server_name` is the host name or IP address that a client asks for (SNI) and checks the
// certificate against. It may be NULL only if the name is not checked, or on a server.
//
// On a wrapped socket recv and recvfrom take MSG_PEEK and MSG_DONTWAIT, and send takes
// MSG_DONTWAIT and MSG_MORE (ignored); sendto fails with -EISCONN, usocket_dup with -EOPNOTSUPP.
// shutdown(SHUT_WR) and usocket_close send close_notify. When the connection ends without the
// peer's close_notify, every recv fails with USOCKET_ETLS_TRUNCATED after the data received
// before; sending is still possible. Any other USOCKET_ETLS_ error ends the session: every later
// call fails with it, once the data decrypted before it has been received.
//
// A peer that sends 128 KiB without any data (tickets, key updates, empty records) causes
// USOCKET_ETLS_FLOOD. After a fork the first process that uses the session keeps it; in the other
// every call fails with USOCKET_ETLS_FORKED. While a verify callback runs, other threads wait for
// the session within their own timeouts; a call of the callback itself that would wait for its own
// handshake fails with -EDEADLK.
//
// Returns: 0.
// Errors: USOCKET_ETLS_NAME_REQUIRED, USOCKET_ETLS_BAD_NAME, USOCKET_ETLS_NO_CERT,
// USOCKET_ETLS_NO_TRUST, USOCKET_ETLS_NO_SUCH_SUITE, USOCKET_ETLS_NO_SUCH_VERSION; -EISCONN when
// it is wrapped already, -EPROTOTYPE for a socket that is not a stream, -EINVAL (flags), -EBADR
// (`context` is a handle of another kind), -EBADF, -ENOTSOCK, -EOPNOTSUPP in a build without TLS;
// those of usocket_tls_context_add_trust_system on a client's first use. With USOCKET_TLS_HANDSHAKE
// also those of usocket_tls_handshake; the socket is then wrapped.
// usocket_error_detail(s, ...) has the sentence in every case; for an error in the name or the
// context only on the calling thread, until its next failure.
// Blocks: with USOCKET_TLS_HANDSHAKE according to the socket's mode; the first use of a client
// context may read the system's store.
// Threads: any. One thread at a time waits to receive; others wait for their turn, and
// non-blocking calls fail with -EAGAIN meanwhile.
// Ownership: the context stays the caller's; its handle may be closed at once.
int32_t usocket_tls_wrap(usocket_t s,
                         usocket_tls_context_t context,
                         const char *server_name,
                         int32_t flags);

// Does or continues the handshake, with one deadline for the whole.
//
// Returns: 0 when it is complete.
// Errors: -EAGAIN (non-blocking: wait with usocket_poll, or for the events of usocket_tls_wants),
// -ETIMEDOUT, USOCKET_ETLS_... (usocket_error_detail has the sentence), -ECONNRESET, -ENOTCONN,
// -EINTR (event hook), -ECANCELED (usocket_cancel), -EDEADLK (from its own verify callback),
// -EBADF (also: closed meanwhile), USOCKET_ETLS_NOT_WRAPPED.
// Blocks: according to the socket's mode.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_handshake(usocket_t s);

// Ends TLS in both directions and keeps the connection, as for FTP's CCC: sends close_notify,
// waits for the peer's, and continues the handle as a plain stream. Bytes the peer sent after its
// close_notify are received first. Both directions of the TCP connection stay open, and the handle
// cannot be wrapped again. On a handle of usocket_tls_create, feed and drain then carry plain
// data.
//
// Returns: 0; also when TLS has ended already.
// Errors: -EBUSY while data of the session has not been received (receive it, then try again),
// -EAGAIN (non-blocking), -ETIMEDOUT, USOCKET_ETLS_TRUNCATED when the connection ends instead, those of
// usocket_tls_handshake.
// Blocks: according to the socket's mode.
// Threads: any, but no other thread may use the handle meanwhile: its data could go out encrypted
// or plain.
// Ownership: nothing changes hands.
int32_t usocket_tls_unwrap(usocket_t s);

// Returns the number of decrypted bytes that can be received without a system call. If it is 0, it
// is safe to wait for the descriptor (usocket_fileno).
//
// Returns: the number, possibly fewer than there are, but 0 only when there are none.
// Errors: USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int64_t usocket_tls_pending(usocket_t s);

// Returns the events the session waits for, POLLIN or POLLOUT or both, for a caller that polls the
// descriptor (usocket_fileno) itself; 0 while data, the end or an error can be received without
// waiting. During the handshake a receiver may wait for POLLOUT, and a sender for POLLIN.
//
// Returns: the events.
// Errors: USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_wants(usocket_t s);

// Returns the negotiated version: USOCKET_TLS_1_2 or USOCKET_TLS_1_3.
//
// Returns: the version; 0 before the handshake is complete.
// Errors: USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_version(usocket_t s);

// Copies the IANA name of the negotiated cipher suite, such as "TLS_AES_256_GCM_SHA384".
//
// Returns: the length without the NUL, 0 before the handshake is complete; with (NULL, 0) only
// that.
// Errors: -ENOSPC when it does not fit (nothing is written), USOCKET_ETLS_NOT_WRAPPED, -EBADF,
// -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_cipher(usocket_t s, char *buf, size_t len);

// Copies the name of the negotiated key exchange group, such as "X25519MLKEM768".
//
// Returns: as usocket_tls_cipher; 0 also on a resumed TLS 1.2 session, which has none.
// Errors: as usocket_tls_cipher.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_group(usocket_t s, char *buf, size_t len);

// Copies the negotiated application protocol (ALPN).
//
// Returns: as usocket_tls_cipher; 0 when there is none.
// Errors: as usocket_tls_cipher.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_alpn(usocket_t s, char *buf, size_t len);

// Copies the server name: on a client the `server_name` of usocket_tls_wrap, on a server the name
// its client asked for (SNI).
//
// Returns: as usocket_tls_cipher; 0 when there is none.
// Errors: as usocket_tls_cipher.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_server_name(usocket_t s, char *buf, size_t len);

// Tells whether the handshake resumed an earlier session.
//
// Returns: 1 or 0.
// Errors: USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_resumed(usocket_t s);

// Returns the result of verifying the peer's certificate.
//
// Returns: 1 when it was verified, 0 when it was not asked for, not verified (by the context's
// mode), or the handshake is not complete.
// Errors: the USOCKET_ETLS_CERT_ or USOCKET_ETLS_CRL_ code it was refused with;
// USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_verified(usocket_t s);

// Returns the alert with which the peer ended the connection.
//
// Returns: its number, 0 to 255.
// Errors: -ENODATA when there was none, USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_alert(usocket_t s);

// Copies a certificate the peer presented, DER: `index` 0 is its own, then its issuers, as sent.
// Certificates that failed verification are not available.
//
// Returns: the length in bytes; with (NULL, 0) only that.
// Errors: -ENODATA when there is no such certificate, -ENOSPC when it does not fit (nothing is
// written), USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: the bytes are copied.
int32_t usocket_tls_peer_cert(usocket_t s, int32_t index, void *buf, size_t len);

// Copies a certificate of the verified chain, DER: `index` 0 is the peer's own, the last is the
// trusted one (except for Mozilla's roots: the library does not have them in full). The peer may
// have sent more certificates, fewer, or in another order (usocket_tls_peer_cert). The chain is
// built on request.
//
// Returns: the length in bytes; with (NULL, 0) only that.
// Errors: -ENODATA when there is no such certificate, the peer was not verified, or its chain has
// expired meanwhile; -ENOSPC when it does not fit (nothing is written), USOCKET_ETLS_NOT_WRAPPED,
// -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: the bytes are copied.
int32_t usocket_tls_verified_cert(usocket_t s, int32_t index, void *buf, size_t len);

// Exports keying material (RFC 5705, RFC 8446 section 7.5) for a label and an optional context
// (NULL for none), TLS 1.3 only.
//
// Returns: 0, and `len` bytes in `buf`.
// Errors: -ENOTCONN before the handshake is complete, -EOPNOTSUPP on TLS 1.2, -EINVAL for a
// `len` of 0 or above 8,160, or a label over 240 bytes; USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `buf` is the caller's.
int32_t usocket_tls_export(usocket_t s,
                           const char *label,
                           const void *context,
                           size_t context_len,
                           void *buf,
                           size_t len);

// Copies the channel binding of type "tls-exporter" (RFC 9266): 32 bytes, TLS 1.3 only.
//
// Returns: 32; with (NULL, 0) only that.
// Errors: -ENOTCONN before the handshake is complete, -EOPNOTSUPP on TLS 1.2, -ENOSPC,
// USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: the bytes are copied.
int32_t usocket_tls_channel_binding(usocket_t s, void *buf, size_t len);

// Takes the session of a client connection out of its context, for another connection of the same
// context to resume. A TLS 1.3 server sends it after the handshake: it is available once some data
// has been received. It can be used for one connection (RFC 8446, appendix C.4).
//
// Returns: a handle.
// Errors: -ENODATA when there is none (yet), -EOPNOTSUPP on a server, USOCKET_ETLS_NOT_WRAPPED,
// -EBADF, -ENOTSOCK, -ENFILE.
// Blocks: no.
// Threads: any.
// Ownership: the handle is the caller's, to be given to usocket_close.
usocket_tls_session_t usocket_tls_take_session(usocket_t s);

// Makes a wrapped client connection resume a session taken from another connection of the same
// context to the same server name. (A context does this by itself.) A session is not resumed after
// a certificate verified for it has expired.
//
// Returns: 0.
// Errors: -EISCONN once the handshake has begun, -EINVAL for a session of another context (or of
// the same before its settings were changed), of another name, -EBADR for a handle of another
// kind, -ENODATA when it has been used already, -EOPNOTSUPP on a server, USOCKET_ETLS_NOT_WRAPPED,
// -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: the session's handle stays the caller's; the session itself is used up.
int32_t usocket_tls_set_session(usocket_t s, usocket_tls_session_t session);

// Makes a TLS connection without a socket: the caller carries its bytes, over an event loop's
// transport, a serial line, another TLS connection or anything else. usocket_tls_feed takes the
// bytes from the peer, usocket_tls_drain returns the bytes for the peer. Otherwise the handle is
// used like a wrapped socket in non-blocking mode: usocket_send, sendall, recv, read, readline,
// write, shutdown (close_notify), usocket_tls_handshake and the other usocket_tls_ calls. After
// -EAGAIN, drain, feed, and try again. Apart from usocket_close and usocket_error_detail no other
// call takes such a handle.
//
// `server_name` is that of usocket_tls_wrap; `flags` are 0.
//
// Returns: a handle.
// Errors: as usocket_tls_wrap without USOCKET_TLS_HANDSHAKE; -EBADF or -EBADR if `context` is not
// a context.
// Blocks: no; the first use of a client context may read the system's store.
// Threads: any.
// Ownership: the handle is the caller's, to be given to usocket_close, which discards bytes not
// drained. The context stays the caller's; its handle may be closed at once.
usocket_t usocket_tls_create(usocket_tls_context_t context, const char *server_name, int32_t flags);

// Feeds in bytes from the peer. The receiving calls process them.
//
// On a wrapped socket it takes, until the handshake begins, the bytes that were received before
// the wrapping: a server may read the first bytes, or the ClientHello, to decide how to respond.
//
// Returns: how many of them were taken; fewer than `len` when the input buffer is full.
// Errors: -EAGAIN when none can be taken until data is received, -EPIPE after
// usocket_tls_feed_end; for a socket -EISCONN once the handshake has begun, -EMSGSIZE for more
// than the maximum size of a ClientHello, USOCKET_ETLS_NOT_WRAPPED; -ENOMEM, -EBADF, -EBADR,
// -EFAULT, -EINVAL, -EOPNOTSUPP in a build without TLS.
// Blocks: no.
// Threads: any.
// Ownership: the bytes are copied.
int64_t usocket_tls_feed(usocket_t s, const void *buf, size_t len);

// Marks the end of the input: the underlying connection has ended. If the peer has not sent
// close_notify, receiving then fails with USOCKET_ETLS_TRUNCATED.
//
// Returns: 0.
// Errors: -EBADF, -EBADR, -EOPNOTSUPP in a build without TLS.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_feed_end(usocket_t s);

// Takes out bytes for the peer, in order. Call it after every call that may produce some: the
// handshake, sending, receiving (responses, alerts) and shutdown.
//
// Returns: the number of bytes written to `buf`; 0 when there are none now. With (NULL, 0) the
// number available.
// Errors: -EBADF, -EBADR, -EFAULT, -EINVAL, -EOPNOTSUPP in a build without TLS.
// Blocks: no.
// Threads: any; the order is that of the calls.
// Ownership: the bytes are copied.
int64_t usocket_tls_drain(usocket_t s, void *buf, size_t len);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* USOCKET_H */
