//! Against rustls itself at the other end, which can do what our sessions do not offer.

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use super::support::*;
use crate::object;
use crate::poll::{Entry, Source, poll};
use crate::socket::Socket;
use crate::tls::material::provider;

/// A socket of ours with a session, and a bare rustls server at its other end.
fn against_rustls() -> (Socket, UnixStream, ServerConnection) {
    let ca = Ca::new("CA");
    let made = ca.server();
    let config = ServerConfig::builder_with_provider(Arc::new(provider::get().unwrap()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(made.cert.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let client = client();
    client.trust(ca.pem().as_bytes()).unwrap();
    let (a, b) = pair();
    // SAFETY: the descriptor was just given up.
    let mut b = UnixStream::from(unsafe { OwnedFd::from_raw_fd(b.into_fd()) });
    let mut server = ServerConnection::new(Arc::new(config)).unwrap();
    let session = wrap(&a, &client, Some(NAME));
    std::thread::scope(|scope| {
        scope.spawn(|| session.handshake(&a).unwrap());
        while server.is_handshaking() {
            server.complete_io(&mut b).unwrap();
        }
    });
    (a, b, server)
}

fn polled(handle: i64) -> i16 {
    let mut set = [Entry { source: Source::Handle(handle), events: libc::POLLIN, revents: 0 }];
    poll(&mut set, 20_000).unwrap();
    set[0].revents
}

#[test]
fn key_updates_are_answered_and_are_no_data() {
    let (a, mut b, mut server) = against_rustls();
    let h = object::insert(a).unwrap();
    let pin = object::pin(h).unwrap();
    let a = pin.socket().unwrap();
    for round in 0..3 {
        server.refresh_traffic_keys().unwrap();
        server.write_tls(&mut b).unwrap();
        // The kernel has something, and the caller has nothing.
        assert_eq!(polled(h), 0, "round {round}");
        let mut byte = [MaybeUninit::new(0u8)];
        assert_eq!(a.recv(&mut byte, libc::MSG_DONTWAIT).unwrap_err().code(), -libc::EAGAIN);
        // Both directions go on, under new keys.
        a.sendall(b"question", 0).unwrap();
        let mut stream = Stream::new(&mut server, &mut b);
        let mut got = [0; 8];
        stream.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"question");
        stream.write_all(b"answer").unwrap();
        stream.flush().unwrap();
        assert_eq!(polled(h), libc::POLLIN);
        assert_eq!(recv(a, 100).unwrap(), b"answer");
    }
    drop(pin);
    object::close(h).unwrap();
    let mut rest = Vec::new();
    assert!(Stream::new(&mut server, &mut b).read_to_end(&mut rest).is_ok(), "no close_notify");
}

#[test]
fn exported_bytes_are_those_of_rustls() {
    let (a, _b, server) = against_rustls();
    for (label, context, len) in [("EXPERIMENTAL a", "", 32), ("b", "some context", 80)] {
        let mut ours = vec![MaybeUninit::new(0u8); len];
        a.tls().unwrap().export(label.as_bytes(), context.as_bytes(), &mut ours).unwrap();
        // SAFETY: every byte was initialised when the buffer was made.
        let ours: Vec<u8> = ours.iter().map(|b| unsafe { b.assume_init() }).collect();
        let theirs = server
            .export_keying_material(vec![0; len], label.as_bytes(), Some(context.as_bytes()))
            .unwrap();
        assert_eq!(ours, theirs);
    }
}
