//! What carries a session's records: a socket, or buffers that the caller moves.

use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use crate::error::{Error, Result};
use crate::sys::net;
use crate::wait::limits::Limits;
use crate::wait::{self, Deadline};

/// All that a session knows of what is beneath it.
///
/// Where there is a descriptor, it is all in it; where there is none, `send_now` and `recv` are given,
/// and `timeout_us` is 0: there is nothing to wait on.
pub trait Transport {
    /// The descriptor.
    fn fd(&self) -> Option<BorrowedFd<'_>>;
    /// The mode: microseconds, negative for none, 0 for non-blocking.
    fn timeout_us(&self) -> i64;
    /// Tells pollers that their answer may be another now: they see only what the kernel sees.
    fn changed(&self);
    /// Where it is connected to.
    fn peer(&self) -> Option<IpAddr>;

    /// What limits its waits, if there is more than the mode.
    fn limits(&self) -> Option<&Limits> {
        None
    }

    /// How much it is sure to take at once, counting what the kernel adds; `None` when that cannot be
    /// known.
    fn room(&self) -> Option<usize> {
        None
    }

    /// Makes it take `more` bytes beyond what it would, if that can be done.
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
        // Whatever else is wrong, its use will tell.
        let asked = self.fd().map_or(Ok(()), |fd| net::getpeername(fd).map(drop));
        !matches!(asked, Err(e) if e.raw_os_error() == Some(libc::ENOTCONN))
    }
}

#[cold]
fn nothing() -> io::Error {
    io::Error::from_raw_os_error(libc::EAGAIN)
}

impl dyn Transport + '_ {
    /// A deadline for one operation begun now.
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

    /// The same up to a signal: whether there was one. The hook has not run.
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

    /// Takes what arrives until the peer has had time to read what it was told: it may have sent much
    /// before, and a reset would overtake the alert.
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

    /// Tells the kernel that somebody wants to send: who has asked for edges gets one.
    pub fn want_room(&self) {
        // What it would say is not asked: the question is what arms the edge.
        let _ = self.wait(libc::POLLOUT, &mut Deadline::after_us(0));
    }

    /// Takes what has arrived out of the kernel, such as the tickets of TLS 1.3: a descriptor closed
    /// with bytes unread resets the connection, and the reset may overtake what was sent (RFC 1122,
    /// 4.2.2.13).
    pub fn discard_input(&self) {
        const PIECES: usize = 16;
        let mut piece = [0; 4096];
        for _ in 0..PIECES {
            match self.recv(&mut piece, libc::MSG_DONTWAIT) {
                Ok(n) if n == piece.len() => {}
                _ => return, // Short means empty.
            }
        }
    }
}
