//! The loop behind every operation: let the engine try, wait, repeat.
//!
//! One thread at a time waits for input: the [`Receiver`](crate::tls::engine::receiver::Receiver).
//! In blocking mode it waits in recv(2), with a buffer of its own, so that a message costs one
//! system call and, if the last one was read completely, one locking; with a timeout it waits in
//! ppoll(2). Other readers wait for its return, and non-blocking readers get EAGAIN. So input is
//! processed in order, and data left over by one thread is seen by the others. (Meanwhile no other
//! thread gets input, so none can be in a callback, and the receiver never waits for the lock when
//! it comes back.)

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Session;
use crate::error::{Error, Result};
use crate::sys::fork::Guard;
use crate::sys::futex;
use crate::tls::engine::buffer::Buffer;
use crate::tls::engine::{Changed, Engine, Step};
use crate::tls::transport::Transport;
use crate::wait::{self, Deadline};

impl Session {
    /// Lets the engine try until it is done, and waits in between as the mode allows. The argument
    /// of a try says whether to ask the kernel for input, or to leave that to the wait.
    pub(super) fn run<T>(
        &self,
        s: &dyn Transport,
        flags: i32,
        deadline: &mut Deadline,
        op: impl FnMut(&mut Engine, &dyn Transport, bool) -> Result<Step<T>>,
    ) -> Result<T> {
        let (blocks, may_wait) = (blocks(deadline, flags), may_wait(deadline, flags));
        let engine = self.engine.enter(deadline, may_wait)?;
        self.run_on(s, (blocks, may_wait), deadline, engine, op)
    }

