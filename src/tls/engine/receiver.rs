//! Who waits to receive: one thread at a time. So no other takes what it waits for, and it may
//! receive into a buffer of its own while the engine is free for others.

use crate::sys::fork;

/// The place of that thread; changed under the engine's lock.
#[derive(Default)]
pub struct Receiver {
    /// [`fork::forks`] when it was taken: in a forked child there is no such thread.
    held: Option<u32>,
}

impl Receiver {
    /// Whether a thread has it.
    #[inline]
    pub fn held(&self) -> bool {
        self.held.is_some_and(|forks| forks == fork::forks())
    }

    /// Whether a thread of the parent's had it, when this process was forked.
    pub fn forked(&self) -> bool {
        self.held.is_some_and(|forks| forks != fork::forks())
    }

    /// Takes it, which nobody has.
    #[inline]
    pub fn take(&mut self) {
        self.held = Some(fork::forks());
    }

    /// Gives it back.
    #[inline]
    pub fn give_back(&mut self) {
        self.held = None;
    }
}
