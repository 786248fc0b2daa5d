//! The socket calls, and those about a socket's descriptor: its mode, whose it is, and its end.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::address::{Addr, STORAGE};
use super::{cvt, cvt_len, is_unknown};

/// bind(2)
pub fn bind(fd: BorrowedFd<'_>, addr: &Addr) -> io::Result<()> {
    // SAFETY: the address is valid for `len` bytes (`Addr` keeps len within its storage).
    cvt(unsafe { libc::bind(fd.as_raw_fd(), addr.as_sockaddr(), addr.socklen()) }).map(drop)
}

/// connect(2)
pub fn connect(fd: BorrowedFd<'_>, addr: &Addr) -> io::Result<()> {
    // SAFETY: as in `bind`.
    cvt(unsafe { libc::connect(fd.as_raw_fd(), addr.as_sockaddr(), addr.socklen()) }).map(drop)
}

/// accept4(2), close-on-exec; writes the peer's address to `from`, and no other bytes of it
#[inline]
pub fn accept(
    fd: BorrowedFd<'_>,
    nonblocking: bool,
    from: Option<&mut MaybeUninit<Addr>>,
) -> io::Result<OwnedFd> {
    let mut len = STORAGE as libc::socklen_t;
    let Some(from) = from.map(MaybeUninit::as_mut_ptr) else {
        // SAFETY: no address is asked for.
        return unsafe { accept_into(fd, nonblocking, ptr::null_mut(), ptr::null_mut()) };
    };
    // SAFETY: the address is writable for its length, and written when it succeeds.
    unsafe {
        let new = accept_into(fd, nonblocking, (&raw mut (*from).storage).cast(), &mut len)?;
        Addr::settle(from, len);
        Ok(new)
    }
}

/// # Safety
/// The address is NULL, or writable for its length.
#[inline]
unsafe fn accept_into(
    fd: BorrowedFd<'_>,
    nonblocking: bool,
    addr: *mut libc::sockaddr,
    len: *mut libc::socklen_t,
) -> io::Result<OwnedFd> {
    let flags = libc::SOCK_CLOEXEC | if nonblocking { libc::SOCK_NONBLOCK } else { 0 };
    // SAFETY: by this function's contract; the descriptor is fresh and ours.
    unsafe {
        match libc::accept4(fd.as_raw_fd(), addr, len, flags) {
            new @ 0.. => Ok(OwnedFd::from_raw_fd(new)),
            _ => accept_otherwise(fd, nonblocking, addr, len),
        }
    }
}

/// After accept4(2) has failed: with accept(2), if the reason is that a seccomp filter refused it. Or
/// a firewall did, and then this fails too.
///
/// # Safety
/// As [`accept_into`].
#[cold]
unsafe fn accept_otherwise(
    fd: BorrowedFd<'_>,
    nonblocking: bool,
    addr: *mut libc::sockaddr,
    len: *mut libc::socklen_t,
) -> io::Result<OwnedFd> {
    let e = io::Error::last_os_error();
    if !is_unknown(&e) {
        return Err(e);
    }
    // SAFETY: by this function's contract; the descriptor is fresh and ours.
    let new = unsafe { OwnedFd::from_raw_fd(cvt(libc::accept(fd.as_raw_fd(), addr, len))?) };
    set_cloexec(new.as_fd())?;
    // The new socket does not inherit the listener's flags.
    if nonblocking {
        set_nonblocking(new.as_fd(), true)?;
    }
    Ok(new)
}

/// sendto(2)
#[inline]
pub fn sendto(fd: BorrowedFd<'_>, buf: &[u8], flags: i32, addr: &Addr) -> io::Result<usize> {
    // SAFETY: buffer and address are valid for the lengths given.
    cvt_len(unsafe {
        libc::sendto(
            fd.as_raw_fd(),
            buf.as_ptr().cast(),
            buf.len(),
            flags,
            addr.as_sockaddr(),
            addr.socklen(),
        )
    })
}

/// send(2)
#[inline]
pub fn send(fd: BorrowedFd<'_>, buf: &[u8], flags: i32) -> io::Result<usize> {
    // SAFETY: the buffer is readable for its length.
    cvt_len(unsafe { libc::send(fd.as_raw_fd(), buf.as_ptr().cast(), buf.len(), flags) })
}

/// recv(2)
#[inline]
pub fn recv(fd: BorrowedFd<'_>, buf: &mut [MaybeUninit<u8>], flags: i32) -> io::Result<usize> {
    // SAFETY: the buffer is writable for its length.
    cvt_len(unsafe { libc::recv(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), flags) })
}

