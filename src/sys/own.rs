//! A descriptor internal to the library, unknown to its host.
//!
//! A forked child of a daemon closes every open descriptor, and opens others under the same
//! numbers. The library's objects from before the fork must not use those.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::fork::forks;

/// See the module documentation.
pub struct Own {
    fd: ManuallyDrop<OwnedFd>,
    kind: Kind,
    /// [`forks`] where it was opened.
    forks: u32,
}

/// The kind of object behind a descriptor number, as far as it can be determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An eventfd, epoll or timerfd: they have no type of file.
    Anonymous,
    /// A socket.
    Socket,
}

impl Own {
    /// One that was just opened.
    pub fn new(fd: OwnedFd, kind: Kind) -> Own {
        Own { fd: ManuallyDrop::new(fd), kind, forks: forks() }
    }

    /// Whether the number is anything else's by now. Only a child's host can have done that.
    pub fn is_strange(&self) -> bool {
        is_strange(self.fd.as_raw_fd(), self.kind, self.forks != forks())
    }

    /// Whether the number is closed or something else's, in this very process. This always looks.
    pub fn is_lost(&self) -> bool {
        found(self.fd.as_raw_fd()) != Some(Some(self.kind))
    }
}

/// Whether a number that named a descriptor of that kind is open and names one of another kind. It is
/// looked at only if it is from before a fork.
#[inline]
pub fn is_strange(fd: RawFd, kind: Kind, inherited: bool) -> bool {
    inherited && found(fd).is_some_and(|found| found != Some(kind))
}

/// The kind of object behind an open number. The dead descriptor under a closing socket's number
/// (`net::give_up_number`) counts as a socket.
#[cold]
fn found(fd: RawFd) -> Option<Option<Kind>> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: writable for the size of its type, and written when it succeeds.
    let stat = unsafe { (libc::fstat(fd, stat.as_mut_ptr()) == 0).then(|| stat.assume_init())? };
    Some(match stat.st_mode & libc::S_IFMT {
        0 => Some(Kind::Anonymous),
        libc::S_IFSOCK => Some(Kind::Socket),
        // SAFETY: no pointers.
        libc::S_IFDIR if unsafe { libc::fcntl(fd, libc::F_GETFL) } & libc::O_PATH != 0 => {
            Some(Kind::Socket)
        }
        _ => None,
    })
}

impl Deref for Own {
    type Target = OwnedFd;
    #[inline]
    fn deref(&self) -> &OwnedFd {
        &self.fd
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if !self.is_strange() {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.fd) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_tells_what_it_names() {
        let anonymous = super::super::poll::epoll();
        let anonymous = anonymous.unwrap_or_else(|e| panic!("{e}"));
        let number = anonymous.as_raw_fd();
        assert_eq!(found(number), Some(Some(Kind::Anonymous)));
        assert!(is_strange(number, Kind::Socket, true));
        assert!(!is_strange(number, Kind::Socket, false), "nobody looks without a fork");
        assert!(!is_strange(-1, Kind::Socket, true), "not open");
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(found(socket.as_raw_fd()), Some(Some(Kind::Socket)));
        let file = std::fs::File::open("/dev/null").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(found(file.as_raw_fd()), Some(None));
    }
}
