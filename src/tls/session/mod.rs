//! A session: an engine behind its lock, and the waiting.
//!
//! Every operation is: lock, let the engine make progress without blocking, unlock; if that was not
//! enough and the mode allows, wait and repeat (`run`). So a thread that waits to receive never
//! keeps another from sending.

pub mod crowd;
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
use crate::tls::engine::{Changed, Engine, Outside, Step, closed_here};
use crate::tls::transport::Transport;
use crate::wait::Deadline;
use lock::Locked;

mod run;

use run::{blocks, may_wait};

const BOTH: i16 = libc::POLLIN | libc::POLLOUT;

/// See the module documentation.
pub struct Session {
    config: Arc<Config>,
    /// A client's server name, for SNI and for checking the certificate.
    name: Option<ServerName<'static>>,
    /// The name as it was given.
    given: bool,
    engine: Locked,
    /// The engine's part without the lock.
    outside: Arc<Outside>,
    /// The number of threads that wait for events other than input, and the number of those that
    /// wait for their turn to receive.
    waiting: AtomicU32,
    queue: AtomicU32,
    /// A futex; changes when the receiving thread comes back while others wait for that.
    turn: AtomicU32,
    /// Whether counted data is pending or lost.
    unsent: AtomicBool,
    /// Whether only the kernel's events can change the result of a poll.
    idle: AtomicBool,
    _counted: crowd::One,
}

