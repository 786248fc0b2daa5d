//! A socket: family, type, mode, and its transport.
//!
//! Every operation is: try the system call; on EAGAIN, if the mode allows, wait and try again.
//!
//! | mode | timeout | descriptor | a call that cannot be done now |
//! |---|---|---|---|
//! | blocking | none | blocks in the kernel | waits in the kernel: one system call |
//! | timeout | > 0 | `O_NONBLOCK` | waits in `wait`, then ETIMEDOUT |
//! | non-blocking | 0 | `O_NONBLOCK` | EAGAIN (connect: EINPROGRESS) |
//!
//! Locking: none. Threads share a socket as they share a descriptor; what the kernel serialises is
//! serialised. The timeout is an atomic, read once at the start of an operation.

use std::io;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};

use once_cell::race::OnceBox;
use socket2::{Domain, Protocol, Type};

use crate::addr::Addr;
use crate::error::{Error, Result};
use crate::poller::Watchers;
use crate::sys::net;
use crate::tls::code::USOCKET_ETLS_NOT_WRAPPED;
use crate::tls::session::Session;
use crate::wait::{self, Deadline};

/// The protocol number that asks for a TCP socket which must be wrapped in TLS before it carries
/// data. It is no protocol of the system's: those end at 65535.
pub const IPPROTO_SEC: i32 = 0x1_0000;

/// See the module documentation.
pub struct Socket {
    inner: socket2::Socket,
    family: i32,
    kind: i32,
    proto: i32,
    /// Microseconds; negative none, 0 non-blocking.
    timeout: AtomicI64,
    /// An error that ended a stream call which had bytes to hand over: the next call reports it.
    late_in: AtomicI32,
    late_out: AtomicI32,
    /// The pollers it is registered with, to be told when it closes.
    watchers: Watchers,
    /// Set once, by wrapping.
    tls: OnceBox<Session>,
}

impl Socket {
    /// socket(2), close-on-exec. `proto` 0 takes the one that belongs to the type.
    pub fn new(family: i32, kind: i32, proto: i32) -> Result<Socket> {
        check_kind(kind)?;
        let inner = socket2::Socket::new(
            Domain::from(family),
            Type::from(kind),
            Some(Protocol::from(kernel_proto(family, kind, proto)?)),
        )?;
        Ok(Socket::with(inner, family, kind, settled_proto(family, kind, proto), -1))
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
        Ok((Socket::with(a, family, kind, proto, -1), Socket::with(b, family, kind, proto, -1)))
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
        Ok(Socket::with(net::own_raw(fd).into(), family, kind, proto, timeout))
    }

    fn with(inner: socket2::Socket, family: i32, kind: i32, proto: i32, timeout: i64) -> Socket {
        Socket {
            inner,
            family,
            kind,
            proto,
            timeout: AtomicI64::new(timeout),
            late_in: AtomicI32::new(0),
            late_out: AtomicI32::new(0),
            watchers: Watchers::default(),
            tls: OnceBox::new(),
        }
    }

    /// A second socket on the same open description (dup(2)), in the same mode.
    ///
    /// # Errors
    /// EOPNOTSUPP once it is wrapped: there is one session for the one stream of bytes.
    pub fn dup(&self) -> Result<Socket> {
        if self.session().is_some() {
            return Err(Error::os(libc::EOPNOTSUPP));
        }
        let inner = self.inner.try_clone()?;
        Ok(Socket::with(inner, self.family, self.kind, self.proto, self.timeout_us()))
    }

    /// Gives the descriptor up, open.
    pub fn into_fd(self) -> RawFd {
        self.inner.into_raw_fd()
    }

    /// The descriptor's number.
    pub fn fileno(&self) -> RawFd {
        self.inner.as_raw_fd()
    }

    /// `AF_*`
    pub fn family(&self) -> i32 {
        self.family
    }

    /// `SOCK_*`
    pub fn kind(&self) -> i32 {
        self.kind
    }

    /// `IPPROTO_*`, or [`IPPROTO_SEC`].
    pub fn proto(&self) -> i32 {
        self.proto
    }

