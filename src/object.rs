//! What a handle can stand for, and the one table of them all.

use crate::error::{Error, Result};
use crate::handle::{Handle, NotTaken, Pin, Table};
use crate::socket::Socket;

/// Whatever has a handle.
pub enum Object {
    /// See [`Socket`].
    Socket(Socket),
}

impl Object {
    /// Ends what other threads are doing with it: its handle was closed while they were inside.
    fn end_operations(&self) {
        match self {
            Object::Socket(s) => s.end_operations(),
        }
    }
}

impl From<Socket> for Object {
    fn from(s: Socket) -> Self {
        Object::Socket(s)
    }
}

static TABLE: Table<Object> = Table::new();

/// Gives `object` a handle.
///
/// # Errors
/// ENFILE when the table is full (four million).
pub fn insert(object: impl Into<Object>) -> Result<Handle> {
    TABLE.insert(object.into()).map_err(|_| Error::os(libc::ENFILE))
}

/// Keeps what `handle` stands for alive.
///
/// # Errors
/// EBADF for a stale handle.
#[inline]
pub fn pin(handle: Handle) -> Result<Pin<'static, Object>> {
    TABLE.pin(handle).map_err(|_| Error::os(libc::EBADF))
}

/// Makes `handle` stale, and ends the operations on it.
///
/// # Errors
/// EBADF for a stale handle.
pub fn close(handle: Handle) -> Result<()> {
    TABLE.close(handle, Object::end_operations).map_err(|_| Error::os(libc::EBADF))
}

/// Makes `handle` stale and gives its object out.
///
/// # Errors
/// EBADF for a stale handle, EBUSY while other threads use it.
pub fn take(handle: Handle) -> Result<Object> {
    TABLE.take(handle).map_err(|e| match e {
        NotTaken::Stale => Error::os(libc::EBADF),
        NotTaken::Busy => Error::os(libc::EBUSY),
    })
}

/// The socket behind a pin.
///
/// # Errors
/// ENOTSOCK for a handle of another kind.
#[inline]
pub fn socket<'p>(pin: &'p Pin<'static, Object>) -> Result<&'p Socket> {
    match &**pin {
        Object::Socket(s) => Ok(s),
    }
}

/// The last human-readable cause of an error on `handle`; empty when there is none.
///
/// # Errors
/// EBADF for a stale handle.
pub fn detail(handle: Handle) -> Result<String> {
    pin(handle).map(|_| String::new())
}

/// How many objects were ever open at once, for tests that look for leaks.
pub fn slots() -> u32 {
    TABLE.slots()
}
