//! Everything that the header allows threads to do, done by many threads, through the C functions.
//!
//! Runs by itself and, with `make tsan`, under ThreadSanitizer. It has no test harness: libtest's
//! channels are not instrumented and would be reported as races.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

use usocket::addr::Addr;
use usocket::ffi::stream::*;
use usocket::ffi::{
    address::*, connection::*, name::*, option::*, poller::*, socket::*, transfer::*,
};
use usocket::numbers::*;

mod tls;

const EBADF: i64 = -(libc::EBADF as i64);
const IN: u32 = libc::POLLIN as u32;

fn main() {
    let tests: [(&str, fn()); 8] = [
        ("two threads send and receive on one socket at once", duplex),
        ("many threads accept on one listener", many_accept),
        ("a close from outside ends whatever is under way", close_under_way),
        ("a poller is changed, woken and waited for at once", poller_at_once),
        ("names are asked for by many threads", names_at_once),
        ("modes and options change under way", modes_under_way),
        ("several threads send and receive on one TLS session", tls::several_each_way),
        ("a close from outside ends TLS under way", tls::close_under_way),
    ];
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
    println!("\ntest result: ok. {} passed; 0 failed; 0 ignored", tests.len());
}

fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread::spawn(f)
}

fn join<T>(t: JoinHandle<T>) -> T {
    t.join().unwrap_or_else(|_| std::process::exit(101))
}

fn pair() -> (i64, i64) {
    let mut out = [0i64; 2];
    // SAFETY: room for two handles.
    let r = unsafe { usocket_socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, out.as_mut_ptr()) };
    assert_eq!(r, 0);
    (out[0], out[1])
}

fn listener() -> (i64, Addr) {
    let mut addr = Addr::default();
    assert_eq!(
        // SAFETY: constant text, and an address of our own, here and below.
        unsafe { usocket_addr_ip(libc::AF_INET, c"127.0.0.1".as_ptr(), 0, 0, 0, &mut addr) },
        0
    );
    // SAFETY: as above.
    let s = unsafe { usocket_create_server(&addr, 128, 0) };
    assert!(s > 0);
    // SAFETY: as above.
    assert_eq!(unsafe { usocket_getsockname(s, &mut addr) }, 0);
    (s, addr)
}

fn connect(addr: &Addr) -> i64 {
    let s = usocket_socket(libc::AF_INET, libc::SOCK_STREAM, 0);
    // SAFETY: an address of our own.
    assert_eq!(unsafe { usocket_connect(s, addr) }, 0);
    s
}

fn send_all(s: i64, total: usize, seed: usize) {
    let bytes: Vec<u8> = (0..total).map(|i| (i * 7 + seed) as u8).collect();
    // SAFETY: a buffer of our own.
    assert_eq!(unsafe { usocket_write(s, bytes.as_ptr().cast(), total) }, total as i64);
}

fn receive_all(s: i64, total: usize, seed: usize) {
    let mut bytes = vec![0u8; total];
    // SAFETY: a buffer of our own.
    assert_eq!(unsafe { usocket_read(s, bytes.as_mut_ptr().cast(), total) }, total as i64);
    assert!(bytes.iter().enumerate().all(|(i, b)| *b == (i * 7 + seed) as u8));
}

fn duplex() {
    let total = 1 << 20;
    for timeout in [-1, 30_000_000] {
        let (a, b) = pair();
        usocket_settimeout(a, timeout);
        usocket_settimeout(b, timeout);
        let threads = [
            spawn(move || send_all(a, total, 1)),
            spawn(move || receive_all(b, total, 1)),
            spawn(move || send_all(b, total, 2)),
            spawn(move || receive_all(a, total, 2)),
        ];
        threads.into_iter().for_each(join);
        assert_eq!((usocket_close(a), usocket_close(b)), (0, 0));
    }
}

fn many_accept() {
    let (s, addr) = listener();
    let (clients, each) = (4, 50);
    let accepted = Arc::new(AtomicUsize::new(0));
    let accepting: Vec<_> = (0..4)
        .map(|_| {
            let accepted = accepted.clone();
            spawn(move || {
                loop {
                    // SAFETY: NULL: the peer's address is not wanted.
                    match unsafe { usocket_accept(s, std::ptr::null_mut()) } {
                        EBADF => return,
                        c => {
                            assert!(c > 0, "{c}");
                            accepted.fetch_add(1, SeqCst);
                            assert_eq!(usocket_close(c), 0);
                        }
                    }
                }
            })
        })
        .collect();
    let connecting: Vec<_> = (0..clients)
        .map(|_| {
            spawn(move || (0..each).for_each(|_| assert_eq!(usocket_close(connect(&addr)), 0)))
        })
        .collect();
    connecting.into_iter().for_each(join);
    while accepted.load(SeqCst) < clients * each {
        thread::yield_now();
    }
    assert_eq!(usocket_close(s), 0);
    accepting.into_iter().for_each(join);
}

