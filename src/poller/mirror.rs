//! Keeps the kernel's part of a poller in step with the register: the bell, the timer, and the
//! epoll.

use std::time::Instant;

use super::kernel::Kernel;
use super::register::Register;
use crate::error::Result;
use crate::sys::process;

/// Lets the bell be readable exactly while somebody is to be woken; whoever has changed the register ends
/// with it.
pub(super) fn ring(kernel: &Kernel, register: &mut Register) {
    let news = register.has_news();
    // Never touch a parent's bell.
    if news != register.rung && register.is_ours() {
        register.rung = news;
        kernel.ring(news);
    }
    kernel.set_quiet(register.is_quiet());
}

/// Makes sure that the timerfd expires when the first timer is due.
///
/// # Errors
/// EMFILE, ENFILE, ENOMEM, ENOSPC.
pub(super) fn set_timer(kernel: &Kernel, register: &mut Register) -> Result<()> {
    let Some(next) = register.timers.next() else { return Ok(()) };
    // If it expires too early it is set again: so postponing a timer costs nothing.
    if register.timers.set.is_none_or(|set| set > next) {
        kernel.set_timer(Some(next.saturating_duration_since(Instant::now())))?;
        register.timers.set = Some(next);
    }
    Ok(())
}

/// Sets the timerfd again after it has expired and the due timers have been taken out.
pub(super) fn rearm_timer(kernel: &Kernel, register: &mut Register) {
    let (now, next) = (Instant::now(), register.timers.next());
    // The next wait reports due timers that did not fit.
    if next.is_none_or(|next| next > now) && register.is_ours() {
        // If this fails, the timerfd stays readable and is checked again.
        if kernel.set_timer(next.map(|next| next - now)).is_ok() {
            register.timers.set = next;
        }
    }
}

/// Makes sure that the epoll is this process's own and matches the register. Returns whether it is
/// new.
///
/// # Errors
/// EMFILE, ENFILE, ENOMEM, ENOSPC. The next call tries again.
pub(super) fn refresh(kernel: &Kernel, register: &mut Register) -> Result<bool> {
    let ours = register.is_ours();
    // While other threads sleep in a haunted epoll, the bell wakes them first.
    if ours && !(register.haunted && register.waiting == 0) {
        return Ok(false);
    }
    if !ours {
        kernel.part()?;
        // The sleeping threads do not exist in this process.
        (register.rung, register.waiting, register.waits) = (false, 0, 0);
        register.timers.set = None;
    }
    kernel.renew(register.entries())?;
    set_timer(kernel, register)?;
    register.forks = process::forks();
    register.haunted = false;
    Ok(true)
}
