//! The poller: many handles registered once, a wait that costs what is ready.
//!
//! It is an epoll with a register of its own beside it. Each entry has a token (place and
//! generation), which is what the kernel hands back: an event of an entry that is gone is
//! recognised and dropped, however numbers were reused meanwhile.
//!
//! - A socket knows the pollers it is in ([`Watchers`]). When its handle closes, they take it out
//!   of the kernel's set, before the descriptor can be reused and even if a dup keeps it alive, and
//!   report POLLNVAL for it, once.
//! - A socket whose readiness the kernel does not know alone (TLS) is *layered*: its events go
//!   through the socket, and when its state changes it pokes its pollers, which then look at it
//!   before they sleep.
//!
//! Locks: the register's mutex and an object's watchers are held for bookkeeping, one at a time,
//! never across a wait.
//!
//! A forked child shares the parent's epoll. The first use in the child makes a new one; until
//! then, closing handles in the child leaves the parent's registrations alone.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use once_cell::race::OnceBox;
use parking_lot::{Mutex, MutexGuard};
use register::{BySource, Register, WAKE, check_mask, entry};

use crate::error::{Error, Result};
use crate::handle::Pin;
use crate::numbers::{USOCKET_POLLER_EDGE as EDGE, USOCKET_POLLER_ONESHOT as ONESHOT};
use crate::object::{self, Object};
use crate::poll::Source;
use crate::sys::poll as sys;
use crate::wait::{self, Deadline};

mod register;

// The flags of a mask are the kernel's own.
const _: () = assert!(ONESHOT == libc::EPOLLONESHOT as u32 && EDGE == libc::EPOLLET as u32);

/// How many events a wait has room for without asking for memory.
const FEW: usize = 64;
/// How many events one system call fetches at most; the kernel takes turns among the ready.
const MANY: usize = 16384;

/// The pollers an object is registered with, and as what. Most are never in one: those take a
/// pointer's room.
pub struct Watchers(OnceBox<Mutex<Vec<Watch>>>);

type Watch = (Weak<Poller>, Source);

impl Watchers {
    /// Of an object that is in no poller.
    pub const fn none() -> Self {
        Watchers(OnceBox::new())
    }

    fn add(&self, poller: &Arc<Poller>, source: Source) {
        let mut all = self.0.get_or_init(Box::default).lock();
        all.retain(|(p, _)| p.strong_count() > 0);
        all.push((Arc::downgrade(poller), source));
    }

    fn remove(&self, poller: &Arc<Poller>) {
        let Some(all) = self.0.get() else { return };
        all.lock().retain(|(p, _)| !std::ptr::eq(p.as_ptr(), Arc::as_ptr(poller)));
    }

    /// The object is closing: takes it out of all of them, which report POLLNVAL.
    pub fn closed(&self) {
        let Some(all) = self.0.get() else { return };
        let all = std::mem::take(&mut *all.lock());
        for (poller, source) in all {
            if let Some(poller) = poller.upgrade() {
                poller.forget(source, true);
            }
        }
    }

    /// The object's readiness changed in a way the kernel does not see.
    pub fn poke(&self) {
        let Some(all) = self.0.get() else { return };
        let all: Vec<_> = all.lock().clone();
        for (poller, source) in all {
            if let Some(poller) = poller.upgrade() {
                poller.register.lock().poke_source(source);
            }
        }
    }
}

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
pub struct Poller {
    watchers: Watchers,
    /// A wake-up by [`Poller::wake`] that no wait has answered yet.
    woken: AtomicBool,
    closed: AtomicBool,
    register: Mutex<Register>,
}

impl Poller {
    /// An empty poller.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM.
    pub fn new() -> Result<Arc<Poller>> {
        Ok(Arc::new(Poller {
            watchers: Watchers::none(),
            woken: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            register: Mutex::new(Register::new()?),
        }))
    }

    /// Registers `source` for the events and flags of `mask`.
    ///
    /// # Errors
    /// EEXIST, EBADF (stale handle, no such descriptor), EINVAL (no event, unknown bit, the poller
    /// itself), EPERM (an object that cannot be polled), ELOOP, ENOSPC, ENOMEM.
    pub fn add(self: &Arc<Self>, source: Source, mask: u32, data: u64) -> Result<()> {
        check_mask(mask)?;
        let pin = self.pin(source)?;
        let entry = entry(source, pin.as_ref(), mask, data);
        self.current()?.add(entry)?;
        if let Some(pin) = pin {
            pin.watchers().add(self, source);
            // A close that came before the line above has not told us.
            if pin.closing() {
                self.forget(source, false);
                return Err(Error::os(libc::EBADF));
            }
        }
        Ok(())
    }

    /// Changes an entry's mask and data; what ONESHOT silenced reports again.
    ///
    /// # Errors
    /// ENOENT when `source` is not registered, and those of [`Poller::add`].
    pub fn modify(&self, source: Source, mask: u32, data: u64) -> Result<()> {
        check_mask(mask)?;
        let pin = self.pin(source)?;
        let entry = entry(source, pin.as_ref(), mask, data);
        self.current()?.modify(entry)
    }