fn three_receive_until_closed(s: i64) -> Vec<JoinHandle<()>> {
    let receive = move || {
        loop {
            let mut byte = 0u8;
            // SAFETY: room for one byte.
            match unsafe { usocket_recv(s, (&raw mut byte).cast(), 1, 0) } {
                EBADF => return,
                n => assert_eq!(n, 1),
            }
        }
    };
    (0..3).map(|_| spawn(receive)).collect()
}

fn close_under_way() {
    for round in 0..200 {
        let (a, b) = pair();
        usocket_settimeout(a, if round % 2 == 0 { -1 } else { 30_000_000 });
        let ends = three_receive_until_closed(a);
        // SAFETY: one readable byte.
        assert_eq!(unsafe { usocket_send(b, c"x".as_ptr().cast(), 1, 0) }, 1);
        let closers = [spawn(move || usocket_close(a)), spawn(move || usocket_close(a))];
        let closed: i32 = closers.into_iter().map(join).sum();
        assert_eq!(closed, EBADF as i32, "exactly one close succeeds");
        ends.into_iter().for_each(join);
        assert_eq!(usocket_close(b), 0);
    }
}

fn poller_at_once() {
    let p = usocket_poller_create();
    let stop = Arc::new(AtomicBool::new(false));
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            spawn(move || {
                let mut seen = 0;
                loop {
                    let none = usocket_event { socket: 0, data: 0, fd: 0, events: 0 };
                    let mut events = [none; 8];
                    // SAFETY: room for eight events.
                    match unsafe { usocket_poller_wait(p, events.as_mut_ptr(), 8, -1) } {
                        n if i64::from(n) == EBADF => return seen,
                        n => seen += n,
                    }
                }
            })
        })
        .collect();
    let changing: Vec<_> = (0..2)
        .map(|_| {
            let stop = stop.clone();
            spawn(move || {
                for _ in 0..300 {
                    let (a, b) = pair();
                    assert_eq!(usocket_poller_add(p, a, IN, a as u64), 0);
                    // SAFETY: one readable byte.
                    unsafe { usocket_send(b, c"x".as_ptr().cast(), 1, 0) };
                    assert_eq!(usocket_poller_modify(p, a, IN | USOCKET_POLLER_ONESHOT, 0), 0);
                    assert_eq!(usocket_poller_wake(p), 0);
                    assert_eq!((usocket_close(a), usocket_close(b)), (0, 0));
                }
                stop.store(true, SeqCst);
            })
        })
        .collect();
    changing.into_iter().for_each(join);
    assert_eq!(usocket_close(p), 0);
    let seen: i32 = waiting.into_iter().map(join).sum();
    assert!(stop.load(SeqCst) && seen > 0);
}

fn names_at_once() {
    let asking: Vec<_> = (0..8)
        .map(|_| {
            spawn(|| {
                for _ in 0..5 {
                    let mut list = std::ptr::null_mut();
                    let host = c"localhost".as_ptr();
                    // SAFETY: constant texts, and a place for the list.
                    let r = unsafe {
                        usocket_getaddrinfo(host, c"80".as_ptr(), 0, 0, 0, 0, 60_000_000, &mut list)
                    };
                    assert_eq!((r, usocket_freeaddrinfo(list)), (0, 0));
                }
            })
        })
        .collect();
    asking.into_iter().for_each(join);
}

fn modes_under_way() {
    let (a, b) = pair();
    let stop = Arc::new(AtomicBool::new(false));
    let received = Arc::new(AtomicI64::new(0));
    let (stop2, received2) = (stop.clone(), received.clone());
    let receiving = spawn(move || {
        while !stop2.load(SeqCst) {
            let mut byte = 0u8;
            // SAFETY: room for one byte.
            let n = unsafe { usocket_recv(a, (&raw mut byte).cast(), 1, 0) };
            assert!(
                n == 1 || n == -i64::from(libc::EAGAIN) || n == -i64::from(libc::ETIMEDOUT),
                "{n}"
            );
            received2.fetch_add(n.max(0), SeqCst);
        }
    });
    for round in 0..500 {
        assert_eq!(usocket_settimeout(a, [0, 1, 1_000_000][round % 3]), 0);
        assert_eq!(usocket_setsockopt_int(a, libc::SOL_SOCKET, libc::SO_RCVBUF, 65536), 0);
        // SAFETY: one readable byte.
        assert_eq!(unsafe { usocket_send(b, c"x".as_ptr().cast(), 1, 0) }, 1);
        while received.load(SeqCst) <= round as i64 {
            thread::yield_now();
        }
    }
    stop.store(true, SeqCst);
    assert_eq!(usocket_setblocking(a, 0), 0);
    // SAFETY: one readable byte.
    unsafe { usocket_send(b, c"x".as_ptr().cast(), 1, 0) };
    join(receiving);
    assert_eq!((usocket_close(a), usocket_close(b)), (0, 0));
}
