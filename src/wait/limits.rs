//! The limits of a socket's waits besides its timeout: a deadline for many operations, and a
//! cancel.
//!
//! A cancel is a state, not a moment: it also ends waits that begin later, so that it cannot come
//! too early. Its eventfd is polled together with the socket, so it reaches only waits in ppoll(2).

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::OnceLock;
#[cfg(target_has_atomic = "64")]
use std::sync::atomic::AtomicI64;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

#[cfg(not(target_has_atomic = "64"))]
use portable_atomic::AtomicI64;

use super::{Deadline, few};
use crate::error::{Error, Result};
use crate::sys::fork::Lock;
use crate::sys::own::Own;
use crate::sys::{self, process, time};

/// See the module documentation. There is no limit at first.
pub struct Limits {
    /// Whether there is a limit, or was.
    used: AtomicBool,
    /// The timeout as set, and the deadline, a time of [`time::now_us`]; negative is none.
    told: AtomicI64,
    until: AtomicI64,
    /// Held during changes.
    pub change: Lock<()>,
    /// The eventfd, readable while waits are cancelled, and [`process::forks`] when it was made:
    /// another process has its own.
    bell: OnceLock<Own>,
    forks: AtomicU32,
    cancelled: AtomicBool,
    /// The functions that wait with limits; programs that never set any do not link them.
    ways: OnceLock<&'static Ways>,
}

struct Ways {
    left_us: fn(&Limits) -> i64,
    wait: fn(&Limits, BorrowedFd<'_>, i16, &mut Poll<'_>) -> Result<Option<i16>>,
}

/// A poll(2) until a deadline; returns the number of ready descriptors.
type Poll<'a> = dyn FnMut(&mut [libc::pollfd]) -> Result<usize> + 'a;

static WAYS: Ways = Ways { left_us: Limits::find_left_us, wait: Limits::poll_both };

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            used: AtomicBool::new(false),
            told: AtomicI64::new(-1),
            until: AtomicI64::new(-1),
            change: Lock::new(()),
            bell: OnceLock::new(),
            forks: AtomicU32::new(0),
            cancelled: AtomicBool::new(false),
            ways: OnceLock::new(),
        }
    }
}

impl Limits {
    /// Whether there is a limit, or was.
    pub fn used(&self) -> bool {
        self.used.load(Ordering::Acquire)
    }

    /// Puts the limits into use.
    pub fn use_from_now(&self) {
        // Without black_box the compiler would link them into programs without limits.
        _ = self.ways.set(std::hint::black_box(&WAYS));
        self.used.store(true, Ordering::Release);
    }

    /// Whether there is one now.
    pub fn some(&self) -> bool {
        self.until.load(Ordering::Relaxed) >= 0 || self.bell.get().is_some()
    }

    /// The timeout as it was set.
    pub fn told(&self) -> i64 {
        self.told.load(Ordering::Relaxed)
    }

    /// Sets the timeout that applies together with them.
    pub fn tell(&self, timeout_us: i64) {
        self.told.store(timeout_us, Ordering::Relaxed);
    }

    /// Sets the deadline.
    pub fn set_deadline(&self, until_us: i64) {
        self.until.store(until_us, Ordering::Relaxed);
    }

    /// How long an operation that begins now may wait: at least a moment.
    pub fn left_us(&self) -> i64 {
        self.ways.get().map_or(-1, |ways| (ways.left_us)(self))
    }

    fn find_left_us(&self) -> i64 {
        let (told, until) = (self.told(), self.until.load(Ordering::Relaxed));
        let told = if told < 0 { i64::MAX } else { told };
        if until < 0 { told } else { told.min(until.saturating_sub(time::now_us()).max(1)) }
    }

