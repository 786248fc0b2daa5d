//! Application data: receiving, sending, and close_notify.

use std::mem::MaybeUninit;

use super::{Engine, LOOK, SMALL_PLAIN, Step};
use crate::error::causes::USOCKET_ETLS_TRUNCATED;
use crate::error::{Error, Result};
use crate::tls::context::config::Config;
use crate::tls::engine::buffer;
use crate::tls::engine::drive::{Out, Turn};
use crate::tls::transport::Transport;

impl Engine {
    /// Whether the kernel had nothing last time: then it is better to wait first.
    pub fn dry(&self) -> bool {
        self.dry
    }

    /// Receives into `to`, from buffered input and, with `ask`, from the kernel.
    pub fn recv(
        &mut self,
        config: &Config,
        io: &dyn Transport,
        to: &mut [MaybeUninit<u8>],
        peek: bool,
        ask: bool,
    ) -> Result<Step<usize>> {
        if self.bare {
            return self.recv_bare(io, to, peek, ask);
        }
        if !ask && self.idle() {
            return Ok(Step::Wait(libc::POLLIN));
        }
        let mut first = true;
        loop {
            if self.unlooked > LOOK {
                self.unlooked = 0;
                return Ok(Step::Look);
            }
            if self.pending() > 0 {
                return Ok(Step::Done(self.take(to, peek)));
            }
            let done = self.decrypt(config, io, if peek { &mut [] } else { &mut *to })?;
            if done > 0 {
                self.input.settle();
                return Ok(Step::Done(done));
            }
            if self.pending() > 0 {
                continue;
            }
            if self.peer_closed {
                return Ok(Step::Done(0));
            }
            // Send responses to the input, if any.
            let flushed = self.output.is_empty() || self.flush(config, io)?;
            match self.fill(io, ask) {
                Ok(Some(0)) => return Err(Error::tls(USOCKET_ETLS_TRUNCATED)),
                Ok(Some(n)) => self.dry &= n < 16 * 1024,
                Ok(None) => {
                    self.dry |= first;
                    let out = if flushed { 0 } else { libc::POLLOUT };
                    return Ok(self.wait(libc::POLLIN | out));
                }
                Err(e) => return Err(self.receive_failed(io, e)),
            }
            first = false;
        }
    }

    /// Encrypts from two pieces, at most the amount for one system call, and sends as much as
    /// possible. With `sure` it takes only bytes that the kernel will take.
    pub fn send(
        &mut self,
        config: &Config,
        io: &dyn Transport,
        [first, second]: [&[u8]; 2],
        sure: bool,
    ) -> Result<Step<usize>> {
        if self.bare {
            return self.send_bare(io, if first.is_empty() { second } else { first });
        }
        self.check()?;
        if let Some(e) = self.unsendable {
            return Err(e);
        }
        if self.said_bye {
            return Err(Error::os(libc::EPIPE));
        }
        let all = first.len() + second.len();
        let want = buffer::at_once(all);
        let along = self.held && self.takes_along(io, want, sure);
        if !along && !self.output.is_empty() && !self.flush(config, io)? {
            return Ok(self.wait(libc::POLLOUT));
        }
        let most = if sure { self.afford(io, want) } else { want };
        if !sure {
            self.room = 0;
        } else if most == 0 && all > 0 {
            self.full = true;
            io.want_room();
            return Ok(self.wait(libc::POLLOUT));
        }
        let first = &first[..first.len().min(most)];
        let second = &second[..second.len().min(most - first.len())];
        let mut done = 0;
        if !first.is_empty() {
            self.put(config, io, Out::Data(first))?;
            done = first.len();
        }
        if !second.is_empty() {
            match self.put(config, io, Out::Data(second)) {
                Ok(()) => done += second.len(),
                Err(e) if done == 0 => return Err(e),
                // The first piece is taken: the next call reports the error.
                Err(_) => {}
            }
        }
        if done > 0 {
            self.flush(config, io)?;
        }
        Ok(Step::Done(done))
    }

    /// Whether the held output can leave with that many bytes, in one system call.
    #[cold]
    fn takes_along(&mut self, io: &dyn Transport, want: usize, sure: bool) -> bool {
        /// More than that gains nothing.
        const MOST: usize = 16 * 1024;
        let all = want + self.output.len();
        (1..=MOST).contains(&want) && (!sure || self.afford(io, all) == all)
    }

    /// Sends close_notify, once.
    pub fn bye(&mut self, config: &Config, io: &dyn Transport) -> Result<Step<()>> {
        if !self.complete || self.fatal.is_some() || self.unsendable.is_some() {
            return Ok(Step::Done(()));
        }
        if !self.said_bye {
            self.put(config, io, Out::Bye)?;
            self.said_bye = true;
        }
        Ok(if self.flush(config, io)? { Step::Done(()) } else { self.wait(libc::POLLOUT) })
    }

    /// Ends TLS, so that further data is plain: sends close_notify, and waits for the peer's.
    ///
    /// # Errors
    /// EBUSY while there is unread data, `USOCKET_ETLS_TRUNCATED`.
    pub fn unwrap(&mut self, config: &Config, io: &dyn Transport) -> Result<Step<()>> {
        self.check()?;
        if let Some(e) = self.unsendable {
            return Err(e);
        }
        if let Step::Wait(events) = self.bye(config, io)? {
            return Ok(Step::Wait(events));
        }
        loop {
            if self.decrypt(config, io, &mut [])? > 0 || self.pending() > 0 {
                return Err(Error::os(libc::EBUSY));
            }
            if self.peer_closed {
                self.bare = true;
                self.input.settle();
                return Ok(Step::Done(()));
            }
            match self.fill(io, true) {
                Ok(Some(0)) => return Err(Error::tls(USOCKET_ETLS_TRUNCATED)),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(self.wait(libc::POLLIN)),
                Err(e) => return Err(self.receive_failed(io, e)),
            }
        }
    }

