//! Options: the mode, the properties of the socket, and the system's options.

use std::ffi::{c_char, c_void};

use super::library::usocket_t;
use super::socket::with_address;
use super::{bytes, on_socket, output, required, room, text};
use crate::addr::Addr;
use crate::error::Error;

/// Sets the mode by a timeout in microseconds: negative is blocking, 0 is non-blocking. A positive
/// timeout limits each later operation as a whole: after that time it fails with -ETIMEDOUT.
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

/// Gets the timeout in microseconds: -1 in blocking mode, 0 in non-blocking mode.
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

/// Sets one deadline for all operations that begin from now on, in addition to the timeout: a
/// request of several operations then ends in time as a whole. `when_us` is a time of
/// CLOCK_MONOTONIC in microseconds, such as usocket_now() + 5000000; a negative one removes the
/// deadline. There is none at first. An operation that would have to wait beyond the deadline fails
/// with -ETIMEDOUT. One that need not wait is done.
///
/// While a deadline is set, a socket in blocking mode has an O_NONBLOCK descriptor and behaves as
/// one with a timeout. In non-blocking mode the deadline has no effect.
///
/// Returns: 0.
/// Errors: -ENOMEM, -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any; an operation under way keeps the deadline it began with.
/// Ownership: nothing changes hands; a socket of usocket_accept or usocket_dup has none.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_set_deadline(s: usocket_t, when_us: i64) -> i32 {
    on_socket(s, |s| s.set_deadline(when_us).map(|()| 0))
}

/// Cancels the waiting operations of other threads on the socket and leaves the socket as it is.
/// First call usocket_cancel(s, 0), before the operations begin: it prepares the socket, and they
/// then wait as on a socket with a timeout. With `on` 1 they fail with -ECANCELED, and so does
/// every later operation that would have to wait, until usocket_cancel(s, 0) resets it. So a cancel
/// that comes before the operation is not lost. An operation that need not wait is done.
///
/// A cancelled send has sent a part of its bytes or none, as after a timeout; a handshake continues
/// when it is called again. In non-blocking mode nothing waits, and a cancel has no effect.
///
/// Returns: 0.
/// Errors: -EINVAL for a socket that was not prepared, or another `on`; -EMFILE, -ENFILE, -ENOMEM;
/// -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands. After a fork each process cancels its own operations.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_cancel(s: usocket_t, on: i32) -> i32 {
    on_socket(s, |s| match on {
        0 | 1 => s.cancel(on == 1).map(|()| 0),
        _ => Err(Error::os(libc::EINVAL)),
    })
}

/// Sets blocking mode if `flag` is not 0 (and removes a timeout), non-blocking mode if it is.
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

/// Returns the address family of the socket.
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

/// Returns the type of the socket.
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

/// Returns the protocol of the socket: the one it was made with, or the default selected by 0.
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
/// SO_RCVTIMEO and SO_SNDTIMEO do not limit operations of the library: use usocket_settimeout.
///
/// Returns: 0.
/// Errors: -ENOPROTOOPT (no such option here), -EOPNOTSUPP (no such level here), -EINVAL (a value
/// that is too short or invalid; also after the connection has ended), -EDOM, -EPERM, -EACCES,
/// -ENODEV, -EADDRNOTAVAIL, -EADDRINUSE, -EISCONN, -ENOTCONN, -EBUSY, -ENOBUFS, -ENOMEM, depending
/// on the option; -EBADF, -ENOTSOCK, -EFAULT.
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
/// that is not the option's), -ENOTCONN, -EPERM, depending on the option; -EBADF, -ENOTSOCK,
/// -EFAULT.
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

/// Reads and clears the socket's pending error (SO_ERROR): the result of a non-blocking connect, or
/// the error of an ICMP message.
///
/// Returns: 0 when there is none.
/// Errors: the error itself, -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH, ...; -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any; one of them gets the error.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_take_error(s: usocket_t) -> i32 {
    on_socket(s, |s| s.take_error().map(|()| 0))
}

/// Sets TCP keepalive: probes a silent peer after `idle_us` microseconds without data, then every
/// `interval_us`. After `count` unanswered probes in a row the connection fails with ETIMEDOUT
/// (SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT). Times are rounded up to whole seconds.
/// 0 leaves a parameter at its present value; a negative `idle_us` turns keepalive off.
///
/// TCP sends no probes while data is unacknowledged: use TCP_USER_TIMEOUT for that.
///
/// Returns: 0.
/// Errors: -EINVAL for times above 32767 seconds, a count above 127, or a socket that is not a
/// stream; -EOPNOTSUPP for a stream that is not TCP; -EBADF, -ENOTSOCK.
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

/// Sets how usocket_close treats unsent data (SO_LINGER). With a negative time, the default, the
/// kernel sends it in the background. With 0 the connection is reset and the data dropped.
/// Otherwise the close waits up to `time_us` microseconds, rounded up to whole seconds, until it is
/// sent.
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

/// Joins a multicast group, IPv4 or IPv6, on the interface of that index (usocket_interfaces); 0
/// lets the system choose one (MCAST_JOIN_GROUP). The port of `group` is ignored: bind the socket
/// to one.
///
/// Returns: 0.
/// Errors: -EADDRINUSE when it is in the group already, -ENODEV when there is no such interface, or
/// no route to the group, -EINVAL for an address that is not a group, -EAFNOSUPPORT for one that is
/// not of the socket's family, -ENOBUFS for too many; -EBADF, -ENOTSOCK, -EFAULT.
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

/// Leaves a multicast group; the arguments are those of usocket_join_group.
///
/// Returns: 0.
/// Errors: -EADDRNOTAVAIL when the socket is not in the group, and those of usocket_join_group.
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

/// Sets the traffic class of outgoing packets, the byte of IPv4's TOS and IPv6's traffic class;
/// DSCP is its upper six bits (dscp << 2). On a dual-stack IPv6 socket it applies to both.
///
/// Returns: 0.
/// Errors: -EINVAL for a number above 255 or below 0, -EAFNOSUPPORT for a socket that is not IP,
/// -EPERM; -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_set_tos(s: usocket_t, tos: i32) -> i32 {
    on_socket(s, |s| s.set_tos(tos).map(|()| 0))
}

/// Binds the socket to the interface of that name: it sends and receives only there
/// (SO_BINDTODEVICE). NULL or "" removes the binding.
///
/// Returns: 0.
/// Errors: -ENODEV when there is no such interface; -EPERM when it is set already and the process
/// has no CAP_NET_RAW; -EBADF, -ENOTSOCK.
/// Blocks: no.
/// Threads: any.
/// Ownership: `name` is only read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_bind_device(s: usocket_t, name: *const c_char) -> i32 {
    // SAFETY: the caller's text, as documented.
    on_socket(s, |s| s.bind_device(unsafe { text(name) }.unwrap_or(c"")).map(|()| 0))
}
