//! A session: an engine behind its lock, and the waiting.
//!
//! Every operation is: lock, let the engine do what can be done now, unlock; if that was not
//! enough and the mode allows, wait, and again (`run`). So a thread that waits to receive never keeps
//! another from sending.

mod facts;
mod info;
mod lock;

use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rustls::pki_types::ServerName;

use crate::error::causes::*;
use crate::error::{Error, Result};
use crate::sys::message::Piece;
use crate::tls::context::Context;
use crate::tls::context::config::{Config, Side};
use crate::tls::engine::buffer::Buffer;
use crate::tls::engine::owner::Leave;
use crate::tls::engine::{Engine, Outside, Step, closed_here};
use crate::tls::transport::Transport;
use crate::wait::Deadline;
use lock::Locked;

mod run;

use run::{blocks, may_wait};

const BOTH: i16 = libc::POLLIN | libc::POLLOUT;

/// See the module documentation.
pub struct Session {
    config: Arc<Config>,
    /// A client's: what it asks for and checks.
    name: Option<ServerName<'static>>,
    /// The name as it was given.
    given: bool,
    engine: Locked,
    /// The engine's.
    outside: Arc<Outside>,
    /// How many threads wait for something else than input, and how many of them for their turn to
    /// receive.
    waiting: AtomicU32,
    queue: AtomicU32,
    /// Changes when the thread that waits to receive comes back and others wait for that.
    turn: AtomicU32,
    /// Whether something was taken and has not left, or never will.
    unsent: AtomicBool,
}

impl Session {
    /// A session that has not begun, for what is to carry it.
    ///
    /// # Errors
    /// `USOCKET_ETLS_NAME_REQUIRED`, `USOCKET_ETLS_BAD_NAME`, and those of the context's first use.
    pub fn new(
        context: &Context,
        transport: &dyn Transport,
        name: Option<&str>,
    ) -> Result<Session> {
        let config = context.config()?;
        let client = matches!(config.side, Side::Client(..));
        let name = name.filter(|n| client && !n.is_empty());
        let parsed = match name {
            Some(name) => Some(parse_name(context, name)?),
            None if client && config.check_name => {
                let words = "the host name is to be checked, and no server name was given";
                return Err(context.refuse(USOCKET_ETLS_NAME_REQUIRED, words));
            }
            // rustls wants a name in any case; an address is not sent to the server.
            None if client => {
                let peer = transport.peer().unwrap_or(IpAddr::from([0, 0, 0, 0]));
                Some(ServerName::from(peer))
            }
            None => None,
        };
        let engine = Engine::new(client)?;
        let outside = engine.outside();
        let engine = Locked::new(engine);
        let given = name.is_some();
        Ok(Session {
            config,
            name: parsed,
            given,
            engine,
            outside,
            waiting: AtomicU32::new(0),
            queue: AtomicU32::new(0),
            turn: AtomicU32::new(0),
            unsent: AtomicBool::new(false),
        })
    }

    /// The same, that takes no more than one record at a time out of the kernel, and nothing that is behind
    /// the peer's goodbye.
    pub fn one_by_one(self) -> Session {
        if let Some(mut engine) = self.engine.look() {
            engine.one_by_one();
        }
        self
    }

    /// Puts in what was received before the connection was wrapped.
    ///
    /// # Errors
    /// EISCONN once the handshake has begun, EMSGSIZE, ENOMEM.
    pub fn put_in(&self, s: &dyn Transport, bytes: &[u8]) -> Result<()> {
        let mut deadline = s.deadline();
        let may_wait = may_wait(&deadline, 0);
        let mut engine = self.engine.enter(&mut deadline, may_wait)?;
        engine.own()?;
        let put = engine.put_in(bytes);
        self.leave(s, engine);
        put
    }

    /// Does the handshake.
    pub fn handshake(&self, s: &dyn Transport) -> Result<()> {
        self.run(s, 0, &mut s.deadline(), |engine, io, _| engine.flushing(&self.config, io))
    }

    /// Receives.
    pub fn recv(
        &self,
        s: &dyn Transport,
        to: &mut [MaybeUninit<u8>],
        flags: i32,
        deadline: &mut Deadline,
    ) -> Result<usize> {
        const KNOWN: i32 =
            libc::MSG_PEEK | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | libc::MSG_CMSG_CLOEXEC;
        if flags & !KNOWN != 0 {
            return Err(Error::os(libc::EOPNOTSUPP));
        }
        if to.is_empty() {
            return Ok(0);
        }
        let peek = flags & libc::MSG_PEEK != 0;
        // Who must not wait finds out for itself, every time; who waits, at first when it is likely.
        let (blocks, may_wait) = (blocks(deadline, flags), may_wait(deadline, flags));
        let mut sure = !may_wait;
        let engine = match blocks && self.outside.receiver.take_open() {
            true => self.receive_first(s, deadline)?,
            false => self.engine.enter(deadline, may_wait)?,
        };
        self.run_on(s, (blocks, may_wait), deadline, engine, |engine, io, ask| {
            let ask = ask && (sure || !engine.dry());
            sure = true;
            let step = engine.recv(&self.config, io, to, peek, ask);
            if blocks && matches!(step, Ok(Step::Done(_))) {
                engine.await_input();
            }
            step
        })
    }

