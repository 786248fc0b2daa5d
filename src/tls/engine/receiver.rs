//! The slot of the one thread that waits to receive. So no other thread takes its input, and it can
//! receive into a buffer of its own while the engine is unlocked.
//!
//! The slot is taken and released under the engine's lock, with one exception: while a receiving
//! thread can only wait, the slot is *open*, and is taken without the lock. A thread shuts it
//! before it receives under the lock. (`make loom` checks all interleavings.)

#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sys::fork;

/// See the module documentation.
pub struct Receiver {
    /// One of the states, and above it a count. For an open slot it is [`fork::partings`] when it
    /// was opened: after a fork a process must claim the connection first. For a taken slot it is
    /// [`fork::forks`] when it was taken: that thread does not exist in a forked child.
    word: AtomicU32,
}

const SHUT: u32 = 0;
const OPEN: u32 = 1;
const HELD: u32 = 2;
const STATE: u32 = 3;

fn open() -> u32 {
    fork::partings() << 2 | OPEN
}

fn held() -> u32 {
    fork::forks() << 2 | HELD
}

impl Default for Receiver {
    fn default() -> Receiver {
        Receiver { word: AtomicU32::new(SHUT) }
    }
}

impl Receiver {
    /// Whether a thread has it.
    #[inline]
    pub fn held(&self) -> bool {
        self.word.load(Ordering::Acquire) == held()
    }

    /// Whether a thread of the parent had it at the fork.
    pub fn forked(&self) -> bool {
        let word = self.word.load(Ordering::Acquire);
        word & STATE == HELD && word != held()
    }

    /// Takes it, without the lock, if it is open.
    #[inline]
    pub fn take_open(&self) -> bool {
        self.change(open(), held())
    }

    /// Takes it, under the lock; false when a thread has it.
    #[inline]
    pub fn take(&self) -> bool {
        let free = self.shut();
        if free {
            self.word.store(held(), Ordering::Release);
        }
        free
    }

    /// Shuts it, so that it is taken only under the lock, which the caller holds; false when a
    /// thread has it.
    #[inline]
    pub fn shut(&self) -> bool {
        let word = self.word.load(Ordering::Acquire);
        match word & STATE {
            OPEN => self.change(word, SHUT),
            _ => word != held(),
        }
    }

    /// Opens it, under the lock, unless it is taken.
    #[inline]
    pub fn open(&self) {
        if !self.held() {
            self.word.store(open(), Ordering::Release);
        }
    }

    /// Releases it, under the lock.
    #[inline]
    pub fn give_back(&self) {
        self.word.store(SHUT, Ordering::Release);
    }

    #[inline]
    fn change(&self, old: u32, new: u32) -> bool {
        self.word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
