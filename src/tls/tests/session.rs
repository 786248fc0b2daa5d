//! An established session: data, its end, and polls.

use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::support::*;
use crate::error::causes::*;
use crate::object;
use crate::poll::{Entry, Source, poll};
use crate::socket::Socket;

const IN: i16 = libc::POLLIN;
const OUT: i16 = libc::POLLOUT;

#[test]
fn data_goes_both_ways_in_both_versions() {
    for &version in VERSIONS {
        let (client, server) = contexts();
        client.set_versions(version, version).unwrap();
        let (a, b) = connected(&client, &server);
        assert_eq!(a.tls().unwrap().info(|i| i.version()), version);
        a.send(b"hello", 0).unwrap();
        assert_eq!(recv(&b, 100).unwrap(), b"hello");
        b.sendall(b"a line\nand more", 0).unwrap();
        assert_eq!(readline(&a, 100).unwrap(), b"a line\n");
        assert_eq!(read(&a, 8).unwrap(), b"and more");
        a.shutdown(libc::SHUT_WR).unwrap();
        assert_eq!(recv(&b, 1).unwrap(), b"");
        assert_eq!(a.send(b"x", 0).unwrap_err().code(), -libc::EPIPE);
        b.send(b"still", 0).unwrap();
        assert_eq!(recv(&a, 100).unwrap(), b"still");
    }
}

#[test]
fn the_first_use_does_the_handshake() {
    let (client, server) = contexts();
    let (a, b) = pair();
    wrap(&a, &client, Some(NAME));
    wrap(&b, &server, None);
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(recv(&b, 10).unwrap(), b"at once"));
        a.send(b"at once", 0).unwrap();
    });
    assert_eq!(a.tls().unwrap().info(|i| i.version()), 0x304);
}

#[test]
fn peek_pending_and_flags() {
    let (client, server) = contexts();
    let (a, b) = connected(&client, &server);
    b.send(b"0123456789", 0).unwrap();
    let mut four = [MaybeUninit::new(0u8); 4];
    assert_eq!(a.recv(&mut four, libc::MSG_PEEK).unwrap(), 4);
    assert_eq!(a.tls().unwrap().pending(&a), 10);
    assert_eq!(recv(&a, 4).unwrap(), b"0123");
    assert_eq!(a.tls().unwrap().pending(&a), 6);
    assert_eq!(a.tls().unwrap().wants(&a), 0);
    assert_eq!(recv(&a, 100).unwrap(), b"456789");
    assert_eq!(a.tls().unwrap().wants(&a), IN);
    assert_eq!(a.recv(&mut four, libc::MSG_OOB).unwrap_err().code(), -libc::EOPNOTSUPP);
    assert_eq!(a.recv(&mut four, libc::MSG_DONTWAIT).unwrap_err().code(), -libc::EAGAIN);
    assert_eq!(a.send(b"x", libc::MSG_OOB).unwrap_err().code(), -libc::EOPNOTSUPP);
    assert_eq!(a.recv(&mut [], 0).unwrap(), 0);
    assert_eq!(a.send(b"", 0).unwrap(), 0);
    assert_eq!(a.dup().err().map(|e| e.code()), Some(-libc::EOPNOTSUPP));
    let session = crate::tls::session::Session::new(&client, &a, Some(NAME)).unwrap();
    assert_eq!(a.wrap(session).err().map(|e| e.code()), Some(-libc::EISCONN));
    a.settimeout(50_000).unwrap();
    assert_eq!(recv(&a, 1).unwrap_err().code(), -libc::ETIMEDOUT);
}

