//! The poller: many handles registered once, a wait that costs what is ready.

use super::library::{usocket_poller_t, usocket_t};
use super::{inlined, on_object, room_for, without_handle};
use crate::error::{Error, Result};
use crate::object;
use crate::poller::Event;
use crate::watchers::Source;

/// One event of usocket_poller_wait.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct usocket_event {
    /// The handle that was registered; 0 for a descriptor, and for a timer.
    pub socket: usocket_t,
    /// The `data` of the registration.
    pub data: u64,
    /// The descriptor that was registered; -1 for a handle, and for a timer.
    pub fd: i32,
    /// POLLIN, POLLOUT, POLLERR, POLLHUP, ...; POLLNVAL where the registration asks for it;
    /// USOCKET_POLLER_TIMER.
    pub events: u32,
}

impl From<Event> for usocket_event {
    fn from(e: Event) -> Self {
        usocket_event { socket: e.handle, data: e.data, fd: e.fd, events: e.events }
    }
}

/// A descriptor that is none of the library's.
fn plain(fd: i32) -> Result<Source> {
    if fd < 0 { Err(Error::os(libc::EBADF)) } else { Ok(Source::Fd(fd)) }
}

/// Makes a poller.
///
/// A poller is a handle: it can be polled and added to other pollers, and usocket_close closes it.
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
/// POLLHUP are always reported (a mask of POLLERR requests only those). `data` is returned with
/// every event.
///
/// The registration is level-triggered unless USOCKET_POLLER_ONESHOT or USOCKET_POLLER_EDGE is
/// added. With USOCKET_POLLER_EXCLUSIVE and POLLIN or POLLOUT an event wakes one or more of the
/// pollers with the socket, not all of them: for a listener shared by several threads.
///
/// Closing a handle removes its registrations: no usocket_poller_wait that begins after
/// usocket_close has returned reports it. With POLLNVAL in `events` the closing itself is reported
/// once, as POLLNVAL, unless USOCKET_POLLER_ONESHOT has disabled the registration.
///
/// Returns: 0.
/// Errors: -EEXIST when it is registered already; -EBADF for a stale handle; -EINVAL for a mask
/// without an event or with an unknown bit, for the poller itself, or for USOCKET_POLLER_EXCLUSIVE
/// with other events, with USOCKET_POLLER_ONESHOT, or on a wrapped socket or a poller; -EBADR if
/// `poller` is a handle of another kind; -EPERM for a handle that cannot be polled; -ELOOP for
/// pollers in a ring or nested deeper than 5; -ENOSPC, -ENOMEM.
/// Blocks: no.
/// Threads: any, also during a wait.
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

/// Registers a descriptor that the library does not own with a poller, as usocket_poller_add
/// registers a handle. Remove it before it is closed.
///
/// Returns: 0.
/// Errors: -EEXIST when it is registered already; -EBADF when it is not open; -EINVAL for a mask as
/// in usocket_poller_add; -EBADR if `poller` is a handle of another kind; -ELOOP, -ENOSPC, -ENOMEM.
/// Blocks: no.
/// Threads: any, also during a wait.
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

/// Changes the events and `data` of a handle's registration, and enables it again after
/// USOCKET_POLLER_ONESHOT. A registration with USOCKET_POLLER_EXCLUSIVE cannot be changed: remove
/// and add it.
///
/// Returns: 0.
/// Errors: -ENOENT when it is not registered, -EINVAL with USOCKET_POLLER_EXCLUSIVE in the old or
/// the new mask, and those of usocket_poller_add.
/// Blocks: no.
/// Threads: any, also during a wait.
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
/// Errors: -ENOENT when it is not registered, -EINVAL as in usocket_poller_modify, and those of
/// usocket_poller_add_fd.
/// Blocks: no.
/// Threads: any, also during a wait.
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

/// Removes the registration of a handle: no usocket_poller_wait that begins afterwards reports it.
///
/// Returns: 0.
/// Errors: -ENOENT when it is not registered, -EBADF for a stale handle (closing removed it),
/// -EBADR if `poller` is a handle of another kind.
/// Blocks: no.
/// Threads: any, also during a wait.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_poller_remove(poller: usocket_poller_t, s: usocket_t) -> i32 {
    on_object(poller, |p| p.poller()?.remove(Source::Handle(s)).map(|()| 0))
}

