//! Sending and receiving, and the loop of trying and waiting behind every socket operation.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use super::Socket;
use super::mode::{CONTRADICTIONS, Flags, state};
use crate::addr::Addr;
use crate::error::causes::USOCKET_ETLS_NOT_WRAPPED;
use crate::error::{Error, Result};
use crate::numbers::USOCKET_IPPROTO_SEC as IPPROTO_SEC;
use crate::sys::net;
use crate::wait::{self, Deadline};

/// The state of an operation when a step of it begins.
pub(crate) enum Start {
    /// The first step: an error kept from an earlier operation is reported instead.
    Fresh,
    /// Its first system call has failed already.
    Failed(io::Error),
    /// A later step.
    Further,
}

/// The result of an operation's first system call: the number of bytes, or the start of the slow
/// path. The code up to here does not panic.
pub(crate) type First = std::result::Result<usize, Start>;

impl Socket {
    /// recv(2)
    pub fn recv(&self, buf: &mut [MaybeUninit<u8>], flags: i32) -> Result<usize> {
        let first = self.try_recv(buf, flags);
        self.recv_on(first, buf, flags)
    }

    /// The system call of a plain socket; otherwise the start for [`Socket::recv_on`].
    #[inline]
    pub(crate) fn try_recv(&self, buf: &mut [MaybeUninit<u8>], flags: i32) -> First {
        self.plainly_unless_truncated(flags, || net::recv(self.fd.as_fd(), buf, flags))
    }

    /// recv(2) after its first system call.
    pub(crate) fn recv_on(
        &self,
        first: First,
        buf: &mut [MaybeUninit<u8>],
        flags: i32,
    ) -> Result<usize> {
        first.or_else(|start| self.recv_step(start, buf, flags, &mut self.deadline()))
    }

    /// One recv(2) within an operation's deadline, waiting as the mode allows.
    #[inline(never)]
    pub(crate) fn recv_step(
        &self,
        start: Start,
        buf: &mut [MaybeUninit<u8>],
        flags: i32,
        deadline: &mut Deadline,
    ) -> Result<usize> {
        let failed = self.begin(start, true)?;
        if let Some(tls) = self.session() {
            return tls.recv(self, buf, flags, deadline);
        }
        self.carries_data()?;
        let flags = self.flags(flags, false, deadline.is_never());
        self.zero_discarded(flags, buf);
        let n = self.attempt(failed, libc::POLLIN, flags, deadline, || {
            net::recv(self.fd.as_fd(), buf, flags.all)
        })?;
        Ok(received(n, buf))
    }

    /// recvfrom(2); writes the sender's address to `from`, and no other bytes of it.
    /// [`Socket::try_recvfrom`] makes the first system call.
    #[inline(never)]
    pub(crate) fn recvfrom_on(
        &self,
        first: First,
        buf: &mut [MaybeUninit<u8>],
        flags: i32,
        from: &mut MaybeUninit<Addr>,
    ) -> Result<usize> {
        let start = match first {
            Ok(n) => return Ok(n),
            Err(start) => start,
        };
        let mut deadline = self.deadline();
        let failed = self.begin(start, true)?;
        if let Some(tls) = self.session() {
            let n = tls.recv(self, buf, flags, &mut deadline)?;
            from.write(Addr::default());
            return Ok(n);
        }
        self.carries_data()?;
        let flags = self.flags(flags, false, deadline.is_never());
        self.zero_discarded(flags, buf);
        let n = self.attempt(failed, libc::POLLIN, flags, &mut deadline, || {
            net::recvfrom(self.fd.as_fd(), buf, flags.all, from)
        })?;
        Ok(received(n, buf))
    }

    /// The system call of a plain socket; otherwise the start for [`Socket::recvfrom_on`].
    #[inline]
    pub(crate) fn try_recvfrom(
        &self,
        buf: &mut [MaybeUninit<u8>],
        flags: i32,
        from: &mut MaybeUninit<Addr>,
    ) -> First {
        self.plainly_unless_truncated(flags, || net::recvfrom(self.fd.as_fd(), buf, flags, from))
    }