#[test]
fn an_end_without_close_notify_is_no_end() {
    let (client, server) = contexts();
    let (a, b) = connected(&client, &server);
    b.send(b"part", 0).unwrap();
    let fd = b.into_fd();
    drop(crate::socket::Socket::from_fd(fd).unwrap());
    assert_eq!(recv(&a, 10).unwrap(), b"part");
    for _ in 0..3 {
        assert_eq!(recv(&a, 10).unwrap_err().code(), USOCKET_ETLS_TRUNCATED);
    }
    // With goodbye it is one.
    let (client, server) = contexts();
    let ends = Handles::new(&client, &server);
    object::close(ends.1).unwrap();
    assert_eq!(on(ends.0, |s| recv(s, 10)).unwrap(), b"");
    assert_eq!(polled(ends.0, IN, 0) & IN, IN);
}

#[test]
fn poll_tells_the_truth() {
    let (client, server) = contexts();
    let ends = Handles::new(&client, &server);
    // The server's tickets are in the kernel, and nothing for the caller.
    assert_eq!(polled(ends.0, IN, 20_000), 0);
    assert_eq!(polled(ends.0, IN | OUT, 0), OUT);
    on(ends.1, |s| s.send(&[7; 1000], 0)).unwrap();
    assert_eq!(polled(ends.0, IN, 1_000_000), IN);
    assert_eq!(on(ends.0, |s| recv(s, 10)).unwrap().len(), 10);
    // Decrypted already: no descriptor says so.
    assert_eq!(polled(ends.0, IN, 0), IN);
    assert_eq!(on(ends.0, |s| read(s, 990)).unwrap().len(), 990);
    assert_eq!(polled(ends.0, IN, 0), 0);
    // Many records at once, read in pieces that end inside and between them.
    on(ends.1, |s| (0..20).for_each(|n| _ = s.send(&[n; 2000], 0).unwrap()));
    let mut left = 20 * 2000;
    while left > 0 {
        assert_eq!(polled(ends.0, IN, 1_000_000), IN);
        let mut buf = [MaybeUninit::new(0u8); 700];
        left -= on(ends.0, |s| s.recv(&mut buf, libc::MSG_DONTWAIT)).unwrap();
    }
    assert_eq!(polled(ends.0, IN, 0), 0);
}

#[test]
fn half_a_record_is_nothing() {
    let (client, server) = contexts();
    // The peer's bytes go through a pair of our own, to be cut where we like.
    let (a, relay_a) = pair();
    let (relay_b, b) = pair();
    let (sa, sb) = (wrap(&a, &client, Some(NAME)), wrap(&b, &server, None));
    for s in [&relay_a, &relay_b] {
        s.settimeout(0).unwrap();
    }
    let pump = |from: &Socket, to: &Socket| {
        if let Ok(bytes) = recv(from, 1 << 16) {
            to.sendall(&bytes, 0).unwrap();
        }
    };
    let (ra, rb) = std::thread::scope(|scope| {
        let ours = scope.spawn(|| sa.handshake(&a));
        let theirs = scope.spawn(|| sb.handshake(&b));
        while !(ours.is_finished() && theirs.is_finished()) {
            pump(&relay_a, &relay_b);
            pump(&relay_b, &relay_a);
            std::thread::sleep(Duration::from_millis(1));
        }
        (ours.join().unwrap(), theirs.join().unwrap())
    });
    assert!(ra.is_ok() && rb.is_ok());
    pump(&relay_b, &relay_a);
    let h = object::insert(a).unwrap();
    assert_eq!(polled(h, IN, 0), 0);
    b.send(b"a record", 0).unwrap();
    let record = recv(&relay_b, 1 << 16).unwrap();
    for at in 0..record.len() - 1 {
        relay_a.sendall(&record[at..=at], 0).unwrap();
        assert_eq!(polled(h, IN, 0), 0, "at {at}");
    }
    relay_a.sendall(&record[record.len() - 1..], 0).unwrap();
    assert_eq!(polled(h, IN, 0), IN);
    assert_eq!(on(h, |s| recv(s, 100)).unwrap(), b"a record");
    object::close(h).unwrap();
}

