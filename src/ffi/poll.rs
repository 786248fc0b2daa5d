//! Polling: which of several handles are ready.

use super::guard;
use super::library::usocket_t;
use crate::error::{Error, Result};
use crate::poll::{self, Entry};
use crate::sys::{self, memory};
use crate::watchers::Source;

/// One entry of usocket_poll, as `struct pollfd` is of poll(2).
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct usocket_pollfd {
    /// The handle to poll; 0 to poll the descriptor `fd` instead.
    pub socket: usocket_t,
    /// With `socket` 0, a descriptor that the library does not own; a negative one is ignored.
    pub fd: i32,
    /// The events to wait for: POLLIN, POLLOUT, POLLPRI, ... POLLERR, POLLHUP and POLLNVAL are
    /// always reported.
    pub events: i16,
    /// The events that occurred.
    pub revents: i16,
}

/// The entries, checked.
unsafe fn entries<'a>(fds: *mut usocket_pollfd, n: usize) -> Result<&'a mut [usocket_pollfd]> {
    // poll(2) fails the same way; checked before memory for the entries is allocated.
    if n > 256 && n > sys::process::descriptor_limit() {
        return Err(Error::os(libc::EINVAL));
    }
    if n == 0 {
        return Ok(&mut []);
    }
    if fds.is_null() || !fds.is_aligned() {
        return Err(Error::os(libc::EFAULT));
    }
    // SAFETY: not NULL, aligned, of a legal length, and writable as usocket_poll documents.
    Ok(unsafe { std::slice::from_raw_parts_mut(fds, n) })
}

/// Waits until at least one of `n` entries has one of its events, or for `timeout_us` microseconds
/// (negative: for ever, 0: not at all). The cost grows with the number of entries: use a poller for
/// large sets.
///
/// A handle that is stale, or is closed during the wait, reports POLLNVAL.
///
/// Returns: how many entries have events in `revents`; 0 after the timeout.
/// Errors: -EINTR (event hook), -EINVAL (more entries than the process may open descriptors),
/// -ENOMEM, -EFAULT.
/// Blocks: up to the timeout.
/// Threads: any; a set belongs to one call.
/// Ownership: `fds` is the caller's; only `revents` is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_poll(fds: *mut usocket_pollfd, n: usize, timeout_us: i64) -> i32 {
    guard(|| {
        // SAFETY: the caller's array, as documented.
        let fds = unsafe { entries(fds, n) }?;
        let (mut few, mut many) = ([Entry::NONE; poll::FEW], Vec::new());
        let set = match n {
            ..=poll::FEW => &mut few[..n],
            _ => memory::fill(&mut many, Entry::NONE, n)?,
        };
        set.iter_mut().zip(&*fds).for_each(|(e, f)| *e = entry(f));
        let ready = poll::poll(set, timeout_us)?;
        fds.iter_mut().zip(set).for_each(|(f, e)| f.revents = e.revents);
        Ok(ready as i32)
    })
}

fn entry(f: &usocket_pollfd) -> Entry {
    let source = if f.socket == 0 { Source::Fd(f.fd) } else { Source::Handle(f.socket) };
    Entry { source, events: f.events, revents: 0 }
}
