//! One wait of a poller: it reports known events, asks the kernel, and asks layered sockets while
//! the register is unlocked.

use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use super::entry::{Question, Report, Truth};
use super::kernel::{BELL, TIMER};
use super::register::{Before, Register};
use super::{Event, Poller, mirror};
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::numbers::USOCKET_POLLER_TIMER;
use crate::sys::fork::Guard;
use crate::sys::memory;
use crate::wait::{self, Deadline};
use crate::watchers::Watched;

/// The number of events that fit without an allocation.
const FEW: usize = 256;
/// The maximum number of events per system call; the kernel rotates among the ready ones.
const MANY: usize = 16384;

/// The number of sockets asked for their readiness in one unlocked phase.
const AT_ONCE: usize = 8;

/// The remaining work of a wait.
struct Turn<'a> {
    before: Before,
    /// The kernel's events.
    seen: std::slice::Iter<'a, libc::epoll_event>,
    woken: bool,
}

impl<W: Watched> Poller<W> {
    /// Waits until an entry has events, and calls `put` for at most `max` of them, with their
    /// indices. Returns their number; 0 for the deadline or a wake.
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
        if timeout_us == 0 && max <= FEW && self.kernel.is_quiet() {
            if let Some(done) = self.wait_at_once(max, &mut put) {
                return done;
            }
        }
        self.wait_through(max, timeout_us, &mut put)
    }

    /// A wait for a few events that does not sleep, where the register has nothing to report before the
    /// kernel is asked: it is locked once, for the kernel's events. `None` if there was no event to
    /// report: the register may have one now.
    #[inline]
    fn wait_at_once(
        &self,
        max: usize,
        put: &mut impl FnMut(usize, Event),
    ) -> Option<Result<usize>> {
        let taken = self.kernel.taken();
        let mut few = [MaybeUninit::uninit(); FEW];
        // An error is reported by the full wait, which asks again.
        let seen = self.kernel.look(&mut few[..max]).ok()?;
        if seen.is_empty() {
            return Some(Ok(0));
        }
        let register = match self.register.lock() {
            Ok(register) => register,
            Err(lost) => return Some(Err(lost.into())),
        };
        let (plain, mut n) = (register.plains(), 0);
        for event in seen {
            let Some(event) = plain(event.u64, event.events) else { break };
            put(n, event);
            n += 1;
        }
        drop(plain);
        if n == seen.len() {
            register.release();
            return Some(Ok(n));
        }
        drop(register);
        self.wait_further(max, (max - n, taken), (n, &seen[n..]), put)
    }

    /// The same, when what the kernel has seen is more than a word of its own: `n` were put before.
    #[inline(never)]
    fn wait_further(
        &self,
        max: usize,
        (room, taken): (usize, u32),
        (n, seen): (usize, &[libc::epoll_event]),
        put: &mut impl FnMut(usize, Event),
    ) -> Option<Result<usize>> {
        let serial = match self.register.lock() {
            Ok(mut register) => register.next_serial(),
            Err(lost) => return Some(Err(lost.into())),
        };
        let (idle, slept, looking) = (true, false, false);
        let before = Before { put: n, poked: 0, room, idle, slept, looking, taken, serial };
        match self.after(max, before, seen, (&mut false, true), put) {
            Ok((0, false)) => None,
            done => Some(done.map(|(n, _)| n)),
        }
    }

    fn wait_through(
        &self,
        max: usize,
        timeout_us: i64,
        mut put: &mut impl FnMut(usize, Event),
    ) -> Result<usize> {
        let mut deadline = Deadline::after_us(timeout_us);
        let (mut few, mut many) = ([MaybeUninit::uninit(); FEW], Vec::new());
        let room = if max > FEW { max.min(MANY) } else { 0 };
        let raw = match memory::fill(&mut many, MaybeUninit::uninit(), room) {
            Ok(many) if max > FEW => many,
            _ => &mut few[..max.min(FEW)],
        };
        let (mut counted, mut late) = (false, None);
        loop {
            let before = self.before(max, &mut counted, &mut put)?;
            // Do not sleep if events are known already.
            let time = if before.idle { deadline.remaining() } else { Some(Duration::ZERO) };
            let room = raw.len().min(before.room);
            // The known events may have filled the caller's array.
            let seen = match room {
                0 => Ok(&[][..]),
                _ => self.kernel.wait(&mut raw[..room], time),
            };
            let over = match &seen {
                Ok([]) => time.is_some() && (before.idle || is_over(&mut deadline)),
                Ok(_) => false,
                Err(e) => e.raw_os_error() != Some(libc::EINTR),
            };
            let known = *seen.as_ref().unwrap_or(&&[][..]);
            let (n, woken) = self.after(max, before, known, (&mut counted, over), &mut put)?;
            match seen {
                _ if n > 0 || woken => return Ok(n),
                Err(e) if over => return Err(e.into()),
                _ if over => return Ok(0),
                Err(_) => wait::interrupted().inspect_err(|_| self.gives_up(&mut counted))?,
                Ok(_) if !is_over(&mut deadline) => {}
                // What the kernel reports may mean nothing for as long as another thread has a TLS
                // session, in its verify callback. A full round may hide others that are ready.
                Ok(known) if known.len() == room && is_early(&mut late) => {}
                Ok(_) => {
                    self.gives_up(&mut counted);
                    return Ok(0);
                }
            }
        }
    }

    /// Ends a wait without a further check.
    #[cold]
    fn gives_up(&self, counted: &mut bool) {
        if let Ok(mut register) = self.register.lock() {
            register.ends_wait(counted);
            mirror::ring(&self.kernel, &mut register);
        }
    }

    /// Reports known events before the kernel is asked; a wait that comes back idle counts as
    /// asleep.
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
        let before = register.before(self.kernel.taken(), max, put);
        register.waiting += u32::from(before.idle);
        register.waits += u32::from(before.idle && !*counted);
        *counted |= before.idle;
        mirror::ring(&self.kernel, &mut register);
        Ok(before)
    }

    /// Reports the kernel's events, and then the entries to check. Returns the number of events,
    /// and whether a wake ends the wait. It ends in any case when it is `over`.
    pub(super) fn after(
        &self,
        max: usize,
        before: Before,
        mut seen: &[libc::epoll_event],
        (counted, over): (&mut bool, bool),
        put: &mut impl FnMut(usize, Event),
    ) -> Result<(usize, bool)> {
        let mut register = self.register.lock()?;
        register.waiting -= u32::from(before.slept && register.waiting > 0);
        let (mut n, mut woken) = (before.put, !before.idle);
        // The common case: the kernel's event is reported as it is.
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

    /// The same for the other events: layered sockets are asked, some at a time, while the register
    /// is unlocked.
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
                *truth = find_out::<W>(question, self.handle);
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

    /// Reports events that need no question, and collects questions until there are enough, or
    /// nothing is left; returns their number.
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
                    // Reserve space for the kernel's remaining events.
                    let end = turn.before.put + turn.before.room - turn.seen.len() - asking;
                    *n = self.fire(register, *n, end, put);
                    continue;
                }
                Some(event) => register.seen(&self.kernel, event.u64, event.events, &turn.before),
                // Answer these questions first, to know whether their entries were reported.
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

    /// Reports due timers after the timerfd has expired, up to `end` events.
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
            put(n, Event { handle: 0, fd: -1, events: USOCKET_POLLER_TIMER, data });
            n += 1;
        }
        mirror::rearm_timer(&self.kernel, register);
        n
    }
}

/// Asks a layered socket for its readiness.
fn find_out<W: Watched>(question: &Question, asker: Handle) -> Truth {
    let Ok(held) = W::hold(question.handle) else { return Truth::NONE };
    let (events, ask) = held.true_events(question.events, question.seen, asker);
    Truth { events: events as u32, ask }
}

/// Whether the first call of this, when the time was over, was a moment ago.
fn is_early(late: &mut Option<Instant>) -> bool {
    const MOMENT: Duration = Duration::from_millis(10);
    late.get_or_insert_with(Instant::now).elapsed() < MOMENT
}

/// Whether the deadline has passed.
fn is_over(deadline: &mut Deadline) -> bool {
    deadline.remaining().is_some_and(|left| left.is_zero())
}
