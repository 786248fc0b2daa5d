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
 * For what an event loop or a runtime needs:
 *
 *   many sockets in one wait      usocket_poller_create, _add, _wait; _add_fd for other descriptors
 *   one listener, many threads    USOCKET_POLLER_EXCLUSIVE, or USOCKET_SERVER_REUSE_PORT
 *   timers                        usocket_poller_arm_timer, _cancel_timer
 *   inside libuv, GLib, an epoll  usocket_fileno of the poller, then usocket_poller_wait(..., 0)
 *   connecting, names             usocket_connection_create, usocket_query_create: pollable, closable
 *   connections, non-blocking     usocket_accept4(s, SOCK_NONBLOCK, ...)
 *   one end for a whole request   usocket_set_deadline(s, usocket_now() + ...)
 *   to end another thread's call  usocket_cancel; usocket_close; usocket_poller_wake
 *   head and body in one go       usocket_sendmsg, also with TLS; a file: usocket_sendfile
 *   TLS over bytes of your own    usocket_tls_create, _feed, _drain
 *   why it failed                 usocket_error_detail, usocket_error_category, usocket_set_log_hook
 *   before it is unloaded         usocket_finish
 *
 * Threads: every function may be called from any thread at any time, also on the same handle. A
 * closed handle is -EBADF for ever. Closing a handle ends what other threads are doing with it.
 * A thread must not be cancelled (pthread_cancel) while it is inside a call: close the handle instead.
 * Signals: no operation raises SIGPIPE; see usocket_set_event_hook for EINTR.
 * Fork: a child may call everything, whatever the parent's threads were doing. A handle is valid in
 * both, as a descriptor is: they share the connection, and closing it in one leaves the other's alone
 * (with a thread of the same process inside, closing shuts the connection down, for both). Pollers
 * are each process's own from the fork on. A fork waits for calls that are about to end, never for one
 * that waits. A thread that forks in its event hook or a callback goes on with its call in the child.
 * _Fork() and clone() run no handlers: their child may call the library only if the process has no
 * other threads. No function of the library is for signal handlers.
 */

#ifndef USOCKET_H
#define USOCKET_H

#include <stddef.h>
#include <stdint.h>

// The socket was made with IPPROTO_SEC, or the call is about TLS, and it is not wrapped yet.
#define USOCKET_ETLS_NOT_WRAPPED -10001

// The connection ended without the peer's close_notify: what came may not be all.
#define USOCKET_ETLS_TRUNCATED -10002

// The connection ended in the middle of the handshake.
#define USOCKET_ETLS_HANDSHAKE_EOF -10003

// The peer does not speak TLS.
#define USOCKET_ETLS_NOT_TLS -10004

// The peer broke the rules of TLS.
#define USOCKET_ETLS_PROTOCOL -10005

// A record could not be decrypted: damaged, or forged.
#define USOCKET_ETLS_DECRYPT -10006

// The peer sent a record that is too long.
#define USOCKET_ETLS_RECORD_OVERFLOW -10007

// TLS failed for a reason that has no number of its own; usocket_error_detail has the words.
#define USOCKET_ETLS_OTHER -10008

// The session's keys are used up.
#define USOCKET_ETLS_EXHAUSTED -10009

// No random bytes or no time could be had from the system.
#define USOCKET_ETLS_SYSTEM -10010

// The peer sends records without data, one after another.
#define USOCKET_ETLS_FLOOD -10011

// Another process goes on with this connection since a fork.
#define USOCKET_ETLS_FORKED -10012

// The peer's certificate has expired (by the clock that usocket_error_detail names).
#define USOCKET_ETLS_CERT_EXPIRED -10020

// The peer's certificate is not valid yet (by the clock that usocket_error_detail names).
#define USOCKET_ETLS_CERT_NOT_YET_VALID -10021

// The peer's certificate was issued by nobody we trust.
#define USOCKET_ETLS_CERT_UNKNOWN_ISSUER -10022

// The peer's certificate is for another name.
#define USOCKET_ETLS_CERT_WRONG_NAME -10023

// The peer's certificate has been revoked.
#define USOCKET_ETLS_CERT_REVOKED -10024

// The peer's certificate is badly encoded.
#define USOCKET_ETLS_CERT_BAD_ENCODING -10025

// A signature is wrong: on the certificate, or by its key.
#define USOCKET_ETLS_CERT_BAD_SIGNATURE -10026

// The peer's certificate uses an algorithm, version or extension that is not supported.
#define USOCKET_ETLS_CERT_UNSUPPORTED -10027

// The peer's certificate is not for this purpose (extended key usage).
#define USOCKET_ETLS_CERT_WRONG_PURPOSE -10028

// The peer's own certificate is a CA certificate, and is not itself among the trusted ones.
#define USOCKET_ETLS_CERT_IS_CA -10029

// There is no revocation list for the peer's certificate.
#define USOCKET_ETLS_CRL_MISSING -10030

// The revocation list is out of date.
#define USOCKET_ETLS_CRL_EXPIRED -10031

// A revocation list is not usable.
#define USOCKET_ETLS_CRL_INVALID -10032

// The key of the peer's certificate is none of the pinned ones.
#define USOCKET_ETLS_CERT_NOT_PINNED -10033

// The verify callback refused the peer's certificate.
#define USOCKET_ETLS_CERT_REFUSED -10034

// The peer presented no certificate, and one is required.
#define USOCKET_ETLS_CERT_REQUIRED -10035

// The chain breaks a limit set in it (names, length), or is too complex to check.
#define USOCKET_ETLS_CERT_CONSTRAINT -10036

// The certificate status stapled to the handshake (OCSP) does not verify, or is required and missing.
#define USOCKET_ETLS_CERT_BAD_STAPLE -10037

// A key or a signature of the peer's certificates is too weak: RSA below 2048 bits, SHA-1, MD5.
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

// The peer lacks something that is required.
#define USOCKET_ETLS_PEER_INCOMPATIBLE -10055

// The program has no certificate for the name that the client asks for (name callback).
#define USOCKET_ETLS_NAME_REFUSED -10056

// No PEM item of the kind that is needed was found.
#define USOCKET_ETLS_PEM_EMPTY -10070

// The PEM text is damaged: base64, or a missing end line.
#define USOCKET_ETLS_PEM_BAD -10071

// A certificate given to the context is not one.
#define USOCKET_ETLS_CERT_INVALID -10072

// A private key given to the context is not one that can be used.
#define USOCKET_ETLS_KEY_INVALID -10073

// The private key is encrypted: no password was set, or not in a way that can be opened.
#define USOCKET_ETLS_KEY_ENCRYPTED -10074

// The private key does not belong to the certificate.
#define USOCKET_ETLS_KEY_MISMATCH -10075

// Verification needs a trusted certificate, and there is none.
#define USOCKET_ETLS_NO_TRUST -10076

// A server needs a certificate, and there is none.
#define USOCKET_ETLS_NO_CERT -10077

// The server name is neither a host name nor an IP address.
#define USOCKET_ETLS_BAD_NAME -10078

// The host name is to be checked, and no server name was given.
#define USOCKET_ETLS_NAME_REQUIRED -10079

// A cipher suite or group of that name is not known, or none is left.
#define USOCKET_ETLS_NO_SUCH_SUITE -10080

// The versions asked for leave none, or are not in this build.
#define USOCKET_ETLS_NO_SUCH_VERSION -10081

// Not given any more: a context in use can be changed, for the connections made from then on.
#define USOCKET_ETLS_CONTEXT_IN_USE -10082

// The processor lacks what this build's cryptography needs.
#define USOCKET_ETLS_CPU -10083

// The password does not open the encrypted private key.
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
// IPPROTO_SEC): until then sending and receiving give USOCKET_ETLS_NOT_WRAPPED. It is no protocol
// of the system's: those end at 65535.
#define USOCKET_IPPROTO_SEC 65536

// A sensible backlog for usocket_listen where the caller has none in mind (CPython's too).
#define USOCKET_BACKLOG_DEFAULT 128

// For usocket_create_server: several sockets may share the port (SO_REUSEPORT).
#define USOCKET_SERVER_REUSE_PORT 1

// For usocket_create_server: an IPv6 socket that takes IPv4 connections as well.
#define USOCKET_SERVER_DUAL_STACK 2

// In an event mask: report once, then not again until usocket_poller_modify.
#define USOCKET_POLLER_ONESHOT 1073741824

// In an event mask: report when it becomes ready, not while it is.
#define USOCKET_POLLER_EDGE 2147483648

// In an event mask: of several pollers with the same socket in them, not all are told (EPOLLEXCLUSIVE).
#define USOCKET_POLLER_EXCLUSIVE 268435456

// What usocket_poller_wait reports of a timer of usocket_poller_arm_timer.
#define USOCKET_POLLER_TIMER 536870912

// A context for connections to servers.
#define USOCKET_TLS_CLIENT 1

// A context for connections from clients.
#define USOCKET_TLS_SERVER 2

// TLS 1.2
#define USOCKET_TLS_1_2 771

// TLS 1.3
#define USOCKET_TLS_1_3 772

// The peer is not verified at all: anybody can be in the middle. (A server then asks for no
// client certificate.) Pins and the verify callback, where set, still decide, and a server with
// one of them requires a certificate for them.
#define USOCKET_TLS_VERIFY_NONE_INSECURE 0

// A server asks for a client certificate and verifies it if there is one. On a client as
// USOCKET_TLS_VERIFY_REQUIRED.
#define USOCKET_TLS_VERIFY_OPTIONAL 1

// The peer must present a certificate that verifies.
#define USOCKET_TLS_VERIFY_REQUIRED 2

// Any name in the server's certificate will do: whoever has a certificate can be in the middle.
#define USOCKET_TLS_HOSTNAME_INSECURE_ANY 0

// The server's certificate must be for the name given to usocket_tls_wrap.
#define USOCKET_TLS_HOSTNAME_CHECK 1

// The status a server staples to the handshake (OCSP): if there is one, it must verify.
#define USOCKET_TLS_OCSP_IF_STAPLED 0

// The status a server staples to the handshake: there must be one, and it must verify.
#define USOCKET_TLS_OCSP_REQUIRED 1

// The status a server staples to the handshake is not looked at.
#define USOCKET_TLS_OCSP_INSECURE_IGNORE 2

// Revocation lists: only the peer's own certificate is looked up, not its issuers.
#define USOCKET_TLS_CRL_LEAF_ONLY 1

// Revocation lists: a certificate whose issuer has no list passes.
#define USOCKET_TLS_CRL_INSECURE_ALLOW_UNKNOWN 2

// Revocation lists: a list past its next update is used all the same.
#define USOCKET_TLS_CRL_INSECURE_ALLOW_EXPIRED 4

