//! Connections and servers by name, in one call.

use std::ffi::c_char;

use super::library::{usocket_connection_t, usocket_t};
use super::socket::with_address;
use super::{on_object, output, required_text, text, without_handle};
use crate::addr::Addr;
use crate::connect::{self, Connection};
use crate::error::{Error, Result};
use crate::object::{self, Object};
use crate::resolve;
use crate::sys::memory;
use crate::sys::names::Query;
use crate::wait::Deadline;

/// Connects to `service` (a name or decimal port) on `host` (a name or numeric text). It tries all
/// addresses, IPv6 and IPv4 in turn, with a new attempt as soon as one fails or after 250 ms (down
/// to 100 ms if the timeout is short); the first to connect wins (RFC 8305, "Happy Eyeballs"). IPv6
/// and IPv4 addresses are queried separately, and connecting begins with the first response: the
/// other query may remain unanswered.
///
/// `timeout_us` limits resolving and connecting together, in microseconds, and becomes the socket's
/// timeout; negative is none. `source`, unless NULL, is the local address to connect from;
/// addresses of another family are skipped. An attempt that fails for lack of a local port, a
/// descriptor or memory is repeated when another one has ended.
///
/// Returns: a handle.
/// Errors: those of usocket_getaddrinfo, -ETIMEDOUT, -EINTR (event hook). If attempts failed, also
/// when the timeout expires, the error of usocket_connect from the most specific failure: first a
/// refusal by the host, then a failure on the way, then the lack of a route; among equals the
/// first. usocket_error_detail(0) lists all of them with their times. -EAFNOSUPPORT when no address
/// is of the family of `source`, -EADDRNOTAVAIL when `source` is not an address of this machine,
/// -EINVAL for a timeout of 0 or a bad `source`, -EFAULT for a NULL `service`.
/// Blocks: up to the timeout.
/// Threads: any.
/// Ownership: the handle is the caller's; the texts and `source` are only read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_create_connection(
    host: *const c_char,
    service: *const c_char,
    timeout_us: i64,
    source: *const Addr,
) -> usocket_t {
    without_handle(|| {
        // SAFETY: the caller's texts and address, as documented.
        let (query, source) = unsafe { (stream_to(host, service)?, optional(source)?) };
        object::insert_with(|| connect::create_connection(query, timeout_us, source.as_ref()))
    })
}

/// Starts to connect, as usocket_create_connection does, and returns at once. `timeout_us`
/// microseconds (negative: no limit) cover resolving and connecting, and become the socket's
/// timeout.
///
/// The handle can be polled like a socket: POLLIN means that connecting has succeeded or failed,
/// and usocket_connection_take has the result. usocket_close stops the attempt; close the handle
/// also after its socket was taken. One thread of the library runs all connections under way, in
/// the caller's network namespace; it is started with the first and ends after a while without any.
/// In a forked child the handle can only be closed.
///
/// Returns: a handle.
/// Errors: USOCKET_EAI_ for a host or service that is resolved without a query, USOCKET_EAI_MEMORY;
/// -EINVAL for a timeout of 0 or a bad `source`, -EAFNOSUPPORT when no address is of the family of
/// `source`, -EFAULT for a NULL `service`, -EMFILE, -ENFILE, -ENOMEM, -EAGAIN (no thread).
/// Blocks: no.
/// Threads: any.
/// Ownership: the handle is the caller's, to be given to usocket_close; the texts and `source` are
/// only read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_connection_create(
    host: *const c_char,
    service: *const c_char,
    timeout_us: i64,
    source: *const Addr,
) -> usocket_connection_t {
    without_handle(|| {
        // SAFETY: the caller's texts and address, as documented.
        let (query, source) = unsafe { (stream_to(host, service)?, optional(source)?) };
        object::insert_with(|| {
            let connection = Connection::start(query, timeout_us, source.as_ref())?;
            Ok(Object::Connection(memory::boxed(connection)?))
        })
    })
}

