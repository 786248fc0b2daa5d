//! A socket as the transport of a TLS session.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use super::{IPPROTO_SEC, Socket};
use crate::sys::net;
use crate::tls::transport::Transport;
use crate::wait::limits::Limits;

impl Transport for Socket {
    #[inline]
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }

    #[inline]
    fn timeout_us(&self) -> i64 {
        Socket::timeout_us(self)
    }

    fn limits(&self) -> Option<&Limits> {
        Socket::limits(self)
    }

    fn room(&self) -> Option<usize> {
        /// On a Unix socket each send is a packet of its own, with this overhead.
        const UNIX_PACKET: usize = 2304;
        let tcp = [0, libc::IPPROTO_TCP, IPPROTO_SEC].contains(&self.proto());
        let around = match self.family() {
            libc::AF_INET | libc::AF_INET6 if tcp => 0,
            libc::AF_UNIX => UNIX_PACKET,
            _ => return None,
        };
        net::send_room(self.as_fd()).ok().map(|room| room.saturating_sub(around))
    }

    fn widen(&self, more: usize) {
        // Best effort: if it fails, the send waits.
        let _ = net::widen_send_room(self.as_fd(), more);
    }

    fn changed(&self) {
        self.watchers().poke();
    }

    fn peer(&self) -> Option<IpAddr> {
        self.getpeername().ok()?.host().ok()?.parse().ok()
    }
}
