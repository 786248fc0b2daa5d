//! Ciphertext: reading from the kernel and writing to it.

use super::{Engine, Step};
use crate::error::causes::USOCKET_ETLS_PROTOCOL;
use crate::error::{Error, Result};
use crate::tls::Cause;
use crate::tls::context::config::Config;
use crate::tls::engine::buffer::Buffer;
use crate::tls::engine::drive::{Out, Turn};
use crate::tls::engine::records::Records;
use crate::tls::transport::Transport;

/// The error for a full input buffer: records are limited, but a handshake message may span any
/// number of them, and their headers stay between its pieces.
fn crumbs() -> Cause {
    Cause::new(
        USOCKET_ETLS_PROTOCOL,
        "the peer split a handshake message into too many small records",
    )
}

impl Engine {
    /// Sends pending output; false while some remains.
    pub fn flush(&mut self, config: &Config, io: &dyn Transport) -> Result<bool> {
        self.own()?;
        self.held = false;
        while !self.output.is_empty() {
            let all = self.output.filled().len();
            match io.send_now(self.output.filled()) {
                Ok(n) => {
                    self.spoken = true;
                    self.output.consume(n);
                    // A short send means a full buffer: the next would only give EAGAIN.
                    if n < all {
                        break;
                    }
                }
                Err(e) => match e.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN) => break,
                    _ => return Err(self.send_failed(config, io, e.into())),
                },
            }
        }
        self.output.settle();
        Ok(self.output.is_empty())
    }

    /// The number of bytes of pending output.
    pub fn unsent(&self) -> usize {
        self.output.len()
    }

    /// [`Engine::flush`] as an attempt.
    pub fn flushing(&mut self, config: &Config, io: &dyn Transport) -> Result<Step<()>> {
        Ok(if self.flush(config, io)? { Step::Done(()) } else { Step::Wait(libc::POLLOUT) })
    }

    /// The same for counted data: if an error has lost it, returns that error again.
    pub fn seeing_off(&mut self, config: &Config, io: &dyn Transport) -> Result<Step<()>> {
        self.check()?;
        self.unsendable.map_or_else(|| self.flushing(config, io), Err)
    }

    /// Whether counted data is pending or lost.
    pub fn unsettled(&self) -> bool {
        !self.output.is_empty() || self.unsendable.is_some()
    }

    /// Receives ciphertext: 0 at the end, `None` when there is none now, or when another thread
    /// waits for it. Without `ask`, the caller asks the kernel.
    pub(super) fn fill(&mut self, io: &dyn Transport, ask: bool) -> Result<Option<usize>> {
        if self.eof {
            return Ok(Some(0));
        }
        if !ask || !self.outside.receiver.shut() {
            return Ok(None);
        }
        self.own()?;
        let most = self.most();
        let room = match self.complete {
            true => self.input.large_room(4096),
            false => self.input.room(4096),
        };
        if room.is_empty() {
            return Err(self.no_room());
        }
        let most = most.min(room.len());
        let room = &mut room[..most];
        loop {
            match io.recv(room, libc::MSG_DONTWAIT) {
                Ok(n) => {
                    if let Some(records) = &mut self.records {
                        records.took(&room[..n]);
                    }
                    self.input.fill(n);
                    self.spoken = true;
                    self.eof = n == 0;
                    return Ok(Some(n));
                }
                Err(e) => match e.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN) => return Ok(None),
                    _ => return Err(e.into()),
                },
            }
        }
    }

    /// Receiving failed for good.
    pub fn receive_failed(&mut self, io: &dyn Transport, e: Error) -> Error {
        self.unconnected(io, e).unwrap_or_else(|| self.latch(e.into()))
    }

    /// The error when the very first bytes fail because the socket is not connected: the session
    /// can begin later. Checked only now, as it is rare.
    fn unconnected(&self, io: &dyn Transport, e: Error) -> Option<Error> {
        if self.spoken || io.is_connected() {
            return None;
        }
        // Sockets without a peer give EPIPE (TCP) for a send and EINVAL (Unix) for a recv.
        let plain = e.is(libc::EPIPE) || e.is(libc::EINVAL);
        Some(if plain { Error::os(libc::ENOTCONN) } else { e })
    }

    /// Limits each receive to one record.
    pub fn one_by_one(&mut self) {
        self.records = Some(Records::default());
    }

    /// The number of bytes that may be received at once.
    pub fn most(&self) -> usize {
        self.records.as_ref().map_or(usize::MAX, Records::most)
    }

    /// Feeds in bytes received before, until the handshake begins.
    ///
    /// # Errors
    /// EISCONN once it has begun, EMSGSIZE, ENOMEM.
    pub fn put_in(&mut self, bytes: &[u8]) -> Result<()> {
        self.check()?;
        if self.begun() {
            return Err(Error::os(libc::EISCONN));
        }
        if self.input.limits(bytes.len()) {
            return Err(Error::os(libc::EMSGSIZE));
        }
        let room = self.input.room(bytes.len());
        let room = room.get_mut(..bytes.len()).ok_or(Error::os(libc::ENOMEM))?;
        room.copy_from_slice(bytes);
        self.input.fill(bytes.len());
        if let Some(records) = &mut self.records {
            records.took(bytes);
        }
        if !bytes.is_empty() {
            self.spoken = true;
            // The handshake can continue: a poll reports this as soon as the socket is writable.
            self.want = libc::POLLIN | libc::POLLOUT;
        }
        Ok(())
    }

    /// A buffer for a thread to receive into while the engine is unlocked.
    pub fn apart(&mut self) -> Result<Buffer> {
        match self.input.limits(1) {
            true => Err(self.no_room()),
            false => Ok(self.input.apart()?),
        }
    }

    /// The error when the buffer is full, or when memory is short, which may be temporary.
    fn no_room(&mut self) -> Error {
        if self.input.limits(1) { self.latch(crumbs()) } else { Error::os(libc::ENOMEM) }
    }

    /// Takes the bytes received into that buffer: none is the end.
    pub fn received(&mut self, mut apart: Buffer) {
        if self.own().is_err() {
            return;
        }
        self.spoken = true;
        self.eof = apart.is_empty();
        if let Some(records) = &mut self.records {
            records.took(apart.filled());
        }
        if self.fatal.is_none() {
            self.input.append(apart);
        }
    }

    /// A peer that closes the connection may have sent an alert before: that is the better error.
    fn send_failed(&mut self, config: &Config, io: &dyn Transport, e: Error) -> Error {
        if e.is(libc::ENOTCONN) || e.is(libc::EBADF) || self.fatal.is_some() {
            return e;
        }
        if let Some(e) = self.unconnected(io, e) {
            return e;
        }
        /// The peer may go on sending, if only this side cannot send.
        const MOST: usize = 256 * 1024;
        self.output = Buffer::default();
        self.unsendable = Some(e);
        let mut seen = 0;
        while self.fatal.is_none() && !self.peer_closed && seen < MOST {
            match self.fill(io, true) {
                Ok(Some(n @ 1..)) => seen += n,
                _ => break,
            }
            // Bytes after the peer's close_notify stay in the buffer.
            while !self.input.is_empty() && !self.peer_closed {
                match self.turn(config, io, Out::Nothing, &mut []) {
                    Ok((Turn::Idle | Turn::Over, _)) | Err(_) => break,
                    Ok(_) => {}
                }
            }
        }
        match &self.fatal {
            Some(cause) => Error::tls(cause.code),
            None if self.complete => e,
            None => self.latch(e.into()),
        }
    }
}
