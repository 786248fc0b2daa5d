//! sendmsg and recvmsg: data in pieces, and ancillary data.

use std::ffi::c_void;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::address::{Addr, STORAGE};
use super::cvt_len;

/// A piece of a message's data, laid out as `struct iovec`. Its maker guarantees that the memory is
/// valid.
#[repr(transparent)]
pub struct Piece(libc::iovec);

impl Piece {
    /// The caller's pieces.
    ///
    /// # Safety
    /// `count` entries lie at `at`, laid out as `struct iovec`; each is valid memory for its length,
    /// writable if it is received into, until the slice is gone.
    pub unsafe fn list<'a>(at: *const c_void, count: usize) -> &'a [Piece] {
        // SAFETY: by this function's contract; `Piece` is transparent.
        unsafe { std::slice::from_raw_parts(at.cast(), count) }
    }

    /// Where it is; NULL only when it is empty.
    pub fn base(&self) -> *mut c_void {
        self.0.iov_base
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.0.iov_len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.iov_len == 0
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match self.is_empty() {
            true => &[],
            // SAFETY: valid for its length, and not NULL when it has one.
            false => unsafe { std::slice::from_raw_parts(self.0.iov_base.cast(), self.len()) },
        }
    }

    /// Its room.
    #[allow(clippy::mut_from_ref)] // The memory is the caller's, and not in the piece.
    pub fn room(&self) -> &mut [MaybeUninit<u8>] {
        match self.is_empty() {
            true => &mut [],
            // SAFETY: as above, and writable: only what receives asks for room.
            false => unsafe { std::slice::from_raw_parts_mut(self.0.iov_base.cast(), self.len()) },
        }
    }
}

/// The total length of the pieces; `None` when it overflows.
pub fn total(pieces: &[Piece]) -> Option<usize> {
    let sum = pieces.iter().try_fold(0usize, |sum, piece| sum.checked_add(piece.len()))?;
    (sum <= isize::MAX as usize).then_some(sum)
}

/// A received message without its data.
#[derive(Clone, Copy, Default)]
pub struct Received {
    /// The number of bytes received; with MSG_TRUNC requested, the length of the message.
    pub len: usize,
    /// How many bytes of ancillary data.
    pub control: usize,
    /// MSG_TRUNC, MSG_CTRUNC, MSG_EOR, ...
    pub flags: i32,
}

/// sendmsg(2)
#[inline]
pub fn send(
    fd: BorrowedFd<'_>,
    pieces: &[Piece],
    control: &[u8],
    to: Option<&Addr>,
    flags: i32,
) -> io::Result<usize> {
    if control.len() > i32::MAX as usize {
        return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
    }
    let mut msg = header(pieces);
    if let Some(to) = to {
        msg.msg_name = to.as_sockaddr().cast_mut().cast();
        msg.msg_namelen = to.socklen();
    }
    if !control.is_empty() {
        msg.msg_control = control.as_ptr().cast_mut().cast();
        msg.msg_controllen = control.len() as _;
    }
    // SAFETY: the header's pointers are to what the arguments vouch for; nothing is written.
    cvt_len(unsafe { libc::sendmsg(fd.as_raw_fd(), &msg, flags) })
}

/// recvmsg(2); writes the sender's address to `from`, and no other bytes of it
#[inline]
pub fn recv(
    fd: BorrowedFd<'_>,
    pieces: &[Piece],
    control: &mut [MaybeUninit<u8>],
    from: Option<&mut MaybeUninit<Addr>>,
    flags: i32,
) -> io::Result<Received> {
    let mut msg = header(pieces);
    let from = from.map(|from| from.as_mut_ptr());
    if let Some(from) = from {
        // SAFETY: only the address of the storage is taken, which is the caller's.
        msg.msg_name = unsafe { (&raw mut (*from).storage).cast() };
        msg.msg_namelen = STORAGE as libc::socklen_t;
    }
    if !control.is_empty() {
        msg.msg_control = control.as_mut_ptr().cast();
        msg.msg_controllen = control.len().min(i32::MAX as usize) as _;
    }
    // SAFETY: the header's pointers are to what the arguments vouch for, writable.
    let len = cvt_len(unsafe { libc::recvmsg(fd.as_raw_fd(), &mut msg, flags) })?;
    if let Some(from) = from {
        // SAFETY: the storage has been written as far as the length says.
        unsafe { Addr::settle(from, msg.msg_namelen) };
    }
    #[allow(clippy::unnecessary_cast)] // Not a size everywhere.
    let control = msg.msg_controllen as usize;
    // The system returns the requested flags as well.
    Ok(Received { len, control, flags: msg.msg_flags & !libc::MSG_CMSG_CLOEXEC })
}

/// A message header with only these pieces.
fn header(pieces: &[Piece]) -> libc::msghdr {
    // SAFETY: all zeroes is an empty message; some platforms have padding with no name.
    let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
    msg.msg_iov = pieces.as_ptr().cast_mut().cast();
    msg.msg_iovlen = pieces.len() as _;
    msg
}

/// Closes the descriptors received with a discarded message.
pub fn close_rights(control: &[MaybeUninit<u8>]) {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    const SCM_PIDFD: i32 = 4;
    let mut rest = control;
    while rest.len() >= HEADER {
        // SAFETY: a header's worth of bytes, which recvmsg has written.
        let head = unsafe { rest.as_ptr().cast::<libc::cmsghdr>().read_unaligned() };
        #[allow(clippy::unnecessary_cast)] // Not a size everywhere.
        let len = (head.cmsg_len as usize).clamp(HEADER, rest.len());
        let descriptors = matches!(head.cmsg_type, libc::SCM_RIGHTS | SCM_PIDFD);
        if head.cmsg_level == libc::SOL_SOCKET && descriptors {
            // SAFETY: written by recvmsg as well; the descriptors were made for us alone.
            rest[HEADER..len].chunks_exact(size_of::<i32>()).for_each(|fd| unsafe {
                libc::close(fd.as_ptr().cast::<i32>().read_unaligned());
            });
        }
        let aligned = len.next_multiple_of(size_of::<usize>());
        rest = rest.get(aligned..).unwrap_or_default();
    }
}
