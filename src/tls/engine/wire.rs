//! Ciphertext: what comes from the kernel and what goes to it.

use std::os::fd::BorrowedFd;

use super::Engine;
use crate::error::{Error, Result};
use crate::sys::net;
use crate::tls::buffer::{self, Buffer};
use crate::tls::code::USOCKET_ETLS_RECORD_OVERFLOW;
use crate::tls::config::Config;
use crate::tls::drive::{Out, Turn};

impl Engine {
    /// Sends what is waiting to go; false while not all is gone.
    pub fn flush(&mut self, config: &Config, fd: BorrowedFd<'_>) -> Result<bool> {
        while !self.output.is_empty() {
            let all = self.output.filled().len();
            match net::send_now(fd, self.output.filled()) {
                Ok(n) => {
                    self.output.consume(n);
                    // Short means full: the next would only say EAGAIN.
                    if n < all {
                        break;
                    }
                }
                Err(e) => match e.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN) => break,
                    _ => return Err(self.send_failed(config, fd, e.into())),
                },
            }
        }
        self.output.settle();
        Ok(self.output.is_empty())
    }

    /// Receives ciphertext: `None` when there is none now, 0 at the end.
    pub(super) fn fill(&mut self, fd: BorrowedFd<'_>) -> Result<Option<usize>> {
        if self.eof {
            return Ok(Some(0));
        }
        let room = match self.complete {
            true => self.input.large_room(buffer::IN, 4096),
            false => self.input.room(4096),
        };
        if room.is_empty() {
            return Err(Error::tls(USOCKET_ETLS_RECORD_OVERFLOW));
        }
        loop {
            match net::recv_now(fd, room) {
                Ok(n) => {
                    self.input.fill(n);
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

    /// A peer that ends the connection may have said why before: that is the better error.
    fn send_failed(&mut self, config: &Config, fd: BorrowedFd<'_>, e: Error) -> Error {
        if e.is(libc::ENOTCONN) || e.is(libc::EBADF) {
            return e;
        }
        self.output = Buffer::default();
        self.unsendable = Some(e);
        while self.fatal.is_none() && !self.peer_closed && matches!(self.fill(fd), Ok(Some(1..))) {
            while !self.input.is_empty() {
                match self.turn(config, fd, Out::Nothing, &mut []) {
                    Ok((Turn::Idle, _)) | Err(_) => break,
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
