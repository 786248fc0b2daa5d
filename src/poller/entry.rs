//! An entry of a poller: the registration and the state of its reports.

use super::Event;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::numbers::{
    USOCKET_POLLER_EDGE as EDGE, USOCKET_POLLER_EXCLUSIVE as EXCLUSIVE,
    USOCKET_POLLER_ONESHOT as ONESHOT,
};
use crate::watchers::{Source, Watched};

/// The event for a closed source, if the registration asks for it.
pub(super) const GONE: u32 = libc::POLLNVAL as u32;

pub(super) const EVENTS: u32 = (libc::POLLIN
    | libc::POLLPRI
    | libc::POLLOUT
    | libc::POLLERR
    | libc::POLLHUP
    | libc::POLLNVAL
    | libc::POLLRDNORM
    | libc::POLLRDBAND
    | libc::POLLWRNORM
    | libc::POLLWRBAND
    | libc::POLLRDHUP) as u32;

#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) source: Source,
    pub(super) fd: i32,
    /// The caller's events and flags.
    pub(super) mask: u32,
    pub(super) data: u64,
    /// The events last requested from the kernel.
    pub(super) asked: u32,
    /// The kernel does not report its readiness: a layered socket, or a plain file.
    pub(super) layered: bool,
    /// See [`Watched::renews`].
    pub(super) renews: bool,
    /// Disabled: reported under ONESHOT, and not modified since.
    pub(super) silent: bool,
    /// In the list of entries to check.
    pub(super) poked: bool,
    /// The last wait that has reported it.
    pub(super) reported: u32,
}

impl Entry {
    /// Makes an entry.
    pub(super) fn new<W: Watched>(
        source: Source,
        held: Option<&W>,
        mask: u32,
        data: u64,
    ) -> Result<Entry> {
        let events = (mask & EVENTS) as i16;
        let (fd, asked, layered) = match (source, held) {
            (Source::Fd(fd), _) => (fd, events, false),
            (_, Some(held)) => (held.fd()?, held.kernel_events(events), !held.kernel_knows()),
            (_, None) => return Err(Error::os(libc::EBADF)),
        };
        if layered && mask & EXCLUSIVE != 0 {
            return Err(Error::os(libc::EINVAL));
        }
        let renews = held.is_some_and(W::renews);
        let asked = asked as u32 & EVENTS & !GONE | mask & (EDGE | ONESHOT | EXCLUSIVE);
        let (silent, poked, reported) = (false, false, 0);
        Ok(Entry { source, fd, mask, data, asked, layered, renews, silent, poked, reported })
    }

    pub(super) fn event(&self, events: u32) -> Event {
        Event { source: self.source, events, data: self.data }
    }
}

pub(super) fn check_mask(mask: u32) -> Result<()> {
    let known = mask & !(EVENTS | ONESHOT | EDGE | EXCLUSIVE) == 0;
    if known && mask & EVENTS != 0 { Ok(()) } else { Err(Error::os(libc::EINVAL)) }
}

/// The report about an entry.
pub(super) enum Report {
    Nothing,
    Event(Event),
    /// To be determined without the lock, and passed to [`Register::told`].
    Ask(Question),
}

/// A question to a layered socket.
pub(super) struct Question {
    pub(super) token: u64,
    pub(super) handle: Handle,
    pub(super) events: i16,
    pub(super) seen: i16,
}

/// Its answer.
pub(super) struct Truth {
    pub(super) events: u32,
    /// The kernel events to request from now on.
    pub(super) ask: i16,
}

impl Truth {
    /// The answer for an object that no longer exists.
    pub(super) const NONE: Truth = Truth { events: 0, ask: 0 };
}