#[test]
fn the_poller_tells_the_truth_too() {
    let (client, server) = contexts();
    let (a, b) = pair();
    for s in [&a, &b] {
        s.settimeout(0).unwrap();
    }
    let (ha, hb) = (object::insert(a).unwrap(), object::insert(b).unwrap());
    let held = object::pin(object::insert_poller().unwrap()).unwrap();
    let poller = held.poller().unwrap();
    poller.add(Source::Handle(ha), (IN | libc::POLLNVAL) as u32, 1).unwrap();
    // Wrapped after it was registered.
    on(ha, |s| _ = wrap(s, &client, Some(NAME)));
    on(hb, |s| _ = wrap(s, &server, None));
    poller.add(Source::Handle(hb), IN as u32, 2).unwrap();
    let mut done = [false; 2];
    let begun = Instant::now();
    while done != [true; 2] {
        assert!(begun.elapsed() < LONG);
        let mut ready = Vec::new();
        poller.wait(8, 1_000_000, |_, e| ready.push(e.data)).unwrap();
        for data in ready {
            let at = data as usize - 1;
            match on([ha, hb][at], |s| s.tls().unwrap().handshake(s)) {
                Ok(()) => done[at] = true,
                Err(e) => assert_eq!(e.code(), -libc::EAGAIN),
            }
        }
    }
    let wait = |us: i64| {
        let mut ready = Vec::new();
        poller.wait(8, us, |_, e| ready.push((e.data, e.events))).unwrap();
        ready
    };
    // Tickets.
    assert_eq!(wait(20_000), []);
    on(hb, |s| s.send(&[7; 100], 0)).unwrap();
    assert_eq!(wait(1_000_000), [(1, IN as u32)]);
    assert_eq!(on(ha, |s| recv(s, 60)).unwrap().len(), 60);
    assert_eq!(wait(0), [(1, IN as u32)]);
    // Something decrypted and something in the kernel is one event, not two.
    on(hb, |s| s.send(&[8; 10], 0)).unwrap();
    assert_eq!(wait(0), [(1, IN as u32)]);
    assert_eq!(on(ha, |s| recv(s, 60)).unwrap().len(), 40);
    assert_eq!(wait(0), [(1, IN as u32)]);
    assert_eq!(on(ha, |s| recv(s, 60)).unwrap().len(), 10);
    assert_eq!(wait(0), []);
    object::close(ha).unwrap();
    assert_eq!(wait(100_000).len(), 2);
    object::close(hb).unwrap();
}

#[test]
fn non_blocking_with_buffers_of_almost_nothing() {
    for &version in VERSIONS {
        let (client, server) = contexts();
        client.set_versions(version, version).unwrap();
        let (a, b) = pair();
        for s in [&a, &b] {
            s.settimeout(0).unwrap();
            for option in [libc::SO_SNDBUF, libc::SO_RCVBUF] {
                s.setsockopt(libc::SOL_SOCKET, option, &1i32.to_ne_bytes()).unwrap();
            }
        }
        wrap(&a, &client, Some(NAME));
        wrap(&b, &server, None);
        let (ha, hb) = (object::insert(a).unwrap(), object::insert(b).unwrap());
        let data: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
        let (mut sent, mut got) = (0, Vec::new());
        let begun = Instant::now();
        while got.len() < data.len() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{sent} {}", got.len());
            let mut set = [(ha, OUT), (hb, IN)].map(|(h, events)| Entry {
                source: Source::Handle(h),
                events,
                revents: 0,
            });
            if sent == data.len() {
                set[0].events = 0;
                // Taken bytes go out when the session is polled or used.
                polled(ha, OUT, 0);
            }
            assert!(poll(&mut set, 5_000_000).unwrap() > 0);
            if set[0].revents & OUT != 0 {
                match on(ha, |s| s.send(&data[sent..], 0)) {
                    Ok(n) => sent += n,
                    Err(e) => assert_eq!(e.code(), -libc::EAGAIN),
                }
            }
            if set[1].revents & IN != 0 {
                match on(hb, |s| recv(s, 3000)) {
                    Ok(bytes) => got.extend(bytes),
                    Err(e) => assert_eq!(e.code(), -libc::EAGAIN),
                }
            }
        }
        assert!(got == data);
        object::close(ha).unwrap();
        object::close(hb).unwrap();
    }
}

