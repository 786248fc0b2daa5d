//! What goes through a socket: sending, receiving, and the one loop of trying and waiting that every
//! operation of a socket is.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicI32, Ordering};

use super::{IPPROTO_SEC, Socket};
use crate::addr::Addr;
use crate::error::{Error, Result};
use crate::sys::net;
use crate::tls::code::USOCKET_ETLS_NOT_WRAPPED;
use crate::wait::{self, Deadline};

impl Socket {
    /// recv(2)
    #[inline]
    pub fn recv(&self, buf: &mut [MaybeUninit<u8>], flags: i32) -> Result<usize> {
        take_late(&self.late_in)?;
        self.recv_within(buf, flags, &mut self.deadline())
    }

    /// recvfrom(2)
    pub fn recvfrom(&self, buf: &mut [MaybeUninit<u8>], flags: i32) -> Result<(usize, Addr)> {
        take_late(&self.late_in)?;
        if let Some(tls) = self.session() {
            let n = tls.recv(self, buf, flags, &mut self.deadline())?;
            return Ok((n, Addr::default()));
        }
        self.carries_data()?;
        let all = flags | self.mode_flags(false);
        self.attempt(libc::POLLIN, flags, &mut self.deadline(), || {
            net::recvfrom(self.inner.as_fd(), buf, all)
        })
    }

    /// send(2)
    #[inline]
    pub fn send(&self, buf: &[u8], flags: i32) -> Result<usize> {
        take_late(&self.late_out)?;
        self.send_within(buf, flags, &mut self.deadline())
    }

    /// sendto(2)
    pub fn sendto(&self, buf: &[u8], flags: i32, addr: &Addr) -> Result<usize> {
        take_late(&self.late_out)?;
        if self.session().is_some() {
            return Err(Error::os(libc::EISCONN));
        }
        self.carries_data()?;
        let all = flags | self.mode_flags(true);
        self.attempt(libc::POLLOUT, flags, &mut self.deadline(), || {
            net::sendto(self.inner.as_fd(), buf, all, addr)
        })
    }

    /// A deadline for one operation begun now.
    #[inline]
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after_us(self.timeout_us())
    }

    /// One recv(2) within an operation's deadline, late errors left alone.
    #[inline]
    pub(crate) fn recv_within(
        &self,
        buf: &mut [MaybeUninit<u8>],
        flags: i32,
        deadline: &mut Deadline,
    ) -> Result<usize> {
        if let Some(tls) = self.session() {
            return tls.recv(self, buf, flags, deadline);
        }
        self.carries_data()?;
        let all = flags | self.mode_flags(false);
        self.attempt(libc::POLLIN, flags, deadline, || self.inner.recv_with_flags(buf, all))
    }

    /// One send(2) within an operation's deadline, late errors left alone.
    #[inline]
    pub(crate) fn send_within(
        &self,
        buf: &[u8],
        flags: i32,
        deadline: &mut Deadline,
    ) -> Result<usize> {
        if let Some(tls) = self.session() {
            return tls.send(self, buf, flags, deadline);
        }
        self.carries_data()?;
        let all = flags | self.mode_flags(true);
        self.attempt(libc::POLLOUT, flags, deadline, || self.inner.send_with_flags(buf, all))
    }

    /// Keeps an error for the next call in that direction.
    pub(crate) fn keep_late(&self, incoming: bool, e: Error) {
        let late = if incoming { &self.late_in } else { &self.late_out };
        late.store(e.code(), Ordering::Relaxed);
    }

    /// Reports the error kept for that direction, once.
    pub(crate) fn late(&self, incoming: bool) -> Result<()> {
        take_late(if incoming { &self.late_in } else { &self.late_out })
    }

    /// An `IPPROTO_SEC` socket carries nothing before it is wrapped.
    #[inline]
    fn carries_data(&self) -> Result<()> {
        if self.proto == IPPROTO_SEC { Err(Error::tls(USOCKET_ETLS_NOT_WRAPPED)) } else { Ok(()) }
    }

    /// What the mode adds to a call's flags.
    #[inline]
    fn mode_flags(&self, out: bool) -> i32 {
        // MSG_DONTWAIT although the descriptor has O_NONBLOCK: another thread may be changing the
        // mode, and a process that shares the description may have changed it.
        let mut flags = if self.timeout_us() < 0 { 0 } else { libc::MSG_DONTWAIT };
        if out {
            flags |= libc::MSG_NOSIGNAL;
            // A Unix datagram socket blocks on its peer's queue, where a close could not wake it.
            if self.family == libc::AF_UNIX && self.kind != libc::SOCK_STREAM {
                flags |= libc::MSG_DONTWAIT;
            }
        }
        flags
    }

    /// Tries `op`; while it says EAGAIN and the mode allows, waits for `events` and tries again.
    #[inline]
    pub(super) fn attempt<T>(
        &self,
        events: i16,
        flags: i32,
        deadline: &mut Deadline,
        mut op: impl FnMut() -> io::Result<T>,
    ) -> Result<T> {
        match op() {
            Ok(v) => Ok(v),
            Err(e) => self.attempt_again(e, events, flags, deadline, op),
        }
    }

    #[cold]
    fn attempt_again<T>(
        &self,
        mut error: io::Error,
        events: i16,
        flags: i32,
        deadline: &mut Deadline,
        mut op: impl FnMut() -> io::Result<T>,
    ) -> Result<T> {
        /// How often "ready" may be contradicted by EAGAIN before a pause: more often than other
        /// threads on the same listener would, and what a full Unix datagram peer always does.
        const CONTRADICTIONS: u32 = 4;
        let may_wait = self.timeout_us() != 0 && flags & libc::MSG_DONTWAIT == 0;
        for tries in 0u32.. {
            match error.raw_os_error() {
                Some(libc::EINTR) => wait::interrupted()?,
                Some(libc::EAGAIN) if may_wait => {
                    wait::fd(self.inner.as_fd(), events, deadline)?;
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

#[inline]
fn take_late(late: &AtomicI32) -> Result<()> {
    if late.load(Ordering::Relaxed) == 0 {
        return Ok(());
    }
    match Error::from_code(late.swap(0, Ordering::Relaxed)) {
        Some(e) => Err(e),
        None => Ok(()),
    }
}
