//! Sending files.

use super::library::usocket_t;
use super::on_socket;
use crate::error::{Error, Result};

/// Sends `count` bytes of the file `fd` from `offset` on, or fewer at the end of the file: in the
/// kernel where possible (sendfile(2)), piece by piece on a wrapped socket. The file's own position
/// is neither used nor changed.
///
/// It returns less than `count` at the end of the file, and where usocket_write returns less than
/// asked.
///
/// Returns: how many bytes were sent; 0 at the end of the file.
/// Errors: as usocket_write; -EBADF also for `fd`, -EINVAL for a negative offset or a count above
/// SSIZE_MAX, -ESPIPE, -EISDIR for a descriptor that is not a file; -EIO; -EOPNOTSUPP on a socket
/// that is not a stream; -ENOMEM.
/// Blocks: according to the socket's mode, with one deadline for the whole; on the file.
/// Threads: any; bytes of concurrent calls may interleave.
/// Ownership: `fd` stays the caller's.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_sendfile(s: usocket_t, fd: i32, offset: i64, count: usize) -> i64 {
    on_socket(s, |s| {
        check(offset, count)?;
        s.sendfile(fd, offset, count).map(|n| n as i64)
    })
}

fn check(offset: i64, count: usize) -> Result<()> {
    let good = offset >= 0 && count <= isize::MAX as usize;
    if good { Ok(()) } else { Err(Error::os(libc::EINVAL)) }
}
