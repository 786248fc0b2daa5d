//! The gate and the lock. They guard a cell of loom's, which detects concurrent access.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::sys::fork::{Lock, fork, stay};

struct Guarded(UnsafeCell<u32>);

// SAFETY: that it is not used twice at once is what the tests find out.
unsafe impl Sync for Guarded {}
// SAFETY: it is a number.
unsafe impl Send for Guarded {}

impl Guarded {
    fn new() -> Self {
        Guarded(UnsafeCell::new(0))
    }

    fn add(&self) {
        // SAFETY: as above.
        self.0.with_mut(|n| unsafe { *n += 1 });
    }

    fn get(&self) -> u32 {
        // SAFETY: as above.
        self.0.with(|n| unsafe { *n })
    }
}

#[test]
fn a_lock_excludes_and_loses_no_wake() {
    loom::model(|| {
        let lock = Arc::new(Lock::new(Guarded::new()));
        let other = lock.clone();
        let thread = thread::spawn(move || other.lock().unwrap().add());
        lock.lock().unwrap().add();
        thread.join().unwrap();
        assert_eq!(lock.lock().unwrap().get(), 2);
    });
}

#[test]
fn a_fork_sees_nobody_inside_and_everybody_goes_on() {
    loom::model(|| {
        let inside = Arc::new(Guarded::new());
        let other = inside.clone();
        let thread = thread::spawn(move || {
            let _stay = stay();
            other.add();
        });
        // The child's view: consistent, and not being changed.
        fork(|| assert!(inside.get() <= 1));
        thread.join().unwrap();
        assert_eq!(inside.get(), 1);
    });
}

#[test]
fn a_fork_waits_for_who_has_a_lock() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let lock = Arc::new(Lock::new(Guarded::new()));
        let other = lock.clone();
        let thread = thread::spawn(move || other.lock().unwrap().add());
        fork(|| ());
        lock.lock().unwrap().add();
        thread.join().unwrap();
        assert_eq!(lock.lock().unwrap().get(), 2);
    });
}
