//! The system calls of a program that waits for many sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

pub const IN: u32 = libc::EPOLLIN as u32;
pub const OUT: u32 = libc::EPOLLOUT as u32;
pub const ADD: i32 = libc::EPOLL_CTL_ADD;
pub const MOD: i32 = libc::EPOLL_CTL_MOD;

pub struct Epoll(RawFd);

fn cvt(r: isize) -> io::Result<usize> {
    usize::try_from(r).map_err(|_| io::Error::last_os_error())
}

impl Epoll {
    pub fn new() -> Epoll {
        // SAFETY: no pointers.
        Epoll(cvt(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) } as isize).unwrap() as RawFd)
    }

    pub fn watch(&self, op: i32, fd: &impl AsRawFd, events: u32, data: u64) {
        let mut event = libc::epoll_event { events, u64: data };
        // SAFETY: the event is there for the call.
        let r = unsafe { libc::epoll_ctl(self.0, op, fd.as_raw_fd(), &mut event) };
        cvt(r as isize).unwrap();
    }

    /// The data of what is ready.
    pub fn wait(&self, time: Option<Duration>, mut ready: impl FnMut(u64)) {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 256];
        let ms = time.map_or(-1, |t| t.as_millis() as i32);
        // SAFETY: writable for its length.
        let r = unsafe { libc::epoll_wait(self.0, events.as_mut_ptr(), 256, ms) };
        let n = match cvt(r as isize) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
            Err(e) => panic!("{e}"),
        };
        events[..n].iter().for_each(|e| ready(e.u64));
    }
}

/// `None` when there is nothing now.
pub fn recv(io: &TcpStream, to: &mut [u8]) -> io::Result<Option<usize>> {
    // SAFETY: writable for its length.
    let r = unsafe { libc::recv(io.as_raw_fd(), to.as_mut_ptr().cast(), to.len(), 0) };
    now(cvt(r))
}

/// How many bytes the kernel took.
pub fn send(io: &TcpStream, from: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_NOSIGNAL;
    // SAFETY: readable for its length.
    let r = unsafe { libc::send(io.as_raw_fd(), from.as_ptr().cast(), from.len(), flags) };
    now(cvt(r)).map(|n| n.unwrap_or(0))
}

fn now(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(n) => Ok(Some(n)),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(e) => Err(e),
    }
}

/// A listener whose connections do not wait for more to send.
pub fn listen(port: u16) -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let on: libc::c_int = 1;
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_NODELAY);
    // SAFETY: four readable bytes.
    let r = unsafe { libc::setsockopt(listener.as_raw_fd(), level, name, (&raw const on).cast(), 4) };
    cvt(r as isize).unwrap();
    listener
}

/// accept4(2): one call, where std's needs two for a socket that does not block.
pub fn accept(listener: &TcpListener) -> Option<TcpStream> {
    use std::os::fd::FromRawFd;
    let (flags, none) = (libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, std::ptr::null_mut());
    // SAFETY: no address is asked for; the descriptor is new.
    let fd = unsafe { libc::accept4(listener.as_raw_fd(), none, std::ptr::null_mut(), flags) };
    // SAFETY: as above.
    (fd >= 0).then(|| unsafe { TcpStream::from_raw_fd(fd) })
}

/// A connection that does not block.
pub fn connect(port: u16) -> TcpStream {
    let io = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
    io.set_nodelay(true).unwrap();
    io.set_nonblocking(true).unwrap();
    io
}

/// Closes with a reset, so that no port is kept for a minute.
pub fn reset(io: TcpStream) {
    let now = libc::linger { l_onoff: 1, l_linger: 0 };
    let len = size_of_val(&now) as u32;
    // SAFETY: readable for its length.
    unsafe {
        libc::setsockopt(io.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, (&raw const now).cast(), len)
    };
}
