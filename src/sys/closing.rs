//! A socket's descriptor. With SO_LINGER its close(2) may wait for the peer.
//!
//! A fork must not wait for that, so the thread does not count as inside meanwhile. The kernel
//! releases the descriptor before it waits; a child forked just before that finds it in
//! [`UNDER_WAY`].

use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::fork::{self, Lock};
use super::net;
use super::own::{self, Kind};

/// A descriptor, and the inode that distinguishes its socket from a later one with the same number.
type Socket = (RawFd, u64);

/// The descriptors being closed. If the list is full, the close happens inside, and a fork waits
/// for it.
static UNDER_WAY: Lock<[Option<Socket>; 16]> = Lock::new([None; 16]);

/// See the module documentation.
pub struct Descriptor {
    fd: ManuallyDrop<OwnedFd>,
    may_linger: AtomicBool,
    /// [`fork::forks`] where it was opened, as far as there is room for it.
    forks: u16,
}

impl Descriptor {
    /// A descriptor without SO_LINGER.
    pub fn new(fd: OwnedFd) -> Self {
        Descriptor::with(fd, false)
    }

    #[inline]
    fn with(fd: OwnedFd, may_linger: bool) -> Self {
        let may_linger = AtomicBool::new(may_linger);
        Descriptor { fd: ManuallyDrop::new(fd), may_linger, forks: fork::forks() as u16 }
    }

    /// Records that its close may wait: SO_LINGER is being set, or code outside the library may set
    /// it.
    pub fn may_linger(&self) {
        self.may_linger.store(true, Ordering::Relaxed);
    }

    /// Makes the descriptor of a socket accepted or dup'd from this one.
    #[inline]
    pub fn heir(&self, fd: OwnedFd) -> Self {
        Descriptor::with(fd, self.may_linger.load(Ordering::Relaxed))
    }

    /// Whether its close may wait, according to the system.
    fn lingers(&self) -> bool {
        let told = self.may_linger.load(Ordering::Relaxed) || fork::partings() != 0;
        told && net::lingers(self.fd.as_fd())
    }

    /// Whether the number is anything else's by now: a forked child may have closed it behind our back.
    pub fn is_strange(&self) -> bool {
        let inherited = self.forks != fork::forks() as u16;
        own::is_strange(self.fd.as_raw_fd(), Kind::Socket, inherited)
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
    #[inline]
    fn drop(&mut self) {
        if self.is_strange() {
            return failed(libc::EBADF);
        }
        let lingers = self.lingers();
        // SAFETY: taken once, here.
        let fd = unsafe { ManuallyDrop::take(&mut self.fd) };
        if lingers {
            close_outside(fd);
        } else {
            close(fd);
        }
    }
}

#[cold]
fn close_outside(fd: OwnedFd) {
    let Some(inode) = inode(fd.as_raw_fd()) else { return close(fd) };
    let socket = (fd.as_raw_fd(), inode);
    if replace(None, Some(socket)) {
        fork::outside(|| close(fd));
        replace(Some(socket), None);
    } else {
        close(fd);
    }
}

/// close(2). The number is free afterwards, even on failure.
#[inline]
fn close(fd: OwnedFd) {
    // SAFETY: ours, and given up by this.
    if unsafe { libc::close(fd.into_raw_fd()) } != 0 {
        let errno = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        // EINTR while it waited for the peer is not a failure.
        if errno != libc::EINTR {
            failed(errno);
        }
    }
}

#[cold]
fn failed(errno: i32) {
    FAILED.set(errno);
    FAILURES.fetch_add(1, Ordering::Relaxed);
}

/// How often close(2) has failed, in all threads: only if this changes does a thread check its own.
static FAILURES: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// The last error of close(2) on this thread.
    static FAILED: Cell<i32> = const { Cell::new(0) };
}

/// Runs code that may close a descriptor, and returns the error of close(2).
///
/// # Errors
/// EBADF when the number was not open any more: other code has closed it. EIO.
pub fn watched<T>(close: impl FnOnce() -> T) -> io::Result<T> {
    let before = FAILURES.load(Ordering::Relaxed);
    let value = close();
    if before == FAILURES.load(Ordering::Relaxed) {
        return Ok(value);
    }
    match FAILED.replace(0) {
        0 => Ok(value),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

fn replace(old: Option<Socket>, new: Option<Socket>) -> bool {
    let Ok(mut all) = UNDER_WAY.lock() else { return false };
    let place = all.iter_mut().find(|place| **place == old);
    place.map(|place| *place = new).is_some()
}

/// In a forked child: closes the descriptors that the parent's threads were closing.
pub fn settle() {
    let Ok(mut all) = UNDER_WAY.lock() else { return };
    for (fd, was) in std::mem::take(&mut *all).into_iter().flatten() {
        if inode(fd) == Some(was) {
            // SAFETY: it is the socket whose owner was closing it, a thread that is not here.
            unsafe { libc::close(fd) };
        }
    }
}

#[allow(clippy::unnecessary_cast)] // They have other types on Android.
fn inode(fd: RawFd) -> Option<u64> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: writable for the size of its type, and written when it succeeds.
    let stat = unsafe { (libc::fstat(fd, stat.as_mut_ptr()) == 0).then(|| stat.assume_init())? };
    let kind = stat.st_mode as u32 & libc::S_IFMT as u32;
    (kind == libc::S_IFSOCK as u32).then_some(stat.st_ino as u64)
}
