//! The handshake, and the turns of rustls' state machine.

use std::mem::MaybeUninit;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::{CommonState, ProtocolVersion};

use super::drive::{self, Out, Turn};
use super::failure::{self, Setting};
use super::hello;
use super::{Conn, Engine, Step};
use crate::error::causes::*;
use crate::error::{Error, Result};
use crate::tls::Cause;
use crate::tls::context::config::{Config, Side};
use crate::tls::context::resume::Store;
use crate::tls::engine::buffer::Buffer;
use crate::tls::material::keylog;
use crate::tls::transport::Transport;

/// How many bytes a peer may send without any data after the handshake. A server's tickets with a
/// client's certificates take some kilobytes; key updates and empty records take a few bytes, and
/// far more time than data.
const MOST_BARREN: usize = 128 * 1024;

impl Engine {
    /// Makes the connection; the ClientHello is made here.
    pub fn begin(&mut self, config: &Config, name: Option<ServerName<'static>>) -> Result<()> {
        let ticket = self.ticket.take();
        self.conn = match (&config.side, name) {
            (Side::Client(config, _), Some(name)) => {
                let make = || UnbufferedClientConnection::new(config.clone(), name);
                let made = Store::resuming(ticket, make);
                Conn::Client(Box::new(
                    made.map_err(|e| self.latch(failure::of(&e, Setting::default())))?,
                ))
            }
            (Side::Client(..), None) => {
                return Err(self.latch(Cause::plain(USOCKET_ETLS_NAME_REQUIRED)));
            }
            (Side::Server(config), _) => {
                let made = UnbufferedServerConnection::new(Arc::clone(config));
                Conn::Server(Box::new(
                    made.map_err(|e| self.latch(failure::of(&e, Setting::default())))?,
                ))
            }
        };
        Ok(())
    }

    /// Continues the handshake.
    pub fn handshake(
        &mut self,
        config: &Config,
        io: &dyn Transport,
        ask: bool,
    ) -> Result<Step<()>> {
        if self.complete {
            return Ok(Step::Done(()));
        }
        self.check()?;
        loop {
            if !matches!(
                self.turn(config, io, Out::Nothing, &mut [])?,
                (Turn::Idle | Turn::Over, _)
            ) {
                continue;
            }
            // Data and close_notify may follow the peer's last message, and a closed peer cannot be
            // answered: its data must be received all the same.
            self.complete = self.common().is_some_and(|c| !c.is_handshaking());
            match if self.hold() { Ok(false) } else { self.flush(config, io) } {
                Err(e) if !self.complete || !self.has_news() => return Err(e),
                Ok(false) if !self.complete => return Ok(self.wait(libc::POLLOUT)),
                _ => {}
            }
            if self.complete {
                let version = self.common().and_then(CommonState::protocol_version);
                self.around = if version == Some(ProtocolVersion::TLSv1_3) { 22 } else { 21 };
                self.input.settle();
                self.ask_for_room(io);
                return Ok(Step::Done(()));
            }
            if self.peer_closed {
                return Err(self.latch(Cause::plain(USOCKET_ETLS_HANDSHAKE_EOF)));
            }
            match self.fill(io, ask) {
                Ok(Some(0)) => return Err(self.latch(Cause::plain(USOCKET_ETLS_HANDSHAKE_EOF))),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(self.wait(libc::POLLIN)),
                Err(e) => return Err(self.receive_failed(io, e)),
            }
        }
    }

    /// Keeps a server's tickets back while a request is there whose answer may take them along. A call
    /// that finds no more input sends them, as does a poll.
    fn hold(&mut self) -> bool {
        let tickets_only = self.common().and_then(CommonState::protocol_version)
            == Some(ProtocolVersion::TLSv1_3)
            && matches!(self.conn, Conn::Server(_));
        self.held = tickets_only && self.complete && self.pending() > 0 && !self.peer_closed;
        if self.held {
            self.output.settle();
        }
        self.held
    }

    /// One turn of rustls' state machine; returns the number of bytes written to `to`.
    pub(super) fn turn(
        &mut self,
        config: &Config,
        io: &dyn Transport,
        out: Out<'_>,
        to: &mut [MaybeUninit<u8>],
    ) -> Result<(Turn, usize)> {
        if !self.complete {
            return self.turn_of_handshake(config, io, out, to);
        }
        let (here, room) = (self.input.len(), self.plain.capacity());
        if !self.can_keep(to.len()) {
            return Err(Error::os(libc::ENOMEM));
        }
        let (turn, done, barren) = self.drive(out, to);
        self.keep_only_data(room);
        match turn {
            Ok(turn) => {
                self.account(&turn, here, barren);
                if self.barren > MOST_BARREN {
                    return Err(self.latch(Cause::plain(USOCKET_ETLS_FLOOD)));
                }
                if turn == Turn::NoMemory {
                    return Err(Error::os(libc::ENOMEM));
                }
                Ok((turn, done))
            }
            Err(e) => Err(self.fail(config, io, (&e, None), None)),
        }
    }

