//! TLS contexts: which versions, ciphers and protocols their connections use, and what of them is kept.

use std::ffi::c_char;

use super::library::usocket_tls_context_t;
#[cfg(feature = "tls")]
use super::tls_context::on_context;
use super::{bytes, guard_on, tls_only};
#[cfg(feature = "tls")]
use crate::error::Result;

/// Sets the application protocols (ALPN) in the order of preference, separated by commas, such as
/// "h2,http/1.1"; empty or NULL for none. A server that has protocols refuses a client that offers
/// none of them; one that offers no ALPN at all is welcome.
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

/// Sets whether a server that has protocols (ALPN) refuses a client that offers only others, as at
/// first and as RFC 7301 asks: 1; or goes on without one: 0, as OpenSSL's servers do.
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
/// Errors: USOCKET_ETLS_NO_SUCH_VERSION for others, for none left, or 1.2 in a build without it;
/// -EBADF, -EBADR, -EOPNOTSUPP.
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

/// Sets the cipher suites, the best first: names separated by colons or commas, IANA's
/// ("TLS_AES_128_GCM_SHA256") or OpenSSL's ("ECDHE-RSA-AES128-GCM-SHA256"). NULL for the library's
/// own. The suites of a version not named here are left out, and with them the version. A server
/// that names suites takes its best that the client has, too; one that does not leaves the order to
/// its clients.
///
/// Returns: 0.
/// Errors: USOCKET_ETLS_NO_SUCH_SUITE for a name that is not known, -EBADF, -EBADR, -EOPNOTSUPP.
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

/// Copies the names of the cipher suites the context would use, IANA's, separated by colons, with
/// a NUL. `len` is the room in `buf` in bytes.
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
/// Errors: USOCKET_ETLS_NO_SUCH_SUITE for a name that is not known, -EBADF, -EBADR, -EOPNOTSUPP.
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

/// Sets how many sessions are kept for resumption (256 at first), and how many TLS 1.3 tickets a
/// server gives each client (2 at first). 0 sessions turn resumption off; 0 tickets turn tickets
/// off, of both versions, on a server.
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

/// Gives a server a key that seals the tickets of its sessions, 32 random bytes, in place of keys of
/// its own: processes and machines with the same key resume each other's sessions. The last one
/// given seals; the 3 before it still open what they sealed, so that keys can be changed while
/// clients keep tickets. A ticket is good for 12 hours, whatever becomes of the key. What a client
/// had shown is judged again before it is resumed, wherever the ticket is from. Whoever has the key
/// can read the TLS 1.2 connections whose tickets it seals, and pass for the server to whoever
/// resumes: keep it as a private key, and change it daily.
///
/// Returns: 0.
/// Errors: -EINVAL for another length, -EOPNOTSUPP on a client or in a build without TLS, -EBADF,
/// -EBADR, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: the key is copied, and the copy is wiped when it goes.
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

/// Sets the most data that goes into one record, for peers with small buffers: 64 to 16384 bytes
/// (16384 is TLS's own limit), or 0 for that. A record is up to 29 bytes longer on the wire. Also
/// what the handshake sends is cut into such records; a peer that cannot put a long message
/// together needs a short certificate chain. What the peer sends is up to the peer.
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

/// Lets every connection of the context append its secrets to a file, in the format Wireshark
/// reads: whoever has the file can read the traffic. NULL takes the file's name from the
/// environment's SSLKEYLOGFILE; without that nothing is logged, nor in a program that runs with
/// more rights than who started it (setuid, capabilities). A line that cannot be written is lost,
/// and the connection goes on.
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
