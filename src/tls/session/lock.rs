//! Getting at the engine.
//!
//! Its lock is held for work that does not wait, so whoever wants it has it in a moment. The one
//! exception is the host's verify callback, in the handshake: that takes as long as it takes, and
//! may use the library. So while a thread does the handshake the others wait for the lock within
//! their own time, questions are answered as they are before a handshake is complete, and the thread
//! itself, in its callback, gets EDEADLK instead of waiting for itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::error::{Error, Result};
use crate::tls::engine::Engine;
use crate::wait::Deadline;

/// More than a handshake takes without a callback. What must not wait waits this long all the same.
const MOMENT: Duration = Duration::from_millis(10);

/// An engine behind its lock.
pub(super) struct Locked {
    engine: Mutex<Engine>,
    /// The thread that does the handshake now.
    shaking: AtomicUsize,
}

/// The handshake, as long as a thread does it.
pub(super) struct Shaking<'a>(&'a AtomicUsize);

impl Drop for Shaking<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A number that no other thread has now; never 0.
fn me() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| &raw const *here as usize)
}

impl Locked {
    pub(super) fn new(engine: Engine) -> Locked {
        Locked { engine: Mutex::new(engine), shaking: AtomicUsize::new(0) }
    }

    /// Says that this thread, which has the lock, does the handshake.
    pub(super) fn shake(&self) -> Shaking<'_> {
        self.shaking.store(me(), Ordering::Relaxed);
        Shaking(&self.shaking)
    }

    /// For an operation.
    ///
    /// # Errors
    /// EDEADLK in this thread's own callback; while another's runs ETIMEDOUT at the deadline, EAGAIN
    /// for what must not wait.
    #[inline]
    pub(super) fn enter(
        &self,
        deadline: &mut Deadline,
        may_wait: bool,
    ) -> Result<MutexGuard<'_, Engine>> {
        match self.engine.try_lock() {
            Some(engine) => Ok(engine),
            None => self.enter_late(deadline, may_wait),
        }
    }

    #[cold]
    fn enter_late(
        &self,
        deadline: &mut Deadline,
        may_wait: bool,
    ) -> Result<MutexGuard<'_, Engine>> {
        loop {
            let left = deadline.remaining().filter(|_| may_wait);
            let patience = left.map_or(MOMENT, |left| left.min(MOMENT));
            match self.attempt(patience) {
                Attempt::Entered(engine) => return Ok(engine),
                Attempt::Own => return Err(Error::os(libc::EDEADLK)),
                Attempt::Shaking if !may_wait => return Err(Error::os(libc::EAGAIN)),
                Attempt::Shaking if left == Some(Duration::ZERO) => {
                    return Err(Error::os(libc::ETIMEDOUT));
                }
                _ => {}
            }
        }
    }

    /// For one that has something to put back, while no callback can run.
    pub(super) fn enter_always(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock()
    }

    /// For a question; `None` while a thread is in its callback.
    pub(super) fn look(&self) -> Option<MutexGuard<'_, Engine>> {
        loop {
            match self.attempt(MOMENT) {
                Attempt::Entered(engine) => return Some(engine),
                Attempt::Own | Attempt::Shaking => return None,
                Attempt::Busy => {}
            }
        }
    }

    fn attempt(&self, patience: Duration) -> Attempt<'_> {
        if let Some(engine) = self.engine.try_lock() {
            return Attempt::Entered(engine);
        }
        if self.shaking.load(Ordering::Relaxed) == me() {
            return Attempt::Own;
        }
        match self.engine.try_lock_for(patience) {
            Some(engine) => Attempt::Entered(engine),
            None if self.shaking.load(Ordering::Relaxed) != 0 => Attempt::Shaking,
            None => Attempt::Busy,
        }
    }
}

enum Attempt<'a> {
    Entered(MutexGuard<'a, Engine>),
    /// This thread itself has it.
    Own,
    /// Another does the handshake.
    Shaking,
    /// Another has it for a moment.
    Busy,
}
