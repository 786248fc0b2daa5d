//! TLS contexts: whom they trust, and how the peer is verified.

use std::ffi::{c_char, c_void};

use super::library::usocket_tls_context_t;
#[cfg(feature = "tls")]
use super::tls_context::on_context;
use super::{bytes, guard_on, required_text, tls_only};
#[cfg(feature = "tls")]
use crate::sys::fork;
#[cfg(feature = "tls")]
use crate::tls::context::Callback;
#[cfg(feature = "tls")]
use std::sync::Arc;

/// Decides about each certificate after every other check; see
/// usocket_tls_context_set_verify_callback.
#[allow(non_camel_case_types)]
pub type usocket_tls_verify_cb =
    Option<unsafe extern "C" fn(arg: *mut c_void, der: *const u8, len: usize, depth: i32) -> i32>;

/// Trusts certificates, PEM or DER, any number of them. A certificate that may issue others
/// (CA:TRUE in its basic constraints, or version 1) is a trust anchor: chains may end in it until
/// it expires. Each certificate is also accepted as the peer's own, without a chain, even if it is
/// self-signed, is marked as a CA, or has only a common name. Its dates, name, purpose (extended
/// key usage), pins and the callback are then checked as usual, and with revocation lists a list of
/// its issuer must pass it. All this also holds for usocket_tls_context_add_trust_file,
/// usocket_tls_context_add_trust_dir and the system's store. Of several certificates, unreadable
/// ones are skipped.
///
/// Returns: how many certificates were added.
/// Errors: USOCKET_ETLS_CERT_INVALID, USOCKET_ETLS_PEM_EMPTY, USOCKET_ETLS_PEM_BAD; -EBADF, -EBADR,
/// -EINVAL, -EFAULT, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: the certificates are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_add_trust(
    context: usocket_tls_context_t,
    certs: *const c_void,
    len: usize,
) -> i32 {
    guard_on(context, || {
        // SAFETY: the caller's buffer, as documented.
        let certs = unsafe { bytes(certs, len) }?;
        tls_only!((context, certs) => on_context(context, |c| c.trust(certs)))
    })
}

/// As usocket_tls_context_add_trust, from a file.
///
/// Returns: how many certificates were added.
/// Errors: as usocket_tls_context_add_trust, and those of open(2) and read(2).
/// Blocks: on the file system.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_add_trust_file(
    context: usocket_tls_context_t,
    path: *const c_char,
) -> i32 {
    guard_on(context, || {
        // SAFETY: the caller's text, as documented.
        let path = unsafe { required_text(path) }?;
        tls_only!((context, path) => on_context(context, |c| c.trust_file(path)))
    })
}

/// As usocket_tls_context_add_trust, from all files of a directory, or from none of them on error.
/// Files without a certificate are skipped; a damaged or unreadable file is an error, and the
/// sentence names it. After a directory without certificates nobody is trusted: the system's store
/// is not used instead.
///
/// Returns: how many certificates were added.
/// Errors: those of opendir(3), open(2) and read(2), USOCKET_ETLS_PEM_BAD; -EBADF, -EBADR, -EFAULT,
/// -EOPNOTSUPP.
/// Blocks: on the file system.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_add_trust_dir(
    context: usocket_tls_context_t,
    path: *const c_char,
) -> i32 {
    guard_on(context, || {
        // SAFETY: the caller's text, as documented.
        let path = unsafe { required_text(path) }?;
        tls_only!((context, path) => on_context(context, |c| c.trust_dir(path)))
    })
}

/// Trusts the system's certificates: those of the environment variables SSL_CERT_FILE and
/// SSL_CERT_DIR, or else the distribution's store (always the store in a program that runs with
/// elevated rights). They are read once per process and shared. A client without any trusted
/// certificates does this by itself on first use.
///
/// Returns: the number of certificates in the store.
/// Errors: USOCKET_ETLS_NO_TRUST when the store is empty; -EMFILE, -ENFILE, -ENOMEM, after which it is
/// read again the next time; -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: the first time, on the file system, for some milliseconds.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_add_trust_system(context: usocket_tls_context_t) -> i32 {
    guard_on(context, || tls_only!(context => on_context(context, |c| c.trust_system())))
}