// usocket_tls_cert_text: whose it is, as "C=US,O=Example,CN=www".
#define USOCKET_TLS_CERT_SUBJECT 1

// usocket_tls_cert_text: who issued it.
#define USOCKET_TLS_CERT_ISSUER 2

// usocket_tls_cert_text: what it is for, as "DNS:example.com,DNS:*.example.com,IP:192.0.2.1".
#define USOCKET_TLS_CERT_ALT_NAMES 3

// usocket_tls_cert_text: its serial number, hexadecimal.
#define USOCKET_TLS_CERT_SERIAL 4

// usocket_tls_cert_text: SHA-256 of the whole certificate, hexadecimal.
#define USOCKET_TLS_CERT_FINGERPRINT 5

// usocket_tls_cert_text: SHA-256 of its key, as usocket_tls_context_add_pin takes it, hexadecimal.
#define USOCKET_TLS_CERT_PIN 6

// usocket_tls_cert_text: the kind of its key, as "RSA-2048" or "EC P-256".
#define USOCKET_TLS_CERT_KEY 7

// usocket_tls_cert_time: from when on it is valid.
#define USOCKET_TLS_CERT_NOT_BEFORE 1

// usocket_tls_cert_time: until when it is valid.
#define USOCKET_TLS_CERT_NOT_AFTER 2

// usocket_tls_wrap: the handshake is done at once, within the socket's mode.
#define USOCKET_TLS_HANDSHAKE 1

// usocket_tls_wrap: no more than one record at a time is taken out of the kernel.
#define USOCKET_TLS_NO_READ_AHEAD 2

// No error, or a number that the library never gives.
#define USOCKET_CATEGORY_NONE 0

// The system's, -errno.
#define USOCKET_CATEGORY_SYSTEM 1

// The resolver's.
#define USOCKET_CATEGORY_RESOLVER 2

// TLS itself failed: a rule broken, a record damaged, a limit reached.
#define USOCKET_CATEGORY_TLS_CONNECTION 3

// The connection ended where TLS does not end: what came may not be all.
#define USOCKET_CATEGORY_TLS_END 4

// The peer's certificate was refused, or it had none and one is required.
#define USOCKET_CATEGORY_TLS_CERTIFICATE 5

// The two sides have no version, suite, group, protocol or signature algorithm in common.
#define USOCKET_CATEGORY_TLS_AGREEMENT 6

// What the program gave cannot be used: a certificate, a key, a name, a setting.
#define USOCKET_CATEGORY_TLS_SETTING 7

// The peer ended it with an alert.
#define USOCKET_CATEGORY_TLS_ALERT 8

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
  // The `struct sockaddr`, aligned as a `struct sockaddr_storage` is. Bytes behind the first
  // `len` mean nothing.
  uint64_t storage[16];
  // How many bytes of it are the address.
  uint32_t len;
  // Zero.
  uint32_t reserved;
} usocket_addr;

// A piece of a message's data: laid out as `struct iovec`.
typedef struct usocket_iovec {
  // Its bytes, or the room for them.
  void *base;
  // How many.
  size_t len;
} usocket_iovec;

// A message of usocket_sendmsg and usocket_recvmsg, as `struct msghdr` is of sendmsg(2).
typedef struct usocket_msg {
  // Whom it is for, or, received, whom it is from; NULL: nobody in particular.
  struct usocket_addr *addr;
  // The pieces of its data, sent or filled in this order.
  const struct usocket_iovec *data;
  // How many pieces.
  size_t count;
  // Ancillary data, in the form that the macros of cmsg(3) write and read.
  void *control;
  // How many bytes of it; to receive, how much room, and then how many bytes came.
  size_t control_len;
  // Of a received message: MSG_TRUNC (the data did not fit), MSG_CTRUNC (the ancillary data did
  // not fit), MSG_EOR, MSG_OOB, MSG_ERRQUEUE. To send: 0.
  int32_t flags;
  // Zero.
  int32_t reserved;
} usocket_msg;

// A network interface, or one of its addresses.
typedef struct usocket_interface {
  // Its index, 1 or more: what a scope id and usocket_join_group take.
  uint32_t index;
  // IFF_UP, IFF_LOOPBACK, IFF_MULTICAST, ... of <net/if.h>.
  uint32_t flags;
  // Its name.
  char name[16];
  // An IP address of it; of length 0 in the entry of the interface itself.
  struct usocket_addr addr;
  // The mask of that address.
  struct usocket_addr netmask;
} usocket_interface;

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

// A handle of a name query: usocket_query_create.
typedef int64_t usocket_query_t;

// A handle of a connection under way: usocket_connection_create.
typedef int64_t usocket_connection_t;

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

// A handle of a poller: usocket_poller_create.
typedef int64_t usocket_poller_t;

// What usocket_poller_wait reports about one registration.
typedef struct usocket_event {
  // The handle that was registered; 0 for a descriptor, and for a timer.
  usocket_t socket;
  // What was given with the registration.
  uint64_t data;
  // The descriptor that was registered; -1 for a handle, and for a timer.
  int32_t fd;
  // POLLIN, POLLOUT, POLLERR, POLLHUP, ...; POLLNVAL where the registration asks for it;
  // USOCKET_POLLER_TIMER.
  uint32_t events;
} usocket_event;

// A handle of a TLS context: usocket_tls_context_create.
typedef int64_t usocket_tls_context_t;

// What chooses a server's certificates by name; see usocket_tls_context_set_name_callback.
typedef usocket_tls_context_t (*usocket_tls_name_cb)(void *arg, const char *name);

// What decides about each certificate after everything else accepted it; see
// usocket_tls_context_set_verify_callback.
typedef int32_t (*usocket_tls_verify_cb)(void *arg, const uint8_t *der, size_t len, int32_t depth);

// A handle of a TLS session that was taken out to be resumed: usocket_tls_take_session.
typedef int64_t usocket_tls_session_t;

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

// What this build can do, as words separated by spaces: "poller=epoll tls=aws-lc-rs
// aws-lc-rs=1.19.0 rustls=0.23.46 tls-versions=1.2,1.3"; "tls=none" without TLS.
//
// Returns: static text, never NULL.
// Errors: none.
// Blocks: no.
// Threads: any.
// Ownership: the library's; do not free.
const char *usocket_features(void);

// The clock of usocket_set_deadline: CLOCK_MONOTONIC.
//
// Returns: microseconds since some point in the past.
// Errors: none.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int64_t usocket_now(void);

// The text for any code a function of the library returned.
//
// Returns: text, never NULL; "no error" for a code that is not negative.
// Errors: none.
// Blocks: no.
// Threads: any; each has a text of its own.
// Ownership: the library's; valid until the next usocket_strerror on the same thread.
const char *usocket_strerror(int64_t code);

// What kind of error a code is, whichever function gave it: a program that only wants to know what
// to do about it need not know the numbers.
//
// Returns: USOCKET_CATEGORY_...; USOCKET_CATEGORY_NONE for what is no error of the library.
// Errors: none.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_error_category(int64_t code);

// The platform's own number for a code of the resolver's range, as Python's `e.args[0]` has it.
//
// Returns: the negative EAI_ number of <netdb.h>; 0 when the code is not of that range.
// Errors: none.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_gai_code(int64_t code);

// Copies the sentence that explains the last error, where there is more to say than
// usocket_strerror: with a handle, the last cause on that handle; with 0, the cause of the last
// failure on this thread, if that was of a call without a handle (addresses, names).
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
// The old hook runs nowhere any more when this returns, so that its `arg` can go; a thread must
// not hold what the old hook waits for (an interpreter's lock). Called from within a hook, it does
// not wait.
//
// The hook must return: no longjmp, no exception through it. It may call the library, and fork. Install
// signal handlers without SA_RESTART where they are to interrupt operations in blocking mode
// (signal(7)).
//
// Returns: 0.
// Errors: none.
// Blocks: while another thread runs the old hook.
// Threads: any; the hook runs on whichever thread is interrupted.
// Ownership: `arg` stays the caller's, until the hook is replaced or removed.
int32_t usocket_set_event_hook(int32_t (*hook)(void *arg),
                               void *arg);

// Sets what is told of every call that fails, one for the process; NULL removes it. It is called on the
// thread of the call, before that returns, with `arg`, the handle (0: a call without one), the code and
// the sentence that usocket_error_detail would give, or "". -EAGAIN, -EINPROGRESS and -EALREADY, which
// are no failures, are not told, nor are failures of calls that a hook or a callback makes.
//
// The old hook runs nowhere any more when this returns, unless it is called from within a hook. The hook
// must return: no longjmp, no exception through it.
//
// Returns: 0.
// Errors: none.
// Blocks: while another thread runs the old hook.
// Threads: any; the hook runs on whichever thread a call fails, on several at once.
// Ownership: `arg` stays the caller's, until the hook is replaced or removed; the sentence is the
// library's, until the hook returns.
int32_t usocket_set_log_hook(void (*hook)(void *arg, usocket_t s, int32_t code, const char *sentence),
                             void *arg);

// Ends the library's work in this process: closes every handle, removes the hooks, ends the
// library's threads and waits for them up to `timeout_us` microseconds (negative: as long as it takes),
// lets go of what it keeps (the system's certificates). For a plugin before it is unloaded, and for
// tools that count memory; a program that ends needs it not. The library can be used again afterwards.
//
// Calls of other threads end as usocket_close ends them. Lists of usocket_getaddrinfo stay the caller's.
// The handle table stays (it is reachable), so that every handle of before is -EBADF for ever.
//
// Returns: 0: no thread of the library's runs or will, unless it is used again.
// Errors: -ETIMEDOUT when a thread has not come to its end (the C library's resolver keeps one for as
// long as it asks; call again), -EDEADLK from within a hook or callback.
// Blocks: up to the timeout; and as closing the handles does.
// Threads: any.
// Ownership: all handles are closed.
int32_t usocket_finish(int64_t timeout_us);

// Makes an IP address from the parts of Python's tuples: numeric text, port, and for IPv6
// flowinfo and scope id (0 for IPv4).
//
// `family` is AF_INET, AF_INET6, or 0 for whichever `host` is. An empty `host` is the wildcard
// address. IPv6 text may name its zone ("fe80::1%eth0"). `port` is 0 to 65535, `flowinfo` 0 to
// 1048575, `scope_id` an interface index; the last two are 0 for IPv4.
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
// Bytes of a Unix name that are no UTF-8 become U+FFFD. 325 bytes of room are always enough.
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
// Errors: -EAFNOSUPPORT, -EPROTONOSUPPORT, -ESOCKTNOSUPPORT, -EINVAL (no such type, or flags in
// it), -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, -EPERM (SOCK_RAW), as socket(2).
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
// Errors: -EBADF, -ENOTSOCK, -ENFILE (no handle left): the descriptor then stays the caller's, open.
// Blocks: no.
// Threads: any.
// Ownership: on success the descriptor is the handle's and closed with it.
usocket_t usocket_from_fd(int32_t fd);

