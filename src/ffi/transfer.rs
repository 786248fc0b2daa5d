//! Sending and receiving.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use super::library::usocket_t;
use super::socket::{address, with_room};
use super::{Number, bytes, on_held, on_socket, on_stream, room, settle};
use crate::addr::Addr;
use crate::error::Result;
use crate::handle::Handle;
use crate::object::{self, Held, Object, Stream};
use crate::socket::{First, Socket, Start};

/// [`on_stream`] for what is one system call, mostly: `quick` makes it on a plain socket, and cannot
/// panic. If that is not all, `on` goes on from what has come of it.
#[inline(always)]
fn at_once<A, T: Number>(
    handle: Handle,
    args: Result<A>,
    quick: impl FnOnce(&Socket, &mut A) -> std::result::Result<T, First>,
    on: impl FnOnce(Stream<'_>, First, A) -> Result<T>,
) -> T {
    let mut args = match args {
        Ok(args) => args,
        // Of two things that are wrong the handle is said.
        bad => return at_length(handle, bad, on),
    };
    let Ok(pin) = object::pin(handle) else { return at_length(handle, Ok(args), on) };
    let Object::Socket(s) = &*pin else { return on_from(handle, pin, Err(Start::Fresh), args, on) };
    match quick(s, &mut args) {
        Ok(value) if value > T::from(0) || !pin.closing() => {
            drop(pin);
            settle();
            value
        }
        // It ended empty-handed, because of the close: as on a stale handle.
        Ok(_) => {
            drop(pin);
            at_length(handle, Ok(args), on)
        }
        Err(first) => on_from(handle, pin, first, args, on),
    }
}

/// Goes on where the one system call was not all, or is not to be made, with the pin that is there.
/// (Cold so that the other way runs straight on: after the kernel the processor has forgotten the
/// branches, and each one taken costs.)
#[cold]
#[inline(never)]
fn on_from<A, T: Number>(
    handle: Handle,
    pin: Held,
    first: First,
    args: A,
    on: impl FnOnce(Stream<'_>, First, A) -> Result<T>,
) -> T {
    on_held(handle, Some(pin), |object| on(object.stream()?, first, args))
}

/// The same from the beginning.
#[cold]
#[inline(never)]
fn at_length<A, T: Number>(
    handle: Handle,
    args: Result<A>,
    on: impl FnOnce(Stream<'_>, First, A) -> Result<T>,
) -> T {
    on_stream(handle, |s| on(s, Err(Start::Fresh), args?))
}

/// Only a caller without a buffer gets the length of a datagram that does not fit: to one with an
/// empty buffer the number would be of bytes that are not there.
#[cold]
fn truncation(buf: *mut c_void, len: usize, flags: i32) -> i32 {
    if len == 0 && !buf.is_null() { flags & !libc::MSG_TRUNC } else { flags }
}

/// Sends up to `len` bytes from `buf` (send(2)). `flags` are MSG_ flags; MSG_NOSIGNAL is always
/// added, MSG_DONTWAIT makes this call non-blocking.
///
/// Returns: how many bytes were sent.
/// Errors: -EAGAIN (non-blocking; also a datagram socket without a local port left), -ETIMEDOUT
/// (timeout), -EPIPE, -ECONNRESET, -ECONNREFUSED (an earlier datagram was refused), -EHOSTUNREACH,
/// -ENETUNREACH, -ENOTCONN, -EDESTADDRREQ, -EMSGSIZE, -ENOBUFS, -ENOMEM, -EOPNOTSUPP (a flag not
/// supported here), -EACCES, -EPERM (firewall), -EINTR (event hook), -ECANCELED (usocket_cancel),
/// -EBADF (also: closed meanwhile), -ENOTSOCK, -EFAULT, -EINVAL, USOCKET_ETLS_NOT_WRAPPED; on a
/// wrapped socket USOCKET_ETLS_....
/// Blocks: according to the socket's mode.
/// Threads: any; one may send while another receives.
/// Ownership: `buf` is only read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_send(
    s: usocket_t,
    buf: *const c_void,
    len: usize,
    flags: i32,
) -> i64 {
    at_once(
        s,
        // SAFETY: the caller's buffer, as documented.
        unsafe { bytes(buf, len) },
        |s, buf| s.try_send(buf, flags).map(|n| n as i64).map_err(Err),
        |s, first, buf| s.send_on(first, buf, flags).map(|n| n as i64),
    )
}

/// Sends all of `buf`, with one deadline for the whole.
///
/// Returns: 0.
/// Errors: as usocket_send; the number of bytes sent is then unknown (usocket_write returns it).
/// Blocks: according to the socket's mode.
/// Threads: any; bytes of concurrent calls may interleave.
/// Ownership: `buf` is only read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_sendall(
    s: usocket_t,
    buf: *const c_void,
    len: usize,
    flags: i32,
) -> i32 {
    at_once(
        s,
        // SAFETY: the caller's buffer, as documented.
        unsafe { bytes(buf, len) },
        |s, buf| match s.try_send(buf, flags) {
            Ok(n) if n == len => Ok(0),
            first => Err(first),
        },
        |s, first, buf| s.sendall_on(first, buf, flags).map(|()| 0),
    )
}

/// Sends to an address (sendto(2)), usually one datagram. A connected TCP socket ignores the
/// address.
///
/// Returns: how many bytes were sent.
/// Errors: as usocket_send; -EISCONN on a connected Unix stream and on a wrapped socket, -EOPNOTSUPP
/// on a Unix stream that is not connected; -EAFNOSUPPORT, -ENOENT, -ENOTDIR, -ELOOP,
/// -EPROTOTYPE about the address; -EINVAL for a bad one.
/// Blocks: according to the socket's mode.
/// Threads: any.
/// Ownership: `buf` and `to` are only read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_sendto(
    s: usocket_t,
    buf: *const c_void,
    len: usize,
    flags: i32,
    to: *const Addr,
) -> i64 {
    let mut copy = MaybeUninit::uninit();
    // SAFETY: the caller's buffer and address, as documented.
    let args = unsafe { both(bytes(buf, len), address(to, &mut copy)) };
    at_once(
        s,
        args,
        |s, (buf, to)| s.try_sendto(buf, flags, to).map(|n| n as i64).map_err(Err),
        |s, first, (buf, to)| s.socket()?.sendto_on(first, buf, flags, to).map(|n| n as i64),
    )
}

