//! Sockets: made, connected, used, closed.

use std::mem::MaybeUninit;

use super::library::usocket_t;
use super::{
    guard_on, inlined, input, on_object, on_socket, on_stream, output, required, without_handle,
};
use crate::addr::Addr;
use crate::error::{Error, Result};
use crate::object::{self, Object};
use crate::socket::Socket;

/// Runs `body` with an address from the caller that may go to a system call: where it lies, or from
/// a copy if it lies askew.
///
/// # Safety
/// A pointer that is not NULL points to a readable address, until the export returns.
#[inline]
pub(super) unsafe fn with_address<T>(
    ptr: *const Addr,
    body: impl FnOnce(&Addr) -> Result<T>,
) -> Result<T> {
    let mut copy = MaybeUninit::uninit();
    // SAFETY: by this function's contract.
    body(unsafe { address(ptr, &mut copy) }?)
}

/// The caller's address, if it may go to a system call; one that lies askew goes to `copy`.
///
/// # Safety
/// The pointer is NULL or points to an address, until the export returns.
#[inline]
pub(super) unsafe fn address(ptr: *const Addr, copy: &mut MaybeUninit<Addr>) -> Result<&Addr> {
    let addr = if ptr.is_aligned() && !ptr.is_null() {
        // SAFETY: by this function's contract, and aligned.
        unsafe { &*ptr }
    } else {
        // SAFETY: by this function's contract.
        copy.write(unsafe { input(ptr) }?)
    };
    if addr.is_valid() { Ok(addr) } else { Err(Error::os(libc::EINVAL)) }
}

/// Runs `body` with room for an address, which is the caller's unless that is askew.
///
/// # Safety
/// The pointer points to a writable address, until the export returns.
#[inline]
pub(super) unsafe fn with_room<T>(
    ptr: *mut Addr,
    body: impl FnOnce(&mut MaybeUninit<Addr>) -> Result<T>,
) -> Result<T> {
    let mut copy = MaybeUninit::uninit();
    let fits = ptr.is_aligned();
    let room = if fits {
        // SAFETY: by this function's contract, and aligned.
        unsafe { &mut *ptr.cast::<MaybeUninit<Addr>>() }
    } else {
        copy.write(Addr::default());
        &mut copy
    };
    let value = body(room)?;
    if !fits {
        // SAFETY: by this function's contract; the copy was made whole.
        unsafe { output(ptr, copy.assume_init()) };
    }
    Ok(value)
}

/// Makes a socket (socket(2)): in blocking mode, close-on-exec.
///
/// `family` is AF_INET, AF_INET6, AF_UNIX or any other of the system's; `type` is SOCK_STREAM,
/// SOCK_DGRAM, SOCK_RAW or any other, without flags. `proto` 0 selects the default for the type,
/// TCP or UDP. USOCKET_IPPROTO_SEC makes a TCP socket for TLS.
///
/// Returns: a handle.
/// Errors: -EAFNOSUPPORT, -EPROTONOSUPPORT, -ESOCKTNOSUPPORT, -EINVAL (no such type, or flags in
/// it), -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, -EPERM (SOCK_RAW), as socket(2).
/// Blocks: no.
/// Threads: any.
/// Ownership: the handle is the caller's, to be given to usocket_close.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_socket(family: i32, r#type: i32, proto: i32) -> usocket_t {
    inlined::without_handle(|| object::insert_with(|| Socket::new(family, r#type, proto)))
}

/// Makes two connected sockets (socketpair(2)); on Linux of family AF_UNIX.
///
/// Returns: 0, and the two handles in `out`.
/// Errors: as usocket_socket; -EOPNOTSUPP for a family without pairs; -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: both handles are the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_socketpair(
    family: i32,
    r#type: i32,
    proto: i32,
    out: *mut usocket_t,
) -> i32 {
    without_handle(|| {
        required(out)?;
        let (a, b) = Socket::pair(family, r#type, proto)?;
        let a = object::insert(a)?;
        let b = object::insert(b).inspect_err(|_| {
            // Nobody knows this handle yet; report the first error.
            let _ = object::close(a);
        })?;
        // SAFETY: the caller's array of two, as documented.
        unsafe { output(out.cast(), [a, b]) };
        Ok(0)
    })
}

/// Makes a socket from an open descriptor. The library takes the descriptor over and makes it
/// close-on-exec. The system supplies family, type and protocol; O_NONBLOCK means non-blocking
/// mode.
///
/// Returns: a handle.
/// Errors: -EBADF, -ENOTSOCK, -ENFILE (no handle left): the descriptor then stays the caller's, open.
/// Blocks: no.
/// Threads: any.
/// Ownership: on success the descriptor is the handle's and closed with it.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_from_fd(fd: i32) -> usocket_t {
    without_handle(|| object::insert_with(|| Socket::from_fd(fd)))
}

/// Gives up the descriptor without closing it; the handle is stale afterwards. The descriptor of a
/// wrapped socket carries TLS records, and the session that could read them is gone: bytes received
/// but not yet read are lost.
///
/// Returns: the descriptor.
/// Errors: -EBADF; -EBUSY while another thread is inside an operation on it; -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: the descriptor is the caller's, to be given to close(2).
#[unsafe(no_mangle)]
pub extern "C" fn usocket_detach(s: usocket_t) -> i32 {
    guard_on(s, || {
        object::pin(s)?.socket()?;
        match object::take(s)? {
            Object::Socket(socket) => Ok(socket.into_fd()),
            _ => Err(Error::os(libc::ENOTSOCK)),
        }
    })
}

/// Makes a second handle for the same open socket (dup(2)), in the same mode. Closing one leaves
/// the other open.
///
/// Returns: a handle.
/// Errors: -EOPNOTSUPP on a wrapped socket (one stream of records has one session), -EBADF,
/// -ENOTSOCK, -EMFILE, -ENFILE.
/// Blocks: no.
/// Threads: any.
/// Ownership: the new handle is the caller's.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_dup(s: usocket_t) -> usocket_t {
    on_socket(s, |s| object::insert_with(|| s.dup()))
}

