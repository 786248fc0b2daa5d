//! TLS contexts: made, given certificates, and told how connections are to be.

#[cfg(feature = "tls")]
use std::ffi::CStr;
use std::ffi::{c_char, c_void};

use super::library::usocket_tls_context_t;
use super::{bytes, guard_on, required_text, tls_only, without_handle};
#[cfg(feature = "tls")]
use crate::error::Result;
#[cfg(feature = "tls")]
use crate::object;
#[cfg(feature = "tls")]
use crate::sys::{fork, text::Text};
#[cfg(feature = "tls")]
use crate::tls::context::Context;
#[cfg(feature = "tls")]
use crate::tls::context::certs::{ByName, Chosen};
#[cfg(feature = "tls")]
use std::sync::Arc;

/// Makes a TLS context: USOCKET_TLS_CLIENT or USOCKET_TLS_SERVER. It is set up with the functions
/// that follow, and used by any number of connections (usocket_tls_wrap). A connection takes the
/// settings as they are when it is wrapped; what is changed later is for those wrapped from then
/// on. A change ends the sessions a client has kept to resume; the sessions of a server's clients
/// stay, and each is judged by the new settings before it is resumed.
///
/// A client verifies its server by default: a chain to a trusted certificate (the system's store
/// when none was given), dates, and the name. A server asks for no client certificate by default.
///
/// Returns: a handle.
/// Errors: -EINVAL for another role, -ENFILE, -EOPNOTSUPP in a build without TLS, -EPERM where a
/// filter of system calls refuses getrandom(2), USOCKET_ETLS_CPU.
/// Blocks: no.
/// Threads: any.
/// Ownership: the handle is the caller's, to be given to usocket_close; connections that use the
/// context keep it alive.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_create(role: i32) -> usocket_tls_context_t {
    without_handle(|| tls_only!(role => new_context(role)))
}

/// Gives the context a certificate and its private key. A server may have several and chooses by
/// the name its client asks for, and by the algorithms it knows; the first is for all others. A
/// client presents the first that suits the server. One for the same names and with the same kind of
/// key as an earlier one takes its place: so a certificate is renewed while the server runs.
///
/// `cert` is PEM (the certificate first, its issuers after it) or DER (one certificate after
/// another); `key` is PEM or DER: PKCS#8 (encrypted: usocket_tls_context_set_key_password), PKCS#1 or
/// SEC1. NULL as `key` takes it from the PEM text
/// in `cert`.
///
/// Returns: 0.
/// Errors: USOCKET_ETLS_CERT_INVALID, USOCKET_ETLS_KEY_INVALID, USOCKET_ETLS_KEY_ENCRYPTED,
/// USOCKET_ETLS_KEY_PASSWORD, USOCKET_ETLS_KEY_MISMATCH, USOCKET_ETLS_PEM_EMPTY,
/// USOCKET_ETLS_PEM_BAD; -EBADF, -EBADR, -EINVAL, -EFAULT, -EOPNOTSUPP. The sentence is at
/// usocket_error_detail(context, ...).
/// Blocks: no.
/// Threads: any.
/// Ownership: both are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_add_cert(
    context: usocket_tls_context_t,
    cert: *const c_void,
    cert_len: usize,
    key: *const c_void,
    key_len: usize,
) -> i32 {
    guard_on(context, || {
        // SAFETY: the caller's buffers, as documented.
        let (cert, key) = unsafe { (bytes(cert, cert_len)?, bytes(key, key_len)?) };
        tls_only!((context, cert, key) => on_context(context, |c| c.use_cert(cert, key).map(|()| 0)))
    })
}

/// As usocket_tls_context_add_cert, from files. NULL as `key_path` takes the key from the first.
///
/// Returns: 0.
/// Errors: as usocket_tls_context_add_cert, and those of open(2) and read(2).
/// Blocks: on the file system.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_add_cert_file(
    context: usocket_tls_context_t,
    cert_path: *const c_char,
    key_path: *const c_char,
) -> i32 {
    guard_on(context, || {
        // SAFETY: the caller's texts, as documented.
        let (cert, key) = unsafe { (required_text(cert_path)?, super::text(key_path)) };
        tls_only!((context, cert, key) => on_context(context, |c| c.use_cert_file(cert, key).map(|()| 0)))
    })
}

/// Sets the password of the encrypted private keys that are given from now on (PKCS#8 with PBES2, as
/// `openssl pkcs8 -topk8` and `openssl genpkey` write them: AES-CBC with PBKDF2 or scrypt). NULL
/// forgets it. The cost of trying is in the key's file: it may take seconds.
///
/// Returns: 0. Whether it opens a key is known when that is given: USOCKET_ETLS_KEY_PASSWORD.
/// Errors: -EBADF, -EBADR, -EFAULT, -EINVAL, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: the password is copied, and the copy is wiped when it goes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_set_key_password(
    context: usocket_tls_context_t,
    password: *const c_void,
    len: usize,
) -> i32 {
    guard_on(context, || {
        // SAFETY: the caller's buffer, as documented.
        let password = unsafe { bytes(password, len) }?;
        let password = (!password.is_empty()).then_some(password);
        tls_only!((context, password) => on_context(context, |c| c.set_key_password(password)))
    })
}

