//! A socket: family, type, mode, and its transport.
//!
//! Every operation is: try the system call; on EAGAIN, if the mode allows, wait and try again.
//!
//! | mode | timeout | descriptor | a call that would block |
//! |---|---|---|---|
//! | blocking | none | blocks in the kernel | waits in the kernel: one system call |
//! | timeout | > 0 | `O_NONBLOCK` | waits in `wait`, then ETIMEDOUT |
//! | non-blocking | 0 | `O_NONBLOCK` | EAGAIN (connect: EINPROGRESS) |
//!
//! Locking: none. Threads share a socket as they share a descriptor; the kernel serialises. The
//! timeout is an atomic, read once at the start of an operation.

use std::io;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
#[cfg(target_has_atomic = "64")]
use std::sync::atomic::AtomicI64;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};

use once_cell::race::OnceBox;
#[cfg(not(target_has_atomic = "64"))]
use portable_atomic::AtomicI64;
use socket2::{Domain, Protocol, SockRef, Type};

use crate::addr::Addr;
use crate::error::causes::USOCKET_ETLS_NOT_WRAPPED;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::numbers::USOCKET_IPPROTO_SEC as IPPROTO_SEC;
use crate::sys::closing::Descriptor;
use crate::sys::net;
use crate::tls::session::Session;
use crate::wait::{self, Deadline};
use crate::watchers::Watchers;

mod carrier;
mod message;
mod mode;
mod option;
mod transfer;

pub(crate) use transfer::{First, Start};

/// See the module documentation.
pub struct Socket {
    fd: Descriptor,
    family: u16,
    kind: u8,
    /// See [`mode::state`].
    state: AtomicU8,
    proto: i32,
    /// Microseconds; negative none, 0 non-blocking.
    timeout: AtomicI64,
    /// An error that ended a stream call after some bytes: the next call reports it.
    late_in: AtomicI32,
    late_out: AtomicI32,
    /// The pollers it is registered with, notified when it closes.
    watchers: Watchers,
    /// Set once, by wrapping.
    tls: OnceBox<Session>,
}

impl Socket {
    /// socket(2), close-on-exec. `proto` 0 takes the default for the type.
    pub fn new(family: i32, kind: i32, proto: i32) -> Result<Socket> {
        check_kind(kind)?;
        let inner = socket2::Socket::new(
            Domain::from(family),
            Type::from(kind),
            Some(Protocol::from(kernel_proto(family, kind, proto)?)),
        )?;
        let fd = Descriptor::new(inner.into());
        Ok(Socket::with(fd, family, kind, settled_proto(family, kind, proto), -1))
    }

    /// socketpair(2), close-on-exec.
    pub fn pair(family: i32, kind: i32, proto: i32) -> Result<(Socket, Socket)> {
        check_kind(kind)?;
        let wire = kernel_proto(family, kind, proto)?;
        let (a, b) = socket2::Socket::pair(
            Domain::from(family),
            Type::from(kind),
            Some(Protocol::from(wire)),
        )?;
        let proto = settled_proto(family, kind, proto);
        Ok((
            Socket::with(Descriptor::new(a.into()), family, kind, proto, -1),
            Socket::with(Descriptor::new(b.into()), family, kind, proto, -1),
        ))
    }

    /// Takes over a descriptor that must be a socket; its `O_NONBLOCK` becomes the mode.
    ///
    /// # Errors
    /// EBADF, ENOTSOCK; the descriptor then stays the caller's.
    pub fn from_fd(fd: RawFd) -> Result<Socket> {
        let fd = net::borrow_raw(fd)?;
        let family = net::getsockopt_int(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)?;
        let kind = net::getsockopt_int(fd, libc::SOL_SOCKET, libc::SO_TYPE)?;
        let proto = net::getsockopt_int(fd, libc::SOL_SOCKET, libc::SO_PROTOCOL)?;
        let timeout = if net::is_nonblocking(fd)? { 0 } else { -1 };
        net::set_cloexec(fd)?;
        let socket = Socket::with(Descriptor::new(net::own_raw(fd)), family, kind, proto, timeout);
        socket.share();
        Ok(socket)
    }

