//! TLS without a socket: the caller moves the bytes.
//!
//! What the peer has sent is fed in, what is to go to it is drained, and between the two the session
//! is the same as on a socket that does not block: EAGAIN means that the caller is to move bytes.

use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::causes::USOCKET_ETLS_TRUNCATED;
use crate::error::{Error, Result};
use crate::sys::fork::Lock;
use crate::tls::context::Context;
use crate::tls::session::Session;
use crate::tls::transport::Transport;
use crate::wait::Deadline;

/// How many bytes wait in either direction before no more are taken: more than a flight of handshake
/// messages, and some records.
const MOST: usize = 256 * 1024;

/// Bytes on their way.
#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    /// From here on; what is before it is gone.
    start: usize,
}

impl Queue {
    fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Puts in what there is room for.
    fn put(&mut self, from: &[u8]) -> io::Result<usize> {
        let n = from.len().min(MOST.saturating_sub(self.len()));
        if n == 0 && !from.is_empty() {
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        self.bytes.drain(..std::mem::take(&mut self.start));
        let room = self.bytes.try_reserve(n);
        room.map_err(|_| io::Error::from_raw_os_error(libc::ENOMEM))?;
        self.bytes.extend_from_slice(&from[..n]);
        Ok(n)
    }

    /// Takes `n` bytes or less off the front.
    fn take(&mut self, n: usize, with: impl FnOnce(&[u8])) -> usize {
        let n = n.min(self.len());
        with(&self.bytes[self.start..][..n]);
        self.start += n;
        if self.len() == 0 {
            *self = Queue::default();
        }
        n
    }
}

/// What is beneath the session: two queues.
#[derive(Default)]
struct Wire {
    incoming: Lock<Queue>,
    outgoing: Lock<Queue>,
    /// Nothing more comes in.
    ended: AtomicBool,
}

/// A lock that another process has is as good as a wire that is cut.
fn cut<T>(_: T) -> io::Error {
    io::Error::from_raw_os_error(libc::ENOTRECOVERABLE)
}

impl Transport for Wire {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn timeout_us(&self) -> i64 {
        0
    }

    fn changed(&self) {}

    fn peer(&self) -> Option<IpAddr> {
        None
    }

    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.lock().map_err(cut)?.put(bytes)
    }

    fn recv(&self, to: &mut [u8], _flags: i32) -> io::Result<usize> {
        // Asked before: what was fed before the end is to be had before it.
        let ended = self.ended.load(Ordering::Acquire);
        let mut incoming = self.incoming.lock().map_err(cut)?;
        match incoming.take(to.len(), |from| to[..from.len()].copy_from_slice(from)) {
            0 if !ended => Err(io::Error::from_raw_os_error(libc::EAGAIN)),
            n => Ok(n),
        }
    }
}

/// See the module documentation.
pub struct Buffered {
    session: Session,
    wire: Wire,
}

impl Buffered {
    /// # Errors
    /// Those of [`Session::new`].
    pub fn new(context: &Context, name: Option<&str>) -> Result<Buffered> {
        let wire = Wire::default();
        Ok(Buffered { session: Session::new(context, &wire, name)?, wire })
    }

    /// Its session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What carries that.
    pub fn transport(&self) -> &dyn Transport {
        &self.wire
    }

    /// Puts in what the peer has sent: how many of the bytes were taken.
    ///
    /// # Errors
    /// EAGAIN while as much as there is room for has not been received, EPIPE after the end, ENOMEM.
    pub fn feed(&self, bytes: &[u8]) -> Result<usize> {
        if self.wire.ended.load(Ordering::Acquire) {
            return Err(Error::os(libc::EPIPE));
        }
        Ok(self.wire.incoming.lock().map_err(cut)?.put(bytes)?)
    }

    /// Nothing more is fed: the connection beneath has ended.
    pub fn feed_end(&self) {
        self.wire.ended.store(true, Ordering::Release);
    }

