//! Peers that mean harm: whatever they send, a call ends by its deadline, with a code.

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ProtocolVersion;
use rustls::version::TLS13;

use super::forge::*;
use super::support::*;
use crate::error::causes::*;
use crate::object;
use crate::poll::Source;
use crate::socket::Socket;

const IN: i16 = libc::POLLIN;

fn forger(ours_is_client: bool) -> (Socket, Forger) {
    let (ours, mut peer) = with_peer(ours_is_client, pair(), &[&TLS13]);
    peer.shake(&ours);
    (ours, peer.forge())
}

/// Runs what may hang; panics when it does.
fn ends<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    thread::spawn(move || done.send(what()));
    match wait.recv_timeout(LONG) {
        Ok(value) => value,
        Err(_) => panic!("it hangs"),
    }
}

fn recv_now(s: &Socket) -> crate::error::Result<usize> {
    s.recv(&mut [MaybeUninit::uninit(); 64], libc::MSG_DONTWAIT)
}

#[test]
fn a_byte_behind_the_goodbye_and_a_reset_end_what_is_said_then() {
    for ours_is_client in [true, false] {
        let (ours, mut forger) = forger(ours_is_client);
        let mut bytes = forger.close_notify();
        bytes.push(0);
        forger.send(&bytes);
        assert_eq!(recv(&ours, 10).unwrap(), b"");
        // Nothing can be sent any more, whatever child of another test has the descriptor too; with
        // bytes unread it is a reset.
        ours.send(b"unread", 0).unwrap();
        forger.wire.shutdown(Shutdown::Both).unwrap();
        drop(forger);
        ends(move || {
            assert!(ours.sendall(&[0; 100], 0).is_err());
            let _ = ours.shutdown(libc::SHUT_WR);
            ours.farewell();
        });
    }
}

/// Whoever cannot send looks for the peer's alert, and not for ever: data goes on coming.
#[test]
fn a_send_that_fails_takes_in_no_more_than_it_must() {
    for ours_is_client in [true, false] {
        let (ours, forger) = forger(ours_is_client);
        flood(forger, |forger| forger.data(&[7; 16_000]));
        ours.settimeout(0).unwrap();
        while recv_now(&ours).is_err_and(|e| e.is(libc::EAGAIN)) {
            thread::yield_now();
        }
        // Only this side's sending half ends, behind the library's back.
        let fd = ours.as_fd().try_clone_to_owned().unwrap();
        UnixStream::from(fd).shutdown(Shutdown::Write).unwrap();
        let begun = Instant::now();
        assert_eq!(ours.send(b"x", 0).unwrap_err().code(), -libc::EPIPE);
        assert!(ours.tls().unwrap().pending(&ours) <= 400 * 1024);
        assert!(begun.elapsed() < LONG / 2);
    }
}

/// Useless records for ever, until the other side has had enough.
fn flood(mut forger: Forger, mut record: impl FnMut(&mut Forger) -> Vec<u8> + Send + 'static) {
    thread::spawn(move || {
        let begun = Instant::now();
        while begun.elapsed() < LONG {
            let some: Vec<u8> = (0..100).flat_map(|_| record(&mut forger)).collect();
            if forger.wire.write_all(&some).is_err() {
                return;
            }
        }
    });
}

fn empty(forger: &mut Forger) -> Vec<u8> {
    forger.data(b"")
}

fn ticket(forger: &mut Forger) -> Vec<u8> {
    forger.ticket(100)
}

fn empty_and_update(forger: &mut Forger) -> Vec<u8> {
    [forger.data(b""), forger.key_update()].concat()
}

type Useless = fn(&mut Forger) -> Vec<u8>;

