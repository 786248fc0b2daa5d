//! The event hook: how a runtime gets to handle signals while one of its threads is inside a call.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

use super::fork::{self, Lock};
use super::futex;

/// Called with the argument it was set with; 0 goes on, anything else stops the operation.
pub type EventHook = unsafe extern "C" fn(arg: *mut c_void) -> i32;

#[derive(Clone, Copy)]
struct Hook {
    call: EventHook,
    arg: *mut c_void,
}

// SAFETY: the pointer is only ever handed back to the hook, and usocket_set_event_hook tells its
// caller that any thread may run the hook.
unsafe impl Send for Hook {}

struct State {
    hook: Option<Hook>,
    /// How many threads run this hook, and how many still the one before it.
    running: [u32; 2],
    /// Which of the two is this hook's.
    this: usize,
    /// [`fork::forks`] when they were counted.
    forks: u32,
}

static STATE: Lock<State> = Lock::new(State { hook: None, running: [0; 2], this: 0, forks: 0 });

/// Changes when the last thread has left a hook.
static LEFT: AtomicU32 = AtomicU32::new(0);

impl State {
    /// The threads of a parent are not here.
    fn here(&mut self) -> &mut Self {
        if self.forks != fork::forks() {
            (self.forks, self.running) = (fork::forks(), [0; 2]);
        }
        self
    }
}

/// Sets or, with `None`, removes the hook of the process. Comes back when no thread runs the old one
/// any more, unless it is called from within a hook.
pub fn set(call: Option<EventHook>, arg: *mut c_void) {
    let Ok(mut state) = STATE.lock() else { return };
    let old = state.here().this;
    state.hook = call.map(|call| Hook { call, arg });
    if fork::hosted() {
        // It counts with the one whose run this may be: the next one to set a hook waits for both.
        return;
    }
    state.this = 1 - old;
    while state.here().running[old] > 0 {
        let seen = LEFT.load(Ordering::Relaxed);
        drop(state);
        let _ = futex::wait(&LEFT, seen, None);
        let Ok(again) = STATE.lock() else { return };
        state = again;
    }
}

/// Runs the hook, if there is one; true means go on.
pub fn run() -> bool {
    let Some((hook, which)) = enter() else { return true };
    // SAFETY: whoever set it vouched for pointer and argument.
    let go_on = fork::host(|| unsafe { (hook.call)(hook.arg) == 0 });
    leave(which);
    go_on
}

fn enter() -> Option<(Hook, usize)> {
    let mut state = STATE.lock().ok()?;
    let (hook, which) = (state.hook?, state.this);
    state.here().running[which] += 1;
    Some((hook, which))
}

fn leave(which: usize) {
    let Ok(mut state) = STATE.lock() else { return };
    let running = &mut state.here().running[which];
    // In a child that was forked within the hook, it was not counted.
    *running = running.saturating_sub(1);
    if *running == 0 {
        LEFT.fetch_add(1, Ordering::Relaxed);
        futex::wake_all(&LEFT);
    }
}