#[test]
fn a_session_of_ipproto_sec_carries_nothing_before_it_is_wrapped() {
    let (client, server) = contexts();
    let tcp = |proto| Socket::new(libc::AF_INET, libc::SOCK_STREAM, proto).unwrap();
    let listener = tcp(0);
    listener.bind(&crate::addr::Addr::ip(libc::AF_INET, "127.0.0.1", 0, 0, 0).unwrap()).unwrap();
    listener.listen(1).unwrap();
    let a = tcp(crate::numbers::USOCKET_IPPROTO_SEC);
    a.connect(&listener.getsockname().unwrap()).unwrap();
    let b = listener.accept(false, None).unwrap();
    assert_eq!(a.send(b"clear", 0).unwrap_err().code(), USOCKET_ETLS_NOT_WRAPPED);
    assert_eq!(a.tls().err().map(|e| e.code()), Some(USOCKET_ETLS_NOT_WRAPPED));
    let (sa, sb) = (wrap(&a, &client, Some(NAME)), wrap(&b, &server, None));
    let (ra, rb) = shake((&a, sa), (&b, sb));
    assert!(ra.is_ok() && rb.is_ok());
    a.send(b"sealed", 0).unwrap();
    assert_eq!(recv(&b, 10).unwrap(), b"sealed");
    assert_eq!(sb.server_name(), NAME);
    assert_eq!(sa.server_name(), NAME);
}

#[test]
fn an_idle_connection_holds_no_buffers() {
    let (client, server) = contexts();
    let (a, b) = connected(&client, &server);
    let idle = |s: &Socket| s.tls().unwrap().buffered();
    let _ = a.recv(&mut [MaybeUninit::uninit()], libc::MSG_DONTWAIT);
    assert_eq!((idle(&a), idle(&b)), (0, 0));
    let data = vec![1u8; 64 << 10];
    std::thread::scope(|scope| {
        scope.spawn(|| a.sendall(&data, 0).unwrap());
        assert!(read(&b, data.len()).unwrap() == data);
    });
    std::thread::scope(|scope| {
        scope.spawn(|| b.sendall(&data, 0).unwrap());
        assert!(read(&a, data.len()).unwrap() == data);
    });
    let _ = b.recv(&mut [MaybeUninit::uninit()], libc::MSG_DONTWAIT);
    assert_eq!((idle(&a), idle(&b)), (0, 0));
    // Unread bytes are held, and no more than that.
    a.send(b"0123456789", 0).unwrap();
    assert_eq!(recv(&b, 4).unwrap(), b"0123");
    assert!(idle(&b) <= 64, "{}", idle(&b));
    assert_eq!(recv(&b, 6).unwrap(), b"456789");
    // A little room stays for the next, and no more.
    assert!(idle(&b) <= 64, "{}", idle(&b));
    a.send(&data[..1000], 0).unwrap();
    assert_eq!(recv(&b, 4).unwrap().len(), 4);
    assert!(idle(&b) <= 1024, "{}", idle(&b));
    assert_eq!(recv(&b, 1000).unwrap().len(), 996);
    assert_eq!(idle(&b), 0);
    // A poll reads ahead, and gives back what it read into.
    a.send(b"0123456789", 0).unwrap();
    let h = object::insert(b).unwrap();
    assert_eq!(polled(h, libc::POLLIN, 1_000_000), libc::POLLIN);
    assert!(on(h, idle) <= 64, "{}", on(h, idle));
    assert_eq!(on(h, |s| recv(s, 10)).unwrap(), b"0123456789");
    assert!(on(h, idle) <= 64, "{}", on(h, idle));
    object::close(h).unwrap();
}