#[test]
fn records_without_data_end_a_call_in_time_and_the_connection_with_a_code() {
    const FLOODS: [(bool, Useless); 5] = [
        (true, empty),
        (true, ticket),
        (false, empty),
        (true, empty_and_update),
        (false, empty_and_update),
    ];
    /// Ours, or rustls' own counts, of empty records and of key updates.
    const ENDS: [i32; 2] = [USOCKET_ETLS_FLOOD, USOCKET_ETLS_PROTOCOL];
    for (n, (ours_is_client, useless)) in FLOODS.into_iter().enumerate() {
        let connect = || {
            let (ours, forger) = forger(ours_is_client);
            flood(forger, useless);
            ours
        };
        // With a timeout: the flood is over before, with its code.
        let ours = connect();
        ours.settimeout(200_000).unwrap();
        let begun = Instant::now();
        let e = recv(&ours, 10).unwrap_err().code();
        assert!(begun.elapsed() < LONG, "{n}: {:?}", begun.elapsed());
        assert!(ENDS.contains(&e) || e == -libc::ETIMEDOUT, "{n}: {e}");
        // It stays ended, and that takes no time.
        let ours = connect();
        thread::sleep(Duration::from_millis(20));
        let begun = Instant::now();
        let code = loop {
            match recv_now(&ours) {
                Err(e) if e.is(libc::EAGAIN) => thread::yield_now(),
                Err(e) => break e.code(),
                Ok(n) => panic!("{n} bytes of no data"),
            }
            assert!(begun.elapsed() < LONG);
        };
        assert!(ENDS.contains(&code), "{n}: {code}");
        assert_eq!(recv(&ours, 10).unwrap_err().code(), code);
        let words = ours.tls().unwrap().detail();
        assert!(words.contains("without data") || words.contains("TooMany"), "{n}: {words}");
        // poll and a poller end as well, and say that there is something to be learned.
        let h = object::insert(connect()).unwrap();
        let held = object::pin(object::insert_poller().unwrap()).unwrap();
        let poller = held.poller().unwrap();
        poller.add(Source::Handle(h), IN as u32, 0).unwrap();
        let begun = Instant::now();
        while polled(h, IN, 0) == 0 {
            assert!(begun.elapsed() < LONG, "{n}");
        }
        assert!(poller.wait(4, 0, |_, e| assert_ne!(e.events & IN as u32, 0)).unwrap() > 0);
        object::close(h).unwrap();
    }
}

#[test]
fn data_between_useless_records_starts_the_count_anew() {
    let (ours, mut forger) = forger(true);
    let server = thread::spawn(move || {
        for _ in 0..40 {
            let mut bytes: Vec<u8> = (0..200).flat_map(|_| forger.ticket(20)).collect();
            bytes.extend(forger.data(b"data"));
            forger.send(&bytes);
        }
        let bytes = forger.close_notify();
        forger.send(&bytes);
        forger
    });
    let mut all = 0;
    loop {
        match recv(&ours, 100).unwrap().len() {
            0 => break,
            n => all += n,
        }
    }
    assert_eq!(all, 160);
    drop(server.join().unwrap());
}

#[test]
fn what_the_kernel_has_no_memory_for_does_not_keep_a_poll() {
    // The descriptor is replaced by one that cannot be received from: no error of the connection.
    let (client, server) = contexts();
    let (a, _b) = connected(&client, &server);
    let h = object::insert(a).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    use std::os::fd::AsRawFd;
    // SAFETY: both are descriptors of this test.
    unsafe { libc::dup2(listener.as_raw_fd(), on(h, Socket::fileno)) };
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    ends(move || {
        assert_ne!(polled(h, IN, 1_000_000) & IN, 0);
        drop(peer);
    });
    object::close(h).unwrap();
}

#[test]
fn a_server_keeps_what_came_with_the_end_of_the_handshake() {
    // The client's last message, its data and its goodbye in one piece; or only the goodbye.
    for version in rustls::ALL_VERSIONS.iter().copied() {
        for data in [&b"all there is"[..], b""] {
            for gone in [true, false] {
                let (ours, mut peer) = with_peer(false, pair(), &[version]);
                let got = thread::scope(|scope| {
                    let server = scope.spawn(|| {
                        ours.tls()?.handshake(&ours)?;
                        read(&ours, 100)
                    });
                    // Two flights; the second is kept back until all is in it.
                    let mut last = peer.flight();
                    peer.wire.write_all(&last).unwrap();
                    while !peer.tls.wants_write() {
                        peer.tls.read_tls(&mut peer.wire).unwrap();
                        peer.tls.process_new_packets().unwrap();
                    }
                    last = peer.flight();
                    // A client of TLS 1.2 must not send data yet.
                    if !peer.tls.is_handshaking() {
                        peer.tls.writer().write_all(data).unwrap();
                    }
                    peer.tls.send_close_notify();
                    last.extend(peer.flight());
                    peer.wire.write_all(&last).unwrap();
                    if gone {
                        drop(peer);
                    } else {
                        peer.wire.shutdown(Shutdown::Write).unwrap();
                        // Not all of it: that would wait for our close.
                        let _ = peer.wire.read(&mut [0; 1]);
                    }
                    server.join().unwrap()
                });
                let data = if version.version == ProtocolVersion::TLSv1_2 { b"" } else { data };
                assert_eq!(got.unwrap(), data, "{version:?} {gone}");
            }
        }
    }
}

