//! Counts the threads inside, and lets a fork wait for them: see [`super`]. `make loom` checks all
//! interleavings.

use std::time::{Duration, Instant};

use super::sync::{AtomicU32, Ordering};
use crate::sys::futex;

pub(super) const SHARDS: usize = if cfg!(loom) { 1 } else { 16 };

/// See the module documentation.
pub(super) struct Gate {
    /// The number of forks under way; no thread enters meanwhile.
    forking: AtomicU32,
    /// The numbers of threads inside, sharded so that threads do not share a cache line.
    inside: [Shard; SHARDS],
}

#[repr(align(64))]
struct Shard(AtomicU32);

/// For loom only: it models a total order of SeqCst fences, but not of SeqCst accesses.
#[inline(always)]
fn barrier() {
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

impl Gate {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Gate {
        Gate { forking: AtomicU32::new(0), inside: [const { Shard(AtomicU32::new(0)) }; SHARDS] }
    }

    /// The same (loom's atomics cannot be made in a constant).
    #[cfg(loom)]
    pub(super) fn new() -> Gate {
        Gate {
            forking: AtomicU32::new(0),
            inside: std::array::from_fn(|_| Shard(AtomicU32::new(0))),
        }
    }

    /// Enters; `Some` lock if it is about to take one.
    #[inline]
    pub(super) fn enter(&self, shard: usize, lock: Option<&AtomicU32>) {
        // Either the fork sees this count, or we see the fork.
        self.inside[shard].0.fetch_add(1, Ordering::SeqCst);
        barrier();
        if self.forking.load(Ordering::SeqCst) != 0 {
            self.wait(shard, lock);
        }
    }

    #[inline]
    pub(super) fn leave(&self, shard: usize) {
        let count = &self.inside[shard].0;
        count.fetch_sub(1, Ordering::SeqCst);
        barrier();
        if self.forking.load(Ordering::SeqCst) != 0 {
            futex::wake_all(count);
        }
    }

    #[cold]
    fn wait(&self, shard: usize, lock: Option<&AtomicU32>) {
        loop {
            self.leave(shard);
            if let Some(word) = lock {
                // If this thread was woken to take the lock, pass the wake-up on to another, which
                // may be inside already.
                futex::wake_one(word);
            }
            loop {
                match self.forking.load(Ordering::SeqCst) {
                    0 => break,
                    // The loop checks the word again, whatever ended the wait; so does the one
                    // below.
                    seen => _ = futex::wait(&self.forking, seen, None),
                }
            }
            self.inside[shard].0.fetch_add(1, Ordering::SeqCst);
            barrier();
            if self.forking.load(Ordering::SeqCst) == 0 {
                return;
            }
        }
    }

    /// Keeps threads from entering, and waits for those inside, at most `patience`. The forking
    /// thread may be inside itself, in shard `mine`.
    pub(super) fn shut(&self, mine: Option<usize>, patience: Duration) {
        self.forking.fetch_add(1, Ordering::SeqCst);
        barrier();
        let until = Instant::now() + patience;
        for (shard, Shard(count)) in self.inside.iter().enumerate() {
            let mine = u32::from(mine == Some(shard));
            loop {
                let seen = count.load(Ordering::SeqCst);
                let left = until.saturating_duration_since(Instant::now());
                if seen <= mine || left.is_zero() {
                    break;
                }
                let _ = futex::wait(count, seen, Some(left));
            }
        }
    }

    /// In the parent, after the fork.
    pub(super) fn open(&self) {
        if self.forking.fetch_sub(1, Ordering::SeqCst) == 1 {
            futex::wake_all(&self.forking);
        }
    }

    /// In the child, without other threads.
    pub(super) fn reset(&self, mine: Option<usize>) {
        self.forking.store(0, Ordering::SeqCst);
        for (shard, Shard(count)) in self.inside.iter().enumerate() {
            count.store(u32::from(mine == Some(shard)), Ordering::Relaxed);
        }
    }
}
