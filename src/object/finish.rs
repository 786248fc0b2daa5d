//! Shutting the library down in a process: afterwards no thread runs and nothing is open.

use std::time::Duration;

use super::{TABLE, close};
use crate::error::{Error, Result};
use crate::sys::{fork, hook, process};
#[cfg(feature = "tls")]
use crate::tls::material::roots;
use crate::wait::{self, Deadline};
use crate::{background, resolve};

/// Closes every handle, ends the library's threads, and frees its caches.
///
/// # Errors
/// EDEADLK from a hook or callback; ETIMEDOUT when a thread is still running, as one in the C
/// library's resolver may be; EINTR (event hook).
pub fn finish(timeout_us: i64) -> Result<()> {
    /// Wakes again after this time, for a thread that was just about to sleep.
    const AGAIN: Duration = Duration::from_millis(10);
    if fork::hosted() {
        return Err(Error::os(libc::EDEADLK));
    }
    for handle in (0..TABLE.slots()).filter_map(|index| TABLE.handle_at(index)) {
        // Another thread may have closed it already.
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
