//! Happy Eyeballs (RFC 8305): the addresses of a host race each other, the first to connect wins.
//!
//! IPv6 and IPv4 alternate. A new attempt begins when one fails, or after a quarter of a second,
//! less if the time left is short. An attempt that lacks a local port, a descriptor or memory waits
//! for another attempt to end and release it.
//!
//! A race never blocks and has no thread: its owner waits as [`Race::watch`] and [`Race::until`]
//! say, and calls [`Race::step`].

use std::fmt::{self, Display, Formatter};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use super::lookups::Lookups;
use crate::addr::Addr;
use crate::error::{self, Error, Result};
use crate::socket::Socket;
use crate::sys::names::{Answer, Query};
use crate::sys::{self, memory};

/// "Connection Attempt Delay" of RFC 8305, section 5, and the least it may be.
const STAGGER: Duration = Duration::from_millis(250);
const LEAST_STAGGER: Duration = Duration::from_millis(100);
/// The maximum number of attempts at a time; a further one replaces the oldest.
const MOST: usize = 16;
/// How long an address waits for a resource of an older attempt before it replaces that attempt.
const PATIENCE: Duration = Duration::from_secs(1);

/// See the module documentation.
pub struct Race {
    timeout_us: i64,
    source: Option<Addr>,
    begun: Instant,
    deadline: Option<Instant>,
    lookups: Lookups,
    running: Vec<Attempt>,
    failures: Vec<Failure>,
    /// The most specific of the failures.
    most_telling: Option<Error>,
    /// When the next attempt may begin if none fails before.
    next: Option<Instant>,
    /// Since when the next address waits for a resource, and the error that named it.
    wanting: Option<(Instant, Error)>,
}

struct Attempt {
    socket: Socket,
    to: Addr,
}

/// A failed attempt.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// The address.
    pub addr: Addr,
    /// Its error.
    pub error: Error,
    /// The time of the failure, since the race began.
    pub after: Duration,
}

/// Why an attempt did not begin.
enum Refused {
    /// A resource is missing that another attempt may hold.
    Wanting(Error),
    /// It cannot begin at all.
    Failed(Error),
}

/// The failures as a sentence.
struct Story<'a>(&'a [Failure]);

impl Display for Story<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (n, Failure { addr, error, after }) in self.0.iter().enumerate() {
            let (addr, text) = (addr.to_text(), error::message(error.code()));
            let comma = if n == 0 { "" } else { "; " };
            let (s, ms) = (after.as_secs(), after.subsec_millis());
            write!(f, "{comma}{addr}: {text} after {s}.{ms:03} s")?;
        }
        Ok(())
    }
}

impl Race {
    /// Starts to resolve and to connect from `source`, all within `timeout_us`.
    ///
    /// # Errors
    /// EINVAL for a timeout of 0; EAFNOSUPPORT when no address is of the source's family; those of
    /// the resolver; EMFILE, ENFILE, EAGAIN (no thread).
    pub fn start(query: Query, timeout_us: i64, source: Option<&Addr>) -> Result<Race> {
        if timeout_us == 0 {
            return Err(Error::os(libc::EINVAL));
        }
        let begun = Instant::now();
        let span = u64::try_from(timeout_us).ok().map(Duration::from_micros);
        Ok(Race {
            timeout_us,
            source: source.copied(),
            begun,
            // A time too far in the future to represent means never.
            deadline: span.and_then(|span| begun.checked_add(span)),
            lookups: Lookups::start(query, source.map_or(0, Addr::family))?,
            running: Vec::new(),
            failures: Vec::new(),
            most_telling: None,
            next: None,
            wanting: None,
        })
    }