// Gives up the descriptor without closing it; the handle is stale afterwards. Of a wrapped socket
// the descriptor carries TLS records, and the session that could read them is gone: bytes that were
// received and not yet taken are lost.
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

// The descriptor behind a handle, for select, poll and the loops of others. That of a socket is
// O_NONBLOCK unless the socket is in blocking mode; usocket_tls_wants says what to wait for on a wrapped one.
//
// That of a query or a connection under way is readable once it has come to its end. That of a poller is
// readable when usocket_poller_wait with a timeout of 0 would report something, and until then: a
// registration, a timer, a wake, also what only the library knows, such as data that TLS has decrypted.
// (It may be readable once with nothing to report.) So a poller goes into libuv, GLib or an epoll, to be
// waited for with POLLIN, level-triggered. Take the descriptor out there before the handle is closed, and
// ask for it again in a forked child.
//
// Returns: the descriptor, 0 or more.
// Errors: -EBADF, -ENOTSOCK for a handle of TLS alone; -EPERM for a connection in a forked child; -EMFILE,
// -ENFILE, -ENOMEM and -ENOSPC for a poller, and for a query in a forked child.
// Blocks: no.
// Threads: any.
// Ownership: stays the library's: do not close it, nor read from it.
int32_t usocket_fileno(usocket_t s);

// Closes a handle, of any kind, for ever.
//
// Operations that other threads are blocked in end with -EBADF, and the descriptor is closed when
// the last of them has left: at once on AF_INET, AF_INET6 and AF_UNIX, within 0.1 s on families
// without a shutdown of their own (AF_NETLINK, AF_PACKET). To end them the connection is shut down, which a dup'd or forked
// sibling of the descriptor notices; with nobody inside, a sibling notices nothing. A TLS session
// says goodbye (close_notify), unless this process has not used it since a fork and
// others may. What a send on a
// wrapped socket has counted is the kernel's by then, and leaves as what a plain socket has sent
// does, also when the process ends.
//
// Returns: 0.
// Errors: -EBADF when it is closed already or never was. When close(2) fails, its code: -EBADF for a
// descriptor that was closed behind the library's back, -EIO; the handle is given up all the same.
// Blocks: no (SO_LINGER aside); a wrapped socket that is not non-blocking, for its timeout or a second
// at most, while the kernel has no room for the goodbye, and for 0.25 s after a handshake that was
// refused here, so that the peer can read why.
// Threads: any.
// Ownership: the handle is given up.
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
// USOCKET_BACKLOG_DEFAULT is for callers without a wish.
//
// Returns: 0.
// Errors: -EADDRINUSE, -EINVAL (connected, or a Unix socket that is not bound), -EOPNOTSUPP (not a
// stream), -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_listen(usocket_t s, int32_t backlog);

// Accepts a connection (accept(2)). The new socket is in blocking mode, close-on-exec, and of
// the listener's family, type and protocol. `peer`, unless NULL, receives the other end's address.
//
// Returns: a handle.
// Errors: -EAGAIN (non-blocking), -ETIMEDOUT (timeout), -EINTR (event hook), -ECANCELED
// (usocket_cancel), -EINVAL (not listening), -EOPNOTSUPP (not a stream), -ECONNABORTED, -EMFILE,
// -ENFILE, -ENOBUFS, -ENOMEM, -EPERM (firewall), -EBADF (also: closed meanwhile), -ENOTSOCK.
// Blocks: as the listener's mode has it.
// Threads: any; many may accept on one listener.
// Ownership: the new handle is the caller's.
usocket_t usocket_accept(usocket_t s, struct usocket_addr *peer);

// Accepts a connection (accept4(2)): SOCK_NONBLOCK in `flags` makes the new socket non-blocking, in
// the same system call. SOCK_CLOEXEC may be there too; it is always so. Otherwise usocket_accept.
//
// Returns: a handle.
// Errors: those of usocket_accept; -EINVAL for another flag.
// Blocks: as the listener's mode has it.
// Threads: any; many may accept on one listener.
// Ownership: the new handle is the caller's.
usocket_t usocket_accept4(usocket_t s, int32_t flags, struct usocket_addr *peer);

// Connects a socket (connect(2)); a datagram socket gets its default peer.
//
// A timeout leaves the attempt going on in the kernel: a second call waits for it again. After a
// connect that was not done at once the kernel says 0 to one more call, and -EISCONN to the next.
//
// Returns: 0.
// Errors: -EINPROGRESS (non-blocking: poll for POLLOUT, then SO_ERROR tells), -EALREADY (non-blocking
// and in progress), -EISCONN, -ETIMEDOUT, -ECONNREFUSED, -ECONNABORTED (it failed, and another thread
// has taken the reason from SO_ERROR), -ECONNRESET, -EHOSTUNREACH, -ENETUNREACH, -EADDRNOTAVAIL (no
// local port left), -EADDRINUSE (bound to a port that has this very connection), -EACCES (broadcast,
// or a Unix path without permission), -EPERM (firewall), -EAFNOSUPPORT (an address of another family),
// -EAGAIN (Unix, non-blocking, backlog full; a datagram socket without a local port left), -ENOENT,
// -ENOTDIR, -ELOOP, -EPROTOTYPE (Unix), -EOPNOTSUPP (the socket listens), -EINTR (event hook),
// -ECANCELED (usocket_cancel), -EINVAL (bad address), -EBADF (also: closed meanwhile), -ENOTSOCK,
// -EFAULT.
// Blocks: as the socket's mode has it.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_connect(usocket_t s,
                        const struct usocket_addr *addr);

// Shuts down one or both halves of a connection (shutdown(2)). `how` is SHUT_RD, SHUT_WR or
// SHUT_RDWR. A wrapped socket's sending half says goodbye (close_notify) before.
//
// Returns: 0.
// Errors: -ENOTCONN, -EINVAL for another `how`, -EBADF, -ENOTSOCK; on a wrapped socket also those of
// usocket_send.
// Blocks: no; on a wrapped socket as its mode has it, while there is no room for the goodbye.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_shutdown(usocket_t s,
                         int32_t how);

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

// Sends from `buf`, perhaps less than `len` bytes (send(2)). `flags` are MSG_ flags;
// MSG_NOSIGNAL is always added, MSG_DONTWAIT makes this call non-blocking.
//
// Returns: how many bytes were sent.
// Errors: -EAGAIN (non-blocking; also a datagram socket without a local port left), -ETIMEDOUT
// (timeout), -EPIPE, -ECONNRESET, -ECONNREFUSED (a datagram before found nobody), -EHOSTUNREACH,
// -ENETUNREACH, -ENOTCONN, -EDESTADDRREQ, -EMSGSIZE, -ENOBUFS, -ENOMEM, -EOPNOTSUPP (a flag that means
// nothing here), -EACCES, -EPERM (firewall), -EINTR (event hook), -ECANCELED (usocket_cancel), -EBADF
// (also: closed meanwhile), -ENOTSOCK, -EFAULT, -EINVAL, USOCKET_ETLS_NOT_WRAPPED; on a wrapped socket
// USOCKET_ETLS_....
// Blocks: as the socket's mode has it.
// Threads: any; one may send while another receives.
// Ownership: `buf` is only read.
int64_t usocket_send(usocket_t s,
                     const void *buf,
                     size_t len,
                     int32_t flags);

// Sends all of `buf`: one deadline for the whole, however many pieces it takes.
//
// Returns: 0.
// Errors: as usocket_send; how much was sent is then not known (usocket_write knows).
// Blocks: as the socket's mode has it.
// Threads: any; of two at once the bytes may interleave.
// Ownership: `buf` is only read.
int32_t usocket_sendall(usocket_t s, const void *buf, size_t len, int32_t flags);

// Sends to an address (sendto(2)), usually one datagram. A connected TCP socket has its peer, and
// the address means nothing.
//
// Returns: how many bytes were sent.
// Errors: as usocket_send; -EISCONN on a connected Unix stream and on a wrapped socket, -EOPNOTSUPP
// on a Unix stream that is not connected; -EAFNOSUPPORT, -ENOENT, -ENOTDIR, -ELOOP,
// -EPROTOTYPE about the address; -EINVAL for a bad one.
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
// The number is never more than `len`, also with MSG_TRUNC. The length of the datagram that waits is
// asked for with (NULL, 0) and MSG_PEEK | MSG_TRUNC. On a stream MSG_TRUNC throws away what it
// counts, and `buf` has zeroes.
//
// Returns: how many bytes were received; 0 at the end of a stream.
// Errors: -EAGAIN (non-blocking; also with MSG_ERRQUEUE or MSG_OOB in every mode), -ETIMEDOUT
// (timeout, or the connection's), -ECONNRESET, -ECONNREFUSED (a datagram found nobody), -EHOSTUNREACH,
// -ENETUNREACH, -ENOTCONN, -ENOBUFS, -ENOMEM, -EOPNOTSUPP (a flag that means nothing here), -EINTR
// (event hook), -ECANCELED (usocket_cancel), -EBADF (also: closed meanwhile), -ENOTSOCK, -EFAULT,
// -EINVAL (also: no urgent data to come), USOCKET_ETLS_NOT_WRAPPED; on a wrapped socket
// USOCKET_ETLS_....
// Blocks: as the socket's mode has it.
// Threads: any; one may receive while another sends.
// Ownership: `buf` is the caller's.
int64_t usocket_recv(usocket_t s,
                     void *buf,
                     size_t len,
                     int32_t flags);

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

// Sends a message: `data` in one go, to `addr` unless that is NULL, with ancillary data beside it
// unless `control_len` is 0 (sendmsg(2)). `flags` are those of usocket_send.
//
// On a wrapped socket (TLS) the pieces become one record, as far as they fit in one; what is left of
// the last of these follows in the same call.
//
// Returns: how many bytes were sent.
// Errors: as usocket_send; -EMSGSIZE for more than 1024 pieces; -EINVAL, -EPERM, -EBADF,
// -ETOOMANYREFS, -ENOBUFS for ancillary data that is not well formed, not allowed, names a
// descriptor that is not open, or is too much; -EISCONN for an address on a connected Unix stream
// or a wrapped socket; -EOPNOTSUPP for ancillary data on a wrapped socket; -EFAULT, -EINVAL, also of
// a piece.
// Blocks: as the socket's mode has it.
// Threads: any.
// Ownership: everything is only read; descriptors that are sent stay open here.
int64_t usocket_sendmsg(usocket_t s,
                        const struct usocket_msg *msg,
                        int32_t flags);

