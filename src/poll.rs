//! poll over handles: for small sets, without registrations.

use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::error::Result;
use crate::handle::Handle;
use crate::object;
use crate::socket::Socket;
use crate::sys::own::Own;
use crate::sys::{self, memory, process};
use crate::wait::{self, Deadline, UNHEARD};
use crate::watchers::{Change, Watcher};

pub use crate::watchers::Source;

/// Sets up to this size are held on the stack.
pub const FEW: usize = 16;

/// A source, the requested events, and the result.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The source to poll.
    pub source: Source,
    /// `POLLIN`, `POLLOUT`, `POLLPRI`, … (`POLLERR`, `POLLHUP` and `POLLNVAL` are always reported).
    pub events: i16,
    /// The answer.
    pub revents: i16,
}

impl Entry {
    /// An entry without a source.
    pub const NONE: Entry = Entry { source: Source::Fd(-1), events: 0, revents: 0 };
}

/// An entry's object, pinned during the poll.
struct Held(Option<object::Held>);

impl Held {
    fn new(source: Source) -> Held {
        Held(match source {
            Source::Handle(h) => object::pin(h).ok(),
            Source::Fd(_) => None,
        })
    }

    /// The socket, if the kernel does not fully know its readiness.
    fn layered(&self) -> Option<&Socket> {
        self.0.as_ref().and_then(|pin| pin.socket().ok()).filter(|s| !s.kernel_knows())
    }

    /// Whether the kernel reports no event when it is closed.
    fn closes_unheard(&self) -> bool {
        let socket = self.0.as_ref().and_then(|pin| pin.socket().ok());
        socket.is_some_and(|s| !s.close_wakes())
    }

    fn question(&self, entry: &Entry) -> libc::pollfd {
        let fd = match (entry.source, &self.0) {
            (Source::Fd(fd), _) => fd,
            (_, Some(pin)) => pin.fd().unwrap_or(-1),
            (_, None) => -1,
        };
        let events = self.layered().map_or(entry.events, |s| s.kernel_events(entry.events));
        libc::pollfd { fd, events, revents: 0 }
    }

    /// Waits for another thread that is about to read what the kernel has: data left over by it
    /// counts as readable, and no later event of the kernel would report it.
    fn await_receiver(&self, seen: i16) -> Result<()> {
        match self.layered().map(|s| (s, s.session())) {
            Some((s, Some(tls))) => tls.await_receiver(s, seen),
            _ => Ok(()),
        }
    }

    fn answer(&self, entry: &Entry, seen: i16) -> i16 {
        match (entry.source, &self.0) {
            (Source::Handle(_), None) => libc::POLLNVAL,
            (_, Some(pin)) if pin.closing() || pin.fd().is_err() => libc::POLLNVAL,
            _ => self.layered().map_or(seen, |s| s.true_events(entry.events, seen, 0).0),
        }
    }
}

/// An eventfd that wakes a poll over sockets with readiness the kernel does not fully know: another
/// thread may read what the kernel has, and leave data over.
struct Bell(Own);

impl Bell {
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM.
    fn new(held: &[Held]) -> Result<Bell> {
        let bell = Bell(sys::poll::eventfd()?);
        let (poller, source) = (bell.number(), i64::from(process::forks()));
        let mut all = held.iter().filter_map(Held::layered);
        all.try_for_each(|s| s.watchers().add(Watcher { poller, source, tell: ring }))
            .inspect_err(|_| bell.take_down(held))?;
        Ok(bell)
    }

    /// Its number in the sockets' lists of watchers; no poller has such a handle.
    fn number(&self) -> Handle {
        !i64::from(self.0.as_raw_fd())
    }

    fn take_down(&self, held: &[Held]) {
        for s in held.iter().filter_map(Held::layered) {
            // Only the closure's errors are possible, and it has none.
            let _ = s.watchers().remove(self.number(), || Ok(true));
        }
    }
}

/// See [`Watcher::tell`]. A forked child ignores its parent's bells: there the numbers may belong
/// to other descriptors.
fn ring(bell: Handle, forks: Handle, change: Change) -> bool {
    let ours = forks == i64::from(process::forks());
    if ours && change != Change::None {
        // It fails only if the eventfd is readable already.
        let _ = i32::try_from(!bell).map(sys::poll::signal_number);
    }
    ours
}

