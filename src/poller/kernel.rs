//! The kernel's part of a poller: an epoll, and in it a bell and, once it is needed, a timer.
//!
//! Their numbers stay the same for the poller's life. Where another epoll is needed (in a forked
//! child, or when the kernel reports what cannot be taken out), it takes the number over.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::entry::Entry;
use super::register::Register;
use crate::error::{Error, Result};
use crate::sys::{poll as sys, process};
use crate::watchers::Source;

/// The kernel's token of the bell.
pub(super) const BELL: u64 = u64::MAX;

/// The kernel's token of the timer.
pub(super) const TIMER: u64 = u64::MAX - 1;

pub(super) struct Kernel {
    epoll: OwnedFd,
    /// An eventfd: readable, it ends every wait.
    bell: OwnedFd,
    /// A timerfd: readable when the first of the timers is due, or earlier.
    timer: OnceLock<OwnedFd>,
    /// An epoll with nothing but that epoll in it, for loops of others: where another epoll takes over
    /// the number of ours, theirs would not know.
    lent: OnceLock<OwnedFd>,
}

impl Kernel {
    pub(super) fn new() -> Result<Kernel> {
        let (epoll, bell) = (sys::epoll()?, sys::eventfd()?);
        let kernel = Kernel { epoll, bell, timer: OnceLock::new(), lent: OnceLock::new() };
        add_to(&kernel.epoll, &kernel.bell, BELL)?;
        Ok(kernel)
    }

    /// Makes sure that the kernel's timer goes off when the first of the timers is due.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM, ENOSPC.
    pub(super) fn set_timer(&self, register: &mut Register) -> Result<()> {
        let Some(next) = register.timers.next() else { return Ok(()) };
        // One that goes off too early is set anew then: to put a timer off costs nothing.
        if register.timers.set.is_some_and(|set| set <= next) {
            return Ok(());
        }
        let timer = match self.timer.get() {
            Some(timer) => timer,
            None => {
                let timer = sys::timer()?;
                add_to(&self.epoll, &timer, TIMER)?;
                self.timer.get_or_init(|| timer)
            }
        };
        sys::set_timer(timer, Some(next.saturating_duration_since(Instant::now())))?;
        register.timers.set = Some(next);
        Ok(())
    }

    /// The kernel's timer went off, and what was due has been taken out.
    pub(super) fn rearm_timer(&self, register: &mut Register) {
        let (now, next) = (Instant::now(), register.timers.next());
        // What is due and had no room is reported by the next wait.
        if next.is_none_or(|next| next > now) && register.is_ours() {
            let left = next.map(|next| next - now);
            // If it fails, the timer is still readable, and is looked at again.
            let done = self.timer.get().is_some_and(|timer| sys::set_timer(timer, left).is_ok());
            register.timers.set = if done { next } else { register.timers.set };
        }
    }

    /// A descriptor for the loops of others, which stays the same for as long as this process has it.
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
        self.lent.get().map(AsRawFd::as_raw_fd).ok_or(Error::os(libc::ENOMEM))
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

    /// Has an entry reported as it asks.
    pub(super) fn ask(&self, op: i32, entry: &mut Entry, token: u64) -> Result<()> {
        ask(&self.epoll, op, entry, token)
    }

    pub(super) fn forget(&self, fd: i32) {
        // It may be closed, which took it out, or was never in; what stays is known by its token.
        let _ = sys::epoll_ctl(&self.epoll, libc::EPOLL_CTL_DEL, fd, 0, 0);
    }

    /// Lets the bell be readable exactly while somebody is to be woken.
    pub(super) fn ring(&self, register: &mut Register) {
        let news = register.has_news();
        // A parent's bell is none of our business.
        if news != register.rung && register.is_ours() {
            register.rung = news;
            // They can only fail by being as they should already.
            let _ = if news { sys::signal(&self.bell) } else { sys::drain(&self.bell) };
        }
    }

    /// Makes sure that the epoll is this process's own, and true to the register. True when it is
    /// a new one.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM, ENOSPC. The next call tries again.
    pub(super) fn refresh(&self, register: &mut Register) -> Result<bool> {
        let ours = register.is_ours();
        // While others sleep in a haunted one, the bell calls them out.
        if ours && !(register.haunted && register.waiting == 0) {
            return Ok(false);
        }
        let epoll = sys::epoll()?;
        if !ours {
            sys::replace(&sys::eventfd()?, &self.bell)?;
            // None of those who slept is in this process.
            (register.rung, register.waiting, register.waits) = (false, 0, 0);
            register.timers.set = None;
            if let Some(timer) = self.timer.get() {
                sys::replace(&sys::timer()?, timer)?;
            }
            if let Some(lent) = self.lent.get() {
                sys::replace(&sys::epoll()?, lent)?;
            }
        }
        add_to(&epoll, &self.bell, BELL)?;
        if let Some(timer) = self.timer.get() {
            add_to(&epoll, timer, TIMER)?;
        }
        for (token, entry) in register.entries() {
            match ask(&epoll, libc::EPOLL_CTL_ADD, entry, token) {
                // What there is too little of may be there the next time.
                Err(e) if e.is(libc::ENOMEM) || e.is(libc::ENOSPC) => return Err(e),
                // It was closed in this process, and its number may be another's by now.
                _ => {}
            }
        }
        sys::replace(&epoll, &self.epoll)?;
        if let Some(lent) = self.lent.get() {
            add_to(lent, &self.epoll, 0)?;
        }
        self.set_timer(register)?;
        register.forks = process::forks();
        register.haunted = false;
        Ok(true)
    }
}

/// Has `epoll` say when `fd` is readable.
fn add_to(epoll: &OwnedFd, fd: &OwnedFd, token: u64) -> Result<()> {
    let (add, fd) = (libc::EPOLL_CTL_ADD, fd.as_raw_fd());
    Ok(sys::epoll_ctl(epoll, add, fd, libc::EPOLLIN as u32, token)?)
}

fn ask(epoll: &OwnedFd, op: i32, entry: &mut Entry, token: u64) -> Result<()> {
    match sys::epoll_ctl(epoll, op, entry.fd, entry.asked, token) {
        // A plain file: always ready, and nothing epoll would take.
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
