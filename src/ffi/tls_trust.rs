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

/// What decides about each certificate after everything else accepted it; see
/// usocket_tls_context_set_verify_callback.
#[allow(non_camel_case_types)]
pub type usocket_tls_verify_cb =
    Option<unsafe extern "C" fn(arg: *mut c_void, der: *const u8, len: usize, depth: i32) -> i32>;

/// Trusts certificates, PEM or DER, any number of them. One that may issue others (it says CA:TRUE
/// in its basic constraints, or is of version 1) is what chains may lead to, while it has not
/// expired. Each is also good as the peer's own, whole: without a chain, also if it is self-signed,
/// says it is a CA, or has nothing but a common name in it; its dates, its name, its purpose
/// (extended key usage), pins and the callback count as ever, and with revocation lists one of its
/// issuer must let it pass. It means the same given by usocket_tls_context_add_trust_file,
/// usocket_tls_context_add_trust_dir and the system's store. Of several, those that cannot be read
/// are left out.
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

/// As usocket_tls_context_add_trust, from all files of a directory, or none of them. Files that hold
/// no certificate are passed over; one that is damaged or cannot be read is an error that names it.
/// A directory without certificates leaves nobody trusted, not the system's store.
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

/// Trusts what the system trusts: the environment's SSL_CERT_FILE and SSL_CERT_DIR, or the
/// distribution's store (always that in a program that runs with more rights than who started it).
/// It is read once per process and shared. A client that was given no trust
/// at all does this by itself when it is first used.
///
/// Returns: how many certificates the store has.
/// Errors: USOCKET_ETLS_NO_TRUST when it has none, -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: the first time on the file system, for some milliseconds.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_add_trust_system(context: usocket_tls_context_t) -> i32 {
    guard_on(context, || tls_only!(context => on_context(context, |c| c.trust_system())))
}

/// Trusts Mozilla's roots, as they were when the library was built: for systems without a store.
///
/// Returns: how many certificates there are.
/// Errors: -EOPNOTSUPP when the build has no feature "webpki-roots" (or no TLS), -EBADF, -EBADR.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_context_add_trust_mozilla(context: usocket_tls_context_t) -> i32 {
    guard_on(context, || tls_only!(context => on_context(context, |c| c.trust_mozilla())))
}

/// Gives the context revocation lists, PEM or DER: all of them, or none. With at least one, the
/// peer's whole chain must be covered by lists that are up to date; see
/// usocket_tls_context_set_crl_flags. A list that could not be used in full (delta and indirect
/// lists, critical extensions that are not known) is refused here. Of
/// several lists of one issuer the latest counts that has begun to: a list is renewed by giving the
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

/// Sets how revocation lists are used: USOCKET_TLS_CRL_ flags, 0 at first.
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

/// Sets what a client asks of the certificate status that a server staples to the handshake (OCSP):
/// USOCKET_TLS_OCSP_IF_STAPLED, as at first (one that is there must verify; an answer that says only
/// that the responder failed is none), USOCKET_TLS_OCSP_REQUIRED or USOCKET_TLS_OCSP_INSECURE_IGNORE.
/// It verifies when the issuer of the certificate, or one to whom the issuer has given a certificate
/// for OCSP, has signed that the certificate is good, from a time before now up to one after now.
/// Nobody is asked for a status here.
///
/// Returns: 0. A connection fails with USOCKET_ETLS_CERT_BAD_STAPLE, or USOCKET_ETLS_CERT_REVOKED; its
/// first use with USOCKET_ETLS_NO_TRUST where one is required and the server is not verified at all.
/// Errors: -EINVAL for another mode, -EOPNOTSUPP on a server or in a build without TLS, -EBADF.
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

/// Gives a server the status of one of its certificates to staple to the handshakes of the clients
/// that ask for it: an OCSP response, DER, as its issuer's responder or `openssl ocsp -respout` gives
/// it. It takes an earlier one's place, for the connections wrapped from then on; NULL takes all out.
/// A certificate that is replaced loses it. Whether the response is good and how long is for the
/// program to know: clients refuse one that is not.
///
/// Returns: how many of the context's certificates it is about, by their serial numbers; 0 for NULL.
/// Errors: USOCKET_ETLS_CERT_BAD_STAPLE for what is about none of them, is malformed, or says only
/// that the responder failed; -EOPNOTSUPP on a client or in a build without TLS, -EBADF, -EINVAL,
/// -EFAULT.
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
/// USOCKET_TLS_VERIFY_OPTIONAL or USOCKET_TLS_VERIFY_NONE_INSECURE (a server's default: it asks
/// for no certificate, so nothing is insecure about that unless you need to know your clients). The
/// default of a server with pins, a verify callback or revocation lists is
/// USOCKET_TLS_VERIFY_REQUIRED.
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

/// Pins a key: the peer's certificate, or one of its issuers in the verified chain, must have one
/// of the pinned keys, in addition to everything else. `sha256` is the SHA-256 of the key's
/// SubjectPublicKeyInfo, 32 bytes. Without verification, only the peer's own key counts.
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

/// Sets what decides last about the peer: it is called for each certificate of the chain, from the
/// trusted one down to the peer's own (depth 0), once everything else has accepted them, and
/// accepts with 0. It can only refuse (USOCKET_ETLS_CERT_REFUSED). Without verification only the
/// peer's own is shown. A client with a callback resumes no sessions, for a resumed connection
/// shows no certificates; a server's callback is asked again about the certificate its client had
/// shown. NULL removes it.
///
/// The callback runs within the handshake, on the thread that drives it. It must return (no
/// longjmp), and must not use the connection it is about.
///
/// Returns: 0.
/// Errors: -EBADF, -EBADR, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any; connections on several threads call it at once.
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

/// Sets the clock that certificates are checked with, for devices without one: `unix_seconds` is
/// the time now, and it goes on from there. 0 is the system's clock.
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
