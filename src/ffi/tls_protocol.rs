//! TLS contexts: which versions, ciphers and protocols their connections use, and what of them is kept.

use std::ffi::c_char;

use super::library::usocket_tls_context_t;
#[cfg(feature = "tls")]
use super::tls_context::on_context;
use super::{bytes, guard_on, tls_only};
#[cfg(feature = "tls")]
use crate::error::Result;

/// Sets the application protocols (ALPN) in the order of preference, separated by commas, such as
/// "h2,http/1.1"; empty or NULL for none. A server with protocols refuses a client that offers only
/// others; it accepts a client without ALPN.
///
/// Returns: 0.
/// Errors: -EINVAL for a name that is empty or over 255 bytes, -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: the text is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_set_alpn(
    context: usocket_tls_context_t,
    protocols: *const c_char,
) -> i32 {
    guard_on(context, || {
        // SAFETY: the caller's text, as documented.
        let protocols = unsafe { super::text(protocols) };
        tls_only!((context, protocols) => on_context(context, |c| c.set_alpn(protocols)))
    })
}

/// Sets whether a server with protocols (ALPN) refuses a client that offers only others: 1, the
/// default and as RFC 7301 requires; or goes on without a protocol: 0, as OpenSSL's servers do.
///
/// Returns: 0.
/// Errors: -EINVAL for another number, -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_set_alpn_required(
    context: usocket_tls_context_t,
    required: i32,
) -> i32 {
    guard_on(
        context,
        || tls_only!((context, required) => on_context(context, |c| c.set_alpn_required(required))),
    )
}

/// Sets the lowest and highest TLS version: USOCKET_TLS_1_2, USOCKET_TLS_1_3, or 0 for the
/// library's own (1.2 and 1.3).
///
/// Returns: 0.
/// Errors: USOCKET_ETLS_NO_SUCH_VERSION for other numbers, an empty range, or 1.2 in a build
/// without it; -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_set_versions(
    context: usocket_tls_context_t,
    min: i32,
    max: i32,
) -> i32 {
    guard_on(
        context,
        || tls_only!((context, min, max) => on_context(context, |c| c.set_versions(min, max))),
    )
}

/// Sets the cipher suites in the order of preference: names separated by colons or commas, IANA's
/// ("TLS_AES_128_GCM_SHA256") or OpenSSL's ("ECDHE-RSA-AES128-GCM-SHA256"). NULL for the library's
/// own. A TLS version with no suite in the list is disabled. A server with a list follows its own
/// order; one without follows the order of its clients.
///
/// Returns: 0.
/// Errors: USOCKET_ETLS_NO_SUCH_SUITE for an unknown name, -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: the text is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_set_ciphers(
    context: usocket_tls_context_t,
    names: *const c_char,
) -> i32 {
    guard_on(context, || {
        // SAFETY: the caller's text, as documented.
        let names = unsafe { super::text(names) };
        tls_only!((context, names) => on_context(context, |c| c.set_ciphers(names)))
    })
}

/// Copies the IANA names of the cipher suites the context would use, separated by colons, with a
/// NUL. `len` is the size of `buf` in bytes.
///
/// Returns: the length without the NUL; with (NULL, 0) only that.
/// Errors: -ENOSPC when it does not fit (nothing is written), -EBADF, -EBADR, -EFAULT, -EINVAL,
/// -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: the text is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_ciphers(
    context: usocket_tls_context_t,
    buf: *mut c_char,
    len: usize,
) -> i32 {
    guard_on(context, || {
        tls_only!((context, buf, len) => {
            // SAFETY: the caller's buffer, as documented.
            unsafe { super::copy_text(&ciphers_of(context)?, buf, len) }
        })
    })
}

