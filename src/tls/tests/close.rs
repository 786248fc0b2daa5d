//! What a send has counted arrives, and so does the goodbye, whatever the mode and the buffers.

use std::time::{Duration, Instant};

use super::support::*;
use crate::object;
use crate::socket::Socket;

/// A connected pair of a family, whose first end has a send buffer of `room` bytes.
fn ends(family: i32, room: i32) -> (Socket, Socket) {
    let (a, b) = if family == libc::AF_UNIX { pair() } else { tcp() };
    let small = |s: &Socket, name| {
        s.setsockopt(libc::SOL_SOCKET, name, &room.to_ne_bytes()).unwrap();
    };
    if room > 0 {
        small(&a, libc::SO_SNDBUF);
        small(&b, libc::SO_RCVBUF);
    }
    (a, b)
}

fn tcp() -> (Socket, Socket) {
    let listener = Socket::new(libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
    listener.bind(&crate::addr::Addr::ip(libc::AF_INET, "127.0.0.1", 0, 0, 0).unwrap()).unwrap();
    listener.listen(1).unwrap();
    let a = Socket::new(libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
    a.connect(&listener.getsockname().unwrap()).unwrap();
    (a, listener.accept(false).unwrap().0)
}

fn shaken(family: i32, room: i32) -> (i64, Socket) {
    let (client, server) = contexts();
    let (a, b) = ends(family, room);
    let (sa, sb) = (wrap(&a, &client, Some(NAME)), wrap(&b, &server, None));
    let (ra, rb) = shake((&a, sa), (&b, sb));
    assert!(ra.is_ok() && rb.is_ok());
    (object::insert(a).unwrap(), b)
}

/// All until the peer's goodbye.
fn rest(s: &Socket) -> usize {
    let mut all = 0;
    loop {
        match recv(s, 70_000).unwrap().len() {
            0 => return all,
            n => all += n,
        }
    }
}

#[test]
fn what_was_counted_arrives_after_a_close_that_does_not_wait() {
    let block = vec![7u8; 60_000];
    for family in [libc::AF_INET, libc::AF_UNIX] {
        for room in [0, 1, 5_000, 20_000, 100_000] {
            for (timeout, flags) in [(0, 0), (-1, libc::MSG_DONTWAIT), (30_000, 0)] {
                for times in [1, 1000] {
                    let (h, b) = shaken(family, room);
                    on(h, |s| s.settimeout(timeout)).unwrap();
                    let mut sent = 0;
                    for _ in 0..times {
                        match on(h, |s| s.send(&block, flags)) {
                            Ok(n) => sent += n,
                            Err(e) => {
                                assert!(e.is(libc::EAGAIN) || e.is(libc::ETIMEDOUT), "{e:?}");
                                break;
                            }
                        }
                    }
                    assert!(sent > 0);
                    let begun = Instant::now();
                    object::close(h).unwrap();
                    assert!(begun.elapsed() < Duration::from_millis(500), "it waited");
                    let case = (family, room, timeout, flags, times);
                    assert_eq!(rest(&b), sent, "{case:?}");
                }
            }
        }
    }
}

#[test]
fn small_sends_fill_it_to_the_brim_and_the_goodbye_has_room() {
    for family in [libc::AF_INET, libc::AF_UNIX] {
        for size in [1, 100, 1000, 5000] {
            let (h, b) = shaken(family, 10_000);
            let (mut sent, block) = (0, vec![1u8; size]);
            while let Ok(n) = on(h, |s| s.send(&block, libc::MSG_DONTWAIT)) {
                sent += n;
            }
            // Whenever poll says that there is room, there is.
            on(h, |s| s.settimeout(0)).unwrap();
            for _ in 0..5 {
                let got = recv(&b, 3000).unwrap().len();
                assert!(got > 0 && got <= sent);
                sent -= got;
                if polled(h, libc::POLLOUT, 20_000) != 0 {
                    sent += on(h, |s| s.send(&block, 0)).unwrap();
                }
            }
            object::close(h).unwrap();
            assert_eq!(rest(&b), sent, "{family} {size}");
        }
    }
}

#[test]
fn it_arrives_when_the_process_ends_too() {
    let block = vec![7u8; 60_000];
    let (h, b) = shaken(libc::AF_INET, 5_000);
    let (mut counted, tell) = std::io::pipe().unwrap();
    // SAFETY: the child makes calls of this library, and ends without the harness noticing.
    let child = unsafe { libc::fork() };
    if child == 0 {
        use std::io::Write;
        let n = on(h, |s| s.send(&block, libc::MSG_DONTWAIT)).unwrap_or(0);
        let _ = (&tell).write_all(&n.to_ne_bytes());
        let _ = object::close(h);
        // SAFETY: ends the process.
        unsafe { libc::_exit(0) };
    }
    let mut n = [0; size_of::<usize>()];
    std::io::Read::read_exact(&mut counted, &mut n).unwrap();
    // SAFETY: a child of this process.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    object::close(h).unwrap();
    let n = usize::from_ne_bytes(n);
    assert!(n > 0);
    assert_eq!(rest(&b), n);
}

#[test]
fn a_blocking_send_takes_all() {
    let (h, b) = shaken(libc::AF_INET, 0);
    let much = vec![3u8; 5 << 20];
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| rest(&b));
        assert_eq!(on(h, |s| s.send(&much, 0)).unwrap(), much.len());
        object::close(h).unwrap();
        assert_eq!(reader.join().unwrap(), much.len());
    });
}

#[test]
fn a_goodbye_after_a_blocking_send_that_left_no_room() {
    for family in [libc::AF_INET, libc::AF_UNIX] {
        let (h, b) = shaken(family, 5_000);
        let block = vec![7u8; 3000];
        // Blocking sends until one would block.
        let mut sent = 0;
        while polled(h, libc::POLLOUT, 0) != 0 {
            sent += on(h, |s| s.send(&block, 0)).unwrap();
        }
        object::close(h).unwrap();
        assert_eq!(rest(&b), sent);
    }
}