    /// Prepares for cancelling, and sets or resets the cancel. The caller holds `change`.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM.
    pub fn cancel(&self, on: bool) -> Result<()> {
        if self.bell.get().is_none() {
            self.forks.store(process::forks(), Ordering::Release);
            _ = self.bell.set(sys::poll::eventfd()?);
        }
        let Some(bell) = self.bell.get() else { return Ok(()) };
        self.renew(bell)?;
        self.cancelled.store(on, Ordering::Relaxed);
        // They fail only if the eventfd is in that state already.
        let _ = if on { sys::poll::signal(bell) } else { sys::poll::drain(bell) };
        Ok(())
    }

    /// Whether waits are cancelled.
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Whether cancelling was prepared.
    pub fn can_cancel(&self) -> bool {
        self.bell.get().is_some()
    }

    /// This process's bell, if there is one.
    fn bell(&self) -> Result<Option<&Own>> {
        let bell = self.bell.get();
        if let Some(bell) = bell.filter(|_| !self.is_ours()) {
            let _changing = self.change.lock()?;
            self.renew(bell)?;
        }
        Ok(bell)
    }

    fn is_ours(&self) -> bool {
        self.forks.load(Ordering::Acquire) == process::forks()
    }

    /// In a forked child: makes the bell its own. The caller holds `change`.
    fn renew(&self, bell: &Own) -> Result<()> {
        if !self.is_ours() {
            let fresh = sys::poll::eventfd()?;
            if self.cancelled() {
                sys::poll::signal(&fresh)?;
            }
            sys::poll::replace(fresh, bell)?;
            self.forks.store(process::forks(), Ordering::Release);
        }
        Ok(())
    }

    /// The descriptors to poll: the socket for `events`, and the bell.
    fn questions(&self, fd: BorrowedFd<'_>, events: i16) -> Result<[libc::pollfd; 2]> {
        let question = |fd, events| libc::pollfd { fd, events, revents: 0 };
        let bell = self.bell()?.map_or(-1, |bell| bell.as_raw_fd());
        Ok([question(fd.as_raw_fd(), events), question(bell, libc::POLLIN)])
    }

    /// Waits until `fd` has one of `events`, or an error or hang-up, and returns the events; none
    /// at the deadline.
    ///
    /// # Errors
    /// ECANCELED, and those of [`few`].
    pub fn wait(
        &self,
        fd: BorrowedFd<'_>,
        events: i16,
        deadline: &mut Deadline,
    ) -> Result<Option<i16>> {
        self.within(fd, events, &mut |both| few(both, deadline))
    }

    /// The same up to a signal: then `None`. The deadline is ETIMEDOUT.
    ///
    /// # Errors
    /// ECANCELED, ETIMEDOUT; EINVAL, ENOMEM.
    pub fn wait_or_signal(
        &self,
        fd: BorrowedFd<'_>,
        events: i16,
        deadline: &mut Deadline,
    ) -> Result<Option<i16>> {
        let seen = self.within(fd, events, &mut |both| match sys::poll::ppoll_few(
            both,
            deadline.remaining(),
        )? {
            0 => Err(Error::os(libc::ETIMEDOUT)),
            n => Ok(n),
        });
        match seen {
            Err(e) if e.is(libc::EINTR) => Ok(None),
            seen => seen,
        }
    }

    fn within(&self, fd: BorrowedFd<'_>, events: i16, poll: &mut Poll<'_>) -> Result<Option<i16>> {
        self.ways.get().map_or(Ok(None), |ways| (ways.wait)(self, fd, events, poll))
    }

    /// Polls the socket and the bell, and returns the socket's events.
    fn poll_both(
        &self,
        fd: BorrowedFd<'_>,
        events: i16,
        poll: &mut Poll<'_>,
    ) -> Result<Option<i16>> {
        let mut both = self.questions(fd, events)?;
        let n = poll(&mut both)?;
        self.answer(n, &both)
    }

    /// A ready socket counts even if the operation is cancelled.
    fn answer(&self, n: usize, [socket, _]: &[libc::pollfd; 2]) -> Result<Option<i16>> {
        match (n, socket.revents) {
            (0, _) => Ok(None),
            (_, 0) => Err(Error::os(libc::ECANCELED)),
            (_, seen) => Ok(Some(seen)),
        }
    }
}
