//! The kernel's part of a poller: an epoll with a bell and, when needed, a timer.
//!
//! Their numbers stay the same for the poller's life. A new epoll takes over the number of the old
//! one (in a forked child, or when the kernel reports an entry that cannot be removed).

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::entry::Entry;
use crate::error::{Error, Result};
use crate::sys::own::Own;
use crate::sys::{poll as sys, process};
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
    /// Not 0: the register knows of nothing to be done before the kernel is asked. Above the lowest bit
    /// [`process::forks`] when that was found, under the register's lock.
    quiet: AtomicU32,
    /// How many entries were taken out so far, changed with the register locked.
    taken: AtomicU32,
}

fn quiet_here() -> u32 {
    process::forks() << 1 | 1
}

impl Kernel {
    pub(super) fn new() -> Result<Kernel> {
        let (epoll, bell) = (sys::epoll()?, sys::eventfd()?);
        let kernel = Kernel {
            epoll,
            bell,
            timer: OnceLock::new(),
            lent: OnceLock::new(),
            quiet: AtomicU32::new(0),
            taken: AtomicU32::new(0),
        };
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
    pub(super) fn wait<'a>(
        &self,
        events: &'a mut [MaybeUninit<libc::epoll_event>],
        time: Option<Duration>,
    ) -> std::io::Result<&'a [libc::epoll_event]> {
        sys::epoll_wait(&self.epoll, events, time)
    }

    /// The same without a wait, for as many as there is room for.
    #[inline]
    pub(super) fn look<'a>(
        &self,
        events: &'a mut [MaybeUninit<libc::epoll_event>],
    ) -> std::io::Result<&'a [libc::epoll_event]> {
        sys::epoll_look(&self.epoll, events)
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

    /// Says whether the register knows of something to be done before the kernel is asked.
    pub(super) fn set_quiet(&self, quiet: bool) {
        if quiet != self.is_quiet() {
            self.quiet.store(if quiet { quiet_here() } else { 0 }, Ordering::Release);
        }
    }

    /// Whether a non-sleeping wait has nothing to do before it asks the kernel. The next wait
    /// reports later changes.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Acquire) == quiet_here()
    }

    /// How many entries were taken out so far, and out of the kernel's set.
    #[inline]
    pub(super) fn taken(&self) -> u32 {
        self.taken.load(Ordering::Acquire)
    }

    /// One more has been.
    pub(super) fn took(&self) {
        self.taken.store(self.taken().wrapping_add(1), Ordering::Release);
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
            entry.set_layered();
            Ok(())
        }
        other => Ok(other?),
    }
}

fn is_refused_file(e: &std::io::Error, entry: &Entry) -> bool {
    e.raw_os_error() == Some(libc::EPERM) && matches!(entry.source(), Source::Fd(_))
}
