//! TLS on a socket: wrapping, the handshake, and what was agreed.

use std::ffi::{c_char, c_void};

use super::library::{usocket_t, usocket_tls_context_t, usocket_tls_session_t};
use super::{bytes, on_socket, on_stream, required_text, room, tls_only};
#[cfg(feature = "tls")]
use crate::error::{self, Error, Result};
#[cfg(feature = "tls")]
use crate::numbers::{USOCKET_TLS_HANDSHAKE, USOCKET_TLS_NO_READ_AHEAD};
#[cfg(feature = "tls")]
use crate::object::{self, Stream};
#[cfg(feature = "tls")]
use crate::{socket::Socket, tls::session::Session};
#[cfg(feature = "tls")]
use std::ffi::CStr;

/// Wraps a connected stream socket in TLS; the same handle goes on. From here sending and
/// receiving (send, sendall, recv, read, readline, write, poll, shutdown, close ...) are the
/// session's. No byte passes before the handshake is complete: it is done at once with
/// USOCKET_TLS_HANDSHAKE in `flags`, by usocket_tls_handshake, or by the first use.
///
/// With USOCKET_TLS_NO_READ_AHEAD in `flags` no more than one record at a time is taken out of the kernel:
/// for a host whose programs wait with select(2) and know usocket_tls_pending, and for a connection that
/// goes on in clear, of which nothing behind the peer's close_notify is taken.
///
/// `server_name` is what a client asks for (SNI) and checks the certificate against: a host name
/// or an IP address. NULL only where the name is not checked, and on a server.
///
/// On a wrapped socket: MSG_PEEK and MSG_DONTWAIT are the flags of recv and recvfrom,
/// MSG_DONTWAIT and MSG_MORE (ignored) those of send; sendto gives -EISCONN; usocket_dup is
/// -EOPNOTSUPP. shutdown(SHUT_WR) sends close_notify, and so does usocket_close. The end of the
/// connection without the peer's close_notify is USOCKET_ETLS_TRUNCATED, from every recv that
/// finds nothing more. A USOCKET_ETLS_ error ends the session: every later call gives it again,
/// once what was decrypted before it has been received.
///
/// A peer that sends 128 KiB without a byte of data in them (tickets, key updates, empty records) gets
/// USOCKET_ETLS_FLOOD. After a fork the first process that uses the session keeps it; in the other every
/// call is USOCKET_ETLS_FORKED. While a verify callback runs, other threads wait for the session within
/// their own time; the callback itself gets -EDEADLK from what would wait for its own handshake.
///
/// Returns: 0.
/// Errors: USOCKET_ETLS_NAME_REQUIRED, USOCKET_ETLS_BAD_NAME, USOCKET_ETLS_NO_CERT,
/// USOCKET_ETLS_NO_TRUST, USOCKET_ETLS_NO_SUCH_SUITE, USOCKET_ETLS_NO_SUCH_VERSION; -EISCONN when
/// it is wrapped already, -EPROTOTYPE for a socket that is no stream, -EINVAL (flags), -EBADR (a
/// handle that is no context), -EBADF, -ENOTSOCK, -EOPNOTSUPP in a build without TLS. With
/// USOCKET_TLS_HANDSHAKE also those of usocket_tls_handshake; the socket is then wrapped. The
/// sentence is at usocket_error_detail(s, ...) in every case; what is wrong with the name or the
/// context is said there to the thread that called, until its next failure.
/// Blocks: with USOCKET_TLS_HANDSHAKE as the socket's mode has it; the first use of a client
/// context may read the system's store.
/// Threads: any. One thread at a time waits to receive; others wait for their turn, and what must
/// not wait is -EAGAIN meanwhile.
/// Ownership: the context stays the caller's, who may close its handle at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_wrap(
    s: usocket_t,
    context: usocket_tls_context_t,
    server_name: *const c_char,
    flags: i32,
) -> i32 {
    on_socket(s, |socket| {
        // SAFETY: the caller's text, as documented.
        let name = unsafe { super::text(server_name) };
        tls_only!((socket, context, name, flags) => wrap(s, socket, context, name, flags).map(|()| 0))
    })
}

