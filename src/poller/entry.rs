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
    /// The handle, or 0; and the descriptor that was registered, or -1: as they are reported.
    handle: Handle,
    plain_fd: i32,
    /// The kernel's.
    pub(super) fd: i32,
    /// The caller's events and flags.
    pub(super) mask: u32,
    pub(super) data: u64,
    /// The events last requested from the kernel.
    pub(super) asked: u32,
    /// The kernel's events that are reported unchanged.
    through: u32,
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
        let through = if layered || mask & ONESHOT != 0 { 0 } else { EVENTS };
        let (handle, plain_fd) = match source {
            Source::Handle(handle) => (handle, -1),
            Source::Fd(fd) => (0, fd),
        };
        Ok(Entry {
            handle,
            plain_fd,
            fd,
            mask,
            data,
            asked,
            through,
            layered,
            renews,
            silent,
            poked,
            reported,
        })
    }

    /// From now on its readiness is not the kernel's to tell.
    pub(super) fn set_layered(&mut self) {
        (self.layered, self.through) = (true, 0);
    }

    /// Nothing of it is reported until it is modified.
    pub(super) fn set_silent(&mut self) {
        (self.silent, self.through) = (true, 0);
    }

    pub(super) fn event(&self, events: u32) -> Event {
        Event { handle: self.handle, fd: self.plain_fd, events, data: self.data }
    }

    /// The registered source.
    pub(super) fn source(&self) -> Source {
        if self.handle == 0 { Source::Fd(self.plain_fd) } else { Source::Handle(self.handle) }
    }

    /// The report for the kernel's events `seen`, if they are reported unchanged.
    #[inline]
    pub(super) fn plain(&self, seen: u32) -> Option<Event> {
        let events = seen & self.through;
        if events != 0 { Some(self.event(events)) } else { None }
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