/// As usocket_poller_remove, for a descriptor.
///
/// Returns: 0.
/// Errors: -ENOENT when it is not registered, -EBADF for a negative one, -EBADR if `poller` is a
/// handle of another kind.
/// Blocks: no.
/// Threads: any, also during a wait.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_poller_remove_fd(poller: usocket_poller_t, fd: i32) -> i32 {
    on_object(poller, |p| p.poller()?.remove(plain(fd)?).map(|()| 0))
}

/// Waits until a registration has one of its events or a timer is due, or for `timeout_us`
/// microseconds (negative: for ever, 0: not at all). At most `n` events are written; the next wait
/// reports the rest. The cost grows with the number of ready registrations, not with that of all.
///
/// Returns: how many events were written; 0 after the timeout or a usocket_poller_wake.
/// Errors: -EBADF (also: closed meanwhile), -EINTR (event hook); -EMFILE, -ENFILE, -ENOMEM and
/// -ENOSPC when the poller must be set up again (in a forked child that has not used it, or when
/// the system had no room for a registered handle that was wrapped in TLS); -EBADR if `poller` is
/// a handle of another kind, -EINVAL for an `n` of 0, -EFAULT.
/// Blocks: up to the timeout.
/// Threads: any; several may wait at the same time.
/// Ownership: `events` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_poller_wait(
    poller: usocket_poller_t,
    events: *mut usocket_event,
    n: usize,
    timeout_us: i64,
) -> i32 {
    inlined::on_object(poller, |p| {
        if n == 0 {
            return Err(Error::os(libc::EINVAL));
        }
        // SAFETY: the caller's array, as documented.
        let mut put = unsafe { room_for(events, n) }?;
        p.poller()?.wait(n, timeout_us, |at, event| put(at, event.into())).map(|n| n as i32)
    })
}

/// Sets a timer: `after_us` microseconds from now (0: at once) usocket_poller_wait reports one
/// event with this `data`, USOCKET_POLLER_TIMER in `events`, `socket` 0 and `fd` -1. A wait under
/// way returns for it. Expired timers are reported in the order of their times.
///
/// The clock is CLOCK_MONOTONIC. To postpone a timer, cancel it and set another: that usually costs
/// no system call.
///
/// Returns: the number of the timer for usocket_poller_cancel_timer, above 0 and below 2^53. It is
/// not a handle, and is valid for this poller only.
/// Errors: -EINVAL for a negative time, or one too far away; -ENOSPC for more than four million;
/// -ENOMEM, -EMFILE, -ENFILE; -EBADF; -EBADR if `poller` is a handle of another kind.
/// Blocks: no.
/// Threads: any, also during a wait.
/// Ownership: nothing changes hands; closing the poller discards its timers. After a fork each
/// process has its own copy of them.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_poller_arm_timer(
    poller: usocket_poller_t,
    after_us: i64,
    data: u64,
) -> i64 {
    on_object(poller, |p| p.poller()?.arm_timer(after_us, data))
}

/// Cancels a timer: no usocket_poller_wait reports it from now on.
///
/// Returns: 0.
/// Errors: -ENOENT when it was reported or cancelled already, or never existed (a timer is either
/// reported by a wait on another thread or cancelled here, never both); -EBADF; -EBADR if `poller`
/// is a handle of another kind.
/// Blocks: no.
/// Threads: any, also during a wait.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_poller_cancel_timer(poller: usocket_poller_t, timer: i64) -> i32 {
    on_object(poller, |p| p.poller()?.cancel_timer(timer).map(|()| 0))
}

/// Makes one usocket_poller_wait return 0 at once: one under way, or else the next. If several
/// threads wait, each call wakes another; calls that find nobody waiting count as one.
///
/// Returns: 0.
/// Errors: -EBADF; -EBADR if `poller` is a handle of another kind; in a forked child that has not
/// used the poller, -EMFILE, -ENFILE, -ENOMEM.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_poller_wake(poller: usocket_poller_t) -> i32 {
    on_object(poller, |p| {
        p.poller()?.wake()?;
        Ok(0)
    })
}
