//! One TLS connection: bytes in, bytes out, and never a wait.
//!
//! It drives rustls' unbuffered connection over a socket, with MSG_DONTWAIT in every call. An
//! operation that would block returns [`Step::Wait`] with the events to wait for; the session
//! waits. If the session can wait in recv(2) itself, it tells the engine not to `ask` the kernel
//! for input first. Plaintext goes straight to the caller's buffer; the rest is kept in `plain`.

pub mod buffer;
mod drive;
pub mod owner;
pub mod receiver;
mod records;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustls::CommonState;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use zeroize::Zeroizing;

use crate::error::causes::*;
use crate::error::{Error, Result};
use crate::sys::fork;
use crate::tls::Cause;
use crate::tls::context::config::{Config, Side};
use crate::tls::context::resume::Taken;
use crate::tls::engine::buffer::Buffer;
use crate::tls::engine::receiver::Receiver;
use hello::Offer;
use owner::{Leave, Owner};
use records::Records;

pub mod failure;
mod handshake;
mod hello;
mod room;
mod traffic;
mod wire;

/// Up to this capacity for decrypted bytes is kept: a server on a poller needs it for each request.
const SMALL_PLAIN: usize = 512;

/// Bits of an [outlook](Engine::outlook).
const COMPLETE: u32 = 16;
const SOMETHING: u32 = 18;
const FLUSHED: u32 = 19;
/// The outlook of an idle engine.
const IDLE: u32 = 1 << COMPLETE | 1 << FLUSHED;

/// The number of bytes after which the deadline is checked.
const LOOK: usize = 64 * 1024;

/// This process's mark of a closed handle; never 0.
pub fn closed_here() -> u32 {
    fork::forks().wrapping_add(1)
}

/// The result of an attempt.
pub enum Step<T> {
    /// Done, with this result.
    Done(T),
    /// Not possible before one of these events of the descriptor.
    Wait(i16),
    /// Not done yet, but it is time to check the deadline.
    Look,
}

/// A change of a poll's result, or of its kernel events.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// None.
    No,
    /// What was there has been received, and there is nothing else: no poller waits for that, and those
    /// that have reported it look again by themselves.
    Emptied,
    /// Any other.
    Yes,
}

/// The connection, made when the handshake begins.
enum Conn {
    Not,
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

/// The state of an engine that is readable without its lock.
#[derive(Default)]
pub struct Outside {
    /// [`closed_here`] after the handle was closed in a callback: a child that did so claims
    /// nothing.
    pub closed: AtomicU32,
    /// The thread that waits to receive.
    pub receiver: Receiver,
}

/// See the module documentation.
pub struct Engine {
    conn: Conn,
    owner: Owner,
    outside: Arc<Outside>,
    input: Buffer,
    /// The record boundaries, if at most one record at a time is to be received.
    records: Option<Records>,
    output: Buffer,
    /// The output is a server's tickets, which the answer to a request may take along.
    held: bool,
    /// Decrypted data, unread from `taken` on.
    plain: Vec<u8>,
    taken: usize,
    /// The error that ended it; every later call returns it again.
    fatal: Option<Box<Cause>>,
    /// The error that ended only the sending side.
    unsendable: Option<Error>,
    alert: Option<u8>,
    complete: bool,
    eof: bool,
    peer_closed: bool,
    said_bye: bool,
    /// TLS has ended on both sides; further data is plain.
    bare: bool,
    /// The truncation was reported, before the last bytes.
    told_cut: bool,
    /// The handshake failed on this side, with an alert to the peer.
    refused: bool,
    /// Some bytes were exchanged with the peer.
    spoken: bool,
    /// The last receive found nothing at first: the next one waits without trying.
    dry: bool,
    /// The minimum overhead of a record: header, tag, and in TLS 1.3 its type.
    around: usize,
    /// The number of bytes since the last record with data.
    barren: usize,
    /// The number of bytes processed since the last check of the deadline.
    unlooked: usize,
    /// The number of bytes the kernel will certainly take: see `room`.
    room: usize,
    /// A send failed for lack of space.
    full: bool,
    /// The length of the input from which on the ClientHello may be whole.
    hello: usize,
    /// The events the handshake waits for.
    want: i16,
    /// The outlook last reported to pollers.
    told: u32,
    /// The session to resume.
    pub ticket: Option<Taken>,
    /// The exporter secret of TLS 1.3.
    pub exporter: Option<Zeroizing<Box<[u8]>>>,
    /// The name a client asked for.
    pub server_name: Option<Box<str>>,
}

impl Engine {
    /// Makes an engine that begins by sending (a client's) or by receiving.
    ///
    /// # Errors
    /// ENOMEM
    pub fn new(client: bool) -> Result<Self> {
        Ok(Engine {
            conn: Conn::Not,
            owner: Owner::new()?,
            outside: Arc::default(),
            input: Buffer::default(),
            records: None,
            output: Buffer::default(),
            held: false,
            plain: Vec::new(),
            taken: 0,
            fatal: None,
            unsendable: None,
            alert: None,
            complete: false,
            eof: false,
            peer_closed: false,
            said_bye: false,
            bare: false,
            told_cut: false,
            refused: false,
            spoken: false,
            dry: false,
            around: 0,
            barren: 0,
            room: 0,
            full: false,
            unlooked: 0,
            hello: 0,
            want: if client { libc::POLLOUT } else { libc::POLLIN },
            told: 0,
            ticket: None,
            exporter: None,
            server_name: None,
        })
    }

