//! The poller: many handles registered once, a wait that costs what is ready.
//!
//! It is an epoll with a register of its own beside it. Each entry has a token (place and
//! generation), which is what the kernel hands back: an event of an entry that is gone is
//! recognised and dropped, however numbers were reused meanwhile.
//!
//! - An object knows the pollers it is in ([`Watchers`]). When its handle closes, they take it out
//!   of the kernel's set, before the descriptor can be reused and even if a dup keeps it alive, and
//!   report POLLNVAL for it, once, if its registration asks for that.
//! - A socket whose readiness the kernel does not know alone (TLS) is *layered*: its events go
//!   through the socket, and when its state changes it pokes its pollers, which then look at it
//!   before they sleep.
//! - Timers are in a heap; the kernel has one timer, which goes off when the first of them is due. Who
//!   puts a timer off, time and again, leaves that alone: it goes off once too early.
//! - The *bell* ends a sleep: it rings while there is something to report that the kernel does not
//!   know, and somebody sleeps.
//!
//! Locks: the register's is held for bookkeeping, never across a wait and never while a socket is
//! asked for its readiness. It may be taken with an object's list of watchers locked.
//!
//! Memory: only a registration and a timer need any. A wait has room on the stack for some events, and takes
//! more if it is to be had.
//!
//! A forked child shares the parent's epoll. The first use in the child makes a new one under the
//! same number; until then, closing handles in the child leaves the parent's registrations alone.

use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::numbers::{
    USOCKET_POLLER_EDGE as EDGE, USOCKET_POLLER_EXCLUSIVE as EXCLUSIVE,
    USOCKET_POLLER_ONESHOT as ONESHOT,
};
use crate::sys::fork::{Guard, Lock};
use crate::watchers::{Change, Source, Watched, Watcher, Watchers};
use entry::{Entry, check_mask};
use kernel::Kernel;
use register::Register;

mod entry;
mod kernel;
mod mirror;
mod places;
mod register;
mod timers;
mod wait;

// The flags of a mask are the kernel's own.
const _: () = assert!(ONESHOT == libc::EPOLLONESHOT as u32 && EDGE == libc::EPOLLET as u32);
const _: () = assert!(EXCLUSIVE == libc::EPOLLEXCLUSIVE as u32);

/// What a wait reports about one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What was registered.
    pub source: Source,
    /// `POLLIN`, …
    pub events: u32,
    /// The caller's, from registration.
    pub data: u64,
}

/// See the module documentation.
pub struct Poller<W> {
    kernel: Kernel,
    register: Lock<Register>,
    watchers: Watchers,
    /// Its own, under which what it watches knows it.
    handle: Handle,
    watched: PhantomData<fn() -> W>,
}

impl<W: Watched> Poller<W> {
    /// An empty poller that will have `handle`.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM.
    pub fn new(handle: Handle) -> Result<Self> {
        Ok(Poller {
            kernel: Kernel::new()?,
            register: Lock::new(Register::new()),
            watchers: Watchers::none(),
            handle,
            watched: PhantomData,
        })
    }

    /// Registers `source` for the events and flags of `mask`.
    ///
    /// # Errors
    /// EEXIST, EBADF (stale handle, no such descriptor), EINVAL (no event, unknown bit, the poller
    /// itself, EXCLUSIVE where it cannot be), EPERM (an object that cannot be polled), ELOOP, ENOSPC, ENOMEM.
    pub fn add(&self, source: Source, mask: u32, data: u64) -> Result<()> {
        check_mask(mask)?;
        let held = self.hold(source)?;
        let entry = Entry::new(source, held.as_ref(), mask, data)?;
        self.changing(|register| register.add(&self.kernel, entry))?;
        let (Some(held), Source::Handle(handle)) = (held, source) else { return Ok(()) };
        let watcher = Watcher { poller: self.handle, source: handle, tell: W::tell };
        let told = held.watchers().add(watcher).and_then(|()| {
            // A close that came before has not told us.
            if held.closed_meanwhile() { Err(Error::os(libc::EBADF)) } else { Ok(()) }
        });
        told.inspect_err(|_| _ = self.forget(source))
    }

    /// Changes an entry's mask and data; what ONESHOT silenced reports again.
    ///
    /// # Errors
    /// ENOENT when `source` is not registered, EINVAL with EXCLUSIVE, and those of [`Poller::add`].
    pub fn modify(&self, source: Source, mask: u32, data: u64) -> Result<()> {
        check_mask(mask)?;
        let held = self.hold(source)?;
        let entry = Entry::new(source, held.as_ref(), mask, data)?;
        self.changing(|register| register.modify(&self.kernel, entry))
    }

    /// Takes an entry out.
    ///
    /// # Errors
    /// ENOENT when `source` is not registered, EBADF for a stale handle.
    pub fn remove(&self, source: Source) -> Result<()> {
        let held = self.hold(source)?;
        let forget = || self.forget(source);
        let forgotten = match held {
            Some(held) => held.watchers().remove(self.handle, forget)?,
            None => forget()?,
        };
        if forgotten { Ok(()) } else { Err(Error::os(libc::ENOENT)) }
    }