    /// Sends. Blocking, it takes all; else no more than the kernel is sure to take, so that what was
    /// counted outlives a close. (Where that cannot be known, what is left over goes first next time.)
    pub fn send(
        &self,
        s: &dyn Transport,
        from: &[u8],
        flags: i32,
        deadline: &mut Deadline,
    ) -> Result<usize> {
        self.send_both(s, [&[], from], flags, deadline)
    }

    /// The same of bytes in pieces: the first of them are one record, as far as they fit in one, and the
    /// rest of the last of these is sent from where it lies.
    pub fn send_pieces(
        &self,
        s: &dyn Transport,
        pieces: &[Piece],
        flags: i32,
        deadline: &mut Deadline,
    ) -> Result<usize> {
        let mut record = Buffer::default();
        let rest = record.gather(pieces.iter().map(Piece::bytes))?;
        self.send_both(s, [record.filled(), rest], flags, deadline)
    }

    fn send_both(
        &self,
        s: &dyn Transport,
        mut from: [&[u8]; 2],
        flags: i32,
        deadline: &mut Deadline,
    ) -> Result<usize> {
        const KNOWN: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | libc::MSG_MORE;
        if flags & !KNOWN != 0 {
            return Err(Error::os(libc::EOPNOTSUPP));
        }
        deadline.stopped()?;
        let blocks = blocks(deadline, flags);
        let (all, mut done) = (from[0].len() + from[1].len(), 0);
        loop {
            let sent = self.run(s, flags, deadline, |engine, io, _| {
                engine.send(&self.config, io, from, !blocks)
            });
            match sent {
                Ok(n) => done += n,
                Err(e) if done == 0 => return Err(e),
                // The bytes are taken: an error is for the next step to report, or the next call.
                Err(e) => {
                    deadline.stop(e);
                    return Ok(done);
                }
            }
            if may_wait(deadline, flags) {
                if let Err(e) = self.flush(s, deadline) {
                    self.push(s);
                    deadline.stop(e);
                    return Ok(done);
                }
            }
            if done == all || !blocks {
                return Ok(done);
            }
            from = past(from, sent.unwrap_or(0));
        }
    }

    /// Has the kernel take what was counted and cannot be waited for any more, as it has taken what a
    /// plain socket has sent: it is made to have room for it.
    #[cold]
    fn push(&self, s: &dyn Transport) {
        let Some(mut engine) = self.engine.look() else { return };
        if engine.complete() && engine.unsent() > 0 {
            s.widen(engine.unsent());
            // What fails is said by the next call.
            let _ = engine.flush(&self.config, s);
        }
        self.leave(s, engine);
    }

    /// Waits until what was sent has left.
    #[inline]
    pub fn flush(&self, s: &dyn Transport, deadline: &mut Deadline) -> Result<()> {
        deadline.stopped()?;
        if self.unsent.load(Ordering::Relaxed) { self.flush_now(s, deadline) } else { Ok(()) }
    }

    #[cold]
    fn flush_now(&self, s: &dyn Transport, deadline: &mut Deadline) -> Result<()> {
        self.run(s, 0, deadline, |engine, io, _| engine.seeing_off(&self.config, io))
    }

    /// Sends close_notify: nothing follows it.
    pub fn close_notify(&self, s: &dyn Transport) -> Result<()> {
        let mut deadline = s.deadline();
        let may_wait = may_wait(&deadline, 0);
        if !self.engine.enter(&mut deadline, may_wait)?.complete() {
            return Ok(());
        }
        self.run(s, 0, &mut deadline, |e, io, _| e.bye(&self.config, io))
    }

    /// The handle is being closed: says goodbye, for which the kernel is made to have room. Only where
    /// it cannot be, and the mode allows, is there a wait, unless others are inside: those the close
    /// is to end.
    ///
    /// Not in a process that has not used it since a fork, unless it is the last to close it: another
    /// may be about to. So the server that accepts, forks and closes leaves the connection to its
    /// child, which says goodbye.
    pub fn farewell(&self, s: &dyn Transport) {
        /// In blocking mode.
        const PATIENCE_US: i64 = 1_000_000;
        // Within a callback there is nothing to say goodbye to yet.
        let Some(mut engine) = self.engine.look() else {
            return self.outside.closed.store(closed_here(), Ordering::Relaxed);
        };
        match engine.leave() {
            Leave::Owner => {}
            // What is unread would be a reason to reset the connection, and what was sent with it.
            Leave::Last => return s.discard_input(),
            Leave::Other => return,
        }
        let mut said = engine.bye(&self.config, s);
        if let Ok(Step::Wait(_)) = said {
            s.widen(engine.unsent());
            said = engine.flushing(&self.config, s);
        }
        let unread = self.outside.receiver.shut();
        let alone = unread && self.waiting.load(Ordering::Relaxed) == 0;
        let (ended, refused) = (engine.ended() || engine.bare(), engine.refused());
        // What another thread waits to receive is its to take, up to the end.
        if unread && !ended && !(refused && s.timeout_us() != 0) {
            s.discard_input();
        }
        drop(engine);
        if alone && !ended && refused && s.timeout_us() != 0 {
            s.linger();
        }
        if matches!(said, Ok(Step::Wait(_))) && s.timeout_us() != 0 && alone {
            let time = match s.timeout_us() {
                // None, or only that of a cancel.
                ..0 | i64::MAX => PATIENCE_US,
                us => us,
            };
            // It is for the goodbye: what a send has counted, the kernel had room for.
            let _ = self.flush_now(s, &mut Deadline::after_us(time));
        }
    }

