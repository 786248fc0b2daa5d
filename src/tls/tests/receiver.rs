//! The thread that waits to receive, held up at the worst of moments; and what a close or an error does
//! to a thread that sends.

use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::support::*;
use crate::object;
use crate::socket::Socket;

const IN: i16 = libc::POLLIN;

/// How long a receiver is held up.
const HOLD: Duration = Duration::from_millis(400);

/// The processor time that this thread has used.
fn busy() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: room for the result.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

static HELD: AtomicI32 = AtomicI32::new(0);

/// Keeps the thread that it interrupts until HELD is 0.
extern "C" fn hold(_: i32) {
    HELD.fetch_add(1, SeqCst);
    while HELD.load(SeqCst) != 0 {
        std::hint::spin_loop();
    }
}

/// Data that has come is the receiver's to take, who is held up; what it leaves is then a poll's to
/// tell of, without anything more coming. A poll with less time ends when that is over.
#[test]
fn a_poll_waits_for_the_receiver_and_no_longer_than_it_may() {
    // SAFETY: a zeroed sigaction is a valid one, and the handler uses an atomic alone.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = hold as *const () as usize;
        libc::sigaction(libc::SIGURG, &action, std::ptr::null_mut());
    }
    let (client, server) = contexts();
    for timeout in [-1, 3 * LONG.as_micros() as i64] {
        let ends = Handles::new(&client, &server);
        on(ends.0, |s| s.settimeout(timeout)).unwrap();
        thread::scope(|scope| {
            let (tell, told) = std::sync::mpsc::channel();
            let taker = scope.spawn(move || {
                tell.send(this_thread()).unwrap();
                on(ends.0, |s| recv(s, 16))
            });
            let id = told.recv().unwrap();
            until_it_waits(id);
            interrupt(id, libc::SIGURG);
            while HELD.load(SeqCst) == 0 {
                thread::yield_now();
            }
            on(ends.1, |s| s.send(&[7; 100], 0)).unwrap();
            let begun = Instant::now();
            assert_eq!(polled(ends.0, IN, 10_000), 0);
            assert!(begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
            let watcher = scope.spawn(|| {
                let before = busy();
                (polled(ends.0, IN, LONG.as_micros() as i64), busy() - before)
            });
            // (It looks again and again, so there is no state in which it stays.)
            thread::sleep(HOLD);
            HELD.store(0, SeqCst);
            let begun = Instant::now();
            assert_eq!(taker.join().unwrap().unwrap(), [7; 16]);
            let (seen, worked) = watcher.join().unwrap();
            assert_eq!(seen, IN);
            // What the kernel has is not the poll's to take; it must not ask for it all the time.
            assert!(worked < HOLD / 4, "a poll that waits was busy for {worked:?}");
            assert!(begun.elapsed() < LONG / 2, "at the end of its time: {:?}", begun.elapsed());
            assert_eq!(on(ends.0, |s| read(s, 84)).unwrap().len(), 84);
        });
    }
}

/// Data wakes a poll and a receiver at once. In either order, the poll reports the data left by the
/// receiver.
#[test]
fn a_poll_is_told_of_what_a_receiver_leaves() {
    let (client, server) = contexts();
    let ends = Handles::new(&client, &server);
    for round in 0..300 {
        thread::scope(|scope| {
            let poll = scope.spawn(|| polled(ends.0, IN, LONG.as_micros() as i64));
            let taker = scope.spawn(|| on(ends.0, |s| recv(s, 16)));
            on(ends.1, |s| s.send(&[7; 100], 0)).unwrap();
            assert_eq!(taker.join().unwrap().unwrap(), [7; 16]);
            let begun = Instant::now();
            assert_eq!(poll.join().unwrap(), IN);
            assert!(begun.elapsed() < LONG / 2, "round {round}: {:?}", begun.elapsed());
        });
        assert_eq!(on(ends.0, |s| read(s, 84)).unwrap().len(), 84);
    }
}

/// A receiver that waits at once, and one that does not wait at all: records out of order would not be
/// decrypted.
#[test]
fn who_waits_without_the_lock_keeps_the_order() {
    const MESSAGES: usize = 20_000;
    let (client, server) = contexts();
    let (a, b) = connected(&client, &server);
    let count = |flags: i32| {
        let (mut buf, mut n) = ([std::mem::MaybeUninit::uninit(); 48], 0);
        loop {
            match a.recv(&mut buf, flags) {
                Ok(48) => n += 1,
                Ok(0) => return n,
                Err(e) if e.is(libc::EAGAIN) => {}
                other => panic!("{other:?} after {n}"),
            }
        }
    };
    thread::scope(|scope| {
        let waits = scope.spawn(|| count(0));
        let looks = scope.spawn(|| count(libc::MSG_DONTWAIT));
        (0..MESSAGES).for_each(|_| assert_eq!(b.send(&[7; 48], 0), Ok(48)));
        b.shutdown(libc::SHUT_WR).unwrap();
        assert_eq!(waits.join().unwrap() + looks.join().unwrap(), MESSAGES);
    });
}

/// As much as one record, of which the kernel takes a part.
fn record_without_room(timeout: i64) -> (Socket, Socket) {
    let (client, server) = contexts();
    let (a, b) = connected(&client, &server);
    a.settimeout(timeout).unwrap();
    a.setsockopt(libc::SOL_SOCKET, libc::SO_SNDBUF, &1i32.to_ne_bytes()).unwrap();
    (a, b)
}

/// sendall sends the bytes that an earlier send has taken and the kernel has not, or reports their
/// loss.
#[test]
fn sendall_tells_what_its_last_bytes_meet() {
    let (a, b) = record_without_room(-1);
    thread::scope(|scope| {
        let sender = waiting(scope, || a.sendall(&[1; 60_000], 0));
        drop(Socket::from_fd(b.into_fd()).unwrap());
        assert!(sender.join().unwrap().is_err());
    });
    // Of a single record.
    let (a, b) = record_without_room(-1);
    thread::scope(|scope| {
        let sender = waiting(scope, || a.sendall(&[1; 16_000], 0));
        drop(Socket::from_fd(b.into_fd()).unwrap());
        assert!(sender.join().unwrap().is_err());
    });
}

/// A close is to end what another thread waits for, and waits for nothing itself then: not for room
/// either, of which there is none, nor can be made.
#[test]
fn a_close_beside_a_thread_that_waits_does_not_wait() {
    for timeout in [-1, 3 * LONG.as_micros() as i64] {
        let (client, server) = contexts();
        let (a, _b) = connected(&client, &server);
        a.settimeout(timeout).unwrap();
        // All that the kernel allows: no close makes it more.
        a.setsockopt(libc::SOL_SOCKET, libc::SO_SNDBUF, &i32::MAX.to_ne_bytes()).unwrap();
        let h = object::insert(a).unwrap();
        thread::scope(|scope| {
            let block = vec![7; 64 << 20];
            let sender = waiting(scope, move || on(h, |s| s.sendall(&block, 0)));
            let begun = Instant::now();
            object::close(h).unwrap();
            assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
            assert!(sender.join().unwrap().is_err());
        });
    }
}