/// The bytes exchanged by a client and a server of ours up to the first data.
fn transcript(version: &'static rustls::SupportedProtocolVersion, ours_is_client: bool) -> usize {
    let (ours, mut peer) = with_peer(ours_is_client, pair(), &[version]);
    let mut said = 0;
    thread::scope(|scope| {
        scope.spawn(|| ours.tls().unwrap().handshake(&ours).unwrap());
        while peer.tls.is_handshaking() || peer.tls.wants_write() {
            let flight = peer.flight();
            said += flight.len();
            peer.wire.write_all(&flight).unwrap();
            if peer.tls.is_handshaking() {
                peer.tls.read_tls(&mut peer.wire).unwrap();
                peer.tls.process_new_packets().unwrap();
            }
        }
    });
    said
}

/// Lets the peer say its first `limit` bytes, and then end the connection, with a reset or without.
fn ended_after(
    limit: usize,
    reset: bool,
    version: &'static rustls::SupportedProtocolVersion,
    ours_is_client: bool,
) -> crate::error::Result<()> {
    let (ours, mut peer) = with_peer(ours_is_client, pair(), &[version]);
    ours.settimeout(10_000_000).unwrap();
    peer.wire.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    thread::scope(|scope| {
        let mine = scope.spawn(|| {
            ours.tls().unwrap().handshake(&ours)?;
            recv(&ours, 1).map(drop)
        });
        let mut left = limit;
        loop {
            let flight = peer.flight();
            let some = flight.len().min(left);
            left -= some;
            if peer.wire.write_all(&flight[..some]).is_err() || some < flight.len() {
                break;
            }
            // Signatures differ in length: all of this handshake may be less than the limit.
            if !peer.tls.is_handshaking() {
                break;
            }
            // With something unread a close is a reset.
            if reset && left == 0 || peer.tls.read_tls(&mut peer.wire).unwrap_or(0) == 0 {
                break;
            }
            if peer.tls.process_new_packets().is_err() {
                break;
            }
        }
        drop(peer);
        mine.join().unwrap()
    })
}

#[test]
fn an_end_at_any_byte_of_a_handshake_is_an_error_at_once() {
    for version in rustls::ALL_VERSIONS.iter().copied() {
        for ours_is_client in [true, false] {
            let all = transcript(version, ours_is_client);
            for limit in (0..all).step_by(7).chain(all.saturating_sub(30)..all + 8) {
                for reset in [false, true] {
                    let begun = Instant::now();
                    let e = ended_after(limit, reset, version, ours_is_client).unwrap_err().code();
                    let known = [
                        USOCKET_ETLS_HANDSHAKE_EOF,
                        USOCKET_ETLS_TRUNCATED,
                        -libc::ECONNRESET,
                        -libc::EPIPE,
                    ];
                    assert!(known.contains(&e), "{limit} of {all}: {e}");
                    assert!(begun.elapsed() < LONG, "{limit}");
                }
            }
        }
    }
}