    /// Takes out what is to go to the peer.
    ///
    /// # Errors
    /// ENOTRECOVERABLE in a process that has lost it to another.
    pub fn drain(&self, to: &mut [MaybeUninit<u8>]) -> Result<usize> {
        let mut done = 0;
        loop {
            // What had no room goes in as room is made; of an error the session's next call tells.
            let _ = self.session.flush(&self.wire, &mut self.deadline());
            let n = self.wire.outgoing.lock().map_err(cut)?.take(to.len() - done, |from| {
                crate::sys::copy_into(from, &mut to[done..]);
            });
            done += n;
            if n == 0 {
                return Ok(done);
            }
        }
    }

    /// How many bytes are to go to the peer.
    ///
    /// # Errors
    /// ENOTRECOVERABLE in a process that has lost it to another.
    pub fn drainable(&self) -> Result<usize> {
        Ok(self.wire.outgoing.lock().map_err(cut)?.len())
    }

    fn deadline(&self) -> Deadline {
        Deadline::after_us(0)
    }

    /// As `Socket::recv`.
    #[cold]
    pub fn recv(&self, buf: &mut [MaybeUninit<u8>], flags: i32) -> Result<usize> {
        self.session.recv(&self.wire, buf, flags, &mut self.deadline())
    }

    /// As `Socket::send`.
    #[cold]
    pub fn send(&self, buf: &[u8], flags: i32) -> Result<usize> {
        self.session.send(&self.wire, buf, flags, &mut self.deadline())
    }

    /// As `Socket::sendall`.
    #[cold]
    pub fn sendall(&self, buf: &[u8], flags: i32) -> Result<()> {
        let mut done = 0;
        while done < buf.len() {
            done += self.send(&buf[done..], flags)?;
        }
        Ok(())
    }

    /// As `Socket::write`.
    #[cold]
    pub fn write(&self, buf: &[u8]) -> Result<usize> {
        self.gather(buf.len(), |done| self.send(&buf[done..], 0)).map(|(n, _)| n)
    }

    /// As `Socket::read`.
    #[cold]
    pub fn read(&self, buf: &mut [MaybeUninit<u8>]) -> Result<usize> {
        let (n, e) = self.gather(buf.len(), |done| self.recv(&mut buf[done..], 0))?;
        self.not_cut_off(&buf[..n], e)
    }

    /// As `Socket::readline`.
    #[cold]
    pub fn readline(&self, buf: &mut [MaybeUninit<u8>]) -> Result<usize> {
        let mut ended = false;
        let (n, e) = self.gather(buf.len(), |done| {
            if ended {
                return Ok(0);
            }
            let ahead = &mut buf[done..];
            let seen = self.recv(ahead, libc::MSG_PEEK)?;
            let line = crate::sys::find_byte(b'\n', &ahead[..seen]);
            ended = line.is_some();
            match line.map_or(seen, |at| at + 1) {
                0 => Ok(0),
                take => self.recv(&mut ahead[..take], 0),
            }
        })?;
        self.not_cut_off(&buf[..n], e)
    }

    /// As of a socket: that the stream was cut off is said before its last bytes are given.
    fn not_cut_off(&self, got: &[MaybeUninit<u8>], e: Option<Error>) -> Result<usize> {
        match e {
            Some(e) if e.code() == USOCKET_ETLS_TRUNCATED && self.session.put_back(got) => Err(e),
            _ => Ok(got.len()),
        }
    }

    /// Until all is done, or the end; a part is a result, and what stopped it is the next call's: an
    /// error of TLS is said again by each.
    fn gather(
        &self,
        want: usize,
        mut step: impl FnMut(usize) -> Result<usize>,
    ) -> Result<(usize, Option<Error>)> {
        let mut done = 0;
        while done < want {
            match step(done) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if done == 0 => return Err(e),
                Err(e) => return Ok((done, Some(e))),
            }
        }
        Ok((done, None))
    }

    /// As `Socket::shutdown`, of which there is no more than the goodbye.
    pub fn shutdown(&self, how: i32) -> Result<()> {
        match how {
            libc::SHUT_WR | libc::SHUT_RDWR => self.session.close_notify(&self.wire),
            libc::SHUT_RD => Ok(()),
            _ => Err(Error::os(libc::EINVAL)),
        }
    }
}