/// Takes all certificates with their keys out of the context, so that others can take their place:
/// connections wrapped from then on use those. A server without any cannot be used
/// (USOCKET_ETLS_NO_CERT).
///
/// Returns: 0.
/// Errors: -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any; a connection wrapped on another thread in between finds none.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_clear_certs(context: usocket_tls_context_t) -> i32 {
    guard_on(context, || tls_only!(context => on_context(context, |c| c.clear_certs())))
}

/// Sets whether the certificates that follow must come with their own private key: 1, as at first,
/// or 0, where it is the peer that finds out, in the handshake: it refuses what another key signs.
/// (Mbed TLS does no other check. It weakens nothing here; the error only comes late.)
///
/// Returns: 0.
/// Errors: -EINVAL for another number, -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_set_key_check(
    context: usocket_tls_context_t,
    check: i32,
) -> i32 {
    guard_on(
        context,
        || tls_only!((context, check) => on_context(context, |c| c.set_key_check(check))),
    )
}

/// What chooses a server's certificates by name; see usocket_tls_context_set_name_callback.
#[allow(non_camel_case_types)]
pub type usocket_tls_name_cb =
    Option<unsafe extern "C" fn(arg: *mut c_void, name: *const c_char) -> usocket_tls_context_t>;

/// Sets what chooses a server's certificate by the name that a client asks for (SNI): it is called
/// for each handshake, resumed ones too, with the name, or "" where the client says none. It answers
/// with a server's context, whose certificates are then chosen from as from the context's own; with 0
/// for the context's own; or with a negative number to refuse the client: USOCKET_ETLS_NAME_REFUSED,
/// and the alert unrecognized_name, which an answer without a certificate comes to as well. Of the
/// other context nothing but its certificates with their stapled status is used. A server with a
/// callback needs no certificate of its own. NULL removes it.
///
/// The callback runs within the handshake, on the thread that drives it. It must return (no
/// longjmp), and must not use the connection it is about.
///
/// Returns: 0.
/// Errors: -EOPNOTSUPP on a client or in a build without TLS, -EBADF.
/// Blocks: no.
/// Threads: any; connections on several threads call it at once.
/// Ownership: `arg` stays the caller's and must outlive the context and its connections. The context
/// that is answered stays the caller's; its certificates are taken when the callback returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_set_name_callback(
    context: usocket_tls_context_t,
    callback: usocket_tls_name_cb,
    arg: *mut c_void,
) -> i32 {
    guard_on(
        context,
        || tls_only!((context, callback, arg) => on_context(context, |c| c.set_by_name(by_name(callback, arg)))),
    )
}

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

/// A callback of C with its argument.
#[cfg(feature = "tls")]
struct Chooser(unsafe extern "C" fn(*mut c_void, *const c_char) -> i64, *mut c_void);

// SAFETY: usocket_tls_context_set_name_callback documents that it is called on any thread, on
// several at once, and that the argument is good for that.
#[cfg(feature = "tls")]
unsafe impl Send for Chooser {}
// SAFETY: as above.
#[cfg(feature = "tls")]
unsafe impl Sync for Chooser {}

#[cfg(feature = "tls")]
impl Chooser {
    fn choose(&self, name: &str) -> Chosen {
        let text = Text::<256>::of(format_args!("{name}\0"));
        let Ok(name) = CStr::from_bytes_until_nul(text.as_bytes()) else {
            return Chosen::Nothing("it is too long");
        };
        // SAFETY: the caller of the ABI vouches for both; the name lives until it returns.
        let answer = fork::host(|| unsafe { self.0(self.1, name.as_ptr()) });
        match answer {
            0 => Chosen::Own,
            ..0 => Chosen::Nothing("the program refuses it"),
            context => match on_context(context, Context::certs) {
                Ok(certs) => Chosen::Those(certs),
                Err(_) => Chosen::Nothing("what the program answered is no server's context"),
            },
        }
    }
}

#[cfg(feature = "tls")]
fn by_name(callback: usocket_tls_name_cb, arg: *mut c_void) -> Option<ByName> {
    let chooser = Chooser(callback?, arg);
    Some(ByName(Arc::new(move |name: &str| chooser.choose(name))))
}

#[cfg(feature = "tls")]
fn new_context(role: i32) -> Result<usocket_tls_context_t> {
    object::insert(Context::new(role)?)
}

#[cfg(feature = "tls")]
pub(super) fn on_context<T>(
    context: usocket_tls_context_t,
    body: impl FnOnce(&Context) -> Result<T>,
) -> Result<T> {
    let pin = object::pin(context)?;
    body(pin.tls_context()?)
}

#[cfg(feature = "tls")]
fn ciphers_of(context: usocket_tls_context_t) -> Result<String> {
    on_context(context, |c| Ok(c.ciphers()))
}