    /// The same before the handshake is complete.
    #[inline(never)]
    fn turn_of_handshake(
        &mut self,
        config: &Config,
        io: &dyn Transport,
        out: Out<'_>,
        to: &mut [MaybeUninit<u8>],
    ) -> Result<(Turn, usize)> {
        if !self.choose_protocols(config) {
            return Ok((Turn::Idle, 0));
        }
        if !self.can_answer() || !self.can_keep(to.len()) {
            return Err(Error::os(libc::ENOMEM));
        }
        let (here, hello) = (self.input.len(), hello::version(self.input.filled()));
        let (turn, done, barren) = self.drive(out, to);
        self.keep_only_data(0);
        let notes = keylog::take();
        self.exporter = notes.exporter.or(self.exporter.take());
        self.server_name = notes.server_name.or(self.server_name.take());
        match turn {
            Ok(turn) => {
                self.account(&turn, here, barren);
                match turn {
                    Turn::NoMemory => Err(Error::os(libc::ENOMEM)),
                    turn => Ok((turn, done)),
                }
            }
            Err(e) => Err(self.fail(config, io, (&e, hello), notes.refusal)),
        }
    }

    /// Runs one turn of rustls: data goes to `to`, and the rest to `plain`. Returns the number of bytes
    /// in `to`, and whether the turn was barren: it gave no data.
    #[inline(always)]
    fn drive(
        &mut self,
        out: Out<'_>,
        to: &mut [MaybeUninit<u8>],
    ) -> (std::result::Result<Turn, rustls::Error>, usize, bool) {
        let (mut done, mut barren) = (0, true);
        let plain = &mut self.plain;
        let sink = |bytes: &[u8]| {
            barren &= bytes.is_empty();
            let fits = bytes.len().min(to.len() - done);
            crate::sys::copy_into(&bytes[..fits], &mut to[done..]);
            done += fits;
            if fits < bytes.len() {
                plain.extend_from_slice(&bytes[fits..]);
            }
        };
        let (input, output) = (&mut self.input, &mut self.output);
        let turn = match &mut self.conn {
            Conn::Not => Ok(Turn::Idle),
            Conn::Client(c) => drive::turn(&mut ***c, input, output, out, sink),
            Conn::Server(c) => drive::turn(&mut ***c, input, output, out, sink),
        };
        (turn, done, barren)
    }

    /// Frees unused capacity beyond `most`.
    #[inline]
    pub(super) fn keep_only_data(&mut self, most: usize) {
        if self.plain.is_empty() && self.plain.capacity() > most {
            self.plain = Vec::new();
        }
    }

    /// Records the result of a turn, before which `here` bytes of input were there.
    #[inline]
    fn account(&mut self, turn: &Turn, here: usize, barren: bool) {
        self.peer_closed |= matches!(turn, Turn::PeerClosed | Turn::Over);
        let used = here - self.input.len();
        self.unlooked += used;
        self.barren = if barren { self.barren + used } else { 0 };
    }

    /// Whether memory suffices for the rest of a record after this many bytes: rustls cannot keep
    /// it either.
    #[inline]
    fn can_keep(&mut self, taken: usize) -> bool {
        const RECORD: usize = 16 * 1024;
        let over = self.input.len().saturating_sub(self.around).min(RECORD).saturating_sub(taken);
        over == 0 || self.plain.try_reserve(over).is_ok()
    }

    /// Whether there is space for a handshake record, since rustls outputs it only once.
    fn can_answer(&mut self) -> bool {
        const RECORD: usize = 18 * 1024;
        self.output.limits(RECORD) || self.output.large_room(RECORD).len() >= RECORD
    }

    /// Ends the connection after an error of rustls, and sends the alert if that is possible at
    /// once.
    #[cold]
    #[inline(never)]
    fn fail(
        &mut self,
        config: &Config,
        io: &dyn Transport,
        (e, hello): (&rustls::Error, Option<u16>),
        refusal: Option<keylog::Refusal>,
    ) -> Error {
        let greeted = self.common().is_some_and(|c| c.protocol_version().is_some());
        let setting = Setting { own_clock: config.own_clock, greeted, hello };
        let cause = failure::of(e, setting);
        let cause = match refusal {
            Some(refusal) => refusal.explain(cause),
            None => cause,
        };
        let error = self.latch(cause.clone());
        // Encrypt the queued records, the alert last, but no more turns: they would process the
        // same input again.
        while self.common().is_some_and(CommonState::wants_write) {
            let (input, output) = (&mut self.input, &mut self.output);
            let turn = match &mut self.conn {
                Conn::Not => break,
                Conn::Client(c) => drive::turn(&mut ***c, input, output, Out::Nothing, |_| {}),
                Conn::Server(c) => drive::turn(&mut ***c, input, output, Out::Nothing, |_| {}),
            };
            if turn.is_err() {
                break;
            }
        }
        failure::mend_alert(&cause, self.output.filled());
        if !self.output.is_empty() && self.owner.keep() {
            self.refused = !self.complete;
            // Sending the alert may fail; its cause is the error to report.
            let _ = io.send_now(self.output.filled());
        }
        self.output = Buffer::default();
        self.input = Buffer::default();
        error
    }
}
