//! The thread that runs what nobody waits inside: connections and lookups under way.
//!
//! There is one for each process and pair of namespaces; it comes with the first task, and ends
//! when there has been none for a while. It only ever waits in poll(2).

use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::sys::counted::Counted;
use crate::sys::namespace::PerNamespace;
use crate::sys::{memory, poll, process};

const STACK: usize = 256 * 1024;
/// How long the thread stays without a task.
const IDLE: Duration = Duration::from_secs(2);

/// How long it waits for memory that it could not have.
const BREATH: Duration = Duration::from_millis(10);

/// What is run in the background. None of it may block.
pub trait Task: Send {
    /// Does what can be done now; false is the end of it.
    fn step(&self) -> bool;
    /// Adds what to poll for, and says when to come back in any case.
    ///
    /// # Errors
    /// ENOMEM: to be asked again soon.
    fn watch(&self, fds: &mut Vec<libc::pollfd>) -> Result<Option<Instant>>;
}

impl<T: Task> Task for [T; 1] {
    fn step(&self) -> bool {
        self[0].step()
    }

    fn watch(&self, fds: &mut Vec<libc::pollfd>) -> Result<Option<Instant>> {
        self[0].watch(fds)
    }
}

/// See the module documentation.
#[derive(Default)]
pub struct Background {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Those that the thread has not taken over yet.
    new: Vec<Box<dyn Task>>,
    /// Ends the thread's wait; there is a thread while there is one.
    wake: Option<Counted<OwnedFd>>,
}

/// A task of the thread's: where its descriptors begin, and when it is due.
struct Entry {
    task: Box<dyn Task>,
    begin: usize,
    due: Option<Instant>,
}

static ALL: PerNamespace<Background> = PerNamespace::new();

/// Has the threads look again, so that they end if they are to ([`process::ending`]).
pub fn wake() {
    ALL.each(Background::look_again);
}

/// Has `task` run.
///
/// # Errors
/// EMFILE, ENFILE; EAGAIN when no thread can be started; ENOMEM.
pub fn run(task: Box<dyn Task>) -> Result<&'static Background> {
    let this = ALL.get(Background::default)?;
    let mut state = this.lock();
    memory::reserve(&mut state.new, 1)?;
    if state.wake.is_none() {
        let wake = Counted::new(poll::eventfd()?)?;
        process::spawn(this, STACK)?;
        state.wake = Some(wake);
    }
    state.new.push(task);
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

    /// The lock is std's: this is made anew in each process. Its holders leave the state whole even
    /// if they panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is nothing to do: then there is no thread any more.
    fn ends(&self) -> bool {
        let mut state = self.lock();
        let ends = state.new.is_empty();
        if ends {
            state.wake = None;
        }
        ends
    }

    /// Takes new tasks over, as far as there is memory for them.
    fn take_over(&self, tasks: &mut Vec<Entry>) {
        let mut state = self.lock();
        while !state.new.is_empty() && memory::reserve(tasks, 1).is_ok() {
            let task = state.new.remove(0);
            tasks.push(Entry { task, begin: 0, due: None });
        }
    }
}

impl process::Serve for Background {
    const NAME: &'static std::ffi::CStr = c"usocket-poll";

    fn serve(&'static self) {
        let Some(wake) = self.lock().wake.clone() else { return };
        let (mut fds, mut tasks) = (Vec::new(), Vec::new());
        loop {
            self.take_over(&mut tasks);
            let mut time = if tasks.is_empty() { Some(IDLE) } else { None };
            fds.clear();
            let mut whole = memory::push(&mut fds, question(wake.as_raw_fd())).is_ok();
            for entry in &mut tasks {
                entry.begin = fds.len();
                let due = entry.task.watch(&mut fds);
                whole &= due.is_ok();
                entry.due = due.unwrap_or(None);
            }
            if let Some(due) = tasks.iter().filter_map(|entry| entry.due).min() {
                time = Some(due.saturating_duration_since(Instant::now()));
            }
            if !whole {
                time = Some(time.unwrap_or(BREATH).min(BREATH));
            }
            // Where it fails, there is no event, and what is due is done.
            let seen = poll::ppoll(&mut fds, time).unwrap_or_default();
            let ending = process::ending();
            if tasks.is_empty() && (seen == 0 || ending) && self.ends() {
                return;
            }
            // It can only fail by being drained already.
            let _ = poll::drain(&wake);
            let now = Instant::now();
            let mut end = fds.len();
            for at in (0..tasks.len()).rev() {
                let Entry { task, begin, due } = &tasks[at];
                let event = fds[*begin..end].iter().any(|fd| fd.revents != 0);
                end = *begin;
                if event || !whole || ending || due.is_some_and(|due| due <= now) {
                    let step = || task.step();
                    if !catch_unwind(AssertUnwindSafe(step)).unwrap_or(false) {
                        tasks.remove(at);
                    }
                }
            }
        }
    }
}

fn question(fd: i32) -> libc::pollfd {
    libc::pollfd { fd, events: libc::POLLIN, revents: 0 }
}