impl Session {
    /// Makes a session; the handshake has not begun.
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
                let words = "checking the host name requires a server name";
                return Err(context.refuse(USOCKET_ETLS_NAME_REQUIRED, words));
            }
            // rustls needs a name in any case; an IP address is not sent to the server.
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
            idle: AtomicBool::new(false),
            _counted: crowd::One::new(),
        })
    }

    /// The same, reading at most one record at a time from the kernel, and nothing after the peer's
    /// close_notify.
    pub fn one_by_one(self) -> Session {
        if let Some(mut engine) = self.engine.look() {
            engine.one_by_one();
        }
        self
    }

    /// Feeds in bytes received before the connection was wrapped.
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
        // Non-blocking calls always ask the kernel; blocking ones ask first only if data is likely.
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

    /// Sends. In blocking mode it takes all bytes; otherwise only as many as the kernel certainly
    /// takes, so that counted bytes survive a close. (If that is unknown, leftover bytes go first
    /// next time.)
    pub fn send(
        &self,
        s: &dyn Transport,
        from: &[u8],
        flags: i32,
        deadline: &mut Deadline,
    ) -> Result<usize> {
        self.send_both(s, [&[], from], flags, deadline)
    }

    /// The same for bytes in pieces: the first pieces share one record as far as they fit, and the
    /// rest of the last of these is sent from the caller's memory.
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
                // The bytes are taken: the next step or the next call reports the error.
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

    /// Makes the kernel take counted bytes when there is no more time to wait, as it has taken
    /// those of a plain socket: it widens the send buffer.
    #[cold]
    fn push(&self, s: &dyn Transport) {
        let Some(mut engine) = self.engine.look() else { return };
        if engine.complete() && engine.unsent() > 0 {
            s.widen(engine.unsent());
            // The next call reports a failure.
            let _ = engine.flush(&self.config, s);
        }
        self.leave(s, engine);
    }

    /// Waits until all output is in the kernel.
    #[inline]
    pub fn flush(&self, s: &dyn Transport, deadline: &mut Deadline) -> Result<()> {
        deadline.stopped()?;
        if self.unsent.load(Ordering::Relaxed) { self.flush_now(s, deadline) } else { Ok(()) }
    }

    #[cold]
    fn flush_now(&self, s: &dyn Transport, deadline: &mut Deadline) -> Result<()> {
        self.run(s, 0, deadline, |engine, io, _| engine.seeing_off(&self.config, io))
    }

    /// Sends close_notify, the end of the output.
    pub fn close_notify(&self, s: &dyn Transport) -> Result<()> {
        let mut deadline = s.deadline();
        let may_wait = may_wait(&deadline, 0);
        if !self.engine.enter(&mut deadline, may_wait)?.complete() {
            return Ok(());
        }
        self.run(s, 0, &mut deadline, |e, io, _| e.bye(&self.config, io))
    }

    /// Sends close_notify when the handle is closed, and widens the send buffer for it. If that
    /// fails and the mode allows, it waits, unless other threads have pins, since the close has to
    /// end their calls.
    ///
    /// A process that has not used the session since a fork sends nothing, unless it is the last to
    /// close it: another may still use it. So a server that accepts, forks and closes leaves the
    /// connection to its child, which sends close_notify.
    pub fn farewell(&self, s: &dyn Transport) {
        /// In blocking mode.
        const PATIENCE_US: i64 = 1_000_000;
        // Within a callback the handshake is not complete, so there is no close_notify.
        let Some(mut engine) = self.engine.look() else {
            return self.outside.closed.store(closed_here(), Ordering::Relaxed);
        };
        match engine.leave() {
            Leave::Owner => {}
            // Unread input would cause a reset, and lose output with it.
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
        // After a reset there is no input, and no peer to be spared a reset.
        let reset = engine.fatal().is_some_and(|cause| cause.code == -libc::ECONNRESET);
        let ended = engine.ended() || engine.bare() || reset;
        let refused = engine.refused();
        // Leave the input to another thread that waits to receive it.
        if unread && !ended && !(refused && s.timeout_us() != 0) {
            s.discard_input();
        }
        drop(engine);
        if alone && !ended && refused && s.timeout_us() != 0 {
            s.linger();
        }
        if matches!(said, Ok(Step::Wait(_))) && s.timeout_us() != 0 && alone {
            let time = match s.timeout_us() {
                // No timeout, or only a cancel.
                ..0 | i64::MAX => PATIENCE_US,
                us => us,
            };
            // This is only for close_notify: the kernel had space for counted bytes.
            let _ = self.flush_now(s, &mut Deadline::after_us(time));
        }
    }

    /// The kernel events to request for `events`. During the handshake they are the handshake's, as
    /// it comes first.
    pub fn kernel_events(&self, events: i16) -> i16 {
        self.engine.look().map_or(events, |engine| question(&engine, events))
    }

    /// Translates the kernel's events `seen` into those of `events` that hold: reads records until
    /// one gives something to the caller, or there are no more, and sends pending output. Also
    /// returns the kernel events to request next, and whether other pollers may see a change.
    pub fn true_events(&self, s: &dyn Transport, events: i16, seen: i16) -> ((i16, i16), bool) {
        // A poller that looks again at what it has reported: mostly the caller has received all.
        if seen == 0 && self.idle.load(Ordering::Acquire) {
            return ((0, events), false);
        }
        match self.engine.look() {
            _ if seen & libc::POLLNVAL != 0 => ((seen, events), false),
            Some(mut engine) => {
                let truth = self.truth(&mut engine, s, events, seen);
                let changed = engine.outlook_changed();
                if changed != Changed::No {
                    self.publish(&engine);
                }
                ((truth, question(&engine, events)), changed == Changed::Yes)
            }
            None => ((seen & !BOTH, events), false),
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
            // Report to the caller that the handshake can continue.
            let moved = seen & (engine.wants() | libc::POLLERR | libc::POLLHUP) != 0;
            return rest | if moved { events & BOTH } else { 0 };
        }
        // Any call then returns the error.
        rest | events & BOTH | libc::POLLERR
    }

    /// The number of received bytes available without the kernel.
    pub fn pending(&self, s: &dyn Transport) -> usize {
        let Some(mut engine) = self.engine.look() else { return 0 };
        let n = engine.at_hand(&self.config, s);
        self.leave(s, engine);
        n
    }

    /// The events it waits for; see `usocket_tls_wants`.
    pub fn wants(&self, s: &dyn Transport) -> i16 {
        let Some(mut engine) = self.engine.look() else { return libc::POLLIN };
        engine.at_hand(&self.config, s);
        engine.look_for_room(s);
        let wants = engine.wants();
        self.leave(s, engine);
        wants
    }

    /// Ends TLS on both sides; the connection continues in clear text.
    pub fn unwrap(&self, s: &dyn Transport) -> Result<()> {
        self.run(s, 0, &mut s.deadline(), |e, io, _| e.unwrap(&self.config, io))
    }

    /// Takes back received bytes, because the stream was truncated after them and that must be
    /// reported first; false when it has been reported.
    pub fn put_back(&self, bytes: &[MaybeUninit<u8>]) -> bool {
        self.engine.look().is_some_and(|mut engine| engine.put_back(bytes))
    }
}

/// The kernel events to request for `events`.
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

/// The rest of two pieces after their first `n` bytes.
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
