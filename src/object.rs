//! The object behind a handle, and the table of all objects.

use crate::connect::Connection;
use crate::error::{self, Error, Result};
use crate::handle::{Full, Handle, NotTaken, Others, Pin, Table};
use crate::resolve::Resolve;
use crate::socket::Socket;
use crate::sys::{closing, fork, memory};
use crate::tls::session::crowd;
#[cfg(feature = "tls")]
use crate::tls::{
    buffered::Buffered,
    context::{Context, resume::Ticket},
};
use crate::watchers::{Change, Watched, Watchers};

mod finish;
mod stream;

pub use finish::finish;
pub use stream::Stream;

/// An object with a handle. It is stored in the table: with its slot's state word, a socket fills
/// one cache line.
pub enum Object {
    /// See [`Socket`].
    Socket(Socket),
    /// See [`Poller`].
    Poller(Box<[Poller; 1]>),
    /// See [`Resolve`].
    Resolve(Box<[Resolve; 1]>),
    /// See [`Connection`].
    Connection(Box<[Connection; 1]>),
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

/// A poller of objects with handles.
pub type Poller = crate::poller::Poller<Held>;

/// An object that is held.
pub type Held = Pin<'static, Object>;

const _: () = assert!(size_of::<Object>() <= 56);

impl Object {
    /// Called when its handle is closed: notifies its pollers, and ends the operations of other
    /// threads.
    #[inline]
    fn closed(&self, others: Others) {
        match self {
            Object::Socket(s) => {
                s.watchers().closed();
                if others.here {
                    s.end_operations();
                } else if others.gone {
                    // The pins belong to the thread that forked, which is not in a system call; and
                    // the parent shares the connection, so no shutdown.
                    s.give_up_number();
                }
            }
            _ => self.other_closed(),
        }
    }

    #[cold]
    fn other_closed(&self) {
        self.watchers().closed();
        match self {
            Object::Poller(p) => p[0].end_operations(),
            Object::Resolve(r) => r[0].abandon(),
            Object::Connection(c) => c[0].abandon(),
            _ => {}
        }
    }

    /// The pollers it is registered with.
    pub fn watchers(&self) -> &Watchers {
        match self {
            Object::Socket(s) => s.watchers(),
            Object::Poller(p) => p[0].watchers(),
            Object::Resolve(r) => r[0].watchers(),
            Object::Connection(c) => c[0].watchers(),
            #[cfg(feature = "tls")]
            Object::TlsContext(_) | Object::TlsSession(_) | Object::TlsBuffered(_) => &UNWATCHED,
        }
    }

    /// The descriptor to poll.
    ///
    /// # Errors
    /// EPERM for what cannot be polled; in a forked child, those of making one.
    pub fn fd(&self) -> Result<i32> {
        match self {
            Object::Socket(s) => Ok(s.fileno()),
            Object::Poller(p) => p[0].fileno(),
            Object::Resolve(r) => r[0].fileno().ok_or(Error::os(libc::EMFILE)),
            Object::Connection(c) => c[0].fileno().ok_or(Error::os(libc::EPERM)),
            #[cfg(feature = "tls")]
            Object::TlsContext(_) | Object::TlsSession(_) | Object::TlsBuffered(_) => {
                Err(Error::os(libc::EPERM))
            }
        }
    }

    /// The descriptor for a program's own event loop.
    ///
    /// # Errors
    /// ENOTSOCK for what has none; those of making one.
    pub fn lend(&self) -> Result<i32> {
        match self {
            Object::Socket(s) => Ok(s.lend()),
            Object::Poller(p) => p[0].lend(),
            Object::Resolve(_) | Object::Connection(_) => self.fd(),
            #[cfg(feature = "tls")]
            Object::TlsContext(_) | Object::TlsSession(_) | Object::TlsBuffered(_) => {
                Err(Error::os(libc::ENOTSOCK))
            }
        }
    }

