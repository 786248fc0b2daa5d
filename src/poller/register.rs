//! A poller's register: its entries, what the kernel has of them, and what is to be looked at first.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use super::Event;
use crate::error::{Error, Result};
use crate::handle::Pin;
use crate::numbers::{USOCKET_POLLER_EDGE as EDGE, USOCKET_POLLER_ONESHOT as ONESHOT};
use crate::object::{self, Object};
use crate::poll::Source;
use crate::sys::{poll as sys, process};

const EVENTS: u32 = (libc::POLLIN
    | libc::POLLPRI
    | libc::POLLOUT
    | libc::POLLERR
    | libc::POLLHUP
    | libc::POLLNVAL
    | libc::POLLRDNORM
    | libc::POLLRDBAND
    | libc::POLLWRNORM
    | libc::POLLWRBAND
    | libc::POLLRDHUP) as u32;

/// The kernel's token of the poller's own eventfd.
pub(super) const WAKE: u64 = u64::MAX;

/// A map by source. No stranger chooses the keys, so its hash needs no random seed.
pub(super) type BySource<T> = HashMap<Source, T, BuildHasherDefault<DefaultHasher>>;

/// What the kernel has of a poller.
pub(super) struct Kernel {
    pub(super) epoll: OwnedFd,
    /// An eventfd, in the epoll, that ends a wait.
    pub(super) wake: OwnedFd,
}

pub(super) struct Register {
    kernel: Arc<Kernel>,
    forks: u32,
    /// The kernel reports something that is not in the register and cannot be taken out.
    haunted: bool,
    /// How many entries were taken out so far.
    taken: u64,
    entries: Vec<Slot>,
    free: Vec<u32>,
    by_source: BySource<u32>,
    /// Closed while registered: to be reported once.
    gone: Vec<Event>,
    /// Places to look at before sleeping.
    poked: Vec<u32>,
}

struct Slot {
    generation: u32,
    entry: Option<Entry>,
}

#[derive(Clone, Copy)]
pub(super) struct Entry {
    source: Source,
    fd: i32,
    /// The caller's events and flags.
    mask: u32,
    data: u64,
    /// What the kernel was asked for last.
    asked: u32,
    /// Its readiness is not the kernel's to tell: a layered socket, or a plain file.
    layered: bool,
    poked: bool,
    /// Reported under ONESHOT, and not modified since.
    silent: bool,
}

impl Entry {
    /// What the kernel reports of it is all there is to say, and to do.
    fn plain(&self) -> bool {
        !self.layered && !self.silent && self.mask & ONESHOT == 0
    }

    fn event(&self, events: u32) -> Event {
        Event { source: self.source, events, data: self.data }
    }
}

/// The events of a mask, without the flags.
fn events_of(mask: u32) -> i16 {
    (mask & EVENTS) as i16
}

impl Kernel {
    fn new() -> Result<Arc<Kernel>> {
        let (epoll, wake) = (sys::epoll()?, sys::eventfd()?);
        let events = libc::EPOLLIN as u32;
        sys::epoll_ctl(&epoll, libc::EPOLL_CTL_ADD, wake.as_raw_fd(), events, WAKE)?;
        Ok(Arc::new(Kernel { epoll, wake }))
    }

    pub(super) fn signal(&self) {
        // It can only fail by being readable already.
        let _ = sys::signal(&self.wake);
    }
}

impl Register {
    pub(super) fn new() -> Result<Register> {
        Ok(Register {
            kernel: Kernel::new()?,
            forks: process::forks(),
            haunted: false,
            taken: 0,
            entries: Vec::new(),
            free: Vec::new(),
            by_source: BySource::default(),
            gone: Vec::new(),
            poked: Vec::new(),
        })
    }

