//! A question on its way to an answer: who waits for it polls a descriptor, and may give it up.

use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::sys::counted::Counted;
use crate::sys::fork::Lock;
use crate::sys::{net, poll};
use crate::wait::{self, Deadline};

/// What can be asked.
pub trait Question: Sized + Send + Sync + 'static {
    /// What comes of it.
    type Answer: Copied + Send + Sync;
    /// Asks, for as long as it takes.
    ///
    /// # Errors
    /// The question's own.
    fn ask(&self) -> Result<Self::Answer>;
}

/// What can be copied, unless there is no memory.
pub trait Copied: Sized {
    /// A copy.
    ///
    /// # Errors
    /// ENOMEM.
    fn copy(&self) -> std::io::Result<Self>;
}

/// A copy of an answer.
pub fn copy<A: Copied>(answer: &Result<A>) -> Result<A> {
    answer.as_ref().map_err(|e| *e)?.copy().map_err(super::no_memory)
}

/// A question on its way. Dropped, it is given up, and its descriptor closed.
pub struct Asked<Q: Question> {
    job: Counted<Job<Q>>,
    bell: i32,
}

/// A question, for who answers it.
pub struct Job<Q: Question> {
    question: Q,
    answer: OnceLock<Result<Q::Answer>>,
    abandoned: AtomicBool,
    /// Readable once there is an answer. Closed by who gives it up.
    bell: Lock<Option<OwnedFd>>,
}

impl<Q: Question> Asked<Q> {
    /// One that is answered.
    ///
    /// # Errors
    /// EMFILE, ENFILE, `EAI_MEMORY`.
    pub fn answered(question: Q, answer: Result<Q::Answer>) -> Result<Self> {
        let asked = Asked::unasked(question)?;
        asked.job.finish(answer);
        Ok(asked)
    }

    /// One that somebody is going to answer.
    ///
    /// # Errors
    /// EMFILE, ENFILE, `EAI_MEMORY`.
    pub fn unasked(question: Q) -> Result<Self> {
        let bell = poll::eventfd()?;
        let number = bell.as_raw_fd();
        let job = Job {
            question,
            answer: OnceLock::new(),
            abandoned: AtomicBool::new(false),
            bell: Lock::new(Some(bell)),
        };
        Ok(Asked { job: Counted::new(job).map_err(super::no_memory)?, bell: number })
    }

    /// For who answers it.
    pub fn job(&self) -> &Counted<Job<Q>> {
        &self.job
    }

    /// What was asked.
    pub fn question(&self) -> &Q {
        &self.job.question
    }

    /// The descriptor: readable once there is an answer.
    pub fn fileno(&self) -> i32 {
        self.bell
    }

    /// The answer, if it is there.
    pub fn answer(&self) -> Option<&Result<Q::Answer>> {
        self.job.answer.get()
    }

    /// The answer, waited for until the deadline.
    ///
    /// # Errors
    /// The question's own; ETIMEDOUT, EINTR (event hook); EBADF when it was given up.
    pub fn wait(&self, deadline: &mut Deadline) -> Result<Q::Answer> {
        loop {
            if let Some(answer) = self.answer() {
                return copy(answer);
            }
            if !self.job.is_wanted() {
                return Err(Error::os(libc::EBADF));
            }
            wait::fd(net::borrow_raw(self.bell)?, libc::POLLIN, deadline)?;
        }
    }

    /// Gives the question up; whoever waits for it is told.
    pub fn abandon(&self) {
        self.job.abandoned.store(true, Ordering::Release);
        self.job.ring();
    }
}

impl<Q: Question> Drop for Asked<Q> {
    fn drop(&mut self) {
        self.job.abandoned.store(true, Ordering::Release);
        // Lost, it stays open in a child; the number may be anybody's later on.
        drop(self.job.bell.lock().ok().and_then(|mut bell| bell.take()));
    }
}

impl<Q: Question> Job<Q> {
    /// What is asked.
    pub fn question(&self) -> &Q {
        &self.question
    }

    /// Whether anybody still wants to know.
    pub fn is_wanted(&self) -> bool {
        !self.abandoned.load(Ordering::Acquire)
    }

    /// Gives the answer.
    pub fn finish(&self, answer: Result<Q::Answer>) {
        // The first answer counts.
        let _ = self.answer.set(answer);
        self.ring();
    }

    fn ring(&self) {
        if let Ok(Some(bell)) = self.bell.lock().as_deref() {
            // It fails only if the eventfd is readable already.
            let _ = poll::signal(bell);
        }
    }

    /// Asks and answers.
    pub fn run(&self) {
        let asked = catch_unwind(AssertUnwindSafe(|| self.question.ask()));
        self.finish(asked.unwrap_or(Err(Error::os(libc::ENOTRECOVERABLE))));
    }
}
