//! Buffers that exist only while bytes are in them.
//!
//! An idle connection holds none. While it works it borrows one of the thread's: each thread that
//! uses TLS keeps two, zeroed once. Bytes left over when it must wait, and input during a
//! non-blocking handshake, are in small buffers of the connection's own.
//!
//! When an allocation fails, there is less space, or none, and buffered bytes stay.

use std::cell::Cell;
use std::io;

use crate::sys::memory::zeroed;

/// The size for the records of 64 KiB, in or out.
const LARGE: usize = 66 * 1024;
/// How much is encrypted for one system call.
const PLAIN_OUT: usize = 64 * 1024;
/// The maximum of additional bytes at the end: the head of a response.
const HEAD: usize = 1024;
/// The data of a record.
const RECORD: usize = 16 * 1024;
/// The maximum size of a buffer: a handshake message of 64 KiB with its record headers.
const MOST: usize = 96 * 1024;
/// Fewer leftover bytes than this move to a buffer of their size.
const SMALL: usize = 4096;

thread_local! {
    static POOL: [Cell<Option<Box<[u8]>>>; 2] = const { [const { Cell::new(None) }; 2] };
}

/// The number of bytes, out of `all`, to encrypt for one system call.
pub fn at_once(all: usize) -> usize {
    if all <= PLAIN_OUT + HEAD { all } else { PLAIN_OUT }
}

/// Bytes between `start` and `end` of some storage.
#[derive(Default)]
pub struct Buffer {
    data: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// True when there are no bytes in it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// How many bytes are in it.
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// The bytes in it.
    #[inline]
    pub fn filled(&mut self) -> &mut [u8] {
        &mut self.data[self.start..self.end]
    }

    /// Whether `more` bytes would exceed the maximum size.
    pub fn limits(&self, more: usize) -> bool {
        self.len() + more > MOST
    }

    /// The size of its storage.
    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.data.len()
    }

    /// Removes `n` bytes from the front.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Records that `n` bytes of the free space were filled.
    #[inline]
    pub fn fill(&mut self, n: usize) {
        self.end = (self.end + n).min(self.data.len());
    }

    /// At least `want` bytes of free space after its content, or as many as memory allows.
    #[inline]
    pub fn room(&mut self, want: usize) -> &mut [u8] {
        if self.data.len() - self.end < want {
            self.make_room(want);
        }
        &mut self.data[self.end..]
    }

    /// [`Buffer::room`] in one of the thread's large buffers, if that is enough.
    pub fn large_room(&mut self, want: usize) -> &mut [u8] {
        if self.data.len() < LARGE {
            if let Ok(data) = pooled() {
                self.move_to(data);
            }
        }
        self.room(want)
    }

    /// Copies pieces into the empty buffer, up to a record's data; returns the rest of the last
    /// piece begun. A single piece, or one that fills a record by itself, is not copied.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn gather<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) -> io::Result<&'a [u8]> {
        let mut pieces = pieces.filter(|piece| !piece.is_empty());
        let first = pieces.next().unwrap_or_default();
        let Some(second) = pieces.next().filter(|_| first.len() < RECORD) else {
            return Ok(first);
        };
        if self.large_room(RECORD).len() < RECORD {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        for piece in [first, second].into_iter().chain(pieces) {
            let (here, rest) = piece.split_at(piece.len().min(RECORD - self.len()));
            self.room(here.len())[..here.len()].copy_from_slice(here);
            self.fill(here.len());
            if self.len() == RECORD {
                return Ok(rest);
            }
        }
        Ok(&[])
    }

    /// A separate buffer to receive into, for [`Buffer::append`]. It reserves space at its front
    /// for this buffer's content.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn apart(&self) -> io::Result<Buffer> {
        let here = self.end - self.start;
        let data = match here + SMALL <= LARGE {
            true => pooled(),
            false => zeroed((here + SMALL).min(MOST)),
        };
        Ok(Buffer { data: data?, start: here, end: here })
    }

    /// Appends the content of a buffer from [`Buffer::apart`].
    pub fn append(&mut self, mut apart: Buffer) {
        let here = self.filled();
        apart.start -= here.len();
        apart.data[apart.start..][..here.len()].copy_from_slice(here);
        *self = apart;
    }

    #[cold]
    fn make_room(&mut self, want: usize) {
        let len = self.end - self.start;
        let size = (len + want).next_power_of_two().min(MOST.max(len));
        let short = self.data.len() - len < want && size > self.data.len();
        if let Some(data) = short.then(|| zeroed(size).ok()).flatten() {
            self.move_to(data);
        } else if self.start > 0 {
            self.data.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, len);
        }
    }

    fn move_to(&mut self, data: Box<[u8]>) {
        let mut old = std::mem::replace(&mut self.data, data);
        let len = self.end - self.start;
        self.data[..len].copy_from_slice(&old[self.start..self.end]);
        (self.start, self.end) = (0, len);
        give_back(&mut old);
    }

    /// Releases the storage when empty; a small content moves to storage of its size.
    #[inline]
    pub fn settle(&mut self) {
        let len = self.end - self.start;
        if len == 0 {
            give_back(&mut self.data);
            (self.start, self.end) = (0, 0);
        } else if len < SMALL && self.data.len() > 2 * SMALL {
            self.shrink();
        }
    }

    #[cold]
    fn shrink(&mut self) {
        if let Ok(data) = zeroed(self.end - self.start) {
            self.move_to(data);
        }
    }
}