/// Trusts Mozilla's roots as of the library's build: for systems without a store.
///
/// Returns: how many certificates were added.
/// Errors: -EOPNOTSUPP when the build has no feature "webpki-roots" (or no TLS), -EBADF, -EBADR.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_add_trust_mozilla(context: usocket_tls_context_t) -> i32 {
    guard_on(context, || tls_only!(context => on_context(context, |c| c.trust_mozilla())))
}

/// Adds revocation lists, PEM or DER: all of them, or none on error. With at least one, up-to-date
/// lists must cover the peer's whole chain; see usocket_tls_context_set_crl_flags. Lists that the
/// library cannot use in full are refused (delta and indirect lists, unknown critical extensions).
/// Of several lists of one issuer the latest one already valid is used: to renew a list, add the
/// new one.
///
/// Returns: how many lists were added.
/// Errors: USOCKET_ETLS_CRL_INVALID, USOCKET_ETLS_PEM_EMPTY, USOCKET_ETLS_PEM_BAD; -EBADF, -EBADR,
/// -EINVAL, -EFAULT, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: the lists are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_add_crl(
    context: usocket_tls_context_t,
    crl: *const c_void,
    len: usize,
) -> i32 {
    guard_on(context, || {
        // SAFETY: the caller's buffer, as documented.
        let crl = unsafe { bytes(crl, len) }?;
        tls_only!((context, crl) => on_context(context, |c| c.add_crl(crl)))
    })
}

/// Sets how revocation lists are used: USOCKET_TLS_CRL_ flags, 0 by default.
///
/// Returns: 0.
/// Errors: -EINVAL for unknown flags, -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_set_crl_flags(
    context: usocket_tls_context_t,
    flags: i32,
) -> i32 {
    guard_on(
        context,
        || tls_only!((context, flags) => on_context(context, |c| c.set_crl_flags(flags))),
    )
}

/// Sets how a client treats the certificate status that a server staples to the handshake (OCSP):
/// USOCKET_TLS_OCSP_IF_STAPLED, the default (a stapled status must verify; a response that only
/// reports a failure of the responder counts as none), USOCKET_TLS_OCSP_REQUIRED or
/// USOCKET_TLS_OCSP_INSECURE_IGNORE. A status verifies if it is signed by the issuer of the
/// certificate, or by a responder with an OCSP certificate from that issuer, says that the
/// certificate is good, and is current; else the handshake fails with USOCKET_ETLS_CERT_BAD_STAPLE
/// or USOCKET_ETLS_CERT_REVOKED. If a status is required and the server is not verified, the first
/// use fails with USOCKET_ETLS_NO_TRUST. The library itself queries no responder.
///
/// Returns: 0.
/// Errors: -EINVAL for another mode, -EOPNOTSUPP on a server or in a build without TLS, -EBADF,
/// -EBADR.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_set_ocsp_mode(
    context: usocket_tls_context_t,
    mode: i32,
) -> i32 {
    guard_on(
        context,
        || tls_only!((context, mode) => on_context(context, |c| c.set_ocsp_mode(mode))),
    )
}

/// Gives a server the status of one of its certificates, to staple to the handshakes of clients
/// that request it: an OCSP response, DER, from the issuer's responder or `openssl ocsp -respout`.
/// It replaces an earlier one for connections wrapped from then on; NULL removes all. A certificate
/// that is replaced loses its status. The library does not check that the response is valid or
/// current: clients refuse it if it is not.
///
/// Returns: the number of the context's certificates it applies to, by serial number; 0 for NULL.
/// Errors: USOCKET_ETLS_CERT_BAD_STAPLE if it applies to none of them, is malformed, or only
/// reports a failure of the responder; -EOPNOTSUPP on a client or in a build without TLS, -EBADF,
/// -EBADR, -EINVAL, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: the response is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_add_ocsp(
    context: usocket_tls_context_t,
    response: *const c_void,
    len: usize,
) -> i32 {
    guard_on(context, || {
        // SAFETY: the caller's buffer, as documented.
        let response = unsafe { bytes(response, len) }?;
        tls_only!((context, response) => on_context(context, |c| c.add_ocsp(response)))
    })
}

/// Sets whether the peer is verified: USOCKET_TLS_VERIFY_REQUIRED (a client's default),
/// USOCKET_TLS_VERIFY_OPTIONAL or USOCKET_TLS_VERIFY_NONE_INSECURE (a server's default: it asks for
/// no certificate, and this is insecure only if the server must identify its clients). The default
/// of a server with pins, a verify callback or revocation lists is USOCKET_TLS_VERIFY_REQUIRED.
///
/// Returns: 0.
/// Errors: -EINVAL for another mode, -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_set_verify(context: usocket_tls_context_t, mode: i32) -> i32 {
    guard_on(context, || tls_only!((context, mode) => on_context(context, |c| c.set_verify(mode))))
}