/// Sets the key exchange groups, in the order of preference: names separated by colons or commas,
/// such as "X25519MLKEM768:X25519:secp256r1". NULL for the library's own.
///
/// Returns: 0.
/// Errors: USOCKET_ETLS_NO_SUCH_SUITE for an unknown name, -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: the text is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_set_groups(
    context: usocket_tls_context_t,
    names: *const c_char,
) -> i32 {
    guard_on(context, || {
        // SAFETY: the caller's text, as documented.
        let names = unsafe { super::text(names) };
        tls_only!((context, names) => on_context(context, |c| c.set_groups(names)))
    })
}

/// Sets the number of sessions kept for resumption (256 by default), and of TLS 1.3 tickets a
/// server sends to each client (2 by default). 0 sessions turn resumption off; 0 tickets turn off a
/// server's tickets in both versions, and a client then resumes only sessions that
/// usocket_tls_set_session gives it.
///
/// Returns: 0.
/// Errors: -EINVAL for a negative number or more than 1,000,000 sessions or 16 tickets, -EBADF,
/// -EBADR, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_set_resumption(
    context: usocket_tls_context_t,
    sessions: i32,
    tickets: i32,
) -> i32 {
    guard_on(
        context,
        || tls_only!((context, sessions, tickets) => on_context(context, |c| c.set_resumption(sessions, tickets))),
    )
}

/// Gives a server a key to encrypt its session tickets, 32 random bytes, in place of keys of its
/// own: processes and machines with the same key resume each other's sessions. The latest key
/// encrypts; the 3 before it still decrypt, so that keys can be rotated while clients hold tickets.
/// A ticket expires after 12 hours, whatever becomes of the key. The client's certificate is
/// checked again before a session is resumed, wherever the ticket comes from. Anybody with the key
/// can read the TLS 1.2 connections whose tickets it encrypts, and impersonate the server to
/// clients that resume: protect it like a private key, and change it daily.
///
/// Returns: 0.
/// Errors: -EINVAL for another length, -EOPNOTSUPP on a client or in a build without TLS, -EBADF,
/// -EBADR, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: the key is copied, and the copy is wiped when it is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_add_ticket_key(
    context: usocket_tls_context_t,
    key: *const u8,
    len: usize,
) -> i32 {
    guard_on(context, || {
        // SAFETY: the caller's buffer, as documented.
        let key = unsafe { bytes(key.cast(), len) }?;
        tls_only!((context, key) => on_context(context, |c| c.add_ticket_key(key)))
    })
}

/// Sets the maximum size of the data in one record, for peers with small buffers: 64 to 16384
/// bytes, or 0 for 16384, TLS's own limit. A record is up to 29 bytes longer on the wire. Handshake
/// messages are split into such records as well; a peer that cannot reassemble a long message needs
/// a short certificate chain. The peer's own records are not limited.
///
/// Returns: 0.
/// Errors: -EINVAL for another number, -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_set_max_record(
    context: usocket_tls_context_t,
    bytes: i32,
) -> i32 {
    guard_on(
        context,
        || tls_only!((context, bytes) => on_context(context, |c| c.set_max_record(bytes))),
    )
}

/// Makes every connection of the context append its secrets to a file, in Wireshark's format:
/// anybody with the file can read the traffic. NULL takes the file's name from the environment
/// variable SSLKEYLOGFILE. Nothing is logged if that is not set, or in a program that runs with
/// elevated rights (setuid, capabilities). A line that cannot be written is lost, and the
/// connection goes on.
///
/// Returns: 0, or 1 when nothing will be logged.
/// Errors: those of open(2), -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: on the file system.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_set_insecure_keylog(
    context: usocket_tls_context_t,
    path: *const c_char,
) -> i32 {
    guard_on(context, || {
        // SAFETY: the caller's text, as documented.
        let path = unsafe { super::text(path) };
        tls_only!((context, path) => on_context(context, |c| c.set_keylog(path)))
    })
}

#[cfg(feature = "tls")]
fn ciphers_of(context: usocket_tls_context_t) -> Result<String> {
    on_context(context, |c| Ok(c.ciphers()))
}
