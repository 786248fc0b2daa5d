//! Peers that mean harm: whatever they send, a call ends by its deadline, with a code.

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
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
const LONG: Duration = Duration::from_secs(20);

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
        // Nothing can be sent any more: with bytes unread this is a reset.
        ours.send(b"unread", 0).unwrap();
        drop(forger);
        ends(move || {
            assert!(ours.sendall(&[0; 100], 0).is_err());
            let _ = ours.shutdown(libc::SHUT_WR);
            ours.farewell();
        });
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
        assert!(begun.elapsed() < Duration::from_secs(2), "{n}: {:?}", begun.elapsed());
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
