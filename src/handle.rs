//! The handle table: numbers that stand for objects, safe against any misuse.
//!
//! A handle is `generation << INDEX_BITS | index`: positive, below 2^53, never reused. A slot is
//! one atomic word beside its value:
//!
//! ```text
//!   63 ............ 33 | 32      | 31     | 30   | 29 ... 0
//!   generation         | CLOSING | 0      | GONE | pins      in use, or closed and not yet left
//!   generation         | CLOSING | VACANT | next free slot   vacant
//! ```
//!
//! - **pin**: one compare-and-swap, which succeeds only while the generation matches and CLOSING
//!   is clear. The value stays alive and in place until the pin is dropped.
//! - **close**: one compare-and-swap sets CLOSING and takes a pin of its own. No new pin can
//!   succeed from here on. Pins held by others mean operations in flight: the caller of close is
//!   told, to end them.
//! - The pin that goes last, whoever holds it, drops the value and gives the slot back. Exactly
//!   one thread sees that transition, because CLOSING is never cleared while pins are left.
//!
//! Slots live in chunks that are allocated on demand and never freed or moved, so a lookup is two
//! loads and no lock; the list of chunks is a quarter of a megabyte of zeroes, of which the pages
//! that are used come to be. Free slots form a stack (tagged against ABA). A slot whose
//! generations are used up is retired, so that a stale handle never names a stranger.
//!
//! Nothing here takes a lock: the table is usable in a forked child whatever the other threads of
//! the parent were doing. Their pins are forgotten there ([`Table::forget_pins`]); those of a thread
//! that forks while it holds some are told from them at the end of its call ([`Table::settle`]).

use std::mem::MaybeUninit;
use std::ops::Deref;

use crate::sys::fork;
use sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering, UnsafeCell, fence};

/// Loom's types when the model checker runs, the real ones otherwise.
mod sync {
    #[cfg(loom)]
    pub use loom::cell::UnsafeCell;
    #[cfg(loom)]
    pub use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
    // A few 32-bit processors (MIPS, some PowerPC) have no atomics of 64 bits.
    #[cfg(all(not(loom), not(target_has_atomic = "64")))]
    pub use portable_atomic::AtomicU64;
    #[cfg(all(not(loom), target_has_atomic = "64"))]
    pub use std::sync::atomic::AtomicU64;
    #[cfg(not(loom))]
    pub use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering, fence};

    /// `std`'s cell with loom's interface.
    #[cfg(not(loom))]
    pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    #[cfg(not(loom))]
    impl<T> UnsafeCell<T> {
        pub const fn new(value: T) -> Self {
            UnsafeCell(std::cell::UnsafeCell::new(value))
        }
        #[inline(always)]
        pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }
        #[inline(always)]
        pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

/// A handle as it crosses the ABI.
pub type Handle = i64;

const INDEX_BITS: u32 = 22;
const MAX_SLOTS: u32 = 1 << INDEX_BITS;
const MAX_GENERATION: u32 = (1 << 31) - 1;

const PIN: u64 = 1;
const PINS: u64 = GONE - 1;
/// It had pins when this process was forked, and perhaps the thread that forked still uses it.
const GONE: u64 = 1 << 30;
const VACANT: u64 = 1 << 31;
const CLOSING: u64 = 1 << 32;
const GENERATION: u32 = 33;

/// Slots of a table; less in a test, which fills one.
const MOST: u32 = if cfg!(test) { 1 << 17 } else { MAX_SLOTS };
/// Slots in a chunk. Loom follows every atomic it is given: it gets few.
const CHUNK: u32 = if cfg!(loom) { 2 } else { 128 };
const CHUNKS: usize = if cfg!(loom) { 4 } else { (MAX_SLOTS / CHUNK) as usize };

/// The handle names nothing: closed, being closed, or never given out.
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

/// Why there is no handle to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// All are in use.
    Handles,
    /// There is no memory for more.
    Memory,
}

/// Who else holds pins of a handle that is being closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Others {
    /// Threads of this process.
    pub here: bool,
    /// Threads that were forked away, or the thread that forked.
    pub gone: bool,
}

/// A cache line of its own, so that two threads on two sockets do not slow each other.
#[repr(align(64))]
struct Slot<T> {
    state: AtomicU64,
    value: UnsafeCell<MaybeUninit<T>>,
}

