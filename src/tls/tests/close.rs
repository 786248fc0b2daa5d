//! The end: what a send has counted arrives, and so does the goodbye, whatever the mode and the
//! buffers; what comes behind it; what an end without it looks like.

use std::time::{Duration, Instant};

use rustls::version::TLS13;

use super::forge::{Forger, with_peer};
use super::fork::alone;
use super::support::*;
use crate::error::causes::*;
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
    (a, listener.accept(false, None).unwrap())
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

/// A goodbye reads away what lies unread; not what another thread waits for.
#[test]
fn the_goodbye_takes_nothing_from_the_thread_that_receives() {
    let (client, server) = contexts();
    for round in 0..40 {
        let (a, b) = connected(&client, &server);
        a.settimeout(if round % 2 == 0 { -1 } else { 20_000_000 }).unwrap();
        std::thread::scope(|scope| {
            let receiver = scope.spawn(|| recv(&a, 100));
            while a.tls().unwrap().waiting() == 0 {
                std::thread::yield_now();
            }
            // It is woken by the first byte, and takes longer to come than the goodbye.
            b.send(b"for the receiver", 0).unwrap();
            a.farewell();
            assert_eq!(receiver.join().unwrap().unwrap(), b"for the receiver");
        });
    }
}

/// The peer's data is unread, which would cause a reset of the connection.
#[test]
fn what_was_counted_arrives_when_another_thread_is_sending_too() {
    alone(|| {
        let (h, b) = shaken(libc::AF_INET, 20_000);
        on(h, |s| s.settimeout(30_000_000)).unwrap();
        b.send(b"unread", 0).unwrap();
        let counted = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let sum = counted.clone();
        let (tell, told) = std::sync::mpsc::channel();
        let sender = std::thread::spawn(move || {
            tell.send(this_thread()).unwrap();
            while let Ok(n) = on(h, |s| s.send(&[7; 16_384], 0)) {
                sum.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
            }
        });
        while counted.load(std::sync::atomic::Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        until_it_waits(told.recv().unwrap());
        let reader = std::thread::spawn(move || {
            // After the close, as a rule: nothing tells that it has begun which would not hold the handle itself.
            std::thread::sleep(Duration::from_millis(100));
            let mut all = 0;
            loop {
                match recv(&b, 70_000) {
                    Ok(bytes) if bytes.is_empty() => return (all, Ok(())),
                    Ok(bytes) => all += bytes.len(),
                    Err(e) => return (all, Err(e)),
                }
            }
        });
        object::close(h).unwrap();
        sender.join().unwrap();
        let (arrived, end) = reader.join().unwrap();
        assert!(arrived >= counted.load(std::sync::atomic::Ordering::Relaxed), "{arrived} {end:?}");
    });
}

/// Sends until it would wait, then closes; returns the time. Counted bytes arrive.
fn counted_and_closed(family: i32, room: i32, timeout: i64, flags: i32, times: usize) -> Duration {
    let block = vec![7u8; 60_000];
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
    let took = begun.elapsed();
    assert_eq!(rest(&b), sent, "{:?}", (family, room, timeout, flags, times));
    took
}

#[test]
fn what_was_counted_arrives_after_a_close_that_does_not_wait() {
    alone(|| {
        for family in [libc::AF_INET, libc::AF_UNIX] {
            for room in [0, 1, 5_000, 20_000, 100_000] {
                for (timeout, flags) in [(0, 0), (-1, libc::MSG_DONTWAIT), (30_000, 0)] {
                    for times in [1, 1000] {
                        let once = || counted_and_closed(family, room, timeout, flags, times);
                        // A busy machine may be late; a close that waits is late each time.
                        assert!(
                            (0..4).any(|_| once() < Duration::from_millis(500)),
                            "it waited: {:?}",
                            (family, room, timeout, flags, times)
                        );
                    }
                }
            }
        }
    });
}

#[test]
fn small_sends_fill_it_to_the_brim_and_the_goodbye_has_room() {
    alone(|| {
        for family in [libc::AF_INET, libc::AF_UNIX] {
            for size in [1, 100, 1000, 5000] {
                let (h, b) = shaken(family, 10_000);
                let (mut sent, block) = (0, vec![1u8; size]);
                let wants = || on(h, |s| s.tls().unwrap().wants(s));
                loop {
                    match on(h, |s| s.send(&block, libc::MSG_DONTWAIT)) {
                        Ok(n) => sent += n,
                        // A refused send gets the event to wait for, until there is space. (With
                        // a late acknowledgement there is: then it is sent into.)
                        Err(_) if wants() == libc::POLLIN | libc::POLLOUT => break,
                        Err(_) => sent += on(h, |s| s.send(&block, libc::MSG_DONTWAIT)).unwrap(),
                    }
                }
                // Whenever poll says that there is room, there is.
                on(h, |s| s.settimeout(0)).unwrap();
                for _ in 0..5 {
                    let got = recv(&b, 3000).unwrap().len();
                    assert!(got > 0 && got <= sent);
                    sent -= got;
                    if polled(h, libc::POLLOUT, 20_000) != 0 {
                        assert_eq!(wants(), libc::POLLIN);
                        sent += on(h, |s| s.send(&block, 0)).unwrap();
                    }
                }
                object::close(h).unwrap();
                assert_eq!(rest(&b), sent, "{family} {size}");
            }
        }
    });
}

#[test]
fn it_arrives_when_the_process_ends_too() {
    let block = vec![7u8; 60_000];
    let (h, b) = shaken(libc::AF_INET, 5_000);
    let (mut counted, tell) = std::os::unix::net::UnixStream::pair().unwrap();
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
    alone(|| {
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
    });
}

fn forger() -> (Socket, Forger) {
    let (ours, mut peer) = with_peer(true, pair(), &[&TLS13]);
    peer.shake(&ours);
    (ours, peer.forge())
}

#[test]
fn what_is_behind_the_goodbye_is_plain() {
    use std::io::{Read, Write};
    for mode in [-1, 5_000_000] {
        let (ours, mut forger) = forger();
        ours.settimeout(mode).unwrap();
        let session = ours.tls().unwrap();
        // Data first: it belongs to the session.
        let data = forger.data(b"secret");
        forger.send(&data);
        assert_eq!(session.unwrap(&ours).unwrap_err().code(), -libc::EBUSY);
        assert_eq!(recv(&ours, 100).unwrap(), b"secret");
        let bytes = [forger.close_notify(), b"220 plain\n".to_vec()].concat();
        forger.send(&bytes);
        session.unwrap(&ours).unwrap();
        assert_eq!(session.pending(&ours), 10);
        assert_eq!(session.wants(&ours), 0);
        assert_eq!(readline(&ours, 100).unwrap(), b"220 plain\n");
        assert_eq!(session.unwrap(&ours), Ok(()));
        // It goes on, both ways, and poll knows.
        let h = object::insert(ours).unwrap();
        assert_eq!(polled(h, libc::POLLIN, 20_000), 0);
        forger.wire.write_all(b"more").unwrap();
        assert_eq!(polled(h, libc::POLLIN, 1_000_000), libc::POLLIN);
        assert_eq!(on(h, |s| recv(s, 100)).unwrap(), b"more");
        let much = vec![9; 1 << 20];
        std::thread::scope(|scope| {
            scope.spawn(|| on(h, |s| s.sendall(&much, 0)).unwrap());
            let mut goodbye = [0; 24];
            forger.wire.read_exact(&mut goodbye).unwrap();
            let mut got = vec![0; much.len()];
            forger.wire.read_exact(&mut got).unwrap();
            assert!(got == much);
        });
        drop(forger);
        assert_eq!(on(h, |s| recv(s, 100)).unwrap(), b"");
        object::close(h).unwrap();
    }
}

#[test]
fn a_stream_that_was_cut_off_says_so_before_its_last_bytes() {
    for line in [false, true] {
        let (ours, mut forger) = forger();
        let bytes = [forger.data(b"half of "), forger.data(b"the truth")].concat();
        forger.send(&bytes);
        drop(forger);
        let get = |n| if line { readline(&ours, n) } else { read(&ours, n) };
        // Requested data that is available is not the end.
        assert_eq!(get(4).unwrap(), b"half");
        assert_eq!(get(100).unwrap_err().code(), USOCKET_ETLS_TRUNCATED);
        assert_eq!(get(100).unwrap(), b" of the truth");
        for _ in 0..3 {
            assert_eq!(get(100).unwrap_err().code(), USOCKET_ETLS_TRUNCATED);
        }
    }
}

#[test]
fn what_is_received_and_not_decrypted_is_pending() {
    let (ours, mut forger) = forger();
    let bytes = [forger.data(b"first"), forger.data(b"second"), forger.data(b"third")].concat();
    forger.send(&bytes);
    let session = ours.tls().unwrap();
    for part in [&b"first"[..], b"second", b"third"] {
        assert_eq!(recv(&ours, part.len()).unwrap(), part);
        let more = part != b"third";
        assert_eq!(session.pending(&ours) > 0, more);
        assert_eq!(session.wants(&ours) == 0, more);
    }
    // Half a record is nothing, until its other half is there; a goodbye is something.
    let bytes = forger.data(b"halves");
    forger.send(&bytes[..10]);
    assert!(ours.recv(&mut [std::mem::MaybeUninit::uninit()], libc::MSG_DONTWAIT).is_err());
    assert_eq!((session.pending(&ours), session.wants(&ours)), (0, libc::POLLIN));
    let goodbye = forger.close_notify();
    forger.send(&[&bytes[10..], &goodbye].concat());
    assert_eq!(recv(&ours, 6).unwrap(), b"halves");
    assert_eq!((session.pending(&ours), session.wants(&ours)), (0, 0));
    assert_eq!(recv(&ours, 6).unwrap(), b"");
}

#[test]
fn who_is_refused_learns_why_although_it_was_sending() {
    // A client without a certificate, which a server requires, and 200 kB in flight.
    let ca = Ca::new("CA");
    for _ in 0..10 {
        let (client, server) = (client(), server(&ca.server()));
        client.trust(ca.pem().as_bytes()).unwrap();
        server.trust(ca.pem().as_bytes()).unwrap();
        server.set_verify(2).unwrap();
        let (a, b) = tcp();
        wrap(&a, &client, Some(NAME));
        wrap(&b, &server, None);
        let h = object::insert(b).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let e = on(h, |s| s.tls().unwrap().handshake(s)).unwrap_err();
                assert_eq!(e.code(), USOCKET_ETLS_CERT_REQUIRED);
                object::close(h).unwrap();
            });
            let e = a.sendall(&[1; 200_000], 0).and_then(|()| recv(&a, 1).map(drop)).unwrap_err();
            assert_eq!(e.code(), USOCKET_ETLS_ALERT - 116);
        });
    }
}

