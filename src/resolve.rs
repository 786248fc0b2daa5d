//! getaddrinfo: names to addresses, with a deadline, and as something that can be polled.
//!
//! The C library's resolver knows neither deadlines nor signals, so a query that may have to ask
//! somebody runs on one of a few threads, started with the first such query, and its caller waits
//! for an eventfd. Numeric hosts need no thread. A caller that gives up leaves its query behind;
//! one that has not begun by then is not begun.

use std::collections::VecDeque;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::error::{Error, Result, explain, forget};
use crate::numbers::USOCKET_IPPROTO_SEC;
use crate::poller::Watchers;
use crate::sys::names::{self, Answer, Query};
use crate::sys::poll;
use crate::sys::process::{self, PerProcess};
use crate::wait::{self, Deadline};

/// Threads of the pool. They wait for the network, not for a processor.
const THREADS: usize = 4;
/// Enough for the C library's resolver and its plug-ins.
const STACK: usize = 512 * 1024;

/// Asks for addresses; `timeout_us` negative is no limit.
///
/// # Errors
/// The resolver's own range (`USOCKET_EAI_*`), an errno where it reports one (`EAI_SYSTEM`),
/// ETIMEDOUT, EINTR (event hook).
pub fn getaddrinfo(query: Query, timeout_us: i64) -> Result<Vec<Answer>> {
    getaddrinfo_within(query, &mut Deadline::after_us(timeout_us))
}

/// The same within a larger operation's deadline.
pub fn getaddrinfo_within(query: Query, deadline: &mut Deadline) -> Result<Vec<Answer>> {
    match answer_at_once(&query) {
        Some(answer) => answer,
        None => Resolve::begin(query, None)?.wait(deadline),
    }
}

/// A query under way. Its descriptor is readable when the answer is there.
pub struct Resolve {
    job: Arc<Job>,
    watchers: Watchers,
}

struct Job {
    query: Query,
    answer: Mutex<Option<Result<Vec<Answer>>>>,
    abandoned: AtomicBool,
    done: OwnedFd,
}

impl Resolve {
    /// Begins a query.
    ///
    /// # Errors
    /// EMFILE, ENFILE; EAGAIN when no thread can be started.
    pub fn start(query: Query) -> Result<Resolve> {
        let answer = answer_at_once(&query);
        Resolve::begin(query, answer)
    }

    /// The same when it is known already whether there is an answer at once.
    fn begin(query: Query, answer: Option<Result<Vec<Answer>>>) -> Result<Resolve> {
        let job = Arc::new(Job {
            answer: Mutex::new(answer),
            query,
            abandoned: AtomicBool::new(false),
            done: poll::eventfd()?,
        });
        if job.answer.lock().is_some() {
            job.announce();
        } else {
            Pool::get().submit(&job)?;
        }
        Ok(Resolve { job, watchers: Watchers::none() })
    }

    /// The answer, waited for until the deadline.
    ///
    /// # Errors
    /// Those of [`getaddrinfo`].
    pub fn wait(&self, deadline: &mut Deadline) -> Result<Vec<Answer>> {
        loop {
            if let Some(answer) = self.job.answer.lock().clone() {
                return answer;
            }
            if self.job.abandoned.load(Ordering::Relaxed) {
                return Err(Error::os(libc::EBADF));
            }
            wait::fd(self.as_fd(), libc::POLLIN, deadline)?;
        }
    }

    /// The pollers it is registered with.
    pub fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    /// Gives the query up; whoever waits for it is told.
    pub fn abandon(&self) {
        self.job.abandoned.store(true, Ordering::Relaxed);
        self.job.announce();
    }
}

impl Drop for Resolve {
    fn drop(&mut self) {
        self.job.abandoned.store(true, Ordering::Relaxed);
    }
}

impl AsFd for Resolve {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.job.done.as_fd()
    }
}

impl Job {
    fn run(&self) {
        if !self.abandoned.load(Ordering::Relaxed) {
            let answer = ask(&self.query);
            *self.answer.lock() = Some(answer);
            self.announce();
        }
    }

    fn announce(&self) {
        // It can only fail by being readable already.
        let _ = poll::signal(&self.done);
    }
}

/// The threads and their queue. A forked child has none of its parent's threads, and starts its own.
struct Pool {
    queue: Mutex<Queue>,
    work: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Arc<Job>>,
    idle: usize,
    threads: usize,
}

