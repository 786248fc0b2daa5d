//! Sending files.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

use super::{cvt, cvt_len, is_unknown, net, time};

/// The maximum for one call.
const MOST: usize = 0x7fff_f000;

#[cfg(not(all(target_env = "gnu", target_pointer_width = "32")))]
use libc::{off_t as Offset, pread, sendfile as sendfile64};
#[cfg(all(target_env = "gnu", target_pointer_width = "32"))]
use libc::{off64_t as Offset, pread64 as pread, sendfile64};

/// sendfile(2) from an offset; does not raise SIGPIPE.
pub fn send(to: BorrowedFd<'_>, file: i32, offset: i64, count: usize) -> io::Result<usize> {
    let file = net::borrow_raw(file)?;
    without_sigpipe(count.min(MOST), |count| {
        let mut offset = offset as Offset;
        // SAFETY: the offset is writable; the rest are numbers.
        cvt_len(unsafe { sendfile64(to.as_raw_fd(), file.as_raw_fd(), &mut offset, count) })
    })
}

/// pread(2); returns the bytes read
pub fn read(file: i32, offset: i64, to: &mut [u8]) -> io::Result<usize> {
    let file = net::borrow_raw(file)?;
    let (at, len) = (to.as_mut_ptr().cast(), to.len());
    // SAFETY: the buffer is writable for its length.
    cvt_len(unsafe { pread(file.as_raw_fd(), at, len, offset as Offset) })
}

/// Runs a call of `count` bytes that has no MSG_NOSIGNAL: blocks SIGPIPE meanwhile, and discards
/// one raised by the call.
fn without_sigpipe(
    count: usize,
    call: impl FnOnce(usize) -> io::Result<usize>,
) -> io::Result<usize> {
    let (mut pipe, mut old) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    let mut pending = MaybeUninit::uninit();
    let (pipe, old) = (pipe.as_mut_ptr(), old.as_mut_ptr());
    // SAFETY: signal sets of this frame, written before they are read.
    unsafe {
        libc::sigemptyset(pipe);
        libc::sigaddset(pipe, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, pipe, old);
        // A SIGPIPE pending before did not come from this call.
        let waits = libc::sigismember(old, libc::SIGPIPE) == 1
            && libc::sigpending(pending.as_mut_ptr()) == 0
            && libc::sigismember(pending.as_ptr(), libc::SIGPIPE) == 1;
        let result = call(count);
        // It may also have been raised after the bytes that were counted.
        if !waits && !matches!(result, Ok(n) if n == count) {
            discard(pipe);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, old, ptr::null_mut());
        result
    }
}

/// Discards a pending signal of a set.
///
/// # Safety
/// The set is readable, and this thread blocks its signals.
unsafe fn discard(set: *const libc::sigset_t) {
    let now = time::timespec(Duration::ZERO);
    // SAFETY: by this function's contract; the time lives above.
    match cvt(unsafe { libc::sigtimedwait(set, ptr::null_mut(), &now) }) {
        // On 32 bits the C library uses the system call with 64-bit times, and a filter may not
        // know it.
        Err(e) if is_unknown(&e) => {}
        _ => return,
    }
    let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
    // SAFETY: as above; the structure is writable for its length; the descriptor is this frame's.
    unsafe {
        let fd = libc::signalfd(-1, set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC);
        if fd >= 0 {
            libc::read(fd, info.as_mut_ptr().cast(), size_of_val(&info));
            libc::close(fd);
        }
    }
}
