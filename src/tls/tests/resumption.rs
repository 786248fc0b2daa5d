//! A context's settings apply to resumed connections too, and changes to later ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rcgen::SerialNumber;

use super::failures::{alert, expect, outcome};
use super::support::*;
use super::trust::{crl, talk, trusting};
use crate::error::causes::*;
use crate::tls::context::Context;

#[test]
fn a_session_is_for_the_name_it_was_verified_for() {
    let ca = Ca::new("CA");
    let made = ca.issue(params(&["server.example", "bank.example"], "x"));
    for &version in VERSIONS {
        let client = trusting(&[&ca.pem()]);
        client.set_versions(version, version).unwrap();
        let server = server(&made);
        let (_, [a, _b]) = talk(&client, &server, "server.example");
        let ticket = a.tls().unwrap().take_ticket().unwrap();
        let (x, y) = pair();
        let bank = wrap(&x, &client, Some("bank.example"));
        assert_eq!(bank.resume(&ticket).unwrap_err().code(), -libc::EINVAL);
        // Nor for another context.
        let other = trusting(&[&ca.pem()]);
        let foreign = wrap(&y, &other, Some("server.example"));
        assert_eq!(foreign.resume(&ticket).unwrap_err().code(), -libc::EINVAL);
        // It was not used up by that.
        let (x, y) = pair();
        let (sx, sy) = (wrap(&x, &client, Some("SERVER.example")), wrap(&y, &server, None));
        sx.resume(&ticket).unwrap();
        let (rx, ry) = shake((&x, sx), (&y, sy));
        assert!(rx.is_ok() && ry.is_ok());
        assert_eq!(sx.info(|i| i.resumed()), 1);
    }
}

/// A program that decides for itself what is resumed.
#[test]
fn without_tickets_a_client_resumes_only_what_it_is_given() {
    let ca = Ca::new("CA");
    let made = ca.issue(params(&[NAME], NAME));
    for &version in VERSIONS {
        let client = trusting(&[&ca.pem()]);
        client.set_versions(version, version).unwrap();
        client.set_resumption(256, 0).unwrap();
        let server = server(&made);
        let (_, [first, _other]) = talk(&client, &server, NAME);
        let ticket = first.tls().unwrap().take_ticket().unwrap();
        assert!(!talk(&client, &server, NAME).0);
        assert!(!talk(&client, &server, NAME).0);
        let (x, y) = pair();
        let (sx, sy) = (wrap(&x, &client, Some(NAME)), wrap(&y, &server, None));
        sx.resume(&ticket).unwrap();
        let (rx, ry) = shake((&x, sx), (&y, sy));
        assert!(rx.is_ok() && ry.is_ok());
        assert_eq!(sx.info(|i| i.resumed()), 1);
    }
}

/// A change of a client's context applies to all later connections.
#[test]
fn a_change_is_for_later_connections() {
    let ca = Ca::new("CA");
    let mut p = params(&[NAME], NAME);
    p.serial_number = Some(SerialNumber::from(77u64));
    let made = ca.issue(p);
    for &version in VERSIONS {
        let client = trusting(&[&ca.pem()]);
        client.set_versions(version, version).unwrap();
        let server = server(&made);
        let (resumed, [first, _other]) = talk(&client, &server, NAME);
        assert!(!resumed);
        assert!(talk(&client, &server, NAME).0);
        // Equal settings are no change.
        client.set_verify(2).unwrap();
        client.set_versions(version, version).unwrap();
        client.set_alpn(None).unwrap();
        client.set_verify(2).unwrap();
        assert!(talk(&client, &server, NAME).0);
        client.add_crl(&crl(&ca, 77, 2080)).unwrap();
        let got = outcome(&client, &server, Some(NAME));
        expect(got, [USOCKET_ETLS_CERT_REVOKED, alert(44)], "revoked");
        // The one made before goes on.
        first.send(b"y", 0).unwrap();
        // A callback is asked every time.
        let client = trusting(&[&ca.pem()]);
        client.set_versions(version, version).unwrap();
        let asked = Arc::new(AtomicI32::new(0));
        let count = asked.clone();
        let callback = move |_: &[u8], _| {
            count.fetch_add(1, Ordering::Relaxed);
            0
        };
        client.set_callback(Some(Arc::new(callback))).unwrap();
        for n in 1..3 {
            assert!(!talk(&client, &server, NAME).0);
            assert_eq!(asked.load(Ordering::Relaxed), 2 * n);
        }
        // Pins that came later.
        let client = trusting(&[&ca.pem()]);
        client.set_versions(version, version).unwrap();
        talk(&client, &server, NAME);
        client.add_pin(&[7; 32]).unwrap();
        let got = outcome(&client, &server, Some(NAME));
        expect(got, [USOCKET_ETLS_CERT_NOT_PINNED, alert(46)], "pinned");
    }
}

/// A certificate for `seconds` from the moment the test's clock is set to.
fn short(ca: &Ca, client: bool, seconds: i64) -> Made {
    let mut p = params(if client { &[] } else { &[NAME] }, "short");
    let base = rcgen::date_time_ymd(2030, 1, 1);
    p.not_after = base + std::time::Duration::from_secs(seconds as u64);
    ca.issue(p)
}

/// 2030-01-01, the base of `short`.
const BASE: i64 = 1_893_456_000;

