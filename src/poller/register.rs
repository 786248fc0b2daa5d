//! A poller's register: its entries, the ones to check, and the waits to wake.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::Event;
use super::entry::{EVENTS, Entry, GONE, Question, Report, Truth};
use super::kernel::Kernel;
use super::places::{List, Places};
use super::timers::Timers;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::numbers::{
    USOCKET_POLLER_EDGE as EDGE, USOCKET_POLLER_EXCLUSIVE as EXCLUSIVE,
    USOCKET_POLLER_ONESHOT as ONESHOT,
};
use crate::sys::process;
use crate::watchers::Source;

pub(super) struct Register {
    /// [`process::forks`] when the kernel's set was made.
    pub(super) forks: u32,
    /// The epoll has an entry that is not in the register and cannot be removed, or lacks one that
    /// could not be added: a new epoll is needed.
    pub(super) haunted: bool,
    /// The number of threads in the kernel's wait, or returning from it.
    pub(super) waiting: u32,
    /// The number of waits that have slept and have not ended, including those about to sleep
    /// again.
    pub(super) waits: u32,
    /// The number of pending wakes.
    pub(super) wakes: u32,
    /// The poller is closed: all waits end.
    pub(super) closed: bool,
    /// Code outside may wait for the descriptor itself.
    pub(super) exposed: bool,
    /// The bell is readable.
    pub(super) rung: bool,
    pub(super) timers: Timers,
    /// With space for one event, the kernel's events and poked entries alternate.
    kernels_turn: bool,
    /// The number of the last wait.
    serial: u32,
    places: Places<Kept>,
    by_source: HashMap<u64, u32, BuildHasherDefault<Mix>>,
    /// Entries closed while registered with POLLNVAL: to be reported once.
    gone: List,
    /// Entries to check before a sleep.
    poked: List,
}

/// The content of a slot.
enum Kept {
    Entry(Entry),
    /// The event of a removed entry, to be reported once.
    Gone(Event),
}

/// The state of a wait before it asks the kernel.
pub(super) struct Before {
    /// The number of events reported so far.
    pub(super) put: usize,
    /// The number of poked entries to check.
    pub(super) poked: usize,
    /// The number of events that the kernel may report.
    pub(super) room: usize,
    /// Whether it may sleep, with nothing to report.
    pub(super) idle: bool,
    /// It counts as asleep from then on.
    pub(super) slept: bool,
    /// Whether it has reached the poked entries.
    pub(super) looking: bool,
    /// [`Kernel::taken`] before the kernel was asked.
    pub(super) taken: u32,
    pub(super) serial: u32,
}

impl Register {
    pub(super) fn new() -> Register {
        Register {
            forks: process::forks(),
            haunted: false,
            waiting: 0,
            waits: 0,
            wakes: 0,
            closed: false,
            exposed: false,
            rung: false,
            timers: Timers::new(),
            kernels_turn: false,
            serial: 0,
            places: Places::new(),
            by_source: HashMap::default(),
            gone: List::EMPTY,
            poked: List::EMPTY,
        }
    }

    /// Whether the epoll is this process's own.
    pub(super) fn is_ours(&self) -> bool {
        self.forks == process::forks()
    }

    /// Whether a wait must be woken.
    pub(super) fn has_news(&self) -> bool {
        let ready = self.wakes > 0 || self.gone.len() + self.poked.len() > 0;
        self.closed || (self.haunted && self.waiting > 0) || (ready && self.is_watched())
    }

    /// Ends a wait. Wakes beyond the remaining waits count as one.
    pub(super) fn ends_wait(&mut self, counted: &mut bool) {
        if std::mem::take(counted) {
            self.waits = self.waits.saturating_sub(1);
            self.wakes = self.wakes.min(self.waits.max(1));
        }
    }

    fn is_watched(&self) -> bool {
        self.waiting > 0 || self.exposed
    }

    fn entry(&self, at: u32) -> Option<&Entry> {
        match self.places.get(at) {
            Some(Kept::Entry(entry)) => Some(entry),
            _ => None,
        }
    }

    fn entry_mut(&mut self, at: u32) -> Option<&mut Entry> {
        match self.places.get_mut(at) {
            Some(Kept::Entry(entry)) => Some(entry),
            _ => None,
        }
    }

    pub(super) fn add(&mut self, kernel: &Kernel, mut entry: Entry) -> Result<()> {
        if self.by_source.contains_key(&key(entry.source())) {
            return Err(Error::os(libc::EEXIST));
        }
        self.by_source.try_reserve(1).map_err(|_| Error::os(libc::ENOMEM))?;
        self.places.reserve()?;
        kernel.ask(libc::EPOLL_CTL_ADD, &mut entry, self.places.next())?;
        if let Some(at) = self.places.put(Kept::Entry(entry)) {
            self.by_source.insert(key(entry.source()), at);
            if entry.layered {
                self.poke(at);
            }
        }
        Ok(())
    }

