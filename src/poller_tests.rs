//! The poller against real sockets: what it reports, once and truly, through closes and reuse.

use std::ops::Deref;
use std::os::fd::AsRawFd;

use super::*;
use crate::object::{self, Held};
use crate::socket::Socket;

const IN: u32 = libc::POLLIN as u32;
const OUT: u32 = libc::POLLOUT as u32;
const NVAL: u32 = libc::POLLNVAL as u32;

fn pair() -> (Handle, Handle) {
    let Ok((a, b)) = Socket::pair(libc::AF_UNIX, libc::SOCK_STREAM, 0) else { panic!("pair") };
    let (Ok(a), Ok(b)) = (object::insert(a), object::insert(b)) else { panic!("insert") };
    (a, b)
}

/// A poller with a handle, which is closed at the end.
struct Named(Handle, Held);

impl Deref for Named {
    type Target = object::Poller;
    fn deref(&self) -> &object::Poller {
        self.1.poller().unwrap_or_else(|e| panic!("{e:?}"))
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = object::close(self.0);
    }
}

fn poller() -> Named {
    let made = object::insert_poller().and_then(|h| Ok(Named(h, object::pin(h)?)));
    made.unwrap_or_else(|e| panic!("{e:?}"))
}

fn wait(p: &object::Poller, timeout_us: i64) -> Vec<(Source, u32, u64)> {
    let mut seen = Vec::new();
    let n = p.wait(64, timeout_us, |at, e| {
        assert_eq!(at, seen.len());
        let handle = (e.handle != 0).then_some(Source::Handle(e.handle));
        seen.push((handle.unwrap_or(Source::Fd(e.fd)), e.events, e.data));
    });
    assert_eq!(n, Ok(seen.len()));
    seen
}

fn send(h: Handle) {
    let sent = object::pin(h).and_then(|p| p.socket()?.send(b"x", 0));
    assert_eq!(sent, Ok(1));
}

fn close(h: Handle) {
    assert_eq!(object::close(h), Ok(()));
}

#[test]
fn level_edge_and_one_shot() {
    let (p, (a, b)) = (poller(), pair());
    let s = Source::Handle(a);
    assert_eq!(p.add(s, IN, 7), Ok(()));
    assert_eq!(wait(&p, 0), []);
    send(b);
    assert_eq!(wait(&p, -1), [(s, IN, 7)]);
    assert_eq!(wait(&p, 0), [(s, IN, 7)], "level-triggered: still there");
    assert_eq!(p.modify(s, IN | ONESHOT, 8), Ok(()));
    assert_eq!(wait(&p, -1), [(s, IN, 8)]);
    assert_eq!(wait(&p, 0), [], "one shot");
    assert_eq!(p.modify(s, IN | OUT | EDGE, 9), Ok(()));
    assert_eq!(wait(&p, -1), [(s, IN | OUT, 9)]);
    assert_eq!(wait(&p, 0), [], "no new edge");
    send(b);
    assert_eq!(wait(&p, -1).len(), 1, "a new edge");
    assert_eq!(p.remove(s), Ok(()));
    assert_eq!(wait(&p, 0), []);
    assert_eq!(p.remove(s), Err(Error::os(libc::ENOENT)));
    close(a);
    close(b);
}

#[test]
fn bad_input_has_a_code_each() {
    let (p, (a, b)) = (poller(), pair());
    let h = p.0;
    let err = |e| Err(Error::os(e));
    for mask in [0, ONESHOT, EDGE, IN | 0x0100_0000, u32::MAX] {
        assert_eq!(p.add(Source::Handle(a), mask, 0), err(libc::EINVAL), "{mask:x}");
    }
    assert_eq!(p.add(Source::Handle(h), IN, 0), err(libc::EINVAL), "itself");
    assert_eq!(p.add(Source::Handle(0), IN, 0), err(libc::EBADF));
    assert_eq!(p.add(Source::Fd(1 << 20), IN, 0), err(libc::EBADF));
    assert_eq!(p.modify(Source::Handle(a), IN, 0), err(libc::ENOENT));
    assert_eq!(p.add(Source::Handle(a), IN, 0), Ok(()));
    assert_eq!(p.add(Source::Handle(a), IN, 0), err(libc::EEXIST));
    close(a);
    assert_eq!(p.add(Source::Handle(a), IN, 0), err(libc::EBADF));
    assert_eq!(p.modify(Source::Handle(a), IN, 0), err(libc::EBADF));
    close(b);
    close(h);
    assert_eq!(p.wait(1, -1, |_, _| ()), Err(Error::os(libc::EBADF)), "closed");
}

