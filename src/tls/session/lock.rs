//! Access to the engine.
//!
//! Its lock is held only for work that does not wait, so other threads get it soon. The exception
//! is the host's verify callback, in the handshake: it may take any time, and may use the library.
//! So during a handshake other threads wait for the lock within their own timeouts, queries return
//! the state before the handshake's completion, and the thread itself, in its callback, gets
//! EDEADLK instead of waiting for itself.
//!
//! After a fork during another thread's callback, the session belongs to the parent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::error::causes::USOCKET_ETLS_FORKED;
use crate::error::{Error, Result};
use crate::sys::fork::{Guard, Lock};
use crate::tls::engine::Engine;
use crate::wait::Deadline;

/// Longer than a handshake without a callback takes. Even non-blocking calls wait this long.
const MOMENT: Duration = Duration::from_millis(10);

/// An engine behind its lock.
pub(super) struct Locked {
    engine: Lock<Engine>,
    /// The thread in the handshake.
    shaking: AtomicUsize,
}

/// Marks a thread as being in the handshake.
pub(super) struct Shaking<'a>(&'a AtomicUsize);

impl Drop for Shaking<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A number that identifies this thread; never 0.
fn me() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| &raw const *here as usize)
}

impl Locked {
    pub(super) fn new(engine: Engine) -> Locked {
        Locked { engine: Lock::new(engine), shaking: AtomicUsize::new(0) }
    }

    /// Records that this thread, which has the lock, does the handshake.
    pub(super) fn shake(&self) -> Shaking<'_> {
        self.shaking.store(me(), Ordering::Relaxed);
        Shaking(&self.shaking)
    }

    /// For an operation.
    ///
    /// # Errors
    /// EDEADLK in this thread's own callback; during another thread's callback ETIMEDOUT at the
    /// deadline, EAGAIN for non-blocking calls.
    #[inline]
    pub(super) fn enter(
        &self,
        deadline: &mut Deadline,
        may_wait: bool,
    ) -> Result<Guard<'_, Engine>> {
        match self.engine.try_lock() {
            Some(engine) => Ok(engine),
            None => self.enter_late(deadline, may_wait),
        }
    }

    #[cold]
    fn enter_late(&self, deadline: &mut Deadline, may_wait: bool) -> Result<Guard<'_, Engine>> {
        loop {
            let left = deadline.remaining().filter(|_| may_wait);
            let patience = left.map_or(MOMENT, |left| left.min(MOMENT));
            match self.attempt(patience) {
                Attempt::Entered(engine) => return Ok(engine),
                Attempt::Own => return Err(Error::os(libc::EDEADLK)),
                Attempt::Lost => return Err(Error::tls(USOCKET_ETLS_FORKED)),
                Attempt::Shaking if !may_wait => return Err(Error::os(libc::EAGAIN)),
                Attempt::Shaking if left == Some(Duration::ZERO) => {
                    return Err(Error::os(libc::ETIMEDOUT));
                }
                _ => {}
            }
        }
    }

    /// For an operation that has to put something back, while no callback can run.
    ///
    /// # Errors
    /// `USOCKET_ETLS_FORKED`
    #[inline]
    pub(super) fn enter_always(&self) -> Result<Guard<'_, Engine>> {
        self.engine.lock().map_err(|_| Error::tls(USOCKET_ETLS_FORKED))
    }

    /// For a query; `None` while a thread is in its callback.
    pub(super) fn look(&self) -> Option<Guard<'_, Engine>> {
        loop {
            match self.attempt(MOMENT) {
                Attempt::Entered(engine) => return Some(engine),
                Attempt::Own | Attempt::Shaking | Attempt::Lost => return None,
                Attempt::Busy => {}
            }
        }
    }

    fn attempt(&self, patience: Duration) -> Attempt<'_> {
        if let Some(engine) = self.engine.try_lock() {
            return Attempt::Entered(engine);
        }
        if self.engine.lost() {
            return Attempt::Lost;
        }
        if self.shaking.load(Ordering::Relaxed) == me() {
            return Attempt::Own;
        }
        match self.engine.lock_within(patience) {
            Some(engine) => Attempt::Entered(engine),
            None if self.shaking.load(Ordering::Relaxed) != 0 => Attempt::Shaking,
            None => Attempt::Busy,
        }
    }
}

enum Attempt<'a> {
    Entered(Guard<'a, Engine>),
    /// This thread itself has it.
    Own,
    /// A thread of the parent had it at the fork.
    Lost,
    /// Another thread does the handshake.
    Shaking,
    /// Another thread has it for a moment.
    Busy,
}
