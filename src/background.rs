//! The background thread: it runs connections and lookups under way.
//!
//! There is one for each process and pair of namespaces. It starts with the first task, and ends
//! after a while without any. It waits only in poll(2).

use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::sys::counted::Counted;
use crate::sys::namespace::PerNamespace;
use crate::sys::own::Own;
use crate::sys::{memory, poll, process};

const STACK: usize = 256 * 1024;
/// How long the thread stays without a task.
const IDLE: Duration = Duration::from_secs(2);

/// How long it waits after a failed allocation before it tries again.
const BREATH: Duration = Duration::from_millis(10);

/// A task of the background thread. It must not block.
pub trait Task: Send {
    /// Makes progress without blocking; false when the task has finished.
    fn step(&self) -> bool;
    /// Adds descriptors to poll, and returns the time of the next step in any case.
    ///
    /// # Errors
    /// ENOMEM: call it again soon.
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
    /// Tasks that the thread has not taken over yet.
    new: Vec<Box<dyn Task>>,
    /// Wakes the thread; set while the thread runs.
    wake: Option<Counted<Own>>,
}

impl State {
    /// Forgets the eventfd if the host has closed its number: it may be the host's now. Another thread
    /// replaces the one that waits for it.
    fn give_up_lost(&mut self) {
        std::mem::forget(self.wake.take_if(|wake| wake.is_lost()));
    }
}

/// A task with the index of its first descriptor and its due time.
struct Entry {
    task: Box<dyn Task>,
    begin: usize,
    due: Option<Instant>,
}

static ALL: PerNamespace<Background> = PerNamespace::new();

/// Wakes idle threads, so that they end if they should ([`process::ending`]).
pub fn wake() {
    ALL.each(Background::look_again);
}

/// Hands `task` to the thread, and starts the thread if needed.
///
/// # Errors
/// EMFILE, ENFILE; EAGAIN when no thread can be started; ENOMEM.
pub fn run(task: Box<dyn Task>) -> Result<&'static Background> {
    let this = ALL.get(Background::default)?;
    let mut state = this.lock();
    memory::reserve(&mut state.new, 1)?;
    state.give_up_lost();
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
    /// Wakes the thread after a task's descriptors have changed: poll(2) keeps a closed descriptor
    /// alive.
    pub fn look_again(&self) {
        let mut state = self.lock();
        state.give_up_lost();
        if let Some(wake) = &state.wake {
            // It fails only if the eventfd is readable already.
            let _ = poll::signal(wake);
        }
    }

    /// A lock of std is enough: each process makes its own. The state stays consistent even if a
    /// holder panics.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is nothing to do; if so, marks the thread as ended.
    fn ends(&self) -> bool {
        let mut state = self.lock();
        let ends = state.new.is_empty();
        if ends {
            state.wake = None;
        }
        ends
    }

    /// Takes over new tasks, as many as memory allows.
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
            let seen = poll::ppoll_few(&mut fds, time);
            if seen.is_err() {
                // Nothing is known of the events; and whatever fails must not keep a processor busy.
                std::thread::sleep(time.unwrap_or(BREATH).min(BREATH));
                whole = false;
            }
            let seen = seen.unwrap_or_default();
            let ending = process::ending();
            let deaf = fds.first().is_some_and(|wake| wake.revents & libc::POLLNVAL != 0);
            if tasks.is_empty() && (seen == 0 || ending || deaf) && self.ends() {
                return;
            }
            // It fails only if the eventfd is drained already.
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
