//! read, readline and write: MicroPython's stream methods, over any stream.
//!
//! "No short reads, no short writes": each goes on until everything is done, the stream ends, or an
//! error occurs. An error (a timeout, a reset) after a part does not discard that part: the part is
//! returned, and the next call reports the error. EAGAIN is not kept; the next call gets it again.
//! EINTR (the event hook said stop) is kept, so that the host can tell the short result from the
//! end of the stream.

use std::mem::MaybeUninit;

use crate::error::causes::USOCKET_ETLS_TRUNCATED;
use crate::error::{Error, Result};
use crate::socket::{First, Socket, Start};
use crate::wait::{self, Deadline};

mod file;

/// The size of one look-ahead for a newline. Lines are short; a longer one costs another pair of
/// system calls for each piece of this size.
const LOOK_AHEAD: usize = 4096;

impl Socket {
    /// Fills `buf`; less only at the end of the stream, on would-block, or before a kept error.
    pub fn read(&self, buf: &mut [MaybeUninit<u8>]) -> Result<usize> {
        self.late(true)?;
        let mut deadline = self.deadline();
        // In blocking mode the kernel itself can wait for all bytes of a stream, in one call.
        let in_one =
            self.timeout_us() < 0 && self.kind() == libc::SOCK_STREAM && self.session().is_none();
        let flags = if in_one { libc::MSG_WAITALL } else { 0 };
        self.gather(true, buf.len(), |done| {
            let mut step = |probe| {
                self.recv_step(Start::Further, &mut buf[done..], flags | probe, &mut deadline)
            };
            if done == 0 { step(0) } else { self.go_on(step) }
        })
        .and_then(|n| self.not_cut_off(&buf[..n]))
    }

    /// Reports once, before the last bytes, that a TLS stream was truncated, since a short read
    /// looks like the end. The next call returns the bytes.
    fn not_cut_off(&self, got: &[MaybeUninit<u8>]) -> Result<usize> {
        match self.session() {
            Some(tls) if self.late_is(USOCKET_ETLS_TRUNCATED) && tls.put_back(got) => {
                self.late(true).map(|()| got.len())
            }
            _ => Ok(got.len()),
        }
    }

    /// Writes all of `buf`; less only on would-block or before a kept error.
    pub fn write(&self, buf: &[u8]) -> Result<usize> {
        self.late(false)?;
        let mut deadline = self.deadline();
        self.gather(false, buf.len(), |done| {
            let mut step =
                |probe| self.send_step(Start::Further, &buf[done..], probe, &mut deadline);
            if done == 0 { step(0) } else { self.go_on(step) }
        })
    }

    /// Sends all of `buf`, or fails; the number of bytes sent is then unknown.
    #[cfg(test)]
    pub(crate) fn sendall(&self, buf: &[u8], flags: i32) -> Result<()> {
        self.sendall_on(self.try_send(buf, flags), buf, flags)
    }

    /// Sends all of `buf`, after the first system call, or fails; the number of bytes sent is then
    /// unknown.
    pub(crate) fn sendall_on(&self, first: First, buf: &[u8], flags: i32) -> Result<()> {
        let mut deadline = self.deadline();
        let mut done = first.or_else(|start| self.send_step(start, buf, flags, &mut deadline))?;
        while done < buf.len() {
            done += self.go_on(|probe| {
                self.send_step(Start::Further, &buf[done..], flags | probe, &mut deadline)
            })?;
        }
        self.sent(flags, &mut deadline)
    }

    /// Makes a further step of an operation that has done a part.
    ///
    /// A system call that blocks and has done a part returns that part when a signal comes, not
    /// EINTR. So after a part the next step first tries without blocking: if nothing can be done, a
    /// signal was the reason, and the event hook runs before the step blocks again.
    fn go_on(&self, mut step: impl FnMut(i32) -> Result<usize>) -> Result<usize> {
        let kernel_blocks = self.timeout_us() < 0 && self.session().is_none();
        if kernel_blocks && self.kind() == libc::SOCK_STREAM {
            match step(libc::MSG_DONTWAIT) {
                Err(e) if e.is(libc::EAGAIN) => wait::interrupted()?,
                done => return done,
            }
        }
        step(0)
    }

    /// Waits, as the mode allows, until all bytes taken by TLS are in the kernel.
    fn sent(&self, flags: i32, deadline: &mut Deadline) -> Result<()> {
        match self.session() {
            Some(tls) if self.timeout_us() != 0 && flags & libc::MSG_DONTWAIT == 0 => {
                tls.flush(self, deadline)
            }
            _ => Ok(()),
        }
    }

    /// Reads up to and with a newline, at most `buf.len()` bytes; 0 at the end of the stream.
    ///
    /// Bytes after the newline stay in the kernel (it looks ahead with MSG_PEEK), so that polling
    /// the descriptor remains correct.
    ///
    /// # Errors
    /// EOPNOTSUPP on a datagram socket: reading a part of a datagram loses the rest.
    pub fn readline(&self, buf: &mut [MaybeUninit<u8>]) -> Result<usize> {
        if self.kind() != libc::SOCK_STREAM {
            return Err(Error::os(libc::EOPNOTSUPP));
        }
        self.late(true)?;
        let mut deadline = self.deadline();
        let mut ended = false;
        self.gather(true, buf.len(), |done| {
            if ended {
                return Ok(0);
            }
            let end = buf.len().min(done + LOOK_AHEAD);
            let ahead = &mut buf[done..end];
            let seen = self.recv_step(Start::Further, ahead, libc::MSG_PEEK, &mut deadline)?;
            let line = newline_in(&ahead[..seen]);
            let take = &mut ahead[..line.unwrap_or(seen)];
            if take.is_empty() {
                return Ok(0);
            }
            let taken = self.recv_step(Start::Further, take, 0, &mut deadline)?;
            // (The kernel may give less than it has just shown.)
            ended = line == Some(taken);
            Ok(taken)
        })
        .and_then(|n| self.not_cut_off(&buf[..n]))
    }

    /// Calls `step` with the number of bytes done so far until `want` is reached, or it returns 0
    /// or an error.
    fn gather(
        &self,
        incoming: bool,
        want: usize,
        mut step: impl FnMut(usize) -> Result<usize>,
    ) -> Result<usize> {
        let mut done = 0;
        while done < want {
            match step(done) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if done == 0 => return Err(e),
                Err(e) => {
                    if !e.is(libc::EAGAIN) {
                        self.keep_late(incoming, e);
                    }
                    break;
                }
            }
        }
        Ok(done)
    }
}

/// The number of bytes up to and including the first newline.
fn newline_in(bytes: &[MaybeUninit<u8>]) -> Option<usize> {
    crate::sys::find_byte(b'\n', bytes).map(|at| at + 1)
}
