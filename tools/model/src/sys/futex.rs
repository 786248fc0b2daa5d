//! futex(2), of loom's parts: a wake that comes too early and is needed is a deadlock, which loom finds.

use std::io;
use std::time::Duration;

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};

loom::lazy_static! {
    static ref QUEUE: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
}

/// Its time never comes.
pub fn wait(word: &AtomicU32, seen: u32, _: Option<Duration>) -> io::Result<()> {
    let (lock, changed) = &*QUEUE;
    let held = lock.lock().unwrap();
    // The kernel compares and goes to sleep in one step.
    if word.load(Ordering::SeqCst) == seen {
        drop(changed.wait(held).unwrap());
    }
    Ok(())
}

/// All that sleep, on any word: a sleep may end for no reason.
pub fn wake_all(_: &AtomicU32) {
    let (lock, changed) = &*QUEUE;
    let _held = lock.lock().unwrap();
    changed.notify_all();
}

/// The same: which one it is cannot be said of loom's.
pub fn wake_one(word: &AtomicU32) {
    wake_all(word);
}
