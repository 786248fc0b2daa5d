//! The kernel's part of a poller: an epoll, and a bell in it.
//!
//! Their numbers stay the same for the poller's life. Where another epoll is needed (in a forked
//! child, or when the kernel reports what cannot be taken out), it takes the number over.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use super::register::{Entry, Register};
use crate::error::Result;
use crate::sys::{poll as sys, process};
use crate::watchers::Source;

/// The kernel's token of the bell.
pub(super) const BELL: u64 = u64::MAX;

pub(super) struct Kernel {
    epoll: OwnedFd,
    /// An eventfd: readable, it ends every wait.
    bell: OwnedFd,
}

impl Kernel {
    pub(super) fn new() -> Result<Kernel> {
        let kernel = Kernel { epoll: sys::epoll()?, bell: sys::eventfd()? };
        kernel.add_bell_to(&kernel.epoll)?;
        Ok(kernel)
    }

    fn add_bell_to(&self, epoll: &OwnedFd) -> Result<()> {
        let (add, bell) = (libc::EPOLL_CTL_ADD, self.bell.as_raw_fd());
        Ok(sys::epoll_ctl(epoll, add, bell, libc::EPOLLIN as u32, BELL)?)
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
        // It may be closed, which took it out.
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
            (register.rung, register.waiting) = (false, 0);
        }
        self.add_bell_to(&epoll)?;
        for (token, entry) in register.entries() {
            match ask(&epoll, libc::EPOLL_CTL_ADD, entry, token) {
                // What there is too little of may be there the next time.
                Err(e) if e.is(libc::ENOMEM) || e.is(libc::ENOSPC) => return Err(e),
                // It was closed in this process, and its number may be another's by now.
                _ => {}
            }
        }
        sys::replace(&epoll, &self.epoll)?;
        register.forks = process::forks();
        register.haunted = false;
        Ok(true)
    }
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