    /// Ends what other threads are doing on this socket; it is about to be closed.
    pub fn end_operations(&self) {
        net::end_operations(self.inner.as_fd());
    }

    /// The pollers it is registered with.
    pub fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    /// What to ask the kernel for, to learn about `events`.
    pub(crate) fn kernel_events(&self, events: i16) -> i16 {
        self.session().map_or(events, |tls| tls.kernel_events(events))
    }

    /// What is true of `events` when the kernel says `seen`.
    pub(crate) fn true_events(&self, events: i16, seen: i16) -> i16 {
        self.session().map_or(seen, |tls| tls.true_events(self, events, seen))
    }

    /// Whether the kernel alone knows what this socket is ready for.
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

    /// Wraps it: from here on it carries the session's bytes.
    ///
    /// # Errors
    /// EISCONN when it is wrapped already.
    pub fn wrap(&self, session: Session) -> Result<&Session> {
        self.tls.set(Box::new(session)).map_err(|_| Error::os(libc::EISCONN))?;
        self.watchers.poke();
        self.tls()
    }

    /// It is about to be closed: a TLS session says goodbye.
    pub fn farewell(&self) {
        if let Some(tls) = self.session() {
            tls.farewell(self);
        }
    }

    /// The timeout in microseconds; negative none, 0 non-blocking.
    #[inline]
    pub fn timeout_us(&self) -> i64 {
        self.timeout.load(Ordering::Relaxed)
    }

    /// Sets the mode: see the module documentation. One system call if blocking-ness changes.
    pub fn settimeout(&self, us: i64) -> Result<()> {
        let us = us.max(-1);
        if (us < 0) != (self.timeout_us() < 0) {
            net::set_nonblocking(self.inner.as_fd(), us >= 0)?;
        }
        self.timeout.store(us, Ordering::Relaxed);
        Ok(())
    }

    /// bind(2)
    pub fn bind(&self, addr: &Addr) -> Result<()> {
        Ok(net::bind(self.inner.as_fd(), addr)?)
    }

    /// listen(2); a negative backlog counts as 0.
    pub fn listen(&self, backlog: i32) -> Result<()> {
        Ok(self.inner.listen(backlog.max(0))?)
    }

    /// accept(2); the new socket is in blocking mode.
    pub fn accept(&self) -> Result<(Socket, Addr)> {
        let (fd, addr) = self
            .attempt(libc::POLLIN, 0, &mut self.deadline(), || net::accept(self.inner.as_fd()))?;
        Ok((Socket::with(fd.into(), self.family, self.kind, self.proto, -1), addr))
    }

    /// connect(2). On a socket that is still connecting it waits for that, mode permitting.
    pub fn connect(&self, addr: &Addr) -> Result<()> {
        let fd = self.inner.as_fd();
        let timeout = self.timeout_us();
        if self.family == libc::AF_UNIX && timeout != 0 {
            return self.connect_unix(addr, timeout < 0);
        }
        let Err(e) = net::connect(fd, addr) else { return Ok(()) };
        match e.raw_os_error() {
            // A signal ended a blocking connect; the attempt goes on in the kernel.
            Some(libc::EINTR) => wait::interrupted()?,
            Some(libc::EINPROGRESS | libc::EALREADY) if timeout != 0 => {}
            _ => return Err(e.into()),
        }
        wait::fd(fd, libc::POLLOUT, &mut self.deadline())?;
        self.take_error()
    }

    /// SO_ERROR as a result, and clears it: how a connect that did not wait has ended.
    pub fn take_error(&self) -> Result<()> {
        match self.inner.take_error()? {
            Some(e) => Err(e.into()),
            None => Ok(()),
        }
    }

