//! The handle table: numbers that identify objects, safe against any misuse.
//!
//! A handle is `generation << INDEX_BITS | index`: positive, below 2^53, never reused. A slot is
//! an atomic state word and the value:
//!
//! ```text
//!   63 ............ 33 | 32      | 31     | 30   | 29     | 28 ... 0
//!   generation         | CLOSING | 0      | GONE | CLOSER | pins      in use, or closed with pins left
//!   generation         | CLOSING | VACANT | next free slot            vacant
//! ```
//!
//! - **pin**: one compare-and-swap, which succeeds only while the generation matches and CLOSING
//!   is clear. The value stays alive and in place until the pin is dropped.
//! - **close**: one compare-and-swap takes a pin and sets CLOSER; only one thread can, so that a
//!   second closing thread does not count as a user. Another sets CLOSING. After that no new pin can
//!   succeed. Pins held by others mean operations in flight: `closed` learns of them, and ends them.
//! - Dropping the last pin, on any thread, drops the value and frees the slot. Exactly one thread
//!   sees that transition, because CLOSING is never cleared while pins are left.
//!
//! Slots live in chunks that are allocated on demand and never freed or moved, so a lookup is two
//! loads and no lock. The list of chunks is a quarter of a megabyte of zeroes, and only pages in
//! use are resident. Free slots form a stack (tagged against ABA). A slot with its generations used
//! up is retired, so that a stale handle never refers to another object.
//!
//! Nothing here takes a lock: the table is usable in a forked child whatever the other threads of
//! the parent were doing. The child drops their pins ([`Table::forget_pins`]). If the forking
//! thread holds pins itself, they are told apart at the end of its call ([`Table::settle`]).

use crate::sys::fork::{self, Stay};

#[path = "handle/pin.rs"]
mod pin;
#[path = "handle/slots.rs"]
mod slots;
#[path = "handle/sync.rs"]
mod sync;

pub use pin::{Pin, Vacant};
use slots::{CLOSER, CLOSING, GENERATION, GONE, MAX_SLOTS, PIN, PINS, Slot, Slots, VACANT};
use sync::{Ordering, fence};

/// A handle as it crosses the ABI.
pub type Handle = i64;

const INDEX_BITS: u32 = 22;

/// The handle is stale: closed, being closed, or never issued.
#[derive(Debug, PartialEq, Eq)]
pub struct Stale;

/// Why [`Table::take`] did not give the value up.
#[derive(Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// See [`Stale`].
    Stale,
    /// Other threads are using it now.
    Busy,
}

/// Why no handle is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// All are in use.
    Handles,
    /// There is no memory for more.
    Memory,
}

/// The other holders of pins when a handle is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Others {
    /// Threads of this process.
    pub here: bool,
    /// Threads that were forked away, or the thread that forked.
    pub gone: bool,
}

/// See the module documentation.
pub struct Table<T> {
    slots: Slots<T>,
}

// SAFETY: a value is reached from several threads at once (Sync) and dropped on any (Send); the
// slot's state word orders those accesses.
unsafe impl<T: Send + Sync> Sync for Table<T> {}
// SAFETY: the table owns its slots and values.
unsafe impl<T: Send + Sync> Send for Table<T> {}

/// The index of a handle, and the upper half of its slot's state word while it is valid. For an
/// invalid number that half matches no slot: with CLOSING clear a slot's generation is above 0 and
/// below 2^31.
#[inline]
fn split(handle: Handle) -> (u32, u64) {
    let handle = handle as u64;
    ((handle & u64::from(MAX_SLOTS - 1)) as u32, handle >> INDEX_BITS << 1)
}

