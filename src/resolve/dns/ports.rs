//! The sockets for asking name servers.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use socket2::{Socket, Type};

use super::message;
use crate::addr::Addr;
use crate::sys::own::{Kind, Own};
use crate::sys::{memory, net, random};

/// How long a port sends questions; after that it only receives replies. A forger has to guess the
/// port while it is in use.
const FRESH: Duration = Duration::from_secs(10);
/// How long a port receives replies: longer than any question lasts.
const LIFE: Duration = Duration::from_secs(40);
/// More than a datagram without EDNS can have. Longer replies are left to the C library.
const LONGEST: usize = 1500;

/// See the module documentation.
pub struct Ports {
    /// The maximum number of sending sockets per server.
    most: usize,
    open: Vec<Port>,
}

struct Port {
    server: Addr,
    socket: Own,
    since: Instant,
}

impl Ports {
    /// Makes an empty set with at most `most` sending sockets per server.
    pub fn new(most: usize) -> Ports {
        Ports { most, open: Vec::new() }
    }

    /// Sends a message to a server, from a random port.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM, ENOBUFS; those of the way there.
    pub fn send(&mut self, server: &Addr, message: &[u8], now: Instant) -> io::Result<()> {
        self.open.retain(|port| now - port.since < LIFE);
        let fits = |port: &&Port| port.server == *server && now - port.since < FRESH;
        let fresh = self.open.iter().filter(fits).count();
        if fresh < self.most {
            match Port::open(*server, now) {
                Ok(port) => memory::push(&mut self.open, port)?,
                Err(e) if fresh == 0 => return Err(e),
                Err(_) => {} // Use another one.
            }
        }
        let fresh = self.open.iter().filter(fits).count();
        let any = usize::from_ne_bytes(random::bytes()?) % fresh.max(1);
        let port = self.open.iter().filter(fits).nth(any).ok_or(io::ErrorKind::NotFound)?;
        // The error may belong to an earlier message: then this one has not been sent yet.
        let sent = net::send_now(port.socket.as_fd(), message);
        sent.or_else(|_| net::send_now(port.socket.as_fd(), message)).map(drop)
    }

    /// Calls `put` for each message received, and for each server that cannot be reached.
    pub fn receive(&mut self, mut put: impl FnMut(&Addr, io::Result<&[u8]>)) {
        let mut message = [0; LONGEST];
        for port in &self.open {
            // All that have arrived, but a flood must not go on for ever.
            for _ in 0..256 {
                let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
                match net::recv_into(port.socket.as_fd(), &mut message, flags) {
                    Ok(len @ ..=LONGEST) => put(&port.server, Ok(&message[..len])),
                    Ok(_) => {
                        message::mark_truncated(&mut message);
                        put(&port.server, Ok(&message));
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => {
                        put(&port.server, Err(e));
                        break;
                    }
                }
            }
        }
    }

    /// Adds descriptors to poll.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn watch(&self, fds: &mut Vec<libc::pollfd>) -> io::Result<()> {
        memory::reserve(fds, self.open.len())?;
        fds.extend(self.open.iter().map(|port| libc::pollfd {
            fd: port.socket.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        }));
        Ok(())
    }
}

impl Port {
    fn open(server: Addr, since: Instant) -> io::Result<Port> {
        let kind = Type::DGRAM.cloexec().nonblocking();
        let socket = Socket::new(server.family().into(), kind, None)?;
        net::connect(socket.as_fd(), &server)?;
        Ok(Port { server, socket: Own::new(socket.into(), Kind::Socket), since })
    }
}