/// Returns the descriptor behind a handle, for select, poll and other event loops. A socket's
/// descriptor is O_NONBLOCK unless the socket is in blocking mode; on a wrapped socket
/// usocket_tls_wants gives the events to wait for.
///
/// The descriptor of a query or of a connection under way becomes readable when it has finished. A
/// poller's descriptor is readable while usocket_poller_wait with a timeout of 0 would report
/// something: an event, a timer, a wake, or data that only the library knows of, such as decrypted
/// TLS data. (It may also be readable once with nothing to report.) So a poller can be watched by
/// libuv, GLib or an epoll, for POLLIN, level-triggered. Remove the descriptor there before closing
/// the handle, and ask for it again in a forked child.
///
/// Returns: the descriptor, 0 or more.
/// Errors: -EBADF, -ENOTSOCK for a handle of usocket_tls_create or another without a descriptor;
/// -EPERM for a connection in a forked child; -EMFILE, -ENFILE, -ENOMEM and -ENOSPC for a poller,
/// and for a query in a forked child.
/// Blocks: no.
/// Threads: any.
/// Ownership: stays the library's: do not close it, nor read from it.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_fileno(s: usocket_t) -> i32 {
    on_object(s, Object::lend)
}

/// Closes a handle of any kind.
///
/// Operations of other threads on the handle fail with -EBADF: at once on AF_INET, AF_INET6 and
/// AF_UNIX, within 0.1 s on families without a shutdown of their own (AF_NETLINK, AF_PACKET). The
/// last of them to return closes the descriptor. To end them the connection is shut down, and a
/// dup'd or forked copy of the descriptor sees that; if no operation is under way, a copy sees
/// nothing. A TLS session sends close_notify, unless this process has not used it since a fork and
/// another process may. Bytes counted by a send on a wrapped socket are then in the kernel, and are
/// delivered like those of a plain socket, even if the process ends.
///
/// Returns: 0.
/// Errors: -EBADF for a handle that is closed already or never existed. When close(2) fails, its
/// code: -EBADF for a descriptor that was closed behind the library's back, -EIO; the handle is
/// closed all the same.
/// Blocks: no (SO_LINGER aside). A wrapped socket not in non-blocking mode blocks for its timeout
/// or a second at most while the send buffer has no room for close_notify, and for 0.25 s after a
/// handshake refused on this side, so that the peer can read the alert.
/// Threads: any.
/// Ownership: the handle is gone.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_close(s: usocket_t) -> i32 {
    inlined::guard_on(s, || object::close_inline(s).map(|()| 0))
}

/// Binds a socket to an address (bind(2)).
///
/// Returns: 0.
/// Errors: -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EINVAL (bound already, bad address),
/// -EAFNOSUPPORT (an address of another family), for a Unix path -ENOENT, -ENOTDIR, -ELOOP, -EROFS;
/// -EBADF, -ENOTSOCK, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_bind(s: usocket_t, addr: *const Addr) -> i32 {
    // SAFETY: the caller's address, as documented.
    on_socket(s, |s| unsafe { with_address(addr, |a| s.bind(a)) }.map(|()| 0))
}

/// Lets a socket accept connections (listen(2)). A negative `backlog` counts as 0;
/// USOCKET_BACKLOG_DEFAULT suits most callers.
///
/// Returns: 0.
/// Errors: -EADDRINUSE, -EINVAL (connected, or a Unix socket that is not bound), -EOPNOTSUPP (not a
/// stream), -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_listen(s: usocket_t, backlog: i32) -> i32 {
    on_socket(s, |s| s.listen(backlog).map(|()| 0))
}

