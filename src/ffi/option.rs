//! Options: the mode, what the socket is, and the system's options.

use std::ffi::{c_char, c_void};

use super::library::usocket_t;
use super::socket::with_address;
use super::{bytes, on_socket, output, required, room, text};
use crate::addr::Addr;
use crate::error::Error;

/// Sets the mode by a timeout in microseconds: negative is blocking, 0 non-blocking, more is how
/// long each later operation may take as a whole before it fails with -ETIMEDOUT.
///
/// Returns: 0.
/// Errors: -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any; an operation under way keeps the mode it began with.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_settimeout(s: usocket_t, timeout_us: i64) -> i32 {
    on_socket(s, |s| s.settimeout(timeout_us).map(|()| 0))
}

/// The timeout last set, in microseconds: -1 in blocking mode, 0 in non-blocking mode.
///
/// Returns: 0, and the timeout in `timeout_us`.
/// Errors: -EBADF, -ENOTSOCK, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: `timeout_us` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_gettimeout(s: usocket_t, timeout_us: *mut i64) -> i32 {
    on_socket(s, |s| {
        required(timeout_us)?;
        // SAFETY: the caller's number, as documented.
        unsafe { output(timeout_us, s.told_timeout_us()) };
        Ok(0)
    })
}

/// Sets a deadline for every operation that begins from now on: beside the timeout, so that a whole
/// request has one end, whatever it consists of. `when_us` is a time of CLOCK_MONOTONIC in microseconds,
/// such as usocket_now() + 5000000; a negative one is none, as at first. An operation that would wait
/// beyond it, or begins to wait after it, fails with -ETIMEDOUT. What need not wait is done.
///
/// With a deadline in force a socket in blocking mode has an O_NONBLOCK descriptor and behaves as one
/// with a timeout. In non-blocking mode the deadline changes nothing.
///
/// Returns: 0.
/// Errors: -ENOMEM, -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any; an operation under way keeps the end it began with.
/// Ownership: nothing changes hands; a socket of usocket_accept or usocket_dup has none.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_set_deadline(s: usocket_t, when_us: i64) -> i32 {
    on_socket(s, |s| s.set_deadline(when_us).map(|()| 0))
}

/// Ends what other threads wait for on the socket, and leaves the socket as it is. A socket is made ready
/// for it by usocket_cancel(s, 0), before the operations begin that are to be ended: from then on they
/// wait as those of a socket with a timeout do. With `on` 1 they fail with -ECANCELED, and so does all that
/// would have to wait after it, until usocket_cancel(s, 0): no cancel comes too early. What need not wait
/// is done.
///
/// A send that was ended has sent a part, or nothing, as with a timeout; a handshake goes on when it is
/// called again. In non-blocking mode nothing waits, and a cancel changes nothing.
///
/// Returns: 0.
/// Errors: -EINVAL for a socket that was not made ready, or another `on`; -EMFILE, -ENFILE, -ENOMEM;
/// -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any: that is what it is for.
/// Ownership: nothing changes hands. After a fork each process cancels its own.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_cancel(s: usocket_t, on: i32) -> i32 {
    on_socket(s, |s| match on {
        0 | 1 => s.cancel(on == 1).map(|()| 0),
        _ => Err(Error::os(libc::EINVAL)),
    })
}

/// Blocking mode when `flag` is not 0 (a timeout is forgotten), non-blocking mode when it is.
///
/// Returns: 0.
/// Errors: -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: as usocket_settimeout.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_setblocking(s: usocket_t, flag: i32) -> i32 {
    on_socket(s, |s| s.settimeout(if flag != 0 { -1 } else { 0 }).map(|()| 0))
}

/// The address family the socket was made with.
///
/// Returns: AF_INET, AF_INET6, AF_UNIX, ...
/// Errors: -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_family(s: usocket_t) -> i32 {
    on_socket(s, |s| Ok(s.family()))
}

/// The type the socket was made with.
///
/// Returns: SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, ...
/// Errors: -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_type(s: usocket_t) -> i32 {
    on_socket(s, |s| Ok(s.kind()))
}

/// The protocol of the socket: the one it was made with, or the one that 0 stood for.
///
/// Returns: IPPROTO_TCP, IPPROTO_UDP, USOCKET_IPPROTO_SEC, ...; 0 for Unix sockets.
/// Errors: -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_proto(s: usocket_t) -> i32 {
    on_socket(s, |s| Ok(s.proto()))
}

/// Sets an option to `len` bytes (setsockopt(2)).
///
/// SO_RCVTIMEO and SO_SNDTIMEO do not end an operation of the library: usocket_settimeout does.
///
/// Returns: 0.
/// Errors: -ENOPROTOOPT (no such option here), -EOPNOTSUPP (no such level here), -EINVAL (a value that
/// is too short or means nothing; also after the connection's end), -EDOM, -EPERM, -EACCES, -ENODEV,
/// -EADDRNOTAVAIL, -EADDRINUSE, -EISCONN, -ENOTCONN, -EBUSY, -ENOBUFS, -ENOMEM, as the option has it;
/// -EBADF, -ENOTSOCK, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: `value` is only read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_setsockopt(
    s: usocket_t,
    level: i32,
    name: i32,
    value: *const c_void,
    len: usize,
) -> i32 {
    // SAFETY: the caller's value, as documented.
    on_socket(s, |s| s.setsockopt(level, name, unsafe { bytes(value, len) }?).map(|()| 0))
}

/// Sets an option that is an integer (setsockopt(2)).
///
/// Returns: 0.
/// Errors: as usocket_setsockopt.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_setsockopt_int(s: usocket_t, level: i32, name: i32, value: i32) -> i32 {
    on_socket(s, |s| s.setsockopt(level, name, &value.to_ne_bytes()).map(|()| 0))
}

