//! Sending a file: in the kernel where it can, piece by piece where it cannot (TLS, odd files).

use std::os::fd::AsFd;

use crate::error::{Error, Result};
use crate::socket::{Socket, Start};
use crate::sys::{file, memory};
use crate::wait;

/// The size of one read: four TLS records.
const PIECE: usize = 64 * 1024;
/// Failures of sendfile(2) after which read(2) and send(2) may do: EPERM and EACCES are a filter's.
const NO_SENDFILE: [i32; 4] = [libc::EINVAL, libc::ENOSYS, libc::EPERM, libc::EACCES];

impl Socket {
    /// Sends `count` bytes of a file from `offset` on, or fewer at its end. As with `write`, a
    /// short result means that no more could be sent, and the next call reports the error.
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
                    // sendfile(2) does not support it, or a filter refuses it; read(2) tells whether it is
                    // a file at all.
                    Err(e) if NO_SENDFILE.iter().any(|no| e.is(*no)) => kernels = false,
                    // The file's end, or a signal: before it blocks again, the event hook runs.
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
