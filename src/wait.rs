//! One deadline, one wait: the only place where the library blocks on purpose.
//!
//! An operation makes a [`Deadline`] from its timeout, tries its system call, and comes here only
//! after EAGAIN. (In blocking mode the system call itself blocks; EINTR then comes to
//! [`interrupted`].) The deadline belongs to the operation, not to the wait: however often it comes
//! here, it has one span of time.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::sys;

pub mod limits;

/// When an operation must give up.
///
/// Its time starts at the first wait, so that an operation that need not wait reads no clock.
pub enum Deadline {
    /// Never.
    Never,
    /// This many microseconds after the first wait begins.
    After(u64),
    /// At this time.
    At(Instant),
    /// Now, with this error, after a step of the operation has done a part.
    Stopped(Error),
}

impl Deadline {
    /// From a timeout of the ABI, in microseconds: negative is none.
    #[inline]
    pub fn after_us(us: i64) -> Self {
        if us < 0 { Deadline::Never } else { Deadline::After(us as u64) }
    }

    /// Stops the operation after its last step has done a part: the next step fails with `why`.
    pub fn stop(&mut self, why: Error) {
        *self = Deadline::Stopped(why);
    }

    /// The error that stopped the operation.
    #[inline]
    pub fn stopped(&self) -> Result<()> {
        if let Deadline::Stopped(why) = self { Err(*why) } else { Ok(()) }
    }

    /// Whether the operation may wait for ever, as in blocking mode.
    #[inline]
    pub fn is_never(&self) -> bool {
        matches!(self, Deadline::Never)
    }

    /// Whether the operation must not wait at all, as in non-blocking mode.
    #[inline]
    pub fn is_now(&self) -> bool {
        matches!(self, Deadline::After(0))
    }

    /// Starts the time, unless it runs already.
    pub fn start(&mut self) {
        if let Deadline::After(us) = *self {
            // A time too far in the future to represent means never.
            let at = Instant::now().checked_add(Duration::from_micros(us));
            *self = at.map_or(Deadline::Never, Deadline::At);
        }
    }

    /// The remaining time; `None` is for ever. Starts the time, if there is a limit.
    pub fn remaining(&mut self) -> Option<Duration> {
        if let Deadline::After(0) | Deadline::Stopped(_) = self {
            return Some(Duration::ZERO);
        }
        self.start();
        match self {
            Deadline::At(at) => Some(at.saturating_duration_since(Instant::now())),
            _ => None,
        }
    }
}

/// Runs the event hook after a signal has interrupted a system call. `Ok` means go on.
///
/// # Errors
/// EINTR when the event hook says stop.
#[inline(never)]
pub fn interrupted() -> Result<()> {
    if sys::hook::run() { Ok(()) } else { Err(Error::os(libc::EINTR)) }
}

/// Waits until one of `fds` has an event, or the deadline. Returns the number with events; 0 at the
/// deadline.
///
/// # Errors
/// EINTR as [`interrupted`]; EINVAL for more descriptors than RLIMIT_NOFILE (poll(2)); ENOMEM.
pub fn poll(fds: &mut [libc::pollfd], deadline: &mut Deadline) -> Result<usize> {
    poll_by(sys::poll::ppoll, fds, deadline)
}

/// The same for a few descriptors of the library's own, whatever RLIMIT_NOFILE is.
pub fn few(fds: &mut [libc::pollfd], deadline: &mut Deadline) -> Result<usize> {
    poll_by(sys::poll::ppoll_few, fds, deadline)
}

fn poll_by(
    poll: fn(&mut [libc::pollfd], Option<Duration>) -> io::Result<usize>,
    fds: &mut [libc::pollfd],
    deadline: &mut Deadline,
) -> Result<usize> {
    loop {
        let left = deadline.remaining();
        match poll(fds, left) {
            Ok(n) => return Ok(n),
            Err(e) if e.raw_os_error() == Some(libc::EINTR) => interrupted()?,
            Err(e) => return Err(e.into()),
        }
        if left == Some(Duration::ZERO) {
            return Ok(0); // Signals do not postpone the deadline.
        }
    }
}

/// Waits until `fd` has one of `events`, or an error or hang-up.
///
/// # Errors
/// ETIMEDOUT at the deadline, and those of [`poll`].
pub fn fd(fd: BorrowedFd<'_>, events: i16, deadline: &mut Deadline) -> Result<()> {
    self::events(fd, events, deadline).map(drop)
}