    /// The socket, if the kernel does not fully know its readiness.
    fn layered(&self) -> Option<&Socket> {
        self.socket().ok().filter(|s| !s.kernel_knows())
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
    pub fn poller(&self) -> Result<&Poller> {
        match self {
            Object::Poller(p) => Ok(&p[0]),
            _ => Err(Error::wrong_kind()),
        }
    }

    /// As a name query.
    ///
    /// # Errors
    /// EBADR for an object of another kind.
    pub fn resolve(&self) -> Result<&Resolve> {
        match self {
            Object::Resolve(r) => Ok(&r[0]),
            _ => Err(Error::wrong_kind()),
        }
    }

    /// As a connection under way.
    ///
    /// # Errors
    /// EBADR for an object of another kind.
    pub fn connection(&self) -> Result<&Connection> {
        match self {
            Object::Connection(c) => Ok(&c[0]),
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

    /// As a TLS session taken out for resumption.
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

impl Watched for Held {
    fn hold(handle: Handle) -> Result<Self> {
        pin(handle)
    }
    fn closed_meanwhile(&self) -> bool {
        Pin::closed_meanwhile(self)
    }
    fn fd(&self) -> Result<i32> {
        Object::fd(self)
    }
    fn renews(&self) -> bool {
        matches!(**self, Object::Poller(_) | Object::Resolve(_) | Object::Connection(_))
    }
    fn kernel_knows(&self) -> bool {
        self.layered().is_none()
    }
    fn kernel_events(&self, events: i16) -> i16 {
        self.layered().map_or(events, |s| s.kernel_events(events))
    }
    fn true_events(&self, events: i16, seen: i16, asker: Handle) -> (i16, i16) {
        self.layered().map_or((seen, events), |s| s.true_events(events, seen, asker))
    }
    fn watchers(&self) -> &Watchers {
        Object::watchers(self)
    }
    fn tell(poller: Handle, source: Handle, change: Change) -> bool {
        let Ok(pin) = pin(poller) else { return false };
        pin.poller().map(|p| p.told(source, change)).is_ok()
    }
}

/// For objects that cannot be polled.
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
/// ENFILE when the table is full (four million), ENOMEM.
pub fn insert(object: impl Into<Object>) -> Result<Handle> {
    insert_with(|| Ok(object.into()))
}

/// Calls `make` and gives its result a handle. `make` is not called if no handle is available.
///
/// # Errors
/// Those of [`insert`] and of `make`.
pub fn insert_with<T: Into<Object>>(make: impl FnOnce() -> Result<T>) -> Result<Handle> {
    insert_named(|_| Ok(make()?.into()))
}

#[inline]
fn insert_named(make: impl FnOnce(Handle) -> Result<Object>) -> Result<Handle> {
    fork::in_child(|hosted| TABLE.forget_pins(hosted));
    let place = TABLE.reserve().map_err(|full| match full {
        Full::Handles => Error::os(libc::ENFILE),
        Full::Memory => Error::os(libc::ENOMEM),
    })?;
    let object = make(place.handle())?;
    Ok(place.fill(object))
}

/// Makes a poller.
///
/// # Errors
/// Those of [`insert`]; EMFILE, ENFILE.
pub fn insert_poller() -> Result<Handle> {
    insert_named(|handle| Ok(Object::Poller(memory::boxed(Poller::new(handle)?)?)))
}

/// In a forked child, at the end of a call: frees objects that the parent's threads were using.
#[cold]
pub fn settle() {
    if fork::settle() {
        TABLE.settle();
        closing::settle();
    }
}

/// Pins the object of `handle`.
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
/// EBADF for a stale handle, and when the descriptor was closed behind the library's back; EIO.
#[cold]
pub fn close(handle: Handle) -> Result<()> {
    close_inline(handle)
}

/// [`close`] for the call that most programs make.
#[inline]
pub fn close_inline(handle: Handle) -> Result<()> {
    let stay = fork::stay();
    // A plain socket that no thread uses: nothing has to be ended first.
    let plain = |object: &Object| object.socket().is_ok_and(Socket::kernel_knows);
    let Ok(Object::Socket(socket)) = TABLE.take_if(handle, plain) else {
        drop(stay);
        return close_in_use(handle);
    };
    socket.watchers().closed();
    Ok(closing::watched(|| drop(socket))?)
}

/// [`close`] for all kinds of objects, and for those in use.
#[inline(never)]
fn close_in_use(handle: Handle) -> Result<()> {
    // Before ending its operations, because that also ends the connection.
    let pin = TABLE.pin_to_close(handle).map_err(|_| Error::os(libc::EBADF))?;
    if let Ok(socket) = pin.socket() {
        socket.farewell();
    }
    let closed = closing::watched(|| TABLE.close_pinned(handle, pin, Object::closed))?;
    crowd::gone();
    closed.map_err(|_| Error::os(libc::EBADF))
}

/// Makes `handle` stale and returns its object.
///
/// # Errors
/// EBADF for a stale handle, EBUSY while other threads use it.
pub fn take(handle: Handle) -> Result<Object> {
    let _stay = fork::stay();
    let object = TABLE.take(handle).map_err(|e| match e {
        NotTaken::Stale => Error::os(libc::EBADF),
        NotTaken::Busy => Error::os(libc::EBUSY),
    })?;
    object.watchers().closed();
    Ok(object)
}

/// Calls `tell` with the sentence of the last error on `handle`, or, with 0, of this thread's last
/// failure of a call without a handle; empty when there is none.
///
/// # Errors
/// EBADF for a stale handle, and those of `tell`.
pub fn sentence<T>(handle: Handle, tell: impl FnOnce(&str) -> Result<T>) -> Result<T> {
    let tell = |kept: &str| match kept.is_empty() {
        true => tell(&error::last_detail(handle)),
        false => tell(kept),
    };
    if handle == 0 { tell("") } else { detail(handle, tell) }
}

/// Calls `tell` with the sentence of the last error on `handle`; empty when there is none.
///
/// # Errors
/// EBADF for a stale handle; those of `tell`.
fn detail<T>(handle: Handle, tell: impl FnOnce(&str) -> Result<T>) -> Result<T> {
    let pin = pin(handle)?;
    match &*pin {
        Object::Socket(s) => match s.session() {
            Some(tls) => tell(&tls.detail()),
            None => tell(""),
        },
        Object::Connection(c) => tell(&c[0].detail()),
        #[cfg(feature = "tls")]
        Object::TlsBuffered(b) => tell(&b.session().detail()),
        #[cfg(feature = "tls")]
        Object::TlsContext(c) => tell(&c.detail()),
        _ => tell(""),
    }
}
