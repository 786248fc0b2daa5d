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
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::sys::namespace::PerNamespace;
use crate::sys::{names, poll, process};
use crate::wait::{self, Deadline};

/// Threads of a pool. They wait for the network, not for a processor, and each takes a descriptor
/// while it does.
pub const THREADS: usize = 64;
/// How long a thread stays without anything to do.
const IDLE: Duration = Duration::from_secs(5);
/// Enough for the C library's resolver and its plug-ins.
const STACK: usize = 512 * 1024;

/// What can be asked on a thread of the pool.
pub trait Question: Send + Sync + 'static {
    /// What comes of it.
    type Answer: Clone + Send + Sync;
    /// Asks, for as long as it takes.
    ///
    /// # Errors
    /// The question's own.
    fn ask(&self) -> Result<Self::Answer>;
}

/// A question on its way. Dropped, it is given up, and its descriptor closed.
pub struct Asked<Q: Question> {
    job: Arc<Job<Q>>,
    /// Readable once there is an answer.
    bell: Arc<OwnedFd>,
}

/// A question, for who answers it.
pub struct Job<Q: Question> {
    question: Q,
    answer: OnceLock<Result<Q::Answer>>,
    abandoned: AtomicBool,
    bell: Weak<OwnedFd>,
}

/// A job, whatever its question.
trait Work: Send + Sync {
    fn run(&self);
    fn wanted(&self) -> bool;
}

impl<Q: Question> Asked<Q> {
    /// Has a question asked.
    ///
    /// # Errors
    /// EMFILE, ENFILE; EAGAIN when no thread can be started; `EAI_MEMORY`.
    pub fn new(question: Q) -> Result<Self> {
        let asked = Asked::unasked(question)?;
        asked.job.clone().submit()?;
        Ok(asked)
    }

    /// One that is answered.
    ///
    /// # Errors
    /// EMFILE, ENFILE.
    pub fn answered(question: Q, answer: Result<Q::Answer>) -> Result<Self> {
        let asked = Asked::unasked(question)?;
        asked.job.finish(answer);
        Ok(asked)
    }

    /// One that somebody is going to answer.
    ///
    /// # Errors
    /// EMFILE, ENFILE.
    pub fn unasked(question: Q) -> Result<Self> {
        let bell = Arc::new(poll::eventfd()?);
        let job = Arc::new(Job {
            question,
            answer: OnceLock::new(),
            abandoned: AtomicBool::new(false),
            bell: Arc::downgrade(&bell),
        });
        Ok(Asked { job, bell })
    }

    /// For who answers it.
    pub fn job(&self) -> &Arc<Job<Q>> {
        &self.job
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
                return answer.clone();
            }
            if !self.job.is_wanted() {
                return Err(Error::os(libc::EBADF));
            }
            wait::fd(self.as_fd(), libc::POLLIN, deadline)?;
        }
    }

    /// Gives the question up; whoever waits for it is told.
    pub fn abandon(&self) {
        self.job.abandoned.store(true, Ordering::Release);
        ring(&self.bell);
    }
}

impl<Q: Question> Drop for Asked<Q> {
    fn drop(&mut self) {
        self.job.abandoned.store(true, Ordering::Release);
    }
}

impl<Q: Question> AsFd for Asked<Q> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
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
        // Whoever gave it up has closed it.
        if let Some(bell) = self.bell.upgrade() {
            ring(&bell);
        }
    }

    /// Has it answered by a thread of the pool.
    ///
    /// # Errors
    /// EAGAIN when no thread can be started; `EAI_MEMORY`.
    pub fn submit(self: Arc<Self>) -> Result<()> {
        Pool::here().submit(self)
    }
}

impl<Q: Question> Work for Job<Q> {
    fn run(&self) {
        let asked = catch_unwind(AssertUnwindSafe(|| self.question.ask()));
        self.finish(asked.unwrap_or(Err(Error::os(libc::ENOTRECOVERABLE))));
    }

    fn wanted(&self) -> bool {
        self.is_wanted()
    }
}

fn ring(bell: &OwnedFd) {
    // It can only fail by being readable already.
    let _ = poll::signal(bell);
}

/// See the module documentation.
#[derive(Default)]
struct Pool {
    queue: Mutex<Queue>,
    work: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Arc<dyn Work>>,
    idle: usize,
    threads: usize,
}

impl Pool {
    /// The pool of the caller's process and namespaces.
    fn here() -> &'static Pool {
        static POOLS: PerNamespace<Pool> = PerNamespace::new();
        POOLS.get(Pool::default)
    }

    fn submit(&'static self, job: Arc<dyn Work>) -> Result<()> {
        let mut queue = locked(&self.queue);
        if queue.jobs.len() == queue.jobs.capacity() {
            queue.jobs.retain(|job| job.wanted());
            queue.jobs.try_reserve(1).map_err(|_| Error::eai(libc::EAI_MEMORY))?;
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