    /// A full backlog is EAGAIN here, and there is no event for room in it (unix(7)). Blocked in
    /// the kernel, nothing could end the call, since it waits on the peer: so it never blocks.
    fn connect_unix(&self, addr: &Addr, blocking: bool) -> Result<()> {
        let fd = self.inner.as_fd();
        let mut deadline = self.deadline();
        if blocking {
            net::set_nonblocking(fd, true)?;
        }
        let result = loop {
            match net::connect(fd, addr) {
                Err(e) if e.raw_os_error() == Some(libc::EAGAIN) => {
                    if let Err(e) = wait::moment(&mut deadline) {
                        break Err(e);
                    }
                }
                other => break other.map_err(Error::from),
            }
        };
        if blocking {
            net::set_nonblocking(fd, false)?;
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
        Ok(self.inner.shutdown(how)?)
    }

    /// recv(2)
    #[inline]
    pub fn recv(&self, buf: &mut [MaybeUninit<u8>], flags: i32) -> Result<usize> {
        take_late(&self.late_in)?;
        self.recv_within(buf, flags, &mut self.deadline())
    }

    /// recvfrom(2)
    pub fn recvfrom(&self, buf: &mut [MaybeUninit<u8>], flags: i32) -> Result<(usize, Addr)> {
        take_late(&self.late_in)?;
        if let Some(tls) = self.session() {
            let n = tls.recv(self, buf, flags, &mut self.deadline())?;
            return Ok((n, Addr::default()));
        }
        self.carries_data()?;
        let all = flags | self.mode_flags(false);
        self.attempt(libc::POLLIN, flags, &mut self.deadline(), || {
            net::recvfrom(self.inner.as_fd(), buf, all)
        })
    }

    /// send(2)
    #[inline]
    pub fn send(&self, buf: &[u8], flags: i32) -> Result<usize> {
        take_late(&self.late_out)?;
        self.send_within(buf, flags, &mut self.deadline())
    }

    /// sendto(2)
    pub fn sendto(&self, buf: &[u8], flags: i32, addr: &Addr) -> Result<usize> {
        take_late(&self.late_out)?;
        if self.session().is_some() {
            return Err(Error::os(libc::EISCONN));
        }
        self.carries_data()?;
        let all = flags | self.mode_flags(true);
        self.attempt(libc::POLLOUT, flags, &mut self.deadline(), || {
            net::sendto(self.inner.as_fd(), buf, all, addr)
        })
    }

    /// setsockopt(2)
    pub fn setsockopt(&self, level: i32, name: i32, value: &[u8]) -> Result<()> {
        Ok(net::setsockopt(self.inner.as_fd(), level, name, value)?)
    }

    /// getsockopt(2): how many bytes were written.
    pub fn getsockopt(
        &self,
        level: i32,
        name: i32,
        value: &mut [MaybeUninit<u8>],
    ) -> Result<usize> {
        Ok(net::getsockopt(self.inner.as_fd(), level, name, value)?)
    }

    /// getsockopt(2) of an integer.
    pub fn getsockopt_int(&self, level: i32, name: i32) -> Result<i32> {
        Ok(net::getsockopt_int(self.inner.as_fd(), level, name)?)
    }

    /// getsockname(2)
    pub fn getsockname(&self) -> Result<Addr> {
        Ok(net::getsockname(self.inner.as_fd())?)
    }

    /// getpeername(2)
    pub fn getpeername(&self) -> Result<Addr> {
        Ok(net::getpeername(self.inner.as_fd())?)
    }

    /// A deadline for one operation begun now.
    #[inline]
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after_us(self.timeout_us())
    }

    /// One recv(2) within an operation's deadline, late errors left alone.
    #[inline]
    pub(crate) fn recv_within(
        &self,
        buf: &mut [MaybeUninit<u8>],
        flags: i32,
        deadline: &mut Deadline,
    ) -> Result<usize> {
        if let Some(tls) = self.session() {
            return tls.recv(self, buf, flags, deadline);
        }
        self.carries_data()?;
        let all = flags | self.mode_flags(false);
        self.attempt(libc::POLLIN, flags, deadline, || self.inner.recv_with_flags(buf, all))
    }

    /// One send(2) within an operation's deadline, late errors left alone.
    #[inline]
    pub(crate) fn send_within(
        &self,
        buf: &[u8],
        flags: i32,
        deadline: &mut Deadline,
    ) -> Result<usize> {
        if let Some(tls) = self.session() {
            return tls.send(self, buf, flags, deadline);
        }
        self.carries_data()?;
        let all = flags | self.mode_flags(true);
        self.attempt(libc::POLLOUT, flags, deadline, || self.inner.send_with_flags(buf, all))
    }