// Receives a message: its data into `data`, whom it is from into `addr` unless that is NULL, and
// ancillary data into `control` (recvmsg(2)). `flags` are those of usocket_recv.
//
// Descriptors that come with it (SCM_RIGHTS) are close-on-exec, and the caller's: all that the
// process got are in `control`, also when MSG_CTRUNC says that not everything fitted. Without room
// for any, none comes.
//
// The number is never more than the pieces hold; MSG_TRUNC in `flags` of the message says that there
// was more.
//
// Returns: how many bytes were received; 0 at the end of a stream. `control_len` and `flags` of the
// message say what came.
// Errors: as usocket_recv; -EMSGSIZE for more than 1024 pieces; -EFAULT, -EINVAL, also of a piece.
// Blocks: as the socket's mode has it.
// Threads: any; a message belongs to one call.
// Ownership: everything is the caller's, also the descriptors that came.
int64_t usocket_recvmsg(usocket_t s,
                        struct usocket_msg *msg,
                        int32_t flags);

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

// Sets a deadline for every operation that begins from now on: beside the timeout, so that a whole
// request has one end, whatever it consists of. `when_us` is a time of CLOCK_MONOTONIC in microseconds,
// such as usocket_now() + 5000000; a negative one is none, as at first. An operation that would wait
// beyond it, or begins to wait after it, fails with -ETIMEDOUT. What need not wait is done.
//
// With a deadline in force a socket in blocking mode has an O_NONBLOCK descriptor and behaves as one
// with a timeout. In non-blocking mode the deadline changes nothing.
//
// Returns: 0.
// Errors: -ENOMEM, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any; an operation under way keeps the end it began with.
// Ownership: nothing changes hands; a socket of usocket_accept or usocket_dup has none.
int32_t usocket_set_deadline(usocket_t s,
                             int64_t when_us);

// Ends what other threads wait for on the socket, and leaves the socket as it is. A socket is made ready
// for it by usocket_cancel(s, 0), before the operations begin that are to be ended: from then on they
// wait as those of a socket with a timeout do. With `on` 1 they fail with -ECANCELED, and so does all that
// would have to wait after it, until usocket_cancel(s, 0): no cancel comes too early. What need not wait
// is done.
//
// A send that was ended has sent a part, or nothing, as with a timeout; a handshake goes on when it is
// called again. In non-blocking mode nothing waits, and a cancel changes nothing.
//
// Returns: 0.
// Errors: -EINVAL for a socket that was not made ready, or another `on`; -EMFILE, -ENFILE, -ENOMEM;
// -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any: that is what it is for.
// Ownership: nothing changes hands. After a fork each process cancels its own.
int32_t usocket_cancel(usocket_t s,
                       int32_t on);

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
// Errors: -ENOPROTOOPT (no such option here), -EOPNOTSUPP (no such level here), -EINVAL (a value that
// is too short or means nothing; also after the connection's end), -EDOM, -EPERM, -EACCES, -ENODEV,
// -EADDRNOTAVAIL, -EADDRINUSE, -EISCONN, -ENOTCONN, -EBUSY, -ENOBUFS, -ENOMEM, as the option has it;
// -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `value` is only read.
int32_t usocket_setsockopt(usocket_t s,
                           int32_t level,
                           int32_t name,
                           const void *value,
                           size_t len);

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
// that is not the option's), -ENOTCONN, -EPERM, as the option has it; -EBADF, -ENOTSOCK, -EFAULT.
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

// Takes the error that waits on the socket (SO_ERROR): how a connection that was not waited for has
// ended, or what an ICMP message has told. It is there once.
//
// Returns: 0 when there is none.
// Errors: the error itself, -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH, ...; -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any; one of them gets it.
// Ownership: nothing changes hands.
int32_t usocket_take_error(usocket_t s);

// Has TCP ask a peer that is silent whether it is still there: after `idle_us` microseconds without
// data, then every `interval_us`, and the connection ends with ETIMEDOUT when `count` questions in a row
// have no answer (SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT). Times are rounded up to whole
// seconds. 0 keeps what the system has for that one; a negative `idle_us` turns it off.
//
// While data is on its way, TCP asks nothing: TCP_USER_TIMEOUT is for that.
//
// Returns: 0.
// Errors: -EINVAL for times above 32767 seconds, a count above 127, or a socket that is no stream;
// -EOPNOTSUPP for a stream that is not TCP; -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_set_keepalive(usocket_t s,
                              int64_t idle_us,
                              int64_t interval_us,
                              int32_t count);

// Sets what usocket_close does with data that has not been sent (SO_LINGER): with a negative time, as at
// first, it goes on in the background; with 0 the connection is reset and the data dropped; else the
// close waits for it up to `time_us` microseconds, rounded up to whole seconds.
//
// Returns: 0.
// Errors: -EINVAL for a time above 68 years, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_set_linger(usocket_t s,
                           int64_t time_us);

// Lets the socket receive what is sent to a multicast group, IPv4 or IPv6, on the interface of that
// index (usocket_interfaces); 0 lets the system choose one (MCAST_JOIN_GROUP). The port of `group` counts
// for nothing: the socket is bound to one.
//
// Returns: 0.
// Errors: -EADDRINUSE when it is in the group already, -ENODEV when there is no such interface, or none
// that leads to the group, -EINVAL for an address that is no group, -EAFNOSUPPORT for one that is not of
// the socket's family, -ENOBUFS for too many; -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: `group` is only read.
int32_t usocket_join_group(usocket_t s,
                           const struct usocket_addr *group,
                           uint32_t interface);

// Takes the socket out of a group that usocket_join_group has put it in, with the same arguments.
//
// Returns: 0.
// Errors: -EADDRNOTAVAIL when it is not in it, and those of usocket_join_group.
// Blocks: no.
// Threads: any.
// Ownership: `group` is only read.
int32_t usocket_leave_group(usocket_t s, const struct usocket_addr *group, uint32_t interface);

// Sets the traffic class of what is sent: the byte of IPv4's TOS and IPv6's traffic class, of which DSCP
// is the upper six bits (dscp << 2). On an IPv6 socket that may carry IPv4 it is for both.
//
// Returns: 0.
// Errors: -EINVAL for a number that is no byte, -EAFNOSUPPORT for a socket that is not IP, -EPERM;
// -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_set_tos(usocket_t s,
                        int32_t tos);

// Binds the socket to the interface of that name: it sends and receives there alone (SO_BINDTODEVICE).
// NULL or "" undoes it.
//
// Returns: 0.
// Errors: -ENODEV when there is no such interface; -EPERM without CAP_NET_RAW, to change it once it is
// set; -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: `name` is only read.
int32_t usocket_bind_device(usocket_t s,
                            const char *name);

// Lists the network interfaces of the caller's network namespace: each once without an address, and
// once for each of its IP addresses (getifaddrs(3)). (NULL, 0) only counts.
//
// Returns: how many entries there are, all of them in `list`.
// Errors: -ENOSPC when there are more than `n` (nothing is written), -EFAULT, -EINVAL; -EMFILE, -ENFILE,
// -ENOMEM.
// Blocks: no.
// Threads: any.
// Ownership: `list` is the caller's.
int64_t usocket_interfaces(struct usocket_interface *list,
                           size_t n);

// Reads `len` bytes into `buf`: MicroPython's read(n) and readinto. It goes on until it has them
// all ("no short reads"); readall is this function with more room each time until it gives less.
//
// Less than `len` comes back at the end of the stream, from a non-blocking socket (what is there),
// or when an error or a timeout ended it with part of the bytes here: those are returned, and the
// next call on the receiving side reports the error. No received byte is ever lost.
//
// One error is said at once, before the last bytes: on TLS, an end without the peer's close_notify,
// which less than `len` would hide. It is USOCKET_ETLS_TRUNCATED; those bytes are what the next call
// gives, and the one after it says USOCKET_ETLS_TRUNCATED again. So it is with usocket_readline.
//
// Returns: how many bytes were read; 0 at the end of the stream.
// Errors: as usocket_recv, when not one byte had come.
// Blocks: as the socket's mode has it, with one deadline for the whole.
// Threads: any; of two reading at once each gets some of the bytes.
// Ownership: `buf` is the caller's.
int64_t usocket_read(usocket_t s,
                     void *buf,
                     size_t len);

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

// Sends `count` bytes of the file `fd` from `offset` on, or what there is up to its end: within the
// kernel (sendfile(2)) where that can, piece by piece on a wrapped socket. The file's own position is
// neither used nor moved.
//
// Less than `count` comes back at the end of the file, and as usocket_write has it: from a non-blocking
// socket, or when an error or a timeout ended it with part of the bytes sent.
//
// Returns: how many bytes were sent; 0 at the end of the file.
// Errors: as usocket_write; -EBADF also for `fd`, -EINVAL for a negative offset or a count above
// SSIZE_MAX, -ESPIPE, -EISDIR for what is no file; -EIO; -EOPNOTSUPP on a socket that is not a stream;
// -ENOMEM.
// Blocks: as the socket's mode has it, with one deadline for the whole; on the file.
// Threads: any; of two sending at once the bytes may interleave.
// Ownership: `fd` stays the caller's.
int64_t usocket_sendfile(usocket_t s,
                         int32_t fd,
                         int64_t offset,
                         size_t count);

// Asks the resolver for the addresses of a host and service (getaddrinfo(3)).
//
// `host` is a name or numeric text, NULL or "" the local host (with AI_PASSIVE: any address). A
// name is ASCII: one in another script is given in its xn-- form (IDNA), or with AI_IDN, where the C
// library has that.
// `service` is a service name or a decimal port, NULL or "" none (port 0). `family`, `type` and
// `proto` filter the answers, 0 is any. `flags` are AI_ flags. `timeout_us` is how long it may
// take in microseconds; negative is as long as the resolver does.
//
// Returns: 0, and a list of at least one answer in `out`.
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

// Asks for the names of an address: of its host, and of its port (getnameinfo(3)).
//
// `host` has room for `host_len` bytes, `service` for `service_len`, the closing NULs included;
// (NULL, 0) is one that is not wanted. `flags` are NI_ flags; `timeout_us` is how long it may take
// in microseconds, negative is as long as the C library's resolver does.
//
// Returns: 0.
// Errors: USOCKET_EAI_NONAME when there is no name and NI_NAMEREQD wants one, or nothing is wanted;
// -ENOSPC when one does not fit (nothing is written); USOCKET_EAI_FAMILY for an address that is
// neither IP nor Unix; USOCKET_EAI_BADFLAGS; the rest of USOCKET_EAI_; -ETIMEDOUT; -EINTR (event
// hook); -EMFILE, -ENFILE, -EAGAIN (no thread); -EINVAL (bad address), -EFAULT.
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
// usocket_query_result. usocket_close cancels it and frees its descriptor, however far it is.
// Names of /etc/hosts and numbers are answered on the spot, in the caller's network namespace all
// others. Where resolv.conf and nsswitch.conf say no more than "files dns" and the usual options, one
// thread of the library's asks the name servers for all queries under way; else the C library's
// resolver is asked, on threads (usocket_set_resolver_threads). They come with the queries and end when they have had
// nothing to do for a while. In a forked child a query that had no answer at the fork is asked anew.
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

