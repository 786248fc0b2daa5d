//! TLS without a socket: the caller moves the bytes.

use std::ffi::{c_char, c_void};

use super::library::{usocket_t, usocket_tls_context_t};
use super::{bytes, on_object, room, tls_only, without_handle};
#[cfg(feature = "tls")]
use crate::error::{Error, Result};
#[cfg(feature = "tls")]
use crate::object::{self, Object};
#[cfg(feature = "tls")]
use crate::tls::buffered::Buffered;
#[cfg(feature = "tls")]
use std::ffi::CStr;

/// Makes a TLS connection without a socket: the caller carries its bytes, over an event loop's
/// transport, a serial line, another TLS connection or anything else. usocket_tls_feed takes the
/// bytes from the peer, usocket_tls_drain returns the bytes for the peer. Otherwise the handle is
/// used like a wrapped socket in non-blocking mode: usocket_send, sendall, recv, read, readline,
/// write, shutdown (close_notify), usocket_tls_handshake and the other usocket_tls_ calls. After
/// -EAGAIN, drain, feed, and try again. Apart from usocket_close and usocket_error_detail no other
/// call takes such a handle.
///
/// `server_name` is that of usocket_tls_wrap; `flags` are 0.
///
/// Returns: a handle.
/// Errors: as usocket_tls_wrap without USOCKET_TLS_HANDSHAKE; -EBADF or -EBADR if `context` is not
/// a context.
/// Blocks: no; the first use of a client context may read the system's store.
/// Threads: any.
/// Ownership: the handle is the caller's, to be given to usocket_close, which discards bytes not
/// drained. The context stays the caller's; its handle may be closed at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_create(
    context: usocket_tls_context_t,
    server_name: *const c_char,
    flags: i32,
) -> usocket_t {
    without_handle(|| {
        // SAFETY: the caller's text, as documented.
        let name = unsafe { super::text(server_name) };
        tls_only!((context, name, flags) => create(context, name, flags))
    })
}

/// Feeds in bytes from the peer. The receiving calls process them.
///
/// On a wrapped socket it takes, until the handshake begins, the bytes that were received before
/// the wrapping: a server may read the first bytes, or the ClientHello, to decide how to respond.
///
/// Returns: how many of them were taken; fewer than `len` when the input buffer is full.
/// Errors: -EAGAIN when none can be taken until data is received, -EPIPE after
/// usocket_tls_feed_end; for a socket -EISCONN once the handshake has begun, -EMSGSIZE for more
/// than the maximum size of a ClientHello, USOCKET_ETLS_NOT_WRAPPED; -ENOMEM, -EBADF, -EBADR,
/// -EFAULT, -EINVAL, -EOPNOTSUPP in a build without TLS.
/// Blocks: no.
/// Threads: any.
/// Ownership: the bytes are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_feed(s: usocket_t, buf: *const c_void, len: usize) -> i64 {
    on_object(s, |object| {
        // SAFETY: the caller's bytes, as documented.
        let from = unsafe { bytes(buf, len) }?;
        tls_only!((object, from) => feed(object, from).map(|n| n as i64))
    })
}

/// Marks the end of the input: the underlying connection has ended. If the peer has not sent
/// close_notify, receiving then fails with USOCKET_ETLS_TRUNCATED.
///
/// Returns: 0.
/// Errors: -EBADF, -EBADR, -EOPNOTSUPP in a build without TLS.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_tls_feed_end(s: usocket_t) -> i32 {
    on_object(s, |object| {
        tls_only!(object => {
            object.tls_buffered()?.feed_end();
            Ok(0)
        })
    })
}

/// Takes out bytes for the peer, in order. Call it after every call that may produce some: the
/// handshake, sending, receiving (responses, alerts) and shutdown.
///
/// Returns: the number of bytes written to `buf`; 0 when there are none now. With (NULL, 0) the
/// number available.
/// Errors: -EBADF, -EBADR, -EFAULT, -EINVAL, -EOPNOTSUPP in a build without TLS.
/// Blocks: no.
/// Threads: any; the order is that of the calls.
/// Ownership: the bytes are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_tls_drain(s: usocket_t, buf: *mut c_void, len: usize) -> i64 {
    on_object(s, |object| {
        // SAFETY: the caller's buffer, as documented.
        let to = unsafe { room(buf, len) }?;
        tls_only!((object, to) => {
            let wire = object.tls_buffered()?;
            if buf.is_null() { wire.drainable() } else { wire.drain(to) }.map(|n| n as i64)
        })
    })
}

#[cfg(feature = "tls")]
fn feed(object: &Object, from: &[u8]) -> Result<usize> {
    match object.socket() {
        Ok(socket) => socket.tls()?.put_in(socket, from).map(|()| from.len()),
        Err(_) => object.tls_buffered()?.feed(from),
    }
}

#[cfg(feature = "tls")]
fn create(context: usocket_tls_context_t, name: Option<&CStr>, flags: i32) -> Result<usocket_t> {
    if flags != 0 {
        return Err(Error::os(libc::EINVAL));
    }
    let pin = object::pin(context)?;
    object::insert(Buffered::new(pin.tls_context()?, super::tls::utf8(name)?)?)
}
