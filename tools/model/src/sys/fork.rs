//! The library's gate and lock, with a thread that knows as much of itself as they need. No process is
//! ever forked here: what waits at the gate is.

use std::cell::Cell;

use gate::Gate;
pub use lock::{Lock, Lost};
use sync::AtomicU32;

mod sync {
    pub use loom::sync::atomic::{AtomicU32, Ordering};
}

#[path = "../../../../src/sys/fork/gate.rs"]
mod gate;
#[path = "../../../../src/sys/fork/lock.rs"]
mod lock;

loom::lazy_static! {
    static ref GATE: Gate = Gate::new();
}

loom::thread_local! {
    static ME: Me = Me { depth: Cell::new(0) };
}

struct Me {
    depth: Cell<u32>,
}

impl Me {
    fn enter(&self) {
        self.enter_for(None);
    }

    fn enter_for(&self, lock: Option<&AtomicU32>) {
        if self.depth.get() == 0 {
            GATE.enter(0, lock);
        }
        self.depth.set(self.depth.get() + 1);
    }

    fn leave(&self) {
        self.depth.set(self.depth.get() - 1);
        if self.depth.get() == 0 {
            GATE.leave(0);
        }
    }

    fn remember(&self, _: &AtomicU32) {}

    fn forget(&self, _: &AtomicU32) {}
}

/// The handlers around a fork; `meanwhile` makes the child.
pub fn fork(meanwhile: impl FnOnce()) {
    GATE.shut(None, std::time::Duration::from_secs(3600));
    meanwhile();
    GATE.open();
}

pub fn forks() -> u32 {
    0
}

pub fn partings() -> u32 {
    0
}

pub struct Stay;

pub fn stay() -> Stay {
    ME.with(Me::enter);
    Stay
}

impl Drop for Stay {
    fn drop(&mut self) {
        ME.with(Me::leave);
    }
}
