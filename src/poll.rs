//! poll over handles: for small sets, without anything registered anywhere.

use std::os::fd::{AsFd, AsRawFd};

use crate::error::Result;
use crate::handle::{Handle, Pin};
use crate::object::{self, Object};
use crate::wait::{self, Deadline};

/// What to poll: a handle, or a descriptor that is none of the library's.
#[derive(Clone, Copy)]
pub enum Source {
    /// A handle of the table.
    Handle(Handle),
    /// A plain descriptor; negative is ignored, as poll(2) has it.
    Fd(i32),
}

/// What is asked about one source, and the answer.
#[derive(Clone, Copy)]
pub struct Entry {
    /// What to poll.
    pub source: Source,
    /// `POLLIN`, `POLLOUT`, `POLLPRI`, … (`POLLERR`, `POLLHUP` and `POLLNVAL` come unasked).
    pub events: i16,
    /// The answer.
    pub revents: i16,
}

/// Waits until at least one entry has an event, or the deadline; gives how many have.
///
/// A handle that is stale, or is closed while it is waited for, has `POLLNVAL`.
pub fn poll(entries: &mut [Entry], timeout_us: i64) -> Result<usize> {
    let mut deadline = Deadline::after_us(timeout_us);
    let pins: Vec<Option<Pin<'static, Object>>> = entries
        .iter()
        .map(|e| match e.source {
            Source::Handle(h) => object::pin(h).ok(),
            Source::Fd(_) => None,
        })
        .collect();
    let mut fds: Vec<libc::pollfd> = entries
        .iter()
        .zip(&pins)
        .map(|(e, pin)| {
            let fd = match (e.source, pin) {
                (Source::Fd(fd), _) => fd,
                (_, Some(pin)) => fd_of(pin),
                (_, None) => -1,
            };
            libc::pollfd { fd, events: e.events, revents: 0 }
        })
        .collect();
    let stale = |e: &Entry, pin: &Option<Pin<'static, Object>>| {
        matches!(e.source, Source::Handle(_)) && pin.as_ref().is_none_or(Pin::closing)
    };
    // What can be told at once must not be waited for.
    if entries.iter().zip(&pins).any(|(e, pin)| stale(e, pin)) {
        deadline = Deadline::after_us(0);
    }
    wait::poll(&mut fds, &mut deadline)?;
    let mut ready = 0;
    for ((e, pin), fd) in entries.iter_mut().zip(&pins).zip(&fds) {
        e.revents = if stale(e, pin) { libc::POLLNVAL } else { fd.revents };
        ready += usize::from(e.revents != 0);
    }
    Ok(ready)
}

fn fd_of(object: &Object) -> i32 {
    match object {
        Object::Socket(s) => s.as_fd().as_raw_fd(),
    }
}
