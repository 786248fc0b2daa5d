//! The same on a TLS session.

use std::ffi::CString;
use std::sync::OnceLock;

use usocket::ffi::{option::*, socket::*, tls::*, tls_context::*, tls_trust::*, transfer::*};

use super::{join, pair, spawn, three_receive_until_closed};

/// A client's context and a server's; the server's certificate is its own authority.
fn contexts() -> (i64, i64) {
    static MADE: OnceLock<(i64, i64)> = OnceLock::new();
    *MADE.get_or_init(|| {
        let Ok(made) = rcgen::generate_simple_self_signed(["localhost".to_string()]) else {
            panic!("certificate")
        };
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let (client, server) = (usocket_tls_context_create(1), usocket_tls_context_create(2));
        // SAFETY: texts of the lengths given.
        unsafe {
            let trusted = usocket_tls_context_add_trust(client, cert.as_ptr().cast(), cert.len());
            assert_eq!(trusted, 1);
            let (at, len) = (cert.as_ptr().cast(), cert.len());
            let used =
                usocket_tls_context_add_cert(server, at, len, key.as_ptr().cast(), key.len());
            assert_eq!(used, 0);
        }
        (client, server)
    })
}

/// Two sockets that begin a handshake when they are used.
fn wrapped() -> (i64, i64) {
    let ((client, server), (a, b)) = (contexts(), pair());
    let name = CString::from(c"localhost");
    // SAFETY: a text, and NULL: a server's peer has no name.
    unsafe {
        assert_eq!(usocket_tls_wrap(a, client, name.as_ptr(), 0), 0);
        assert_eq!(usocket_tls_wrap(b, server, std::ptr::null(), 0), 0);
    }
    (a, b)
}

fn send(s: i64, bytes: &[u8]) -> i32 {
    // SAFETY: a buffer of our own.
    unsafe { usocket_sendall(s, bytes.as_ptr().cast(), bytes.len(), 0) }
}

/// How many bytes come, a few at a time, until the end.
fn receive(s: i64) -> i64 {
    let mut sum = 0;
    loop {
        let mut bytes = [0u8; 1000];
        // SAFETY: a buffer of our own.
        match unsafe { usocket_recv(s, bytes.as_mut_ptr().cast(), bytes.len(), 0) } {
            n @ 1.. => sum += n,
            0 => return sum,
            e => panic!("{e}"),
        }
    }
}

pub fn several_each_way() {
    let (rounds, each) = (100, 5000);
    for timeout in [-1, 60_000_000] {
        let (a, b) = wrapped();
        for s in [a, b] {
            assert_eq!(usocket_settimeout(s, timeout), 0);
        }
        let receiving: Vec<_> = [a, a, b, b].map(|s| spawn(move || receive(s))).into();
        let sending = [a, b]
            .map(|s| spawn(move || (0..rounds).for_each(|_| assert_eq!(send(s, &[7; 5000]), 0))));
        sending.into_iter().for_each(join);
        for s in [a, b] {
            assert_eq!(usocket_shutdown(s, libc::SHUT_WR), 0);
        }
        let sum: i64 = receiving.into_iter().map(join).sum();
        assert_eq!(sum, 2 * rounds * each);
        assert_eq!((usocket_close(a), usocket_close(b)), (0, 0));
    }
}

pub fn close_under_way() {
    for round in 0..60 {
        let (a, b) = wrapped();
        usocket_settimeout(a, if round % 2 == 0 { -1 } else { 30_000_000 });
        let far = spawn(move || send(b, b"x"));
        let ends = three_receive_until_closed(a);
        if round % 3 > 0 {
            // Otherwise in the handshake.
            join(far);
        }
        assert_eq!(usocket_close(a), 0);
        ends.into_iter().for_each(join);
        assert_eq!(usocket_close(b), 0);
    }
}
