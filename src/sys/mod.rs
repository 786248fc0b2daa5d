//! Every call into the operating system that socket2 does not make for us.
//!
//! One safe function is one system call (or one libc call). Plain data goes in and comes out, an
//! error is an `io::Error` or the platform's number. Nothing here uses a higher layer, retries,
//! waits by itself, or knows about handles.

pub mod address;
pub mod closing;
pub mod config;
pub mod counted;
pub mod env;
pub mod file;
pub mod fork;
pub mod futex;
pub mod hook;
pub mod interfaces;
pub mod memory;
pub mod message;
pub mod names;
pub mod namespace;
pub mod net;
pub mod own;
pub mod poll;
pub mod process;
pub mod random;
pub mod select;
pub mod shared;
pub mod text;
pub mod time;

use std::ffi::CStr;
use std::io;

use text::Text;

/// The result of a call that gives -1 and errno.
#[inline]
fn cvt(r: libc::c_int) -> io::Result<libc::c_int> {
    if r < 0 { Err(io::Error::last_os_error()) } else { Ok(r) }
}

/// The same for calls that count bytes.
#[inline]
fn cvt_len(r: libc::ssize_t) -> io::Result<usize> {
    if r < 0 { Err(io::Error::last_os_error()) } else { Ok(r as usize) }
}

/// Whether the kernel lacks a system call, or an older seccomp filter refuses it; only for calls
/// that do not fail with these errors otherwise.
fn is_unknown(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EACCES))
}

/// strerror_r(3): the text for an errno.
pub fn strerror(errno: i32) -> Text<128> {
    let mut buf = [0u8; 128];
    // SAFETY: the buffer is writable for its length; the result is NUL-terminated in it (XSI).
    let r = unsafe { libc::strerror_r(errno, buf.as_mut_ptr().cast(), buf.len()) };
    match CStr::from_bytes_until_nul(&buf) {
        Ok(text) if r == 0 || !text.is_empty() => Text::lossy(text.to_bytes()),
        _ => Text::of(format_args!("Unknown error {errno}")),
    }
}

/// memchr(3) in bytes written by a system call
pub fn find_byte(byte: u8, bytes: &[std::mem::MaybeUninit<u8>]) -> Option<usize> {
    let base = bytes.as_ptr().cast::<libc::c_void>();
    // SAFETY: readable for its length; callers pass only what was received.
    let at = unsafe { libc::memchr(base, byte.into(), bytes.len()) };
    if at.is_null() { None } else { Some(at as usize - base as usize) }
}

/// Inserts received bytes before others; false when memory is short
pub fn put_before(bytes: &[std::mem::MaybeUninit<u8>], others: &mut Vec<u8>) -> bool {
    let (n, len) = (bytes.len(), others.len());
    if others.try_reserve(n).is_err() {
        return false;
    }
    // SAFETY: there is room for both, and the bytes have been written: callers pass only what was
    // received.
    unsafe {
        let at = others.as_mut_ptr();
        std::ptr::copy(at, at.add(n), len);
        std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), at, n);
        others.set_len(n + len);
    }
    true
}

/// memcpy(3) to the front of `to`, as much as fits
#[inline]
pub fn copy_into(from: &[u8], to: &mut [std::mem::MaybeUninit<u8>]) {
    let n = from.len().min(to.len());
    // SAFETY: both are valid for `n` bytes, and a `&mut` overlaps nothing.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_mut_ptr().cast(), n) }
}
