//! Common options with easily mistaken system interfaces.

use std::ffi::CStr;
use std::os::fd::AsFd;

use super::Socket;
use crate::addr::Addr;
use crate::error::{Error, Result};
use crate::sys::interfaces;

impl Socket {
    /// SO_KEEPALIVE with its times, in microseconds: `idle` negative is off; 0 leaves a time
    /// unchanged.
    pub fn set_keepalive(&self, idle_us: i64, interval_us: i64, count: i32) -> Result<()> {
        let set = |name, value: i32| match value {
            0 => Ok(()),
            _ => self.set_int(libc::IPPROTO_TCP, name, value),
        };
        if idle_us < 0 {
            return self.set_int(libc::SOL_SOCKET, libc::SO_KEEPALIVE, 0);
        }
        if interval_us < 0 || count < 0 || self.kind() != libc::SOCK_STREAM {
            return Err(Error::os(libc::EINVAL));
        }
        set(libc::TCP_KEEPIDLE, seconds(idle_us)?)?;
        set(libc::TCP_KEEPINTVL, seconds(interval_us)?)?;
        set(libc::TCP_KEEPCNT, count)?;
        // Last: this puts the times into effect.
        self.set_int(libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)
    }

    /// SO_LINGER: how long a close waits, in microseconds; negative is off, 0 resets.
    pub fn set_linger(&self, time_us: i64) -> Result<()> {
        let (on, time) = (i32::from(time_us >= 0), seconds(time_us.max(0))?);
        let mut linger = [0; 8];
        linger[..4].copy_from_slice(&on.to_ne_bytes());
        linger[4..].copy_from_slice(&time.to_ne_bytes());
        self.setsockopt(libc::SOL_SOCKET, libc::SO_LINGER, &linger)
    }

    /// MCAST_JOIN_GROUP, or MCAST_LEAVE_GROUP: on the interface of that index, 0 for the system's choice.
    pub fn multicast(&self, join: bool, group: &Addr, interface: u32) -> Result<()> {
        let level = match (group.family(), self.family()) {
            (libc::AF_INET, libc::AF_INET | libc::AF_INET6) => libc::IPPROTO_IP,
            (libc::AF_INET6, libc::AF_INET6) => libc::IPPROTO_IPV6,
            _ => return Err(Error::os(libc::EAFNOSUPPORT)),
        };
        Ok(interfaces::multicast(self.as_fd(), level, join, group, interface)?)
    }

    /// IP_TOS, IPV6_TCLASS, or both on an IPv6 socket that may carry IPv4.
    pub fn set_tos(&self, tos: i32) -> Result<()> {
        if !(0..=255).contains(&tos) {
            return Err(Error::os(libc::EINVAL));
        }
        let six = self.family() == libc::AF_INET6;
        if !six && self.family() != libc::AF_INET {
            return Err(Error::os(libc::EAFNOSUPPORT));
        }
        if six {
            self.set_int(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, tos)?;
        }
        if six && self.getsockopt_int(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)? != 0 {
            return Ok(());
        }
        self.set_int(libc::IPPROTO_IP, libc::IP_TOS, tos)
    }

    /// SO_BINDTODEVICE; no name unbinds.
    pub fn bind_device(&self, name: &CStr) -> Result<()> {
        let name = name.to_bytes_with_nul();
        if name.len() > libc::IFNAMSIZ {
            return Err(Error::os(libc::ENODEV));
        }
        self.setsockopt(libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name)
    }

    fn set_int(&self, level: i32, name: i32, value: i32) -> Result<()> {
        self.setsockopt(level, name, &value.to_ne_bytes())
    }
}

/// Rounded up, so that a positive time does not become 0.
fn seconds(us: i64) -> Result<i32> {
    let whole = us / 1_000_000 + i64::from(us % 1_000_000 > 0);
    i32::try_from(whole).map_err(|_| Error::os(libc::EINVAL))
}
