//! TLS without a socket: the caller moves the bytes.
//!
//! The caller feeds in the peer's bytes and drains the bytes for the peer. Otherwise the session
//! behaves as on a non-blocking socket: EAGAIN means that the caller has to move bytes.

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

/// The limit of buffered bytes in either direction: more than a flight of handshake messages, and
/// some records.
const MOST: usize = 256 * 1024;

/// A queue of bytes.
#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    /// The start of the remaining bytes.
    start: usize,
}

impl Queue {
    fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Appends as many bytes as fit.
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

    /// Removes up to `n` bytes from the front.
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

/// The session's transport: two queues.
#[derive(Default)]
struct Wire {
    incoming: Lock<Queue>,
    outgoing: Lock<Queue>,
    /// The input has ended.
    ended: AtomicBool,
}

/// A lost lock counts as a broken connection.
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
        // Read this first: bytes fed before the end come before the end.
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

    /// Its transport.
    pub fn transport(&self) -> &dyn Transport {
        &self.wire
    }

    /// Feeds in bytes from the peer; returns how many were taken.
    ///
    /// # Errors
    /// EAGAIN while the queue is full, EPIPE after the end, ENOMEM.
    pub fn feed(&self, bytes: &[u8]) -> Result<usize> {
        if self.wire.ended.load(Ordering::Acquire) {
            return Err(Error::os(libc::EPIPE));
        }
        Ok(self.wire.incoming.lock().map_err(cut)?.put(bytes)?)
    }

    /// Marks the end of the input: the underlying connection has ended.
    pub fn feed_end(&self) {
        self.wire.ended.store(true, Ordering::Release);
    }

    /// Takes out bytes for the peer.
    ///
    /// # Errors
    /// ENOTRECOVERABLE in a process that has lost the lock in a fork.
    pub fn drain(&self, to: &mut [MaybeUninit<u8>]) -> Result<usize> {
        let mut done = 0;
        loop {
            // Output that did not fit follows now; the session's next call reports an error.
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

    /// The number of bytes for the peer.
    ///
    /// # Errors
    /// ENOTRECOVERABLE in a process that has lost the lock in a fork.
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

    /// As on a socket: a truncated stream is reported before its last bytes.
    fn not_cut_off(&self, got: &[MaybeUninit<u8>], e: Option<Error>) -> Result<usize> {
        match e {
            Some(e) if e.code() == USOCKET_ETLS_TRUNCATED && self.session.put_back(got) => Err(e),
            _ => Ok(got.len()),
        }
    }

    /// Repeats until everything is done, or the end. A part is a result; the next call reports the
    /// error, as an error of TLS is permanent.
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

    /// As `Socket::shutdown`; it only sends close_notify.
    pub fn shutdown(&self, how: i32) -> Result<()> {
        match how {
            libc::SHUT_WR | libc::SHUT_RDWR => self.session.close_notify(&self.wire),
            libc::SHUT_RD => Ok(()),
            _ => Err(Error::os(libc::EINVAL)),
        }
    }
}