#[test]
fn a_closed_handle_is_invalid_once_and_its_number_brings_no_stranger() {
    let (p, (a, b)) = (poller(), pair());
    let Ok(dup) = object::pin(a).and_then(|s| object::insert(s.socket()?.dup()?)) else {
        panic!("dup")
    };
    assert_eq!(p.add(Source::Handle(a), IN | NVAL, 1), Ok(()));
    close(a);
    // The description lives on in the dup, and the descriptor's number is reused by this pair.
    let (c, d) = pair();
    send(b);
    send(d);
    assert_eq!(wait(&p, -1), [(Source::Handle(a), NVAL, 1)]);
    assert_eq!(wait(&p, 0), [], "once, and no stranger's events");
    for h in [b, c, d, dup] {
        close(h);
    }
}

#[test]
fn what_is_left_of_a_plain_descriptor_is_forgotten() {
    let (p, (a, b)) = (poller(), pair());
    // A plain descriptor, closed behind the poller's back while a dup keeps it in the epoll.
    let Ok(dup) = object::pin(a).and_then(|s| s.socket()?.dup()) else { panic!("dup") };
    let fd = dup.fileno();
    assert_eq!(p.add(Source::Fd(fd), IN, 5), Ok(()));
    drop(dup);
    send(b);
    assert_eq!(wait(&p, -1), [(Source::Fd(fd), IN, 5)], "the kernel's truth: a dup is readable");
    assert_eq!(p.remove(Source::Fd(fd)), Ok(()));
    assert_eq!(wait(&p, 20_000), [], "and no endless wakeups for something not registered");
    close(a);
    close(b);
}

#[test]
fn wake_and_close_end_a_wait_in_another_thread() {
    let named = poller();
    let p: &object::Poller = &named;
    let wake = || assert_eq!(p.wake(), Ok(()));
    wake();
    assert_eq!(wait(p, -1), [], "a wake before the wait counts for it");
    assert_eq!(wait(p, 0), []);
    // Whether the wait has begun when it is ended is up to the scheduler: both orders are right.
    std::thread::scope(|s| {
        let in_thread = || s.spawn(|| p.wait(1, -1, |_, _| ()));
        let waiting = in_thread();
        wake();
        assert_eq!(waiting.join().ok(), Some(Ok(0)));
        let waiting = in_thread();
        std::thread::sleep(Duration::from_millis(5));
        close(named.0);
        assert_eq!(waiting.join().ok(), Some(Err(Error::os(libc::EBADF))));
    });
}

#[test]
fn plain_files_are_always_ready() {
    let Ok(file) = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")) else {
        panic!("open")
    };
    let (p, s) = (poller(), Source::Fd(file.as_raw_fd()));
    assert_eq!(p.add(s, IN, 3), Ok(()));
    assert_eq!(wait(&p, -1), [(s, IN, 3)]);
    assert_eq!(wait(&p, -1), [(s, IN, 3)], "level-triggered");
    assert_eq!(p.modify(s, IN | ONESHOT, 4), Ok(()));
    assert_eq!(wait(&p, -1), [(s, IN, 4)]);
    assert_eq!(wait(&p, 0), []);
}

#[test]
fn each_wake_ends_a_wait_and_those_that_nobody_waits_for_are_one() {
    let named = poller();
    let p: &object::Poller = &named;
    std::thread::scope(|s| {
        let waits: Vec<_> = (0..4).map(|_| s.spawn(|| p.wait(1, -1, |_, _| ()))).collect();
        while p.register.lock().map(|r| r.waiting) != Ok(4) {
            std::thread::yield_now();
        }
        (0..4).for_each(|_| assert_eq!(p.wake(), Ok(())));
        waits.into_iter().for_each(|w| assert_eq!(w.join().ok(), Some(Ok(0))));
    });
    (0..4).for_each(|_| assert_eq!(p.wake(), Ok(())));
    assert_eq!(wait(p, -1), []);
    let begun = std::time::Instant::now();
    assert_eq!(wait(p, 5_000), [], "and no second wait ends for them");
    assert!(begun.elapsed() >= Duration::from_millis(5));
}