// Sets how many threads of the library's may wait for the C library's resolver at a time, in each
// network namespace: 1 to 1024, 64 unless it is set. They are for what the library does not ask the
// name servers itself (usocket_query_create says when), and each takes a descriptor while it waits;
// what they cannot take waits for its turn. A quarter of them is kept for names that are asked for
// while all others are stuck with names that nobody answers for. It holds for what is asked from
// then on; threads too many end when they are free.
//
// Returns: 0.
// Errors: -EINVAL for another number.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_set_resolver_threads(int32_t count);

// The answer to a query of usocket_query_create, waited for up to `timeout_us` microseconds
// (negative: as long as it takes; 0: not at all). It can be taken more than once.
//
// Returns: 0, and a list of at least one answer in `out`.
// Errors: those of usocket_getaddrinfo; -EAGAIN with a timeout of 0 while the answer is not there;
// -EBADF (also: closed meanwhile); -EBADR for a handle of another kind.
// Blocks: up to the timeout.
// Threads: any.
// Ownership: the list is the caller's, to be given to usocket_freeaddrinfo.
int32_t usocket_query_result(usocket_query_t query,
                             int64_t timeout_us,
                             struct usocket_addrinfo **out);

// Connects to `service` (a name or decimal port) on `host` (a name or numeric text): all its
// addresses, IPv6 and IPv4 taking turns, a new attempt as soon as one fails or else after 250 ms
// (not less than 100 ms, when the timeout leaves no more for each); the first to connect wins (RFC
// 8305, "Happy Eyeballs"). IPv6 and IPv4 addresses are asked for separately, and connecting begins
// with the first answer: the other question may remain unanswered.
//
// `timeout_us` microseconds cover the names and the connecting, and become the socket's timeout;
// negative is none. `source`, unless NULL, is the local address to connect from; addresses of
// another family are left out. An attempt for which there is no local port, descriptor or memory
// is made again when another one has ended.
//
// Returns: a handle.
// Errors: those of usocket_getaddrinfo, -ETIMEDOUT, -EINTR (event hook); otherwise, also at the
// end of the timeout, the error of the most telling attempt, as usocket_connect has it: that the
// host refused before that the way there failed, before that there is none; of two alike the first.
// usocket_error_detail(0) has all of them, with their times. -EAFNOSUPPORT when no address is of the
// family of `source`, -EADDRNOTAVAIL when `source` is not of this machine, -EINVAL for a timeout of
// 0 or a bad `source`, -EFAULT for a NULL `service`.
// Blocks: up to the timeout.
// Threads: any.
// Ownership: the handle is the caller's; the texts and `source` are only read.
usocket_t usocket_create_connection(const char *host,
                                    const char *service,
                                    int64_t timeout_us,
                                    const struct usocket_addr *source);

// Starts to connect, as usocket_create_connection does, and returns at once. `timeout_us`
// microseconds (negative: no limit) are for names and connecting, and become the socket's timeout.
//
// The handle can be polled like a socket: POLLIN means that it has come to its end, for
// usocket_connection_take. usocket_close ends the connecting; a handle whose socket was taken is to
// be closed as well. Connections under way are run by one thread of the library's, in the caller's
// network namespace, which comes with the first and ends when there has been none for a while. In
// a forked child the handle can only be closed.
//
// Returns: a handle.
// Errors: USOCKET_EAI_ for a host or service that needs no asking, USOCKET_EAI_MEMORY; -EINVAL for
// a timeout of 0 or a bad `source`, -EAFNOSUPPORT when no address is of the family of `source`,
// -EFAULT for a NULL `service`, -EMFILE, -ENFILE, -ENOMEM, -EAGAIN (no thread).
// Blocks: no.
// Threads: any.
// Ownership: the handle is the caller's, to be given to usocket_close; the texts and `source` are
// only read.
usocket_connection_t usocket_connection_create(const char *host,
                                               const char *service,
                                               int64_t timeout_us,
                                               const struct usocket_addr *source);

// Takes the socket out of a connection of usocket_connection_create, after waiting up to `wait_us`
// microseconds for it (negative: as long as it takes; 0: not at all).
//
// Returns: a handle of the socket, whose timeout is the one that the connection was created with.
// Errors: how connecting failed, as usocket_create_connection has it; usocket_error_detail of
// `connection` then has all attempts. -EAGAIN with a wait of 0, -ETIMEDOUT with another, while it
// is under way; -EALREADY when the socket was taken before; -ECANCELED in a forked child; -EINTR
// (event hook); -EBADF (also: closed meanwhile); -EBADR for a handle of another kind.
// Blocks: up to `wait_us`.
// Threads: any; one of them gets the socket.
// Ownership: the socket is the caller's, to be given to usocket_close, and so is `connection` still.
usocket_t usocket_connection_take(usocket_connection_t connection,
                                  int64_t wait_us);

// How the attempt number `n` of a connection that is under way or has failed ended: the attempts
// that have failed are numbered from 0 in the order in which they did. Outputs may be NULL.
//
// `addr` is the address, `error` the code, `after_us` the microseconds from the beginning to the
// failure.
//
// Returns: 0.
// Errors: -ENOENT when no more have failed; -EBADF; -EBADR for a handle of another kind.
// Blocks: no.
// Threads: any.
// Ownership: the outputs are copies.
int32_t usocket_connection_failure(usocket_connection_t connection,
                                   size_t n,
                                   struct usocket_addr *addr,
                                   int32_t *error,
                                   int64_t *after_us);

// Makes a socket that listens on an IP or Unix address, as CPython's socket.create_server does:
// SO_REUSEADDR on IP, IPv6 only unless asked otherwise. `backlog` is usocket_listen's; `flags`
// are USOCKET_SERVER_REUSE_PORT and USOCKET_SERVER_DUAL_STACK, or 0.
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
usocket_poller_t usocket_poller_create(void);

// Registers a handle with a poller. `events` is POLLIN, POLLOUT, POLLPRI, POLLRDHUP; POLLERR and
// POLLHUP come unasked (a mask of POLLERR asks for nothing else). `data` comes back with every event.
//
// It is level-triggered unless USOCKET_POLLER_ONESHOT or USOCKET_POLLER_EDGE is added. With
// USOCKET_POLLER_EXCLUSIVE and POLLIN or POLLOUT an event ends a wait of one or more of the pollers that
// the socket is in, not of all of them: for listeners of several threads.
//
// Closing a handle takes it out, and nothing more is reported about it: once usocket_close has returned,
// no usocket_poller_wait that begins gives its `data`. With POLLNVAL in `events` it is reported once
// more, with POLLNVAL, unless USOCKET_POLLER_ONESHOT has silenced it.
//
// Returns: 0.
// Errors: -EEXIST when it is registered already; -EBADF for a stale handle; -EINVAL for a mask
// without an event or with an unknown bit, for the poller itself, or for USOCKET_POLLER_EXCLUSIVE with
// other events, with USOCKET_POLLER_ONESHOT, for a wrapped socket or a poller; -EBADR for a `poller`
// that is none; -EPERM for a handle that cannot be polled; -ELOOP for pollers in a ring or nested deeper
// than 5; -ENOSPC, -ENOMEM.
// Blocks: no.
// Threads: any; also while others wait.
// Ownership: the poller does not keep `s` open.
int32_t usocket_poller_add(usocket_poller_t poller,
                           usocket_t s,
                           uint32_t events,
                           uint64_t data);

// Registers a descriptor that is none of the library's with a poller, as usocket_poller_add does with
// a handle. It must be taken out before it is closed.
//
// Returns: 0.
// Errors: -EEXIST when it is registered already; -EBADF when it is not open; -EINVAL for a mask as of
// usocket_poller_add; -EBADR for a `poller` that is none; -ELOOP, -ENOSPC, -ENOMEM.
// Blocks: no.
// Threads: any; also while others wait.
// Ownership: the descriptor stays the caller's.
int32_t usocket_poller_add_fd(usocket_poller_t poller,
                              int32_t fd,
                              uint32_t events,
                              uint64_t data);

// Changes what the registration of a handle asks for and its `data`; one that USOCKET_POLLER_ONESHOT
// has silenced reports again. One with USOCKET_POLLER_EXCLUSIVE cannot be changed: it is taken out and
// added.
//
// Returns: 0.
// Errors: -ENOENT when it is not registered, -EINVAL with USOCKET_POLLER_EXCLUSIVE before or now, and
// those of usocket_poller_add.
// Blocks: no.
// Threads: any; also while others wait.
// Ownership: nothing changes hands.
int32_t usocket_poller_modify(usocket_poller_t poller,
                              usocket_t s,
                              uint32_t events,
                              uint64_t data);

// As usocket_poller_modify, for a descriptor.
//
// Returns: 0.
// Errors: -ENOENT when it is not registered, -EINVAL as of usocket_poller_modify, and those of
// usocket_poller_add_fd.
// Blocks: no.
// Threads: any; also while others wait.
// Ownership: nothing changes hands.
int32_t usocket_poller_modify_fd(usocket_poller_t poller,
                                 int32_t fd,
                                 uint32_t events,
                                 uint64_t data);

// Takes the registration of a handle out: no usocket_poller_wait that begins from then on reports it.
//
// Returns: 0.
// Errors: -ENOENT when it is not registered, -EBADF for a stale handle (which takes itself out),
// -EBADR for a `poller` that is none.
// Blocks: no.
// Threads: any; also while others wait.
// Ownership: nothing changes hands.
int32_t usocket_poller_remove(usocket_poller_t poller,
                              usocket_t s);

// As usocket_poller_remove, for a descriptor.
//
// Returns: 0.
// Errors: -ENOENT when it is not registered, -EBADF for a negative one, -EBADR for a `poller` that is
// none.
// Blocks: no.
// Threads: any; also while others wait.
// Ownership: nothing changes hands.
int32_t usocket_poller_remove_fd(usocket_poller_t poller,
                                 int32_t fd);