#[test]
fn records_split_at_any_byte_are_the_same() {
    let (ours, mut forger) = forger(true);
    ours.settimeout(10_000_000).unwrap();
    for round in 0..3 {
        let bytes = [
            forger.data(b"one"),
            forger.ticket(40),
            forger.data(b""),
            forger.key_update(),
            forger.data(b"two"),
        ]
        .concat();
        if round == 0 {
            // Byte by byte.
            for byte in &bytes {
                forger.send(&[*byte]);
                let _ = ours.tls().unwrap().pending(&ours);
                polled_now(&ours);
            }
        } else {
            let (a, b) = bytes.split_at(bytes.len() * round / 3);
            forger.send(a);
            polled_now(&ours);
            forger.send(b);
        }
        assert_eq!(read(&ours, 6).unwrap(), b"onetwo");
    }
    for cut in 0..5 + b"whole".len() + 1 + 16 {
        let record = forger.data(b"whole");
        forger.send(&record[..cut]);
        assert_eq!(recv_now(&ours).unwrap_err().code(), -libc::EAGAIN, "{cut}");
        assert_eq!(ours.tls().unwrap().pending(&ours), 0);
        forger.send(&record[cut..]);
        assert_eq!(recv(&ours, 100).unwrap(), b"whole", "{cut}");
    }
}

/// A poll's effect on the session.
fn polled_now(s: &Socket) {
    let _ = s.tls().unwrap().true_events(s, IN, IN);
}

#[test]
fn damage_at_any_byte_of_a_record_is_found() {
    for at in [0, 1, 3, 4, 5, 10, 20, 21, 25] {
        let (ours, mut forger) = forger(true);
        ours.settimeout(300_000).unwrap();
        let good = forger.data(b"good");
        let mut bad = forger.data(b"bad!");
        bad[at] ^= 0x81;
        forger.send(&[good, bad].concat());
        assert_eq!(recv(&ours, 4).unwrap(), b"good");
        let e = recv(&ours, 4).unwrap_err().code();
        assert!(e <= USOCKET_ETLS_NOT_TLS || e == -libc::ETIMEDOUT, "{at}: {e}");
        if e != -libc::ETIMEDOUT {
            assert_eq!(recv(&ours, 4).unwrap_err().code(), e);
            assert!(ours.send(b"x", 0).is_err());
        }
    }
}

#[test]
fn a_thread_that_closes_ends_everything_at_any_time() {
    for round in 0..60 {
        let (client, server) = contexts();
        let ends = Handles::new(&client, &server);
        thread::scope(|scope| {
            let h = ends.0;
            let until = move |op: fn(i64) -> i64| move || while op(h) != -i64::from(libc::EBADF) {};
            scope.spawn(until(|h| {
                let mut buf = [0u8; 64];
                // SAFETY: the buffer is there.
                unsafe { crate::ffi::transfer::usocket_recv(h, buf.as_mut_ptr().cast(), 64, 0) }
            }));
            scope.spawn(until(|h| {
                let buf = [0u8; 640];
                // SAFETY: the buffer is there.
                unsafe { crate::ffi::transfer::usocket_send(h, buf.as_ptr().cast(), 640, 0) }
            }));
            scope.spawn(until(|h| crate::ffi::tls::usocket_tls_pending(h)));
            scope.spawn(until(|h| crate::ffi::tls::usocket_tls_wants(h).into()));
            scope.spawn(until(|h| {
                let seen = polled(h, IN, 1000);
                if seen & libc::POLLNVAL != 0 { -i64::from(libc::EBADF) } else { 0 }
            }));
            scope.spawn(|| on(ends.1, |s| while recv(s, 50_000).is_ok_and(|b| !b.is_empty()) {}));
            thread::sleep(Duration::from_micros(300 * round));
            object::close(h).unwrap();
        });
    }
}

#[test]
fn a_message_in_crumbs_has_its_own_words() {
    for timeout in [-1, 5_000_000] {
        let (ours, mut peer) = with_peer(false, pair(), &[&TLS13]);
        ours.settimeout(timeout).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                // A ClientHello of 20,000 bytes, each in a record of its own.
                let message = [&[1, 0, 0x4e, 0x20, 3, 3][..], &[0; 20_000]].concat();
                for byte in message {
                    if peer.wire.write_all(&[22, 3, 1, 0, 1, byte]).is_err() {
                        return;
                    }
                }
            });
            let session = ours.tls().unwrap();
            let e = session.handshake(&ours).unwrap_err();
            assert_eq!(e.code(), USOCKET_ETLS_PROTOCOL);
            assert!(session.detail().contains("small records"), "{}", session.detail());
            // The peer would wait for ever.
            ours.shutdown(libc::SHUT_RDWR).unwrap();
        });
    }
}
