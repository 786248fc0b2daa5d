//! Getting at the engine.
//!
//! Its lock is held for work that does not wait, so whoever wants it has it in a moment. The one
//! exception is the host's verify callback, in the handshake: that takes as long as it takes, and
//! may use the library. So while a thread does the handshake the others wait for the lock within
//! their own time, questions are answered as they are before a handshake is complete, and the thread
//! itself, in its callback, gets EDEADLK instead of waiting for itself.
//!
//! In a child of a process in which a thread was in a callback, the session is the parent's.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::error::causes::USOCKET_ETLS_FORKED;
use crate::error::{Error, Result};
use crate::sys::fork::{Guard, Lock};
use crate::tls::engine::Engine;
use crate::wait::Deadline;

/// More than a handshake takes without a callback. What must not wait waits this long all the same.
const MOMENT: Duration = Duration::from_millis(10);

/// An engine behind its lock.
pub(super) struct Locked {
    engine: Lock<Engine>,
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
        Locked { engine: Lock::new(engine), shaking: AtomicUsize::new(0) }
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

    /// For one that has something to put back, while no callback can run.
    ///
    /// # Errors
    /// `USOCKET_ETLS_FORKED`
    #[inline]
    pub(super) fn enter_always(&self) -> Result<Guard<'_, Engine>> {
        self.engine.lock().map_err(|_| Error::tls(USOCKET_ETLS_FORKED))
    }

    /// For a question; `None` while a thread is in its callback.
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
    /// A thread of the parent's had it when this process was forked.
    Lost,
    /// Another does the handshake.
    Shaking,
    /// Another has it for a moment.
    Busy,
}
