//! One wait of a poller: what is known is reported, the kernel is asked, and who knows more than the
//! kernel is asked with the register free for others.

use std::time::{Duration, Instant};

use super::entry::{Question, Report, Truth};
use super::kernel::{BELL, TIMER};
use super::register::{Before, Register};
use super::{Event, Poller, mirror};
use crate::error::{Error, Result};
use crate::numbers::USOCKET_POLLER_TIMER;
use crate::sys::fork::Guard;
use crate::sys::memory;
use crate::wait::{self, Deadline};
use crate::watchers::{Source, Watched};

/// How many events a wait has room for without asking for memory.
const FEW: usize = 64;
/// How many events one system call fetches at most; the kernel takes turns among the ready.
const MANY: usize = 16384;

/// How many sockets are asked for their readiness while the register is free for others.
const AT_ONCE: usize = 8;

/// What is left of a wait to be looked at.
struct Turn<'a> {
    before: Before,
    /// What the kernel has seen.
    seen: std::slice::Iter<'a, libc::epoll_event>,
    woken: bool,
}

impl<W: Watched> Poller<W> {
    /// Waits until an entry has events, and gives at most `max` of them, numbered, to `put`. The
    /// number of them comes back; 0 is the deadline or a wake.
    ///
    /// # Errors
    /// EBADF when the poller is closed, EINTR (event hook); in a forked child, those of making an
    /// epoll.
    pub fn wait(
        &self,
        max: usize,
        timeout_us: i64,
        mut put: impl FnMut(usize, Event),
    ) -> Result<usize> {
        let mut deadline = Deadline::after_us(timeout_us);
        let none = libc::epoll_event { events: 0, u64: 0 };
        let (mut few, mut many) = ([none; FEW], Vec::new());
        let raw = match memory::fill(&mut many, none, if max > FEW { max.min(MANY) } else { 0 }) {
            Ok(many) if max > FEW => many,
            _ => &mut few[..max.min(FEW)],
        };
        let mut counted = false;
        loop {
            let before = self.before(max, &mut counted, &mut put)?;
            // What is known already must not be waited upon.
            let time = if before.idle { deadline.remaining() } else { Some(Duration::ZERO) };
            let room = raw.len().min(before.room);
            // With what is known there may be room for nothing more.
            let seen = if room > 0 { self.kernel.wait(&mut raw[..room], time) } else { Ok(0) };
            let over = match &seen {
                Ok(0) => time.is_some() && (before.idle || is_over(&mut deadline)),
                Ok(_) => false,
                Err(e) => e.raw_os_error() != Some(libc::EINTR),
            };
            let known = &raw[..*seen.as_ref().unwrap_or(&0)];
            let (n, woken) = self.after(max, before, known, (&mut counted, over), &mut put)?;
            match seen {
                _ if n > 0 || woken => return Ok(n),
                Err(e) if over => return Err(e.into()),
                _ if over => return Ok(0),
                Err(_) => wait::interrupted().inspect_err(|_| self.gives_up(&mut counted))?,
                Ok(_) => {}
            }
        }
    }

    /// A wait ends without another look at what there is.
    #[cold]
    fn gives_up(&self, counted: &mut bool) {
        if let Ok(mut register) = self.register.lock() {
            register.ends_wait(counted);
            mirror::ring(&self.kernel, &mut register);
        }
    }

    /// Reports what is known before the kernel is asked; what comes back idle counts as asleep.
    pub(super) fn before(
        &self,
        max: usize,
        counted: &mut bool,
        put: &mut impl FnMut(usize, Event),
    ) -> Result<Before> {
        let mut register = self.current()?;
        if register.closed {
            return Err(Error::os(libc::EBADF));
        }
        let before = register.before(max, put);
        register.waiting += u32::from(before.idle);
        register.waits += u32::from(before.idle && !*counted);
        *counted |= before.idle;
        mirror::ring(&self.kernel, &mut register);
        Ok(before)
    }

