//! Pins, which keep values of the table alive, and reserved slots.

use std::ops::Deref;

use super::slots::{CLOSING, GENERATION, PIN, Slot};
use super::sync::{Ordering, fence};
use super::{Handle, INDEX_BITS, Table, split};
use crate::sys::fork;

/// Keeps one value alive; see the documentation of the table.
pub struct Pin<'a, T> {
    pub(super) table: &'a Table<T>,
    pub(super) slot: &'a Slot<T>,
    /// [`fork::forks`] when it was made.
    pub(super) forks: u32,
}

/// A reserved slot, for a value not made yet.
pub struct Vacant<'a, T> {
    pub(super) table: &'a Table<T>,
    pub(super) slot: &'a Slot<T>,
    pub(super) index: u32,
}

impl<T> Vacant<'_, T> {
    /// Stores the value and returns its handle.
    #[inline]
    pub fn fill(self, value: T) -> Handle {
        let handle = self.handle();
        // SAFETY: nobody can pin a vacant slot, and only we popped it.
        self.slot.value.with_mut(|v| unsafe { (*v).write(value) });
        self.slot.state.store(split(handle).1 << 32, Ordering::Release);
        std::mem::forget(self);
        handle
    }

    /// The handle that the value will have.
    #[inline]
    pub fn handle(&self) -> Handle {
        // The slot is vacant and belongs to this thread.
        let generation = (self.slot.state.load(Ordering::Relaxed) >> GENERATION) + 1;
        (generation << INDEX_BITS | u64::from(self.index)) as Handle
    }
}

impl<T> Drop for Vacant<'_, T> {
    fn drop(&mut self) {
        self.table.slots.give_back(self.index, self.slot);
    }
}

impl<T> Pin<'_, T> {
    /// True when the handle was closed by a thread that may not see the registration just stored by
    /// this one. At least one of the two sees the other's write.
    pub fn closed_meanwhile(&self) -> bool {
        fence(Ordering::SeqCst);
        self.closing()
    }

    /// Whether the pin is older than this process, from before the fork.
    #[inline]
    pub(super) fn is_forgotten(&self) -> bool {
        self.forks != fork::forks()
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
        if self.is_forgotten() {
            return;
        }
        let state = self.slot.state.load(Ordering::Relaxed);
        let open = state & CLOSING == 0;
        if open
            && (self.slot.change(state, state - PIN, Ordering::Release) || self.slot.unpin_again())
        {
            return;
        }
        self.table.leave_found(self.slot);
    }
}