    pub(super) fn modify(&mut self, kernel: &Kernel, mut entry: Entry) -> Result<()> {
        let at = *self.by_source.get(&key(entry.source())).ok_or(Error::os(libc::ENOENT))?;
        let token = self.places.token(at);
        match kernel.ask(libc::EPOLL_CTL_MOD, &mut entry, token) {
            // A descriptor that was closed and reopened outside has left the epoll.
            Err(e) if e.is(libc::ENOENT) => kernel.ask(libc::EPOLL_CTL_ADD, &mut entry, token)?,
            other => other?,
        }
        if let Some(old) = self.entry_mut(at) {
            (entry.poked, entry.reported) = (old.poked, old.reported);
            *old = entry;
        }
        if entry.layered {
            self.poke(at);
        }
        Ok(())
    }

    /// Removes an entry; a `closed` one is reported if it asks for that. False if it is not
    /// registered.
    pub(super) fn take(&mut self, kernel: &Kernel, source: Source, closed: bool) -> bool {
        let Some(at) = self.by_source.remove(&key(source)) else { return false };
        let Some(entry) = self.entry(at).copied() else { return false };
        self.places.outdate(at);
        // In a child that has not used it, the epoll is the parent's and must not change.
        if self.is_ours() {
            kernel.forget(entry.fd);
        }
        kernel.took();
        if entry.poked {
            self.poked.remove(&mut self.places, at);
        }
        if closed && entry.mask & GONE != 0 && !entry.silent {
            self.places.set(at, Kept::Gone(entry.event(GONE)));
            self.gone.push(&mut self.places, at);
        } else {
            self.places.empty(at);
        }
        true
    }

    /// Marks an entry to be checked before the next sleep.
    pub(super) fn poke_source(&mut self, kernel: &Kernel, source: Source) {
        let Some(at) = self.by_source.get(&key(source)).copied() else { return };
        let (ours, token) = (self.is_ours(), self.places.token(at));
        let Some(entry) = self.entry_mut(at) else { return };
        if !entry.renews {
            // The kernel fully knew its readiness until it was wrapped.
            entry.set_layered();
            if entry.mask & EXCLUSIVE != 0 && ours {
                // The requested events will change from now on, which the kernel does not allow
                // with EXCLUSIVE.
                entry.mask &= !EXCLUSIVE;
                entry.asked &= !EXCLUSIVE;
                kernel.forget(entry.fd);
                self.haunted |= kernel.ask(libc::EPOLL_CTL_ADD, entry, token).is_err();
            }
            self.poke(at);
        } else if ours {
            // Its descriptor now refers to another object.
            self.haunted |= kernel.ask(libc::EPOLL_CTL_ADD, entry, token).is_err();
        }
    }

    fn poke(&mut self, at: u32) {
        if let Some(entry) = self.entry_mut(at).filter(|e| !e.poked) {
            entry.poked = true;
            self.poked.push(&mut self.places, at);
        }
    }

    /// Begins a wait for `max` events: reports closed entries, and returns the remaining work.
    pub(super) fn before(
        &mut self,
        taken: u32,
        max: usize,
        put: &mut impl FnMut(usize, Event),
    ) -> Before {
        let mut n = 0;
        while n < max {
            let Some(at) = self.gone.pop(&mut self.places) else { break };
            if let Some(Kept::Gone(event)) = self.places.get(at) {
                put(n, *event);
                n += 1;
            }
            self.places.empty(at);
        }
        let left = max - n;
        let kept = match (left, self.poked.len()) {
            (0, _) | (_, 0) => 0,
            (1, _) => {
                self.kernels_turn = !self.kernels_turn;
                usize::from(!self.kernels_turn)
            }
            (_, poked) => poked.min(left / 2),
        };
        let idle = n == 0 && self.poked.len() == 0 && self.wakes == 0;
        Before {
            put: n,
            poked: self.poked.len(),
            room: left - kept,
            looking: false,
            idle,
            slept: idle,
            taken,
            serial: self.next_serial(),
        }
    }