// Waits until a registration has one of its events or a timer is due, or for `timeout_us` microseconds (negative:
// for ever, 0: not at all). At most `n` events are written; what does not fit comes with the next
// wait. The cost grows with what is ready, not with what is registered.
//
// Returns: how many events were written; 0 when the time is over or usocket_poller_wake was
// called.
// Errors: -EBADF (also: closed meanwhile), -EINTR (event hook), -EMFILE, -ENFILE, -ENOMEM and
// -ENOSPC in a forked child that has not used the poller, -EBADR for a `poller` that is
// none, -EINVAL for an `n` of 0, -EFAULT.
// Blocks: up to the timeout.
// Threads: any; several may wait at once.
// Ownership: `events` is the caller's.
int32_t usocket_poller_wait(usocket_poller_t poller,
                            struct usocket_event *events,
                            size_t n,
                            int64_t timeout_us);

// Sets a timer: `after_us` microseconds from now (0: at once) a usocket_poller_wait reports, once, an
// event with the `data` given here, USOCKET_POLLER_TIMER in `events`, `socket` 0 and `fd` -1. A wait that
// is under way ends for it. Timers that are due are reported in the order of their times.
//
// The clock is CLOCK_MONOTONIC. To put a timer off, cancel it and set another: that costs no system call
// as a rule.
//
// Returns: the number of the timer for usocket_poller_cancel_timer, above 0 and below 2^53. It is no
// handle, and belongs to this poller.
// Errors: -EINVAL for a negative time, or one too far away; -ENOSPC for more than four million;
// -ENOMEM, -EMFILE, -ENFILE; -EBADF; -EBADR for a `poller` that is none.
// Blocks: no.
// Threads: any; also while others wait.
// Ownership: nothing changes hands; closing the poller forgets its timers. After a fork each process has
// its own of them.
int64_t usocket_poller_arm_timer(usocket_poller_t poller,
                                 int64_t after_us,
                                 uint64_t data);

// Takes a timer back: from now on no usocket_poller_wait reports it.
//
// Returns: 0.
// Errors: -ENOENT when it was reported or taken back already (of this and a wait on another thread one
// has it, never both), or is none; -EBADF; -EBADR for a `poller` that is none.
// Blocks: no.
// Threads: any; also while others wait.
// Ownership: nothing changes hands.
int32_t usocket_poller_cancel_timer(usocket_poller_t poller,
                                    int64_t timer);

// Makes one usocket_poller_wait, the one that is waiting or else the next, return 0 at once. Where
// several wait, each call ends another; calls that find no wait left to end count as one.
//
// Returns: 0.
// Errors: -EBADF, -EMFILE, -ENFILE and -ENOMEM in a forked child that has not used the poller,
// -EBADR for a `poller` that is none.
// Blocks: no.
// Threads: any: that is what it is for.
// Ownership: nothing changes hands.
int32_t usocket_poller_wake(usocket_poller_t poller);

// Makes a TLS context: USOCKET_TLS_CLIENT or USOCKET_TLS_SERVER. It is set up with the functions
// that follow, and used by any number of connections (usocket_tls_wrap). A connection takes the
// settings as they are when it is wrapped; what is changed later is for those wrapped from then
// on. A change ends the sessions a client has kept to resume; the sessions of a server's clients
// stay, and each is judged by the new settings before it is resumed.
//
// A client verifies its server by default: a chain to a trusted certificate (the system's store
// when none was given), dates, and the name. A server asks for no client certificate by default.
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
// the name its client asks for, and by the algorithms it knows; the first is for all others. A
// client presents the first that suits the server. One for the same names and with the same kind of
// key as an earlier one takes its place: so a certificate is renewed while the server runs.
//
// `cert` is PEM (the certificate first, its issuers after it) or DER (one certificate after
// another); `key` is PEM or DER: PKCS#8 (encrypted: usocket_tls_context_set_key_password), PKCS#1 or
// SEC1. NULL as `key` takes it from the PEM text
// in `cert`.
//
// Returns: 0.
// Errors: USOCKET_ETLS_CERT_INVALID, USOCKET_ETLS_KEY_INVALID, USOCKET_ETLS_KEY_ENCRYPTED,
// USOCKET_ETLS_KEY_PASSWORD, USOCKET_ETLS_KEY_MISMATCH, USOCKET_ETLS_PEM_EMPTY,
// USOCKET_ETLS_PEM_BAD; -EBADF, -EBADR, -EINVAL, -EFAULT, -EOPNOTSUPP. The sentence is at
// usocket_error_detail(context, ...).
// Blocks: no.
// Threads: any.
// Ownership: both are copied.
int32_t usocket_tls_context_add_cert(usocket_tls_context_t context,
                                     const void *cert,
                                     size_t cert_len,
                                     const void *key,
                                     size_t key_len);

// As usocket_tls_context_add_cert, from files. NULL as `key_path` takes the key from the first.
//
// Returns: 0.
// Errors: as usocket_tls_context_add_cert, and those of open(2) and read(2).
// Blocks: on the file system.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_add_cert_file(usocket_tls_context_t context,
                                          const char *cert_path,
                                          const char *key_path);

// Sets the password of the encrypted private keys that are given from now on (PKCS#8 with PBES2, as
// `openssl pkcs8 -topk8` and `openssl genpkey` write them: AES-CBC with PBKDF2 or scrypt). NULL
// forgets it. The cost of trying is in the key's file: it may take seconds.
//
// Returns: 0. Whether it opens a key is known when that is given: USOCKET_ETLS_KEY_PASSWORD.
// Errors: -EBADF, -EBADR, -EFAULT, -EINVAL, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the password is copied, and the copy is wiped when it goes.
int32_t usocket_tls_context_set_key_password(usocket_tls_context_t context,
                                             const void *password,
                                             size_t len);

// Takes all certificates with their keys out of the context, so that others can take their place:
// connections wrapped from then on use those. A server without any cannot be used
// (USOCKET_ETLS_NO_CERT).
//
// Returns: 0.
// Errors: -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any; a connection wrapped on another thread in between finds none.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_clear_certs(usocket_tls_context_t context);

// Sets whether the certificates that follow must come with their own private key: 1, as at first,
// or 0, where it is the peer that finds out, in the handshake: it refuses what another key signs.
// (Mbed TLS does no other check. It weakens nothing here; the error only comes late.)
//
// Returns: 0.
// Errors: -EINVAL for another number, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_key_check(usocket_tls_context_t context, int32_t check);

// Sets what chooses a server's certificate by the name that a client asks for (SNI): it is called
// for each handshake, resumed ones too, with the name, or "" where the client says none. It answers
// with a server's context, whose certificates are then chosen from as from the context's own; with 0
// for the context's own; or with a negative number to refuse the client: USOCKET_ETLS_NAME_REFUSED,
// and the alert unrecognized_name, which an answer without a certificate comes to as well. Of the
// other context nothing but its certificates with their stapled status is used. A server with a
// callback needs no certificate of its own. NULL removes it.
//
// The callback runs within the handshake, on the thread that drives it. It must return (no
// longjmp), and must not use the connection it is about.
//
// Returns: 0.
// Errors: -EOPNOTSUPP on a client or in a build without TLS, -EBADF.
// Blocks: no.
// Threads: any; connections on several threads call it at once.
// Ownership: `arg` stays the caller's and must outlive the context and its connections. The context
// that is answered stays the caller's; its certificates are taken when the callback returns.
int32_t usocket_tls_context_set_name_callback(usocket_tls_context_t context,
                                              usocket_tls_name_cb callback,
                                              void *arg);

// Sets the application protocols (ALPN) in the order of preference, separated by commas, such as
// "h2,http/1.1"; empty or NULL for none. A server that has protocols refuses a client that offers
// none of them; one that offers no ALPN at all is welcome.
//
// Returns: 0.
// Errors: -EINVAL for a name that is empty or over 255 bytes, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_context_set_alpn(usocket_tls_context_t context, const char *protocols);

// Sets whether a server that has protocols (ALPN) refuses a client that offers only others, as at
// first and as RFC 7301 asks: 1; or goes on without one: 0, as OpenSSL's servers do.
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
// Errors: USOCKET_ETLS_NO_SUCH_VERSION for others, for none left, or 1.2 in a build without it;
// -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_versions(usocket_tls_context_t context, int32_t min, int32_t max);

// Sets the cipher suites, the best first: names separated by colons or commas, IANA's
// ("TLS_AES_128_GCM_SHA256") or OpenSSL's ("ECDHE-RSA-AES128-GCM-SHA256"). NULL for the library's
// own. The suites of a version not named here are left out, and with them the version. A server
// that names suites takes its best that the client has, too; one that does not leaves the order to
// its clients.
//
// Returns: 0.
// Errors: USOCKET_ETLS_NO_SUCH_SUITE for a name that is not known, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_context_set_ciphers(usocket_tls_context_t context, const char *names);

// Copies the names of the cipher suites the context would use, IANA's, separated by colons, with
// a NUL. `len` is the room in `buf` in bytes.
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
// Errors: USOCKET_ETLS_NO_SUCH_SUITE for a name that is not known, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_context_set_groups(usocket_tls_context_t context, const char *names);

// Sets how many sessions are kept for resumption (256 at first), and how many TLS 1.3 tickets a
// server gives each client (2 at first). 0 sessions turn resumption off; 0 tickets turn tickets
// off, of both versions, on a server.
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

// Gives a server a key that seals the tickets of its sessions, 32 random bytes, in place of keys of
// its own: processes and machines with the same key resume each other's sessions. The last one
// given seals; the 3 before it still open what they sealed, so that keys can be changed while
// clients keep tickets. A ticket is good for 12 hours, whatever becomes of the key. What a client
// had shown is judged again before it is resumed, wherever the ticket is from. Whoever has the key
// can read the TLS 1.2 connections whose tickets it seals, and pass for the server to whoever
// resumes: keep it as a private key, and change it daily.
//
// Returns: 0.
// Errors: -EINVAL for another length, -EOPNOTSUPP on a client or in a build without TLS, -EBADF,
// -EBADR, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: the key is copied, and the copy is wiped when it goes.
int32_t usocket_tls_context_add_ticket_key(usocket_tls_context_t context,
                                           const uint8_t *key,
                                           size_t len);

// Sets the most data that goes into one record, for peers with small buffers: 64 to 16384 bytes
// (16384 is TLS's own limit), or 0 for that. A record is up to 29 bytes longer on the wire. Also
// what the handshake sends is cut into such records; a peer that cannot put a long message
// together needs a short certificate chain. What the peer sends is up to the peer.
//
// Returns: 0.
// Errors: -EINVAL for another number, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_max_record(usocket_tls_context_t context, int32_t bytes);

// Lets every connection of the context append its secrets to a file, in the format Wireshark
// reads: whoever has the file can read the traffic. NULL takes the file's name from the
// environment's SSLKEYLOGFILE; without that nothing is logged, nor in a program that runs with
// more rights than who started it (setuid, capabilities). A line that cannot be written is lost,
// and the connection goes on.
//
// Returns: 0, or 1 when nothing will be logged.
// Errors: those of open(2), -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: on the file system.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_insecure_keylog(usocket_tls_context_t context, const char *path);