/// Does the handshake, or goes on with it: one deadline for the whole.
///
/// Returns: 0 when it is complete.
/// Errors: -EAGAIN (non-blocking: usocket_tls_wants says what to poll for, and usocket_poll knows by
/// itself), -ETIMEDOUT, USOCKET_ETLS_... with the sentence at usocket_error_detail, -ECONNRESET,
/// -ENOTCONN, -EINTR (event hook), -ECANCELED (usocket_cancel), -EDEADLK (from its own verify
/// callback), -EBADF (also: closed meanwhile), USOCKET_ETLS_NOT_WRAPPED.
/// Blocks: as the socket's mode has it.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_handshake(s: usocket_t) -> i32 {
    on_stream(s, |s| tls_only!(s => s.tls().and_then(|(tls, io)| tls.handshake(io)).map(|()| 0)))
}

/// Ends TLS on both sides and keeps the connection, as FTP's CCC and the end of STARTTLS do: sends
/// close_notify, waits for the peer's, and lets the handle go on as a plain stream. What the peer
/// sent behind its close_notify is the first that is received then. TCP's halves stay open, and the
/// handle cannot be wrapped again; on a handle of usocket_tls_create, feed and drain go on, plain.
///
/// Returns: 0; also when it was done before.
/// Errors: -EBUSY while data of the session has not been received (receive it, then try again),
/// -EAGAIN (non-blocking), -ETIMEDOUT, USOCKET_ETLS_TRUNCATED when the connection ends instead, those of
/// usocket_tls_handshake.
/// Blocks: as the socket's mode has it.
/// Threads: any, but nobody else is to use the handle meanwhile: what they send may be either.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_unwrap(s: usocket_t) -> i32 {
    on_stream(s, |s| tls_only!(s => s.tls().and_then(|(tls, io)| tls.unwrap(io)).map(|()| 0)))
}

/// How many received bytes can be had without a system call. Where 0 is returned, waiting for the
/// descriptor (usocket_fileno) loses nothing.
///
/// Returns: the number, or less of it: 0 only when there are none.
/// Errors: USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_pending(s: usocket_t) -> i64 {
    on_stream(s, |s| tls_only!(s => s.tls().map(|(tls, io)| tls.pending(io) as i64)))
}

/// What the session waits for: POLLIN or POLLOUT or both, to be polled on the descriptor
/// (usocket_fileno) by a caller that has a poll of its own; 0 while there is something to be received
/// without waiting: data, the end, or an error.
/// In the handshake it may be POLLOUT for a receiver, and the other way round.
///
/// Returns: the events.
/// Errors: USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_wants(s: usocket_t) -> i32 {
    on_stream(s, |s| tls_only!(s => s.tls().map(|(tls, io)| i32::from(tls.wants(io)))))
}

/// The agreed version: USOCKET_TLS_1_2 or USOCKET_TLS_1_3.
///
/// Returns: the version; 0 before the handshake is complete.
/// Errors: USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_version(s: usocket_t) -> i32 {
    on_stream(s, |s| tls_only!(s => Ok(s.tls()?.0.info(|i| i.version()))))
}

/// Copies the name of the agreed cipher suite, IANA's, such as "TLS_AES_256_GCM_SHA384".
///
/// Returns: the length without the NUL, 0 before the handshake is complete; with (NULL, 0) only
/// that.
/// Errors: -ENOSPC when it does not fit (nothing is written), USOCKET_ETLS_NOT_WRAPPED, -EBADF,
/// -ENOTSOCK, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: the text is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_cipher(s: usocket_t, buf: *mut c_char, len: usize) -> i32 {
    on_stream(s, |s| {
        tls_only!((s, buf, len) => {
            // SAFETY: the caller's buffer, as documented.
            unsafe { super::copy_text(&s.tls()?.0.info(|i| i.cipher()), buf, len) }
        })
    })
}

/// Copies the name of the agreed key exchange group, such as "X25519MLKEM768".
///
/// Returns: as usocket_tls_cipher; 0 also on a resumed TLS 1.2 session, which has none.
/// Errors: as usocket_tls_cipher.
/// Blocks: no.
/// Threads: any.
/// Ownership: the text is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_group(s: usocket_t, buf: *mut c_char, len: usize) -> i32 {
    on_stream(s, |s| {
        tls_only!((s, buf, len) => {
            // SAFETY: the caller's buffer, as documented.
            unsafe { super::copy_text(&s.tls()?.0.info(|i| i.group()), buf, len) }
        })
    })
}

