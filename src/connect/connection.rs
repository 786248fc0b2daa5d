//! A connection under way, as an object: start, poll, take, close.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

pub use super::race::Failure;
use super::race::Race;
use crate::addr::Addr;
use crate::background::{self, Background, Task};
use crate::error::{Error, Result};
use crate::socket::Socket;
use crate::sys::counted::Counted;
use crate::sys::fork::Lock;
use crate::sys::names::Query;
use crate::sys::own::Own;
use crate::sys::text::Text;
use crate::sys::{memory, poll, process};
use crate::wait::{self, Deadline};
use crate::watchers::Watchers;

/// A connection under way. Its descriptor becomes readable when it has succeeded or failed.
///
/// It belongs to the process that started it. In a forked child it fails with ECANCELED, and the
/// child's use of it does not affect the parent's.
pub struct Connection {
    shared: Counted<Lock<State>>,
    runner: Option<&'static Background>,
    forks: u32,
    bell: Counted<Own>,
    watchers: Watchers,
}

/// The failures of about forty addresses, as text.
pub type Story = Text<4096>;

/// The part of a connection that runs in the background.
struct Shared(Counted<Lock<State>>);

enum State {
    Running(Race, Counted<Own>),
    Connected(Socket),
    Failed(Error, Race),
    /// Taken, or given up.
    Over(Error),
}

impl Connection {
    /// Starts to resolve and to connect.
    ///
    /// # Errors
    /// Those of [`Race::start`]; EMFILE, ENFILE; EAGAIN when no thread can be started; ENOMEM.
    pub fn start(query: Query, timeout_us: i64, source: Option<&Addr>) -> Result<Connection> {
        let race = Race::start(query, timeout_us, source)?;
        let bell = Counted::new(poll::eventfd()?)?;
        let shared = Counted::new(Lock::new(State::Running(race, bell.clone())))?;
        let task = Shared(shared.clone());
        // The first attempts begin on the caller's thread.
        let runner = match task.step() {
            true => Some(background::run(memory::boxed(task)?)?),
            false => None,
        };
        let forks = process::forks();
        Ok(Connection { shared, runner, forks, bell, watchers: Watchers::none() })
    }

    /// Waits for the socket until the deadline and takes it. It can be taken once.
    ///
    /// # Errors
    /// Those of [`Race::step`]; `late` at the deadline, EINTR (event hook); EALREADY when it was
    /// taken before; EBADF when it was closed; ECANCELED in a forked child.
    pub fn take(&self, deadline: &mut Deadline, late: Error) -> Result<Socket> {
        loop {
            if !self.is_ours() {
                return Err(Error::os(libc::ECANCELED));
            }
            if let Some(end) = self.shared.lock()?.take() {
                return end;
            }
            let waited = wait::fd(self.bell.as_fd(), libc::POLLIN, deadline);
            waited.map_err(|e| if e.is(libc::ETIMEDOUT) { late } else { e })?;
        }
    }

    /// The failed attempts so far.
    pub fn failure(&self, n: usize) -> Option<Failure> {
        self.look(|race| race.failures().get(n).copied()).flatten()
    }

    /// The same as a sentence.
    pub fn detail(&self) -> Story {
        self.look(|race| Story::of(race.story())).unwrap_or(Story::EMPTY)
    }

    /// The pollers it is registered with.
    pub fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    /// The descriptor to poll.
    pub fn fileno(&self) -> Option<i32> {
        self.is_ours().then(|| self.bell.as_raw_fd())
    }

    /// Closes it, and wakes the threads that wait for it.
    pub fn abandon(&self) {
        // In a child this closes its copies of the descriptors. (If the lock is lost, they stay
        // open.)
        if let Ok(mut state) = self.shared.lock() {
            *state = State::Over(Error::os(libc::EBADF));
        }
        if self.is_ours() {
            // It fails only if the eventfd is readable already.
            let _ = poll::signal(&self.bell);
            self.runner.iter().for_each(|runner| runner.look_again());
        }
    }

    fn is_ours(&self) -> bool {
        self.forks == process::forks()
    }

    fn look<R>(&self, look: impl FnOnce(&Race) -> R) -> Option<R> {
        if !self.is_ours() {
            return None;
        }
        match &*self.shared.lock().ok()? {
            State::Running(race, _) | State::Failed(_, race) => Some(look(race)),
            State::Connected(_) | State::Over(_) => None,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl State {
    /// The result, if there is one.
    fn take(&mut self) -> Option<Result<Socket>> {
        match self {
            State::Running(..) => None,
            State::Failed(e, _) | State::Over(e) => Some(Err(*e)),
            State::Connected(_) => {
                let taken = State::Over(Error::os(libc::EALREADY));
                match std::mem::replace(self, taken) {
                    State::Connected(socket) => Some(Ok(socket)),
                    _ => None,
                }
            }
        }
    }
}

impl Task for Shared {
    fn step(&self) -> bool {
        let Ok(mut state) = self.0.lock() else { return false };
        let State::Running(race, _) = &mut *state else { return false };
        let Some(end) = race.step() else { return true };
        let placeholder = State::Over(Error::os(libc::EBADF));
        if let State::Running(race, bell) = std::mem::replace(&mut *state, placeholder) {
            *state = match end {
                Ok(socket) => State::Connected(socket),
                Err(e) => State::Failed(e, race),
            };
            // It fails only if the eventfd is readable already.
            let _ = poll::signal(&bell);
        }
        false
    }

    fn watch(&self, fds: &mut Vec<libc::pollfd>) -> Result<Option<Instant>> {
        match &*self.0.lock()? {
            State::Running(race, _) => {
                race.watch(fds)?;
                Ok(race.until())
            }
            // The task is over: step at once, so that it is removed.
            _ => Ok(Some(Instant::now())),
        }
    }
}
