//! Application data: received, sent, and the end of it said.

use std::mem::MaybeUninit;

use super::{Engine, LOOK, SMALL_PLAIN, Step};
use crate::error::causes::USOCKET_ETLS_TRUNCATED;
use crate::error::{Error, Result};
use crate::tls::context::config::Config;
use crate::tls::engine::buffer;
use crate::tls::engine::drive::{Out, Turn};
use crate::tls::transport::Transport;

impl Engine {
    /// Whether asking the kernel found nothing last time: better wait, and then ask.
    pub fn dry(&self) -> bool {
        self.dry
    }

    /// Receives into `to`, from what is here and, to `ask`, what the kernel has.
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
            // Answers to what was received, if any.
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

    /// Encrypts from two pieces, at most what one system call should carry, and sends what goes. `sure`
    /// takes no more than the kernel does.
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
        if !self.output.is_empty() && !self.flush(config, io)? {
            return Ok(self.wait(libc::POLLOUT));
        }
        let all = first.len() + second.len();
        let want = buffer::at_once(all);
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
                // The first is taken: an error is for the next call to report.
                Err(_) => {}
            }
        }
        if done > 0 {
            self.flush(config, io)?;
        }
        Ok(Step::Done(done))
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

    /// Ends TLS, so that what follows is plain: says goodbye, and waits for the peer's.
    ///
    /// # Errors
    /// EBUSY while there is data to be received first, `USOCKET_ETLS_TRUNCATED`.
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

    /// What came behind the peer's goodbye, and then what the transport has.
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

    /// How many bytes can be had without the kernel, of which some may have to be decrypted first.
    pub fn at_hand(&mut self, config: &Config, io: &dyn Transport) -> usize {
        if self.complete && !self.bare && self.pending() == 0 && !self.input.is_empty() {
            // Its error, if any, is the receiver's to be told.
            let _ = self.decrypt(config, io, &mut []);
            self.input.settle();
        }
        self.pending()
    }

    /// Takes bytes back that were given out, behind which the stream was cut off; once.
    pub fn put_back(&mut self, bytes: &[MaybeUninit<u8>]) -> bool {
        if std::mem::replace(&mut self.told_cut, true) {
            return false;
        }
        self.plain.drain(..std::mem::take(&mut self.taken));
        crate::sys::put_before(bytes, &mut self.plain)
    }

    /// If only input can get a receiver any further, the next may wait for it at once.
    #[inline]
    pub fn await_input(&self) {
        if self.idle() && self.records.is_none() {
            self.outside.receiver.open();
        }
    }

    /// Whether only input can get a receiver any further.
    #[inline]
    pub fn idle(&self) -> bool {
        let nothing_here = self.input.is_empty() && self.pending() == 0 && self.output.is_empty();
        nothing_here && self.fatal.is_none() && !self.peer_closed && !self.eof
    }

    /// Whether a recv would give something (data, the end, or an error) now; reads what is there.
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
            // A failure to send is told by what sends; here it is asked what there is to receive.
            let _ = self.output.is_empty() || self.flush(config, io).is_ok();
            match self.fill(io, receive) {
                Ok(Some(_)) => {}
                Ok(None) => return false,
                // Not each ends the connection, and then a receiver is told now and asks again.
                Err(e) => {
                    self.receive_failed(io, e);
                    return true;
                }
            }
        }
    }

    /// Takes decrypted bytes that were kept.
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

    /// Decrypts what is here into `to`, and what does not fit into `plain`; stops when either has
    /// something and no more fits. An error behind some data is kept for the next call.
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

    /// Encrypts, through whatever has to go before.
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