    /// Claims it for this process before use.
    #[inline]
    pub fn own(&mut self) -> Result<()> {
        if self.owner.settled() { Ok(()) } else { self.claim() }
    }

    #[cold]
    fn claim(&mut self) -> Result<()> {
        // A connection that ended in this process (a child refused in the callback) may go on in
        // another.
        if self.pending() == 0 {
            self.check()?;
        }
        // A receiving thread of the parent is using it.
        let closed = self.outside.closed.load(Ordering::Relaxed) == closed_here();
        if !closed && !self.outside.receiver.forked() && self.owner.claim() {
            return Ok(());
        }
        self.output = Buffer::default();
        self.latch(Cause::plain(USOCKET_ETLS_FORKED));
        Err(Error::tls(USOCKET_ETLS_FORKED))
    }

    /// The part that is readable without its lock.
    pub fn outside(&self) -> Arc<Outside> {
        self.outside.clone()
    }

    /// The role of this process when it closes the connection.
    pub fn leave(&mut self) -> Leave {
        self.owner.leave()
    }

    /// Whether the handshake has begun.
    pub fn begun(&self) -> bool {
        !matches!(self.conn, Conn::Not)
    }

    /// Whether the handshake is complete.
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// The error that ended it.
    pub fn fatal(&self) -> Option<&Cause> {
        self.fatal.as_deref()
    }

    /// Whether the peer has closed its sending side.
    pub fn ended(&self) -> bool {
        self.peer_closed && !self.bare || self.eof
    }

    /// Whether TLS has ended on both sides, and further data is plain.
    pub fn bare(&self) -> bool {
        self.bare
    }

    /// Whether the handshake failed on this side, with an alert to the peer.
    pub fn refused(&self) -> bool {
        self.refused
    }

    /// The alert that ended it.
    pub fn alert(&self) -> Option<u8> {
        self.alert
    }

    /// The number of decrypted bytes not yet read; or plain ones after the end of TLS.
    pub fn pending(&self) -> usize {
        self.plain.len() - self.taken + if self.bare { self.input.len() } else { 0 }
    }

    /// The size of its buffers.
    #[cfg(test)]
    pub fn buffered(&self) -> usize {
        self.input.capacity() + self.output.capacity() + self.plain.capacity()
    }

