//! What the kernel's part of a poller must have of the register: its bell, its timer, and an epoll
//! that is true to it.

use std::time::Instant;

use super::kernel::Kernel;
use super::register::Register;
use crate::error::Result;
use crate::sys::process;

/// Lets the bell be readable exactly while somebody is to be woken.
pub(super) fn ring(kernel: &Kernel, register: &mut Register) {
    let news = register.has_news();
    // A parent's bell is none of our business.
    if news != register.rung && register.is_ours() {
        register.rung = news;
        kernel.ring(news);
    }
}

/// Makes sure that the kernel's timer goes off when the first of the timers is due.
///
/// # Errors
/// EMFILE, ENFILE, ENOMEM, ENOSPC.
pub(super) fn set_timer(kernel: &Kernel, register: &mut Register) -> Result<()> {
    let Some(next) = register.timers.next() else { return Ok(()) };
    // One that goes off too early is set anew then: to put a timer off costs nothing.
    if register.timers.set.is_none_or(|set| set > next) {
        kernel.set_timer(Some(next.saturating_duration_since(Instant::now())))?;
        register.timers.set = Some(next);
    }
    Ok(())
}

/// The kernel's timer went off, and what was due has been taken out.
pub(super) fn rearm_timer(kernel: &Kernel, register: &mut Register) {
    let (now, next) = (Instant::now(), register.timers.next());
    // What is due and had no room is reported by the next wait.
    if next.is_none_or(|next| next > now) && register.is_ours() {
        // If it fails, the timer is still readable, and is looked at again.
        if kernel.set_timer(next.map(|next| next - now)).is_ok() {
            register.timers.set = next;
        }
    }
}

/// Makes sure that the epoll is this process's own, and true to the register. True when it is a new
/// one.
///
/// # Errors
/// EMFILE, ENFILE, ENOMEM, ENOSPC. The next call tries again.
pub(super) fn refresh(kernel: &Kernel, register: &mut Register) -> Result<bool> {
    let ours = register.is_ours();
    // While others sleep in a haunted one, the bell calls them out.
    if ours && !(register.haunted && register.waiting == 0) {
        return Ok(false);
    }
    if !ours {
        kernel.part()?;
        // None of those who slept is in this process.
        (register.rung, register.waiting, register.waits) = (false, 0, 0);
        register.timers.set = None;
    }
    kernel.renew(register.entries())?;
    set_timer(kernel, register)?;
    register.forks = process::forks();
    register.haunted = false;
    Ok(true)
}