#[test]
fn a_peer_that_resets() {
    let (client, server) = contexts();
    let listener = Socket::new(libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
    listener.bind(&crate::addr::Addr::ip(libc::AF_INET, "127.0.0.1", 0, 0, 0).unwrap()).unwrap();
    listener.listen(1).unwrap();
    let a = Socket::new(libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
    a.connect(&listener.getsockname().unwrap()).unwrap();
    let b = listener.accept(false, None).unwrap();
    let (sa, sb) = (wrap(&a, &client, Some(NAME)), wrap(&b, &server, None));
    let (ra, rb) = shake((&a, sa), (&b, sb));
    assert!(ra.is_ok() && rb.is_ok());
    let linger = [1i32, 0].map(i32::to_ne_bytes).concat();
    b.setsockopt(libc::SOL_SOCKET, libc::SO_LINGER, &linger).unwrap();
    drop(b);
    let _ = crate::wait::fd(a.as_fd(), IN, &mut crate::wait::Deadline::after_us(1_000_000));
    for _ in 0..3 {
        assert_eq!(recv(&a, 10).unwrap_err().code(), -libc::ECONNRESET);
    }
}

/// EAGAIN is the kernel's: one who is told of an edge once, and receives until EAGAIN, has then heard of
/// the end as well.
#[test]
fn an_end_behind_part_of_a_record_is_seen_at_once() {
    for established in [true, false] {
        let (client, server) = contexts();
        let (a, b) = pair();
        let sb = wrap(&b, &server, None);
        let mut raw = UnixStream::from(a.as_fd().try_clone_to_owned().unwrap());
        let wrong = if established {
            let sa = wrap(&a, &client, Some(NAME));
            let (ra, rb) = shake((&a, sa), (&b, sb));
            assert!(ra.is_ok() && rb.is_ok());
            raw.write_all(&[23, 3, 3, 0, 100, 1]).unwrap();
            USOCKET_ETLS_TRUNCATED
        } else {
            raw.write_all(&[22, 3, 1, 0, 100, 1]).unwrap();
            USOCKET_ETLS_HANDSHAKE_EOF
        };
        raw.shutdown(std::net::Shutdown::Write).unwrap();
        b.settimeout(0).unwrap();
        assert_eq!(recv(&b, 10).unwrap_err().code(), wrong);
    }
}

#[test]
fn a_servers_tickets_wait_for_its_answer_and_for_nothing_else() {
    let (client, server) = contexts();
    for way in ["answer", "recv", "poll", "close"] {
        let (a, b) = pair();
        let (sa, sb) = (wrap(&a, &client, Some(NAME)), wrap(&b, &server, None));
        a.settimeout(0).unwrap();
        b.settimeout(0).unwrap();
        assert!(sa.handshake(&a).is_err_and(|e| e.is(libc::EAGAIN)));
        assert!(recv(&b, 9).is_err_and(|e| e.is(libc::EAGAIN)));
        sa.handshake(&a).unwrap();
        a.send(b"a request", 0).unwrap();
        assert_eq!(recv(&b, 9).unwrap(), b"a request");
        let peek = || {
            let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
            crate::sys::net::recv(a.as_fd(), &mut [MaybeUninit::uninit()], flags)
        };
        assert!(peek().is_err() && sb.wants(&b) & OUT != 0);
        let b = object::insert(b).unwrap();
        match way {
            "answer" => assert_eq!(on(b, |s| s.send(b"yes", 0)), Ok(3)),
            "recv" => assert!(on(b, |s| recv(s, 9)).is_err_and(|e| e.is(libc::EAGAIN))),
            "poll" => assert_eq!(polled(b, IN, 0), 0),
            _ => object::close(b).unwrap(),
        }
        assert_eq!(peek().ok(), Some(1), "{way}");
        if way == "answer" {
            assert_eq!(recv(&a, 9).unwrap(), b"yes");
        }
        assert_eq!(sa.take_ticket().is_ok(), way == "answer");
        let _ = object::close(b);
    }
}