/// recvfrom(2); writes the sender's address to `from`, and no other bytes of it
#[inline]
pub fn recvfrom(
    fd: BorrowedFd<'_>,
    buf: &mut [MaybeUninit<u8>],
    flags: i32,
    from: &mut MaybeUninit<Addr>,
) -> io::Result<usize> {
    let (at, size, from) = (buf.as_mut_ptr().cast(), buf.len(), from.as_mut_ptr());
    let mut len = STORAGE as libc::socklen_t;
    // SAFETY: `buf` and `from` are writable; the family has been written when there are bytes of it.
    unsafe {
        let addr = &raw mut (*from).storage;
        let n = cvt_len(libc::recvfrom(fd.as_raw_fd(), at, size, flags, addr.cast(), &mut len))?;
        Addr::settle(from, len);
        Ok(n)
    }
}

/// recv(2) into an initialised buffer
#[inline]
pub fn recv_into(fd: BorrowedFd<'_>, buf: &mut [u8], flags: i32) -> io::Result<usize> {
    let (at, len) = (buf.as_mut_ptr().cast(), buf.len());
    // SAFETY: the buffer is writable for its length.
    cvt_len(unsafe { libc::recv(fd.as_raw_fd(), at, len, flags) })
}

/// send(2) that does not wait
#[inline]
pub fn send_now(fd: BorrowedFd<'_>, buf: &[u8]) -> io::Result<usize> {
    send(fd, buf, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
}

#[cfg(not(target_os = "android"))]
use libc::SO_MEMINFO;
/// The libc crate lacks it for Android.
#[cfg(target_os = "android")]
const SO_MEMINFO: libc::c_int = 55;

/// SO_MEMINFO: the bytes in the send queue, including the kernel's overhead, and their limit.
fn send_memory(fd: BorrowedFd<'_>) -> io::Result<(usize, usize)> {
    // SK_MEMINFO_: bytes in the stream's queue (TCP) or in packets (Unix), and the limit.
    const WMEM_ALLOC: usize = 2;
    const SNDBUF: usize = 3;
    const WMEM_QUEUED: usize = 5;
    let mut info = [0u32; 16];
    let mut len = size_of_val(&info) as libc::socklen_t;
    let at = info.as_mut_ptr().cast();
    // SAFETY: the kernel writes at most the length given.
    cvt(unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, SO_MEMINFO, at, &mut len) })?;
    // Emulated kernels may return less.
    if (len as usize) < (WMEM_QUEUED + 1) * size_of::<u32>() {
        return Err(io::Error::from_raw_os_error(libc::ENOPROTOOPT));
    }
    let queued = if info[WMEM_QUEUED] > 0 { info[WMEM_QUEUED] } else { info[WMEM_ALLOC] };
    Ok((queued as usize, info[SNDBUF] as usize))
}

/// The free space in the send queue, including the kernel's overhead.
pub fn send_room(fd: BorrowedFd<'_>) -> io::Result<usize> {
    send_memory(fd).map(|(queued, limit)| limit.saturating_sub(queued))
}

/// Makes room for `more` bytes in the send queue, within the kernel's limits.
pub fn widen_send_room(fd: BorrowedFd<'_>, more: usize) -> io::Result<()> {
    /// Allowance for the kernel's overhead.
    const EXTRA: usize = 64 * 1024;
    let queued = match send_memory(fd) {
        Ok((queued, _)) => queued,
        // As much as may be.
        Err(_) => getsockopt_int(fd, libc::SOL_SOCKET, libc::SO_SNDBUF)?.try_into().unwrap_or(0),
    };
    // The kernel doubles it.
    let half = i32::try_from((queued + 2 * more + EXTRA) / 2).unwrap_or(i32::MAX / 2);
    setsockopt(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, &half.to_ne_bytes())
}

/// shutdown(2) of the sending half
pub fn shut_out(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no pointers.
    cvt(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) }).map(drop)
}

/// getsockname(2)
pub fn getsockname(fd: BorrowedFd<'_>) -> io::Result<Addr> {
    let fd = fd.as_raw_fd();
    // SAFETY: `fill` passes a writable address and its length.
    Addr::fill(|addr, len| cvt(unsafe { libc::getsockname(fd, addr, len) })).map(|(_, a)| a)
}

/// getpeername(2)
pub fn getpeername(fd: BorrowedFd<'_>) -> io::Result<Addr> {
    let fd = fd.as_raw_fd();
    // SAFETY: `fill` passes a writable address and its length.
    Addr::fill(|addr, len| cvt(unsafe { libc::getpeername(fd, addr, len) })).map(|(_, a)| a)
}

/// setsockopt(2)
pub fn setsockopt(fd: BorrowedFd<'_>, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    let len = libc::socklen_t::try_from(value.len())
        .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // SAFETY: the value is readable for its length.
    cvt(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value.as_ptr().cast(), len) })
        .map(drop)
}