#[test]
fn dates_pass_for_sessions_too() {
    let ca = Ca::new("CA");
    // Long enough for the connections that come before it ends, on this machine as busy as it is.
    let begun = std::time::Instant::now();
    talk(&trusting(&[&ca.pem()]), &server(&ca.issue(params(&[NAME], "any"))), NAME);
    let seconds = 2 + 10 * begun.elapsed().as_secs() as i64;
    for &version in VERSIONS {
        // The server's certificate ends while the client keeps a session.
        let client = trusting(&[&ca.pem()]);
        client.set_versions(version, version).unwrap();
        client.set_clock(BASE).unwrap();
        let old = server(&short(&ca, false, seconds));
        assert!(!talk(&client, &old, NAME).0);
        assert!(talk(&client, &old, NAME).0);
        std::thread::sleep(std::time::Duration::from_millis(1100 + 1000 * seconds as u64));
        let got = outcome(&client, &old, Some(NAME));
        expect(got, [USOCKET_ETLS_CERT_EXPIRED, alert(45)], "expired 2030-01-01");
    }
}

/// A server asks about its client's certificate again: dates, lists, pins, the callback.
#[test]
fn a_server_judges_resumed_clients() {
    let ca = Ca::new("CA");
    let mut p = params(&[], "a client");
    p.serial_number = Some(SerialNumber::from(77u64));
    let made = ca.issue(p);
    for &version in VERSIONS {
        let case = |change: &dyn Fn(&Context), code: i32| {
            let client = trusting(&[&ca.pem()]);
            client.set_versions(version, version).unwrap();
            client.use_cert(made.cert.as_bytes(), made.key.as_bytes()).unwrap();
            let server = server(&ca.server());
            server.trust(ca.pem().as_bytes()).unwrap();
            server.set_verify(2).unwrap();
            assert!(!talk(&client, &server, NAME).0);
            assert!(talk(&client, &server, NAME).0, "version {version:x}");
            change(&server);
            let [_, (got, words)] = outcome(&client, &server, Some(NAME));
            assert_eq!(got, code, "{words}");
        };
        case(&|s| _ = s.add_crl(&crl(&ca, 77, 2080)).unwrap(), USOCKET_ETLS_CERT_REVOKED);
        case(&|s| _ = s.add_pin(&[7; 32]).unwrap(), USOCKET_ETLS_CERT_NOT_PINNED);
        let refuse = |s: &Context| _ = s.set_callback(Some(Arc::new(|_: &[u8], _| 1))).unwrap();
        case(&refuse, USOCKET_ETLS_CERT_REFUSED);
        case(&|s| _ = s.set_clock(4_102_444_800).unwrap(), USOCKET_ETLS_CERT_EXPIRED);
        case(&|s| _ = s.set_verify(0).unwrap(), 0);
        // A change of something else leaves the sessions.
        let client = trusting(&[&ca.pem()]);
        client.set_versions(version, version).unwrap();
        client.use_cert(made.cert.as_bytes(), made.key.as_bytes()).unwrap();
        let server = server(&ca.server());
        server.trust(ca.pem().as_bytes()).unwrap();
        server.set_verify(2).unwrap();
        talk(&client, &server, NAME);
        let renewed = ca.server();
        server.clear_certs().unwrap();
        server.use_cert(renewed.cert.as_bytes(), renewed.key.as_bytes()).unwrap();
        assert!(talk(&client, &server, NAME).0);
        let fresh = trusting(&[&ca.pem()]);
        fresh.use_cert(made.cert.as_bytes(), made.key.as_bytes()).unwrap();
        let (_, [a, _b]) = talk(&fresh, &server, NAME);
        assert_eq!(a.tls().unwrap().peer_cert(0).unwrap(), renewed.der);
    }
}

/// Servers with one key for tickets resume each other's sessions, and each judges by its own.
#[test]
fn tickets_of_other_servers() {
    let ca = Ca::new("CA");
    let (made, mine) = (ca.server(), ca.client());
    for &version in VERSIONS {
        let [a, b, stranger] = [1, 1, 2].map(|key| {
            let server = server(&made);
            server.add_ticket_key(&[key; 32]).unwrap();
            server
        });
        assert_eq!(a.add_ticket_key(&[1; 31]).unwrap_err().code(), -libc::EINVAL);
        let fresh = || {
            let client = trusting(&[&ca.pem()]);
            client.set_versions(version, version).unwrap();
            client.use_cert(mine.cert.as_bytes(), mine.key.as_bytes()).unwrap();
            client
        };
        let client = fresh();
        assert!(!talk(&client, &a, NAME).0);
        assert!(talk(&client, &b, NAME).0);
        assert!(!talk(&client, &stranger, NAME).0);
        // A new key seals; the one before still opens.
        let client = fresh();
        assert!(!talk(&client, &a, NAME).0);
        b.add_ticket_key(&[3; 32]).unwrap();
        assert!(talk(&client, &b, NAME).0);
        assert!(!talk(&client, &a, NAME).0);
        // One that asks for certificates takes no session of one that does not.
        let strict = server(&made);
        strict.add_ticket_key(&[1; 32]).unwrap();
        strict.trust(ca.pem().as_bytes()).unwrap();
        strict.set_verify(2).unwrap();
        let client = fresh();
        assert!(!talk(&client, &a, NAME).0);
        assert!(!talk(&client, &strict, NAME).0);
        assert!(talk(&client, &strict, NAME).0);
    }
}
