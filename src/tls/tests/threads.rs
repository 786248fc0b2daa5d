//! Several threads on one session.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::support::*;
use crate::error::Result;
use crate::object;
use crate::poll::Source;
use crate::socket::Socket;

const IN: i16 = libc::POLLIN;
/// The limit for a close on a busy machine; a second would mean that it waited.
const SOON: Duration = Duration::from_millis(900);
const EBADF: i64 = -(libc::EBADF as i64);

/// usocket_recv, whose answer counts when the handle is closed meanwhile.
fn recv_on(handle: i64) -> i64 {
    let mut buf = [0u8; 16];
    // SAFETY: the buffer is there.
    unsafe { crate::ffi::transfer::usocket_recv(handle, buf.as_mut_ptr().cast(), buf.len(), 0) }
}

/// Sets the hook, of which there is one at a time, and makes SIGUSR2 interrupt.
fn hooked(hook: crate::sys::hook::EventHook) -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    extern "C" fn nothing(_: i32) {}
    let alone = ALONE.lock().unwrap();
    // SAFETY: a zeroed sigaction is a valid one, and the handler does nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut());
    }
    crate::sys::hook::EVENT.set(Some(hook), std::ptr::null_mut());
    alone
}

#[test]
fn two_threads_use_one_session() {
    let (client, server) = contexts();
    let (a, b) = connected(&client, &server);
    const TOTAL: usize = 8 << 20;
    let pump_out = |s: &Socket| {
        let block = [5u8; 50_000];
        let mut left = TOTAL;
        while left > 0 {
            left -= s.send(&block[..left.min(block.len())], 0).unwrap();
        }
    };
    let pump_in = |s: &Socket| {
        let mut buf = vec![MaybeUninit::new(0u8); 30_000];
        let mut left = TOTAL;
        while left > 0 {
            left -= s.recv(&mut buf, 0).unwrap();
        }
    };
    thread::scope(|scope| {
        for s in [&a, &b] {
            scope.spawn(move || pump_out(s));
            scope.spawn(move || pump_in(s));
        }
    });
    // One waits to receive; the other sends all the same.
    thread::scope(|scope| {
        let waiting = waiting(scope, || recv(&a, 10).unwrap());
        a.send(b"ping", 0).unwrap();
        assert_eq!(recv(&b, 10).unwrap(), b"ping");
        b.send(b"pong", 0).unwrap();
        assert_eq!(waiting.join().unwrap(), b"pong");
    });
}

#[test]
fn the_event_hook_may_receive_where_it_interrupts() {
    static HANDLE: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);
    static INNER: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);
    unsafe extern "C" fn hook(_: *mut std::ffi::c_void) -> i32 {
        let handle = HANDLE.swap(0, SeqCst);
        if handle != 0 {
            INNER.store(recv_on(handle), SeqCst);
        }
        0
    }
    let (client, server) = contexts();
    let _alone = hooked(hook);
    for timeout in [-1, 5_000_000] {
        let pair = Arc::new(Handles::new(&client, &server));
        on(pair.0, |a| a.settimeout(timeout)).unwrap();
        INNER.store(0, SeqCst);
        let (tell, told) = std::sync::mpsc::channel();
        let (tell_id, id) = std::sync::mpsc::channel();
        let theirs = pair.clone();
        thread::spawn(move || {
            tell_id.send(this_thread()).unwrap();
            tell.send(recv_on(theirs.0))
        });
        let id = id.recv().unwrap();
        until_it_waits(id);
        HANDLE.store(pair.0, SeqCst);
        interrupt(id, libc::SIGUSR2);
        let until = |done: &dyn Fn() -> bool| {
            let begun = Instant::now();
            while !done() {
                assert!(begun.elapsed() < LONG);
                thread::yield_now();
            }
            until_it_waits(id);
        };
        until(&|| HANDLE.load(SeqCst) == 0);
        on(pair.1, |b| b.send(b"one", 0)).unwrap();
        until(&|| INNER.load(SeqCst) != 0);
        on(pair.1, |b| b.send(b"three", 0)).unwrap();
        assert_eq!(told.recv_timeout(LONG), Ok(5), "{timeout}");
        assert_eq!(INNER.load(SeqCst), 3, "{timeout}");
    }
    crate::sys::hook::EVENT.set(None, std::ptr::null_mut());
}