impl<T> Table<T> {
    /// An empty table.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Table { slots: Slots::new() }
    }

    /// An empty table (loom's atomics cannot be made in a constant).
    #[cfg(loom)]
    pub fn new() -> Self {
        Table { slots: Slots::new() }
    }

    /// Inserts `value` and returns its handle, or the value on failure.
    pub fn insert(&self, value: T) -> Result<Handle, (Full, T)> {
        match self.reserve() {
            Ok(vacant) => Ok(vacant.fill(value)),
            Err(full) => Err((full, value)),
        }
    }

    /// Reserves a slot before its value is made.
    #[inline]
    pub fn reserve(&self) -> Result<Vacant<'_, T>, Full> {
        let (index, slot) = self.slots.take()?;
        Ok(Vacant { table: self, slot, index })
    }

    /// Keeps the value of `handle` alive while the pin is held.
    #[inline]
    pub fn pin(&self, handle: Handle) -> Result<Pin<'_, T>, Stale> {
        let (index, good) = split(handle);
        let slot = self.slots.get(index).ok_or(Stale)?;
        let state = slot.state.load(Ordering::Relaxed);
        // One comparison: the generation matches and CLOSING is clear.
        let matches = state >> 32 == good;
        let pinned = matches && slot.change(state, state + PIN, Ordering::Acquire);
        if pinned || (matches && slot.pin_again(good)) {
            Ok(Pin { table: self, slot, forks: fork::forks() })
        } else {
            Err(Stale)
        }
    }

    /// Makes `handle` stale. `closed` runs on the value, which is still alive, and learns who else
    /// has it pinned.
    pub fn close(&self, handle: Handle, closed: impl FnOnce(&T, Others)) -> Result<(), Stale> {
        self.close_pinned(handle, self.pin_to_close(handle)?, closed)
    }

    /// Takes the pin for [`Table::close_pinned`]; only one exists at a time.
    pub fn pin_to_close(&self, handle: Handle) -> Result<Pin<'_, T>, Stale> {
        let (index, good) = split(handle);
        let slot = self.slots.get(index).ok_or(Stale)?;
        loop {
            let state = slot.state.load(Ordering::Relaxed);
            if state >> 32 != good || state & CLOSER != 0 {
                return Err(Stale);
            }
            if slot.change(state, (state | CLOSER) + PIN, Ordering::Acquire) {
                return Ok(Pin { table: self, slot, forks: fork::forks() });
            }
        }
    }

    /// Makes `handle` stale and consumes the pin for closing it.
    pub fn close_pinned<'a>(
        &'a self,
        handle: Handle,
        mut pin: Pin<'a, T>,
        closed: impl FnOnce(&T, Others),
    ) -> Result<(), Stale> {
        let stay = fork::stay();
        if pin.is_forgotten() {
            pin = self.pin(handle)?;
        }
        let slot = pin.slot;
        let mut state = slot.state.load(Ordering::Relaxed);
        let others = loop {
            if state & CLOSING != 0 {
                return Err(Stale);
            }
            match slot.state.compare_exchange_weak(
                state,
                (state | CLOSING) & !CLOSER,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => break Others { here: state & PINS != PIN, gone: state & GONE != 0 },
                Err(now) => state = now,
            }
        };
        // Either `closed` sees the registration stored by a thread with a pin, or that thread sees
        // CLOSING: see `Pin::closed_meanwhile`.
        fence(Ordering::SeqCst);
        closed(&pin, others);
        if !pin.is_forgotten() {
            std::mem::forget(pin);
            self.leave(split(handle).0, slot, &stay);
        }
        Ok(())
    }

    /// Makes `handle` stale and returns its value, if no other thread uses it.
    pub fn take(&self, handle: Handle) -> Result<T, NotTaken> {
        self.take_if(handle, |_| true)
    }

    /// The same if `may` says so of the value; meanwhile the handle counts as stale.
    #[inline]
    pub fn take_if(&self, handle: Handle, may: impl FnOnce(&T) -> bool) -> Result<T, NotTaken> {
        let (index, good) = split(handle);
        let slot = self.slots.get(index).ok_or(NotTaken::Stale)?;
        let mut state = slot.state.load(Ordering::Relaxed);
        loop {
            if state >> 32 != good {
                return Err(NotTaken::Stale);
            }
            if state & (PINS | GONE) != 0 {
                return Err(NotTaken::Busy);
            }
            match slot.state.compare_exchange_weak(
                state,
                state | CLOSING,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        // SAFETY: as below.
        if !slot.value.with(|v| may(unsafe { (*v).assume_init_ref() })) {
            slot.state.store(state, Ordering::Release);
            return Err(NotTaken::Busy);
        }
        // SAFETY: CLOSING is set and nobody has a pin, so nobody else reads the value; it is forgotten
        // in the slot because that is given back without dropping it.
        let value = slot.value.with(|v| unsafe { (*v).assume_init_read() });
        self.slots.give_back(index, slot);
        Ok(value)
    }

    /// In a forked child, in the fork handler: drops the pins of threads that do not exist there.
    /// If the forking thread may hold pins itself (`hosted`), every pinned value stays until
    /// [`Table::settle`].
    pub fn forget_pins(&self, hosted: bool) {
        for slot in (0..self.slots()).filter_map(|index| self.slots.get(index)) {
            let state = slot.state.load(Ordering::Relaxed);
            if state & VACANT == 0 && state & PINS != 0 {
                // Values already closed are not dropped in the handler either.
                let gone = if hosted || state & CLOSING != 0 { GONE } else { 0 };
                slot.state.store(state & !(PINS | CLOSER) | gone, Ordering::Relaxed);
            }
        }
    }

    /// Later in that child, when the forking thread holds no pins from before the fork: frees the
    /// values that [`Table::forget_pins`] kept.
    pub fn settle(&self) {
        for index in 0..self.slots() {
            let Some(slot) = self.slots.get(index) else { continue };
            let state = slot.state.load(Ordering::Relaxed);
            if state & VACANT != 0 || state & GONE == 0 {
                continue;
            }
            let stay = fork::stay();
            let was = slot.state.fetch_and(!GONE, Ordering::AcqRel);
            if was & GONE != 0 && was & CLOSING != 0 && was & PINS == 0 {
                self.clear(index, slot, &stay);
            }
        }
    }

    /// The number of slots ever in use at once (a leak shows as growth).
    pub fn slots(&self) -> u32 {
        self.slots.count()
    }

    /// The handle of the value at that index, if there is one.
    pub fn handle_at(&self, index: u32) -> Option<Handle> {
        let state = self.slots.get(index)?.state.load(Ordering::Relaxed);
        let generation = state >> GENERATION;
        let open = state & CLOSING == 0;
        open.then_some((generation << INDEX_BITS | u64::from(index)) as Handle)
    }

    /// Releases a pin of a closed slot. A fork sees either the pin, and the child frees the value,
    /// or a vacant slot.
    fn leave(&self, index: u32, slot: &Slot<T>, stay: &Stay) {
        if slot.state.fetch_sub(PIN, Ordering::Release) as u32 == 1 {
            self.clear(index, slot, stay);
        }
    }

    /// The same for a slot with unknown index.
    #[cold]
    fn leave_found(&self, slot: &Slot<T>) {
        let index = self.slots.index_of(slot);
        index.iter().for_each(|index| self.leave(*index, slot, &fork::stay()));
    }

    /// Drops the value after the last pin of a closed slot.
    fn clear(&self, index: u32, slot: &Slot<T>, _: &Stay) {
        // All accesses through other pins happen before the drop. (A load, because ThreadSanitizer
        // does not know fences.)
        slot.state.load(Ordering::Acquire);
        // SAFETY: CLOSING with no pin left: no one else can reach the value any more.
        slot.value.with_mut(|v| unsafe { (*v).assume_init_drop() });
        self.slots.give_back(index, slot);
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[path = "handle_tests.rs"]
mod tests;
