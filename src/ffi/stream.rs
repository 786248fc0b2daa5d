//! Streams: MicroPython's read, readline and write, without short reads and writes.

use std::ffi::c_void;

use super::library::usocket_t;
use super::{bytes, on_stream, room};

/// Reads `len` bytes into `buf`, as MicroPython's read(n) and readinto do: it returns when it has
/// them all ("no short reads"). For readall, call it with further buffers until it returns less
/// than asked.
///
/// It returns less than `len` at the end of the stream, on a non-blocking socket (the bytes
/// available), or when an error or a timeout comes after some bytes: those are returned, and the
/// next receiving call reports the error. No received byte is ever lost.
///
/// One error is reported before the last bytes: with TLS, the end of the connection without the
/// peer's close_notify, since a short read would hide it. The call fails with
/// USOCKET_ETLS_TRUNCATED, the next call returns the bytes, and the one after that fails with
/// USOCKET_ETLS_TRUNCATED again. usocket_readline does the same.
///
/// Returns: how many bytes were read; 0 at the end of the stream.
/// Errors: as usocket_recv, when no byte was received.
/// Blocks: according to the socket's mode, with one deadline for the whole.
/// Threads: any; concurrent calls share the bytes between them.
/// Ownership: `buf` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_read(s: usocket_t, buf: *mut c_void, len: usize) -> i64 {
    // SAFETY: the caller's buffer, as documented.
    on_stream(s, |s| s.read(unsafe { room(buf, len) }?).map(|n| n as i64))
}

/// Reads a line with its newline into `buf`, at most `len` bytes.
///
/// Bytes after the newline stay in the kernel, so that polling the descriptor remains correct. A
/// line without newline is returned when `buf` is full, and where usocket_read returns less than
/// asked.
///
/// Returns: how many bytes were read; 0 at the end of the stream.
/// Errors: as usocket_read; -EOPNOTSUPP on a socket that is not a stream.
/// Blocks: according to the socket's mode, with one deadline for the whole.
/// Threads: one at a time: concurrent calls split lines.
/// Ownership: `buf` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_readline(s: usocket_t, buf: *mut c_void, len: usize) -> i64 {
    // SAFETY: the caller's buffer, as documented.
    on_stream(s, |s| s.readline(unsafe { room(buf, len) }?).map(|n| n as i64))
}

/// Writes all of `buf` ("no short writes").
///
/// It returns less than `len` on a non-blocking socket (the bytes that fitted), or when an error or
/// a timeout comes after some bytes: the next sending call reports the error.
///
/// Returns: how many bytes were written.
/// Errors: as usocket_send, when no byte was written.
/// Blocks: according to the socket's mode, with one deadline for the whole.
/// Threads: any; bytes of concurrent calls may interleave.
/// Ownership: `buf` is only read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_write(s: usocket_t, buf: *const c_void, len: usize) -> i64 {
    // SAFETY: the caller's buffer, as documented.
    on_stream(s, |s| s.write(unsafe { bytes(buf, len) }?).map(|n| n as i64))
}