    /// send(2)
    pub fn send(&self, buf: &[u8], flags: i32) -> Result<usize> {
        self.send_on(self.try_send(buf, flags), buf, flags)
    }

    /// send(2) after its first system call.
    pub(crate) fn send_on(&self, first: First, buf: &[u8], flags: i32) -> Result<usize> {
        first.or_else(|start| self.send_step(start, buf, flags, &mut self.deadline()))
    }

    /// The system call of a plain socket; otherwise the start for [`Socket::send_on`].
    #[inline]
    pub(crate) fn try_send(&self, buf: &[u8], flags: i32) -> First {
        self.plainly(|| net::send(self.fd.as_fd(), buf, flags | libc::MSG_NOSIGNAL))
    }

    /// One send(2) within an operation's deadline, waiting as the mode allows.
    #[inline(never)]
    pub(crate) fn send_step(
        &self,
        start: Start,
        buf: &[u8],
        flags: i32,
        deadline: &mut Deadline,
    ) -> Result<usize> {
        let failed = self.begin(start, false)?;
        if let Some(tls) = self.session() {
            return tls.send(self, buf, flags, deadline);
        }
        self.carries_data()?;
        let flags = self.flags(flags, true, deadline.is_never());
        self.attempt(failed, libc::POLLOUT, flags, deadline, || {
            net::send(self.fd.as_fd(), buf, flags.all)
        })
    }

    /// The system call of a plain socket; otherwise the start for [`Socket::sendto_on`].
    #[inline]
    pub(crate) fn try_sendto(&self, buf: &[u8], flags: i32, addr: &Addr) -> First {
        self.plainly(|| net::sendto(self.fd.as_fd(), buf, flags | libc::MSG_NOSIGNAL, addr))
    }

    /// sendto(2) after its first system call.
    #[inline(never)]
    pub(crate) fn sendto_on(
        &self,
        first: First,
        buf: &[u8],
        flags: i32,
        addr: &Addr,
    ) -> Result<usize> {
        let start = match first {
            Ok(n) => return Ok(n),
            Err(start) => start,
        };
        let mut deadline = self.deadline();
        let failed = self.begin(start, false)?;
        if self.session().is_some() {
            return Err(Error::os(libc::EISCONN));
        }
        self.carries_data()?;
        let flags = self.flags(flags, true, deadline.is_never());
        self.attempt(failed, libc::POLLOUT, flags, &mut deadline, || {
            net::sendto(self.fd.as_fd(), buf, flags.all, addr)
        })
    }

    /// Makes a plain socket's system call. If it fails, or the socket is not plain, the operation
    /// takes the slow path, which continues from that result.
    #[inline]
    pub(super) fn plainly<T>(
        &self,
        op: impl FnOnce() -> io::Result<T>,
    ) -> std::result::Result<T, Start> {
        if self.is_plain() { op().map_err(Start::Failed) } else { Err(Start::Fresh) }
    }

    /// The same for a call that receives.
    #[inline]
    pub(super) fn plainly_unless_truncated<T>(
        &self,
        flags: i32,
        op: impl FnOnce() -> io::Result<T>,
    ) -> std::result::Result<T, Start> {
        if flags & libc::MSG_TRUNC == 0 { self.plainly(op) } else { Err(Start::Fresh) }
    }

    /// On a stream MSG_TRUNC discards the bytes it counts and writes nothing: fills the buffer with
    /// zeroes, so that its old content is not taken for data.
    pub(super) fn zero_discarded(&self, flags: Flags, buf: &mut [MaybeUninit<u8>]) {
        if flags.asked & libc::MSG_TRUNC != 0 && self.kind() == libc::SOCK_STREAM {
            buf.fill(MaybeUninit::new(0));
        }
    }