    /// Does what can be done now. `Some` is the end of it.
    ///
    /// # Errors
    /// The most specific of the failures; ETIMEDOUT; those of the resolver.
    pub fn step(&mut self) -> Option<Result<Socket>> {
        let now = Instant::now();
        self.lookups.take(now);
        if let Some(winner) = self.connected(now) {
            return Some(self.finish(winner));
        }
        if self.deadline.is_some_and(|end| end <= now) {
            return Some(Err(self.late(now)));
        }
        while self.may_begin(now) {
            let Some(to) = self.lookups.next(now) else { break };
            if self.running.len() == MOST {
                self.give_up_oldest(now);
            }
            match begin(&to, self.source.as_ref()) {
                Ok((socket, true)) => return Some(self.finish(socket)),
                Ok((socket, false)) => {
                    self.wanting = None;
                    let attempt = Attempt { socket, to: to.addr };
                    match memory::push(&mut self.running, attempt) {
                        Ok(()) => self.next = Some(now + self.stagger(now)),
                        Err(e) => self.fail(to.addr, e.into(), now),
                    }
                }
                Err(Refused::Wanting(e)) if !self.running.is_empty() => self.want(to, e, now),
                Err(Refused::Wanting(e) | Refused::Failed(e)) => self.fail(to.addr, e, now),
            }
        }
        let over = self.running.is_empty() && self.lookups.all_in() && self.lookups.waiting() == 0;
        over.then(|| Err(self.most_telling(self.lookups.error())))
    }

    /// Adds what to poll for.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn watch(&self, fds: &mut Vec<libc::pollfd>) -> Result<()> {
        self.lookups.watch(fds)?;
        memory::reserve(fds, self.running.len())?;
        fds.extend(self.running.iter().map(question));
        Ok(())
    }

    /// The time of the next step if nothing happens before.
    pub fn until(&self) -> Option<Instant> {
        let next = self.next.filter(|_| self.lookups.waiting() > 0 && !self.running.is_empty());
        let times = [self.deadline, next, self.lookups.due(Instant::now())];
        times.into_iter().flatten().min()
    }

    /// The failed attempts so far.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// The same as a sentence.
    pub fn story(&self) -> impl Display {
        Story(&self.failures)
    }

    fn may_begin(&self, now: Instant) -> bool {
        self.running.is_empty() || self.next.is_none_or(|next| next <= now)
    }

    /// The delay before the next attempt.
    fn stagger(&self, now: Instant) -> Duration {
        let Some(end) = self.deadline else { return STAGGER };
        let left = end.saturating_duration_since(now);
        let each = left / (self.lookups.waiting() as u32 + 1);
        let least = if left > LEAST_STAGGER { LEAST_STAGGER } else { each };
        each.clamp(least, STAGGER.max(least))
    }

    /// Takes the attempt that has connected, and removes failed ones.
    fn connected(&mut self, now: Instant) -> Option<Socket> {
        let mut fds = [libc::pollfd { fd: -1, events: 0, revents: 0 }; MOST];
        let fds = &mut fds[..self.running.len().min(MOST)];
        fds.iter_mut().zip(&self.running).for_each(|(fd, attempt)| *fd = question(attempt));
        if fds.is_empty() || !matches!(sys::poll::ppoll_few(fds, Some(Duration::ZERO)), Ok(1..)) {
            return None;
        }
        // From the back, so that removal does not move the entries still to come.
        for at in (0..fds.len()).rev().filter(|at| fds[*at].revents != 0) {
            let attempt = self.running.remove(at);
            match attempt.socket.take_error() {
                Ok(()) => return Some(attempt.socket),
                Err(e) => self.fail(attempt.to, e, now),
            }
        }
        None
    }

    /// Records a failed attempt; the next one need not wait.
    fn fail(&mut self, addr: Addr, error: Error, now: Instant) {
        // Without memory for the record, at least the error is kept.
        let _ = memory::push(&mut self.failures, Failure { addr, error, after: now - self.begun });
        self.most_telling = Some(self.most_telling(Some(error)));
        self.next = None;
    }

    fn give_up_oldest(&mut self, now: Instant) {
        let oldest = self.running.remove(0);
        self.fail(oldest.to, Error::os(libc::ETIMEDOUT), now);
    }

    /// Lets an address wait for a resource of another attempt, for a limited time.
    fn want(&mut self, to: Answer, error: Error, now: Instant) {
        let (since, _) = *self.wanting.get_or_insert((now, error));
        let left = self.deadline.map(|end| end.saturating_duration_since(since) / 2);
        let patience = left.map_or(PATIENCE, |left| left.min(PATIENCE));
        self.lookups.put_back(to);
        if now >= since + patience {
            self.wanting = None;
            self.give_up_oldest(now);
        } else {
            self.next = Some((now + self.stagger(now)).min(since + patience));
        }
    }

    /// At the deadline, fails all attempts under way.
    fn late(&mut self, now: Instant) -> Error {
        let late = Error::os(libc::ETIMEDOUT);
        for attempt in std::mem::take(&mut self.running) {
            self.fail(attempt.to, late, now);
        }
        self.most_telling(Some(late))
    }

    /// The most specific of all failures.
    fn most_telling(&self, last: Option<Error>) -> Error {
        match (self.most_telling, last) {
            (Some(best), Some(e)) => more_telling(best, e),
            (best, last) => best.or(last).unwrap_or(Error::eai(libc::EAI_NONAME)),
        }
    }

    fn finish(&mut self, socket: Socket) -> Result<Socket> {
        self.running.clear();
        self.lookups = Lookups::default();
        socket.settimeout(self.timeout_us)?;
        Ok(socket)
    }
}