    /// Keeps an error for the next call in that direction.
    pub(crate) fn keep_late(&self, incoming: bool, e: Error) {
        let late = if incoming { &self.late_in } else { &self.late_out };
        late.store(e.code(), Ordering::Relaxed);
    }

    /// Reports the error kept for that direction, once.
    pub(crate) fn late(&self, incoming: bool) -> Result<()> {
        take_late(if incoming { &self.late_in } else { &self.late_out })
    }

    /// An `IPPROTO_SEC` socket carries nothing before it is wrapped.
    #[inline]
    fn carries_data(&self) -> Result<()> {
        if self.proto == IPPROTO_SEC { Err(Error::tls(USOCKET_ETLS_NOT_WRAPPED)) } else { Ok(()) }
    }

    /// What the mode adds to a call's flags.
    #[inline]
    fn mode_flags(&self, out: bool) -> i32 {
        // MSG_DONTWAIT although the descriptor has O_NONBLOCK: another thread may be changing the
        // mode, and a process that shares the description may have changed it.
        let mut flags = if self.timeout_us() < 0 { 0 } else { libc::MSG_DONTWAIT };
        if out {
            flags |= libc::MSG_NOSIGNAL;
            // A Unix datagram socket blocks on its peer's queue, where a close could not wake it.
            if self.family == libc::AF_UNIX && self.kind != libc::SOCK_STREAM {
                flags |= libc::MSG_DONTWAIT;
            }
        }
        flags
    }

    /// Tries `op`; while it says EAGAIN and the mode allows, waits for `events` and tries again.
    #[inline]
    fn attempt<T>(
        &self,
        events: i16,
        flags: i32,
        deadline: &mut Deadline,
        mut op: impl FnMut() -> io::Result<T>,
    ) -> Result<T> {
        match op() {
            Ok(v) => Ok(v),
            Err(e) => self.attempt_again(e, events, flags, deadline, op),
        }
    }

    #[cold]
    fn attempt_again<T>(
        &self,
        mut error: io::Error,
        events: i16,
        flags: i32,
        deadline: &mut Deadline,
        mut op: impl FnMut() -> io::Result<T>,
    ) -> Result<T> {
        /// How often "ready" may be contradicted by EAGAIN before a pause: more often than other
        /// threads on the same listener would, and what a full Unix datagram peer always does.
        const CONTRADICTIONS: u32 = 4;
        let may_wait = self.timeout_us() != 0 && flags & libc::MSG_DONTWAIT == 0;
        for tries in 0u32.. {
            match error.raw_os_error() {
                Some(libc::EINTR) => wait::interrupted()?,
                Some(libc::EAGAIN) if may_wait => {
                    wait::fd(self.inner.as_fd(), events, deadline)?;
                    if tries > CONTRADICTIONS {
                        wait::moment(deadline)?;
                    }
                }
                _ => break,
            }
            match op() {
                Ok(v) => return Ok(v),
                Err(e) => error = e,
            }
        }
        Err(error.into())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

#[inline]
fn take_late(late: &AtomicI32) -> Result<()> {
    if late.load(Ordering::Relaxed) == 0 {
        return Ok(());
    }
    match Error::from_code(late.swap(0, Ordering::Relaxed)) {
        Some(e) => Err(e),
        None => Ok(()),
    }
}

/// `SOCK_NONBLOCK` and `SOCK_CLOEXEC` in a type would set a mode behind our back.
fn check_kind(kind: i32) -> Result<()> {
    if kind & !0xff != 0 { Err(Error::os(libc::EINVAL)) } else { Ok(()) }
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

/// The protocol number the socket has: 0 means the one of its type.
fn settled_proto(family: i32, kind: i32, proto: i32) -> i32 {
    match (family, kind, proto) {
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_STREAM, 0) => libc::IPPROTO_TCP,
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_DGRAM, 0) => libc::IPPROTO_UDP,
        _ => proto,
    }
}
