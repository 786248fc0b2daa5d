//! An object that sends and receives a stream of bytes: a socket, or TLS over buffers.

use std::mem::MaybeUninit;

use super::Object;
use crate::error::{Error, Result};
use crate::socket::{First, Socket};
#[cfg(feature = "tls")]
use crate::tls::{buffered::Buffered, session::Session, transport::Transport};

/// Either.
#[derive(Clone, Copy)]
pub enum Stream<'a> {
    /// See [`Socket`].
    Socket(&'a Socket),
    /// See [`Buffered`].
    #[cfg(feature = "tls")]
    Buffered(&'a Buffered),
}

impl Object {
    /// As a stream.
    ///
    /// # Errors
    /// ENOTSOCK for an object of another kind.
    #[inline]
    pub fn stream(&self) -> Result<Stream<'_>> {
        match self {
            Object::Socket(s) => Ok(Stream::Socket(s)),
            _ => self.other_stream(),
        }
    }

    #[cold]
    fn other_stream(&self) -> Result<Stream<'_>> {
        match self {
            #[cfg(feature = "tls")]
            Object::TlsBuffered(s) => Ok(Stream::Buffered(s)),
            _ => Err(Error::os(libc::ENOTSOCK)),
        }
    }
}

#[cfg(feature = "tls")]
impl<'a> Stream<'a> {
    /// Its session and the session's transport.
    ///
    /// # Errors
    /// `USOCKET_ETLS_NOT_WRAPPED`.
    pub fn tls(self) -> Result<(&'a Session, &'a dyn Transport)> {
        match self {
            Stream::Socket(s) => Ok((s.tls()?, s)),
            Stream::Buffered(s) => Ok((s.session(), s.transport())),
        }
    }
}

/// The same call on either.
macro_rules! either {
    ($stream:expr, $s:ident => $call:expr) => {
        match $stream {
            Stream::Socket($s) => $call,
            #[cfg(feature = "tls")]
            Stream::Buffered($s) => $call,
        }
    };
}

#[allow(missing_docs)] // As of a socket.
impl<'a> Stream<'a> {
    pub(crate) fn send_on(self, first: First, buf: &[u8], flags: i32) -> Result<usize> {
        match self {
            Stream::Socket(s) => s.send_on(first, buf, flags),
            #[cfg(feature = "tls")]
            Stream::Buffered(s) => s.send(buf, flags),
        }
    }

    pub(crate) fn sendall_on(self, first: First, buf: &[u8], flags: i32) -> Result<()> {
        match self {
            Stream::Socket(s) => s.sendall_on(first, buf, flags),
            #[cfg(feature = "tls")]
            Stream::Buffered(s) => s.sendall(buf, flags),
        }
    }

    pub(crate) fn recv_on(
        self,
        first: First,
        buf: &mut [MaybeUninit<u8>],
        flags: i32,
    ) -> Result<usize> {
        match self {
            Stream::Socket(s) => s.recv_on(first, buf, flags),
            #[cfg(feature = "tls")]
            Stream::Buffered(s) => s.recv(buf, flags),
        }
    }

    /// As a socket.
    ///
    /// # Errors
    /// ENOTSOCK
    pub fn socket(self) -> Result<&'a Socket> {
        match self {
            Stream::Socket(s) => Ok(s),
            #[cfg(feature = "tls")]
            Stream::Buffered(_) => Err(Error::os(libc::ENOTSOCK)),
        }
    }

    #[inline]
    pub fn read(self, buf: &mut [MaybeUninit<u8>]) -> Result<usize> {
        either!(self, s => s.read(buf))
    }

    #[inline]
    pub fn readline(self, buf: &mut [MaybeUninit<u8>]) -> Result<usize> {
        either!(self, s => s.readline(buf))
    }

    #[inline]
    pub fn write(self, buf: &[u8]) -> Result<usize> {
        either!(self, s => s.write(buf))
    }

    pub fn shutdown(self, how: i32) -> Result<()> {
        either!(self, s => s.shutdown(how))
    }
}
