//! The poller: many handles registered once, a wait that costs what is ready.

use super::library::{usocket_poller_t, usocket_t};
use super::{on_object, room_for, without_handle};
use crate::error::{Error, Result};
use crate::object;
use crate::poller::Event;
use crate::watchers::Source;

/// What usocket_poller_wait reports about one registration.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct usocket_event {
    /// The handle that was registered; 0 for a descriptor, and for a timer.
    pub socket: usocket_t,
    /// What was given with the registration.
    pub data: u64,
    /// The descriptor that was registered; -1 for a handle, and for a timer.
    pub fd: i32,
    /// POLLIN, POLLOUT, POLLERR, POLLHUP, ...; POLLNVAL where the registration asks for it;
    /// USOCKET_POLLER_TIMER.
    pub events: u32,
}

impl From<Event> for usocket_event {
    fn from(e: Event) -> Self {
        let (socket, fd) = match e.source {
            Source::Handle(h) => (h, -1),
            Source::Fd(fd) => (0, fd),
        };
        usocket_event { socket, data: e.data, fd, events: e.events }
    }
}

/// A descriptor that is none of the library's.
fn plain(fd: i32) -> Result<Source> {
    if fd < 0 { Err(Error::os(libc::EBADF)) } else { Ok(Source::Fd(fd)) }
}

/// Makes a poller.
///
/// A poller is a handle: it can be polled and put into other pollers, and usocket_close closes it.
///
/// Returns: a handle.
/// Errors: -EMFILE, -ENFILE, -ENOMEM.
/// Blocks: no.
/// Threads: any.
/// Ownership: the handle is the caller's, to be given to usocket_close.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_poller_create() -> usocket_poller_t {
    without_handle(object::insert_poller)
}

/// Registers a handle with a poller. `events` is POLLIN, POLLOUT, POLLPRI, POLLRDHUP; POLLERR and
/// POLLHUP come unasked (a mask of POLLERR asks for nothing else). `data` comes back with every event.
///
/// It is level-triggered unless USOCKET_POLLER_ONESHOT or USOCKET_POLLER_EDGE is added. With
/// USOCKET_POLLER_EXCLUSIVE and POLLIN or POLLOUT an event ends a wait of one or more of the pollers that
/// the socket is in, not of all of them: for listeners of several threads.
///
/// Closing a handle takes it out, and nothing more is reported about it: once usocket_close has returned,
/// no usocket_poller_wait that begins gives its `data`. With POLLNVAL in `events` it is reported once
/// more, with POLLNVAL, unless USOCKET_POLLER_ONESHOT has silenced it.
///
/// Returns: 0.
/// Errors: -EEXIST when it is registered already; -EBADF for a stale handle; -EINVAL for a mask
/// without an event or with an unknown bit, for the poller itself, or for USOCKET_POLLER_EXCLUSIVE with
/// other events, with USOCKET_POLLER_ONESHOT, for a wrapped socket or a poller; -EBADR for a `poller`
/// that is none; -EPERM for a handle that cannot be polled; -ELOOP for pollers in a ring or nested deeper
/// than 5; -ENOSPC, -ENOMEM.
/// Blocks: no.
/// Threads: any; also while others wait.
/// Ownership: the poller does not keep `s` open.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_poller_add(
    poller: usocket_poller_t,
    s: usocket_t,
    events: u32,
    data: u64,
) -> i32 {
    on_object(poller, |p| p.poller()?.add(Source::Handle(s), events, data).map(|()| 0))
}

/// Registers a descriptor that is none of the library's with a poller, as usocket_poller_add does with
/// a handle. It must be taken out before it is closed.
///
/// Returns: 0.
/// Errors: -EEXIST when it is registered already; -EBADF when it is not open; -EINVAL for a mask as of
/// usocket_poller_add; -EBADR for a `poller` that is none; -ELOOP, -ENOSPC, -ENOMEM.
/// Blocks: no.
/// Threads: any; also while others wait.
/// Ownership: the descriptor stays the caller's.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_poller_add_fd(
    poller: usocket_poller_t,
    fd: i32,
    events: u32,
    data: u64,
) -> i32 {
    on_object(poller, |p| p.poller()?.add(plain(fd)?, events, data).map(|()| 0))
}

/// Changes what the registration of a handle asks for and its `data`; one that USOCKET_POLLER_ONESHOT
/// has silenced reports again. One with USOCKET_POLLER_EXCLUSIVE cannot be changed: it is taken out and
/// added.
///
/// Returns: 0.
/// Errors: -ENOENT when it is not registered, -EINVAL with USOCKET_POLLER_EXCLUSIVE before or now, and
/// those of usocket_poller_add.
/// Blocks: no.
/// Threads: any; also while others wait.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_poller_modify(
    poller: usocket_poller_t,
    s: usocket_t,
    events: u32,
    data: u64,
) -> i32 {
    on_object(poller, |p| p.poller()?.modify(Source::Handle(s), events, data).map(|()| 0))
}