    /// Makes a socket of the same kind and with the same state bits from a descriptor.
    #[inline]
    fn kin(&self, fd: OwnedFd, timeout: i64) -> Socket {
        let fd = self.fd.heir(fd);
        Socket::with(fd, self.family(), self.kind(), self.proto, timeout)
    }

    #[inline]
    fn with(fd: Descriptor, family: i32, kind: i32, proto: i32, timeout: i64) -> Socket {
        let socket = Socket {
            fd,
            // The system has accepted both, so they are small.
            family: family as u16,
            kind: kind as u8,
            state: AtomicU8::new(if timeout < 0 { 0 } else { mode::state::TIMED }),
            proto,
            timeout: AtomicI64::new(timeout),
            late_in: AtomicI32::new(0),
            late_out: AtomicI32::new(0),
            watchers: Watchers::none(),
            tls: OnceBox::new(),
        };
        let datagrams = family == libc::AF_UNIX && kind != libc::SOCK_STREAM;
        if proto == IPPROTO_SEC || datagrams || !socket.close_wakes() {
            socket.make_special();
        }
        socket
    }

    /// Leaves the fast path: from now on a transfer is more than its system call.
    fn make_special(&self) {
        self.state.fetch_or(mode::state::SPECIAL, Ordering::Relaxed);
    }

    /// A second socket on the same open description (dup(2)), in the same mode.
    ///
    /// # Errors
    /// EOPNOTSUPP once it is wrapped: the stream of records has one session.
    pub fn dup(&self) -> Result<Socket> {
        if self.session().is_some() {
            return Err(Error::os(libc::EOPNOTSUPP));
        }
        let fd = self.fd.try_clone()?;
        let dup = self.kin(fd, self.told_timeout_us());
        self.share();
        dup.share();
        Ok(dup)
    }

    /// Gives the descriptor up, open.
    pub fn into_fd(self) -> RawFd {
        self.fd.into_raw_fd()
    }

