//! TLS contexts: made, and given the certificates that their connections show.

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

/// Makes a TLS context: USOCKET_TLS_CLIENT or USOCKET_TLS_SERVER. Set it up with the functions
/// below, and use it for any number of connections (usocket_tls_wrap). A connection takes the
/// settings in force when it is wrapped; later changes apply to connections wrapped from then on. A
/// change drops the sessions a client has kept for resumption. The sessions of a server's clients
/// stay, and each is checked against the new settings before it is resumed.
///
/// A client verifies its server by default: a chain to a trusted certificate (the system's store if
/// none was added), dates, and the name. A server asks for no client certificate by default.
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
/// the name its client asks for and by the client's algorithms; the first is the default. A client
/// presents the first that suits the server. A certificate for the same names and with the same
/// kind of key as an earlier one replaces it: so a certificate can be renewed while the server
/// runs.
///
/// `cert` is PEM (the certificate first, its issuers after it) or DER (one certificate after
/// another); `key` is PEM or DER: PKCS#8 (encrypted: usocket_tls_context_set_key_password), PKCS#1 or
/// SEC1. NULL as `key` takes it from the PEM text in `cert`.
///
/// Returns: 0.
/// Errors: USOCKET_ETLS_CERT_INVALID, USOCKET_ETLS_KEY_INVALID, USOCKET_ETLS_KEY_ENCRYPTED,
/// USOCKET_ETLS_KEY_PASSWORD, USOCKET_ETLS_KEY_MISMATCH, USOCKET_ETLS_PEM_EMPTY,
/// USOCKET_ETLS_PEM_BAD; -EBADF, -EBADR, -EINVAL, -EFAULT, -EOPNOTSUPP.
/// usocket_error_detail(context, ...) has the sentence.
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

/// As usocket_tls_context_add_cert, from files. NULL as `key_path` takes the key from `cert_path`.
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

/// Sets the password for encrypted private keys added from now on (PKCS#8 with PBES2, as `openssl
/// pkcs8 -topk8` and `openssl genpkey` write them: AES-CBC with PBKDF2 or scrypt). NULL removes it.
/// The key's file sets the cost of decryption: it may take seconds. A key that asks for more than
/// that, or for more than 256 MiB, is USOCKET_ETLS_KEY_ENCRYPTED.
///
/// Returns: 0. A wrong password is reported when the key is added: USOCKET_ETLS_KEY_PASSWORD.
/// Errors: -EBADF, -EBADR, -EFAULT, -EINVAL, -EOPNOTSUPP.
/// Blocks: no.
/// Threads: any.
/// Ownership: the password is copied, and the copy is wiped when it is freed.
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

/// Removes all certificates with their keys from the context, so that others can replace them for
/// connections wrapped from then on. A server without any cannot be used (USOCKET_ETLS_NO_CERT).
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

/// Sets whether adding a certificate checks that the private key belongs to it: 1, the default, or
/// 0. Without the check the peer refuses a wrong key in the handshake. (Mbed TLS behaves like that.
/// Nothing becomes less secure; the error only comes later.)
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

/// Chooses a server's certificates by name; see usocket_tls_context_set_name_callback.
#[allow(non_camel_case_types)]
pub type usocket_tls_name_cb =
    Option<unsafe extern "C" fn(arg: *mut c_void, name: *const c_char) -> usocket_tls_context_t>;

/// Sets a callback that chooses a server's certificate by the name a client asks for (SNI). It is
/// called for each handshake, also of resumed sessions, with the name, or "" if the client sent
/// none. It returns another server context, to use its certificates; 0, to use those of this
/// context; or a negative number to refuse the client, with USOCKET_ETLS_NAME_REFUSED and the alert
/// unrecognized_name. A context without a certificate refuses it, too. Only the certificates and
/// their stapled status are taken from the other context. A server with a callback needs no
/// certificate of its own. NULL removes the callback.
///
/// The callback runs within the handshake, on the thread that does it. It must return (no longjmp),
/// and must not use the connection of that handshake.
///
/// Returns: 0.
/// Errors: -EOPNOTSUPP on a client or in a build without TLS, -EBADF, -EBADR.
/// Blocks: no.
/// Threads: any; connections on several threads may call it at the same time.
/// Ownership: `arg` stays the caller's and must outlive the context and its connections. The
/// returned context stays the caller's; its certificates are taken when the callback returns.
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
            return Chosen::Nothing("the name is too long");
        };
        // SAFETY: the caller of the ABI vouches for both; the name lives until it returns.
        let answer = fork::host(|| unsafe { self.0(self.1, name.as_ptr()) });
        match answer {
            0 => Chosen::Own,
            ..0 => Chosen::Nothing("the name callback refused it"),
            context => match on_context(context, Context::certs) {
                Ok(certs) => Chosen::Those(certs),
                Err(_) => Chosen::Nothing(
                    "the name callback returned something other than a server context",
                ),
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