    /// A number for a wait: 0 is none's.
    pub(super) fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1).max(1);
        self.serial
    }

    /// Whether a wait has nothing to do before it asks the kernel.
    pub(super) fn is_quiet(&self) -> bool {
        let nothing = self.gone.len() + self.poked.len() == 0 && self.wakes == 0 && !self.rung;
        nothing && !self.closed && !self.haunted && self.is_ours()
    }

    /// An event of the kernel's that is to be reported as it is.
    #[inline]
    pub(super) fn plain(&self, token: u64, seen: u32) -> Option<Event> {
        self.plains()(token, seen)
    }

    /// The same for many.
    #[inline(always)]
    pub(super) fn plains(&self) -> impl Fn(u64, u32) -> Option<Event> + '_ {
        let at = self.places.finder();
        move |token, seen| match at(token)? {
            Kept::Entry(entry) => entry.plain(seen),
            Kept::Gone(_) => None,
        }
    }

    /// The report for an event of the kernel.
    pub(super) fn seen(
        &mut self,
        kernel: &Kernel,
        token: u64,
        seen: u32,
        before: &Before,
    ) -> Report {
        let Some(at) = self.places.find(token) else {
            // The entry may have been removed meanwhile. If none was, it is a descriptor closed
            // outside while a dup is open: only a new epoll gets rid of it.
            self.haunted |= kernel.taken() == before.taken;
            return Report::Nothing;
        };
        match self.plain(token, seen) {
            Some(event) => Report::Event(event),
            None => self.look(at, seen & EVENTS, before.serial),
        }
    }

    /// The report for the next poked entry to check, unless this wait has reported it already.
    pub(super) fn next_poked(&mut self, before: &mut Before) -> Option<Report> {
        before.poked = before.poked.checked_sub(1)?;
        let at = self.poked.pop(&mut self.places)?;
        let entry = self.entry_mut(at)?;
        entry.poked = false;
        if entry.reported == before.serial {
            self.poke(at);
            return Some(Report::Nothing);
        }
        Some(self.look(at, 0, before.serial))
    }

    /// The report for an entry when the kernel reports `seen`.
    #[inline(never)]
    fn look(&mut self, at: u32, seen: u32, serial: u32) -> Report {
        let token = self.places.token(at);
        let Some(entry) = self.entry(at).filter(|e| !e.silent) else { return Report::Nothing };
        let events = (entry.mask & EVENTS) as i16;
        match entry.source() {
            _ if !entry.layered => self.say(at, seen, serial),
            // A plain file is always ready, as poll(2) has it.
            Source::Fd(_) => self.say(at, (events & (libc::POLLIN | libc::POLLOUT)) as u32, serial),
            Source::Handle(handle) => {
                Report::Ask(Question { token, handle, events, seen: seen as i16 })
            }
        }
    }

    /// Continues after the answer to a [`Question`].
    pub(super) fn told(
        &mut self,
        kernel: &Kernel,
        question: &Question,
        truth: &Truth,
        serial: u32,
    ) -> Report {
        let Some(at) = self.places.find(question.token) else { return Report::Nothing };
        let ours = self.is_ours();
        let Some(entry) = self.entry_mut(at).filter(|e| !e.silent) else { return Report::Nothing };
        // A callback of the host may have forked.
        let one_shot = entry.mask & ONESHOT != 0;
        let ask = match truth.events {
            1.. if one_shot => ONESHOT,
            _ => truth.ask as u32 & EVENTS | entry.mask & (EDGE | ONESHOT),
        };
        // The kernel does not repeat an event under ONESHOT.
        if (ask != entry.asked || one_shot) && ours {
            let before = std::mem::replace(&mut entry.asked, ask);
            if kernel.ask(libc::EPOLL_CTL_MOD, entry, question.token).is_err() {
                entry.asked = before; // The next check tries again.
            }
        }
        self.say(at, truth.events, serial)
    }

    fn say(&mut self, at: u32, events: u32, serial: u32) -> Report {
        let Some(entry) = self.entry_mut(at).filter(|_| events != 0) else {
            return Report::Nothing;
        };
        entry.reported = serial;
        let event = entry.event(events);
        if entry.mask & ONESHOT != 0 {
            // No reports of this entry until it is modified.
            entry.set_silent();
        } else if entry.layered && entry.mask & EDGE == 0 {
            // Level-triggered: check it again before the next sleep.
            self.poke(at);
        }
        Report::Event(event)
    }

    /// Every entry, with its token.
    pub(super) fn entries(&mut self) -> impl Iterator<Item = (u64, &mut Entry)> {
        self.places.all().filter_map(|(token, kept)| match kept {
            Kept::Entry(entry) => Some((token, entry)),
            Kept::Gone(_) => None,
        })
    }

    /// The next entry, from a slot on, that a child must renew.
    pub(super) fn next_to_renew(&self, from: u32) -> Option<(u32, Handle)> {
        (from..self.places.len()).find_map(|at| match self.entry(at)? {
            entry if !entry.renews => None,
            entry => match entry.source() {
                Source::Handle(handle) => Some((at, handle)),
                Source::Fd(_) => None,
            },
        })
    }

    /// Records the descriptor of an entry.
    pub(super) fn renewed(&mut self, at: u32, handle: Handle, fd: i32) {
        if let Some(entry) = self.entry_mut(at).filter(|e| e.source() == Source::Handle(handle)) {
            entry.fd = fd;
        }
    }
}

fn key(source: Source) -> u64 {
    match source {
        Source::Handle(handle) => handle as u64,
        Source::Fd(fd) => 1 << 63 | u64::from(fd as u32),
    }
}

/// A hash for small numbers. No attacker chooses them, so it needs no random seed.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }
    #[inline]
    fn write_u64(&mut self, n: u64) {
        // Fibonacci hashing; the table uses both ends of the number.
        let mixed = (self.0 ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ mixed >> 32;
    }
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