    /// Receives bytes that followed the peer's close_notify, and then from the transport.
    fn recv_bare(
        &mut self,
        io: &dyn Transport,
        to: &mut [MaybeUninit<u8>],
        peek: bool,
        ask: bool,
    ) -> Result<Step<usize>> {
        loop {
            if !self.input.is_empty() {
                let n = self.input.len().min(to.len());
                crate::sys::copy_into(&self.input.filled()[..n], to);
                self.input.consume(if peek { 0 } else { n });
                self.input.settle();
                return Ok(Step::Done(n));
            }
            match self.fill(io, ask) {
                Ok(Some(0)) => return Ok(Step::Done(0)),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(self.wait(libc::POLLIN)),
                Err(e) => return Err(self.receive_failed(io, e)),
            }
        }
    }

    fn send_bare(&mut self, io: &dyn Transport, from: &[u8]) -> Result<Step<usize>> {
        match io.send_now(from) {
            Ok(n) => Ok(Step::Done(n)),
            Err(e) if e.raw_os_error() == Some(libc::EAGAIN) => Ok(self.wait(libc::POLLOUT)),
            Err(e) => Err(e.into()),
        }
    }

    /// The number of bytes available without the kernel; decrypts input if needed.
    pub fn at_hand(&mut self, config: &Config, io: &dyn Transport) -> usize {
        if self.complete && !self.bare && self.pending() == 0 && !self.input.is_empty() {
            // The receiver reports its error, if any.
            let _ = self.decrypt(config, io, &mut []);
            self.input.settle();
        }
        self.pending()
    }

    /// Takes back the last bytes of a truncated stream; once.
    pub fn put_back(&mut self, bytes: &[MaybeUninit<u8>]) -> bool {
        if std::mem::replace(&mut self.told_cut, true) {
            return false;
        }
        self.plain.drain(..std::mem::take(&mut self.taken));
        crate::sys::put_before(bytes, &mut self.plain)
    }

    /// If a receiver needs only input, the next one may wait for it at once.
    #[inline]
    pub fn await_input(&self) {
        if self.idle() && self.records.is_none() {
            self.outside.receiver.open();
        }
    }

    /// Whether a receiver needs only input to continue.
    #[inline]
    pub fn idle(&self) -> bool {
        let nothing_here = self.input.is_empty() && self.pending() == 0 && self.output.is_empty();
        nothing_here && self.fatal.is_none() && !self.peer_closed && !self.eof
    }

    /// Whether a recv would return something now (data, the end, or an error); reads available
    /// input.
    pub fn readable(&mut self, config: &Config, io: &dyn Transport, receive: bool) -> bool {
        let readable = self.read_ahead(config, io, receive);
        self.input.settle();
        readable
    }

    fn read_ahead(&mut self, config: &Config, io: &dyn Transport, receive: bool) -> bool {
        loop {
            if self.has_news() || self.decrypt(config, io, &mut []).is_err() || self.has_news() {
                return true;
            }
            // Sending calls report a failure to send; this is about receiving.
            let _ = self.output.is_empty() || self.flush(config, io).is_ok();
            match self.fill(io, receive) {
                Ok(Some(_)) => {}
                Ok(None) => return false,
                // Not every error ends the connection; a receiver gets this one now and can try
                // again.
                Err(e) => {
                    self.receive_failed(io, e);
                    return true;
                }
            }
        }
    }

    /// Takes kept decrypted bytes.
    fn take(&mut self, to: &mut [MaybeUninit<u8>], peek: bool) -> usize {
        let kept = &self.plain[self.taken..];
        let n = kept.len().min(to.len());
        crate::sys::copy_into(&kept[..n], to);
        if !peek {
            self.taken += n;
            if self.taken == self.plain.len() {
                self.plain.clear();
                self.taken = 0;
                self.keep_only_data(SMALL_PLAIN);
            }
        }
        n
    }

    /// Decrypts buffered input into `to`, and the rest into `plain`; stops when either has
    /// something and no more fits. An error after some data is kept for the next call.
    fn decrypt(
        &mut self,
        config: &Config,
        io: &dyn Transport,
        to: &mut [MaybeUninit<u8>],
    ) -> Result<usize> {
        let mut done = 0;
        self.check()?;
        while !self.input.is_empty() && !self.peer_closed && self.pending() == 0 {
            match self.turn(config, io, Out::Nothing, &mut to[done..]) {
                Ok((Turn::Idle | Turn::Over, _)) => break,
                Ok((_, n)) => done += n,
                Err(_) if done > 0 || self.pending() > 0 => break,
                Err(e) => return Err(e),
            }
            if done > 0 && done == to.len() {
                break;
            }
        }
        Ok(done)
    }

    /// Encrypts, after any output that has to go first.
    fn put(&mut self, config: &Config, io: &dyn Transport, out: Out<'_>) -> Result<()> {
        loop {
            match self.turn(config, io, out, &mut [])?.0 {
                Turn::Put => return Ok(()),
                Turn::Idle | Turn::Over => return Err(Error::os(libc::EPIPE)),
                Turn::NoMemory => return Err(Error::os(libc::ENOMEM)),
                Turn::Again | Turn::PeerClosed => {}
            }
        }
    }
}