    /// rustls' view of it, once the handshake has begun.
    pub fn common(&self) -> Option<&CommonState> {
        match &self.conn {
            Conn::Not => None,
            Conn::Client(c) => Some(c),
            Conn::Server(c) => Some(c),
        }
    }

    /// Whether a receive would return data, the end, or an error.
    fn has_news(&self) -> bool {
        self.pending() > 0 || self.ended() || self.fatal.is_some()
    }

    /// Whether no output is pending.
    pub fn flushed(&self) -> bool {
        self.output.is_empty()
    }

    /// The events it waits for: the handshake's, later those for data.
    pub fn wants(&self) -> i16 {
        match () {
            () if self.has_news() => 0,
            () if !self.complete => self.want,
            () if self.output.is_empty() && !self.full => libc::POLLIN,
            () => libc::POLLIN | libc::POLLOUT,
        }
    }

    /// Whether a poll's result or its kernel events may have changed since the last call.
    pub fn outlook_changed(&mut self) -> Changed {
        let now = self.outlook();
        match std::mem::replace(&mut self.told, now) {
            before if before == now => Changed::No,
            before if now == IDLE && before == IDLE | 1 << SOMETHING => Changed::Emptied,
            _ => Changed::Yes,
        }
    }

    /// Whether it was idle at the last call of that.
    #[inline]
    pub fn told_idle(&self) -> bool {
        self.told == IDLE
    }

    /// The same, and it still is.
    #[inline]
    pub fn still_idle(&self) -> bool {
        self.told_idle() && self.complete && self.idle()
    }

    /// A number for all the state that a poll depends on.
    fn outlook(&self) -> u32 {
        let phase = if self.complete { 0 } else { self.want as u32 };
        let something = self.pending() > 0 || !self.input.is_empty();
        let bit = |at: u32, flag: bool| u32::from(flag) << at;
        phase
            | bit(COMPLETE, self.complete)
            | bit(17, self.fatal.is_some())
            | bit(SOMETHING, something)
            | bit(FLUSHED, self.flushed())
            | bit(20, self.ended())
    }

    fn wait<T>(&mut self, events: i16) -> Step<T> {
        self.want = events;
        self.input.settle();
        Step::Wait(events)
    }

    fn check(&self) -> Result<()> {
        self.fatal.as_ref().map_or(Ok(()), |cause| Err(Error::tls(cause.code)))
    }

    /// Records a cause that ends the connection.
    fn latch(&mut self, cause: Cause) -> Error {
        let error = Error::tls(cause.code);
        let passing = [libc::ENOTCONN, libc::EBADF, libc::ENOMEM, libc::ENOBUFS];
        if self.fatal.is_none() && !passing.iter().any(|e| error.is(*e)) {
            self.alert = alert_of(cause.code);
            self.fatal = Some(Box::new(cause.readable()));
        }
        error
    }

    /// Begins anew without protocols, where the client offers only others and that is no error. rustls
    /// has read nothing yet of a ClientHello that lies here whole; false while one does not that comes
    /// in several records, of which rustls would read the first.
    fn choose_protocols(&mut self, config: &Config) -> bool {
        /// A longer one is read as often as it may have come to its end, not with each byte.
        const SHORT: usize = 4096;
        let (Conn::Server(conn), Side::Server(server), Some(without)) =
            (&mut self.conn, &config.side, &config.without_alpn)
        else {
            return true;
        };
        if conn.protocol_version().is_some() {
            return true;
        }
        if self.input.len() < self.hello {
            return false;
        }
        self.hello = 0;
        match hello::offer(self.input.filled(), &server.alpn_protocols) {
            Offer::Ours => true,
            Offer::Unknown(missing) => {
                if self.input.len() > SHORT {
                    self.hello = self.input.len() + missing;
                }
                false
            }
            Offer::OnlyOthers => {
                if let Ok(anew) = UnbufferedServerConnection::new(without.clone()) {
                    **conn = anew;
                }
                true
            }
        }
    }
}
