//! The thread that runs what nobody waits inside: connections and lookups under way.
//!
//! There is one for each process and pair of namespaces; it comes with the first task, and ends
//! when there has been none for a while. It only ever waits in poll(2).

use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::sys::namespace::PerNamespace;
use crate::sys::{poll, process};

const STACK: usize = 256 * 1024;
/// How long the thread stays without a task.
const IDLE: Duration = Duration::from_secs(2);

/// What is run in the background. None of it may block.
pub trait Task: Send + Sync {
    /// Does what can be done now; false is the end of it.
    fn step(&self) -> bool;
    /// Adds what to poll for, and says when to come back in any case.
    fn watch(&self, fds: &mut Vec<libc::pollfd>) -> Option<Instant>;
}

/// See the module documentation.
#[derive(Default)]
pub struct Background {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tasks: Vec<Arc<dyn Task>>,
    /// Ends the thread's wait; there is a thread while there is one.
    wake: Option<Arc<OwnedFd>>,
}

/// Has `task` run.
///
/// # Errors
/// EMFILE, ENFILE; EAGAIN when no thread can be started; ENOMEM.
pub fn run(task: Arc<dyn Task>) -> Result<&'static Background> {
    static ALL: PerNamespace<Background> = PerNamespace::new();
    let this = ALL.get(Background::default);
    let mut state = this.lock();
    state.tasks.try_reserve(1).map_err(|_| Error::os(libc::ENOMEM))?;
    if state.wake.is_none() {
        let wake = Arc::new(poll::eventfd()?);
        process::spawn(this, STACK)?;
        state.wake = Some(wake);
    }
    state.tasks.push(task);
    drop(state);
    this.look_again();
    Ok(this)
}

impl Background {
    /// What a task waits for has changed: a descriptor that it has closed lives on in poll(2).
    pub fn look_again(&self) {
        if let Some(wake) = &self.lock().wake {
            // It can only fail by being readable already.
            let _ = poll::signal(wake);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl process::Serve for Background {
    const NAME: &'static std::ffi::CStr = c"usocket-poll";

    fn serve(&'static self) {
        let Some(wake) = self.lock().wake.clone() else { return };
        let mut fds = Vec::new();
        loop {
            let tasks = self.lock().tasks.clone();
            fds.clear();
            fds.push(libc::pollfd { fd: wake.as_raw_fd(), events: libc::POLLIN, revents: 0 });
            // Of each task where its descriptors begin, and when it is due.
            let due: Vec<_> = tasks.iter().map(|t| (fds.len(), t.watch(&mut fds))).collect();
            let first = due.iter().filter_map(|(_, due)| *due).min();
            let idle = tasks.is_empty().then(|| Instant::now() + IDLE);
            let time = idle.or(first).map(|at| at.saturating_duration_since(Instant::now()));
            let seen = poll::ppoll(&mut fds, time).unwrap_or_default();
            if seen == 0 && self.ends() {
                return;
            }
            let _ = poll::drain(&wake);
            let now = Instant::now();
            for (n, task) in tasks.iter().enumerate() {
                let end = due.get(n + 1).map_or(fds.len(), |(next, _)| *next);
                let (begin, due) = due[n];
                let event = fds[begin..end].iter().any(|fd| fd.revents != 0);
                if event || due.is_some_and(|due| due <= now) {
                    let on = catch_unwind(AssertUnwindSafe(|| task.step())).unwrap_or(false);
                    if !on {
                        self.lock().tasks.retain(|t| !Arc::ptr_eq(t, task));
                    }
                }
            }
        }
    }
}

impl Background {
    /// Whether there is nothing to do: then there is no thread any more.
    fn ends(&self) -> bool {
        let mut state = self.lock();
        let ends = state.tasks.is_empty();
        if ends {
            state.wake = None;
        }
        ends
    }
}
