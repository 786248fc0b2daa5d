//! The kernel's part of a poller: an epoll with a bell and, when needed, a timer.
//!
//! Their numbers stay the same for the poller's life. A new epoll takes over the number of the old
//! one (in a forked child, or when the kernel reports an entry that cannot be removed).

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::OnceLock;
use std::time::Duration;

use super::entry::Entry;
use crate::error::{Error, Result};
use crate::sys::own::Own;
use crate::sys::poll as sys;
use crate::watchers::Source;

/// The kernel's token of the bell.
pub(super) const BELL: u64 = u64::MAX;

/// The kernel's token of the timer.
pub(super) const TIMER: u64 = u64::MAX - 1;

pub(super) struct Kernel {
    epoll: Own,
    /// An eventfd; ends every wait while readable.
    bell: Own,
    /// A timerfd: readable when the first of the timers is due, or earlier.
    timer: OnceLock<Own>,
    /// An epoll that contains only that epoll, for other event loops: they would not notice when a
    /// new epoll takes over the number of ours.
    lent: OnceLock<Own>,
}

impl Kernel {
    pub(super) fn new() -> Result<Kernel> {
        let (epoll, bell) = (sys::epoll()?, sys::eventfd()?);
        let kernel = Kernel { epoll, bell, timer: OnceLock::new(), lent: OnceLock::new() };
        add_to(&kernel.epoll, &kernel.bell, BELL)?;
        Ok(kernel)
    }

    /// Sets the timer to expire after this time; `None` is never.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM, ENOSPC.
    pub(super) fn set_timer(&self, left: Option<Duration>) -> Result<()> {
        let timer = match self.timer.get() {
            Some(timer) => timer,
            None => {
                let timer = sys::timer()?;
                add_to(&self.epoll, &timer, TIMER)?;
                self.timer.get_or_init(|| timer)
            }
        };
        Ok(sys::set_timer(timer, left)?)
    }

    /// A descriptor for other event loops, which stays the same in this process.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM, ENOSPC.
    pub(super) fn lend(&self) -> Result<i32> {
        if self.lent.get().is_none() {
            let lent = sys::epoll()?;
            add_to(&lent, &self.epoll, 0)?;
            // Another thread may be faster, and then it is that one's.
            _ = self.lent.set(lent);
        }
        self.lent.get().map(|lent| lent.as_raw_fd()).ok_or(Error::os(libc::ENOMEM))
    }

    pub(super) fn fileno(&self) -> i32 {
        self.epoll.as_raw_fd()
    }

    /// Waits; `None` is for ever.
    pub(super) fn wait(
        &self,
        events: &mut [libc::epoll_event],
        time: Option<Duration>,
    ) -> std::io::Result<usize> {
        sys::epoll_wait(&self.epoll, events, time)
    }

    /// Registers an entry with the epoll, or changes or removes it.
    pub(super) fn ask(&self, op: i32, entry: &mut Entry, token: u64) -> Result<()> {
        ask(&self.epoll, op, entry, token)
    }

    pub(super) fn forget(&self, fd: i32) {
        // It may have been removed by a close, or was never registered; a leftover is recognised by
        // its token.
        let _ = sys::epoll_ctl(&self.epoll, libc::EPOLL_CTL_DEL, fd, 0, 0);
    }

    /// Makes the bell readable, or not.
    pub(super) fn ring(&self, on: bool) {
        // They fail only if the bell is in that state already.
        let _ = if on { sys::signal(&self.bell) } else { sys::drain(&self.bell) };
    }

    /// In a forked child: makes a new bell and timer, under the numbers of the parent's.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM; EBADF if the host has closed the numbers and uses them.
    pub(super) fn part(&self) -> Result<()> {
        let others = [self.timer.get(), self.lent.get()].into_iter().flatten();
        if others.chain([&self.epoll, &self.bell]).any(Own::is_strange) {
            return Err(Error::os(libc::EBADF));
        }
        sys::replace(sys::eventfd()?, &self.bell)?;
        if let Some(timer) = self.timer.get() {
            sys::replace(sys::timer()?, timer)?;
        }
        if let Some(lent) = self.lent.get() {
            sys::replace(sys::epoll()?, lent)?;
        }
        Ok(())
    }

    /// Replaces the epoll, under its number, by a new one with these entries.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM, ENOSPC.
    pub(super) fn renew<'a>(
        &self,
        entries: impl Iterator<Item = (u64, &'a mut Entry)>,
    ) -> Result<()> {
        let epoll = sys::epoll()?;
        add_to(&epoll, &self.bell, BELL)?;
        if let Some(timer) = self.timer.get() {
            add_to(&epoll, timer, TIMER)?;
        }
        for (token, entry) in entries {
            match ask(&epoll, libc::EPOLL_CTL_ADD, entry, token) {
                // Resources may be available the next time.
                Err(e) if e.is(libc::ENOMEM) || e.is(libc::ENOSPC) => return Err(e),
                // It was closed in this process, and its number may have been reused.
                _ => {}
            }
        }
        sys::replace(epoll, &self.epoll)?;
        if let Some(lent) = self.lent.get() {
            add_to(lent, &self.epoll, 0)?;
        }
        Ok(())
    }
}

/// Registers `fd` with `epoll` for reading.
fn add_to(epoll: &OwnedFd, fd: &OwnedFd, token: u64) -> Result<()> {
    let (add, fd) = (libc::EPOLL_CTL_ADD, fd.as_raw_fd());
    Ok(sys::epoll_ctl(epoll, add, fd, libc::EPOLLIN as u32, token)?)
}

fn ask(epoll: &OwnedFd, op: i32, entry: &mut Entry, token: u64) -> Result<()> {
    match sys::epoll_ctl(epoll, op, entry.fd, entry.asked, token) {
        // A plain file is always ready, and epoll refuses it.
        Err(e) if is_refused_file(&e, entry) => {
            entry.layered = true;
            Ok(())
        }
        other => Ok(other?),
    }
}

fn is_refused_file(e: &std::io::Error, entry: &Entry) -> bool {
    e.raw_os_error() == Some(libc::EPERM) && matches!(entry.source, Source::Fd(_))
}