    /// The descriptor's number.
    #[inline]
    pub fn fileno(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// `AF_*`
    pub fn family(&self) -> i32 {
        self.family.into()
    }

    /// `SOCK_*`
    pub fn kind(&self) -> i32 {
        self.kind.into()
    }

    /// `IPPROTO_*`, or `USOCKET_IPPROTO_SEC`.
    pub fn proto(&self) -> i32 {
        self.proto
    }

    /// The pollers it is registered with.
    pub fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    /// The kernel events to request for `events`.
    pub(crate) fn kernel_events(&self, events: i16) -> i16 {
        self.session().map_or(events, |tls| tls.kernel_events(events))
    }

    /// Translates the kernel's events `seen` into those of `events` that hold, and the kernel
    /// events to request next.
    pub(crate) fn true_events(&self, events: i16, seen: i16, asker: Handle) -> (i16, i16) {
        let Some(tls) = self.session() else { return (seen, events) };
        let (truth, changed) = tls.true_events(self, events, seen);
        if changed {
            // The session has read the input, so the kernel reports no event to the other pollers.
            self.watchers.poke_others(asker);
        }
        truth
    }

    /// Whether the kernel fully knows this socket's readiness.
    pub(crate) fn kernel_knows(&self) -> bool {
        self.session().is_none()
    }

    /// The TLS session, once it is wrapped.
    #[inline]
    pub(crate) fn session(&self) -> Option<&Session> {
        self.tls.get()
    }

    /// The TLS session of a socket that must be wrapped.
    ///
    /// # Errors
    /// `USOCKET_ETLS_NOT_WRAPPED`.
    pub fn tls(&self) -> Result<&Session> {
        self.session().ok_or(Error::tls(USOCKET_ETLS_NOT_WRAPPED))
    }

    /// Wraps it in TLS: from now on it carries the session's records.
    ///
    /// # Errors
    /// EISCONN when it is wrapped already.
    pub fn wrap(&self, session: Session) -> Result<&Session> {
        self.make_special();
        self.tls.set(Box::new(session)).map_err(|_| Error::os(libc::EISCONN))?;
        self.watchers.poke();
        self.tls()
    }

    /// Prepares for closing: a TLS session sends close_notify.
    pub fn farewell(&self) {
        if let Some(tls) = self.session() {
            tls.farewell(self);
        }
    }

    /// bind(2)
    pub fn bind(&self, addr: &Addr) -> Result<()> {
        Ok(net::bind(self.fd.as_fd(), addr)?)
    }

    /// listen(2); a negative backlog counts as 0.
    pub fn listen(&self, backlog: i32) -> Result<()> {
        Ok(SockRef::from(self).listen(backlog.max(0))?)
    }

    /// accept(2); the new socket is in blocking or non-blocking mode; stores the peer's address in
    /// `from`.
    #[inline]
    pub fn accept(
        &self,
        nonblocking: bool,
        mut from: Option<&mut MaybeUninit<Addr>>,
    ) -> Result<Socket> {
        let first = match self.is_plain() {
            true => net::accept(self.fd.as_fd(), nonblocking, from.as_deref_mut()).map_err(Some),
            false => Err(None),
        };
        let fd = match first {
            Ok(fd) => fd,
            Err(failed) => self.accept_on(failed, nonblocking, from)?,
        };
        Ok(self.kin(fd, if nonblocking { 0 } else { -1 }))
    }

    #[cold]
    fn accept_on(
        &self,
        failed: Option<io::Error>,
        nonblocking: bool,
        mut from: Option<&mut MaybeUninit<Addr>>,
    ) -> Result<OwnedFd> {
        let mut deadline = self.deadline();
        let blocks = deadline.is_never();
        let flags = self.flags(0, false, blocks);
        self.attempt(failed, libc::POLLIN, flags, &mut deadline, || {
            self.keep_nonblocking(blocks)?;
            net::accept(self.fd.as_fd(), nonblocking, from.as_deref_mut())
        })
    }

    /// connect(2). On a socket that is still connecting it waits for that, mode permitting.
    ///
    /// # Errors
    /// Besides those of connect(2) and the mode: ECONNABORTED when the attempt has failed and
    /// another thread has read the reason.
    #[inline]
    pub fn connect(&self, addr: &Addr) -> Result<()> {
        if !self.is_plain() || self.family() == libc::AF_UNIX {
            return self.connect_on(None, addr);
        }
        match net::connect(self.fd.as_fd(), addr) {
            Ok(()) => Ok(()),
            Err(e) => self.connect_on(Some(e), addr),
        }
    }

    #[cold]
    fn connect_on(&self, failed: Option<io::Error>, addr: &Addr) -> Result<()> {
        let mut deadline = self.deadline();
        let blocks = deadline.is_never();
        let e = match failed {
            Some(e) => e,
            None => {
                self.keep_nonblocking(blocks)?;
                if self.family() == libc::AF_UNIX && !deadline.is_now() {
                    return self.connect_unix(addr, &mut deadline);
                }
                let Err(e) = net::connect(self.fd.as_fd(), addr) else { return Ok(()) };
                e
            }
        };
        let flags = self.flags(0, true, blocks);
        let interrupted = e.raw_os_error() == Some(libc::EINTR);
        match e.raw_os_error() {
            // A signal interrupted a blocking connect; the attempt goes on in the kernel.
            Some(libc::EINTR) => wait::interrupted()?,
            Some(libc::EINPROGRESS | libc::EALREADY)
                if self.waiting_helps(libc::POLLOUT, flags, &deadline, 0) => {}
            _ => return Err(e.into()),
        }
        let seen = self.wait_for(libc::POLLOUT, &mut deadline)?;
        self.take_error()?;
        let doubtful = interrupted || seen & (libc::POLLHUP | libc::POLLERR) != 0;
        if doubtful && self.getpeername().is_err_and(|e| e.is(libc::ENOTCONN)) {
            return Err(Error::os(libc::ECONNABORTED));
        }
        Ok(())
    }

    /// Reads and clears SO_ERROR: the result of a non-blocking connect.
    pub fn take_error(&self) -> Result<()> {
        match SockRef::from(self).take_error()? {
            Some(e) => Err(e.into()),
            None => Ok(()),
        }
    }

    /// A full backlog gives EAGAIN here, and the kernel has no event for the end of that (unix(7)).
    /// A call blocked in the kernel waits on the peer, and nothing could end it: so it never
    /// blocks.
    fn connect_unix(&self, addr: &Addr, deadline: &mut Deadline) -> Result<()> {
        let blocks = deadline.is_never();
        if blocks {
            net::set_nonblocking(self.fd.as_fd(), true)?;
        }
        let result = loop {
            match net::connect(self.fd.as_fd(), addr) {
                Err(e) if e.raw_os_error() == Some(libc::EAGAIN) => {
                    if let Err(e) = self.live().and_then(|()| wait::moment(deadline)) {
                        break Err(e);
                    }
                }
                other => break other.map_err(Error::from),
            }
        };
        if blocks {
            self.apply_mode()?;
        }
        result
    }

    /// shutdown(2)
    pub fn shutdown(&self, how: i32) -> Result<()> {
        let how = match how {
            libc::SHUT_RD => Shutdown::Read,
            libc::SHUT_WR => Shutdown::Write,
            libc::SHUT_RDWR => Shutdown::Both,
            _ => return Err(Error::os(libc::EINVAL)),
        };
        match self.session() {
            Some(tls) if how != Shutdown::Read => tls.close_notify(self)?,
            _ => {}
        }
        Ok(SockRef::from(self).shutdown(how)?)
    }

    /// setsockopt(2)
    pub fn setsockopt(&self, level: i32, name: i32, value: &[u8]) -> Result<()> {
        // struct linger: an on/off flag and a time; with time 0 the close resets at once.
        let time = value.get(size_of::<libc::c_int>()..size_of::<libc::linger>());
        let waits = time.is_some_and(|time| time.iter().any(|b| *b != 0));
        if (level, name) == (libc::SOL_SOCKET, libc::SO_LINGER) && waits {
            self.fd.may_linger();
        }
        Ok(net::setsockopt(self.fd.as_fd(), level, name, value)?)
    }

    /// getsockopt(2); returns the number of bytes written.
    pub fn getsockopt(
        &self,
        level: i32,
        name: i32,
        value: &mut [MaybeUninit<u8>],
    ) -> Result<usize> {
        Ok(net::getsockopt(self.fd.as_fd(), level, name, value)?)
    }

    /// getsockopt(2) of an integer.
    pub fn getsockopt_int(&self, level: i32, name: i32) -> Result<i32> {
        Ok(net::getsockopt_int(self.fd.as_fd(), level, name)?)
    }

    /// getsockname(2)
    pub fn getsockname(&self) -> Result<Addr> {
        Ok(net::getsockname(self.fd.as_fd())?)
    }

    /// getpeername(2)
    pub fn getpeername(&self) -> Result<Addr> {
        Ok(net::getpeername(self.fd.as_fd())?)
    }
}

impl AsFd for Socket {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// `SOCK_NONBLOCK` and `SOCK_CLOEXEC` in a type would bypass the socket's mode.
fn check_kind(kind: i32) -> Result<()> {
    if kind & (libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) != 0 {
        Err(Error::os(libc::EINVAL))
    } else {
        Ok(())
    }
}

/// The protocol number for the system call.
fn kernel_proto(family: i32, kind: i32, proto: i32) -> Result<i32> {
    if proto != IPPROTO_SEC {
        return Ok(proto);
    }
    match (family, kind) {
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_STREAM) => Ok(libc::IPPROTO_TCP),
        _ => Err(Error::os(libc::EPROTONOSUPPORT)),
    }
}

/// The protocol number of the socket: 0 stands for the default of its type.
fn settled_proto(family: i32, kind: i32, proto: i32) -> i32 {
    match (family, kind, proto) {
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_STREAM, 0) => libc::IPPROTO_TCP,
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_DGRAM, 0) => libc::IPPROTO_UDP,
        _ => proto,
    }
}
