//! create_connection and create_server: what most programs do with several calls, in one.

use crate::addr::Addr;
use crate::error::{Error, Result, explain};
use crate::socket::Socket;
use crate::sys::names::Query;
use crate::wait::{self, Deadline};

mod connection;
mod lookups;
mod race;

pub use connection::{Connection, Failure};
use race::Race;

/// Connects to a host by name, as [`Race`] has it. One deadline covers names and connecting; the
/// socket then has that timeout.
///
/// # Errors
/// EINVAL for a timeout of 0; EINTR (event hook); those of [`Race::step`].
pub fn create_connection(query: Query, timeout_us: i64, source: Option<&Addr>) -> Result<Socket> {
    let mut race = Race::start(query, timeout_us, source)?;
    let mut fds = Vec::new();
    loop {
        if let Some(end) = race.step() {
            return end.map_err(|e| explain(e, race.story()));
        }
        fds.clear();
        race.watch(&mut fds)?;
        let mut until = race.until().map_or(Deadline::Never, Deadline::At);
        wait::poll(&mut fds, &mut until)?;
    }
}

/// How [`create_server`] listens.
#[derive(Clone, Copy, Default)]
pub struct Server {
    /// Connections the system holds ready.
    pub backlog: i32,
    /// SO_REUSEPORT: several sockets share the port.
    pub reuse_port: bool,
    /// An IPv6 socket that takes IPv4 as well.
    pub dual_stack: bool,
}

/// A listening TCP or Unix socket, as CPython's `socket.create_server` makes it: SO_REUSEADDR on
/// IP, IPV6_V6ONLY unless dual-stack.
///
/// # Errors
/// EINVAL for dual-stack on another family than IPv6, and those of bind(2) and listen(2).
pub fn create_server(addr: &Addr, how: Server) -> Result<Socket> {
    let family = addr.family();
    if how.dual_stack && family != libc::AF_INET6 {
        return Err(Error::os(libc::EINVAL));
    }
    let socket = Socket::new(family, libc::SOCK_STREAM, 0)?;
    let set = |level, name, on: bool| socket.setsockopt(level, name, &i32::from(on).to_ne_bytes());
    if matches!(family, libc::AF_INET | libc::AF_INET6) {
        set(libc::SOL_SOCKET, libc::SO_REUSEADDR, true)?;
    }
    if how.reuse_port {
        set(libc::SOL_SOCKET, libc::SO_REUSEPORT, true)?;
    }
    if family == libc::AF_INET6 {
        set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, !how.dual_stack)?;
    }
    socket.bind(addr)?;
    socket.listen(how.backlog)?;
    Ok(socket)
}
