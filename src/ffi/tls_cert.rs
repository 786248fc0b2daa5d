//! The contents of any certificate (DER).

use std::ffi::{c_char, c_void};

use super::{bytes, guard, tls_only};
#[cfg(feature = "tls")]
use crate::tls::material::facts;

/// Copies a property of a certificate as text, with a NUL: `what` is one of
/// USOCKET_TLS_CERT_SUBJECT, _ISSUER, _ALT_NAMES, _SERIAL, _FINGERPRINT, _PIN and _KEY. The
/// certificate is DER, from usocket_tls_peer_cert, usocket_tls_verified_cert, a verify callback or
/// elsewhere. Nothing is verified here. In names a backslash escapes separators, and a backslash
/// with two hexadecimal digits stands for a byte that does not print.
///
/// Returns: the length without the NUL; with (NULL, 0) only that.
/// Errors: USOCKET_ETLS_CERT_INVALID if `der` is not a certificate, -EINVAL for another `what`,
/// -ENOSPC when it does not fit (nothing is written), -EFAULT, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: the text is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_cert_text(
    der: *const c_void,
    der_len: usize,
    what: i32,
    buf: *mut c_char,
    len: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's buffers, as documented.
        let der = unsafe { bytes(der, der_len) }?;
        // SAFETY: as above.
        tls_only!((der, what, buf, len) => unsafe { super::copy_text(&facts::text(der, what)?, buf, len) })
    })
}

/// Gets a date of a certificate (DER), in seconds since 1970: `what` is USOCKET_TLS_CERT_NOT_BEFORE
/// or USOCKET_TLS_CERT_NOT_AFTER.
///
/// Returns: 0, and the time in `unix_seconds`.
/// Errors: USOCKET_ETLS_CERT_INVALID if `der` is not a certificate, -EINVAL for another `what`,
/// -EFAULT, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_cert_time(
    der: *const c_void,
    der_len: usize,
    what: i32,
    unix_seconds: *mut i64,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's buffer, as documented.
        let der = unsafe { bytes(der, der_len) }?;
        super::required(unix_seconds)?;
        tls_only!((der, what) => {
            // SAFETY: the caller's place, as documented.
            facts::time(der, what).map(|t| unsafe { super::output(unix_seconds, t) }).map(|()| 0)
        })
    })
}
