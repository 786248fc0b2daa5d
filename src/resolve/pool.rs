//! The threads that wait for the C library's resolver.
//!
//! It knows neither deadlines nor signals, so that whoever asks it must be able to walk away. A
//! thread is started when a question finds none idle, up to [`THREADS`], and ends when it has had
//! nothing to do for [`IDLE`]. A question that was given up before its turn is not asked, and one
//! that is given up later holds nothing but its thread.
//!
//! Each pool belongs to a process, because a forked child has none of its parent's threads, and to
//! a network and mount namespace: that of the thread that asks, in which its threads are born.
//!
//! The queue's lock is std's: one word, and nothing behind it that a fork could leave locked.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::sys::counted::Counted;
use crate::sys::fork::Lock;
use crate::sys::names::{self, Query, Reverse};
use crate::sys::namespace::PerNamespace;
use crate::sys::{net, poll, process};
use crate::wait::{self, Deadline};

/// Threads of a pool. They wait for the network, not for a processor, and each takes a descriptor
/// while it does.
pub const THREADS: usize = 64;
/// How long a thread stays without anything to do.
const IDLE: Duration = Duration::from_secs(5);
/// Enough for the C library's resolver and its plug-ins.
const STACK: usize = 512 * 1024;

/// What can be asked on a thread of the pool.
pub trait Question: Sized + Send + Sync + 'static {
    /// What comes of it.
    type Answer: Copied + Send + Sync;
    /// Asks, for as long as it takes.
    ///
    /// # Errors
    /// The question's own.
    fn ask(&self) -> Result<Self::Answer>;
    /// Its job for the pool.
    fn work(job: Counted<Job<Self>>) -> Work;
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

/// A job of either kind.
pub enum Work {
    /// The addresses of a name.
    Query(Counted<Job<Query>>),
    /// The names of an address.
    Reverse(Counted<Job<Reverse>>),
}

impl<Q: Question> Asked<Q> {
    /// Has a question asked.
    ///
    /// # Errors
    /// EMFILE, ENFILE; EAGAIN when no thread can be started; `EAI_MEMORY`.
    pub fn new(question: Q) -> Result<Self> {
        let asked = Asked::unasked(question)?;
        Job::submit(asked.job.clone())?;
        Ok(asked)
    }

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
        let _ = self.answer.set(answer);
        self.ring();
    }

    fn ring(&self) {
        if let Ok(Some(bell)) = self.bell.lock().as_deref() {
            // It can only fail by being readable already.
            let _ = poll::signal(bell);
        }
    }

    /// Has it answered by a thread of the pool.
    ///
    /// # Errors
    /// EAGAIN when no thread can be started; `EAI_MEMORY`.
    pub fn submit(job: Counted<Self>) -> Result<()> {
        Pool::here()?.submit(Q::work(job))
    }

    fn run(&self) {
        let asked = catch_unwind(AssertUnwindSafe(|| self.question.ask()));
        self.finish(asked.unwrap_or(Err(Error::os(libc::ENOTRECOVERABLE))));
    }
}

impl Work {
    fn run(&self) {
        match self {
            Work::Query(job) => job.run(),
            Work::Reverse(job) => job.run(),
        }
    }

    fn wanted(&self) -> bool {
        match self {
            Work::Query(job) => job.is_wanted(),
            Work::Reverse(job) => job.is_wanted(),
        }
    }
}

/// See the module documentation.
#[derive(Default)]
struct Pool {
    queue: Mutex<Queue>,
    work: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Work>,
    idle: usize,
    threads: usize,
}

impl Pool {
    /// The pool of the caller's process and namespaces.
    fn here() -> Result<&'static Pool> {
        static POOLS: PerNamespace<Pool> = PerNamespace::new();
        POOLS.get(Pool::default).map_err(super::no_memory)
    }

    fn submit(&'static self, job: Work) -> Result<()> {
        let mut queue = locked(&self.queue);
        if queue.jobs.len() == queue.jobs.capacity() {
            queue.jobs.retain(|job| job.wanted());
            queue.jobs.try_reserve(1).map_err(super::no_memory)?;
        }
        if queue.idle <= queue.jobs.len() && queue.threads < THREADS {
            match process::spawn(self, STACK) {
                Ok(()) => queue.threads += 1,
                Err(e) if queue.threads == 0 => return Err(e.into()),
                Err(_) => {} // The others will get to it.
            }
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.work.notify_one();
        Ok(())
    }
}

impl process::Serve for Pool {
    const NAME: &'static std::ffi::CStr = c"usocket-resolve";

    fn serve(&'static self) {
        if process::forks() > 0 {
            names::forget_resolver_state();
        }
        let mut queue = locked(&self.queue);
        loop {
            match queue.jobs.pop_front() {
                Some(job) if job.wanted() => {
                    drop(queue);
                    job.run();
                    drop(job);
                    queue = locked(&self.queue);
                }
                Some(_) => {}
                None => {
                    queue.idle += 1;
                    let waited = self.work.wait_timeout(queue, IDLE);
                    let (back, waited) = waited.unwrap_or_else(PoisonError::into_inner);
                    queue = back;
                    queue.idle -= 1;
                    if waited.timed_out() && queue.jobs.is_empty() {
                        queue.threads -= 1;
                        return;
                    }
                }
            }
        }
    }
}

/// A lock, whose holders leave what it guards whole even if they panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