/// Copies the agreed application protocol (ALPN).
///
/// Returns: as usocket_tls_cipher; 0 when there is none.
/// Errors: as usocket_tls_cipher.
/// Blocks: no.
/// Threads: any.
/// Ownership: the text is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_alpn(s: usocket_t, buf: *mut c_char, len: usize) -> i32 {
    on_stream(s, |s| {
        tls_only!((s, buf, len) => {
            // SAFETY: the caller's buffer, as documented.
            unsafe { super::copy_text(&s.tls()?.0.info(|i| i.alpn()), buf, len) }
        })
    })
}

/// Copies the server name: on a client the one it was wrapped with, on a server the one its client
/// asked for (SNI).
///
/// Returns: as usocket_tls_cipher; 0 when there is none.
/// Errors: as usocket_tls_cipher.
/// Blocks: no.
/// Threads: any.
/// Ownership: the text is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_server_name(
    s: usocket_t,
    buf: *mut c_char,
    len: usize,
) -> i32 {
    on_stream(s, |s| {
        tls_only!((s, buf, len) => {
            // SAFETY: the caller's buffer, as documented.
            unsafe { super::copy_text(&s.tls()?.0.server_name(), buf, len) }
        })
    })
}

/// Whether the handshake resumed an earlier session.
///
/// Returns: 1 or 0.
/// Errors: USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_resumed(s: usocket_t) -> i32 {
    on_stream(s, |s| tls_only!(s => Ok(s.tls()?.0.info(|i| i.resumed()))))
}

/// What became of the peer's certificate.
///
/// Returns: 1 when it was verified, 0 when it was not asked for, not verified (by the context's
/// mode), or the handshake is not complete.
/// Errors: the USOCKET_ETLS_CERT_ or USOCKET_ETLS_CRL_ code it was refused with;
/// USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_verified(s: usocket_t) -> i32 {
    on_stream(s, |s| tls_only!(s => s.tls()?.0.verified()))
}

/// The alert the peer ended the connection with.
///
/// Returns: its number, 0 to 255.
/// Errors: -ENODATA when there was none, USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_alert(s: usocket_t) -> i32 {
    on_stream(s, |s| tls_only!(s => s.tls()?.0.alert()))
}

/// Copies a certificate the peer presented, DER: `index` 0 is its own, then its issuers, as sent.
/// After a failed verification the ones that failed are not to be had.
///
/// Returns: the length in bytes; with (NULL, 0) only that.
/// Errors: -ENODATA when there is no such certificate, -ENOSPC when it does not fit (nothing is
/// written), USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: the bytes are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_peer_cert(
    s: usocket_t,
    index: i32,
    buf: *mut c_void,
    len: usize,
) -> i32 {
    on_stream(s, |s| {
        tls_only!((s, index, buf, len) => {
            // SAFETY: the caller's buffer, as documented.
            unsafe { super::copy_out(&s.tls()?.0.peer_cert(index)?, buf, len) }
        })
    })
}

/// Copies a certificate of the verified chain, DER: `index` 0 is the peer's own, the last is the
/// trusted one (where that is known whole: of Mozilla's roots it is not). What the peer sent may be
/// more, less, or in another order (usocket_tls_peer_cert). The chain is built when it is asked for.
///
/// Returns: the length in bytes; with (NULL, 0) only that.
/// Errors: -ENODATA when there is no such certificate, the peer was not verified, or its chain has
/// expired meanwhile; -ENOSPC when it does not fit (nothing is written), USOCKET_ETLS_NOT_WRAPPED,
/// -EBADF, -ENOTSOCK, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: the bytes are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_verified_cert(
    s: usocket_t,
    index: i32,
    buf: *mut c_void,
    len: usize,
) -> i32 {
    on_stream(s, |s| {
        tls_only!((s, index, buf, len) => {
            // SAFETY: the caller's buffer, as documented.
            unsafe { super::copy_out(&s.tls()?.0.verified_cert(index)?, buf, len) }
        })
    })
}

/// Derives bytes that only the two ends know (RFC 5705, RFC 8446 section 7.5), under a label and
/// an optional context (NULL for none), TLS 1.3 only.
///
/// Returns: 0, and `len` bytes in `buf`.
/// Errors: -ENOTCONN before the handshake is complete, -EOPNOTSUPP on TLS 1.2, -EINVAL for no
/// bytes or too many, USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: `buf` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_export(
    s: usocket_t,
    label: *const c_char,
    context: *const c_void,
    context_len: usize,
    buf: *mut c_void,
    len: usize,
) -> i32 {
    on_stream(s, |s| {
        // SAFETY: the caller's text and buffers, as documented.
        let (label, of, to) =
            unsafe { (required_text(label)?, bytes(context, context_len)?, room(buf, len)?) };
        tls_only!((s, label, of, to) => s.tls()?.0.export(label.to_bytes(), of, to).map(|()| 0))
    })
}

