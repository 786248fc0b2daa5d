//! futex(2): waiting for a word to change.

use std::io;
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

// Machines added to Linux after 64-bit times have only the new call.
#[cfg(target_arch = "riscv32")]
use super::time::Kernel as Time;
#[cfg(not(target_arch = "riscv32"))]
use super::time::Long as Time;
#[cfg(not(target_arch = "riscv32"))]
use libc::SYS_futex;
#[cfg(target_arch = "riscv32")]
use libc::SYS_futex_time64 as SYS_futex;

/// Sleeps while `word` is `seen`, at most for `timeout`; may end for no reason.
///
/// Like a blocking recv it ends with EINTR, unless the signal's handler has SA_RESTART (signal(7)).
pub fn wait(word: &AtomicU32, seen: u32, timeout: Option<Duration>) -> io::Result<()> {
    let time = timeout.map(Time::from);
    let time = time.as_ref().map_or(ptr::null(), |t| &raw const *t);
    let op = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word outlives the call; the time is NULL or lives above.
    match unsafe { libc::syscall(SYS_futex, word.as_ptr(), op, seen, time) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends all sleep on `word`.
pub fn wake_all(word: &AtomicU32) {
    let op = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the kernel takes the word's address for a name, nothing else.
    unsafe { libc::syscall(SYS_futex, word.as_ptr(), op, i32::MAX) };
}

/// Ends one sleep on `word`.
pub fn wake_one(word: &AtomicU32) {
    let op = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: as in `wake_all`.
    unsafe { libc::syscall(SYS_futex, word.as_ptr(), op, 1) };
}