#[test]
fn two_threads_begin_one_handshake() {
    let (client, server) = contexts();
    let (client, server) = (Arc::new(client), Arc::new(server));
    for _ in 0..50 {
        let (a, b) = pair();
        wrap(&a, &client, Some(NAME));
        wrap(&b, &server, None);
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(recv(&a, 10).unwrap(), b"b"));
            scope.spawn(|| a.send(b"a", 0).unwrap());
            scope.spawn(|| assert_eq!(recv(&b, 10).unwrap(), b"a"));
            scope.spawn(|| b.send(b"b", 0).unwrap());
        });
    }
}

#[test]
fn closing_ends_what_others_do() {
    let (client, server) = contexts();
    let begin = |op: fn(i64) -> i64, ends: &Handles| {
        let (mine, peer) = (ends.0, ends.1);
        thread::scope(|scope| {
            let blocked = waiting(scope, move || op(mine));
            let begun = Instant::now();
            object::close(mine).unwrap();
            assert_eq!(blocked.join().unwrap(), -i64::from(libc::EBADF));
            assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        });
        let _ = object::close(peer);
    };
    begin(recv_on, &Handles::new(&client, &server));
    let sendall: fn(i64) -> i64 = |h| {
        let much = vec![0u8; 32 << 20];
        // SAFETY: as above.
        unsafe {
            crate::ffi::transfer::usocket_sendall(h, much.as_ptr().cast(), much.len(), 0).into()
        }
    };
    begin(sendall, &Handles::new(&client, &server));
    // In the handshake.
    let (a, b) = pair();
    wrap(&a, &client, Some(NAME));
    let ends = Handles(object::insert(a).unwrap(), object::insert(b).unwrap());
    begin(|h| crate::ffi::tls::usocket_tls_handshake(h).into(), &ends);
}

#[test]
fn several_threads_receive_and_nothing_is_lost() {
    const MESSAGES: u64 = 30_000;
    for timeout in [-1, 20_000_000] {
        let (client, server) = contexts();
        let (a, b) = connected(&client, &server);
        a.settimeout(timeout).unwrap();
        let receive = || {
            let mut got = Vec::new();
            loop {
                let bytes = recv(&a, 8).unwrap();
                if bytes.is_empty() {
                    return got;
                }
                got.push(u64::from_le_bytes(bytes.try_into().unwrap()));
            }
        };
        let got = thread::scope(|scope| {
            let receivers: Vec<_> = (0..3).map(|_| scope.spawn(receive)).collect();
            let mut next = 0;
            while next < MESSAGES {
                // A few at a time, so that what one thread takes is more than it can hand over.
                let end = MESSAGES.min(next + 1 + next % 7);
                let bytes: Vec<u8> = (next..end).flat_map(u64::to_le_bytes).collect();
                b.sendall(&bytes, 0).unwrap();
                next = end;
            }
            b.shutdown(libc::SHUT_WR).unwrap();
            receivers.into_iter().map(|r| r.join().unwrap()).collect::<Vec<_>>()
        });
        for one in &got {
            assert!(one.is_sorted(), "a thread got something before what came earlier");
        }
        let mut all = got.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..MESSAGES));
    }
}

/// A thread that blocks in recv.
pub fn blocked<'s>(
    scope: &'s thread::Scope<'s, '_>,
    s: &'s Socket,
) -> ScopedJoinHandle<'s, Result<Vec<u8>>> {
    waiting(scope, || recv(s, 10))
}

#[test]
fn while_one_blocks_others_need_not() {
    let (client, server) = contexts();
    let (a, b) = connected(&client, &server);
    thread::scope(|scope| {
        let first = blocked(scope, &a);
        let mut byte = [MaybeUninit::uninit()];
        assert_eq!(a.recv(&mut byte, libc::MSG_DONTWAIT).unwrap_err().code(), -libc::EAGAIN);
        // The mode is the socket's; whoever is in the kernel already stays there.
        a.settimeout(60_000).unwrap();
        let begun = Instant::now();
        assert_eq!(recv(&a, 1).unwrap_err().code(), -libc::ETIMEDOUT);
        assert!(begun.elapsed() >= Duration::from_millis(60));
        a.settimeout(-1).unwrap();
        let second = blocked(scope, &a);
        b.sendall(b"0123456789abcdef", 0).unwrap();
        // The second gets the data left by the first, without further input.
        let mut got = [first.join().unwrap().unwrap(), second.join().unwrap().unwrap()];
        got.sort();
        assert_eq!(got, [&b"0123456789"[..], b"abcdef"]);
    });
}

