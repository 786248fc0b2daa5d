//! The socket beneath a session, before it begins and when it ends.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::sys::{net, poll};

/// Whether there is a connection to begin on; false while it is being made.
///
/// # Errors
/// ENOTCONN, or why the connection could not be made.
pub fn is_connected(fd: BorrowedFd<'_>) -> Result<bool> {
    match net::getpeername(fd) {
        Err(e) if e.raw_os_error() == Some(libc::ENOTCONN) => {}
        _ => return Ok(true), // Whatever else is wrong, its use will tell.
    }
    let mut one = [libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLOUT, revents: 0 }];
    if poll::ppoll(&mut one, Some(Duration::ZERO))? == 0 {
        return Ok(false);
    }
    match net::getsockopt_int(fd, libc::SOL_SOCKET, libc::SO_ERROR)? {
        0 => Err(Error::os(libc::ENOTCONN)),
        errno => Err(Error::os(errno)),
    }
}

/// Takes what has arrived out of the kernel, such as the tickets of TLS 1.3: a descriptor closed
/// with bytes unread resets the connection, and the reset may overtake what was sent (RFC 1122,
/// 4.2.2.13).
pub fn discard_input(fd: BorrowedFd<'_>) {
    const PIECES: usize = 16;
    let mut piece = [0; 4096];
    for _ in 0..PIECES {
        match net::recv_now(fd, &mut piece) {
            Ok(1..) => {}
            _ => return,
        }
    }
}
