//! The threads that wait for the C library's resolver.
//!
//! The resolver has neither deadlines nor cancellation, so callers must be able to abandon a
//! question. A thread is started when a question finds none idle, up to a bound ([`set_threads`]),
//! and ends after [`IDLE`] without work. A question abandoned before its turn is not asked; one
//! abandoned later holds only its thread.
//!
//! A name with a dead server holds its thread for about ten seconds. So that such names do not
//! delay others, a quarter of the threads are spare. They work only while the other threads have
//! made no progress for [`STUCK`], and only on jobs newer than those the others are stuck in, the
//! newest first. If a spare thread gets stuck as well, the next one starts only after that time
//! again, so that many dead names do not take them all.
//!
//! Each pool belongs to a process, because a forked child has none of its parent's threads, and to
//! a network and mount namespace: that of the asking thread, in which its threads are started.
//!
//! The queue's lock is std's: a futex, without further state that a fork could leave locked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::asked::{Asked, Job, Question};
use crate::error::Result;
use crate::sys::counted::Counted;
use crate::sys::names::{self, Query, Reverse};
use crate::sys::namespace::PerNamespace;
use crate::sys::process;

/// How long a thread stays idle before it ends.
const IDLE: Duration = Duration::from_secs(5);
/// The spare threads start to help after this time without progress of the others.
const STUCK: Duration = Duration::from_millis(200);
/// The stack size, enough for the C library's resolver and its plug-ins.
const STACK: usize = 512 * 1024;

/// The maximum number of threads in a pool. They wait for the network, not for a processor, and
/// each uses a descriptor meanwhile.
static MOST: AtomicUsize = AtomicUsize::new(64);

/// Sets how many threads a pool may have, at least one.
pub fn set_threads(most: usize) {
    MOST.store(most, Ordering::Relaxed);
}

/// The numbers of ordinary and of spare threads.
fn bounds() -> (usize, usize) {
    let most = MOST.load(Ordering::Relaxed).max(1);
    (most - most / 4, most / 4)
}

/// A job for a thread.
pub enum Work {
    /// The addresses of a name.
    Query(Counted<Job<Query>>),
    /// The names of an address.
    Reverse(Counted<Job<Reverse>>),
}

impl From<Counted<Job<Query>>> for Work {
    fn from(job: Counted<Job<Query>>) -> Self {
        Work::Query(job)
    }
}