    /// How many entries were taken out so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    pub(super) fn kernel(&self) -> &Arc<Kernel> {
        &self.kernel
    }

    /// Makes sure that the epoll is this process's own, and true to the register.
    pub(super) fn refresh(&mut self) -> Result<()> {
        let forks = process::forks();
        if self.forks != forks || self.haunted {
            let old = std::mem::replace(&mut self.kernel, Kernel::new()?);
            if self.forks == forks {
                // Whoever waits on the old one comes over. (A parent's is none of our business.)
                old.signal();
            }
            self.forks = forks;
            self.haunted = false;
            for at in 0..self.entries.len() {
                self.refill(at);
            }
        }
        Ok(())
    }

    pub(super) fn add(&mut self, mut entry: Entry) -> Result<()> {
        if self.by_source.contains_key(&entry.source) {
            return Err(Error::os(libc::EEXIST));
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Slot { generation: 0, entry: None });
            (self.entries.len() - 1) as u32
        });
        let result = self.ask(libc::EPOLL_CTL_ADD, at, &mut entry);
        if let Err(e) = result {
            self.free.push(at);
            return Err(e);
        }
        self.entries[at as usize].entry = Some(entry);
        self.by_source.insert(entry.source, at);
        if entry.layered {
            self.poke(at);
        }
        Ok(())
    }

    pub(super) fn modify(&mut self, mut entry: Entry) -> Result<()> {
        let at = *self.by_source.get(&entry.source).ok_or(Error::os(libc::ENOENT))?;
        match self.ask(libc::EPOLL_CTL_MOD, at, &mut entry) {
            // A descriptor that was closed and opened again outside left the kernel's set.
            Err(e) if e.is(libc::ENOENT) => self.ask(libc::EPOLL_CTL_ADD, at, &mut entry)?,
            other => other?,
        }
        let slot = &mut self.entries[at as usize];
        entry.poked = slot.entry.is_some_and(|old| old.poked);
        slot.entry = Some(entry);
        if entry.layered {
            self.poke(at);
        }
        Ok(())
    }

    /// Tells the kernel what `entry` is to be asked for.
    fn ask(&self, op: i32, at: u32, entry: &mut Entry) -> Result<()> {
        let token = u64::from(self.entries[at as usize].generation) << 32 | u64::from(at);
        match sys::epoll_ctl(&self.kernel.epoll, op, entry.fd, entry.asked, token) {
            // A plain file: always ready, as poll(2) has it, and nothing epoll would take.
            Err(e) if e.raw_os_error() == Some(libc::EPERM) && is_fd(entry.source) => {
                entry.layered = true;
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// Takes an entry out; with `report`, it is reported as gone.
    pub(super) fn take(&mut self, source: Source, report: bool) -> Option<()> {
        let at = self.by_source.remove(&source)?;
        let slot = self.entries.get_mut(at as usize)?;
        let entry = slot.entry.take()?;
        self.taken += 1;
        slot.generation = slot.generation.wrapping_add(1) & (u32::MAX >> 1);
        self.free.push(at);
        // In a child that has not used it, the kernel's set is the parent's: not ours to change.
        if self.forks == process::forks() {
            let _ = sys::epoll_ctl(&self.kernel.epoll, libc::EPOLL_CTL_DEL, entry.fd, 0, 0);
        }
        if report {
            self.gone.push(Event { source, events: libc::POLLNVAL as u32, data: entry.data });
            self.kernel.signal();
        }
        Some(())
    }

    /// Has an entry looked at before the next sleep, and ends the one under way.
    pub(super) fn poke_source(&mut self, source: Source) {
        let Some(at) = self.by_source.get(&source).copied() else { return };
        if let Some(entry) = self.entries[at as usize].entry.as_mut() {
            // Until it was wrapped, the kernel alone did know.
            entry.layered = true;
        }
        self.poke(at);
        self.kernel.signal();
    }

    fn poke(&mut self, at: u32) {
        if let Some(entry) = self.entries[at as usize].entry.as_mut().filter(|e| !e.poked) {
            entry.poked = true;
            self.poked.push(at);
        }
    }

    /// Reports what needs no asking: what is gone, which it puts and counts, and poked entries that
    /// are ready as they are, which go to `first`.
    pub(super) fn look_first(
        &mut self,
        max: usize,
        first: &mut BySource<Event>,
        put: &mut impl FnMut(usize, Event),
    ) -> usize {
        let mut n = 0;
        while n < max {
            let Some(event) = self.gone.pop() else { break };
            put(n, event);
            n += 1;
        }
        for at in std::mem::take(&mut self.poked) {
            let slot = &mut self.entries[at as usize];
            let Some(entry) = slot.entry.as_mut() else { continue };
            entry.poked = false;
            if n + first.len() == max {
                self.poke(at);
            } else if let Some(event) = self.report(at, 0, true) {
                first.insert(event.source, event);
            }
        }
        n
    }

    /// The caller's event for one of the kernel's, from a wait begun when `taken` had been taken out.
    #[inline]
    pub(super) fn truth(&mut self, token: u64, seen: u32, taken: u64) -> Option<Event> {
        let at = token as u32;
        let slot = self.entries.get(at as usize)?;
        match &slot.entry {
            Some(entry) if u64::from(slot.generation) == token >> 32 => match seen & EVENTS {
                // Most of them: the kernel knows, and will say it again.
                events @ 1.. if entry.plain() => Some(entry.event(events)),
                _ => self.report(at, seen, false),
            },
            _ => {
                // It may have been taken out meanwhile. If nothing was, it is a descriptor closed
                // outside while a dup of it lives: only a new epoll forgets that one.
                self.haunted |= self.taken == taken;
                None
            }
        }
    }

    /// What an entry has to say when the kernel says `seen`. `first` is before asking the kernel.
    #[inline(never)]
    fn report(&mut self, at: u32, seen: u32, first: bool) -> Option<Event> {
        let entry = self.entries.get(at as usize)?.entry.filter(|e| !e.silent)?;
        let mut events = seen & EVENTS;
        if entry.layered {
            events = self.layered(at, entry, seen);
            // Level-triggered: it stays so until it is looked at again.
            if events != 0 && entry.mask & (EDGE | ONESHOT) == 0 {
                self.poke(at);
            }
        }
        if events == 0 || (first && !entry.layered) {
            return None;
        }
        if entry.mask & ONESHOT != 0 {
            self.silence(at, entry.layered);
        }
        Some(entry.event(events))
    }

    /// The truth about an entry the kernel does not know all about.
    fn layered(&mut self, at: u32, mut entry: Entry, seen: u32) -> u32 {
        let events = events_of(entry.mask);
        let Source::Handle(handle) = entry.source else {
            return (events & (libc::POLLIN | libc::POLLOUT)) as u32;
        };
        let Ok(pin) = object::pin(handle) else { return 0 };
        let Object::Socket(socket) = &*pin else { return 0 };
        let truth = socket.true_events(events, (seen & EVENTS) as i16);
        let asked = socket.kernel_events(events) as u32 | entry.mask & (EDGE | ONESHOT);
        if asked != entry.asked || entry.mask & ONESHOT != 0 {
            entry.asked = asked;
            if self.ask(libc::EPOLL_CTL_MOD, at, &mut entry).is_ok() {
                self.entries[at as usize].entry = Some(entry);
            }
        }
        truth as u32
    }

    /// After ONESHOT: nothing of this entry until it is modified.
    /// The kernel sees to it for an event of its own (`armed` false).
    fn silence(&mut self, at: u32, armed: bool) {
        let Some(entry) = self.entries[at as usize].entry.as_mut() else { return };
        entry.silent = true;
        if !armed {
            return;
        }
        let (fd, generation) = (entry.fd, self.entries[at as usize].generation);
        let token = u64::from(generation) << 32 | u64::from(at);
        let _ = sys::epoll_ctl(&self.kernel.epoll, libc::EPOLL_CTL_MOD, fd, ONESHOT, token);
    }

    /// Puts an entry into a new epoll.
    fn refill(&mut self, at: usize) {
        let Some(mut entry) = self.entries[at].entry else { return };
        // What cannot be put back was closed in this process; its handle is stale.
        let _ = self.ask(libc::EPOLL_CTL_ADD, at as u32, &mut entry);
        self.entries[at].entry = Some(entry);
    }
}

pub(super) fn entry(
    source: Source,
    pin: Option<&Pin<'static, Object>>,
    mask: u32,
    data: u64,
) -> Entry {
    let events = events_of(mask);
    let (fd, asked, layered) = match (source, pin.map(|p| &**p)) {
        (Source::Fd(fd), _) => (fd, events, false),
        (_, Some(Object::Socket(s))) => (s.fileno(), s.kernel_events(events), !s.kernel_knows()),
        (_, Some(object)) => (object.fd().unwrap_or(-1), events, false),
        (_, None) => (-1, events, false),
    };
    let asked = asked as u32 & EVENTS & !(libc::POLLNVAL as u32) | mask & (EDGE | ONESHOT);
    Entry { source, fd, mask, data, asked, layered, poked: false, silent: false }
}

fn is_fd(source: Source) -> bool {
    matches!(source, Source::Fd(_))
}

pub(super) fn check_mask(mask: u32) -> Result<()> {
    let known = mask & !(EVENTS | ONESHOT | EDGE) == 0;
    if known && mask & EVENTS != 0 { Ok(()) } else { Err(Error::os(libc::EINVAL)) }
}
