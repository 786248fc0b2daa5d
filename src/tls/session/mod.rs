//! A session: an engine behind its lock, and the waiting.
//!
//! Every operation is: lock, let the engine do what can be done now, unlock; if that was not
//! enough and the mode allows, wait, and again (`run`). So a thread that waits to receive never keeps
//! another from sending.

mod info;
mod lock;

use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rustls::pki_types::ServerName;

use crate::error::causes::*;
use crate::error::{Error, Result};
use crate::tls::context::Context;
use crate::tls::context::config::{Config, Side};
use crate::tls::context::resume::Ticket;
use crate::tls::engine::owner::Leave;
use crate::tls::engine::{Engine, Step};
use crate::tls::transport::Transport;
use crate::tls::verify::Mode;
use crate::wait::Deadline;
use info::Info;
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
    /// How many threads wait, and how many of them for their turn to receive.
    waiting: AtomicU32,
    queue: AtomicU32,
    /// Changes when the thread that waits to receive comes back and others wait for that.
    turn: AtomicU32,
    /// Whether something was taken and has not left.
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
        let engine = Locked::new(Engine::new(client)?);
        let given = name.is_some();
        Ok(Session {
            config,
            name: parsed,
            given,
            engine,
            waiting: AtomicU32::new(0),
            queue: AtomicU32::new(0),
            turn: AtomicU32::new(0),
            unsent: AtomicBool::new(false),
        })
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
        const KNOWN: i32 = libc::MSG_PEEK
            | libc::MSG_DONTWAIT
            | libc::MSG_WAITALL
            | libc::MSG_NOSIGNAL
            | libc::MSG_CMSG_CLOEXEC;
        if flags & !KNOWN != 0 {
            return Err(Error::os(libc::EOPNOTSUPP));
        }
        if to.is_empty() {
            return Ok(0);
        }
        let peek = flags & libc::MSG_PEEK != 0;
        // Who must not wait finds out for itself, every time; who waits, at first when it is likely.
        let mut sure = !may_wait(s, flags);
        self.run(s, flags, deadline, |engine, io, ask| {
            let ask = ask && (sure || !engine.dry());
            sure = true;
            engine.recv(&self.config, io, to, peek, ask)
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
        const KNOWN: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | libc::MSG_MORE;
        if flags & !KNOWN != 0 {
            return Err(Error::os(libc::EOPNOTSUPP));
        }
        let blocks = blocks(deadline, flags);
        let mut done = 0;
        loop {
            let sent = self.run(s, flags, deadline, |engine, io, _| {
                engine.send(&self.config, io, &from[done..], !blocks)
            });
            match sent {
                Ok(n) => done += n,
                Err(e) if done == 0 => return Err(e),
                // The bytes are taken: an error is for the next call to report.
                Err(_) => return Ok(done),
            }
            let gone = !may_wait(s, flags) || self.flush(s, deadline).is_ok();
            if !blocks || !gone || done == from.len() {
                return Ok(done);
            }
        }
    }

    /// Waits until what was sent has left.
    #[inline]
    pub fn flush(&self, s: &dyn Transport, deadline: &mut Deadline) -> Result<()> {
        if self.unsent.load(Ordering::Relaxed) { self.flush_now(s, deadline) } else { Ok(()) }
    }

    #[cold]
    fn flush_now(&self, s: &dyn Transport, deadline: &mut Deadline) -> Result<()> {
        self.run(s, 0, deadline, |engine, io, _| engine.flushing(&self.config, io))
    }

    /// Sends close_notify: nothing follows it.
    pub fn close_notify(&self, s: &dyn Transport) -> Result<()> {
        let mut deadline = s.deadline();
        if !self.engine.enter(&mut deadline, may_wait(s, 0))?.complete() {
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
        let Some(mut engine) = self.engine.look() else { return };
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
        let alone = self.waiting.load(Ordering::Relaxed) == 0;
        let (ended, refused) = (engine.ended() || engine.bare(), engine.refused());
        // What another thread waits for is its to take, up to the end.
        if alone && !ended && !(refused && s.timeout_us() != 0) {
            s.discard_input();
        }
        drop(engine);
        if alone && !ended && refused && s.timeout_us() != 0 {
            s.linger();
        }
        if matches!(said, Ok(Step::Wait(_))) && s.timeout_us() != 0 && alone {
            let time = if s.timeout_us() < 0 { PATIENCE_US } else { s.timeout_us() };
            let _ = self.flush_now(s, &mut Deadline::after_us(time));
        }
    }

    /// What to ask the kernel for, to learn about `events`. In the handshake that is what the
    /// handshake needs: whatever the caller wants to do, it comes first.
    pub fn kernel_events(&self, events: i16) -> i16 {
        let Some(engine) = self.engine.look() else { return events };
        match events & BOTH {
            0 => events,
            _ if !engine.complete() && engine.fatal().is_none() => {
                events & !BOTH | engine.wants() & BOTH
            }
            _ if engine.flushed() => events,
            _ => events | libc::POLLOUT,
        }
    }

    /// What is true of `events` when the kernel says `seen`: records are read until one gives
    /// something to the caller, or there are no more; what waits to go is sent.
    pub fn true_events(&self, s: &dyn Transport, events: i16, seen: i16) -> i16 {
        if seen & libc::POLLNVAL != 0 {
            return seen;
        }
        let rest = seen & !BOTH;
        let Some(mut engine) = self.engine.look() else { return rest };
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

    /// The sentence of what ended it; empty when nothing did.
    pub fn detail(&self) -> String {
        let engine = self.engine.look();
        let words = engine.as_ref().and_then(|e| e.fatal()).map(|cause| cause.words.clone());
        words.unwrap_or_default()
    }

    /// Asks about what was agreed.
    pub fn info<T>(&self, ask: impl FnOnce(Info<'_>) -> T) -> T {
        let engine = self.engine.look();
        ask(Info(engine.as_ref().filter(|e| e.complete()).and_then(|e| e.common())))
    }

    /// A client's own, or what a server was asked for.
    pub fn server_name(&self) -> String {
        match &self.name {
            Some(name) if self.given => name.to_str().into_owned(),
            Some(_) => String::new(),
            None => self.engine.look().map_or_else(String::new, |engine| {
                engine.server_name.as_deref().unwrap_or_default().into()
            }),
        }
    }

    /// Whether the peer's certificate was verified; the code it was refused with.
    pub fn verified(&self) -> Result<i32> {
        let Some(engine) = self.engine.look() else { return Ok(0) };
        match engine.fatal() {
            Some(c) if category(c.code) == Some(Category::Certificate) => Err(Error::tls(c.code)),
            _ => {
                let peer = engine.complete()
                    && engine.common().is_some_and(|c| c.peer_certificates().is_some());
                Ok(i32::from(peer && self.config.mode != Mode::None))
            }
        }
    }

    /// The alert that ended it.
    pub fn alert(&self) -> Result<i32> {
        let alert = self.engine.look().and_then(|engine| engine.alert());
        alert.map(i32::from).ok_or(Error::os(libc::ENODATA))
    }

    /// A certificate of the peer.
    pub fn peer_cert(&self, index: i32) -> Result<Vec<u8>> {
        let find = |i: Info<'_>| {
            let index = usize::try_from(index).ok()?;
            i.0?.peer_certificates()?.get(index).map(|c| c.to_vec())
        };
        self.info(find).ok_or(Error::os(libc::ENODATA))
    }

    /// A certificate of the verified chain. It is not kept with each connection: who asks has it
    /// built anew, from what the peer sent.
    pub fn verified_cert(&self, index: i32) -> Result<Vec<u8>> {
        let none = || Error::os(libc::ENODATA);
        let sent = |i: Info<'_>| i.0?.peer_certificates().map(<[_]>::to_vec);
        let sent = self.info(sent).filter(|_| self.config.mode != Mode::None).ok_or_else(none)?;
        let chain = self.config.verified_chain(&sent, self.name.as_ref()).ok_or_else(none)?;
        let cert = usize::try_from(index).ok().and_then(|index| chain.get(index));
        cert.map(|c| c.to_vec()).ok_or_else(none)
    }

    /// Bytes that only the two ends know.
    pub fn export(&self, label: &[u8], context: &[u8], to: &mut [MaybeUninit<u8>]) -> Result<()> {
        let engine = self.engine.look().ok_or(Error::os(libc::ENOTCONN))?;
        let common =
            engine.common().filter(|_| engine.complete()).ok_or(Error::os(libc::ENOTCONN))?;
        let mut bytes = vec![0; to.len().min(info::EXPORT_MOST + 1)];
        info::export(common, engine.exporter.as_ref().map(|e| &***e), label, context, &mut bytes)?;
        crate::sys::copy_into(&bytes, to);
        Ok(())
    }

    /// The channel binding "tls-exporter".
    pub fn channel_binding(&self) -> Result<[u8; 32]> {
        let engine = self.engine.look().ok_or(Error::os(libc::ENOTCONN))?;
        let common =
            engine.common().filter(|_| engine.complete()).ok_or(Error::os(libc::ENOTCONN))?;
        let mut bytes = [0; 32];
        let label = b"EXPORTER-Channel-Binding";
        info::export(common, engine.exporter.as_ref().map(|e| &***e), label, &[], &mut bytes)?;
        Ok(bytes)
    }

    /// Takes the session out of the context's store.
    pub fn take_ticket(&self) -> Result<Ticket> {
        match (&self.config.side, &self.name) {
            (Side::Client(_, Some(store)), Some(name)) => {
                store.take(name).ok_or(Error::os(libc::ENODATA))
            }
            (Side::Client(..), _) => Err(Error::os(libc::ENODATA)),
            (Side::Server(_), _) => Err(Error::os(libc::EOPNOTSUPP)),
        }
    }

    /// Resumes a session taken from another connection.
    pub fn resume(&self, ticket: &Ticket) -> Result<()> {
        let Side::Client(_, store) = &self.config.side else {
            return Err(Error::os(libc::EOPNOTSUPP));
        };
        let mut engine = self.engine.look().ok_or(Error::os(libc::EISCONN))?;
        if engine.begun() {
            return Err(Error::os(libc::EISCONN));
        }
        let ours = store.as_ref().zip(self.name.as_ref());
        if !ours.is_some_and(|(store, name)| ticket.is_for(store, name)) {
            return Err(Error::os(libc::EINVAL));
        }
        engine.ticket = Some(ticket.redeem().ok_or(Error::os(libc::ENODATA))?);
        Ok(())
    }

    /// How many bytes its buffers hold, for the tests of an idle connection's memory.
    #[cfg(test)]
    pub fn buffered(&self) -> usize {
        self.engine.look().map_or(0, |engine| engine.buffered())
    }
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
