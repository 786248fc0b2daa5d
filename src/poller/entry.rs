//! One entry of a poller: what was registered, and what is to be said about it.

use super::Event;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::numbers::{
    USOCKET_POLLER_EDGE as EDGE, USOCKET_POLLER_EXCLUSIVE as EXCLUSIVE,
    USOCKET_POLLER_ONESHOT as ONESHOT,
};
use crate::watchers::{Source, Watched};

/// What was registered is closed: reported to whoever asks for it.
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
    /// What the kernel was asked for last.
    pub(super) asked: u32,
    /// Its readiness is not the kernel's to tell: a layered socket, or a plain file.
    pub(super) layered: bool,
    /// See [`Watched::renews`].
    pub(super) renews: bool,
    /// Reported under ONESHOT, and not modified since.
    pub(super) silent: bool,
    /// In the list of those to be looked at.
    pub(super) poked: bool,
    /// The last wait that has reported it.
    pub(super) reported: u32,
}

impl Entry {
    /// What to register.
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

/// What is to be said about an entry.
pub(super) enum Report {
    Nothing,
    Event(Event),
    /// To be found out, without the lock, and told to [`Register::told`].
    Ask(Question),
}

/// What a socket is to be asked that knows more than the kernel.
pub(super) struct Question {
    pub(super) token: u64,
    pub(super) handle: Handle,
    pub(super) events: i16,
    pub(super) seen: i16,
}

/// Its answer.
pub(super) struct Truth {
    pub(super) events: u32,
    /// What to ask the kernel for from now on.
    pub(super) ask: i16,
}

impl Truth {
    /// Of what is no more.
    pub(super) const NONE: Truth = Truth { events: 0, ask: 0 };
}
