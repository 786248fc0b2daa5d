//! ppoll, epoll, eventfd and timerfd.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::own::{Kind, Own};
use super::time::{self, timespec};
use super::{cvt, cvt_len, is_unknown, select};

/// ppoll(2); `None` waits for ever.
///
/// poll(2) takes no more of them than RLIMIT_NOFILE: EINVAL.
///
/// Unlike a blocking recv, it ends with EINTR on every signal that has a handler, also with
/// SA_RESTART (signal(7)).
pub fn ppoll(fds: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<usize> {
    let time = timeout.map(timespec);
    let time = time.as_ref().map_or(std::ptr::null(), |t| &raw const *t);
    let (at, count) = (fds.as_mut_ptr(), fds.len() as libc::nfds_t);
    // SAFETY: the slice is writable for its length; the time is NULL or lives above.
    match cvt(unsafe { libc::ppoll(at, count, time, std::ptr::null()) }) {
        // On 32 bits the C library first uses the system call with 64-bit times, and a filter may
        // not know it.
        Err(e) if is_unknown(&e) => {
            // SAFETY: as above.
            cvt(unsafe { libc::poll(at, count, milliseconds(timeout)) })
        }
        result => result,
    }
    .map(|n| n as usize)
}

/// The same for descriptors of the library's own, which are few: also with a limit lower than that.
pub fn ppoll_few(fds: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<usize> {
    match ppoll(fds, timeout) {
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => select::wait(fds, timeout),
        result => result,
    }
}

/// Rounded up: a wait must not end before its time. -1 is for ever.
fn milliseconds(timeout: Option<Duration>) -> libc::c_int {
    timeout.map_or(-1, |t| t.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(libc::c_int::MAX))
}

/// eventfd(2): readable from the first [`signal`] to the next [`drain`]
pub fn eventfd() -> io::Result<Own> {
    // SAFETY: no pointers; the descriptor is fresh.
    unsafe { cvt(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK)).map(|fd| own(fd)) }
}

/// # Safety
/// The descriptor is fresh.
unsafe fn own(fd: RawFd) -> Own {
    // SAFETY: by this function's contract.
    Own::new(unsafe { OwnedFd::from_raw_fd(fd) }, Kind::Anonymous)
}

/// Makes an eventfd readable.
pub fn signal(event: &OwnedFd) -> io::Result<()> {
    signal_number(event.as_raw_fd())
}

/// The same by its number.
pub fn signal_number(event: RawFd) -> io::Result<()> {
    let one = 1u64.to_ne_bytes();
    // SAFETY: eight readable bytes.
    cvt_len(unsafe { libc::write(event, one.as_ptr().cast(), 8) }).map(drop)
}

/// Makes an eventfd unreadable again; EAGAIN when it was.
pub fn drain(event: &OwnedFd) -> io::Result<()> {
    let mut count = [0u8; 8];
    // SAFETY: eight writable bytes.
    cvt_len(unsafe { libc::read(event.as_raw_fd(), count.as_mut_ptr().cast(), 8) }).map(drop)
}

/// timerfd_create(2) of the clock of [`std::time::Instant`]: readable from the time that is set
pub fn timer() -> io::Result<Own> {
    let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
    // SAFETY: no pointers; the descriptor is fresh.
    unsafe { cvt(libc::timerfd_create(libc::CLOCK_MONOTONIC, flags)).map(|fd| own(fd)) }
}

/// timerfd_settime(2): makes it expire in `left`, and unreadable until then; `None` is never
pub fn set_timer(timer: &OwnedFd, left: Option<Duration>) -> io::Result<()> {
    // Zero would disarm it.
    let left = left.map_or(Duration::ZERO, |left| left.max(Duration::from_nanos(1)));
    let once = time::timespec(Duration::ZERO);
    let spec = libc::itimerspec { it_interval: once, it_value: time::timespec(left) };
    // SAFETY: the time lives above; the old one is not asked for.
    cvt(unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &spec, std::ptr::null_mut()) })
        .map(drop)
}

