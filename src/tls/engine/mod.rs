//! One TLS connection: bytes in, bytes out, and never a wait.
//!
//! It drives rustls' unbuffered connection over a socket whose calls are all made with
//! MSG_DONTWAIT. What cannot be done now is [`Step::Wait`], with what to wait for; waiting is the
//! session's. Where that can wait in recv(2) itself, the engine is told not to `ask` the kernel for
//! input first. Plaintext goes straight to the caller's buffer; what does not fit is kept in `plain`.

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

/// Room for decrypted bytes up to this stays: a server on a poller has a request in it each time.
const SMALL_PLAIN: usize = 512;

/// Bits of an [outlook](Engine::outlook).
const COMPLETE: u32 = 16;
const FLUSHED: u32 = 19;

/// After how many bytes it is time to look at the clock.
const LOOK: usize = 64 * 1024;

/// This process's sign that it has closed the handle; never 0.
pub fn closed_here() -> u32 {
    fork::forks().wrapping_add(1)
}

/// What became of an attempt.
pub enum Step<T> {
    /// Done, with this.
    Done(T),
    /// Not before one of these events of the descriptor.
    Wait(i16),
    /// Not done yet; but so much has been done that it is time to look at the clock.
    Look,
}

/// The connection, made when the handshake begins.
enum Conn {
    Not,
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

/// What is known of an engine without its lock.
#[derive(Default)]
pub struct Outside {
    /// [`closed_here`] once the handle was closed in a callback: a child that did so claims nothing.
    pub closed: AtomicU32,
    /// Who waits to receive.
    pub receiver: Receiver,
}

/// See the module documentation.
pub struct Engine {
    conn: Conn,
    owner: Owner,
    outside: Arc<Outside>,
    input: Buffer,
    /// Where it ends, if no more than one record at a time is to be received.
    records: Option<Records>,
    output: Buffer,
    /// Decrypted and not yet taken, from `taken` on.
    plain: Vec<u8>,
    taken: usize,
    /// What ended it; every later call says it again.
    fatal: Option<Box<Cause>>,
    /// What ended the sending side alone.
    unsendable: Option<Error>,
    alert: Option<u8>,
    complete: bool,
    eof: bool,
    peer_closed: bool,
    said_bye: bool,
    /// TLS has ended on both sides; what comes now is plain.
    bare: bool,
    /// It was said that the stream was cut off, before its last bytes were given.
    told_cut: bool,
    /// The handshake failed here, and the peer was told why.
    refused: bool,
    /// Something has come from the peer or gone to it.
    spoken: bool,
    /// The last receiving found nothing at first: the next need not try before it waits.
    dry: bool,
    /// What a record has around its data, at least: header, tag, and in TLS 1.3 its type.
    around: usize,
    /// How many bytes have come since the last that carried data.
    barren: usize,
    /// How many have been processed since the clock was looked at.
    unlooked: usize,
    /// How much the kernel is sure to take: see `room`.
    room: usize,
    /// A send was refused for want of it.
    full: bool,
    /// What the handshake waits for.
    want: i16,
    /// What pollers know.
    told: u32,
    /// To be resumed.
    pub ticket: Option<Taken>,
    /// Of TLS 1.3.
    pub exporter: Option<Zeroizing<Box<[u8]>>>,
    /// What a client asked for.
    pub server_name: Option<Box<str>>,
}

impl Engine {
    /// For a connection that begins by sending (a client's) or by receiving.
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
            want: if client { libc::POLLOUT } else { libc::POLLIN },
            told: 0,
            ticket: None,
            exporter: None,
            server_name: None,
        })
    }

    /// Makes sure that it is this process's, which is about to use it.
    #[inline]
    pub fn own(&mut self) -> Result<()> {
        if self.owner.settled() { Ok(()) } else { self.claim() }
    }

    #[cold]
    fn claim(&mut self) -> Result<()> {
        // What has ended here, as where a child has refused in the callback, may go on in another.
        if self.pending() == 0 {
            self.check()?;
        }
        // A thread of the parent's that receives is using it.
        let closed = self.outside.closed.load(Ordering::Relaxed) == closed_here();
        if !closed && !self.outside.receiver.forked() && self.owner.claim() {
            return Ok(());
        }
        self.output = Buffer::default();
        self.latch(Cause::plain(USOCKET_ETLS_FORKED));
        Err(Error::tls(USOCKET_ETLS_FORKED))
    }

    /// What is to be known of it without its lock.
    pub fn outside(&self) -> Arc<Outside> {
        self.outside.clone()
    }

    /// What this process, which closes it, is to it.
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

    /// What ended it.
    pub fn fatal(&self) -> Option<&Cause> {
        self.fatal.as_deref()
    }

    /// Whether the peer has said that it sends nothing more.
    pub fn ended(&self) -> bool {
        self.peer_closed && !self.bare || self.eof
    }

    /// Whether TLS has ended on both sides, and what comes now is plain.
    pub fn bare(&self) -> bool {
        self.bare
    }

    /// Whether the handshake failed here, and the peer was told why.
    pub fn refused(&self) -> bool {
        self.refused
    }

    /// The alert that ended it.
    pub fn alert(&self) -> Option<u8> {
        self.alert
    }

    /// How many bytes are decrypted and waiting; or plain, on a connection that is no longer TLS.
    pub fn pending(&self) -> usize {
        self.plain.len() - self.taken + if self.bare { self.input.len() } else { 0 }
    }

    /// How much storage its buffers hold.
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

    /// Whether a receiver would be given something: data, the end, or an error.
    fn has_news(&self) -> bool {
        self.pending() > 0 || self.ended() || self.fatal.is_some()
    }

    /// Whether nothing is waiting to go.
    pub fn flushed(&self) -> bool {
        self.output.is_empty()
    }

    /// What it waits for: in the handshake what that needs, later for data.
    pub fn wants(&self) -> i16 {
        match () {
            () if self.has_news() => 0,
            () if !self.complete => self.want,
            () if self.output.is_empty() && !self.full => libc::POLLIN,
            () => libc::POLLIN | libc::POLLOUT,
        }
    }

    /// Whether a poll's answer or its question to the kernel may be another since this was asked.
    pub fn outlook_changed(&mut self) -> bool {
        let now = self.outlook();
        std::mem::replace(&mut self.told, now) != now
    }

    /// Whether it was idle when that was asked last, and is.
    #[inline]
    pub fn still_idle(&self) -> bool {
        /// The outlook of one that is idle.
        const IDLE: u32 = 1 << COMPLETE | 1 << FLUSHED;
        self.told == IDLE && self.complete && self.idle()
    }

    /// A number for all that a poll depends on.
    fn outlook(&self) -> u32 {
        let phase = if self.complete { 0 } else { self.want as u32 };
        let something = self.pending() > 0 || !self.input.is_empty();
        let bit = |at: u32, flag: bool| u32::from(flag) << at;
        phase
            | bit(COMPLETE, self.complete)
            | bit(17, self.fatal.is_some())
            | bit(18, something)
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

    /// Keeps a cause that ends the connection.
    fn latch(&mut self, cause: Cause) -> Error {
        let error = Error::tls(cause.code);
        let passing = [libc::ENOTCONN, libc::EBADF, libc::ENOMEM, libc::ENOBUFS];
        if self.fatal.is_none() && !passing.iter().any(|e| error.is(*e)) {
            self.alert = alert_of(cause.code);
            self.fatal = Some(Box::new(cause));
        }
        error
    }

    /// Begins anew without protocols, where the client offers only others and that is no error. rustls
    /// has read nothing yet of a ClientHello that lies here whole; false while one does not that comes
    /// in several records, of which rustls would read the first.
    fn choose_protocols(&mut self, config: &Config) -> bool {
        let (Conn::Server(conn), Side::Server(server), Some(without)) =
            (&mut self.conn, &config.side, &config.without_alpn)
        else {
            return true;
        };
        if conn.protocol_version().is_some() {
            return true;
        }
        let offer = hello::offer(self.input.filled(), &server.alpn_protocols);
        if offer == Offer::OnlyOthers {
            if let Ok(anew) = UnbufferedServerConnection::new(without.clone()) {
                **conn = anew;
            }
        }
        offer != Offer::Unknown
    }
}
