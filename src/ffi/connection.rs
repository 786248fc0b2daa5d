//! Connections and servers by name, in one call.

use std::ffi::c_char;

use super::library::usocket_t;
use super::socket::with_address;
use super::{guard, text};
use crate::addr::Addr;
use crate::connect::{self, Server};
use crate::error::Error;
use crate::numbers::*;
use crate::{object, resolve};

/// Connects to `service` (a name or decimal port) on `host` (a name or numeric text): all its
/// addresses, IPv6 and IPv4 taking turns, a new attempt every 250 ms or as soon as one fails; the
/// first to connect wins (RFC 8305, "Happy Eyeballs").
///
/// `timeout_us` microseconds cover the names and the connecting, and become the socket's timeout;
/// negative is none. `source`, unless NULL, is the local address to connect from.
///
/// Returns: a handle.
/// Errors: those of usocket_getaddrinfo, -ETIMEDOUT, -EINTR (event hook); otherwise the error of
/// the most telling attempt: that the host refused before that the way there failed, before that
/// there is none. -EINVAL for a timeout of 0 or a bad `source`, -EFAULT for a NULL `service`.
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
    guard(|| {
        // SAFETY: the caller's texts and address, as documented.
        let (host, service) = unsafe { (text(host), text(service)) };
        let service = service.ok_or(Error::os(libc::EFAULT))?;
        let kind = libc::SOCK_STREAM;
        let query = resolve::query(host.map(Into::into), Some(service.into()), 0, kind, 0, 0)?;
        let begin = |source: Option<&_>| connect::create_connection(query, timeout_us, source);
        object::insert(match source.is_null() {
            true => begin(None)?,
            // SAFETY: as above.
            false => unsafe { with_address(source, |source| begin(Some(source))) }?,
        })
    })
}

/// Makes a socket that listens on an IP or Unix address, as CPython's socket.create_server does:
/// SO_REUSEADDR on IP, IPv6 only unless asked otherwise. `backlog` is usocket_listen's; `flags`
/// are USOCKET_SERVER_REUSE_PORT and USOCKET_SERVER_DUAL_STACK, or 0.
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
    guard(|| {
        if flags & !(USOCKET_SERVER_REUSE_PORT | USOCKET_SERVER_DUAL_STACK) != 0 {
            return Err(Error::os(libc::EINVAL));
        }
        let (reuse_port, dual_stack) =
            (flags & USOCKET_SERVER_REUSE_PORT != 0, flags & USOCKET_SERVER_DUAL_STACK != 0);
        let how = Server { backlog, reuse_port, dual_stack };
        // SAFETY: the caller's address, as documented.
        let server = unsafe { with_address(addr, |addr| connect::create_server(addr, how)) };
        object::insert(server?)
    })
}