    /// Whether sending and receiving are one system call each on this socket: it blocks in the
    /// kernel, has no TLS (nor IPPROTO_SEC), is not a Unix datagram socket, and never kept an
    /// error. Almost every call checks only this.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.state.load(Ordering::Relaxed) & (state::SPECIAL | state::TIMED) == 0
    }

    /// Keeps an error for the next call in that direction.
    pub(crate) fn keep_late(&self, incoming: bool, e: Error) {
        self.make_special();
        self.late_of(incoming).store(e.code(), Ordering::Relaxed);
    }

    /// Whether the next receiving call will report this error.
    pub(crate) fn late_is(&self, code: i32) -> bool {
        self.late_of(true).load(Ordering::Relaxed) == code
    }

    /// Reports the error kept for that direction, once.
    pub(crate) fn late(&self, incoming: bool) -> Result<()> {
        let late = self.late_of(incoming);
        if late.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        Error::from_code(late.swap(0, Ordering::Relaxed)).map_or(Ok(()), Err)
    }

    /// The error of a step's first system call, if it was made already.
    ///
    /// # Errors
    /// The error kept for that direction, at the start of an operation.
    #[inline]
    pub(super) fn begin(&self, start: Start, incoming: bool) -> Result<Option<io::Error>> {
        match start {
            Start::Fresh => self.late(incoming).map(|()| None),
            Start::Failed(e) => Ok(Some(e)),
            Start::Further => Ok(None),
        }
    }

    fn late_of(&self, incoming: bool) -> &AtomicI32 {
        if incoming { &self.late_in } else { &self.late_out }
    }

    /// Fails for an `IPPROTO_SEC` socket that is not wrapped.
    #[inline]
    pub(super) fn carries_data(&self) -> Result<()> {
        if self.proto == IPPROTO_SEC { Err(Error::tls(USOCKET_ETLS_NOT_WRAPPED)) } else { Ok(()) }
    }

    /// Makes a sending call that has no flag for not waiting.
    pub(crate) fn without_flags<T>(
        &self,
        deadline: &mut Deadline,
        mut op: impl FnMut() -> io::Result<T>,
    ) -> Result<T> {
        self.carries_data()?;
        let blocks = deadline.is_never();
        let flags = self.flags(0, true, blocks);
        self.attempt(None, libc::POLLOUT, flags, deadline, || {
            self.keep_nonblocking(blocks)?;
            op()
        })
    }

    /// Tries `op`, unless it has `failed` already; while it gives EAGAIN and waiting for `events`
    /// helps, waits and tries again.
    #[inline]
    pub(super) fn attempt<T>(
        &self,
        failed: Option<io::Error>,
        events: i16,
        flags: Flags,
        deadline: &mut Deadline,
        mut op: impl FnMut() -> io::Result<T>,
    ) -> Result<T> {
        match failed.map_or_else(&mut op, Err) {
            Ok(v) => Ok(v),
            Err(e) => self.attempt_again(e, events, flags, deadline, op),
        }
    }

    #[cold]
    fn attempt_again<T>(
        &self,
        mut error: io::Error,
        events: i16,
        flags: Flags,
        deadline: &mut Deadline,
        mut op: impl FnMut() -> io::Result<T>,
    ) -> Result<T> {
        for tries in 0u32.. {
            match error.raw_os_error() {
                Some(libc::EINTR) => {
                    wait::interrupted()?;
                    self.live()?;
                    // Only signals came: they do not postpone the deadline.
                    if tries > CONTRADICTIONS && deadline.remaining() == Some(Duration::ZERO) {
                        let late = if deadline.is_now() { libc::EAGAIN } else { libc::ETIMEDOUT };
                        return Err(Error::os(late));
                    }
                }
                Some(libc::EAGAIN) if self.waiting_helps(events, flags, deadline, tries) => {
                    self.wait_for(events, deadline)?;
                    if tries > CONTRADICTIONS {
                        wait::moment(deadline)?;
                    }
                }
                _ => break,
            }
            match op() {
                Ok(v) => return Ok(v),
                Err(e) => error = e,
            }
        }
        Err(error.into())
    }
}

/// The number of bytes received into the buffer: with MSG_TRUNC `n` is the length of the datagram,
/// which is returned only to callers without a buffer.
fn received(n: usize, buf: &[MaybeUninit<u8>]) -> usize {
    if buf.is_empty() { n } else { n.min(buf.len()) }
}
