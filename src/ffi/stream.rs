//! Streams: MicroPython's read, readline and write, which do not come back half done.

use std::ffi::c_void;

use super::library::usocket_t;
use super::{bytes, on_stream, room};

/// Reads `len` bytes into `buf`: MicroPython's read(n) and readinto. It goes on until it has them
/// all ("no short reads"); readall is this function with more room each time until it gives less.
///
/// Less than `len` comes back at the end of the stream, from a non-blocking socket (what is there),
/// or when an error or a timeout ended it with part of the bytes here: those are returned, and the
/// next call on the receiving side reports the error. No received byte is ever lost.
///
/// One error is said at once, before the last bytes: on TLS, an end without the peer's close_notify,
/// which less than `len` would hide. It is USOCKET_ETLS_TRUNCATED; those bytes are what the next call
/// gives, and the one after it says USOCKET_ETLS_TRUNCATED again. So it is with usocket_readline.
///
/// Returns: how many bytes were read; 0 at the end of the stream.
/// Errors: as usocket_recv, when not one byte had come.
/// Blocks: as the socket's mode has it, with one deadline for the whole.
/// Threads: any; of two reading at once each gets some of the bytes.
/// Ownership: `buf` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_read(s: usocket_t, buf: *mut c_void, len: usize) -> i64 {
    // SAFETY: the caller's buffer, as documented.
    on_stream(s, |s| s.read(unsafe { room(buf, len) }?).map(|n| n as i64))
}

/// Reads a line with its newline into `buf`, at most `len` bytes.
///
/// No byte behind the newline is taken out of the kernel, so polling the descriptor stays
/// truthful. A line without newline comes back when `buf` is full, and in the cases where
/// usocket_read gives less than asked.
///
/// Returns: how many bytes were read; 0 at the end of the stream.
/// Errors: as usocket_read; -EOPNOTSUPP on a socket that is not a stream.
/// Blocks: as the socket's mode has it, with one deadline for the whole.
/// Threads: one at a time: two reading lines at once split them.
/// Ownership: `buf` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_readline(s: usocket_t, buf: *mut c_void, len: usize) -> i64 {
    // SAFETY: the caller's buffer, as documented.
    on_stream(s, |s| s.readline(unsafe { room(buf, len) }?).map(|n| n as i64))
}

/// Writes all of `buf` ("no short writes").
///
/// Less than `len` comes back from a non-blocking socket (what fitted), or when an error or a
/// timeout ended it with part of the bytes sent: the next call on the sending side reports the
/// error.
///
/// Returns: how many bytes were written.
/// Errors: as usocket_send, when not one byte was written.
/// Blocks: as the socket's mode has it, with one deadline for the whole.
/// Threads: any; of two writing at once the bytes may interleave.
/// Ownership: `buf` is only read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_write(s: usocket_t, buf: *const c_void, len: usize) -> i64 {
    // SAFETY: the caller's buffer, as documented.
    on_stream(s, |s| s.write(unsafe { bytes(buf, len) }?).map(|n| n as i64))
}