/// See the module documentation.
pub struct Table<T> {
    chunks: [AtomicPtr<Slot<T>>; CHUNKS],
    /// How many slots were ever handed out.
    used: AtomicU32,
    /// Top of the stack of free slots: `tag << 32 | index + 1`, 0 in the low half when empty.
    free: AtomicU64,
}

// SAFETY: a value is reached from several threads at once (Sync) and dropped on any (Send); the
// slot's state word orders those accesses.
unsafe impl<T: Send + Sync> Sync for Table<T> {}
// SAFETY: the table owns its slots and values.
unsafe impl<T: Send + Sync> Send for Table<T> {}

/// Keeps one value alive; see the module documentation.
pub struct Pin<'a, T> {
    table: &'a Table<T>,
    slot: &'a Slot<T>,
    index: u32,
    /// [`fork::forks`] when it was made.
    forks: u32,
}

/// A place for a value that is yet to be made.
pub struct Vacant<'a, T> {
    table: &'a Table<T>,
    slot: &'a Slot<T>,
    index: u32,
}

/// Chunk number, and offset in it.
#[inline]
fn locate(index: u32) -> (usize, usize) {
    ((index / CHUNK) as usize, (index % CHUNK) as usize)
}

/// A chunk as [`Table::fresh`] made it.
///
/// # Safety
/// `base` is of such a chunk, and nobody else's.
unsafe fn chunk_at<T>(base: *mut Slot<T>) -> Box<[Slot<T>]> {
    // SAFETY: by this function's contract.
    unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(base, CHUNK as usize)) }
}