impl Pool {
    fn get() -> &'static Pool {
        static POOL: PerProcess<Pool> = PerProcess::new();
        POOL.get(|| Pool { queue: Mutex::default(), work: Condvar::new() })
    }

    fn submit(&'static self, job: &Arc<Job>) -> Result<()> {
        let mut queue = self.queue.lock();
        if queue.idle <= queue.jobs.len() && queue.threads < THREADS {
            let started = process::spawn("usocket-resolve", STACK, move || self.serve());
            match started {
                Ok(()) => queue.threads += 1,
                Err(e) if queue.threads == 0 => return Err(e.into()),
                Err(_) => {} // The others will get to it.
            }
        }
        queue.jobs.push_back(job.clone());
        drop(queue);
        self.work.notify_one();
        Ok(())
    }

    fn serve(&self) {
        if process::forks() > 0 {
            names::forget_resolver_state();
        }
        let mut queue = self.queue.lock();
        loop {
            match queue.jobs.pop_front() {
                Some(job) => {
                    drop(queue);
                    job.run();
                    drop(job);
                    queue = self.queue.lock();
                }
                None => {
                    queue.idle += 1;
                    self.work.wait(&mut queue);
                    queue.idle -= 1;
                }
            }
        }
    }
}

/// The answer to a query that nobody need be asked for: one with a numeric host, or none.
fn answer_at_once(query: &Query) -> Option<Result<Vec<Answer>>> {
    let numeric = Query { flags: query.flags | libc::AI_NUMERICHOST, ..query.clone() };
    match ask(&numeric) {
        // It is a name, or so it seems to a resolver that was told to look at numbers only.
        Err(e) if query.host.is_some() && query.flags & libc::AI_NUMERICHOST == 0 => {
            let about_host = [libc::EAI_NONAME, libc::EAI_FAMILY, EAI_ADDRFAMILY, EAI_NODATA];
            if about_host.iter().any(|code| e == Error::eai(*code)) { None } else { Some(Err(e)) }
        }
        answer => Some(answer),
    }
}

// Not in the libc crate: <netdb.h> of glibc under _GNU_SOURCE.
const EAI_NODATA: i32 = -5;
const EAI_ADDRFAMILY: i32 = -9;

fn ask(query: &Query) -> Result<Vec<Answer>> {
    match names::getaddrinfo(query)? {
        Ok(answers) => Ok(answers),
        Err(code) => Err(Error::eai(code)),
    }
}

/// Checks the arguments as they come from a caller and makes a query of them.
///
/// # Errors
/// EAI_SERVICE for a numeric port that is out of range (the C library would truncate it).
pub fn query(
    host: Option<CString>,
    service: Option<CString>,
    family: i32,
    kind: i32,
    proto: i32,
    flags: i32,
) -> Result<Query> {
    forget();
    // MicroPython's and CPython's empty texts are no texts.
    let host = host.filter(|h| !h.is_empty());
    let service = service.filter(|s| !s.is_empty());
    if let Some(text) = service.as_ref().and_then(|s| s.to_str().ok()) {
        // The C library reads it with strtoul and keeps 16 bits of that.
        let number = text.trim_start();
        let digits = number.strip_prefix(['-', '+']).unwrap_or(number);
        if digits.bytes().all(|b| b.is_ascii_digit()) && number.parse::<u16>().is_err() {
            let e = Error::eai(libc::EAI_SERVICE);
            return Err(explain(e, format!("port {text} is not within 0-65535")));
        }
    }
    // The C library wants one of them.
    let service = if host.is_none() && service.is_none() { Some(c"0".into()) } else { service };
    // An IPPROTO_SEC socket is a TCP socket to the resolver.
    let proto = if proto == USOCKET_IPPROTO_SEC { libc::IPPROTO_TCP } else { proto };
    Ok(Query { host, service, family, kind, proto, flags })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask_for(host: &str, service: &str, timeout_us: i64) -> Result<Vec<Answer>> {
        let (host, service) = (CString::new(host), CString::new(service));
        let q = query(host.ok(), service.ok(), 0, libc::SOCK_STREAM, 0, 0)?;
        getaddrinfo(q, timeout_us)
    }

    #[test]
    fn numbers_need_no_thread_and_names_come_back() {
        let text = |r: Result<Vec<Answer>>| r.map(|a| a[0].addr.to_text());
        assert_eq!(text(ask_for("127.0.0.1", "80", 0)), Ok("127.0.0.1:80".into()));
        assert_eq!(text(ask_for("::1", "80", 0)), Ok("[::1]:80".into()));
        let local = text(ask_for("localhost", "80", -1));
        assert!(local == Ok("127.0.0.1:80".into()) || local == Ok("[::1]:80".into()), "{local:?}");
    }

    #[test]
    fn ports_out_of_range_are_not_truncated() {
        for port in ["65536", "65616", "-1", "99999999999999999999", "+65616", " 65616"] {
            assert_eq!(
                ask_for("127.0.0.1", port, -1),
                Err(Error::eai(libc::EAI_SERVICE)),
                "{port}"
            );
        }
        assert_eq!(ask_for("127.0.0.1", "no-such-service", -1), Err(Error::eai(libc::EAI_SERVICE)));
    }

    #[test]
    fn more_queries_than_threads() {
        let started: Vec<_> = (0..5 * THREADS)
            .map(|_| Resolve::start(query(Some(c"localhost".into()), None, 0, 0, 0, 0)?))
            .collect();
        for r in started {
            assert!(r.and_then(|r| r.wait(&mut Deadline::Never)).is_ok());
        }
    }
}