impl From<Counted<Job<Reverse>>> for Work {
    fn from(job: Counted<Job<Reverse>>) -> Self {
        Work::Reverse(job)
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

static POOLS: PerNamespace<Pool> = PerNamespace::new();

/// Wakes idle threads, so that they end if they should ([`process::ending`]).
pub fn wake() {
    POOLS.each(|pool| {
        // Take the lock once: after that, a thread that found no job is waiting and gets the
        // wake-up.
        drop(locked(&pool.queue));
        pool.work.notify_all();
        pool.spare_work.notify_all();
    });
}

/// Has a question answered by a thread in the caller's namespaces.
///
/// # Errors
/// EMFILE, ENFILE; EAGAIN when no thread can be started; `EAI_MEMORY`.
pub fn ask<Q: Question>(question: Q) -> Result<Asked<Q>>
where
    Counted<Job<Q>>: Into<Work>,
{
    let asked = Asked::unasked(question)?;
    submit(asked.job().clone())?;
    Ok(asked)
}

/// Queues a job: see [`ask`].
///
/// # Errors
/// EAGAIN when no thread can be started; `EAI_MEMORY`.
pub fn submit(job: impl Into<Work>) -> Result<()> {
    POOLS.get(Pool::default).map_err(super::no_memory)?.submit(job.into())
}

/// See the module documentation.
#[derive(Default)]
struct Pool {
    queue: Mutex<Queue>,
    work: Condvar,
    spare_work: Condvar,
}

#[derive(Default)]
struct Queue {
    /// In order of arrival, with consecutive numbers.
    jobs: VecDeque<(u64, Work)>,
    /// The number of the next.
    next: u64,
    idle: usize,
    threads: usize,
    spare_idle: usize,
    spare_threads: usize,
    /// Started threads that are to become spare ones.
    spare_born: usize,
    /// When an ordinary thread last came back to the queue.
    turned: Option<Instant>,
    /// When the next spare thread may take a job, unless the last one finishes before.
    spare_from: Option<Instant>,
}

impl Queue {
    /// The time from which a spare thread may take the newest job.
    fn spare_turn(&self) -> Option<Instant> {
        self.turned.map(|turned| turned + STUCK).max(self.spare_from)
    }
}

impl Pool {
    fn submit(&'static self, work: Work) -> Result<()> {
        let (most, spare) = bounds();
        let mut queue = locked(&self.queue);
        if queue.jobs.len() == queue.jobs.capacity() {
            queue.jobs.retain(|(_, job)| job.wanted());
            queue.jobs.try_reserve(1).map_err(super::no_memory)?;
        }
        if queue.idle <= queue.jobs.len() {
            if queue.threads < most {
                match process::spawn(self, STACK) {
                    Ok(()) => queue.threads += 1,
                    Err(e) if queue.threads == 0 => return Err(e.into()),
                    Err(_) => {} // The other threads will do the job.
                }
            } else if queue.spare_idle == 0
                && queue.spare_threads < spare
                && process::spawn(self, STACK).is_ok()
            {
                queue.spare_threads += 1;
                queue.spare_born += 1;
            }
        }
        let number = queue.next;
        queue.next += 1;
        queue.jobs.push_back((number, work));
        drop(queue);
        self.work.notify_one();
        self.spare_work.notify_one();
        Ok(())
    }

    /// An ordinary thread: takes jobs in order.
    fn serve_all(&'static self, mut queue: MutexGuard<'_, Queue>) {
        loop {
            queue.turned = Some(Instant::now());
            if queue.threads > bounds().0 {
                break;
            }
            match queue.jobs.pop_front() {
                Some((_, job)) if job.wanted() => queue = self.run(job, queue),
                Some(_) => {}
                None => {
                    queue.idle += 1;
                    let (back, idle) = waited(&self.work, queue, IDLE);
                    queue = back;
                    queue.idle -= 1;
                    if (idle || process::ending()) && queue.jobs.is_empty() {
                        break;
                    }
                }
            }
        }
        queue.threads -= 1;
    }

    /// A spare thread: takes the newest jobs.
    fn serve_newest(&'static self, mut queue: MutexGuard<'_, Queue>) {
        // The others are stuck in older jobs.
        let mut since = queue.next.saturating_sub(1);
        while queue.spare_threads <= bounds().1 {
            let now = Instant::now();
            let newest = queue.jobs.back().filter(|(number, _)| *number >= since);
            let until = queue.spare_turn().filter(|from| *from > now);
            let time = match (newest, until) {
                (Some(_), None) => {
                    let Some((_, job)) = queue.jobs.pop_back() else { continue };
                    if job.wanted() {
                        let busy = queue.spare_threads - queue.spare_idle;
                        queue.spare_from = Some(now + STUCK * (1 + busy as u32 / 4));
                        queue = self.run(job, queue);
                        queue.spare_from = None;
                        since = queue.next;
                    }
                    continue;
                }
                (Some(_), Some(until)) => until.saturating_duration_since(now),
                (None, _) => IDLE,
            };
            let nothing = newest.is_none();
            queue.spare_idle += 1;
            let (back, late) = waited(&self.spare_work, queue, time);
            queue = back;
            queue.spare_idle -= 1;
            if (late || process::ending()) && nothing {
                break;
            }
        }
        queue.spare_threads -= 1;
    }

    fn run<'a>(&'a self, job: Work, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        drop(queue);
        job.run();
        drop(job);
        locked(&self.queue)
    }
}

impl process::Serve for Pool {
    const NAME: &'static std::ffi::CStr = c"usocket-resolve";

    fn serve(&'static self) {
        if process::forks() > 0 {
            names::forget_resolver_state();
        }
        let mut queue = locked(&self.queue);
        if queue.spare_born > 0 {
            queue.spare_born -= 1;
            self.serve_newest(queue);
        } else {
            self.serve_all(queue);
        }
    }
}

/// Takes the lock; the data stays consistent even if a holder panics.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits; returns whether the time is over.
fn waited<'a, T>(
    on: &Condvar,
    guard: MutexGuard<'a, T>,
    time: Duration,
) -> (MutexGuard<'a, T>, bool) {
    let (guard, late) = on.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner);
    (guard, late.timed_out())
}
