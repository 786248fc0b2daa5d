//! One deadline, one wait: the only place of the library that blocks on purpose.
//!
//! An operation makes a [`Deadline`] from its timeout, tries its system call, and comes here only
//! when that said EAGAIN. (In blocking mode the system call itself blocks; EINTR then comes to
//! [`interrupted`].) The deadline belongs to the operation, not to the wait: however often it
//! comes here, it has one span of time.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::sys;

pub mod limits;

/// When an operation must give up.
///
/// The clock starts at the first wait, so that an operation that need not wait reads no clock.
pub enum Deadline {
    /// Never.
    Never,
    /// This many microseconds after the first wait begins.
    After(u64),
    /// At this time.
    At(Instant),
    /// Now, for this reason: a step of the operation has done a part, and was ended by it.
    Stopped(Error),
}

impl Deadline {
    /// From a timeout in microseconds as the ABI has it: negative is none.
    #[inline]
    pub fn after_us(us: i64) -> Self {
        if us < 0 { Deadline::Never } else { Deadline::After(us as u64) }
    }

    /// Ends what is left of the operation: its last step has done a part, which is its result, and this
    /// is what its next step is to say.
    pub fn stop(&mut self, why: Error) {
        *self = Deadline::Stopped(why);
    }

    /// What has ended the operation.
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

    /// Starts the clock, if it has not been.
    pub fn start(&mut self) {
        if let Deadline::After(us) = *self {
            // A time too far in the future to represent means never.
            let at = Instant::now().checked_add(Duration::from_micros(us));
            *self = at.map_or(Deadline::Never, Deadline::At);
        }
    }

    /// What is left; `None` is for ever. Starts the clock, unless there is no time to be measured.
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

/// A signal ended a system call: lets the host handle it. `Ok` means go on.
///
/// # Errors
/// EINTR when the event hook says stop.
#[inline(never)]
pub fn interrupted() -> Result<()> {
    if sys::hook::run() { Ok(()) } else { Err(Error::os(libc::EINTR)) }
}

/// Waits until one of `fds` has an event, or the deadline. Gives how many have; 0 is the deadline.
///
/// # Errors
/// EINTR as [`interrupted`]; EINVAL for more descriptors than RLIMIT_NOFILE (poll(2)); ENOMEM.
pub fn poll(fds: &mut [libc::pollfd], deadline: &mut Deadline) -> Result<usize> {
    loop {
        let left = deadline.remaining();
        match sys::poll::ppoll(fds, left) {
            Ok(n) => return Ok(n),
            Err(e) if e.raw_os_error() == Some(libc::EINTR) => interrupted()?,
            Err(e) => return Err(e.into()),
        }
        if left == Some(Duration::ZERO) {
            return Ok(0); // Signals do not put the end off.
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

/// The same; gives what there is.
pub fn events(fd: BorrowedFd<'_>, events: i16, deadline: &mut Deadline) -> Result<i16> {
    let mut one = [libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 }];
    match poll(&mut one, deadline)? {
        0 => Err(Error::os(libc::ETIMEDOUT)),
        _ => Ok(one[0].revents),
    }
}

/// The same up to a signal, for one that has something to put back before the hook runs: whether
/// there was one.
///
/// # Errors
/// ETIMEDOUT at the deadline; EINVAL, ENOMEM as [`poll`].
pub fn fd_or_signal(fd: BorrowedFd<'_>, events: i16, deadline: &mut Deadline) -> Result<bool> {
    let mut one = [libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 }];
    match sys::poll::ppoll(&mut one, deadline.remaining()) {
        Ok(0) => Err(Error::os(libc::ETIMEDOUT)),
        Ok(_) => Ok(false),
        Err(e) if e.raw_os_error() == Some(libc::EINTR) => Ok(true),
        Err(e) => Err(e.into()),
    }
}

/// The same where nothing in the kernel tells of a close: `None` when it is time to look.
pub fn events_unheard(
    fd: BorrowedFd<'_>,
    events: i16,
    deadline: &mut Deadline,
) -> Result<Option<i16>> {
    let mut one = [libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 }];
    let mut part = at_most(UNHEARD, deadline);
    let late = part.is_now();
    match poll(&mut one, &mut part)? {
        0 if late => Err(Error::os(libc::ETIMEDOUT)),
        n => Ok((n > 0).then_some(one[0].revents)),
    }
}

/// How late a close is noticed where nothing tells of it.
pub const UNHEARD: Duration = Duration::from_millis(100);

/// As much of the time as is left, at most `span`; none when it is over.
pub fn at_most(span: Duration, deadline: &mut Deadline) -> Deadline {
    let span = deadline.remaining().map_or(span, |left| left.min(span));
    // Rounded up: what is left is not nothing.
    Deadline::After(span.as_nanos().div_ceil(1000) as u64)
}

/// Waits until `word` is no longer `seen`, or so: it may end early.
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

/// Lets a moment pass, for what the kernel cannot be asked to wait for.
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
    poll(&mut [], &mut part).map(drop)
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
