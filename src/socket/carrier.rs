//! A socket as what carries a TLS session's records.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use super::Socket;
use crate::tls::transport::Transport;

impl Transport for Socket {
    #[inline]
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }

    #[inline]
    fn timeout_us(&self) -> i64 {
        Socket::timeout_us(self)
    }

    fn changed(&self) {
        self.watchers().poke();
    }

    fn peer(&self) -> Option<IpAddr> {
        self.getpeername().ok()?.host().ok()?.parse().ok()
    }
}