/// getsockopt(2): how many bytes of `value` were written
pub fn getsockopt(
    fd: BorrowedFd<'_>,
    level: i32,
    name: i32,
    value: &mut [MaybeUninit<u8>],
) -> io::Result<usize> {
    let mut len = libc::socklen_t::try_from(value.len())
        .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // SAFETY: the value is writable for its length.
    cvt(unsafe {
        libc::getsockopt(fd.as_raw_fd(), level, name, value.as_mut_ptr().cast(), &mut len)
    })?;
    Ok((len as usize).min(value.len()))
}

/// getsockopt(2) of an integer
pub fn getsockopt_int(fd: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<i32> {
    // Zeroed, because some options are a single byte.
    let mut value = [MaybeUninit::new(0u8); 4];
    getsockopt(fd, level, name, &mut value)?;
    // SAFETY: every byte was initialised above.
    Ok(i32::from_ne_bytes(value.map(|b| unsafe { b.assume_init() })))
}

/// SO_LINGER: whether close(2) may wait. With time 0 it does not: it resets at once.
pub fn lingers(fd: BorrowedFd<'_>) -> bool {
    let mut value = [MaybeUninit::new(0u8); size_of::<libc::linger>()];
    if getsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, &mut value).is_err() {
        return false;
    }
    // SAFETY: all bytes are initialised, and any are a linger.
    let linger: libc::linger = unsafe { std::mem::transmute(value) };
    linger.l_onoff != 0 && linger.l_linger != 0
}

/// ioctl(FIONBIO): one call where fcntl(2) needs two
pub fn set_nonblocking(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let mut on = libc::c_int::from(on);
    // SAFETY: FIONBIO reads an int.
    cvt(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, &mut on) }).map(drop)
}

/// fcntl(F_GETFL) & O_NONBLOCK
pub fn is_nonblocking(fd: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: F_GETFL takes no argument.
    Ok(cvt(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })? & libc::O_NONBLOCK != 0)
}

/// fcntl(F_SETFD, FD_CLOEXEC)
pub fn set_cloexec(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: F_SETFD takes an int.
    cvt(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) }).map(drop)
}

/// Borrows a descriptor supplied by the caller.
///
/// # Errors
/// EBADF for a negative number. The first call on it finds out whether it is open.
pub fn borrow_raw(fd: i32) -> io::Result<BorrowedFd<'static>> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: not -1. The number may name nothing; every use goes through a system call that says
    // so, and the caller keeps the descriptor open for as long as it wants an answer about it.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Takes ownership of a descriptor supplied by the caller.
pub fn own_raw(fd: BorrowedFd<'static>) -> OwnedFd {
    // SAFETY: the caller of the ABI hands ownership over; `fd` was just used successfully.
    unsafe { OwnedFd::from_raw_fd(fd.as_raw_fd()) }
}

/// dup3(2), close-on-exec. (By number: the libc crate has none for Android.)
///
/// # Safety
/// The owner of `over` expects it to be replaced.
pub(super) unsafe fn dup3(fd: RawFd, over: RawFd) -> libc::c_int {
    // SAFETY: by this function's contract.
    unsafe { libc::syscall(libc::SYS_dup3, fd, over, libc::O_CLOEXEC) as libc::c_int }
}

/// Replaces the descriptor by a dead one: later uses of the number give EBADF.
pub fn give_up_number(fd: BorrowedFd<'_>) {
    // SAFETY: as in `end_operations`.
    unsafe {
        let dead = libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC);
        if dead >= 0 {
            dup3(dead, fd.as_raw_fd());
            libc::close(dead);
        }
    }
}

/// Ends the operations of other threads on `fd` for good; the number stays in use.
///
/// shutdown(2) alone wakes the threads that are already blocked, but it does not reach one that is
/// about to enter connect(2) on a fresh socket. So the number first gets a dead descriptor, as in
/// the JDK's `preClose`: later system calls give EBADF.
pub fn end_operations(fd: BorrowedFd<'_>) {
    let raw = fd.as_raw_fd();
    // SAFETY: plain descriptor calls; the path is a constant C string. `live` and `dead` are
    // closed here and nowhere else. `raw` stays open throughout: dup3 replaces what it names.
    unsafe {
        let live = libc::fcntl(raw, libc::F_DUPFD_CLOEXEC, 0);
        let dead = libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC);
        if live >= 0 && dead >= 0 {
            dup3(dead, raw);
            libc::shutdown(live, libc::SHUT_RDWR);
        } else {
            // No descriptor available: shutdown(2) alone covers all but that one case.
            libc::shutdown(raw, libc::SHUT_RDWR);
        }
        for extra in [live, dead] {
            if extra >= 0 {
                libc::close(extra);
            }
        }
    }
}
