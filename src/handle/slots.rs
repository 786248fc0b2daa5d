//! The slots of the table: their memory, and the stack of free ones.

use std::mem::MaybeUninit;

use super::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering, UnsafeCell};
use super::{Full, INDEX_BITS};

pub(super) const MAX_SLOTS: u32 = 1 << INDEX_BITS;
pub(super) const MAX_GENERATION: u32 = (1 << 31) - 1;

pub(super) const PIN: u64 = 1;
pub(super) const PINS: u64 = CLOSER - 1;
/// One of the pins belongs to a thread about to close the handle.
pub(super) const CLOSER: u64 = 1 << 29;
/// It had pins when this process was forked, and the forking thread may still use it.
pub(super) const GONE: u64 = 1 << 30;
pub(super) const VACANT: u64 = 1 << 31;
pub(super) const CLOSING: u64 = 1 << 32;
pub(super) const GENERATION: u32 = 33;

/// The maximum number of slots; fewer in tests, as one fills the table.
pub(super) const MOST: u32 = if cfg!(test) { 1 << 17 } else { MAX_SLOTS };
/// Slots in a chunk. Loom follows every atomic it is given: it gets few.
pub(super) const CHUNK: u32 = if cfg!(loom) { 2 } else { 128 };
pub(super) const CHUNKS: usize = if cfg!(loom) { 4 } else { (MAX_SLOTS / CHUNK) as usize };

/// A cache line of its own, so that two threads on two sockets do not slow each other.
#[repr(align(64))]
pub(super) struct Slot<T> {
    pub(super) state: AtomicU64,
    pub(super) value: UnsafeCell<MaybeUninit<T>>,
}

impl<T> Slot<T> {
    /// Replaces the state word, to take or release a pin.
    #[inline]
    pub(super) fn change(&self, old: u64, new: u64, order: Ordering) -> bool {
        self.state.compare_exchange_weak(old, new, order, Ordering::Relaxed).is_ok()
    }

    /// Takes a pin if the state's upper half is `good`, after losing a race with another thread.
    #[cold]
    pub(super) fn pin_again(&self, good: u64) -> bool {
        loop {
            let state = self.state.load(Ordering::Relaxed);
            if state >> 32 != good || self.change(state, state + PIN, Ordering::Acquire) {
                return state >> 32 == good;
            }
        }
    }

    /// Releases a pin unless the slot is closed, after losing a race with another thread.
    #[cold]
    pub(super) fn unpin_again(&self) -> bool {
        loop {
            let state = self.state.load(Ordering::Relaxed);
            if state & CLOSING != 0 || self.change(state, state - PIN, Ordering::Release) {
                return state & CLOSING == 0;
            }
        }
    }
}

/// See the module documentation.
pub(super) struct Slots<T> {
    chunks: [AtomicPtr<Slot<T>>; CHUNKS],
    /// The number of slots ever handed out.
    used: AtomicU32,
    /// Top of the stack of free slots: `tag << 32 | index + 1`, 0 in the low half when empty.
    free: AtomicU64,
}

/// Chunk number, and offset in it.
#[inline]
fn locate(index: u32) -> (usize, usize) {
    ((index / CHUNK) as usize, (index % CHUNK) as usize)
}

/// A chunk as [`Slots::make_chunk`] made it.
///
/// # Safety
/// `base` is of such a chunk, and nobody else's.
unsafe fn chunk_at<T>(base: *mut Slot<T>) -> Box<[Slot<T>]> {
    // SAFETY: by this function's contract.
    unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(base, CHUNK as usize)) }
}

impl<T> Slots<T> {
    /// None yet.
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Slots {
            chunks: [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS],
            used: AtomicU32::new(0),
            free: AtomicU64::new(0),
        }
    }

    /// None yet (loom's atomics cannot be made in a constant).
    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Slots {
            chunks: std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())),
            used: AtomicU32::new(0),
            free: AtomicU64::new(0),
        }
    }

    /// Takes a free slot.
    #[inline]
    pub(super) fn take(&self) -> Result<(u32, &Slot<T>), Full> {
        match self.pop_free() {
            Some(free) => Ok(free),
            None => self.fresh(),
        }
    }

    /// The number of slots ever in use at once.
    pub(super) fn count(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&Slot<T>> {
        let (chunk, offset) = locate(index);
        let base = self.chunks.get(chunk)?.load(Ordering::Acquire);
        if base.is_null() {
            return None;
        }
        // SAFETY: a published chunk has the length `locate` computes `offset` for, and lives as
        // long as the table.
        Some(unsafe { &*base.add(offset) })
    }

    #[cold]
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
        Ok((index, self.get(index).ok_or(Full::Memory)?))
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

    #[inline]
    fn pop_free(&self) -> Option<(u32, &Slot<T>)> {
        let mut top = self.free.load(Ordering::Acquire);
        loop {
            let index = (top as u32).checked_sub(1)?;
            let slot = self.get(index)?;
            // If another thread has just popped the slot, this value is stale, and the tag reveals
            // it.
            let next = (slot.state.load(Ordering::Relaxed) & !VACANT) as u32;
            let new = ((top >> 32) + 1) << 32 | u64::from(next);
            match self.free.compare_exchange_weak(top, new, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return Some((index, slot)),
                Err(now) => top = now,
            }
        }
    }

    /// The index of a slot.
    pub(super) fn index_of(&self, slot: &Slot<T>) -> Option<u32> {
        let at = std::ptr::from_ref(slot);
        let mut chunks = self.chunks.iter().zip((0..self.count()).step_by(CHUNK as usize));
        chunks.find_map(|(chunk, first)| {
            let base = chunk.load(Ordering::Acquire).cast_const();
            let its = base..base.wrapping_add(CHUNK as usize);
            let offset = at.addr().wrapping_sub(base.addr()) / size_of::<Slot<T>>();
            its.contains(&at).then_some(first + offset as u32)
        })
    }

    /// Returns an empty slot to the free stack, or retires it.
    #[inline]
    pub(super) fn give_back(&self, index: u32, slot: &Slot<T>) {
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

impl<T> Drop for Slots<T> {
    fn drop(&mut self) {
        for index in 0..self.count() {
            if let Some(slot) = self.get(index) {
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
