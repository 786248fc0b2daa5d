//! A socket's descriptor, whose close(2) may wait: with SO_LINGER, for the peer.
//!
//! No fork may wait for that, so the thread steps out of the library meanwhile. The kernel takes the
//! descriptor away before it waits; a child made in the moment before that finds it in [`UNDER_WAY`].

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use super::fork::{self, Lock};

/// A descriptor, and the inode that tells its socket from the next under that number.
type Socket = (RawFd, libc::ino_t);

/// Those that are being closed. One for which there is no room is closed inside.
static UNDER_WAY: Lock<[Option<Socket>; 16]> = Lock::new([None; 16]);

/// See the module documentation.
pub struct Descriptor {
    fd: ManuallyDrop<OwnedFd>,
    lingers: AtomicBool,
}

impl Descriptor {
    /// One that is known to close at once.
    pub fn new(fd: OwnedFd) -> Self {
        Descriptor { fd: ManuallyDrop::new(fd), lingers: AtomicBool::new(false) }
    }

    /// Its close may wait from now on.
    pub fn may_linger(&self) {
        self.lingers.store(true, Ordering::Relaxed);
    }

    /// Whether its close may wait.
    pub fn lingers(&self) -> bool {
        self.lingers.load(Ordering::Relaxed)
    }

    /// Gives it up, open.
    pub fn into_raw_fd(self) -> RawFd {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: taken once: `this` is not dropped.
        unsafe { ManuallyDrop::take(&mut this.fd) }.into_raw_fd()
    }
}

impl Deref for Descriptor {
    type Target = OwnedFd;
    #[inline]
    fn deref(&self) -> &OwnedFd {
        &self.fd
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let lingers = self.lingers();
        // SAFETY: taken once, here.
        let fd = unsafe { ManuallyDrop::take(&mut self.fd) };
        if lingers {
            close_outside(fd);
        }
    }
}

#[cold]
fn close_outside(fd: OwnedFd) {
    let Some(socket) = inode(fd.as_raw_fd()).map(|inode| (fd.as_raw_fd(), inode)) else { return };
    if replace(None, Some(socket)) {
        fork::outside(|| drop(fd));
        replace(Some(socket), None);
    }
}

fn replace(old: Option<Socket>, new: Option<Socket>) -> bool {
    let Ok(mut all) = UNDER_WAY.lock() else { return false };
    let place = all.iter_mut().find(|place| **place == old);
    place.map(|place| *place = new).is_some()
}

/// In a forked child: closes what the parent's threads were about to.
pub fn settle() {
    let Ok(mut all) = UNDER_WAY.lock() else { return };
    for (fd, was) in std::mem::take(&mut *all).into_iter().flatten() {
        if inode(fd) == Some(was) {
            // SAFETY: it is the socket whose owner was closing it, a thread that is not here.
            unsafe { libc::close(fd) };
        }
    }
}

fn inode(fd: RawFd) -> Option<libc::ino_t> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: writable for the size of its type, and written when it succeeds.
    let stat = unsafe { (libc::fstat(fd, stat.as_mut_ptr()) == 0).then(|| stat.assume_init())? };
    (stat.st_mode & libc::S_IFMT == libc::S_IFSOCK).then_some(stat.st_ino)
}
