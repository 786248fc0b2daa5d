//! The named numbers of the ABI, each defined once: the header and all other files take them from
//! here. (TLS errors have their own table: `error/causes.rs`.)

// --- The resolver: -20000 and the platform's own negative number.

/// Bad flags for getaddrinfo.
pub const USOCKET_EAI_BADFLAGS: i32 = -20001;
/// Name or service not known.
pub const USOCKET_EAI_NONAME: i32 = -20002;
/// Temporary failure in name resolution.
pub const USOCKET_EAI_AGAIN: i32 = -20003;
/// Non-recoverable failure in name resolution.
pub const USOCKET_EAI_FAIL: i32 = -20004;
/// No address associated with the name.
pub const USOCKET_EAI_NODATA: i32 = -20005;
/// Address family not supported.
pub const USOCKET_EAI_FAMILY: i32 = -20006;
/// Socket type not supported.
pub const USOCKET_EAI_SOCKTYPE: i32 = -20007;
/// Service not supported for the socket type; also a port outside 0-65535.
pub const USOCKET_EAI_SERVICE: i32 = -20008;
/// The name has no address of that family.
pub const USOCKET_EAI_ADDRFAMILY: i32 = -20009;
/// Out of memory in the resolver.
pub const USOCKET_EAI_MEMORY: i32 = -20010;
/// An argument buffer overflowed in the resolver.
pub const USOCKET_EAI_OVERFLOW: i32 = -20012;

// --- Sockets.

/// The protocol of a TCP socket that must be wrapped in TLS before it carries data (WiPy's
/// IPPROTO_SEC). Until then sending and receiving fail with USOCKET_ETLS_NOT_WRAPPED. The system
/// has no such protocol: its numbers end at 65535.
pub const USOCKET_IPPROTO_SEC: i32 = 0x1_0000;
/// A default backlog for usocket_listen, the same as CPython's.
pub const USOCKET_BACKLOG_DEFAULT: i32 = 128;

// --- Servers, for usocket_create_server.

/// For usocket_create_server: several sockets may share the port (SO_REUSEPORT).
pub const USOCKET_SERVER_REUSE_PORT: i32 = 1;
/// For usocket_create_server: an IPv6 socket that takes IPv4 connections as well.
pub const USOCKET_SERVER_DUAL_STACK: i32 = 2;

// --- Pollers, in an event mask.

/// In an event mask: report once, then not again until usocket_poller_modify.
pub const USOCKET_POLLER_ONESHOT: u32 = 0x4000_0000;
/// In an event mask: edge-triggered (EPOLLET).
pub const USOCKET_POLLER_EDGE: u32 = 0x8000_0000;
/// In an event mask: an event wakes one or more of the pollers with this socket, not all
/// (EPOLLEXCLUSIVE).
pub const USOCKET_POLLER_EXCLUSIVE: u32 = 0x1000_0000;

/// In a reported event: a timer of usocket_poller_arm_timer has expired.
pub const USOCKET_POLLER_TIMER: u32 = 0x2000_0000;

// --- TLS contexts.

/// A context for connections to servers.
pub const USOCKET_TLS_CLIENT: i32 = 1;
/// A context for connections from clients.
pub const USOCKET_TLS_SERVER: i32 = 2;
/// TLS 1.2
pub const USOCKET_TLS_1_2: i32 = 0x0303;
/// TLS 1.3
pub const USOCKET_TLS_1_3: i32 = 0x0304;

// --- TLS contexts: verification.