/// Receives at most `len` bytes into `buf` (recv(2)). `flags` are MSG_ flags; MSG_DONTWAIT makes
/// this call non-blocking.
///
/// The result is never more than `len`, even with MSG_TRUNC. (NULL, 0) with MSG_PEEK | MSG_TRUNC
/// returns the length of the next datagram. On a stream MSG_TRUNC discards the bytes it counts and
/// fills `buf` with zeroes.
///
/// Returns: how many bytes were received; 0 at the end of a stream.
/// Errors: -EAGAIN (non-blocking; also with MSG_ERRQUEUE or MSG_OOB in every mode), -ETIMEDOUT
/// (timeout, or the connection's), -ECONNRESET, -ECONNREFUSED (an earlier datagram was refused),
/// -EHOSTUNREACH, -ENETUNREACH, -ENOTCONN, -ENOBUFS, -ENOMEM, -EOPNOTSUPP (a flag not supported
/// here), -EINTR (event hook), -ECANCELED (usocket_cancel), -EBADF (also: closed meanwhile),
/// -ENOTSOCK, -EFAULT, -EINVAL (also: no urgent data to come), USOCKET_ETLS_NOT_WRAPPED; on a
/// wrapped socket USOCKET_ETLS_....
/// Blocks: according to the socket's mode.
/// Threads: any; one may receive while another sends.
/// Ownership: `buf` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_recv(
    s: usocket_t,
    buf: *mut c_void,
    len: usize,
    flags: i32,
) -> i64 {
    if flags & libc::MSG_TRUNC != 0 {
        // SAFETY: the caller's buffer, as documented.
        return unsafe { recv_truncated(s, buf, len, flags) };
    }
    at_once(
        s,
        // SAFETY: the caller's buffer, as documented.
        unsafe { room(buf, len) },
        |s, buf| s.try_recv(buf, flags).map(|n| n as i64).map_err(Err),
        |s, first, buf| s.recv_on(first, buf, flags).map(|n| n as i64),
    )
}

/// usocket_recv with MSG_TRUNC.
///
/// # Safety
/// As [`usocket_recv`].
#[cold]
unsafe fn recv_truncated(s: usocket_t, buf: *mut c_void, len: usize, flags: i32) -> i64 {
    let flags = truncation(buf, len, flags);
    on_stream(s, |s| {
        // SAFETY: by this function's contract.
        let buf = unsafe { room(buf, len) }?;
        s.recv_on(Err(Start::Fresh), buf, flags).map(|n| n as i64)
    })
}

/// Receives as usocket_recv does, with the sender's address in `from` unless that is NULL
/// (recvfrom(2)). The address is empty where there is none, as on a stream.
///
/// Returns: how many bytes were received.
/// Errors: as usocket_recv.
/// Blocks: according to the socket's mode.
/// Threads: any.
/// Ownership: `buf` and `from` are the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_recvfrom(
    s: usocket_t,
    buf: *mut c_void,
    len: usize,
    flags: i32,
    from: *mut Addr,
) -> i64 {
    if flags & libc::MSG_TRUNC != 0 || from.is_null() || !from.is_aligned() {
        let flags = truncation(buf, len, flags);
        // SAFETY: the caller's buffer and address, as documented.
        return unsafe { recvfrom_askew(s, buf, len, flags, from) };
    }
    // SAFETY: the caller's buffer and address, as documented.
    let args = unsafe { both(room(buf, len), Ok(&mut *from.cast::<MaybeUninit<Addr>>())) };
    at_once(
        s,
        args,
        |s, (buf, from)| s.try_recvfrom(buf, flags, from).map(|n| n as i64).map_err(Err),
        |s, first, (buf, from)| s.socket()?.recvfrom_on(first, buf, flags, from).map(|n| n as i64),
    )
}

/// usocket_recvfrom with MSG_TRUNC, and for an address that is not wanted or lies askew.
///
/// # Safety
/// As [`usocket_recvfrom`].
#[cold]
unsafe fn recvfrom_askew(
    s: usocket_t,
    buf: *mut c_void,
    len: usize,
    flags: i32,
    from: *mut Addr,
) -> i64 {
    on_socket(s, |s| {
        // SAFETY: by this function's contract.
        let buf = unsafe { room(buf, len) }?;
        if from.is_null() {
            return s.recv(buf, flags).map(|n| n as i64);
        }
        // SAFETY: by this function's contract.
        unsafe { with_room(from, |from| s.recvfrom_on(Err(Start::Fresh), buf, flags, from)) }
            .map(|n| n as i64)
    })
}

/// Two arguments, if both are good.
#[inline]
fn both<A, B>(a: Result<A>, b: Result<B>) -> Result<(A, B)> {
    Ok((a?, b?))
}