/// Reads an option into at most `len` bytes (getsockopt(2)).
///
/// Returns: how many bytes were written.
/// Errors: -ENOPROTOOPT (no such option here), -EOPNOTSUPP (no such level here), -EINVAL (a size
/// that is not the option's), -ENOTCONN, -EPERM, as the option has it; -EBADF, -ENOTSOCK, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: `value` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_getsockopt(
    s: usocket_t,
    level: i32,
    name: i32,
    value: *mut c_void,
    len: usize,
) -> i64 {
    // SAFETY: the caller's room, as documented.
    on_socket(s, |s| s.getsockopt(level, name, unsafe { room(value, len) }?).map(|n| n as i64))
}

/// Reads an option that is an integer (getsockopt(2)).
///
/// Returns: 0, and the integer in `value`.
/// Errors: as usocket_getsockopt.
/// Blocks: no.
/// Threads: any.
/// Ownership: `value` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_getsockopt_int(
    s: usocket_t,
    level: i32,
    name: i32,
    value: *mut i32,
) -> i32 {
    on_socket(s, |s| {
        required(value)?;
        // SAFETY: the caller's integer, as documented.
        unsafe { output(value, s.getsockopt_int(level, name)?) };
        Ok(0)
    })
}

/// Takes the error that waits on the socket (SO_ERROR): how a connection that was not waited for has
/// ended, or what an ICMP message has told. It is there once.
///
/// Returns: 0 when there is none.
/// Errors: the error itself, -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH, ...; -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any; one of them gets it.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_take_error(s: usocket_t) -> i32 {
    on_socket(s, |s| s.take_error().map(|()| 0))
}

/// Has TCP ask a peer that is silent whether it is still there: after `idle_us` microseconds without
/// data, then every `interval_us`, and the connection ends with ETIMEDOUT when `count` questions in a row
/// have no answer (SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT). Times are rounded up to whole
/// seconds. 0 keeps what the system has for that one; a negative `idle_us` turns it off.
///
/// While data is on its way, TCP asks nothing: TCP_USER_TIMEOUT is for that.
///
/// Returns: 0.
/// Errors: -EINVAL for times above 32767 seconds, a count above 127, or a socket that is no stream;
/// -EOPNOTSUPP for a stream that is not TCP; -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_set_keepalive(
    s: usocket_t,
    idle_us: i64,
    interval_us: i64,
    count: i32,
) -> i32 {
    on_socket(s, |s| s.set_keepalive(idle_us, interval_us, count).map(|()| 0))
}

/// Sets what usocket_close does with data that has not been sent (SO_LINGER): with a negative time, as at
/// first, it goes on in the background; with 0 the connection is reset and the data dropped; else the
/// close waits for it up to `time_us` microseconds, rounded up to whole seconds.
///
/// Returns: 0.
/// Errors: -EINVAL for a time above 68 years, -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_set_linger(s: usocket_t, time_us: i64) -> i32 {
    on_socket(s, |s| s.set_linger(time_us).map(|()| 0))
}

/// Lets the socket receive what is sent to a multicast group, IPv4 or IPv6, on the interface of that
/// index (usocket_interfaces); 0 lets the system choose one (MCAST_JOIN_GROUP). The port of `group` counts
/// for nothing: the socket is bound to one.
///
/// Returns: 0.
/// Errors: -EADDRINUSE when it is in the group already, -ENODEV when there is no such interface, or none
/// that leads to the group, -EINVAL for an address that is no group, -EAFNOSUPPORT for one that is not of
/// the socket's family, -ENOBUFS for too many; -EBADF, -ENOTSOCK, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: `group` is only read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_join_group(
    s: usocket_t,
    group: *const Addr,
    interface: u32,
) -> i32 {
    on_socket(s, |s| {
        // SAFETY: the caller's address, as documented.
        unsafe { with_address(group, |g| s.multicast(true, g, interface)) }.map(|()| 0)
    })
}

/// Takes the socket out of a group that usocket_join_group has put it in, with the same arguments.
///
/// Returns: 0.
/// Errors: -EADDRNOTAVAIL when it is not in it, and those of usocket_join_group.
/// Blocks: no.
/// Threads: any.
/// Ownership: `group` is only read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_leave_group(
    s: usocket_t,
    group: *const Addr,
    interface: u32,
) -> i32 {
    on_socket(s, |s| {
        // SAFETY: the caller's address, as documented.
        unsafe { with_address(group, |g| s.multicast(false, g, interface)) }.map(|()| 0)
    })
}

/// Sets the traffic class of what is sent: the byte of IPv4's TOS and IPv6's traffic class, of which DSCP
/// is the upper six bits (dscp << 2). On an IPv6 socket that may carry IPv4 it is for both.
///
/// Returns: 0.
/// Errors: -EINVAL for a number that is no byte, -EAFNOSUPPORT for a socket that is not IP, -EPERM;
/// -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_set_tos(s: usocket_t, tos: i32) -> i32 {
    on_socket(s, |s| s.set_tos(tos).map(|()| 0))
}

/// Binds the socket to the interface of that name: it sends and receives there alone (SO_BINDTODEVICE).
/// NULL or "" undoes it.
///
/// Returns: 0.
/// Errors: -ENODEV when there is no such interface; -EPERM without CAP_NET_RAW, to change it once it is
/// set; -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: `name` is only read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_bind_device(s: usocket_t, name: *const c_char) -> i32 {
    // SAFETY: the caller's text, as documented.
    on_socket(s, |s| s.bind_device(unsafe { text(name) }.unwrap_or(c"")).map(|()| 0))
}