// Trusts certificates, PEM or DER, any number of them. One that may issue others (it says CA:TRUE
// in its basic constraints, or is of version 1) is what chains may lead to, while it has not
// expired. Each is also good as the peer's own, whole: without a chain, also if it is self-signed,
// says it is a CA, or has nothing but a common name in it; its dates, its name, its purpose
// (extended key usage), pins and the callback count as ever, and with revocation lists one of its
// issuer must let it pass. It means the same given by usocket_tls_context_add_trust_file,
// usocket_tls_context_add_trust_dir and the system's store. Of several, those that cannot be read
// are left out.
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

// As usocket_tls_context_add_trust, from all files of a directory, or none of them. Files that hold
// no certificate are passed over; one that is damaged or cannot be read is an error that names it.
// A directory without certificates leaves nobody trusted, not the system's store.
//
// Returns: how many certificates were added.
// Errors: those of opendir(3), open(2) and read(2), USOCKET_ETLS_PEM_BAD; -EBADF, -EBADR, -EFAULT,
// -EOPNOTSUPP.
// Blocks: on the file system.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_add_trust_dir(usocket_tls_context_t context, const char *path);

// Trusts what the system trusts: the environment's SSL_CERT_FILE and SSL_CERT_DIR, or the
// distribution's store (always that in a program that runs with more rights than who started it).
// It is read once per process and shared. A client that was given no trust
// at all does this by itself when it is first used.
//
// Returns: how many certificates the store has.
// Errors: USOCKET_ETLS_NO_TRUST when it has none, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: the first time on the file system, for some milliseconds.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_add_trust_system(usocket_tls_context_t context);

// Trusts Mozilla's roots, as they were when the library was built: for systems without a store.
//
// Returns: how many certificates there are.
// Errors: -EOPNOTSUPP when the build has no feature "webpki-roots" (or no TLS), -EBADF, -EBADR.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_add_trust_mozilla(usocket_tls_context_t context);

// Gives the context revocation lists, PEM or DER: all of them, or none. With at least one, the
// peer's whole chain must be covered by lists that are up to date; see
// usocket_tls_context_set_crl_flags. A list that could not be used in full (delta and indirect
// lists, critical extensions that are not known) is refused here. Of
// several lists of one issuer the latest counts that has begun to: a list is renewed by giving the
// new one.
//
// Returns: how many lists were added.
// Errors: USOCKET_ETLS_CRL_INVALID, USOCKET_ETLS_PEM_EMPTY, USOCKET_ETLS_PEM_BAD; -EBADF, -EBADR,
// -EINVAL, -EFAULT, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the lists are copied.
int32_t usocket_tls_context_add_crl(usocket_tls_context_t context, const void *crl, size_t len);

// Sets how revocation lists are used: USOCKET_TLS_CRL_ flags, 0 at first.
//
// Returns: 0.
// Errors: -EINVAL for unknown flags, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_crl_flags(usocket_tls_context_t context, int32_t flags);

// Sets what a client asks of the certificate status that a server staples to the handshake (OCSP):
// USOCKET_TLS_OCSP_IF_STAPLED, as at first (one that is there must verify; an answer that says only
// that the responder failed is none), USOCKET_TLS_OCSP_REQUIRED or USOCKET_TLS_OCSP_INSECURE_IGNORE.
// It verifies when the issuer of the certificate, or one to whom the issuer has given a certificate
// for OCSP, has signed that the certificate is good, from a time before now up to one after now.
// Nobody is asked for a status here.
//
// Returns: 0. A connection fails with USOCKET_ETLS_CERT_BAD_STAPLE, or USOCKET_ETLS_CERT_REVOKED; its
// first use with USOCKET_ETLS_NO_TRUST where one is required and the server is not verified at all.
// Errors: -EINVAL for another mode, -EOPNOTSUPP on a server or in a build without TLS, -EBADF.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_ocsp_mode(usocket_tls_context_t context,
                                          int32_t mode);

// Gives a server the status of one of its certificates to staple to the handshakes of the clients
// that ask for it: an OCSP response, DER, as its issuer's responder or `openssl ocsp -respout` gives
// it. It takes an earlier one's place, for the connections wrapped from then on; NULL takes all out.
// A certificate that is replaced loses it. Whether the response is good and how long is for the
// program to know: clients refuse one that is not.
//
// Returns: how many of the context's certificates it is about, by their serial numbers; 0 for NULL.
// Errors: USOCKET_ETLS_CERT_BAD_STAPLE for what is about none of them, is malformed, or says only
// that the responder failed; -EOPNOTSUPP on a client or in a build without TLS, -EBADF, -EINVAL,
// -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: the response is copied.
int32_t usocket_tls_context_add_ocsp(usocket_tls_context_t context,
                                     const void *response,
                                     size_t len);

// Sets whether the peer is verified: USOCKET_TLS_VERIFY_REQUIRED (a client's default),
// USOCKET_TLS_VERIFY_OPTIONAL or USOCKET_TLS_VERIFY_NONE_INSECURE (a server's default: it asks
// for no certificate, so nothing is insecure about that unless you need to know your clients). The
// default of a server with pins, a verify callback or revocation lists is
// USOCKET_TLS_VERIFY_REQUIRED.
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

// Pins a key: the peer's certificate, or one of its issuers in the verified chain, must have one
// of the pinned keys, in addition to everything else. `sha256` is the SHA-256 of the key's
// SubjectPublicKeyInfo, 32 bytes. Without verification, only the peer's own key counts.
//
// Returns: 0.
// Errors: -EINVAL for another length, -EBADF, -EBADR, -EFAULT, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the pin is copied.
int32_t usocket_tls_context_add_pin(usocket_tls_context_t context,
                                    const uint8_t *sha256,
                                    size_t len);

// Sets what decides last about the peer: it is called for each certificate of the chain, from the
// trusted one down to the peer's own (depth 0), once everything else has accepted them, and
// accepts with 0. It can only refuse (USOCKET_ETLS_CERT_REFUSED). Without verification only the
// peer's own is shown. A client with a callback resumes no sessions, for a resumed connection
// shows no certificates; a server's callback is asked again about the certificate its client had
// shown. NULL removes it.
//
// The callback runs within the handshake, on the thread that drives it. It must return (no
// longjmp), and must not use the connection it is about.
//
// Returns: 0.
// Errors: -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any; connections on several threads call it at once.
// Ownership: `arg` stays the caller's and must outlive the context and its connections.
int32_t usocket_tls_context_set_verify_callback(usocket_tls_context_t context,
                                                usocket_tls_verify_cb callback,
                                                void *arg);

// Sets the clock that certificates are checked with, for devices without one: `unix_seconds` is
// the time now, and it goes on from there. 0 is the system's clock.
//
// Returns: 0.
// Errors: -EINVAL for a negative time, -EBADF, -EBADR, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_context_set_clock(usocket_tls_context_t context, int64_t unix_seconds);

// Copies what a certificate says about itself, with a NUL: `what` is one of USOCKET_TLS_CERT_SUBJECT,
// _ISSUER, _ALT_NAMES, _SERIAL, _FINGERPRINT, _PIN and _KEY. The certificate is DER: one that
// usocket_tls_peer_cert, usocket_tls_verified_cert or a verify callback gave, or any other. Nothing
// of it is verified here. In names, what could be taken for a separator is escaped by a backslash,
// and what does not print by two hexadecimal digits after it.
//
// Returns: the length without the NUL; with (NULL, 0) only that.
// Errors: USOCKET_ETLS_CERT_INVALID for what is no certificate, -EINVAL for another `what`, -ENOSPC
// when it does not fit (nothing is written), -EFAULT, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_cert_text(const void *der,
                              size_t der_len,
                              int32_t what,
                              char *buf,
                              size_t len);

// A date of a certificate (DER), in seconds since 1970: `what` is USOCKET_TLS_CERT_NOT_BEFORE or
// USOCKET_TLS_CERT_NOT_AFTER.
//
// Returns: 0, and the time in `unix_seconds`.
// Errors: USOCKET_ETLS_CERT_INVALID for what is no certificate, -EINVAL for another `what`,
// -EFAULT, -EOPNOTSUPP.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_cert_time(const void *der, size_t der_len, int32_t what, int64_t *unix_seconds);

// Wraps a connected stream socket in TLS; the same handle goes on. From here sending and
// receiving (send, sendall, recv, read, readline, write, poll, shutdown, close ...) are the
// session's. No byte passes before the handshake is complete: it is done at once with
// USOCKET_TLS_HANDSHAKE in `flags`, by usocket_tls_handshake, or by the first use.
//
// With USOCKET_TLS_NO_READ_AHEAD in `flags` no more than one record at a time is taken out of the kernel:
// for a host whose programs wait with select(2) and know usocket_tls_pending, and for a connection that
// goes on in clear, of which nothing behind the peer's close_notify is taken.
//
// `server_name` is what a client asks for (SNI) and checks the certificate against: a host name
// or an IP address. NULL only where the name is not checked, and on a server.
//
// On a wrapped socket: MSG_PEEK and MSG_DONTWAIT are the flags of recv and recvfrom,
// MSG_DONTWAIT and MSG_MORE (ignored) those of send; sendto gives -EISCONN; usocket_dup is
// -EOPNOTSUPP. shutdown(SHUT_WR) sends close_notify, and so does usocket_close. The end of the
// connection without the peer's close_notify is USOCKET_ETLS_TRUNCATED, from every recv that
// finds nothing more. A USOCKET_ETLS_ error ends the session: every later call gives it again,
// once what was decrypted before it has been received.
//
// A peer that sends 128 KiB without a byte of data in them (tickets, key updates, empty records) gets
// USOCKET_ETLS_FLOOD. After a fork the first process that uses the session keeps it; in the other every
// call is USOCKET_ETLS_FORKED. While a verify callback runs, other threads wait for the session within
// their own time; the callback itself gets -EDEADLK from what would wait for its own handshake.
//
// Returns: 0.
// Errors: USOCKET_ETLS_NAME_REQUIRED, USOCKET_ETLS_BAD_NAME, USOCKET_ETLS_NO_CERT,
// USOCKET_ETLS_NO_TRUST, USOCKET_ETLS_NO_SUCH_SUITE, USOCKET_ETLS_NO_SUCH_VERSION; -EISCONN when
// it is wrapped already, -EPROTOTYPE for a socket that is no stream, -EINVAL (flags), -EBADR (a
// handle that is no context), -EBADF, -ENOTSOCK, -EOPNOTSUPP in a build without TLS. With
// USOCKET_TLS_HANDSHAKE also those of usocket_tls_handshake; the socket is then wrapped. The
// sentence is at usocket_error_detail(s, ...) in every case; what is wrong with the name or the
// context is said there to the thread that called, until its next failure.
// Blocks: with USOCKET_TLS_HANDSHAKE as the socket's mode has it; the first use of a client
// context may read the system's store.
// Threads: any. One thread at a time waits to receive; others wait for their turn, and what must
// not wait is -EAGAIN meanwhile.
// Ownership: the context stays the caller's, who may close its handle at once.
int32_t usocket_tls_wrap(usocket_t s,
                         usocket_tls_context_t context,
                         const char *server_name,
                         int32_t flags);

