//! The host's hooks: they let a runtime handle signals while one of its threads is in a call, and
//! log failures.

use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

use super::fork::{self, Lock};
use super::futex;

/// Called with the argument it was set with; 0 goes on, anything else stops the operation.
pub type EventHook = unsafe extern "C" fn(arg: *mut c_void) -> i32;

/// Called with the argument it was set with, a handle or 0, a code, and a sentence, which may be empty.
pub type LogHook =
    unsafe extern "C" fn(arg: *mut c_void, handle: i64, code: i32, sentence: *const c_char);

/// The hook that runs when a signal interrupts a wait.
pub static EVENT: Place<EventHook> = Place::new();

/// The hook that is called for failures.
pub static LOG: Place<LogHook> = Place::new();

/// The function that reports to the log hook; null until a hook is set, so that other programs do
/// not link it.
static REPORT: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

/// Sets or removes the log hook, with the function that reports a failure to it.
pub fn set_log(report: fn(handle: i64, code: i32), call: Option<LogHook>, arg: *mut c_void) {
    // Without black_box the compiler would link it into programs without a hook.
    REPORT.store(std::hint::black_box(report) as *mut (), Ordering::Relaxed);
    LOG.set(call, arg);
}

/// Reports a failure, if there is a log hook.
#[inline]
pub fn report(handle: i64, code: i32) {
    let report = REPORT.load(Ordering::Relaxed);
    if !report.is_null() && LOG.is_set() {
        // SAFETY: only `set_log` stores here.
        let report: fn(i64, i32) = unsafe { std::mem::transmute(report) };
        report(handle, code);
    }
}

/// Storage for a hook.
pub struct Place<F> {
    /// Whether there is one, readable without the lock.
    there: AtomicBool,
    state: Lock<State<F>>,
    /// A futex; changes when the last thread has left a hook.
    left: AtomicU32,
}

#[derive(Clone, Copy)]
struct Hook<F> {
    call: F,
    arg: *mut c_void,
}

// SAFETY: the pointer is only ever handed back to the hook, and whoever sets one is told that any
// thread may run it.
unsafe impl<F> Send for Hook<F> {}

struct State<F> {
    hook: Option<Hook<F>>,
    /// The numbers of threads in this hook and in the previous one.
    running: [u32; 2],
    /// The index of this hook's count.
    this: usize,
    /// [`fork::forks`] when they were counted.
    forks: u32,
}

impl<F> State<F> {
    /// Drops the counts of a parent's threads.
    fn here(&mut self) -> &mut Self {
        if self.forks != fork::forks() {
            (self.forks, self.running) = (fork::forks(), [0; 2]);
        }
        self
    }
}

impl<F: Copy> Place<F> {
    const fn new() -> Self {
        let state = State { hook: None, running: [0; 2], this: 0, forks: 0 };
        let (there, left) = (AtomicBool::new(false), AtomicU32::new(0));
        Place { there, state: Lock::new(state), left }
    }

    /// Whether there is a hook.
    pub fn is_set(&self) -> bool {
        self.there.load(Ordering::Relaxed)
    }

    /// Sets or, with `None`, removes the hook of the process. Returns when no thread runs the old
    /// one any more, unless it is called from within a hook.
    pub fn set(&self, call: Option<F>, arg: *mut c_void) {
        let Ok(mut state) = self.state.lock() else { return };
        let old = state.here().this;
        state.hook = call.map(|call| Hook { call, arg });
        self.there.store(state.hook.is_some(), Ordering::Relaxed);
        if fork::hosted() {
            // The old hook's count is kept with the new one's: the next call waits for both.
            return;
        }
        state.this = 1 - old;
        while state.here().running[old] > 0 {
            let seen = self.left.load(Ordering::Relaxed);
            drop(state);
            // The loop checks the counts again, whatever ended the wait.
            let _ = futex::wait(&self.left, seen, None);
            let Ok(again) = self.state.lock() else { return };
            state = again;
        }
    }

    /// Runs the hook, if there is one, as `run` calls it.
    fn run<R>(&self, run: impl FnOnce(F, *mut c_void) -> R) -> Option<R> {
        let (hook, which) = self.enter()?;
        let result = fork::host(|| run(hook.call, hook.arg));
        self.leave(which);
        Some(result)
    }

    fn enter(&self) -> Option<(Hook<F>, usize)> {
        let mut state = self.state.lock().ok()?;
        let (hook, which) = (state.hook?, state.this);
        state.here().running[which] += 1;
        Some((hook, which))
    }

    fn leave(&self, which: usize) {
        let Ok(mut state) = self.state.lock() else { return };
        let running = &mut state.here().running[which];
        // A child forked within the hook has not counted this run.
        *running = running.saturating_sub(1);
        if *running == 0 {
            self.left.fetch_add(1, Ordering::Relaxed);
            futex::wake_all(&self.left);
        }
    }
}

/// Runs the event hook, if there is one; true means go on.
pub fn run() -> bool {
    // SAFETY: whoever set it vouched for pointer and argument.
    EVENT.run(|call, arg| unsafe { call(arg) } == 0).unwrap_or(true)
}

/// Calls the log hook. The sentence ends with a NUL.
pub fn log(handle: i64, code: i32, sentence: &std::ffi::CStr) {
    // SAFETY: as above; the sentence lives until it returns.
    LOG.run(|call, arg| unsafe { call(arg, handle, code, sentence.as_ptr()) });
}