    /// Sets a timer, to be reported once in `after_us` microseconds; gives its number.
    ///
    /// # Errors
    /// EINVAL for a negative or too long time; ENOSPC for more than four million; ENOMEM; EMFILE, ENFILE.
    pub fn arm_timer(&self, after_us: i64, data: u64) -> Result<i64> {
        let after = u64::try_from(after_us).map_err(|_| Error::os(libc::EINVAL))?;
        let due = Instant::now().checked_add(Duration::from_micros(after));
        let due = due.ok_or(Error::os(libc::EINVAL))?;
        self.changing(|register| {
            let number = register.timers.arm(due, data)?;
            mirror::set_timer(&self.kernel, register).map(|()| number).inspect_err(|_| {
                register.timers.cancel(number);
            })
        })
    }

    /// Takes a timer back by its number: no wait reports it from now on.
    ///
    /// # Errors
    /// ENOENT when it was reported or taken back already.
    pub fn cancel_timer(&self, number: i64) -> Result<()> {
        match self.register.lock()?.timers.cancel(number) {
            true => Ok(()),
            false => Err(Error::os(libc::ENOENT)),
        }
    }

    /// Makes one wait, a running one or else the next, return at once.
    ///
    /// # Errors
    /// In a forked child, those of making an epoll.
    pub fn wake(&self) -> Result<()> {
        self.changing(|register| {
            // Those that no wait is left for are one.
            register.wakes = (register.wakes + 1).min(register.waits.max(1));
            Ok(())
        })
    }

    /// Ends all waits, for good.
    pub fn end_operations(&self) {
        if let Ok(mut register) = self.register.lock() {
            register.closed = true;
            mirror::ring(&self.kernel, &mut register);
        }
    }

    /// Something that it watches has changed.
    pub fn told(&self, handle: Handle, change: Change) {
        let source = Source::Handle(handle);
        match (change, self.register.lock()) {
            (Change::Closed, Ok(mut register)) => {
                register.take(&self.kernel, source, true);
                mirror::ring(&self.kernel, &mut register);
            }
            (Change::Ready, Ok(mut register)) => {
                register.poke_source(&self.kernel, source);
                mirror::ring(&self.kernel, &mut register);
            }
            _ => {}
        }
    }

    /// Takes `source` out. False if it is not in.
    fn forget(&self, source: Source) -> Result<bool> {
        let mut register = self.register.lock()?;
        Ok(register.take(&self.kernel, source, false))
    }

    fn changing<T>(&self, change: impl FnOnce(&mut Register) -> Result<T>) -> Result<T> {
        let mut register = self.current()?;
        let result = change(&mut register);
        mirror::ring(&self.kernel, &mut register);
        result
    }

    fn hold(&self, source: Source) -> Result<Option<W>> {
        match source {
            Source::Fd(_) => Ok(None),
            Source::Handle(handle) if handle == self.handle => Err(Error::os(libc::EINVAL)),
            Source::Handle(handle) => W::hold(handle).map(Some),
        }
    }

    /// The register, with an epoll that is this process's own.
    fn current(&self) -> Result<Guard<'_, Register>> {
        let mut register = self.register.lock()?;
        if !register.is_ours() {
            drop(register);
            self.renew_watched()?;
            register = self.register.lock()?;
        }
        if mirror::refresh(&self.kernel, &mut register)? {
            drop(register);
            // Those who watch this one have the old epoll.
            self.watchers.poke();
            register = self.register.lock()?;
        }
        Ok(register)
    }

    /// In a forked child: has what it watches make its own of what lies behind its descriptor.
    #[cold]
    fn renew_watched(&self) -> Result<()> {
        let mut from = 0;
        loop {
            let Some((at, handle)) = self.register.lock()?.next_to_renew(from) else {
                return Ok(());
            };
            if let Ok(held) = W::hold(handle) {
                let fd = match held.fd() {
                    // What this process has none of is found closed.
                    Err(e) if e.is(libc::EPERM) => -1,
                    fd => fd?,
                };
                self.register.lock()?.renewed(at, handle, fd);
            }
            from = at + 1;
        }
    }

    /// The pollers this one is in.
    pub fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    /// A descriptor that is readable when an entry is ready: pollers can be nested.
    ///
    /// # Errors
    /// In a forked child, those of making an epoll.
    pub fn fileno(&self) -> Result<i32> {
        self.changing(|register| {
            register.exposed = true;
            Ok(self.kernel.fileno())
        })
    }

    /// The same for who waits for it in a loop of their own.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM, ENOSPC.
    pub fn lend(&self) -> Result<i32> {
        self.changing(|register| {
            register.exposed = true;
            self.kernel.lend()
        })
    }
}

#[cfg(test)]
#[path = "poller_tests.rs"]
mod tests;