#[test]
fn a_poller_sees_what_a_blocked_thread_leaves() {
    let (client, server) = contexts();
    let ends = Handles::new(&client, &server);
    let held = object::pin(object::insert_poller().unwrap()).unwrap();
    let poller = held.poller().unwrap();
    poller.add(Source::Handle(ends.0), IN as u32, 1).unwrap();
    let wait = |us: i64| {
        let mut ready = Vec::new();
        poller.wait(8, us, |_, e| ready.push(e.events)).unwrap();
        ready
    };
    thread::scope(|scope| {
        let taker = waiting(scope, || recv_on(ends.0));
        assert_eq!(wait(20_000), []);
        assert_eq!(polled(ends.0, IN, 20_000), 0);
        let watching = waiting(scope, || wait(LONG.as_micros() as i64));
        on(ends.1, |s| s.send(&[7; 100], 0)).unwrap();
        assert_eq!(taker.join().unwrap(), 16);
        assert_eq!(watching.join().unwrap(), [IN as u32]);
        assert_eq!(on(ends.0, |s| read(s, 84)).unwrap().len(), 84);
        assert_eq!(wait(0), []);
    });
}

#[test]
fn a_poll_sees_what_a_blocked_thread_leaves() {
    let (client, server) = contexts();
    for timeout in [-1, 20_000_000] {
        let ends = Handles::new(&client, &server);
        on(ends.0, |s| s.settimeout(timeout)).unwrap();
        for _ in 0..10 {
            thread::scope(|scope| {
                let taker = waiting(scope, || recv_on(ends.0));
                // In slices: a poll that sleeps in the kernel is not told what a thread leaves.
                let watcher =
                    waiting(scope, || (0..1000).any(|_| polled(ends.0, IN, 20_000) == IN));
                on(ends.1, |s| s.send(&[7; 100], 0)).unwrap();
                assert!(watcher.join().unwrap());
                assert_eq!(taker.join().unwrap(), 16);
                assert_eq!(on(ends.0, |s| read(s, 84)).unwrap().len(), 84);
            });
        }
    }
}

#[test]
fn closing_ends_the_one_that_receives_and_those_behind_it() {
    let (client, server) = contexts();
    for timeout in [-1, 20_000_000] {
        let ends = Handles::new(&client, &server);
        on(ends.0, |s| s.settimeout(timeout)).unwrap();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| waiting(scope, || recv_on(ends.0))).collect();
            let begun = Instant::now();
            object::close(ends.0).unwrap();
            for thread in threads {
                assert_eq!(thread.join().unwrap(), EBADF);
            }
            assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        });
    }
}

#[test]
fn an_error_reaches_all_who_wait() {
    let (client, server) = contexts();
    let (a, b) = connected(&client, &server);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| blocked(scope, &a)).collect();
        // Without goodbye.
        drop(Socket::from_fd(b.into_fd()).unwrap());
        for thread in threads {
            let e = thread.join().unwrap().unwrap_err();
            assert_eq!(e.code(), crate::error::causes::USOCKET_ETLS_TRUNCATED);
        }
    });
}

#[test]
fn a_signal_stops_a_wait_when_the_host_says_so() {
    static STOP: AtomicI32 = AtomicI32::new(0);
    static CALLS: AtomicI32 = AtomicI32::new(0);
    unsafe extern "C" fn hook(_: *mut std::ffi::c_void) -> i32 {
        CALLS.fetch_add(1, SeqCst);
        STOP.load(SeqCst)
    }
    let (client, server) = contexts();
    let (a, b) = connected(&client, &server);
    let _alone = hooked(hook);
    thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (tell, a) = (tell.clone(), &a);
                scope.spawn(move || {
                    tell.send(this_thread()).unwrap();
                    recv(a, 10)
                })
            })
            .collect();
        let ids = [told.recv().unwrap(), told.recv().unwrap()];
        let signal = || {
            for id in ids {
                until_it_waits(id);
                interrupt(id, libc::SIGUSR2);
            }
        };
        // Go on. (One that comes before a thread sleeps is the handler's alone.)
        while CALLS.load(SeqCst) < 2 {
            signal();
        }
        STOP.store(1, SeqCst);
        // One that comes before the thread sleeps again ends nothing.
        while !threads.iter().all(|t| t.is_finished()) {
            signal();
        }
        for thread in threads {
            assert_eq!(thread.join().unwrap().unwrap_err().code(), -libc::EINTR);
        }
    });
    crate::sys::hook::EVENT.set(None, std::ptr::null_mut());
    // Nothing is lost by it.
    b.send(b"after", 0).unwrap();
    assert_eq!(recv(&a, 10).unwrap(), b"after");
}

