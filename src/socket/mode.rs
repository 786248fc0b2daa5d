//! A socket's mode, its protection from other owners of the description, and waiting.
//!
//! `O_NONBLOCK` belongs to the open description, and so to all its descriptors: dups, forked
//! processes, and users of usocket_fileno. Calls with flags therefore pass the mode in them
//! (`MSG_DONTWAIT`). accept and connect have no such flag, and check `O_NONBLOCK` first when the
//! description may be shared.

use std::io;
use std::os::fd::{AsFd, RawFd};
use std::sync::atomic::Ordering;

use super::Socket;
use crate::error::{Error, Result};
use crate::sys::{net, process};
use crate::wait::limits::Limits;
use crate::wait::{self, Deadline};

/// Bits of a socket's state; all but the last are never cleared.
pub(super) mod state {
    /// A transfer is more than its system call: see `Socket::is_plain`.
    pub const SPECIAL: u8 = 1;
    /// Another owner may have a descriptor of the same description.
    pub const SHARED: u8 = 2;
    /// It is being closed: no operation may begin to wait.
    pub const ENDED: u8 = 4;
    /// It has a timeout or is non-blocking. This bit changes with the mode.
    pub const TIMED: u8 = 8;
}

/// The timeout of a socket with further limits: see [`Limits`].
const LIMITED: i64 = -2;

/// How often EAGAIN may contradict "ready" before the operation fails: more often than other
/// threads on the same listener cause it; a full Unix datagram peer always does.
pub(super) const CONTRADICTIONS: u32 = 4;

/// The flags of an operation's system calls.
#[derive(Clone, Copy)]
pub(super) struct Flags {
    /// The caller's.
    pub asked: i32,
    /// With those added by the mode.
    pub all: i32,
}

impl Socket {
    /// The timeout in microseconds; negative none, 0 non-blocking. With [`LIMITED`], the time left.
    #[inline]
    pub fn timeout_us(&self) -> i64 {
        let us = self.timeout.load(Ordering::Relaxed);
        if us == LIMITED { self.left_us() } else { us }
    }

    #[cold]
    fn left_us(&self) -> i64 {
        self.limits().map_or(-1, Limits::left_us)
    }

    /// The timeout as set.
    pub fn told_timeout_us(&self) -> i64 {
        let us = self.timeout.load(Ordering::Relaxed);
        if us == LIMITED { self.limits().map_or(-1, Limits::told) } else { us }
    }

    /// The limits, if they are in use.
    #[inline]
    pub(super) fn limits(&self) -> Option<&Limits> {
        self.watchers.limits()
    }

    /// Sets the mode: see the module documentation. One system call if blocking-ness changes.
    pub fn settimeout(&self, us: i64) -> Result<()> {
        let us = us.max(-1);
        let beside_limits = || {
            self.limit(|limits| {
                limits.tell(us);
                Ok(())
            })
        };
        if self.limits().is_some() {
            return beside_limits();
        }
        let old = self.timeout.swap(us, Ordering::AcqRel);
        // Another thread may just have set the first limit.
        if self.limits().is_some() {
            return beside_limits();
        }
        if (us < 0) == (old < 0) {
            return Ok(());
        }
        self.apply_mode().inspect_err(|_| {
            // Restore the old value, unless another thread has set it meanwhile.
            let _ = self.timeout.compare_exchange(us, old, Ordering::Relaxed, Ordering::Relaxed);
            self.note_mode();
        })
    }