/// One of the thread's buffers.
fn pooled() -> io::Result<Box<[u8]>> {
    let kept = POOL.try_with(|[a, b]| a.take().or_else(|| b.take()));
    kept.ok().flatten().map_or_else(|| zeroed(LARGE), Ok)
}

/// Frees the thread's buffers.
pub fn give_up() {
    let _ = POOL.try_with(|[a, b]| (a.take(), b.take()));
}

#[inline]
fn give_back(data: &mut Box<[u8]>) {
    if !data.is_empty() {
        keep(std::mem::take(data));
    }
}

fn keep(data: Box<[u8]>) {
    if data.len() == LARGE {
        // The last one used comes first: it is in the cache. (A thread that is ending has none any
        // more.)
        let _ = POOL.try_with(|[a, b]| b.set(a.replace(Some(data)).or_else(|| b.take())));
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        give_back(&mut self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(b: &mut Buffer, bytes: &[u8]) {
        b.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        b.fill(bytes.len());
    }

    #[test]
    fn it_grows_compacts_and_lets_go() {
        let mut b = Buffer::default();
        put(&mut b, b"hello");
        assert_eq!(b.filled(), b"hello");
        b.consume(3);
        put(&mut b, &[7; 10_000]);
        assert_eq!(b.filled().len(), 10_002);
        assert_eq!(&b.filled()[..3], b"lo\x07");
        b.consume(10_000);
        b.settle();
        assert_eq!((b.filled().len(), b.capacity()), (2, 2));
        b.consume(9);
        b.settle();
        assert_eq!((b.is_empty(), b.capacity()), (true, 0));
        assert!(!b.large_room(1).is_empty());
        assert_eq!(b.capacity(), LARGE);
        put(&mut b, b"x");
        b.settle();
        assert_eq!((b.filled().len(), b.capacity()), (1, 1));
    }

    #[test]
    fn it_stops_growing() {
        let mut b = Buffer::default();
        for _ in 0..40 {
            let n = b.room(4096).len();
            b.fill(n);
        }
        assert!(b.capacity() <= MOST);
        assert!(b.room(1).is_empty() && b.limits(1));
        // Removed bytes make space again.
        b.consume(10);
        assert!(!b.limits(10) && b.room(1).len() == 10);
    }
}