    /// The same with the engine's lock.
    #[inline]
    pub(super) fn run_on<'a, T>(
        &'a self,
        s: &dyn Transport,
        (blocks, may_wait): (bool, bool),
        deadline: &mut Deadline,
        mut engine: Guard<'a, Engine>,
        mut op: impl FnMut(&mut Engine, &dyn Transport, bool) -> Result<Step<T>>,
    ) -> Result<T> {
        let mut ask = !blocks;
        loop {
            let ready = engine.own().and_then(|()| self.ready(&mut engine, s, ask));
            let step = match ready {
                Ok(Step::Done(())) => op(&mut engine, s, ask),
                Ok(Step::Wait(events)) => Ok(Step::Wait(events)),
                Ok(Step::Look) => Ok(Step::Look),
                Err(e) => Err(e),
            };
            let step = match step {
                Ok(Step::Wait(events)) if may_wait => {
                    engine = self.wait(s, engine, events, deadline)?;
                    ask = !blocks || events != libc::POLLIN;
                    continue;
                }
                // A non-blocking call processes only as much as a peer may send without data.
                Ok(Step::Look) if may_wait && deadline.remaining() == Some(Duration::ZERO) => {
                    Err(Error::os(libc::ETIMEDOUT))
                }
                Ok(Step::Look) => continue,
                Ok(Step::Wait(_)) => Err(Error::os(libc::EAGAIN)),
                Ok(Step::Done(value)) => Ok(value),
                Err(e) => Err(e),
            };
            self.leave(s, engine);
            return step;
        }
    }

    /// Continues the handshake if needed, and returns whether it is complete.
    #[inline]
    fn ready(&self, engine: &mut Engine, io: &dyn Transport, ask: bool) -> Result<Step<()>> {
        if engine.complete() { Ok(Step::Done(())) } else { self.advance(engine, io, ask) }
    }

    /// Begins or continues the handshake.
    #[cold]
    fn advance(&self, engine: &mut Engine, io: &dyn Transport, ask: bool) -> Result<Step<()>> {
        let _shaking = self.engine.shake();
        if !engine.begun() && engine.fatal().is_none() {
            engine.begin(&self.config, self.name.clone())?;
        }
        engine.handshake(&self.config, io, ask)
    }

    /// Waits until progress may be possible; the engine is unlocked meanwhile.
    #[inline(never)]
    fn wait<'a>(
        &'a self,
        s: &dyn Transport,
        engine: Guard<'a, Engine>,
        events: i16,
        deadline: &mut Deadline,
    ) -> Result<Guard<'a, Engine>> {
        if events & libc::POLLIN == 0 {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            self.leave(s, engine);
            let waited = s.wait(events, deadline);
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            waited.and_then(|()| self.engine.enter(deadline, true))
        } else if !self.outside.receiver.take() {
            self.wait_for_turn(s, engine, deadline).and_then(|()| self.engine.enter(deadline, true))
        } else {
            self.wait_for_input(s, engine, events, deadline)
        }
    }

    /// Waits for the return of the receiving thread.
    fn wait_for_turn(
        &self,
        s: &dyn Transport,
        engine: Guard<'_, Engine>,
        deadline: &mut Deadline,
    ) -> Result<()> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.fetch_add(1, Ordering::Relaxed);
        let turn = self.turn.load(Ordering::Relaxed);
        self.leave(s, engine);
        let waited = wait::change(&self.turn, turn, deadline);
        self.queue.fetch_sub(1, Ordering::Relaxed);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        waited
    }

    /// For a poll after an event of the kernel: waits for the return of the receiving thread, if
    /// there is one.
    pub fn await_receiver(&self, s: &dyn Transport, seen: i16) -> Result<()> {
        /// Another process may have read the input instead.
        const PATIENCE_US: i64 = 100_000;
        let Some(engine) = self.engine.look() else { return Ok(()) };
        if seen & !libc::POLLOUT == 0 || !self.outside.receiver.held() || engine.pending() > 0 {
            return Ok(());
        }
        match self.wait_for_turn(s, engine, &mut Deadline::after_us(PATIENCE_US)) {
            Err(e) if !e.is(libc::ETIMEDOUT) => Err(e),
            _ => Ok(()),
        }
    }

    /// Waits for input as the receiver. A signal ends the wait: the event hook may want to receive
    /// itself, so the slot is released before it runs.
    fn wait_for_input<'a>(
        &'a self,
        s: &dyn Transport,
        mut engine: Guard<'a, Engine>,
        events: i16,
        deadline: &mut Deadline,
    ) -> Result<Guard<'a, Engine>> {
        let (engine, waited) = if blocks(deadline, 0) && events == libc::POLLIN {
            let apart = (engine.apart(), engine.most());
            self.leave(s, engine);
            self.receive(s, apart, deadline)?
        } else {
            self.leave(s, engine);
            let waited = s.wait_or_signal(events, deadline);
            (self.engine.enter_always()?, waited)
        };
        self.come_back(s, engine, waited, deadline)
    }

    /// The same for a thread that has taken the open slot: no received data is left over then.
    #[inline(always)]
    pub(super) fn receive_first<'a>(
        &'a self,
        s: &dyn Transport,
        deadline: &mut Deadline,
    ) -> Result<Guard<'a, Engine>> {
        let apart = Buffer::default().apart().map_err(Error::from);
        let (engine, waited) = self.receive(s, (apart, usize::MAX), deadline)?;
        self.come_back(s, engine, waited, deadline)
    }

    /// Releases the receiver's slot, and handles a signal that has ended the wait.
    #[inline(always)]
    fn come_back<'a>(
        &'a self,
        s: &dyn Transport,
        engine: Guard<'a, Engine>,
        waited: Result<bool>,
        deadline: &mut Deadline,
    ) -> Result<Guard<'a, Engine>> {
        self.outside.receiver.give_back();
        if self.queue.load(Ordering::Relaxed) > 0 {
            self.turn.fetch_add(1, Ordering::Relaxed);
            futex::wake_all(&self.turn);
        }
        match waited {
            Ok(false) => Ok(engine),
            waited => self.interrupted(s, engine, waited, deadline),
        }
    }

    #[cold]
    fn interrupted<'a>(
        &'a self,
        s: &dyn Transport,
        engine: Guard<'a, Engine>,
        waited: Result<bool>,
        deadline: &mut Deadline,
    ) -> Result<Guard<'a, Engine>> {
        self.leave(s, engine);
        waited?;
        // Signals do not postpone the deadline.
        let late = deadline.remaining() == Some(Duration::ZERO);
        wait::interrupted()?;
        if late { Err(Error::os(libc::ETIMEDOUT)) } else { self.engine.enter(deadline, true) }
    }

    /// Waits in recv(2), with a buffer of its own; returns whether there was a signal.
    #[inline(always)]
    fn receive<'a>(
        &'a self,
        s: &dyn Transport,
        (apart, most): (Result<Buffer>, usize),
        deadline: &mut Deadline,
    ) -> Result<(Guard<'a, Engine>, Result<bool>)> {
        let got = apart.map_err(Stopped::Waiting).and_then(|mut apart| {
            let signal = receive(s, &mut apart, most, deadline)?;
            Ok((apart, signal))
        });
        let mut engine = self.engine.enter_always()?;
        let waited = match got {
            Ok((apart, signal)) => {
                if !signal {
                    engine.received(apart);
                }
                Ok(signal)
            }
            Err(Stopped::Waiting(e)) => Err(e),
            Err(Stopped::Receiving(e)) => Err(engine.receive_failed(s, e)),
        };
        Ok((engine, waited))
    }

    /// Unlocks the engine, and notifies pollers if its readiness may have changed, since they see
    /// only the kernel's events.
    #[inline]
    pub(super) fn leave(&self, s: &dyn Transport, engine: Guard<'_, Engine>) {
        if engine.still_idle() { engine.release() } else { self.leave_changed(s, engine) }
    }

    #[inline(never)]
    fn leave_changed(&self, s: &dyn Transport, mut engine: Guard<'_, Engine>) {
        let changed = engine.outlook_changed();
        if changed != Changed::No {
            self.publish(&engine);
            if !engine.idle() {
                // Buffered input comes before new input. (A thread that waits already goes on
                // waiting.)
                self.outside.receiver.shut();
            }
        }
        drop(engine);
        if changed == Changed::Yes {
            s.changed();
        }
    }

    /// Publishes what is asked without the lock, before pollers are told of a change.
    pub(super) fn publish(&self, engine: &Engine) {
        self.unsent.store(engine.unsettled(), Ordering::Relaxed);
        self.idle.store(engine.told_idle(), Ordering::Release);
    }
}