/// epoll_create1(2)
pub fn epoll() -> io::Result<Own> {
    // SAFETY: no pointers; the descriptor is fresh.
    unsafe { cvt(libc::epoll_create1(libc::EPOLL_CLOEXEC)).map(|fd| own(fd)) }
}

/// dup3(2): replaces `old`, under its number, by `new`; close-on-exec
///
/// # Errors
/// EBADF if the number is the host's now, in a forked child.
pub fn replace(new: Own, old: &Own) -> io::Result<()> {
    if old.is_strange() {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: both are open and ours; the number stays `old`'s.
    cvt(unsafe { super::net::dup3(new.as_raw_fd(), old.as_raw_fd()) }).map(drop)
}

/// epoll_ctl(2)
pub fn epoll_ctl(epoll: &OwnedFd, op: i32, fd: i32, events: u32, data: u64) -> io::Result<()> {
    let mut event = libc::epoll_event { events, u64: data };
    // SAFETY: the event is readable; the kernel copies it.
    cvt(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), op, fd, &mut event) }).map(drop)
}

/// epoll_pwait2(2) if the kernel has it (5.11) and permits it, epoll_wait(2) otherwise; `None`
/// waits for ever.
pub fn epoll_wait<'a>(
    epoll: &OwnedFd,
    events: &'a mut [MaybeUninit<libc::epoll_event>],
    timeout: Option<Duration>,
) -> io::Result<&'a [libc::epoll_event]> {
    let n = epoll_wait_into(epoll, events, timeout)?;
    // SAFETY: the kernel has written so many.
    Ok(unsafe { std::slice::from_raw_parts(events.as_ptr().cast(), n) })
}

/// The same without a wait: epoll_wait(2), which every kernel has.
#[inline]
pub fn epoll_look<'a>(
    epoll: &OwnedFd,
    events: &'a mut [MaybeUninit<libc::epoll_event>],
) -> io::Result<&'a [libc::epoll_event]> {
    let (at, room) = (events.as_mut_ptr().cast(), at_most(events.len()));
    // SAFETY: events are writable for their number, and the kernel has written so many.
    unsafe {
        let n = cvt(libc::epoll_wait(epoll.as_raw_fd(), at, room, 0))?;
        Ok(std::slice::from_raw_parts(events.as_ptr().cast(), n as usize))
    }
}

fn epoll_wait_into(
    epoll: &OwnedFd,
    events: &mut [MaybeUninit<libc::epoll_event>],
    timeout: Option<Duration>,
) -> io::Result<usize> {
    static REFUSED: AtomicBool = AtomicBool::new(false);
    if !REFUSED.load(Ordering::Relaxed) {
        match epoll_pwait2(epoll, events, timeout) {
            Err(e) if is_unknown(&e) => REFUSED.store(true, Ordering::Relaxed),
            result => return result,
        }
    }
    let (at, room) = (events.as_mut_ptr().cast(), at_most(events.len()));
    // SAFETY: events are writable for their number.
    cvt(unsafe { libc::epoll_wait(epoll.as_raw_fd(), at, room, milliseconds(timeout)) })
        .map(|n| n as usize)
}

fn at_most(n: usize) -> libc::c_int {
    n.min(i32::MAX as usize) as libc::c_int
}

fn epoll_pwait2(
    epoll: &OwnedFd,
    events: &mut [MaybeUninit<libc::epoll_event>],
    timeout: Option<Duration>,
) -> io::Result<usize> {
    let time = timeout.map(time::Kernel::from);
    let time = time.as_ref().map_or(std::ptr::null(), |t| &raw const *t);
    // SAFETY: events are writable for their number; time is NULL or lives above; no signal mask.
    let r = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            epoll.as_raw_fd(),
            events.as_mut_ptr(),
            at_most(events.len()),
            time,
            std::ptr::null::<libc::sigset_t>(),
            0usize,
        )
    };
    cvt(r as libc::c_int).map(|n| n as usize)
}