/// The index of a handle, and the upper half of its slot's word while it is good. Whatever is no
/// handle has an upper half that no slot ever has: one with CLOSING clear is a generation above 0,
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
        Table {
            chunks: [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS],
            used: AtomicU32::new(0),
            free: AtomicU64::new(0),
        }
    }

    /// An empty table (loom's atomics cannot be made in a constant).
    #[cfg(loom)]
    pub fn new() -> Self {
        Table {
            chunks: std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())),
            used: AtomicU32::new(0),
            free: AtomicU64::new(0),
        }
    }

    /// Puts `value` in and gives its handle, or the value back.
    pub fn insert(&self, value: T) -> Result<Handle, (Full, T)> {
        match self.reserve() {
            Ok(vacant) => Ok(vacant.fill(value)),
            Err(full) => Err((full, value)),
        }
    }

    /// A place for a value, so that making it is not in vain.
    pub fn reserve(&self) -> Result<Vacant<'_, T>, Full> {
        let (index, slot) = match self.pop_free() {
            Some(free) => free,
            None => self.fresh()?,
        };
        Ok(Vacant { table: self, slot, index })
    }

    /// Keeps the value of `handle` alive while the pin is held.
    #[inline]
    pub fn pin(&self, handle: Handle) -> Result<Pin<'_, T>, Stale> {
        let (index, good) = split(handle);
        let slot = self.slot(index).ok_or(Stale)?;
        let mut state = slot.state.load(Ordering::Relaxed);
        loop {
            // One comparison: the generation matches and CLOSING is clear.
            if state >> 32 != good {
                return Err(Stale);
            }
            match slot.state.compare_exchange_weak(
                state,
                state + PIN,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(self.pinned(index, slot)),
                Err(now) => state = now,
            }
        }
    }

    #[inline]
    fn pinned<'a>(&'a self, index: u32, slot: &'a Slot<T>) -> Pin<'a, T> {
        Pin { table: self, slot, index, forks: fork::forks() }
    }

    /// Makes `handle` stale. `closed` runs on the still living value, and is told who else is inside.
    pub fn close(&self, handle: Handle, closed: impl FnOnce(&T, Others)) -> Result<(), Stale> {
        let (pin, others) = self.begin_close(handle, true).map_err(|_| Stale)?;
        // Either `closed` sees what a thread with a pin has left to be told of, or that thread sees
        // CLOSING: see `Pin::closed_meanwhile`.
        fence(Ordering::SeqCst);
        closed(&pin, others);
        Ok(())
    }

    /// Makes `handle` stale and gives the value out, if no other thread is using it.
    pub fn take(&self, handle: Handle) -> Result<T, NotTaken> {
        let (pin, _) = self.begin_close(handle, false)?;
        // SAFETY: CLOSING is set, ours is the only pin, so nobody else reads the value; it is
        // forgotten in the slot because `vacate` does not drop it.
        let value = pin.slot.value.with(|v| unsafe { (*v).assume_init_read() });
        pin.slot.state.fetch_sub(PIN, Ordering::Release);
        self.vacate(pin.index, pin.slot);
        std::mem::forget(pin);
        Ok(value)
    }

    /// Sets CLOSING and pins, in one step; says whether others hold pins.
    fn begin_close(
        &self,
        handle: Handle,
        even_if_busy: bool,
    ) -> Result<(Pin<'_, T>, Others), NotTaken> {
        let (index, good) = split(handle);
        let slot = self.slot(index).ok_or(NotTaken::Stale)?;
        let mut state = slot.state.load(Ordering::Relaxed);
        loop {
            if state >> 32 != good {
                return Err(NotTaken::Stale);
            }
            let others = Others { here: state & PINS != 0, gone: state & GONE != 0 };
            if (others.here || others.gone) && !even_if_busy {
                return Err(NotTaken::Busy);
            }
            match slot.state.compare_exchange_weak(
                state,
                (state | CLOSING) + PIN,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok((self.pinned(index, slot), others)),
                Err(now) => state = now,
            }
        }
    }

    /// In a forked child, in the handler of the fork: forgets the pins of threads that are not here.
    /// The thread that forked may hold some of its own, `hosted`: then every value that was pinned
    /// stays until [`Table::settle`].
    pub fn forget_pins(&self, hosted: bool) {
        for slot in (0..self.slots()).filter_map(|index| self.slot(index)) {
            let state = slot.state.load(Ordering::Relaxed);
            if state & VACANT == 0 && state & PINS != 0 {
                // What is closed already is not dropped in a handler either.
                let gone = if hosted || state & CLOSING != 0 { GONE } else { 0 };
                slot.state.store(state & !PINS | gone, Ordering::Relaxed);
            }
        }
    }

    /// Later in that child, when the thread that forked holds no pins of before: lets go of what
    /// [`Table::forget_pins`] kept.
    pub fn settle(&self) {
        for index in 0..self.slots() {
            let Some(slot) = self.slot(index) else { continue };
            let state = slot.state.load(Ordering::Relaxed);
            if state & VACANT != 0 || state & GONE == 0 {
                continue;
            }
            let _stay = fork::stay();
            let was = slot.state.fetch_and(!GONE, Ordering::AcqRel);
            if was & GONE != 0 && was & CLOSING != 0 && was & PINS == 0 {
                self.clear(index, slot);
            }
        }
    }

    /// How many slots were ever needed at once (a leak shows as growth).
    pub fn slots(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    #[inline]
    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        let (chunk, offset) = locate(index);
        let base = self.chunks.get(chunk)?.load(Ordering::Acquire);
        if base.is_null() {
            return None;
        }
        // SAFETY: a published chunk has the length `locate` computes `offset` for, and lives as
        // long as the table.
        Some(unsafe { &*base.add(offset) })
    }

    fn fresh(&self) -> Result<(u32, &Slot<T>), Full> {
        let mut index = self.used.load(Ordering::Relaxed);
        loop {
            if index == MOST {
                return Err(Full::Handles);
            }
            self.make_chunk(locate(index).0)?;
            match self.used.compare_exchange_weak(
                index,
                index + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => index = now,
            }
        }
        Ok((index, self.slot(index).ok_or(Full::Memory)?))
    }

    fn make_chunk(&self, chunk: usize) -> Result<(), Full> {
        let place = &self.chunks[chunk];
        if !place.load(Ordering::Acquire).is_null() {
            return Ok(());
        }
        let mut new: Vec<Slot<T>> = Vec::new();
        new.try_reserve_exact(CHUNK as usize).map_err(|_| Full::Memory)?;
        new.extend((0..CHUNK).map(|_| Slot {
            state: AtomicU64::new(CLOSING | VACANT),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }));
        let new = Box::into_raw(new.into_boxed_slice()).cast::<Slot<T>>();
        let none = std::ptr::null_mut();
        if place.compare_exchange(none, new, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: another thread's chunk won; ours was never published.
            drop(unsafe { chunk_at(new) });
        }
        Ok(())
    }

    fn pop_free(&self) -> Option<(u32, &Slot<T>)> {
        let mut top = self.free.load(Ordering::Acquire);
        loop {
            let index = (top as u32).checked_sub(1)?;
            let slot = self.slot(index)?;
            // Whatever this is when another thread has just popped the slot, the tag gives it away.
            let next = (slot.state.load(Ordering::Relaxed) & !VACANT) as u32;
            let new = ((top >> 32) + 1) << 32 | u64::from(next);
            match self.free.compare_exchange_weak(top, new, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return Some((index, slot)),
                Err(now) => top = now,
            }
        }
    }

    /// Gives a pin of a closed slot back.
    #[cold]
    fn leave(&self, index: u32, slot: &Slot<T>) {
        // A fork sees the pin, and the child lets go of the value; or it finds the slot vacant.
        let _stay = fork::stay();
        if slot.state.fetch_sub(PIN, Ordering::Release) as u32 == 1 {
            self.clear(index, slot);
        }
    }

    /// The last pin of a closed slot has gone: drops the value. No fork happens meanwhile.
    fn clear(&self, index: u32, slot: &Slot<T>) {
        // Everything the other pins did happens before the drop. (A load, because
        // ThreadSanitizer does not know fences.)
        slot.state.load(Ordering::Acquire);
        // SAFETY: CLOSING with no pin left: no one else can reach the value any more.
        slot.value.with_mut(|v| unsafe { (*v).assume_init_drop() });
        self.vacate(index, slot);
    }

    /// Gives a slot whose value is gone back to the free stack, or retires it.
    fn vacate(&self, index: u32, slot: &Slot<T>) {
        let state = slot.state.load(Ordering::Relaxed) >> 32 << 32 | VACANT;
        if state >> GENERATION == u64::from(MAX_GENERATION) {
            slot.state.store(state, Ordering::Relaxed);
            return;
        }
        let mut top = self.free.load(Ordering::Relaxed);
        loop {
            slot.state.store(state | u64::from(top as u32), Ordering::Relaxed);
            let new = ((top >> 32) + 1) << 32 | u64::from(index + 1);
            match self.free.compare_exchange_weak(top, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }
}

impl<T> Vacant<'_, T> {
    /// Puts the value in and gives its handle.
    pub fn fill(self, value: T) -> Handle {
        let handle = self.handle();
        // SAFETY: nobody can pin a vacant slot, and only we popped it.
        self.slot.value.with_mut(|v| unsafe { (*v).write(value) });
        self.slot.state.store(split(handle).1 << 32, Ordering::Release);
        std::mem::forget(self);
        handle
    }

    /// The handle that the value will have.
    pub fn handle(&self) -> Handle {
        // The slot is vacant and ours alone.
        let generation = (self.slot.state.load(Ordering::Relaxed) >> GENERATION) + 1;
        (generation << INDEX_BITS | u64::from(self.index)) as Handle
    }
}

