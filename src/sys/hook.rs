//! Functions of the host's that the library calls: how a runtime gets to handle signals while one of its
//! threads is inside a call, and is told of what goes wrong.

use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

use super::fork::{self, Lock};
use super::futex;

/// Called with the argument it was set with; 0 goes on, anything else stops the operation.
pub type EventHook = unsafe extern "C" fn(arg: *mut c_void) -> i32;

/// Called with the argument it was set with, a handle or 0, a code, and a sentence, which may be empty.
pub type LogHook =
    unsafe extern "C" fn(arg: *mut c_void, handle: i64, code: i32, sentence: *const c_char);

/// What runs when a signal interrupts a wait.
pub static EVENT: Place<EventHook> = Place::new();

/// What is told of failures.
pub static LOG: Place<LogHook> = Place::new();

/// What finds the words for the log hook, which a program without one does not need: null until then.
static REPORT: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

/// Sets or removes the log hook, and what is to tell it of a failure.
pub fn set_log(report: fn(handle: i64, code: i32), call: Option<LogHook>, arg: *mut c_void) {
    // Known to the compiler, it would be linked where no hook is ever set.
    REPORT.store(std::hint::black_box(report) as *mut (), Ordering::Relaxed);
    LOG.set(call, arg);
}

/// Has a failure reported, if there is a log hook.
#[inline]
pub fn report(handle: i64, code: i32) {
    let report = REPORT.load(Ordering::Relaxed);
    if !report.is_null() && LOG.is_set() {
        // SAFETY: only `set_log` stores here.
        let report: fn(i64, i32) = unsafe { std::mem::transmute(report) };
        report(handle, code);
    }
}

/// Where a hook is put.
pub struct Place<F> {
    /// Whether there is one, for who would rather not ask for the lock.
    there: AtomicBool,
    state: Lock<State<F>>,
    /// Changes when the last thread has left a hook.
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
    /// How many threads run this hook, and how many still the one before it.
    running: [u32; 2],
    /// Which of the two is this hook's.
    this: usize,
    /// [`fork::forks`] when they were counted.
    forks: u32,
}

impl<F> State<F> {
    /// The threads of a parent are not here.
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

    /// Sets or, with `None`, removes the hook of the process. Comes back when no thread runs the old one
    /// any more, unless it is called from within a hook.
    pub fn set(&self, call: Option<F>, arg: *mut c_void) {
        let Ok(mut state) = self.state.lock() else { return };
        let old = state.here().this;
        state.hook = call.map(|call| Hook { call, arg });
        self.there.store(state.hook.is_some(), Ordering::Relaxed);
        if fork::hosted() {
            // It counts with the one whose run this may be: the next one to set a hook waits for both.
            return;
        }
        state.this = 1 - old;
        while state.here().running[old] > 0 {
            let seen = self.left.load(Ordering::Relaxed);
            drop(state);
            // Whatever ended it, the counts are looked at again.
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
        // In a child that was forked within the hook, it was not counted.
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

/// Tells the log hook of a failure. The sentence ends with a NUL.
pub fn log(handle: i64, code: i32, sentence: &std::ffi::CStr) {
    // SAFETY: as above; the sentence lives until it returns.
    LOG.run(|call, arg| unsafe { call(arg, handle, code, sentence.as_ptr()) });
}
