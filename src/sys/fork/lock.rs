//! The lock; a fork waits for its holders: see [`super`].

use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::time::{Duration, Instant};

use super::sync::{AtomicU32, Ordering};
use super::{ME, Me, forks};
use crate::sys::futex;

/// A mutex that is usable in a forked child, whatever the parent's threads were doing.
pub struct Lock<T> {
    /// 0 when free; else [`forks`] when it was taken, and a bit for waiting threads.
    word: AtomicU32,
    data: UnsafeCell<ManuallyDrop<T>>,
}

// SAFETY: the data is reached through a guard, of which there is one at a time.
unsafe impl<T: Send> Sync for Lock<T> {}
// SAFETY: it owns its data.
unsafe impl<T: Send> Send for Lock<T> {}

/// A thread that is not in this process had the lock when it forked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// A [`Lock`] that is held.
pub struct Guard<'a, T> {
    lock: &'a Lock<T>,
    /// The guard stays on its thread: a pointer is not `Send`.
    me: *const Me,
}

pub(super) const HELD_ALONE: u32 = 1;
const AWAITED: u32 = 2;
pub(super) const ERA: u32 = 2;

pub(super) fn era() -> u32 {
    forks() << ERA
}

/// This thread's state. (`LocalKey::with` of a large body is a call.)
#[inline(always)]
fn with_me<R>(body: impl FnOnce(&Me) -> R) -> R {
    let me = ME.with(ptr::from_ref);
    // SAFETY: of this thread, which it does not leave; it has no destructor, and is there as long as the
    // thread.
    body(unsafe { &*me })
}

impl<T> Lock<T> {
    /// A free lock.
    #[cfg(not(loom))]
    pub const fn new(value: T) -> Self {
        Lock { word: AtomicU32::new(0), data: UnsafeCell::new(ManuallyDrop::new(value)) }
    }

    /// The same (loom's atomics cannot be made in a constant).
    #[cfg(loom)]
    pub fn new(value: T) -> Self {
        Lock { word: AtomicU32::new(0), data: UnsafeCell::new(ManuallyDrop::new(value)) }
    }

    /// Waits for the lock and takes it.
    ///
    /// # Errors
    /// [`Lost`], for ever.
    #[inline]
    pub fn lock(&self) -> Result<Guard<'_, T>, Lost> {
        #[cfg(debug_assertions)]
        super::order::wants::<T>();
        with_me(|me| {
            me.enter();
            let mine = era() | HELD_ALONE;
            let free =
                self.word.compare_exchange(0, mine, Ordering::Acquire, Ordering::Relaxed).is_ok();
            if !free {
                // Without a deadline it ends with the lock.
                take_later(&self.word, me, None)?;
            }
            Ok(self.taken(me))
        })
    }

    /// The same for at most `patience`; `None` after that, or when the lock is lost.
    pub fn lock_within(&self, patience: Duration) -> Option<Guard<'_, T>> {
        let until = Instant::now() + patience;
        ME.with(|me| {
            me.enter();
            let taken = take_later(&self.word, me, Some(until));
            matches!(taken, Ok(true)).then(|| self.taken(me))
        })
    }

    /// Takes the lock if it is free.
    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        with_me(|me| {
            me.enter();
            let mine = era() | HELD_ALONE;
            match self.word.compare_exchange(0, mine, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => Some(self.taken(me)),
                Err(_) => {
                    me.leave();
                    None
                }
            }
        })
    }

    /// Whether it is [`Lost`].
    pub fn lost(&self) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        word != 0 && word >> ERA != era() >> ERA
    }

    #[inline]
    fn taken(&self, me: &Me) -> Guard<'_, T> {
        #[cfg(debug_assertions)]
        super::order::holds::<T>(true);
        me.remember(&self.word);
        Guard { lock: self, me }
    }
}

/// Called inside; returns inside with the lock (true), or outside without it. (Not of `Lock<T>`, which
/// would have it once for each type.)
#[cold]
fn take_later(lock: &AtomicU32, me: &Me, until: Option<Instant>) -> Result<bool, Lost> {
    /// Critical sections are short: spin this often before the futex wait.
    const SPINS: u32 = if cfg!(loom) { 0 } else { 60 };
    let (mut spins, mut waited) = (0, false);
    loop {
        let word = lock.load(Ordering::Relaxed);
        if word == 0 {
            // Other threads may be waiting too.
            let mine = era() | if waited { AWAITED } else { HELD_ALONE };
            if lock.compare_exchange(0, mine, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                return Ok(true);
            }
            continue;
        }
        if word >> ERA != era() >> ERA {
            me.leave();
            return Err(Lost);
        }
        if spins < SPINS {
            spins += 1;
            std::hint::spin_loop();
            continue;
        }
        let awaited = era() | AWAITED;
        let told = word == awaited
            || lock.compare_exchange(word, awaited, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !told {
            continue;
        }
        let left = until.map(|u| u.saturating_duration_since(Instant::now()));
        me.leave();
        if left == Some(Duration::ZERO) {
            return Ok(false);
        }
        // The loop checks the word again, whatever ended the wait.
        let _ = futex::wait(lock, awaited, left);
        me.enter_for(Some(lock));
        waited = true;
    }
}

/// Releases a lock, inlined.
#[inline(always)]
fn let_go(lock: &AtomicU32, me: &Me) {
    me.forget(lock);
    if lock.swap(0, Ordering::Release) & AWAITED != 0 {
        futex::wake_one(lock);
    }
    me.leave();
}

#[inline(never)]
fn let_go_apart(lock: &AtomicU32, me: &Me) {
    let_go(lock, me);
}

impl<T> Drop for Lock<T> {
    fn drop(&mut self) {
        let word = self.word.load(Ordering::Relaxed);
        if word == 0 || word >> ERA == era() >> ERA {
            // SAFETY: dropped once, here; nobody was at work on it in the parent.
            unsafe { ManuallyDrop::drop(self.data.get_mut()) }
        }
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Lock::new(T::default())
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, and this guard is borrowed alone.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T> Guard<'_, T> {
    /// Releases it, inlined.
    #[inline(always)]
    pub fn release(self) {
        ManuallyDrop::new(self).let_go(let_go);
    }

    #[inline(always)]
    fn let_go(&mut self, how: impl FnOnce(&AtomicU32, &Me)) {
        #[cfg(debug_assertions)]
        super::order::holds::<T>(false);
        // SAFETY: what this thread knows of itself has no destructor: it is there as long as the
        // thread is, which has made this guard and has kept it.
        how(&self.lock.word, unsafe { &*self.me });
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.let_go(let_go_apart);
    }
}
