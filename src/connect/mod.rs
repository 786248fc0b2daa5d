//! create_connection and create_server: the usual sequences of calls, in one.

use crate::addr::Addr;
use crate::error::{Error, Result, explain};
use crate::numbers::{USOCKET_SERVER_DUAL_STACK, USOCKET_SERVER_REUSE_PORT};
use crate::socket::Socket;
use crate::sys::names::Query;
use crate::wait::{self, Deadline};

mod connection;
mod lookups;
mod race;

pub use connection::{Connection, Failure};
use race::Race;

/// Connects to a host by name, by means of a [`Race`]. One deadline covers resolving and
/// connecting; the socket then has that timeout.
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
        wait::few(&mut fds, &mut until)?;
    }
}

/// A listening TCP or Unix socket, as CPython's `socket.create_server` makes it: SO_REUSEADDR on
/// IP, IPV6_V6ONLY unless dual-stack. `flags` are `USOCKET_SERVER_*`.
///
/// # Errors
/// EINVAL for another flag and for dual-stack on another family than IPv6, and those of bind(2) and
/// listen(2).
pub fn create_server(addr: &Addr, backlog: i32, flags: i32) -> Result<Socket> {
    let family = addr.family();
    let asked = |flag| flags & flag != 0;
    let unknown = asked(!(USOCKET_SERVER_REUSE_PORT | USOCKET_SERVER_DUAL_STACK));
    if unknown || asked(USOCKET_SERVER_DUAL_STACK) && family != libc::AF_INET6 {
        return Err(Error::os(libc::EINVAL));
    }
    let socket = Socket::new(family, libc::SOCK_STREAM, 0)?;
    let set = |level, name, on: bool| socket.setsockopt(level, name, &i32::from(on).to_ne_bytes());
    if matches!(family, libc::AF_INET | libc::AF_INET6) {
        set(libc::SOL_SOCKET, libc::SO_REUSEADDR, true)?;
    }
    if asked(USOCKET_SERVER_REUSE_PORT) {
        set(libc::SOL_SOCKET, libc::SO_REUSEPORT, true)?;
    }
    if family == libc::AF_INET6 {
        set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, !asked(USOCKET_SERVER_DUAL_STACK))?;
    }
    socket.bind(addr)?;
    socket.listen(backlog)?;
    Ok(socket)
}
