//! TLS on a socket: wrapping, the handshake, and the negotiated parameters.

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

/// Wraps a connected stream socket in TLS; the handle stays the same. From then on send, sendall,
/// recv, read, readline, write, poll, shutdown, close and the others act on the TLS session. No
/// data passes before the handshake is complete. It is done at once with USOCKET_TLS_HANDSHAKE in
/// `flags`, by usocket_tls_handshake, or by the first use.
///
/// With USOCKET_TLS_NO_READ_AHEAD in `flags` the session reads at most one record at a time from
/// the kernel. It is for hosts whose programs wait with select(2) and know usocket_tls_pending, and
/// for connections that continue in clear text: nothing after the peer's close_notify is read.
///
/// `server_name` is the host name or IP address that a client asks for (SNI) and checks the
/// certificate against. It may be NULL only if the name is not checked, or on a server.
///
/// On a wrapped socket recv and recvfrom take MSG_PEEK and MSG_DONTWAIT, and send takes
/// MSG_DONTWAIT and MSG_MORE (ignored); sendto fails with -EISCONN, usocket_dup with -EOPNOTSUPP.
/// shutdown(SHUT_WR) and usocket_close send close_notify. When the connection ends without the
/// peer's close_notify, every recv fails with USOCKET_ETLS_TRUNCATED after the data received
/// before; sending is still possible. Any other USOCKET_ETLS_ error ends the session: every later
/// call fails with it, once the data decrypted before it has been received.
///
/// A peer that sends 128 KiB without any data (tickets, key updates, empty records) causes
/// USOCKET_ETLS_FLOOD. After a fork the first process that uses the session keeps it; in the other
/// every call fails with USOCKET_ETLS_FORKED. While a verify callback runs, other threads wait for
/// the session within their own timeouts; a call of the callback itself that would wait for its own
/// handshake fails with -EDEADLK.
///
/// Returns: 0.
/// Errors: USOCKET_ETLS_NAME_REQUIRED, USOCKET_ETLS_BAD_NAME, USOCKET_ETLS_NO_CERT,
/// USOCKET_ETLS_NO_TRUST, USOCKET_ETLS_NO_SUCH_SUITE, USOCKET_ETLS_NO_SUCH_VERSION; -EISCONN when
/// it is wrapped already, -EPROTOTYPE for a socket that is not a stream, -EINVAL (flags), -EBADR
/// (`context` is a handle of another kind), -EBADF, -ENOTSOCK, -EOPNOTSUPP in a build without TLS;
/// those of usocket_tls_context_add_trust_system on a client's first use. With USOCKET_TLS_HANDSHAKE
/// also those of usocket_tls_handshake; the socket is then wrapped.
/// usocket_error_detail(s, ...) has the sentence in every case; for an error in the name or the
/// context only on the calling thread, until its next failure.
/// Blocks: with USOCKET_TLS_HANDSHAKE according to the socket's mode; the first use of a client
/// context may read the system's store.
/// Threads: any. One thread at a time waits to receive; others wait for their turn, and
/// non-blocking calls fail with -EAGAIN meanwhile.
/// Ownership: the context stays the caller's; its handle may be closed at once.
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

/// Does or continues the handshake, with one deadline for the whole.
///
/// Returns: 0 when it is complete.
/// Errors: -EAGAIN (non-blocking: wait with usocket_poll, or for the events of usocket_tls_wants),
/// -ETIMEDOUT, USOCKET_ETLS_... (usocket_error_detail has the sentence), -ECONNRESET, -ENOTCONN,
/// -EINTR (event hook), -ECANCELED (usocket_cancel), -EDEADLK (from its own verify callback),
/// -EBADF (also: closed meanwhile), USOCKET_ETLS_NOT_WRAPPED.
/// Blocks: according to the socket's mode.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_handshake(s: usocket_t) -> i32 {
    on_stream(s, |s| tls_only!(s => s.tls().and_then(|(tls, io)| tls.handshake(io)).map(|()| 0)))
}