/// The reason for the end of a wait in recv(2).
enum Stopped {
    /// An error of this call only.
    Waiting(Error),
    /// The connection.
    Receiving(Error),
}

/// Whether a signal came, instead of bytes.
#[inline]
fn receive(
    io: &dyn Transport,
    apart: &mut Buffer,
    most: usize,
    deadline: &mut Deadline,
) -> std::result::Result<bool, Stopped> {
    loop {
        let room = apart.room(0);
        let most = most.min(room.len());
        let e = match io.recv(&mut room[..most], 0) {
            Ok(n) => {
                apart.fill(n);
                return Ok(false);
            }
            Err(e) => e,
        };
        let signal = match e.raw_os_error() {
            Some(libc::EINTR) => true,
            // Other code has changed the descriptor's mode.
            Some(libc::EAGAIN) => {
                io.wait_or_signal(libc::POLLIN, deadline).map_err(Stopped::Waiting)?
            }
            _ => return Err(Stopped::Receiving(e.into())),
        };
        if signal {
            return Ok(true);
        }
    }
}

/// Whether the kernel itself may wait.
pub(super) fn blocks(deadline: &Deadline, flags: i32) -> bool {
    matches!(deadline, Deadline::Never) && flags & libc::MSG_DONTWAIT == 0
}

pub(super) fn may_wait(deadline: &Deadline, flags: i32) -> bool {
    !deadline.is_now() && flags & libc::MSG_DONTWAIT == 0
}