/// The peer is not verified: anybody can be in the middle. A server asks for no client certificate.
/// Pins and the verify callback, if set, still decide, and a server with either requires a
/// certificate.
pub const USOCKET_TLS_VERIFY_NONE_INSECURE: i32 = 0;
/// A server asks for a client certificate and verifies it if there is one. On a client the same as
/// USOCKET_TLS_VERIFY_REQUIRED.
pub const USOCKET_TLS_VERIFY_OPTIONAL: i32 = 1;
/// The peer must present a certificate that verifies.
pub const USOCKET_TLS_VERIFY_REQUIRED: i32 = 2;
/// Any name in the server's certificate is accepted: anybody with a certificate can be in the
/// middle.
pub const USOCKET_TLS_HOSTNAME_INSECURE_ANY: i32 = 0;
/// The server's certificate must be for the name given to usocket_tls_wrap.
pub const USOCKET_TLS_HOSTNAME_CHECK: i32 = 1;
/// Stapled certificate status (OCSP): if the server sends one, it must verify.
pub const USOCKET_TLS_OCSP_IF_STAPLED: i32 = 0;
/// Stapled certificate status: the server must send one, and it must verify.
pub const USOCKET_TLS_OCSP_REQUIRED: i32 = 1;
/// Stapled certificate status: ignored.
pub const USOCKET_TLS_OCSP_INSECURE_IGNORE: i32 = 2;
/// Revocation lists: only the peer's own certificate is looked up, not its issuers.
pub const USOCKET_TLS_CRL_LEAF_ONLY: i32 = 1;
/// Revocation lists: a certificate whose issuer has no list passes.
pub const USOCKET_TLS_CRL_INSECURE_ALLOW_UNKNOWN: i32 = 2;
/// Revocation lists: a list past its next update is still used.
pub const USOCKET_TLS_CRL_INSECURE_ALLOW_EXPIRED: i32 = 4;

// --- TLS certificates.

/// usocket_tls_cert_text: the subject, such as "C=US,O=Example,CN=www".
pub const USOCKET_TLS_CERT_SUBJECT: i32 = 1;
/// usocket_tls_cert_text: the issuer, in the same form.
pub const USOCKET_TLS_CERT_ISSUER: i32 = 2;
/// usocket_tls_cert_text: the subject alternative names, such as
/// "DNS:example.com,DNS:*.example.com,IP:192.0.2.1".
pub const USOCKET_TLS_CERT_ALT_NAMES: i32 = 3;
/// usocket_tls_cert_text: the serial number, hexadecimal.
pub const USOCKET_TLS_CERT_SERIAL: i32 = 4;
/// usocket_tls_cert_text: SHA-256 of the whole certificate, hexadecimal.
pub const USOCKET_TLS_CERT_FINGERPRINT: i32 = 5;
/// usocket_tls_cert_text: SHA-256 of the key, hexadecimal (a pin of usocket_tls_context_add_pin).
pub const USOCKET_TLS_CERT_PIN: i32 = 6;
/// usocket_tls_cert_text: the kind of key, such as "RSA-2048" or "EC P-256".
pub const USOCKET_TLS_CERT_KEY: i32 = 7;
/// usocket_tls_cert_time: the start of validity (notBefore).
pub const USOCKET_TLS_CERT_NOT_BEFORE: i32 = 1;
/// usocket_tls_cert_time: the end of validity (notAfter).
pub const USOCKET_TLS_CERT_NOT_AFTER: i32 = 2;

// --- TLS on a socket.

/// usocket_tls_wrap: do the handshake at once, in the socket's mode.
pub const USOCKET_TLS_HANDSHAKE: i32 = 1;
/// usocket_tls_wrap: read at most one record at a time from the kernel.
pub const USOCKET_TLS_NO_READ_AHEAD: i32 = 2;

// --- Categories of errors, from usocket_error_category.

/// No error, or a number that the library never gives.
pub const USOCKET_CATEGORY_NONE: i32 = 0;
/// An error of the system, -errno.
pub const USOCKET_CATEGORY_SYSTEM: i32 = 1;
/// An error of the resolver.
pub const USOCKET_CATEGORY_RESOLVER: i32 = 2;
/// TLS itself failed: a protocol violation, a damaged record, a limit.
pub const USOCKET_CATEGORY_TLS_CONNECTION: i32 = 3;
/// The connection ended before TLS was closed: the data may be incomplete.
pub const USOCKET_CATEGORY_TLS_END: i32 = 4;
/// The peer's certificate was rejected, or it presented none and one is required.
pub const USOCKET_CATEGORY_TLS_CERTIFICATE: i32 = 5;
/// The two sides have no version, suite, group, protocol or signature algorithm in common.
pub const USOCKET_CATEGORY_TLS_AGREEMENT: i32 = 6;
/// The program supplied something unusable: a certificate, a key, a name, a setting.
pub const USOCKET_CATEGORY_TLS_SETTING: i32 = 7;
/// The peer ended the connection with an alert.
pub const USOCKET_CATEGORY_TLS_ALERT: i32 = 8;