/// As usocket_poller_modify, for a descriptor.
///
/// Returns: 0.
/// Errors: -ENOENT when it is not registered, -EINVAL as of usocket_poller_modify, and those of
/// usocket_poller_add_fd.
/// Blocks: no.
/// Threads: any; also while others wait.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_poller_modify_fd(
    poller: usocket_poller_t,
    fd: i32,
    events: u32,
    data: u64,
) -> i32 {
    on_object(poller, |p| p.poller()?.modify(plain(fd)?, events, data).map(|()| 0))
}

/// Takes the registration of a handle out: no usocket_poller_wait that begins from then on reports it.
///
/// Returns: 0.
/// Errors: -ENOENT when it is not registered, -EBADF for a stale handle (which takes itself out),
/// -EBADR for a `poller` that is none.
/// Blocks: no.
/// Threads: any; also while others wait.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_poller_remove(poller: usocket_poller_t, s: usocket_t) -> i32 {
    on_object(poller, |p| p.poller()?.remove(Source::Handle(s)).map(|()| 0))
}

/// As usocket_poller_remove, for a descriptor.
///
/// Returns: 0.
/// Errors: -ENOENT when it is not registered, -EBADF for a negative one, -EBADR for a `poller` that is
/// none.
/// Blocks: no.
/// Threads: any; also while others wait.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_poller_remove_fd(poller: usocket_poller_t, fd: i32) -> i32 {
    on_object(poller, |p| p.poller()?.remove(plain(fd)?).map(|()| 0))
}

/// Waits until a registration has one of its events or a timer is due, or for `timeout_us` microseconds (negative:
/// for ever, 0: not at all). At most `n` events are written; what does not fit comes with the next
/// wait. The cost grows with what is ready, not with what is registered.
///
/// Returns: how many events were written; 0 when the time is over or usocket_poller_wake was
/// called.
/// Errors: -EBADF (also: closed meanwhile), -EINTR (event hook), -EMFILE, -ENFILE, -ENOMEM and
/// -ENOSPC in a forked child that has not used the poller, -EBADR for a `poller` that is
/// none, -EINVAL for an `n` of 0, -EFAULT.
/// Blocks: up to the timeout.
/// Threads: any; several may wait at once.
/// Ownership: `events` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_poller_wait(
    poller: usocket_poller_t,
    events: *mut usocket_event,
    n: usize,
    timeout_us: i64,
) -> i32 {
    on_object(poller, |p| {
        if n == 0 {
            return Err(Error::os(libc::EINVAL));
        }
        // SAFETY: the caller's array, as documented.
        let mut put = unsafe { room_for(events, n) }?;
        p.poller()?.wait(n, timeout_us, |at, event| put(at, event.into())).map(|n| n as i32)
    })
}

/// Sets a timer: `after_us` microseconds from now (0: at once) a usocket_poller_wait reports, once, an
/// event with the `data` given here, USOCKET_POLLER_TIMER in `events`, `socket` 0 and `fd` -1. A wait that
/// is under way ends for it. Timers that are due are reported in the order of their times.
///
/// The clock is CLOCK_MONOTONIC. To put a timer off, cancel it and set another: that costs no system call
/// as a rule.
///
/// Returns: the number of the timer for usocket_poller_cancel_timer, above 0 and below 2^53. It is no
/// handle, and belongs to this poller.
/// Errors: -EINVAL for a negative time, or one too far away; -ENOSPC for more than four million;
/// -ENOMEM, -EMFILE, -ENFILE; -EBADF; -EBADR for a `poller` that is none.
/// Blocks: no.
/// Threads: any; also while others wait.
/// Ownership: nothing changes hands; closing the poller forgets its timers. After a fork each process has
/// its own of them.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_poller_arm_timer(
    poller: usocket_poller_t,
    after_us: i64,
    data: u64,
) -> i64 {
    on_object(poller, |p| p.poller()?.arm_timer(after_us, data))
}

/// Takes a timer back: from now on no usocket_poller_wait reports it.
///
/// Returns: 0.
/// Errors: -ENOENT when it was reported or taken back already (of this and a wait on another thread one
/// has it, never both), or is none; -EBADF; -EBADR for a `poller` that is none.
/// Blocks: no.
/// Threads: any; also while others wait.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_poller_cancel_timer(poller: usocket_poller_t, timer: i64) -> i32 {
    on_object(poller, |p| p.poller()?.cancel_timer(timer).map(|()| 0))
}

/// Makes one usocket_poller_wait, the one that is waiting or else the next, return 0 at once. Where
/// several wait, each call ends another; calls that find no wait left to end count as one.
///
/// Returns: 0.
/// Errors: -EBADF, -EMFILE, -ENFILE and -ENOMEM in a forked child that has not used the poller,
/// -EBADR for a `poller` that is none.
/// Blocks: no.
/// Threads: any: that is what it is for.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_poller_wake(poller: usocket_poller_t) -> i32 {
    on_object(poller, |p| {
        p.poller()?.wake()?;
        Ok(0)
    })
}