/// A message in pieces holds one record's bytes without a gap, and a peek no byte twice.
#[test]
fn pieces_have_no_gap_and_nothing_twice() {
    use crate::sys::message::Piece;
    let received = |s: &Socket, sizes: [usize; 2], flags: i32| {
        let mut room = [vec![b'-'; sizes[0]], vec![b'-'; sizes[1]]];
        let list: Vec<_> = room
            .iter_mut()
            .map(|r| libc::iovec { iov_base: r.as_mut_ptr().cast(), iov_len: r.len() })
            .collect();
        // SAFETY: both are valid for their lengths, and outlive the slice.
        let pieces = unsafe { Piece::list(list.as_ptr().cast(), list.len()) };
        let n = s.recvmsg(pieces, &mut [], None, flags).unwrap().len;
        room.concat()[..n].to_vec()
    };
    let (ours, mut forger) = forger();
    let bytes = [forger.data(b"first"), forger.data(b"second"), forger.data(b"third")].concat();
    forger.send(&bytes);
    assert_eq!(received(&ours, [3, 9], libc::MSG_PEEK), b"fir");
    let mut all = Vec::new();
    while all.len() < 16 {
        let some = received(&ours, [9, 9], 0);
        assert!(!some.is_empty());
        all.extend(some);
    }
    assert_eq!(all, b"firstsecondthird");
}