// Does the handshake, or goes on with it: one deadline for the whole.
//
// Returns: 0 when it is complete.
// Errors: -EAGAIN (non-blocking: usocket_tls_wants says what to poll for, and usocket_poll knows by
// itself), -ETIMEDOUT, USOCKET_ETLS_... with the sentence at usocket_error_detail, -ECONNRESET,
// -ENOTCONN, -EINTR (event hook), -ECANCELED (usocket_cancel), -EDEADLK (from its own verify
// callback), -EBADF (also: closed meanwhile), USOCKET_ETLS_NOT_WRAPPED.
// Blocks: as the socket's mode has it.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_handshake(usocket_t s);

// Ends TLS on both sides and keeps the connection, as FTP's CCC and the end of STARTTLS do: sends
// close_notify, waits for the peer's, and lets the handle go on as a plain stream. What the peer
// sent behind its close_notify is the first that is received then. TCP's halves stay open, and the
// handle cannot be wrapped again; on a handle of usocket_tls_create, feed and drain go on, plain.
//
// Returns: 0; also when it was done before.
// Errors: -EBUSY while data of the session has not been received (receive it, then try again),
// -EAGAIN (non-blocking), -ETIMEDOUT, USOCKET_ETLS_TRUNCATED when the connection ends instead, those of
// usocket_tls_handshake.
// Blocks: as the socket's mode has it.
// Threads: any, but nobody else is to use the handle meanwhile: what they send may be either.
// Ownership: nothing changes hands.
int32_t usocket_tls_unwrap(usocket_t s);

// How many received bytes can be had without a system call. Where 0 is returned, waiting for the
// descriptor (usocket_fileno) loses nothing.
//
// Returns: the number, or less of it: 0 only when there are none.
// Errors: USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int64_t usocket_tls_pending(usocket_t s);

// What the session waits for: POLLIN or POLLOUT or both, to be polled on the descriptor
// (usocket_fileno) by a caller that has a poll of its own; 0 while there is something to be received
// without waiting: data, the end, or an error.
// In the handshake it may be POLLOUT for a receiver, and the other way round.
//
// Returns: the events.
// Errors: USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_wants(usocket_t s);

// The agreed version: USOCKET_TLS_1_2 or USOCKET_TLS_1_3.
//
// Returns: the version; 0 before the handshake is complete.
// Errors: USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_version(usocket_t s);

// Copies the name of the agreed cipher suite, IANA's, such as "TLS_AES_256_GCM_SHA384".
//
// Returns: the length without the NUL, 0 before the handshake is complete; with (NULL, 0) only
// that.
// Errors: -ENOSPC when it does not fit (nothing is written), USOCKET_ETLS_NOT_WRAPPED, -EBADF,
// -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_cipher(usocket_t s, char *buf, size_t len);

// Copies the name of the agreed key exchange group, such as "X25519MLKEM768".
//
// Returns: as usocket_tls_cipher; 0 also on a resumed TLS 1.2 session, which has none.
// Errors: as usocket_tls_cipher.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_group(usocket_t s, char *buf, size_t len);

// Copies the agreed application protocol (ALPN).
//
// Returns: as usocket_tls_cipher; 0 when there is none.
// Errors: as usocket_tls_cipher.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_alpn(usocket_t s, char *buf, size_t len);

// Copies the server name: on a client the one it was wrapped with, on a server the one its client
// asked for (SNI).
//
// Returns: as usocket_tls_cipher; 0 when there is none.
// Errors: as usocket_tls_cipher.
// Blocks: no.
// Threads: any.
// Ownership: the text is copied.
int32_t usocket_tls_server_name(usocket_t s, char *buf, size_t len);

// Whether the handshake resumed an earlier session.
//
// Returns: 1 or 0.
// Errors: USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_resumed(usocket_t s);

// What became of the peer's certificate.
//
// Returns: 1 when it was verified, 0 when it was not asked for, not verified (by the context's
// mode), or the handshake is not complete.
// Errors: the USOCKET_ETLS_CERT_ or USOCKET_ETLS_CRL_ code it was refused with;
// USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_verified(usocket_t s);

// The alert the peer ended the connection with.
//
// Returns: its number, 0 to 255.
// Errors: -ENODATA when there was none, USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_alert(usocket_t s);

// Copies a certificate the peer presented, DER: `index` 0 is its own, then its issuers, as sent.
// After a failed verification the ones that failed are not to be had.
//
// Returns: the length in bytes; with (NULL, 0) only that.
// Errors: -ENODATA when there is no such certificate, -ENOSPC when it does not fit (nothing is
// written), USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: the bytes are copied.
int32_t usocket_tls_peer_cert(usocket_t s, int32_t index, void *buf, size_t len);

// Copies a certificate of the verified chain, DER: `index` 0 is the peer's own, the last is the
// trusted one (where that is known whole: of Mozilla's roots it is not). What the peer sent may be
// more, less, or in another order (usocket_tls_peer_cert). The chain is built when it is asked for.
//
// Returns: the length in bytes; with (NULL, 0) only that.
// Errors: -ENODATA when there is no such certificate, the peer was not verified, or its chain has
// expired meanwhile; -ENOSPC when it does not fit (nothing is written), USOCKET_ETLS_NOT_WRAPPED,
// -EBADF, -ENOTSOCK, -EFAULT.
// Blocks: no.
// Threads: any.
// Ownership: the bytes are copied.
int32_t usocket_tls_verified_cert(usocket_t s, int32_t index, void *buf, size_t len);

// Derives bytes that only the two ends know (RFC 5705, RFC 8446 section 7.5), under a label and
// an optional context (NULL for none), TLS 1.3 only.
//
// Returns: 0, and `len` bytes in `buf`.
// Errors: -ENOTCONN before the handshake is complete, -EOPNOTSUPP on TLS 1.2, -EINVAL for no
// bytes or too many, USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK, -EFAULT.
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

// Takes the session of a client connection out of its context, for another connection of the
// same context to resume. A TLS 1.3 server sends it after the handshake: it is there once some
// data has been received. It is good for one connection (RFC 8446, appendix C.4).
//
// Returns: a handle.
// Errors: -ENODATA when there is none (yet), -EOPNOTSUPP on a server, USOCKET_ETLS_NOT_WRAPPED,
// -EBADF, -ENOTSOCK, -ENFILE.
// Blocks: no.
// Threads: any.
// Ownership: the handle is the caller's, to be given to usocket_close.
usocket_tls_session_t usocket_tls_take_session(usocket_t s);

// Lets a wrapped client connection resume a session taken from another of the same context to the
// same server name. (A context does this by itself.) It is not resumed once a certificate that was
// verified for it has expired.
//
// Returns: 0.
// Errors: -EISCONN once the handshake has begun, -EINVAL for a session of another context (or of
// the same before its settings were changed), of another name, -EBADR for a handle that is none,
// -ENODATA when it has been used already, -EOPNOTSUPP on a server, USOCKET_ETLS_NOT_WRAPPED,
// -EBADF, -ENOTSOCK.
// Blocks: no.
// Threads: any.
// Ownership: the session's handle stays the caller's; what it stands for is used up.
int32_t usocket_tls_set_session(usocket_t s, usocket_tls_session_t session);

// Makes a TLS connection that is on no socket: the caller carries its bytes, over whatever there is
// (an event loop's transport, a serial line, another TLS connection). What the peer sends goes in by
// usocket_tls_feed, what is to go to the peer comes out by usocket_tls_drain, and in between the
// handle is used as a wrapped socket in non-blocking mode is: usocket_send, sendall, recv, read,
// readline, write, shutdown (close_notify), usocket_tls_handshake and the other usocket_tls_ calls.
// -EAGAIN means: drain, feed, and try again. No other call takes such a handle.
//
// `server_name` is as of usocket_tls_wrap; `flags` are 0.
//
// Returns: a handle.
// Errors: as usocket_tls_wrap without USOCKET_TLS_HANDSHAKE; -EBADF or -EBADR for what is no context.
// Blocks: no; the first use of a client context may read the system's store.
// Threads: any.
// Ownership: the handle is the caller's, to be given to usocket_close, which throws away what has
// not been drained. The context stays the caller's, who may close its handle at once.
usocket_t usocket_tls_create(usocket_tls_context_t context,
                             const char *server_name,
                             int32_t flags);

// Puts in bytes that the peer has sent. They are looked at by the calls that receive.
//
// On a wrapped socket it takes what was received before that was wrapped (by a server that looks at the
// first bytes, or at the ClientHello, to decide how to answer), until the handshake begins.
//
// Returns: how many of them were taken; fewer than `len` when too much is waiting already.
// Errors: -EAGAIN when nothing can be taken before something is received, -EPIPE after
// usocket_tls_feed_end; of a socket -EISCONN once the handshake has begun, -EMSGSIZE for more than a
// ClientHello can be, USOCKET_ETLS_NOT_WRAPPED; -ENOMEM, -EBADF, -EBADR, -EFAULT, -EINVAL, -EOPNOTSUPP
// in a build without TLS.
// Blocks: no.
// Threads: any.
// Ownership: the bytes are copied.
int64_t usocket_tls_feed(usocket_t s,
                         const void *buf,
                         size_t len);

// Says that nothing more will be fed: the connection beneath has ended. Without the peer's
// close_notify before it, that is USOCKET_ETLS_TRUNCATED to who receives.
//
// Returns: 0.
// Errors: -EBADF, -EBADR, -EOPNOTSUPP in a build without TLS.
// Blocks: no.
// Threads: any.
// Ownership: nothing changes hands.
int32_t usocket_tls_feed_end(usocket_t s);

// Takes out bytes that are to go to the peer, in order: after every call that may have made some,
// which are the handshake, sending, receiving (answers, alerts) and shutdown.
//
// Returns: how many bytes are in `buf`; 0 when there are none now. With (NULL, 0) how many there are.
// Errors: -EBADF, -EBADR, -EFAULT, -EINVAL, -EOPNOTSUPP in a build without TLS.
// Blocks: no.
// Threads: any; the order is that of the calls.
// Ownership: the bytes are copied.
int64_t usocket_tls_drain(usocket_t s,
                          void *buf,
                          size_t len);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* USOCKET_H */