/// Sets whether a client checks the server's name: USOCKET_TLS_HOSTNAME_CHECK (the default) or
/// USOCKET_TLS_HOSTNAME_INSECURE_ANY.
///
/// Returns: 0.
/// Errors: -EINVAL for another mode, -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_set_hostname_check(
    context: usocket_tls_context_t,
    mode: i32,
) -> i32 {
    guard_on(
        context,
        || tls_only!((context, mode) => on_context(context, |c| c.set_hostname(mode))),
    )
}

/// Pins a key: in addition to all other checks, the peer's certificate or one of its issuers in the
/// verified chain must have one of the pinned keys. `sha256` is the SHA-256 of the key's
/// SubjectPublicKeyInfo, 32 bytes. Without verification only the peer's own key counts.
///
/// Returns: 0.
/// Errors: -EINVAL for another length, -EBADF, -EBADR, -EFAULT, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: the pin is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_add_pin(
    context: usocket_tls_context_t,
    sha256: *const u8,
    len: usize,
) -> i32 {
    guard_on(context, || {
        // SAFETY: the caller's buffer, as documented.
        let pin = unsafe { bytes(sha256.cast(), len) }?;
        tls_only!((context, pin) => on_context(context, |c| c.add_pin(pin)))
    })
}

/// Sets a callback that decides last about the peer. After all other checks have passed, it is
/// called for each certificate of the chain, from the trusted one down to the peer's own (depth 0),
/// and returns 0 to accept. Any other result refuses the peer (USOCKET_ETLS_CERT_REFUSED). Without
/// verification it is called for the peer's own certificate only. A client with a callback resumes
/// no sessions, because a resumed connection has no certificates. On a server the callback is
/// called again with the client's original certificate. NULL removes the callback.
///
/// The callback runs within the handshake, on the thread that does it. It must return (no longjmp),
/// and must not use the connection of that handshake.
///
/// Returns: 0.
/// Errors: -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any; connections on several threads may call it at the same time.
/// Ownership: `arg` stays the caller's and must outlive the context and its connections.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_context_set_verify_callback(
    context: usocket_tls_context_t,
    callback: usocket_tls_verify_cb,
    arg: *mut c_void,
) -> i32 {
    guard_on(
        context,
        || tls_only!((context, callback, arg) => on_context(context, |c| c.set_callback(wrap_callback(callback, arg)))),
    )
}

/// Sets the clock for checking certificates, for devices without a real-time clock: `unix_seconds`
/// is the time now, and the clock runs on from there. 0 is the system's clock.
///
/// Returns: 0.
/// Errors: -EINVAL for a negative time, -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_set_clock(
    context: usocket_tls_context_t,
    unix_seconds: i64,
) -> i32 {
    guard_on(
        context,
        || tls_only!((context, unix_seconds) => on_context(context, |c| c.set_clock(unix_seconds))),
    )
}

/// A callback of C with its argument.
#[cfg(feature = "tls")]
struct Verdict(unsafe extern "C" fn(*mut c_void, *const u8, usize, i32) -> i32, *mut c_void);

// SAFETY: usocket_tls_context_set_verify_callback documents that it is called on any thread, on
// several at once, and that the argument is good for that.
#[cfg(feature = "tls")]
unsafe impl Send for Verdict {}
// SAFETY: as above.
#[cfg(feature = "tls")]
unsafe impl Sync for Verdict {}

#[cfg(feature = "tls")]
impl Verdict {
    fn on(&self, der: &[u8], depth: i32) -> i32 {
        // SAFETY: the caller of the ABI vouches for both; the certificate lives until it returns.
        fork::host(|| unsafe { self.0(self.1, der.as_ptr(), der.len(), depth) })
    }
}

#[cfg(feature = "tls")]
fn wrap_callback(callback: usocket_tls_verify_cb, arg: *mut c_void) -> Option<Arc<Callback>> {
    let verdict = Verdict(callback?, arg);
    Some(Arc::new(move |der: &[u8], depth| verdict.on(der, depth)))
}
