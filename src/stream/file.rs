//! Sending a file: in the kernel where it can, piece by piece where it cannot (TLS, odd files).

use std::os::fd::AsFd;

use crate::error::{Error, Result};
use crate::socket::{Socket, Start};
use crate::sys::{file, memory};
use crate::wait;

/// How much is read at once; four records of TLS.
const PIECE: usize = 64 * 1024;

impl Socket {
    /// Sends `count` bytes of a file from `offset` on, or what there is to its end. As `write` gives it
    /// less comes back when that is all that could be done; an error is for the next call then.
    ///
    /// # Errors
    /// EOPNOTSUPP on a socket that is not a stream; EBADF, EISDIR, ESPIPE, ... of the file; those of send.
    pub fn sendfile(&self, from: i32, offset: i64, count: usize) -> Result<usize> {
        if self.kind() != libc::SOCK_STREAM {
            return Err(Error::os(libc::EOPNOTSUPP));
        }
        let mut deadline = self.deadline();
        self.late(false)?;
        let (mut piece, mut kernels) = (Vec::new(), self.session().is_none());
        let mut stopped = Ok(());
        self.gather(false, count, |done| {
            std::mem::replace(&mut stopped, Ok(()))?;
            let (at, left) = (offset.saturating_add(done as i64), count - done);
            if kernels {
                let sent =
                    self.without_flags(&mut deadline, || file::send(self.as_fd(), from, at, left));
                match sent {
                    // No file for it; whether it is one at all, reading tells.
                    Err(e) if e.is(libc::EINVAL) || e.is(libc::ENOSYS) => kernels = false,
                    // The file's end, or a signal: it blocks again only after the host has looked.
                    Ok(n) if 0 < n && n < left && deadline.is_never() => {
                        stopped = wait::interrupted();
                        return sent;
                    }
                    _ => return sent,
                }
            }
            if piece.is_empty() {
                memory::fill(&mut piece, 0, left.min(PIECE))?;
            }
            let room = &mut piece[..left.min(PIECE)];
            let read = file::read(from, at, room)?;
            match read {
                0 => Ok(0),
                _ => self.send_step(Start::Further, &room[..read], 0, &mut deadline),
            }
        })
    }
}
