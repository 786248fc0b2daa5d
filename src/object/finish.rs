//! The end of the library's work in a process: nothing of it runs any more, and nothing is open.

use std::time::Duration;

use super::{TABLE, close};
use crate::error::{Error, Result};
use crate::sys::{fork, hook, process};
#[cfg(feature = "tls")]
use crate::tls::material::roots;
use crate::wait::{self, Deadline};
use crate::{background, resolve};

/// Closes every handle, ends the library's threads, and lets go of what it keeps.
///
/// # Errors
/// EDEADLK within the host's own code in a call; ETIMEDOUT when a thread has not come to its end, which
/// the C library's resolver can keep; EINTR (event hook).
pub fn finish(timeout_us: i64) -> Result<()> {
    /// A thread that was about to sleep is woken once more.
    const AGAIN: Duration = Duration::from_millis(10);
    if fork::hosted() {
        return Err(Error::os(libc::EDEADLK));
    }
    for handle in (0..TABLE.slots()).filter_map(|index| TABLE.handle_at(index)) {
        // Another thread may be faster.
        let _ = close(handle);
    }
    hook::EVENT.set(None, std::ptr::null_mut());
    hook::LOG.set(None, std::ptr::null_mut());
    #[cfg(feature = "tls")]
    roots::forget();
    let _ending = process::Ending::begin();
    let mut deadline = Deadline::after_us(timeout_us);
    loop {
        let seen = process::LEFT.load(std::sync::atomic::Ordering::SeqCst);
        if process::running() == 0 {
            return Ok(());
        }
        background::wake();
        resolve::wake();
        let mut part = wait::at_most(AGAIN, &mut deadline);
        if part.is_now() {
            return Err(Error::os(libc::ETIMEDOUT));
        }
        match wait::change(&process::LEFT, seen, &mut part) {
            Err(e) if !e.is(libc::ETIMEDOUT) => return Err(e),
            _ => {}
        }
    }
}