/// Accepts a connection (accept(2)). The new socket is in blocking mode, close-on-exec, and of
/// the listener's family, type and protocol. `peer`, unless NULL, receives the peer's address.
///
/// Returns: a handle.
/// Errors: -EAGAIN (non-blocking), -ETIMEDOUT (timeout), -EINTR (event hook), -ECANCELED
/// (usocket_cancel), -EINVAL (not listening), -EOPNOTSUPP (not a stream), -ECONNABORTED, -EMFILE,
/// -ENFILE, -ENOBUFS, -ENOMEM, -EPERM (firewall), -EBADF (also: closed meanwhile), -ENOTSOCK.
/// Blocks: according to the listener's mode.
/// Threads: any; many may accept on one listener.
/// Ownership: the new handle is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_accept(s: usocket_t, peer: *mut Addr) -> usocket_t {
    // SAFETY: the caller's address, as documented.
    inlined::on_socket(s, |s| unsafe { accepted(s, false, peer) })
}

/// Accepts a connection (accept4(2)): SOCK_NONBLOCK in `flags` makes the new socket non-blocking, in
/// the same system call. SOCK_CLOEXEC is allowed and always in effect. Otherwise the same as
/// usocket_accept.
///
/// Returns: a handle.
/// Errors: those of usocket_accept; -EINVAL for another flag.
/// Blocks: according to the listener's mode.
/// Threads: any; many may accept on one listener.
/// Ownership: the new handle is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_accept4(s: usocket_t, flags: i32, peer: *mut Addr) -> usocket_t {
    on_socket(s, |s| {
        if flags & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) != 0 {
            return Err(Error::os(libc::EINVAL));
        }
        // SAFETY: the caller's address, as documented.
        unsafe { accepted(s, flags & libc::SOCK_NONBLOCK != 0, peer) }
    })
}

/// Accepts, and gives the new socket a handle.
///
/// # Safety
/// `peer` is NULL or the caller's address.
unsafe fn accepted(listener: &Socket, nonblocking: bool, peer: *mut Addr) -> Result<usocket_t> {
    // Reserve the handle first, so that no accepted connection is lost for lack of one.
    object::insert_with(|| match peer.is_null() {
        true => listener.accept(nonblocking, None),
        // SAFETY: by this function's contract.
        false => unsafe { with_room(peer, |from| listener.accept(nonblocking, Some(from))) },
    })
}

/// Connects a socket (connect(2)); a datagram socket gets its default peer.
///
/// After a timeout the attempt goes on in the kernel, and a second call waits for it again. After a
/// connect that did not complete at once, one more call returns 0 and the next -EISCONN.
///
/// Returns: 0.
/// Errors: -EINPROGRESS (non-blocking: poll for POLLOUT, then read SO_ERROR), -EALREADY
/// (non-blocking and in progress), -EISCONN, -ETIMEDOUT, -ECONNREFUSED, -ECONNABORTED (it failed,
/// and another thread has read the reason from SO_ERROR), -ECONNRESET, -EHOSTUNREACH, -ENETUNREACH,
/// -EADDRNOTAVAIL (no local port left), -EADDRINUSE (bound to a port that has this connection
/// already), -EACCES (broadcast, or a Unix path without permission), -EPERM (firewall),
/// -EAFNOSUPPORT (an address of another family), -EAGAIN (Unix, non-blocking, backlog full; a
/// datagram socket without a local port left), -ENOENT, -ENOTDIR, -ELOOP, -EPROTOTYPE (Unix),
/// -EOPNOTSUPP (the socket listens), -EINTR (event hook), -ECANCELED (usocket_cancel), -EINVAL (bad
/// address), -EBADF (also: closed meanwhile), -ENOTSOCK, -EFAULT.
/// Blocks: according to the socket's mode.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_connect(s: usocket_t, addr: *const Addr) -> i32 {
    // SAFETY: the caller's address, as documented.
    inlined::on_socket(s, |s| unsafe { with_address(addr, |a| s.connect(a)) }.map(|()| 0))
}

/// Shuts down one or both halves of a connection (shutdown(2)). `how` is SHUT_RD, SHUT_WR or
/// SHUT_RDWR. A wrapped socket sends close_notify before its sending half is shut down.
///
/// Returns: 0.
/// Errors: -ENOTCONN, -EINVAL for another `how`, -EBADF, -ENOTSOCK; on a wrapped socket also those of
/// usocket_send.
/// Blocks: no; on a wrapped socket according to its mode, while the send buffer has no room for
/// close_notify.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_shutdown(s: usocket_t, how: i32) -> i32 {
    on_stream(s, |s| s.shutdown(how).map(|()| 0))
}

/// Gets the address a socket is bound to (getsockname(2)).
///
/// Returns: 0.
/// Errors: -EBADF, -ENOTSOCK, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: `out` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_getsockname(s: usocket_t, out: *mut Addr) -> i32 {
    on_socket(s, |s| {
        required(out)?;
        // SAFETY: the caller's address, as documented.
        unsafe { output(out, s.getsockname()?) };
        Ok(0)
    })
}

/// Gets the address of the peer (getpeername(2)).
///
/// Returns: 0.
/// Errors: -ENOTCONN, -EBADF, -ENOTSOCK, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: `out` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_getpeername(s: usocket_t, out: *mut Addr) -> i32 {
    on_socket(s, |s| {
        required(out)?;
        // SAFETY: the caller's address, as documented.
        unsafe { output(out, s.getpeername()?) };
        Ok(0)
    })
}
