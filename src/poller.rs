//! The poller: many handles registered once; the cost of a wait grows with the ready ones.
//!
//! It is an epoll and a table of registrations, the register. Each entry has a token (slot and
//! generation) that the kernel returns with an event: events of removed entries are recognised and
//! dropped, even if descriptors were reused meanwhile.
//!
//! - An object knows its pollers ([`Watchers`]). When its handle closes, they remove it from the
//!   epoll, before the descriptor can be reused and even if a dup keeps it alive, and report
//!   POLLNVAL once if its registration asks for that.
//! - A socket with readiness that the kernel does not fully know (TLS) is *layered*: the socket
//!   translates its events, and when its state changes it pokes its pollers, which then check it
//!   before they sleep.
//! - Timers are in a heap; one timerfd expires when the first of them is due. Postponing timers
//!   leaves it alone: it then expires once too early.
//! - The *bell*, an eventfd, wakes sleeping waits: it is readable while there is something to
//!   report that the kernel does not know of, and a wait sleeps.
//!
//! Locks: the register's is held for bookkeeping, never during a wait or while a socket is asked
//! for its readiness. It may be taken with an object's list of watchers locked.
//!
//! Memory: only registrations and timers must allocate. A wait has buffers on the stack for some
//! events, and larger ones if memory allows.
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

/// An event reported by a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The handle that was registered; 0 where it was a descriptor.
    pub handle: Handle,
    /// The descriptor; -1 where it was a handle.
    pub fd: i32,
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
    /// Its own handle, by which the watched objects know it.
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
            // A close before the registration did not notify this poller.
            if held.closed_meanwhile() { Err(Error::os(libc::EBADF)) } else { Ok(()) }
        });
        told.inspect_err(|_| _ = self.forget(source))
    }

    /// Changes an entry's mask and data, and enables it again after ONESHOT.
    ///
    /// # Errors
    /// ENOENT when `source` is not registered, EINVAL with EXCLUSIVE, and those of [`Poller::add`].
    pub fn modify(&self, source: Source, mask: u32, data: u64) -> Result<()> {
        check_mask(mask)?;
        let held = self.hold(source)?;
        let entry = Entry::new(source, held.as_ref(), mask, data)?;
        self.changing(|register| register.modify(&self.kernel, entry))
    }

    /// Removes an entry.
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

    /// Sets a timer, to be reported once in `after_us` microseconds; returns its number.
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

    /// Cancels a timer by its number: no wait reports it from now on.
    ///
    /// # Errors
    /// ENOENT when it was reported or cancelled already.
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
            // Wakes beyond the number of waits count as one.
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

    /// Handles a change of a watched object.
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

    /// Removes `source`. False if it is not registered.
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

    /// The register, after making sure that the epoll is this process's own.
    fn current(&self) -> Result<Guard<'_, Register>> {
        let mut register = self.register.lock()?;
        if !register.is_ours() {
            drop(register);
            self.renew_watched()?;
            register = self.register.lock()?;
        }
        if mirror::refresh(&self.kernel, &mut register)? {
            drop(register);
            // The pollers around this one have the old epoll.
            self.watchers.poke();
            register = self.register.lock()?;
        }
        Ok(register)
    }

    /// In a forked child: makes the watched objects replace what is behind their descriptors.
    #[cold]
    fn renew_watched(&self) -> Result<()> {
        let mut from = 0;
        loop {
            let Some((at, handle)) = self.register.lock()?.next_to_renew(from) else {
                return Ok(());
            };
            if let Ok(held) = W::hold(handle) {
                let fd = match held.fd() {
                    // An object that does not exist in this process counts as closed.
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

    /// The same for a program's own event loop.
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