impl<T> Drop for Vacant<'_, T> {
    fn drop(&mut self) {
        self.table.vacate(self.index, self.slot);
    }
}

impl<T> Pin<'_, T> {
    /// True when the handle was closed by a thread that does not know of what this one has just
    /// stored: of the two, one sees what the other did.
    pub fn closed_meanwhile(&self) -> bool {
        fence(Ordering::SeqCst);
        self.closing()
    }

    /// True once the handle was closed; the value lives on until the last pin goes.
    #[inline]
    pub fn closing(&self) -> bool {
        self.slot.state.load(Ordering::Relaxed) & CLOSING != 0
    }
}

impl<T> Deref for Pin<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: a pin was taken on an occupied slot, and the value is dropped only by the last.
        self.slot.value.with(|v| unsafe { (*v).assume_init_ref() })
    }
}

impl<T> Drop for Pin<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.forks != fork::forks() {
            // Made before the fork that made this process: it is forgotten already.
            return;
        }
        let state = &self.slot.state;
        let mut now = state.load(Ordering::Relaxed);
        while now & CLOSING == 0 {
            match state.compare_exchange_weak(now, now - PIN, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(other) => now = other,
            }
        }
        self.table.leave(self.index, self.slot);
    }
}

impl<T> Drop for Table<T> {
    fn drop(&mut self) {
        let used = self.used.load(Ordering::Relaxed);
        for index in 0..used {
            if let Some(slot) = self.slot(index) {
                let state = slot.state.load(Ordering::Relaxed);
                if state & CLOSING == 0 {
                    // SAFETY: occupied (never vacated), and `&mut self` means no pins exist.
                    slot.value.with_mut(|v| unsafe { (*v).assume_init_drop() });
                }
            }
        }
        for chunk in &self.chunks {
            let base = chunk.load(Ordering::Relaxed);
            if !base.is_null() {
                // SAFETY: made by `fresh`, published once, freed once here.
                drop(unsafe { chunk_at(base) });
            }
        }
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