/// Waits until at least one entry has an event, or the deadline; returns the number of entries with
/// events.
///
/// A handle that is stale, is closed while it is waited for, or cannot be polled has `POLLNVAL`.
///
/// # Errors
/// Those of [`wait::poll`].
pub fn poll(entries: &mut [Entry], timeout_us: i64) -> Result<usize> {
    const NONE: libc::pollfd = libc::pollfd { fd: -1, events: 0, revents: 0 };
    let n = entries.len();
    if n <= FEW {
        let (mut held, mut fds) = ([const { Held(None) }; FEW], [NONE; FEW + 1]);
        return poll_with(entries, &mut held[..n], &mut fds[..=n], timeout_us);
    }
    let (mut held, mut fds) = (Vec::new(), Vec::new());
    memory::reserve(&mut held, n)?;
    held.resize_with(n, || Held(None));
    poll_with(entries, &mut held, memory::fill(&mut fds, NONE, n + 1)?, timeout_us)
}

/// The same, with buffers for the pinned entries, and for their descriptors and the bell's.
fn poll_with(
    entries: &mut [Entry],
    held: &mut [Held],
    fds: &mut [libc::pollfd],
    timeout_us: i64,
) -> Result<usize> {
    held.iter_mut().zip(&*entries).for_each(|(h, e)| *h = Held::new(e.source));
    let mut bell = None;
    let result = look(entries, held, fds, &mut bell, Deadline::after_us(timeout_us));
    bell.iter().for_each(|bell| bell.take_down(held));
    result
}

fn look(
    entries: &mut [Entry],
    held: &[Held],
    fds: &mut [libc::pollfd],
    bell: &mut Option<Bell>,
    mut deadline: Deadline,
) -> Result<usize> {
    let mut unheard = held.iter().any(Held::closes_unheard);
    // Some entries are ready without asking the kernel: then do not wait.
    let mut ready = answer(entries, held, |_| 0);
    if ready == 0 && !deadline.is_now() && held.iter().any(|h| h.layered().is_some()) {
        // Without a bell it checks again from time to time.
        *bell = Bell::new(held).ok();
        unheard |= bell.is_none();
        // Check for data left over before the bell was registered.
        ready = answer(entries, held, |_| 0);
    }
    loop {
        let questions = held.iter().zip(&*entries).map(|(h, e)| h.question(e));
        let last = bell.as_ref().map_or(-1, |bell| bell.0.as_raw_fd());
        let last = libc::pollfd { fd: last, events: libc::POLLIN, revents: 0 };
        fds.iter_mut().zip(questions.chain([last])).for_each(|(fd, question)| *fd = question);
        let mut part = match (ready, unheard) {
            (0, false) => None,
            (0, true) => Some(wait::at_most(UNHEARD, &mut deadline)),
            _ => Some(Deadline::after_us(0)),
        };
        // Without a bell pass only the caller's entries: RLIMIT_NOFILE limits their number.
        let asked = held.len() + usize::from(bell.is_some());
        let seen = match wait::poll(&mut fds[..asked], part.as_mut().unwrap_or(&mut deadline)) {
            Err(e) if e.is(libc::EINVAL) && bell.is_some() => {
                bell.take().iter().for_each(|bell| bell.take_down(held));
                unheard = true;
                continue;
            }
            seen => seen?,
        };
        if let Some(bell) = bell.as_ref().filter(|_| fds[held.len()].revents != 0) {
            // It fails only if the eventfd is drained already.
            let _ = sys::poll::drain(&bell.0);
        }
        held.iter().zip(&*fds).try_for_each(|(h, fd)| h.await_receiver(fd.revents))?;
        ready = answer(entries, held, |at| fds[at].revents);
        // The kernel may report events without meaning for the caller, such as half a TLS record.
        let over = match (seen, unheard, ready) {
            (0, false, _) | (.., 1..) => true,
            _ => deadline.remaining() == Some(Duration::ZERO),
        };
        if over {
            return Ok(ready);
        }
    }
}

fn answer(entries: &mut [Entry], held: &[Held], seen: impl Fn(usize) -> i16) -> usize {
    let mut ready = 0;
    for (at, (entry, held)) in entries.iter_mut().zip(held).enumerate() {
        entry.revents = held.answer(entry, seen(at));
        ready += usize::from(entry.revents != 0);
    }
    ready
}