/// The same; returns the events.
pub fn events(fd: BorrowedFd<'_>, events: i16, deadline: &mut Deadline) -> Result<i16> {
    let mut one = [libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 }];
    match few(&mut one, deadline)? {
        0 => Err(Error::os(libc::ETIMEDOUT)),
        _ => Ok(one[0].revents),
    }
}

/// The same up to a signal, for callers with cleanup to do before the hook runs; returns whether
/// there was a signal.
///
/// # Errors
/// ETIMEDOUT at the deadline; EINVAL, ENOMEM as [`poll`].
pub fn fd_or_signal(fd: BorrowedFd<'_>, events: i16, deadline: &mut Deadline) -> Result<bool> {
    let mut one = [libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 }];
    match sys::poll::ppoll_few(&mut one, deadline.remaining()) {
        Ok(0) => Err(Error::os(libc::ETIMEDOUT)),
        Ok(_) => Ok(false),
        Err(e) if e.raw_os_error() == Some(libc::EINTR) => Ok(true),
        Err(e) => Err(e.into()),
    }
}

/// The same for families without shutdown(2): `None` when the caller has to check for a close.
pub fn events_unheard(
    fd: BorrowedFd<'_>,
    events: i16,
    deadline: &mut Deadline,
) -> Result<Option<i16>> {
    let mut one = [libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 }];
    let mut part = at_most(UNHEARD, deadline);
    let late = part.is_now();
    match few(&mut one, &mut part)? {
        0 if late => Err(Error::os(libc::ETIMEDOUT)),
        n => Ok((n > 0).then_some(one[0].revents)),
    }
}

/// The interval of checks for a close where the kernel does not report it.
pub const UNHEARD: Duration = Duration::from_millis(100);

/// A deadline after the remaining time, at most `span`; `None` when it is over.
pub fn at_most(span: Duration, deadline: &mut Deadline) -> Deadline {
    let span = deadline.remaining().map_or(span, |left| left.min(span));
    // Rounded up, so that time left does not become 0.
    Deadline::After(span.as_nanos().div_ceil(1000) as u64)
}

/// Waits until `word` is no longer `seen`; may return early.
///
/// # Errors
/// ETIMEDOUT at the deadline, EINTR as [`interrupted`].
pub fn change(word: &AtomicU32, seen: u32, deadline: &mut Deadline) -> Result<()> {
    let Err(e) = sys::futex::wait(word, seen, deadline.remaining()) else { return Ok(()) };
    match e.raw_os_error() {
        Some(libc::EAGAIN) => Ok(()),
        Some(libc::EINTR) => interrupted(),
        _ => Err(e.into()),
    }
}

/// Pauses for a moment, where the kernel has no event to wait for.
///
/// # Errors
/// ETIMEDOUT when the deadline is now, and those of [`poll`].
pub fn moment(deadline: &mut Deadline) -> Result<()> {
    /// Short enough that a close is noticed within milliseconds.
    const MOMENT: Duration = Duration::from_millis(1);
    let mut part = at_most(MOMENT, deadline);
    if part.is_now() {
        return Err(Error::os(libc::ETIMEDOUT));
    }
    few(&mut [], &mut part).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_starts_at_the_first_wait_and_is_not_reset() {
        let mut d = Deadline::after_us(3_600_000_000);
        assert!(matches!(d, Deadline::After(_)));
        let first = d.remaining();
        assert!(matches!(d, Deadline::At(_)));
        assert!(first > d.remaining() || first == d.remaining());
        assert_eq!(Deadline::after_us(-1).remaining(), None);
        assert_eq!(Deadline::after_us(0).remaining(), Some(Duration::ZERO));
    }

    #[test]
    fn a_time_too_far_away_is_never() {
        // i64::MAX microseconds are 292,000 years: whatever the clock makes of it, no panic.
        let left = Deadline::after_us(i64::MAX).remaining();
        assert!(left.is_none_or(|l| l > Duration::from_secs(1 << 32)));
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let Ok(event) = sys::poll::eventfd() else { panic!("eventfd") };
        use std::os::fd::AsFd;
        let mut d = Deadline::after_us(2_000);
        assert_eq!(fd(event.as_fd(), libc::POLLIN, &mut d), Err(Error::os(libc::ETIMEDOUT)));
        assert_eq!(moment(&mut d), Err(Error::os(libc::ETIMEDOUT)));
        assert!(sys::poll::signal(&event).is_ok());
        assert_eq!(fd(event.as_fd(), libc::POLLIN, &mut d), Ok(()));
    }
}