/// Waits up to `wait_us` microseconds (negative: no limit; 0: not at all) for a connection of
/// usocket_connection_create, and takes its socket.
///
/// Returns: a handle of the socket, with the timeout given at creation.
/// Errors: those of usocket_create_connection when connecting failed; usocket_error_detail of
/// `connection` then lists all attempts. While connecting is under way, -EAGAIN with a wait of 0,
/// -ETIMEDOUT with another; -EALREADY when the socket was taken before; -ECANCELED in a forked
/// child; -EINTR (event hook); -EBADF (also: closed meanwhile); -EBADR for a handle of another
/// kind.
/// Blocks: up to `wait_us`.
/// Threads: any; one of them gets the socket.
/// Ownership: the socket is the caller's, to be given to usocket_close; `connection` stays the
/// caller's.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_connection_take(
    connection: usocket_connection_t,
    wait_us: i64,
) -> usocket_t {
    on_object(connection, |object| {
        let connection = object.connection()?;
        let late = Error::os(if wait_us == 0 { libc::EAGAIN } else { libc::ETIMEDOUT });
        // Reserve the handle first: without one the socket stays in the connection.
        object::insert_with(|| connection.take(&mut Deadline::after_us(wait_us), late))
    })
}

/// Gets the failed attempt number `n` of a connection that is under way or has failed. Failed
/// attempts are numbered from 0 in the order of their failures. Outputs may be NULL.
///
/// `addr` is the address, `error` the code, `after_us` the microseconds from the beginning to the
/// failure.
///
/// Returns: 0.
/// Errors: -ENOENT when `n` or fewer have failed; -EBADF; -EBADR for a handle of another kind.
/// Blocks: no.
/// Threads: any.
/// Ownership: the outputs are copies.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_connection_failure(
    connection: usocket_connection_t,
    n: usize,
    addr: *mut Addr,
    error: *mut i32,
    after_us: *mut i64,
) -> i32 {
    on_object(connection, |object| {
        let failure = object.connection()?.failure(n).ok_or(Error::os(libc::ENOENT))?;
        // SAFETY: the caller's pointers, as documented.
        unsafe {
            output(addr, failure.addr);
            output(error, failure.error.code());
            output(after_us, failure.after.as_micros() as i64);
        }
        Ok(0)
    })
}

/// The query for the addresses of a stream service.
///
/// # Safety
/// As [`text`].
unsafe fn stream_to(host: *const c_char, service: *const c_char) -> Result<Query> {
    // SAFETY: by this function's contract.
    let (host, service) = unsafe { (text(host), required_text(service)?) };
    resolve::query(host, Some(service), 0, libc::SOCK_STREAM, 0, 0)
}

/// An address that may be NULL.
///
/// # Safety
/// As [`with_address`].
unsafe fn optional(addr: *const Addr) -> Result<Option<Addr>> {
    if addr.is_null() {
        return Ok(None);
    }
    // SAFETY: by this function's contract.
    unsafe { with_address(addr, |addr| Ok(Some(*addr))) }
}

/// Makes a socket that listens on an IP or Unix address, as CPython's socket.create_server does:
/// SO_REUSEADDR on IP, and IPv6 only unless `flags` say otherwise. `backlog` is usocket_listen's;
/// `flags` are USOCKET_SERVER_REUSE_PORT and USOCKET_SERVER_DUAL_STACK, or 0.
///
/// Returns: a handle.
/// Errors: -EINVAL for an unknown flag, a bad address, or USOCKET_SERVER_DUAL_STACK on an address that
/// is not IPv6; those of usocket_socket, usocket_bind, usocket_listen; -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: the handle is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_create_server(
    addr: *const Addr,
    backlog: i32,
    flags: i32,
) -> usocket_t {
    without_handle(|| {
        // SAFETY: the caller's address, as documented.
        let server =
            || unsafe { with_address(addr, |addr| connect::create_server(addr, backlog, flags)) };
        object::insert_with(server)
    })
}