    /// Takes an entry out.
    ///
    /// # Errors
    /// ENOENT when `source` is not registered, EBADF for a stale handle.
    pub fn remove(self: &Arc<Self>, source: Source) -> Result<()> {
        let pin = self.pin(source)?;
        if !self.forget(source, false) {
            return Err(Error::os(libc::ENOENT));
        }
        if let Some(pin) = pin {
            pin.watchers().remove(self);
        }
        Ok(())
    }

    /// Waits until an entry has events, and gives at most `max` of them, numbered, to `put`. The
    /// number of them comes back; 0 is the deadline or a wake.
    ///
    /// # Errors
    /// EBADF when the poller is closed, EINTR (event hook).
    pub fn wait(
        &self,
        max: usize,
        timeout_us: i64,
        mut put: impl FnMut(usize, Event),
    ) -> Result<usize> {
        let mut deadline = Deadline::after_us(timeout_us);
        let none = libc::epoll_event { events: 0, u64: 0 };
        let (mut few, mut many) = ([none; FEW], Vec::new());
        let raw = if max <= FEW {
            &mut few[..max]
        } else {
            many.resize(max.min(MANY), none);
            &mut many[..]
        };
        loop {
            // What is ready as it is. The kernel may have more to say about it: one event for both.
            let mut first = BySource::default();
            let (kernel, taken, gone) = {
                let mut register = self.current()?;
                let gone = register.look_first(max, &mut first, &mut put);
                (register.kernel().clone(), register.taken(), gone)
            };
            let known = gone + first.len();
            // What is known already must not be waited upon.
            let time = if known > 0 { Some(Duration::ZERO) } else { deadline.remaining() };
            let room = raw.len().min(max - known);
            let raw = &mut raw[..room];
            // With what is known there may be room for nothing more.
            let asked =
                if raw.is_empty() { Ok(0) } else { sys::epoll_wait(&kernel.epoll, raw, time) };
            let seen = match asked {
                Ok(seen) => seen,
                Err(e) if e.raw_os_error() == Some(libc::EINTR) => {
                    if known == 0 {
                        wait::interrupted()?;
                        continue;
                    }
                    0
                }
                Err(e) => return Err(e.into()),
            };
            if self.closed.load(Ordering::Acquire) {
                return Err(Error::os(libc::EBADF));
            }
            let mut n = gone;
            let mut woken = false;
            let mut register = self.register.lock();
            for event in &raw[..seen] {
                if event.u64 == WAKE {
                    // One that was replaced stays readable, for all who still wait on it.
                    if Arc::ptr_eq(&kernel, register.kernel()) {
                        let _ = sys::drain(&kernel.wake);
                    }
                    // The end is for all who wait, and may just have been drained.
                    if self.closed.load(Ordering::Acquire) {
                        kernel.signal();
                    }
                    woken = self.woken.swap(false, Ordering::AcqRel);
                } else if let Some(event) = register.truth(event.u64, event.events, taken) {
                    if let Some(known) = first.get_mut(&event.source) {
                        known.events |= event.events;
                        continue;
                    }
                    put(n, event);
                    n += 1;
                }
            }
            for event in first.into_values() {
                put(n, event);
                n += 1;
            }
            if n > 0 || woken || (seen == 0 && time.is_some()) {
                return Ok(n);
            }
        }
    }

    /// Makes one wait, the running one or the next, return at once.
    pub fn wake(&self) {
        self.woken.store(true, Ordering::Release);
        self.register.lock().kernel().signal();
    }

    /// Ends all waits, for good.
    pub fn end_operations(&self) {
        self.closed.store(true, Ordering::Release);
        self.register.lock().kernel().signal();
    }

    /// Takes `source` out; with `report`, the next wait says POLLNVAL for it. False if it is not in.
    fn forget(&self, source: Source, report: bool) -> bool {
        self.register.lock().take(source, report).is_some()
    }

    fn pin(&self, source: Source) -> Result<Option<Pin<'static, Object>>> {
        let Source::Handle(handle) = source else { return Ok(None) };
        let pin = object::pin(handle)?;
        match &*pin {
            Object::Poller(other) if std::ptr::eq(&**other, self) => Err(Error::os(libc::EINVAL)),
            object if object.fd().is_none() => Err(Error::os(libc::EPERM)),
            _ => Ok(Some(pin)),
        }
    }

    /// The register, with an epoll that is this process's own.
    fn current(&self) -> Result<MutexGuard<'_, Register>> {
        let mut register = self.register.lock();
        register.refresh()?;
        Ok(register)
    }

    /// The pollers this one is in.
    pub fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    /// A descriptor that is readable when an entry is ready: pollers can be nested.
    pub fn fileno(&self) -> i32 {
        self.register.lock().kernel().epoll.as_raw_fd()
    }
}

#[cfg(test)]
#[path = "poller_tests.rs"]
mod tests;
