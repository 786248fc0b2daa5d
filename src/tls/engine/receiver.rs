//! Who waits to receive: one thread at a time. So no other takes what it waits for, and it may
//! receive into a buffer of its own while the engine is free for others.
//!
//! That place is taken and given back under the engine's lock, with one exception: where a thread that
//! receives can do nothing but wait, the place is *open*, and is taken without the lock. Whoever is about
//! to receive under the lock shuts it first. (`make loom` checks it in all orders.)

#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sys::fork;

/// See the module documentation.
pub struct Receiver {
    /// One of the states; above it, for an open place, [`fork::partings`] when it was opened: who shares
    /// the connection with another process by now has to claim it first. For one that is held,
    /// [`fork::forks`] when it was taken: in a forked child there is no such thread.
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

    /// Whether a thread of the parent's had it, when this process was forked.
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

    /// From here on it is taken under the lock alone, which the caller has; false when a thread has it.
    #[inline]
    pub fn shut(&self) -> bool {
        let word = self.word.load(Ordering::Acquire);
        match word & STATE {
            OPEN => self.change(word, SHUT),
            _ => word != held(),
        }
    }

    /// Opens it, under the lock, if nobody has it.
    #[inline]
    pub fn open(&self) {
        if !self.held() {
            self.word.store(open(), Ordering::Release);
        }
    }

    /// Gives it back, under the lock.
    #[inline]
    pub fn give_back(&self) {
        self.word.store(SHUT, Ordering::Release);
    }

    #[inline]
    fn change(&self, old: u32, new: u32) -> bool {
        self.word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