/// Ends TLS in both directions and keeps the connection, as for FTP's CCC: sends close_notify,
/// waits for the peer's, and continues the handle as a plain stream. Bytes the peer sent after its
/// close_notify are received first. Both directions of the TCP connection stay open, and the handle
/// cannot be wrapped again. On a handle of usocket_tls_create, feed and drain then carry plain
/// data.
///
/// Returns: 0; also when TLS has ended already.
/// Errors: -EBUSY while data of the session has not been received (receive it, then try again),
/// -EAGAIN (non-blocking), -ETIMEDOUT, USOCKET_ETLS_TRUNCATED when the connection ends instead, those of
/// usocket_tls_handshake.
/// Blocks: according to the socket's mode.
/// Threads: any, but no other thread may use the handle meanwhile: its data could go out encrypted
/// or plain.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_unwrap(s: usocket_t) -> i32 {
    on_stream(s, |s| tls_only!(s => s.tls().and_then(|(tls, io)| tls.unwrap(io)).map(|()| 0)))
}

/// Returns the number of decrypted bytes that can be received without a system call. If it is 0, it
/// is safe to wait for the descriptor (usocket_fileno).
///
/// Returns: the number, possibly fewer than there are, but 0 only when there are none.
/// Errors: USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_pending(s: usocket_t) -> i64 {
    on_stream(s, |s| tls_only!(s => s.tls().map(|(tls, io)| tls.pending(io) as i64)))
}

/// Returns the events the session waits for, POLLIN or POLLOUT or both, for a caller that polls the
/// descriptor (usocket_fileno) itself; 0 while data, the end or an error can be received without
/// waiting. During the handshake a receiver may wait for POLLOUT, and a sender for POLLIN.
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

/// Returns the negotiated version: USOCKET_TLS_1_2 or USOCKET_TLS_1_3.
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

/// Copies the IANA name of the negotiated cipher suite, such as "TLS_AES_256_GCM_SHA384".
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

/// Copies the name of the negotiated key exchange group, such as "X25519MLKEM768".
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

/// Copies the negotiated application protocol (ALPN).
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

/// Copies the server name: on a client the `server_name` of usocket_tls_wrap, on a server the name
/// its client asked for (SNI).
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

/// Tells whether the handshake resumed an earlier session.
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

/// Returns the result of verifying the peer's certificate.
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

/// Returns the alert with which the peer ended the connection.
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
/// Certificates that failed verification are not available.
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
/// trusted one (except for Mozilla's roots: the library does not have them in full). The peer may
/// have sent more certificates, fewer, or in another order (usocket_tls_peer_cert). The chain is
/// built on request.
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

/// Exports keying material (RFC 5705, RFC 8446 section 7.5) for a label and an optional context
/// (NULL for none), TLS 1.3 only.
///
/// Returns: 0, and `len` bytes in `buf`.
/// Errors: -ENOTCONN before the handshake is complete, -EOPNOTSUPP on TLS 1.2, -EINVAL for a
/// `len` of 0 or above 8,160, or a label over 240 bytes; USOCKET_ETLS_NOT_WRAPPED, -EBADF, -ENOTSOCK, -EFAULT.
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

/// Takes the session of a client connection out of its context, for another connection of the same
/// context to resume. A TLS 1.3 server sends it after the handshake: it is available once some data
/// has been received. It can be used for one connection (RFC 8446, appendix C.4).
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

/// Makes a wrapped client connection resume a session taken from another connection of the same
/// context to the same server name. (A context does this by itself.) A session is not resumed after
/// a certificate verified for it has expired.
///
/// Returns: 0.
/// Errors: -EISCONN once the handshake has begun, -EINVAL for a session of another context (or of
/// the same before its settings were changed), of another name, -EBADR for a handle of another
/// kind, -ENODATA when it has been used already, -EOPNOTSUPP on a server, USOCKET_ETLS_NOT_WRAPPED,
/// -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: the session's handle stays the caller's; the session itself is used up.
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
    // The sentence of a failed wrap or handshake is kept with the socket.
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