/// The more specific of two errors: first a response of the host, then a failure on the way, then
/// the lack of a route. Of two equal ones, the first.
fn more_telling(first: Error, second: Error) -> Error {
    if telling(second) > telling(first) { second } else { first }
}

fn telling(e: Error) -> i32 {
    match -e.code() {
        libc::ECONNREFUSED | libc::ECONNRESET | libc::EACCES | libc::EPERM => 4,
        libc::ETIMEDOUT | libc::EHOSTUNREACH => 3,
        libc::ENETUNREACH | libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT => 1,
        // No such name or address, although there was one of the other family.
        _ if e == Error::eai(libc::EAI_NONAME) || e.code() <= error::EAI_BASE - 5 => 0,
        _ => 2,
    }
}

fn question(attempt: &Attempt) -> libc::pollfd {
    libc::pollfd { fd: attempt.socket.as_fd().as_raw_fd(), events: libc::POLLOUT, revents: 0 }
}

/// Begins an attempt; true when it is connected already.
fn begin(to: &Answer, source: Option<&Addr>) -> std::result::Result<(Socket, bool), Refused> {
    let scarce = |more: &'static [i32]| {
        move |e: Error| match -e.code() {
            libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM => Refused::Wanting(e),
            code if more.contains(&code) => Refused::Wanting(e),
            _ => Refused::Failed(e),
        }
    };
    let socket = Socket::new(to.family, to.kind, to.proto).map_err(scarce(&[]))?;
    socket.settimeout(0).map_err(Refused::Failed)?;
    if let Some(source) = source {
        // One port shared by attempts to several addresses, or a port chosen at connect.
        let (level, name) = match source.port() {
            Ok(1..) => (libc::SOL_SOCKET, libc::SO_REUSEADDR),
            _ => (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT),
        };
        // A failure only means that fewer ports are available.
        let _ = socket.setsockopt(level, name, &1i32.to_ne_bytes());
        socket.bind(source).map_err(scarce(&[libc::EADDRINUSE]))?;
    }
    match socket.connect(&to.addr) {
        Ok(()) => Ok((socket, true)),
        Err(e) if e.is(libc::EINPROGRESS) => Ok((socket, false)),
        Err(e) => Err(scarce(&[libc::EADDRNOTAVAIL, libc::EADDRINUSE, libc::EAGAIN])(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_more_is_told_and_of_two_alike_the_first() {
        let none = Error::eai(libc::EAI_NONAME);
        let os = |codes: &[i32]| codes.iter().map(|c| Error::os(*c)).collect::<Vec<_>>();
        let rows = [
            os(&[libc::ECONNREFUSED, libc::ECONNRESET, libc::EACCES, libc::EPERM]),
            os(&[libc::ETIMEDOUT, libc::EHOSTUNREACH]),
            vec![Error::os(libc::EMFILE), Error::eai(libc::EAI_AGAIN)],
            os(&[libc::ENETUNREACH, libc::EADDRNOTAVAIL, libc::EAFNOSUPPORT]),
            vec![none, Error::eai(-5), Error::eai(-9)],
        ];
        for (n, row) in rows.iter().enumerate() {
            for (m, other) in rows.iter().enumerate() {
                for (a, b) in row.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))) {
                    assert_eq!(more_telling(a, b), if n <= m { a } else { b });
                }
            }
        }
    }
}