    /// Sets a deadline for all operations from now on, a time of the monotonic clock; negative is none.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn set_deadline(&self, until_us: i64) -> Result<()> {
        self.limit(|limits| {
            limits.set_deadline(until_us.max(-1));
            Ok(())
        })
    }

    /// Makes present and future waits fail with ECANCELED, or resets that.
    ///
    /// # Errors
    /// EINVAL to cancel a socket that was not prepared for it; EMFILE, ENFILE, ENOMEM.
    pub fn cancel(&self, on: bool) -> Result<()> {
        if on && !self.limits().is_some_and(Limits::can_cancel) {
            return Err(Error::os(libc::EINVAL));
        }
        self.limit(|limits| limits.cancel(on))
    }

    /// Changes a limit, or the timeout while limits are in use. With a limit nothing blocks in the
    /// kernel's own calls.
    fn limit(&self, change: impl FnOnce(&Limits) -> Result<()>) -> Result<()> {
        let limits = self.watchers.limits_to_use()?;
        let _changing = limits.change.lock()?;
        self.make_special();
        if !limits.used() {
            limits.use_from_now();
            // Either a concurrent settimeout sees that limits are in use, or this sees its timeout.
            limits.tell(self.timeout.fetch_add(0, Ordering::AcqRel));
        }
        change(limits)?;
        let told = limits.told();
        let us = if told != 0 && limits.some() { LIMITED } else { told };
        let old = self.timeout.swap(us, Ordering::AcqRel);
        if (us == -1) == (old == -1) { Ok(()) } else { self.apply_mode() }
    }

    /// Sets `O_NONBLOCK` according to the mode; repeats if another thread changed the mode
    /// meanwhile.
    pub(super) fn apply_mode(&self) -> Result<()> {
        loop {
            let blocks = self.note_mode();
            net::set_nonblocking(self.fd.as_fd(), !blocks)?;
            if (self.timeout_us() < 0) == blocks {
                return Ok(());
            }
        }
    }

    /// Records for [`Socket::is_plain`] whether it blocks, and returns it.
    fn note_mode(&self) -> bool {
        let blocks = self.timeout_us() < 0;
        match blocks {
            true => self.state.fetch_and(!state::TIMED, Ordering::Relaxed),
            false => self.state.fetch_or(state::TIMED, Ordering::Relaxed),
        };
        blocks
    }

    /// The deadline of an operation that begins now.
    #[inline]
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after_us(self.timeout_us())
    }

    /// The descriptor's number, for use outside the library.
    pub fn lend(&self) -> RawFd {
        self.share();
        self.fileno()
    }

    /// Records that others may have a descriptor of its description.
    pub(super) fn share(&self) {
        self.fd.may_linger();
        self.state.fetch_or(state::SHARED, Ordering::Relaxed);
    }

    /// Call before a system call that must not block and that only `O_NONBLOCK` keeps from
    /// blocking: if another owner may have cleared the flag, checks and sets it.
    pub(super) fn keep_nonblocking(&self, blocks: bool) -> io::Result<()> {
        let shared =
            || self.state.load(Ordering::Relaxed) & state::SHARED != 0 || process::partings() != 0;
        let must_not_wait = if blocks { !self.close_wakes() } else { shared() };
        if must_not_wait && !net::is_nonblocking(self.fd.as_fd()).unwrap_or(false) {
            return net::set_nonblocking(self.fd.as_fd(), true);
        }
        Ok(())
    }

    /// The flags of an operation's system calls: the caller's `asked`, and those added by the mode.
    #[inline]
    pub(super) fn flags(&self, asked: i32, out: bool, blocks: bool) -> Flags {
        // MSG_DONTWAIT although the descriptor has O_NONBLOCK: another thread may be changing the
        // mode, or a process with the same description may have changed it.
        let mut all = if blocks { asked } else { asked | libc::MSG_DONTWAIT };
        if out {
            all |= libc::MSG_NOSIGNAL;
            // A Unix datagram socket would block on its peer's queue, and a close could not wake it
            // there.
            if self.family() == libc::AF_UNIX && self.kind() != libc::SOCK_STREAM {
                all |= libc::MSG_DONTWAIT;
            }
        }
        if !self.close_wakes() {
            all |= libc::MSG_DONTWAIT;
        }
        Flags { asked, all }
    }

    /// Whether shutdown(2) ends its waits in the kernel. It does for the common families; netlink
    /// and packet sockets, for example, have no shutdown.
    #[inline]
    pub(crate) fn close_wakes(&self) -> bool {
        matches!(self.family(), libc::AF_INET | libc::AF_INET6 | libc::AF_UNIX)
    }

    /// Ends the operations of other threads before a close.
    pub fn end_operations(&self) {
        self.state.fetch_or(state::ENDED, Ordering::Release);
        if !self.fd.is_strange() {
            net::end_operations(self.fd.as_fd());
        }
    }

    /// Replaces the descriptor by a dead one before a close: a thread that forked within a call may
    /// come back to it and must get EBADF. The connection stays open for the other process.
    pub fn give_up_number(&self) {
        self.state.fetch_or(state::ENDED, Ordering::Release);
        if !self.fd.is_strange() {
            net::give_up_number(self.fd.as_fd());
        }
    }

    /// EBADF when it is being closed: ends a retry loop that nothing else would end.
    pub(super) fn live(&self) -> Result<()> {
        match self.state.load(Ordering::Acquire) & state::ENDED {
            0 if self.limits().is_some_and(Limits::cancelled) => Err(Error::os(libc::ECANCELED)),
            0 => Ok(()),
            _ => Err(Error::os(libc::EBADF)),
        }
    }

    /// Waits for one of `events`, or an error or hang-up; returns the events.
    ///
    /// # Errors
    /// EBADF when it is closed, ETIMEDOUT at the deadline, and those of [`wait::poll`].
    pub(super) fn wait_for(&self, events: i16, deadline: &mut Deadline) -> Result<i16> {
        loop {
            self.live()?;
            if let Some(limits) = self.limits() {
                if let Some(seen) = self.wait_within(limits, events, deadline)? {
                    return Ok(seen);
                }
                continue;
            }
            if self.close_wakes() {
                return wait::events(self.fd.as_fd(), events, deadline);
            }
            if let Some(seen) = wait::events_unheard(self.fd.as_fd(), events, deadline)? {
                return Ok(seen);
            }
        }
    }

    /// One wait of [`Socket::wait_for`] with limits; `None` when it has to be repeated.
    #[cold]
    fn wait_within(
        &self,
        limits: &Limits,
        events: i16,
        deadline: &mut Deadline,
    ) -> Result<Option<i16>> {
        if self.close_wakes() {
            let seen = limits.wait(self.fd.as_fd(), events, deadline)?;
            return seen.map_or(Err(Error::os(libc::ETIMEDOUT)), |seen| Ok(Some(seen)));
        }
        let mut part = wait::at_most(wait::UNHEARD, deadline);
        let late = part.is_now();
        match limits.wait(self.fd.as_fd(), events, &mut part)? {
            None if late => Err(Error::os(libc::ETIMEDOUT)),
            seen => Ok(seen),
        }
    }

    /// Whether it makes sense to wait for `events` after EAGAIN, after `tries` tries.
    #[cold]
    pub(super) fn waiting_helps(
        &self,
        events: i16,
        flags: Flags,
        deadline: &Deadline,
        tries: u32,
    ) -> bool {
        // The kernel never waits for the error queue or urgent data; poll would report other data.
        let at_once = match events {
            libc::POLLIN => libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE | libc::MSG_OOB,
            _ => libc::MSG_DONTWAIT,
        };
        if deadline.is_now() || flags.asked & at_once != 0 {
            return false;
        }
        // A blocking call gets EAGAIN repeatedly although poll says "ready". (A single EAGAIN is
        // SO_RCVTIMEO, which is ignored here.)
        let blocks = deadline.is_never() && flags.all & libc::MSG_DONTWAIT == 0;
        if blocks && tries > CONTRADICTIONS {
            return net::is_nonblocking(self.fd.as_fd()).unwrap_or(false);
        }
        // The send buffer is not the reason: no local port is available.
        let portless = tries > 0
            && events == libc::POLLOUT
            && self.family() != libc::AF_UNIX
            && self.kind() != libc::SOCK_STREAM
            && self.getsockname().and_then(|a| a.port()) == Ok(0);
        !portless
    }
}