    /// What to ask the kernel for, to learn about `events`. In the handshake that is what the
    /// handshake needs: whatever the caller wants to do, it comes first.
    pub fn kernel_events(&self, events: i16) -> i16 {
        self.engine.look().map_or(events, |engine| question(&engine, events))
    }

    /// What is true of `events` when the kernel says `seen`: records are read until one gives
    /// something to the caller, or there are no more; what waits to go is sent. And what to ask the
    /// kernel for from then on.
    pub fn true_events(&self, s: &dyn Transport, events: i16, seen: i16) -> (i16, i16) {
        match self.engine.look() {
            _ if seen & libc::POLLNVAL != 0 => (seen, events),
            Some(mut engine) => {
                (self.truth(&mut engine, s, events, seen), question(&engine, events))
            }
            None => (seen & !BOTH, events),
        }
    }

    fn truth(&self, engine: &mut Engine, s: &dyn Transport, events: i16, seen: i16) -> i16 {
        let rest = seen & !BOTH;
        if engine.complete() {
            let flushed = engine.flushed() || engine.flush(&self.config, s).unwrap_or(true);
            let out = if flushed { events & seen & libc::POLLOUT } else { 0 };
            let receive = seen & !libc::POLLOUT != 0;
            let readable = events & libc::POLLIN != 0 && engine.readable(&self.config, s, receive);
            let input = if readable { libc::POLLIN } else { 0 };
            if engine.fatal().is_none() || engine.pending() > 0 {
                return rest | out | input;
            }
        } else if engine.fatal().is_none() {
            // That the handshake can go on is what the caller is to be told.
            let moved = seen & (engine.wants() | libc::POLLERR | libc::POLLHUP) != 0;
            return rest | if moved { events & BOTH } else { 0 };
        }
        // Whatever is tried says why.
        rest | events & BOTH | libc::POLLERR
    }

    /// How many received bytes can be had without the kernel.
    pub fn pending(&self, s: &dyn Transport) -> usize {
        let Some(mut engine) = self.engine.look() else { return 0 };
        let n = engine.at_hand(&self.config, s);
        self.leave(s, engine);
        n
    }

    /// What it waits for; see `usocket_tls_wants`.
    pub fn wants(&self, s: &dyn Transport) -> i16 {
        let Some(mut engine) = self.engine.look() else { return libc::POLLIN };
        engine.at_hand(&self.config, s);
        engine.look_for_room(s);
        let wants = engine.wants();
        self.leave(s, engine);
        wants
    }

    /// Ends TLS on both sides; the connection goes on, plain.
    pub fn unwrap(&self, s: &dyn Transport) -> Result<()> {
        self.run(s, 0, &mut s.deadline(), |e, io, _| e.unwrap(&self.config, io))
    }

    /// Takes bytes back that a call has received, because the stream was cut off behind them and that
    /// is to be said first; false when it was said.
    pub fn put_back(&self, bytes: &[MaybeUninit<u8>]) -> bool {
        self.engine.look().is_some_and(|mut engine| engine.put_back(bytes))
    }
}

/// What to ask the kernel for, to learn about `events`.
fn question(engine: &Engine, events: i16) -> i16 {
    match events & BOTH {
        0 => events,
        _ if !engine.complete() && engine.fatal().is_none() => {
            events & !BOTH | engine.wants() & BOTH
        }
        _ if engine.flushed() => events,
        _ => events | libc::POLLOUT,
    }
}

/// What is left of two pieces behind their first `n` bytes.
fn past([a, b]: [&[u8]; 2], n: usize) -> [&[u8]; 2] {
    [&a[n.min(a.len())..], &b[n.saturating_sub(a.len())..]]
}

fn parse_name(context: &Context, name: &str) -> Result<ServerName<'static>> {
    let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    match ServerName::try_from(bare) {
        Ok(name) => Ok(name.to_owned()),
        Err(_) => {
            let words = format!("{name:?} is neither a host name nor an IP address");
            Err(context.refuse(USOCKET_ETLS_BAD_NAME, &words))
        }
    }
}
