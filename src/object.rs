//! What a handle can stand for, and the one table of them all.

use std::sync::Arc;

use crate::connect::Connection;
use crate::error::{Error, Result};
use crate::handle::{Handle, NotTaken, Pin, Table};
use crate::poller::{Poller, Watchers};
use crate::resolve::Resolve;
use crate::socket::Socket;
#[cfg(feature = "tls")]
use crate::tls::{
    buffered::Buffered,
    context::{Context, resume::Ticket},
};

mod stream;

pub use stream::Stream;

/// Whatever has a handle. It lies in the table: with its slot's word, a socket fills one cache line.
pub enum Object {
    /// See [`Socket`].
    Socket(Socket),
    /// See [`Poller`].
    Poller(Arc<Poller>),
    /// See [`Resolve`].
    Resolve(Box<Resolve>),
    /// See [`Connection`].
    Connection(Box<Connection>),
    /// See [`Context`].
    #[cfg(feature = "tls")]
    TlsContext(Box<Context>),
    /// See [`Ticket`].
    #[cfg(feature = "tls")]
    TlsSession(Box<Ticket>),
    /// See [`Buffered`].
    #[cfg(feature = "tls")]
    TlsBuffered(Box<Buffered>),
}

const _: () = assert!(size_of::<Object>() <= 56);

impl Object {
    /// Its handle was closed: tells the pollers it is in, and ends what other threads do with it.
    fn closed(&self, others_inside: bool) {
        self.watchers().closed();
        match self {
            Object::Socket(s) if others_inside => s.end_operations(),
            Object::Poller(p) => p.end_operations(),
            Object::Resolve(r) => r.abandon(),
            Object::Connection(c) => c.abandon(),
            _ => {}
        }
    }

    /// The pollers it is registered with.
    pub fn watchers(&self) -> &Watchers {
        match self {
            Object::Socket(s) => s.watchers(),
            Object::Poller(p) => p.watchers(),
            Object::Resolve(r) => r.watchers(),
            Object::Connection(c) => c.watchers(),
            #[cfg(feature = "tls")]
            Object::TlsContext(_) | Object::TlsSession(_) | Object::TlsBuffered(_) => &UNWATCHED,
        }
    }

    /// The descriptor to poll; `None` for what cannot be polled.
    pub fn fd(&self) -> Option<i32> {
        match self {
            Object::Socket(s) => Some(s.fileno()),
            Object::Poller(p) => Some(p.fileno()),
            Object::Resolve(r) => r.fileno(),
            Object::Connection(c) => c.fileno(),
            #[cfg(feature = "tls")]
            Object::TlsContext(_) | Object::TlsSession(_) | Object::TlsBuffered(_) => None,
        }
    }

    /// As a socket.
    ///
    /// # Errors
    /// ENOTSOCK for an object of another kind.
    #[inline]
    pub fn socket(&self) -> Result<&Socket> {
        match self {
            Object::Socket(s) => Ok(s),
            _ => Err(Error::os(libc::ENOTSOCK)),
        }
    }

    /// As a poller.
    ///
    /// # Errors
    /// EBADR for an object of another kind.
    pub fn poller(&self) -> Result<&Arc<Poller>> {
        match self {
            Object::Poller(p) => Ok(p),
            _ => Err(Error::wrong_kind()),
        }
    }

    /// As a name query.
    ///
    /// # Errors
    /// EBADR for an object of another kind.
    pub fn resolve(&self) -> Result<&Resolve> {
        match self {
            Object::Resolve(r) => Ok(r),
            _ => Err(Error::wrong_kind()),
        }
    }

    /// As a connection under way.
    ///
    /// # Errors
    /// EBADR for an object of another kind.
    pub fn connection(&self) -> Result<&Connection> {
        match self {
            Object::Connection(c) => Ok(c),
            _ => Err(Error::wrong_kind()),
        }
    }
}

#[cfg(feature = "tls")]
impl Object {
    /// As a TLS context.
    ///
    /// # Errors
    /// EBADR for an object of another kind.
    pub fn tls_context(&self) -> Result<&Context> {
        match self {
            Object::TlsContext(c) => Ok(c),
            _ => Err(Error::wrong_kind()),
        }
    }

    /// As a TLS session that was taken out.
    ///
    /// # Errors
    /// EBADR for an object of another kind.
    pub fn tls_session(&self) -> Result<&Ticket> {
        match self {
            Object::TlsSession(t) => Ok(t),
            _ => Err(Error::wrong_kind()),
        }
    }

    /// As TLS over buffers.
    ///
    /// # Errors
    /// EBADR for an object of another kind.
    pub fn tls_buffered(&self) -> Result<&Buffered> {
        match self {
            Object::TlsBuffered(b) => Ok(b),
            _ => Err(Error::wrong_kind()),
        }
    }
}

#[cfg(feature = "tls")]
impl From<Buffered> for Object {
    fn from(b: Buffered) -> Self {
        Object::TlsBuffered(Box::new(b))
    }
}

/// Of what no poller takes.
#[cfg(feature = "tls")]
static UNWATCHED: Watchers = Watchers::none();

#[cfg(feature = "tls")]
impl From<Context> for Object {
    fn from(c: Context) -> Self {
        Object::TlsContext(Box::new(c))
    }
}

#[cfg(feature = "tls")]
impl From<Ticket> for Object {
    fn from(t: Ticket) -> Self {
        Object::TlsSession(Box::new(t))
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
    insert_or(object, drop)
}

/// The same; an object for which there is no handle goes to `refused`.
pub fn insert_or(object: impl Into<Object>, refused: impl FnOnce(Object)) -> Result<Handle> {
    TABLE.insert(object.into()).map_err(|object| {
        refused(object);
        Error::os(libc::ENFILE)
    })
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
    // Before its operations are ended: that ends the connection as well.
    if let Ok(socket) = pin(handle)?.socket() {
        socket.farewell();
    }
    TABLE.close(handle, Object::closed).map_err(|_| Error::os(libc::EBADF))
}

/// Makes `handle` stale and gives its object out.
///
/// # Errors
/// EBADF for a stale handle, EBUSY while other threads use it.
pub fn take(handle: Handle) -> Result<Object> {
    let object = TABLE.take(handle).map_err(|e| match e {
        NotTaken::Stale => Error::os(libc::EBADF),
        NotTaken::Busy => Error::os(libc::EBUSY),
    })?;
    object.watchers().closed();
    Ok(object)
}

/// The last human-readable cause of an error on `handle`; empty when there is none.
///
/// # Errors
/// EBADF for a stale handle.
pub fn detail(handle: Handle) -> Result<String> {
    let pin = pin(handle)?;
    Ok(match &*pin {
        Object::Socket(s) => s.session().map_or_else(String::new, |tls| tls.detail()),
        Object::Connection(c) => c.detail(),
        #[cfg(feature = "tls")]
        Object::TlsBuffered(b) => b.session().detail(),
        #[cfg(feature = "tls")]
        Object::TlsContext(c) => c.detail(),
        _ => String::new(),
    })
}