#[test]
fn a_wait_on_its_way_back_to_sleep_counts_for_a_wake() {
    let p = poller();
    let mut put = |_, _: Event| panic!("an event");
    let mut counted = [false; 3];
    let mut begin = |counted: &mut bool| {
        let before = p.before(1, counted, &mut put);
        before.unwrap_or_else(|e| panic!("{e:?}"))
    };
    let slept: Vec<register::Before> = counted.iter_mut().map(&mut begin).collect();
    assert!(slept.iter().all(|before| before.idle));
    assert_eq!(p.wake(), Ok(()));
    // The bell has called all three out, and the wake is for one.
    let bell = [libc::epoll_event { events: IN, u64: kernel::BELL }];
    let ends = |before, counted: &mut bool| {
        let mut put = |_, _: Event| panic!("an event");
        p.after(1, before, &bell, (counted, false), &mut put).map(|(_, woken)| woken)
    };
    let (mut ended, mut left) = (0, 0);
    for (before, counted) in slept.into_iter().zip(&mut counted) {
        match ends(before, counted) {
            Ok(true) => ended += 1,
            end => left += u32::from(end == Ok(false) && *counted),
        }
    }
    assert_eq!((ended, left), (1, 2));
    // Nobody sleeps, and two are to be woken.
    assert_eq!((p.wake(), p.wake(), p.wake()), (Ok(()), Ok(()), Ok(())));
    for counted in counted.iter_mut().filter(|counted| **counted) {
        let before = begin(counted);
        assert_eq!((before.idle, ends(before, counted)), (false, Ok(true)));
    }
    assert_eq!(wait(&p, 1000), [], "there is no wake left");
    assert_eq!(counted, [false; 3]);
    assert_eq!(p.register.lock().map(|r| (r.waits, r.wakes, r.waiting)), Ok((0, 0, 0)));
}

#[test]
fn a_poller_in_a_poller() {
    let (outer, inner, (a, b)) = (poller(), poller(), pair());
    let s = Source::Handle(inner.0);
    assert_eq!(outer.add(s, IN, 1), Ok(()));
    assert_eq!(inner.add(Source::Handle(a), IN | NVAL, 2), Ok(()));
    assert_eq!(wait(&outer, 0), []);
    send(b);
    assert_eq!(wait(&outer, -1), [(s, IN, 1)]);
    assert_eq!(wait(&inner, -1), [(Source::Handle(a), IN, 2)]);
    // Events that the kernel does not know of are reported as well.
    close(a);
    assert_eq!(wait(&outer, -1), [(s, IN, 1)]);
    assert_eq!(wait(&inner, -1), [(Source::Handle(a), NVAL, 2)]);
    assert_eq!(wait(&outer, 0), []);
    close(b);
}

#[test]
fn an_inner_poller_that_got_another_epoll_is_still_watched() {
    let (outer, inner, (a, b)) = (poller(), poller(), pair());
    assert_eq!(outer.add(Source::Handle(inner.0), IN, 1), Ok(()));
    let Ok(dup) = object::pin(a).and_then(|s| s.socket()?.dup()) else { panic!("dup") };
    let fd = dup.fileno();
    assert_eq!(inner.add(Source::Fd(fd), IN, 5), Ok(()));
    drop(dup);
    send(b);
    assert_eq!(wait(&inner, -1).len(), 1);
    assert_eq!(inner.remove(Source::Fd(fd)), Ok(()));
    assert_eq!(wait(&inner, 0), [], "and the epoll that still has it is replaced");
    assert_eq!(wait(&inner, 0), []);
    assert_eq!(wait(&outer, 0), []);
    let (c, d) = pair();
    assert_eq!(inner.add(Source::Handle(c), IN, 6), Ok(()));
    send(d);
    assert_eq!(wait(&outer, 1_000_000), [(Source::Handle(inner.0), IN, 1)]);
    for h in [a, b, c, d] {
        close(h);
    }
}

#[test]
fn with_room_for_one_nobody_starves() {
    let Ok(file) = std::fs::File::open("/proc/self/exe") else { panic!("open") };
    let (p, (a, b)) = (poller(), pair());
    let (file, s) = (Source::Fd(file.as_raw_fd()), Source::Handle(a));
    assert_eq!(p.add(file, IN, 1), Ok(()));
    assert_eq!(p.add(s, IN, 2), Ok(()));
    send(b);
    let mut seen = [0; 3];
    for _ in 0..20 {
        assert_eq!(p.wait(1, -1, |_, e| seen[e.data as usize] += 1), Ok(1));
    }
    assert!(seen[1] >= 5 && seen[2] >= 5, "{seen:?}");
    close(a);
    close(b);
}