    /// Reports what the kernel has seen, and then what was to be looked at. How many events there
    /// are, and whether a wake ends the wait. It ends in any case when it is `over`.
    pub(super) fn after(
        &self,
        max: usize,
        before: Before,
        mut seen: &[libc::epoll_event],
        (counted, over): (&mut bool, bool),
        put: &mut impl FnMut(usize, Event),
    ) -> Result<(usize, bool)> {
        let mut register = self.register.lock()?;
        register.waiting -= u32::from(before.idle && register.waiting > 0);
        let (mut n, mut woken) = (before.put, !before.idle);
        // Most of them: the kernel knows, and will say it again.
        while let Some(event) = seen.first().and_then(|e| register.plain(e.u64, e.events)) {
            put(n, event);
            n += 1;
            seen = &seen[1..];
        }
        if !seen.is_empty() || before.poked > 0 {
            let turn = Turn { before, seen: seen.iter(), woken };
            (register, woken) = self.look(max, turn, register, &mut n, put)?;
        }
        woken &= register.wakes > 0;
        register.wakes -= u32::from(woken);
        if n > 0 || woken || over || register.closed {
            register.ends_wait(counted);
        }
        mirror::ring(&self.kernel, &mut register);
        if register.closed { Err(Error::os(libc::EBADF)) } else { Ok((n, woken)) }
    }

    /// The same of what takes more than a word of the kernel's: sockets that know more are asked, some
    /// at a time, with the register free for others.
    fn look<'a>(
        &'a self,
        max: usize,
        mut turn: Turn<'_>,
        mut register: Guard<'a, Register>,
        n: &mut usize,
        put: &mut impl FnMut(usize, Event),
    ) -> Result<(Guard<'a, Register>, bool)> {
        let mut asked = [const { None }; AT_ONCE];
        while self.gather(max, &mut turn, &mut register, &mut asked, n, put) > 0 {
            drop(register);
            for (question, truth) in asked.iter_mut().flatten() {
                *truth = find_out::<W>(question);
            }
            register = self.register.lock()?;
            for (question, truth) in asked.iter_mut().filter_map(Option::take) {
                let serial = turn.before.serial;
                let report = register.told(&self.kernel, &question, &truth, serial);
                if let Report::Event(event) = report {
                    put(*n, event);
                    *n += 1;
                }
            }
        }
        Ok((register, turn.woken))
    }

    /// Reports what needs no asking until there are questions enough, or nothing is left; how many
    /// questions there are.
    fn gather(
        &self,
        max: usize,
        turn: &mut Turn<'_>,
        register: &mut Register,
        asked: &mut [Option<(Question, Truth)>; AT_ONCE],
        n: &mut usize,
        put: &mut impl FnMut(usize, Event),
    ) -> usize {
        let mut asking = 0;
        while asking < AT_ONCE {
            let report = match turn.seen.next() {
                Some(event) if event.u64 == BELL => {
                    turn.woken = true;
                    continue;
                }
                Some(event) if event.u64 == TIMER => {
                    // What the kernel has seen besides keeps its room.
                    let end = turn.before.put + turn.before.room - turn.seen.len() - asking;
                    *n = self.fire(register, *n, end, put);
                    continue;
                }
                Some(event) => register.seen(event.u64, event.events, &turn.before),
                // Whether these were reported must be known first.
                None if asking > 0 && !turn.before.looking => break,
                None if *n + asking < max => {
                    turn.before.looking = true;
                    match register.next_poked(&mut turn.before) {
                        Some(report) => report,
                        None => break,
                    }
                }
                None => break,
            };
            match report {
                Report::Nothing => {}
                Report::Event(event) => {
                    put(*n, event);
                    *n += 1;
                }
                Report::Ask(question) => {
                    asked[asking] = Some((question, Truth::NONE));
                    asking += 1;
                }
            }
        }
        asking
    }

    /// The kernel's timer went off: reports the timers that are due, up to `end` events.
    #[cold]
    fn fire(
        &self,
        register: &mut Register,
        mut n: usize,
        end: usize,
        put: &mut impl FnMut(usize, Event),
    ) -> usize {
        let now = Instant::now();
        while n < end {
            let Some(data) = register.timers.fire(now) else { break };
            put(n, Event { source: Source::Fd(-1), events: USOCKET_POLLER_TIMER, data });
            n += 1;
        }
        mirror::rearm_timer(&self.kernel, register);
        n
    }
}

/// What a socket that knows more than the kernel says of its readiness.
fn find_out<W: Watched>(question: &Question) -> Truth {
    let Ok(held) = W::hold(question.handle) else { return Truth::NONE };
    let (events, ask) = held.true_events(question.events, question.seen);
    Truth { events: events as u32, ask }
}

/// Whether a deadline has come.
fn is_over(deadline: &mut Deadline) -> bool {
    deadline.remaining().is_some_and(|left| left.is_zero())
}
