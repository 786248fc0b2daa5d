//! Options: the mode, what the socket is, and the system's options.

use std::ffi::c_void;

use super::library::usocket_t;
use super::{bytes, on_socket, output, required, room};

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
        unsafe { output(timeout_us, s.timeout_us()) };
        Ok(0)
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
