//! The threads that wait for the C library's resolver.
//!
//! It knows neither deadlines nor signals, so that whoever asks it must be able to walk away. A
//! thread is started when a question finds none idle, up to a bound ([`set_threads`]), and ends when
//! it has had nothing to do for [`IDLE`]. A question that was given up before its turn is not asked,
//! and one that is given up later holds nothing but its thread.
//!
//! A name whose server is dead holds its thread for ten seconds or so. That such names hold all does
//! not hold up a name that is alive: a quarter of the threads are spare. They ask only while the
//! others have come to no end for [`STUCK`], and only what is newer than the names they are stuck in,
//! the newest first. One of them that comes to no end itself is followed by the next not before as
//! much time again has gone, so that many dead names do not take them all.
//!
//! Each pool belongs to a process, because a forked child has none of its parent's threads, and to
//! a network and mount namespace: that of the thread that asks, in which its threads are born.
//!
//! The queue's lock is std's: one word, and nothing behind it that a fork could leave locked.

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

/// How long a thread stays without anything to do.
const IDLE: Duration = Duration::from_secs(5);
/// How long the threads that are not spare come to no end before the spare ones help.
const STUCK: Duration = Duration::from_millis(200);
/// Enough for the C library's resolver and its plug-ins.
const STACK: usize = 512 * 1024;

/// Threads of a pool. They wait for the network, not for a processor, and each takes a descriptor
/// while it does.
static MOST: AtomicUsize = AtomicUsize::new(64);

/// Sets how many threads a pool may have, at least one.
pub fn set_threads(most: usize) {
    MOST.store(most, Ordering::Relaxed);
}

/// How many of them are not spare, and how many are.
fn bounds() -> (usize, usize) {
    let most = MOST.load(Ordering::Relaxed).max(1);
    (most - most / 4, most / 4)
}

/// A job of either kind.
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
        // Who has looked and found nothing waits by the time the lock is free.
        drop(locked(&pool.queue));
        pool.work.notify_all();
        pool.spare_work.notify_all();
    });
}

/// Has a question asked, on a thread that is where the caller is.
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

/// Has a job's question asked: see [`ask`].
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
    /// In the order in which they came, by number.
    jobs: VecDeque<(u64, Work)>,
    /// The number of the next.
    next: u64,
    idle: usize,
    threads: usize,
    spare_idle: usize,
    spare_threads: usize,
    /// Spare threads that do not know yet that they are.
    spare_born: usize,
    /// When a thread that is not spare last turned to the queue.
    turned: Option<Instant>,
    /// When the next spare thread's turn is, unless the last comes to an end before.
    spare_from: Option<Instant>,
}

impl Queue {
    /// From when on a spare thread may take what is newest.
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
                    Err(_) => {} // The others will get to it.
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

    /// A thread that takes what comes, in turn.
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

    /// A spare thread.
    fn serve_newest(&'static self, mut queue: MutexGuard<'_, Queue>) {
        // What was there before is what the others are stuck in.
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

/// A lock, whose holders leave what it guards whole even if they panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits; says whether it was for the whole time.
fn waited<'a, T>(
    on: &Condvar,
    guard: MutexGuard<'a, T>,
    time: Duration,
) -> (MutexGuard<'a, T>, bool) {
    let (guard, late) = on.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner);
    (guard, late.timed_out())
}
