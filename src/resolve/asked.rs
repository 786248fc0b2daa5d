//! A question to the resolver under way: its owner polls a descriptor, and may abandon it.

use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::sys::counted::Counted;
use crate::sys::fork::Lock;
use crate::sys::own::Own;
use crate::sys::{net, poll};
use crate::wait::{self, Deadline};

/// A question to the resolver.
pub trait Question: Sized + Send + Sync + 'static {
    /// The type of the answer.
    type Answer: Copied + Send + Sync;
    /// Asks, and blocks until there is an answer.
    ///
    /// # Errors
    /// The question's own.
    fn ask(&self) -> Result<Self::Answer>;
}

/// A value that can be copied if memory allows.
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

/// A question under way. Dropping it abandons it and closes its descriptor.
pub struct Asked<Q: Question> {
    job: Counted<Job<Q>>,
    bell: i32,
}

/// A question as seen by the thread that answers it.
pub struct Job<Q: Question> {
    question: Q,
    answer: OnceLock<Result<Q::Answer>>,
    abandoned: AtomicBool,
    /// Readable once there is an answer. Closed when the question is abandoned.
    bell: Lock<Option<Own>>,
}

impl<Q: Question> Asked<Q> {
    /// Makes a question with its answer.
    ///
    /// # Errors
    /// EMFILE, ENFILE, `EAI_MEMORY`.
    pub fn answered(question: Q, answer: Result<Q::Answer>) -> Result<Self> {
        let asked = Asked::unasked(question)?;
        asked.job.finish(answer);
        Ok(asked)
    }

    /// Makes a question to be answered later.
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

    /// The job for the answering thread.
    pub fn job(&self) -> &Counted<Job<Q>> {
        &self.job
    }

    /// The question.
    pub fn question(&self) -> &Q {
        &self.job.question
    }

    /// The descriptor: readable once there is an answer.
    pub fn fileno(&self) -> i32 {
        self.bell
    }

    /// The answer, if there is one.
    pub fn answer(&self) -> Option<&Result<Q::Answer>> {
        self.job.answer.get()
    }

    /// Waits for the answer until the deadline.
    ///
    /// # Errors
    /// The question's own; ETIMEDOUT, EINTR (event hook); EBADF when it was abandoned.
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

    /// Abandons the question, and wakes the threads that wait for it.
    pub fn abandon(&self) {
        self.job.abandoned.store(true, Ordering::Release);
        self.job.ring();
    }
}

impl<Q: Question> Drop for Asked<Q> {
    fn drop(&mut self) {
        self.job.abandoned.store(true, Ordering::Release);
        // If the lock is lost in a child, the descriptor stays open: its number may belong to
        // another descriptor later on.
        drop(self.job.bell.lock().ok().and_then(|mut bell| bell.take()));
    }
}

impl<Q: Question> Job<Q> {
    /// The question.
    pub fn question(&self) -> &Q {
        &self.question
    }

    /// Whether the question has not been abandoned.
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
