//! create_connection and create_server: what most programs do with several calls, in one.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use crate::addr::Addr;
use crate::error::{Error, Result};
use crate::resolve;
use crate::socket::Socket;
use crate::sys::names::{Answer, Query};
use crate::wait::{self, Deadline};

/// "Connection Attempt Delay" of RFC 8305, section 5.
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to a host by name: all its addresses, families taking turns, a new attempt every
/// 250 ms or as soon as one fails, the first to connect wins (RFC 8305, "Happy Eyeballs").
///
/// One deadline covers names and connecting; the socket then has that timeout.
///
/// # Errors
/// EINVAL for a timeout of 0; those of the resolver; ETIMEDOUT; EINTR (event hook); else that of the most telling attempt.
pub fn create_connection(query: Query, timeout_us: i64, source: Option<&Addr>) -> Result<Socket> {
    if timeout_us == 0 {
        return Err(Error::os(libc::EINVAL));
    }
    let mut deadline = Deadline::after_us(timeout_us);
    let answers = resolve::getaddrinfo_within(query, &mut deadline)?;
    let mut waiting = interleave(answers);
    let mut running = Vec::new();
    let mut worst: Option<Error> = None;
    loop {
        let begun = Instant::now();
        while let Some(next) = waiting.pop_front() {
            match begin(&next, source) {
                Ok((socket, true)) => return finish(socket, timeout_us),
                Ok((socket, false)) => {
                    running.push(socket);
                    break;
                }
                Err(e) => worst = Some(more_telling(worst, e)),
            }
        }
        if running.is_empty() {
            return Err(worst.unwrap_or(Error::eai(libc::EAI_NONAME)));
        }
        let more = !waiting.is_empty();
        if let Some(socket) = first_of(&mut running, &mut worst, begun, more, &mut deadline)? {
            return finish(socket, timeout_us);
        }
    }
}

/// Waits for an attempt to connect (`Some`), or for the time to begin another (`None`).
fn first_of(
    running: &mut Vec<Socket>,
    worst: &mut Option<Error>,
    begun: Instant,
    more: bool,
    deadline: &mut Deadline,
) -> Result<Option<Socket>> {
    while !running.is_empty() {
        let mut fds: Vec<_> = running
            .iter()
            .map(|s| libc::pollfd { fd: s.as_fd().as_raw_fd(), events: libc::POLLOUT, revents: 0 })
            .collect();
        let next = begun + STAGGER;
        let mut until = match deadline.remaining() {
            Some(left) if more && Instant::now() + left > next => Deadline::At(next),
            Some(left) => Deadline::At(Instant::now() + left),
            None if more => Deadline::At(next),
            None => Deadline::Never,
        };
        if wait::poll(&mut fds, &mut until)? == 0 {
            return match deadline.remaining() {
                Some(Duration::ZERO) => Err(Error::os(libc::ETIMEDOUT)),
                _ => Ok(None),
            };
        }
        // From the back, so that removing one leaves the places of those before it.
        for (at, fd) in fds.iter().enumerate().rev() {
            if fd.revents == 0 {
                continue;
            }
            match running[at].take_error() {
                Ok(()) => return Ok(Some(running.swap_remove(at))),
                Err(e) => {
                    *worst = Some(more_telling(*worst, e));
                    running.swap_remove(at);
                }
            }
        }
        if more {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Begins an attempt; true when it is connected already.
fn begin(to: &Answer, source: Option<&Addr>) -> Result<(Socket, bool)> {
    let socket = Socket::new(to.family, to.kind, to.proto)?;
    if let Some(source) = source {
        socket.bind(source)?;
    }
    socket.settimeout(0)?;
    match socket.connect(&to.addr) {
        Ok(()) => Ok((socket, true)),
        Err(e) if e.is(libc::EINPROGRESS) => Ok((socket, false)),
        Err(e) => Err(e),
    }
}

fn finish(socket: Socket, timeout_us: i64) -> Result<Socket> {
    socket.settimeout(timeout_us)?;
    Ok(socket)
}

/// The resolver's order, with the families taking turns (RFC 8305, section 4).
fn interleave(answers: Vec<Answer>) -> VecDeque<Answer> {
    let first = answers.first().map_or(0, |a| a.family);
    let (mut same, mut other): (VecDeque<_>, VecDeque<_>) =
        answers.into_iter().partition(|a| a.family == first);
    let mut order = VecDeque::new();
    while !same.is_empty() || !other.is_empty() {
        order.extend(same.pop_front());
        order.extend(other.pop_front());
    }
    order
}

/// Of two failures the one that says more about the host: that it answered, before that the way
/// to it failed, before that this machine has no such way. Of two alike, the first.
fn more_telling(old: Option<Error>, new: Error) -> Error {
    let rank = |e: Error| match -e.code() {
        libc::ECONNREFUSED | libc::ECONNRESET | libc::EACCES | libc::EPERM => 3,
        libc::ETIMEDOUT | libc::EHOSTUNREACH => 2,
        libc::ENETUNREACH | libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT => 0,
        _ => 1,
    };
    match old {
        Some(old) if rank(old) >= rank(new) => old,
        _ => new,
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