/// Copies the channel binding of type "tls-exporter" (RFC 9266): 32 bytes, TLS 1.3 only.
///
/// Returns: 32; with (NULL, 0) only that.
/// Errors: -ENOTCONN before the handshake is complete, -EOPNOTSUPP on TLS 1.2, -ENOSPC,
/// USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: the bytes are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_channel_binding(
    s: usocket_t,
    buf: *mut c_void,
    len: usize,
) -> i32 {
    on_stream(s, |s| {
        tls_only!((s, buf, len) => {
            // SAFETY: the caller's buffer, as documented.
            unsafe { super::copy_out(&s.tls()?.0.channel_binding()?, buf, len) }
        })
    })
}

/// Takes the session of a client connection out of its context, for another connection of the
/// same context to resume. A TLS 1.3 server sends it after the handshake: it is there once some
/// data has been received. It is good for one connection (RFC 8446, appendix C.4).
///
/// Returns: a handle.
/// Errors: -ENODATA when there is none (yet), -EOPNOTSUPP on a server, USOCKET_ETLS_NOT_WRAPPED,
/// -EBADF, -ENOTSOCK, -ENFILE.
/// Blocks: no.
/// Threads: any.
/// Ownership: the handle is the caller's, to be given to usocket_close.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_take_session(s: usocket_t) -> usocket_tls_session_t {
    on_stream(s, |s| {
        tls_only!(s => {
            let session = s.tls()?.0;
            crate::object::insert_with(|| session.take_ticket())
        })
    })
}

/// Lets a wrapped client connection resume a session taken from another of the same context to the
/// same server name. (A context does this by itself.) It is not resumed once a certificate that was
/// verified for it has expired.
///
/// Returns: 0.
/// Errors: -EISCONN once the handshake has begun, -EINVAL for a session of another context (or of
/// the same before its settings were changed), of another name, -EBADR for a handle that is none,
/// -ENODATA when it has been used already, -EOPNOTSUPP on a server, USOCKET_ETLS_NOT_WRAPPED,
/// -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: the session's handle stays the caller's; what it stands for is used up.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_set_session(s: usocket_t, session: usocket_tls_session_t) -> i32 {
    on_stream(s, |s| tls_only!((s, session) => set_session(s, session)))
}

#[cfg(feature = "tls")]
fn wrap(
    handle: usocket_t,
    s: &Socket,
    context: usocket_tls_context_t,
    name: Option<&CStr>,
    flags: i32,
) -> Result<()> {
    if flags & !(USOCKET_TLS_HANDSHAKE | USOCKET_TLS_NO_READ_AHEAD) != 0 {
        return Err(Error::os(libc::EINVAL));
    }
    if s.kind() != libc::SOCK_STREAM {
        return Err(Error::os(libc::EPROTOTYPE));
    }
    if s.tls().is_ok() {
        return Err(Error::os(libc::EISCONN));
    }
    let pin = object::pin(context)?;
    let context = pin.tls_context()?;
    let session = Session::new(context, s, utf8(name)?);
    // Wherever wrapping fails, or the handshake after it, the sentence is at the socket.
    let session = session.inspect_err(|_| error::explain_about(handle, context.detail()))?;
    let ahead = flags & USOCKET_TLS_NO_READ_AHEAD == 0;
    let session = s.wrap(if ahead { session } else { session.one_by_one() })?;
    if flags & USOCKET_TLS_HANDSHAKE != 0 { session.handshake(s) } else { Ok(()) }
}

#[cfg(feature = "tls")]
fn set_session(s: Stream<'_>, session: usocket_tls_session_t) -> Result<i32> {
    let pin = object::pin(session)?;
    s.tls()?.0.resume(pin.tls_session()?).map(|()| 0)
}

#[cfg(feature = "tls")]
pub(super) fn utf8(name: Option<&CStr>) -> Result<Option<&str>> {
    let bad_name = |_| Error::tls(crate::error::causes::USOCKET_ETLS_BAD_NAME);
    name.map(CStr::to_str).transpose().map_err(bad_name)
}