#[test]
fn a_slow_verify_callback_keeps_nobody_beyond_their_time() {
    static HANDLE: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);
    static GO_ON: AtomicI32 = AtomicI32::new(0);
    let ca = Ca::new("CA");
    let (client, server) = (client(), server(&ca.server()));
    client.trust(ca.pem().as_bytes()).unwrap();
    let within = Arc::new(AtomicI32::new(0));
    let inner = within.clone();
    let callback = move |_: &[u8], _: i32| {
        let h = HANDLE.load(SeqCst);
        if inner.fetch_add(1, SeqCst) > 0 {
            return 0;
        }
        // The connection itself: no hang, and no answer it does not have.
        on(h, |s| {
            let dead = Err(crate::error::Error::os(libc::EDEADLK));
            assert_eq!(s.recv(&mut [MaybeUninit::uninit()], 0), dead);
            assert_eq!(s.send(b"x", 0), dead);
            assert_eq!(s.tls().unwrap().handshake(s).map(|()| 0), dead);
            assert_eq!(s.shutdown(libc::SHUT_WR).map(|()| 0), dead);
            assert_eq!(s.tls().unwrap().info(|i| i.version()), 0);
            assert_eq!(s.tls().unwrap().detail(), "");
        });
        polled(h, IN, 0);
        let begun = Instant::now();
        while GO_ON.load(SeqCst) == 0 && begun.elapsed() < LONG {
            thread::sleep(Duration::from_millis(1));
        }
        0
    };
    client.set_callback(Some(Arc::new(callback))).unwrap();
    let (a, b) = pair();
    a.settimeout(3 * LONG.as_micros() as i64).unwrap();
    wrap(&a, &client, Some(NAME));
    wrap(&b, &server, None);
    let ends = Handles(object::insert(a).unwrap(), object::insert(b).unwrap());
    HANDLE.store(ends.0, SeqCst);
    thread::scope(|scope| {
        scope.spawn(|| on(ends.1, |s| s.tls().unwrap().handshake(s)));
        let shaking = scope.spawn(|| on(ends.0, |s| s.tls().unwrap().handshake(s)));
        while within.load(SeqCst) == 0 {
            thread::yield_now();
        }
        let begun = Instant::now();
        on(ends.0, |s| {
            let tls = s.tls().unwrap();
            assert_eq!((tls.pending(s), tls.wants(s)), (0, IN));
            assert!(s.recv(&mut [MaybeUninit::uninit()], libc::MSG_DONTWAIT).is_err());
            s.settimeout(100_000).unwrap();
            assert_eq!(recv(s, 1).unwrap_err().code(), -libc::ETIMEDOUT);
            s.settimeout(-1).unwrap();
        });
        assert_eq!(polled(ends.0, IN, 50_000), 0);
        assert!(begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
        GO_ON.store(1, SeqCst);
        shaking.join().unwrap().unwrap();
    });
    on(ends.1, |s| s.send(b"on it goes", 0)).unwrap();
    assert_eq!(on(ends.0, |s| recv(s, 20)).unwrap(), b"on it goes");
}

/// A send beside a handshake whose verify callback takes its time waits for it.
#[test]
fn who_sends_beside_a_slow_callback_waits_for_it() {
    let (client, server) = contexts();
    let (begun, told) = std::sync::mpsc::channel();
    let begun = std::sync::Mutex::new(begun);
    let slow = move |_: &[u8], _| {
        begun.lock().unwrap().send(()).unwrap();
        thread::sleep(Duration::from_millis(100));
        0
    };
    client.set_callback(Some(std::sync::Arc::new(slow))).unwrap();
    for timeout in [-1, LONG.as_micros() as i64] {
        let (a, b) = pair();
        a.settimeout(timeout).unwrap();
        let (sa, sb) = (wrap(&a, &client, Some(NAME)), wrap(&b, &server, None));
        thread::scope(|scope| {
            scope.spawn(|| sb.handshake(&b).unwrap());
            let shaking = scope.spawn(|| sa.handshake(&a));
            told.recv().unwrap();
            assert_eq!(a.send(b"hello", 0), Ok(5));
            shaking.join().unwrap().unwrap();
        });
        assert_eq!(recv(&b, 10).unwrap(), b"hello");
        assert!(told.try_iter().count() < 3);
    }
}

/// A call that does not wait for the peer does wait for a thread that only looks at something.
#[test]
fn a_call_that_does_not_wait_is_not_refused_for_a_thread_that_looks() {
    let (client, server) = contexts();
    let (a, b) = connected(&client, &server);
    a.settimeout(0).unwrap();
    let (looks, told) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            a.tls().unwrap().info(|_| {
                looks.send(()).unwrap();
                thread::sleep(Duration::from_millis(100));
            });
        });
        told.recv().unwrap();
        assert_eq!(a.send(b"x", 0), Ok(1));
    });
    assert_eq!(recv(&b, 10).unwrap(), b"x");
}
