//! The socket beneath a session, before it begins and when it ends.

use std::os::fd::BorrowedFd;

use crate::sys::net;

/// Whether it has a peer.
pub fn is_connected(fd: BorrowedFd<'_>) -> bool {
    // Whatever else is wrong, its use will tell.
    !matches!(net::getpeername(fd), Err(e) if e.raw_os_error() == Some(libc::ENOTCONN))
}

/// Takes what has arrived out of the kernel, such as the tickets of TLS 1.3: a descriptor closed
/// with bytes unread resets the connection, and the reset may overtake what was sent (RFC 1122,
/// 4.2.2.13).
pub fn discard_input(fd: BorrowedFd<'_>) {
    const PIECES: usize = 16;
    let mut piece = [0; 4096];
    for _ in 0..PIECES {
        match net::recv_into(fd, &mut piece, libc::MSG_DONTWAIT) {
            Ok(n) if n == piece.len() => {}
            _ => return, // Short means empty.
        }
    }
}
