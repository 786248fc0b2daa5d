//! The carrier of a session's records: a socket, or buffers that the caller moves.

use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use crate::error::{Error, Result};
use crate::sys::net;
use crate::wait::limits::Limits;
use crate::wait::{self, Deadline};

/// The transport beneath a session.
///
/// With a descriptor the default methods suffice. Without one, `send_now` and `recv` must be
/// implemented, and `timeout_us` is 0, as there is nothing to wait on.
pub trait Transport {
    /// The descriptor.
    fn fd(&self) -> Option<BorrowedFd<'_>>;
    /// The mode: microseconds, negative for none, 0 for non-blocking.
    fn timeout_us(&self) -> i64;
    /// Notifies pollers that the session's readiness may have changed, since they see only the
    /// kernel's events.
    fn changed(&self);
    /// The peer's address.
    fn peer(&self) -> Option<IpAddr>;

    /// The limits of its waits besides the mode.
    fn limits(&self) -> Option<&Limits> {
        None
    }

    /// The number of bytes it certainly takes at once, including the kernel's overhead; `None` if
    /// unknown.
    fn room(&self) -> Option<usize> {
        None
    }

    /// Makes it take `more` additional bytes, if possible.
    fn widen(&self, more: usize) {
        let _ = more;
    }

    /// send(2) that does not wait.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.fd().map_or_else(|| Err(nothing()), |fd| net::send_now(fd, bytes))
    }

    /// recv(2) with `flags`.
    fn recv(&self, to: &mut [u8], flags: i32) -> io::Result<usize> {
        self.fd().map_or_else(|| Err(nothing()), |fd| net::recv_into(fd, to, flags))
    }

    /// Whether it has a peer.
    fn is_connected(&self) -> bool {
        // Other errors will show on use.
        let asked = self.fd().map_or(Ok(()), |fd| net::getpeername(fd).map(drop));
        !matches!(asked, Err(e) if e.raw_os_error() == Some(libc::ENOTCONN))
    }
}

#[cold]
fn nothing() -> io::Error {
    io::Error::from_raw_os_error(libc::EAGAIN)
}

impl dyn Transport + '_ {
    /// The deadline of an operation that begins now.
    pub fn deadline(&self) -> Deadline {
        Deadline::after_us(self.timeout_us())
    }

    /// Waits for one of `events`, or an error or hang-up.
    ///
    /// # Errors
    /// EAGAIN where there is nothing to wait on, and those of [`wait::fd`].
    pub fn wait(&self, events: i16, deadline: &mut Deadline) -> Result<()> {
        match (self.fd(), self.limits()) {
            (Some(fd), None) => wait::fd(fd, events, deadline),
            (Some(fd), Some(limits)) => match limits.wait(fd, events, deadline)? {
                None => Err(Error::os(libc::ETIMEDOUT)),
                Some(_) => Ok(()),
            },
            (None, _) => Err(Error::os(libc::EAGAIN)),
        }
    }

    /// The same up to a signal; returns whether there was one. The hook has not run.
    ///
    /// # Errors
    /// EAGAIN where there is nothing to wait on, and those of [`wait::fd_or_signal`].
    pub fn wait_or_signal(&self, events: i16, deadline: &mut Deadline) -> Result<bool> {
        match (self.fd(), self.limits()) {
            (Some(fd), None) => wait::fd_or_signal(fd, events, deadline),
            (Some(fd), Some(limits)) => {
                limits.wait_or_signal(fd, events, deadline).map(|seen| seen.is_none())
            }
            (None, _) => Err(Error::os(libc::EAGAIN)),
        }
    }

    /// Reads incoming data until the peer has had time to read the alert: unread data would cause a
    /// reset, which would overtake the alert.
    pub fn linger(&self) {
        const PATIENCE_US: i64 = 250_000;
        const MOST: usize = 1 << 20;
        let (mut piece, mut seen) = ([0; 4096], 0);
        let mut deadline = Deadline::after_us(PATIENCE_US);
        if self.fd().is_none_or(|fd| net::shut_out(fd).is_err()) {
            return;
        }
        while seen < MOST && self.wait(libc::POLLIN, &mut deadline).is_ok() {
            match self.recv(&mut piece, libc::MSG_DONTWAIT) {
                Ok(n) if n > 0 => seen += n,
                _ => return,
            }
        }
    }

    /// Tells the kernel that a send is waiting, so that edge-triggered polls get an event.
    pub fn want_room(&self) {
        // The result does not matter: the poll itself arms the edge.
        let _ = self.wait(libc::POLLOUT, &mut Deadline::after_us(0));
    }

    /// Reads and drops input in the kernel, such as TLS 1.3 tickets: closing a descriptor with
    /// unread bytes resets the connection, and the reset may overtake data sent before (RFC 1122,
    /// 4.2.2.13).
    pub fn discard_input(&self) {
        const PIECES: usize = 16;
        let mut piece = [0; 4096];
        for _ in 0..PIECES {
            match self.recv(&mut piece, libc::MSG_DONTWAIT) {
                Ok(n) if n == piece.len() => {}
                _ => return, // A short read means empty.
            }
        }
    }
}
