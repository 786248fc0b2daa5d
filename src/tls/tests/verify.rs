//! Verification beyond chains and dates: lists, pins, the callback, certificates trusted as they are.

use rcgen::{BasicConstraints, DnType, IsCa};

use super::failures::{alert, expect, outcome};
use super::support::*;
use super::trust::crl;
use crate::error::causes::*;
use crate::tls::context::Context;

#[test]
fn revocation() {
    use rcgen::*;
    let ca = Ca::new("CA");
    let mut p = params(&[NAME], NAME);
    p.serial_number = Some(SerialNumber::from(77u64));
    let made = ca.issue(p);
    let list = |ca: &Ca, serial: u64, until: i32| {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2023, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2023, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&ca.issuer).unwrap().pem().unwrap()
    };
    let case = |crl: String, flags: i32| {
        let client = client();
        client.trust(ca.pem().as_bytes()).unwrap();
        assert_eq!(client.add_crl(crl.as_bytes()).unwrap(), 1);
        client.set_crl_flags(flags).unwrap();
        outcome(&client, &server(&made), Some(NAME))
    };
    expect(case(list(&ca, 77, 2080), 0), [USOCKET_ETLS_CERT_REVOKED, alert(44)], "revoked");
    expect(case(list(&ca, 78, 2080), 0), [0, 0], "");
    let stale = list(&ca, 78, 2024);
    let words = "out of date since 2024-01-01";
    expect(case(stale.clone(), 0), [USOCKET_ETLS_CRL_EXPIRED, alert(48)], words);
    expect(case(stale, 4), [0, 0], "");
    let other = list(&Ca::new("Other"), 1, 2080);
    expect(case(other.clone(), 0), [USOCKET_ETLS_CRL_MISSING, alert(48)], "no revocation list");
    expect(case(other, 2), [0, 0], "");
    // Signed by someone else under the issuer's name.
    let forged = list(&Ca::new("CA"), 1, 2080);
    expect(case(forged, 0), [USOCKET_ETLS_CRL_INVALID, alert(46)], "invalid revocation list");
}

/// Lists about issuers apply, unless only the peer's own certificate is to be checked; that always
/// is.
#[test]
fn lists_about_the_whole_chain_or_the_leaf_alone() {
    const LEAF_ONLY: i32 = 1;
    let root = Ca::new("Root");
    let mut p = params(&[], "Between");
    p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    p.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
    p.serial_number = Some(50u64.into());
    let key = key_of(&rcgen::PKCS_ECDSA_P256_SHA256);
    let between = Ca { issuer: rcgen::CertifiedIssuer::signed_by(p, key, &root.issuer).unwrap() };
    let mut p = params(&[NAME], NAME);
    p.serial_number = Some(77u64.into());
    let mut made = between.issue(p);
    made.cert += &between.pem();
    let case = |of_root: u64, of_between: u64, flags: i32| {
        let client = client();
        client.trust(root.pem().as_bytes()).unwrap();
        client.add_crl(&crl(&root, of_root, 2080)).unwrap();
        client.add_crl(&crl(&between, of_between, 2080)).unwrap();
        client.set_crl_flags(flags).unwrap();
        outcome(&client, &server(&made), Some(NAME))
    };
    let revoked = [USOCKET_ETLS_CERT_REVOKED, alert(44)];
    expect(case(51, 78, 0), [0, 0], "");
    expect(case(50, 78, 0), revoked, "revoked");
    expect(case(50, 78, LEAF_ONLY), [0, 0], "");
    expect(case(50, 77, LEAF_ONLY), revoked, "revoked");
}

#[test]
fn pins_and_the_callback() {
    let ca = Ca::new("CA");
    let made = ca.server();
    let case = |setup: &dyn Fn(&Context)| {
        let client = client();
        client.trust(ca.pem().as_bytes()).unwrap();
        setup(&client);
        outcome(&client, &server(&made), Some(NAME))
    };
    let pin_of = |der: &[u8]| {
        let facts = crate::tls::material::x509::Facts::of(der).unwrap();
        let provider = crate::tls::material::provider::get().unwrap();
        crate::tls::material::provider::sha256(&provider, facts.key).unwrap()
    };
    let (leaf, root) = (pin_of(&made.der), pin_of(ca.issuer.der()));
    expect(case(&|c| _ = c.add_pin(&leaf).unwrap()), [0, 0], "");
    expect(case(&|c| _ = c.add_pin(&root).unwrap()), [0, 0], "");
    let got = case(&|c| _ = c.add_pin(&[7; 32]).unwrap());
    expect(got, [USOCKET_ETLS_CERT_NOT_PINNED, alert(46)], "pinned");
    let got = case(&|c| {
        c.set_verify(0).unwrap();
        c.add_pin(&leaf).unwrap();
    });
    expect(got, [0, 0], "");
    let got = case(&|c| {
        c.set_verify(0).unwrap();
        c.add_pin(&root).unwrap();
    });
    expect(got, [USOCKET_ETLS_CERT_NOT_PINNED, alert(46)], "pinned");

    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let of = seen.clone();
    let got = case(&move |c| {
        let of = of.clone();
        let callback = move |der: &[u8], depth: i32| {
            of.lock().unwrap().push((depth, der.to_vec()));
            0
        };
        c.set_callback(Some(std::sync::Arc::new(callback))).unwrap();
    });
    expect(got, [0, 0], "");
    assert_eq!(*seen.lock().unwrap(), [(1, ca.issuer.der().to_vec()), (0, made.der.clone())]);
    let got = case(&|c| {
        let refuse = |_: &[u8], depth: i32| i32::from(depth == 0);
        c.set_callback(Some(std::sync::Arc::new(refuse))).unwrap();
    });
    expect(got, [USOCKET_ETLS_CERT_REFUSED, alert(49)], "callback");
}

#[test]
fn a_self_signed_certificate_that_was_given_as_trusted() {
    let mut own = params(&[], "device.local");
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = self_signed(own);
    let case = |made: &Made, name: &str, clock: i64| {
        let client = client();
        client.trust(made.cert.as_bytes()).unwrap();
        client.set_clock(clock).unwrap();
        outcome(&client, &server(made), Some(name))
    };
    expect(case(&own, "device.local", 0), [0, 0], "");
    let words = "not for other.local";
    expect(case(&own, "other.local", 0), [USOCKET_ETLS_CERT_WRONG_NAME, alert(42)], words);
    // A device that thinks it is 1970, and one far ahead; the sentence says whose clock it was.
    let words = "the clock set by the program says 1970-01-0";
    expect(case(&own, "device.local", 60), [USOCKET_ETLS_CERT_NOT_YET_VALID, alert(45)], words);
    let words = "the clock set by the program says 2100";
    expect(
        case(&own, "device.local", 4_110_000_000),
        [USOCKET_ETLS_CERT_EXPIRED, alert(45)],
        words,
    );
    // With alternative names, the common name does not count.
    let mut with_names = params(&["real.local", "192.0.2.1"], "device.local");
    with_names.distinguished_name.push(DnType::OrganizationName, "x");
    let with_names = self_signed(with_names);
    expect(case(&with_names, "real.local", 0), [0, 0], "");
    expect(case(&with_names, "192.0.2.1", 0), [0, 0], "");
    expect(case(&with_names, "device.local", 0), [USOCKET_ETLS_CERT_WRONG_NAME, alert(42)], "real");
    let wild = self_signed(params(&[], "*.local"));
    expect(case(&wild, "device.local", 0), [0, 0], "");
    expect(case(&wild, "a.b.local", 0), [USOCKET_ETLS_CERT_WRONG_NAME, alert(42)], "*.local");
    let ip = self_signed(params(&[], "192.0.2.9"));
    expect(case(&ip, "192.0.2.9", 0), [0, 0], "");
}

#[test]
fn names_and_modes() {
    let (client, server) = contexts();
    let (a, b) = pair();
    let of =
        |c: &Context, n| crate::tls::session::Session::new(c, &a, n).map_err(|e| e.code()).err();
    assert_eq!(of(&client, None), Some(USOCKET_ETLS_NAME_REQUIRED));
    assert_eq!(of(&client, Some("not a name")), Some(USOCKET_ETLS_BAD_NAME));
    assert_eq!(of(&client, Some("[::1]")), None);
    drop(b);
    // Addresses, and no check of the name.
    expect(outcome(&client, &server, Some("127.0.0.1")), [0, 0], "");
    let got = outcome(&client, &server, Some("127.0.0.2"));
    expect(got, [USOCKET_ETLS_CERT_WRONG_NAME, alert(42)], "not for 127.0.0.2");
    let ca = Ca::new("CA");
    let any = super::support::client();
    any.trust(ca.pem().as_bytes()).unwrap();
    any.set_hostname(0).unwrap();
    let made = ca.server();
    expect(outcome(&any, &super::support::server(&made), None), [0, 0], "");
    expect(outcome(&any, &super::support::server(&made), Some("x.example")), [0, 0], "");
    let stranger = Ca::new("Other").server();
    let got = outcome(&any, &super::support::server(&stranger), None);
    expect(got, [USOCKET_ETLS_CERT_UNKNOWN_ISSUER, alert(48)], "trusted");
    let none = super::support::client();
    none.set_verify(0).unwrap();
    expect(outcome(&none, &super::support::server(&stranger), None), [0, 0], "");
}

/// A list that is renewed, or not yet in force, in any order: of those that count now the latest does.
#[test]
fn the_latest_list_of_an_issuer_counts() {
    let ca = Ca::new("CA");
    let mut p = params(&[NAME], NAME);
    p.serial_number = Some(rcgen::SerialNumber::from(77u64));
    let made = ca.issue(p);
    let list = |(serial, from, until): (u64, i32, i32)| {
        let revoked = rcgen::RevokedCertParams {
            serial_number: rcgen::SerialNumber::from(serial),
            revocation_time: rcgen::date_time_ymd(2023, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = rcgen::CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(from, 1, 1),
            next_update: rcgen::date_time_ymd(until, 1, 1),
            crl_number: rcgen::SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(&ca.issuer).unwrap().pem().unwrap()
    };
    let good: [i32; 2] = [0, 0];
    let revoked = [USOCKET_ETLS_CERT_REVOKED, alert(44)];
    let early = [USOCKET_ETLS_CRL_EXPIRED, alert(48)];
    for (lists, flags, want, words) in [
        ([(78, 2023, 2080), (77, 2024, 2080)], 0, revoked, "revoked"),
        ([(78, 2023, 2024), (79, 2024, 2080)], 0, good, ""),
        ([(78, 2079, 2080), (79, 2024, 2080)], 0, good, ""),
        ([(78, 2079, 2080), (77, 2024, 2080)], 0, revoked, "revoked"),
        ([(78, 2079, 2080), (79, 2078, 2080)], 0, early, "not valid before 2079-01-01"),
        ([(78, 2079, 2080), (79, 2078, 2080)], 4, good, ""),
    ] {
        for trusted in [&ca.pem(), &made.cert] {
            for order in [[0, 1], [1, 0]] {
                let client = client();
                client.trust(trusted.as_bytes()).unwrap();
                client.set_crl_flags(flags).unwrap();
                for n in order {
                    assert_eq!(client.add_crl(list(lists[n]).as_bytes()).unwrap(), 1);
                }
                let server = Context::new(2).unwrap();
                let chain = made.cert.clone() + &ca.pem();
                server.use_cert(chain.as_bytes(), made.key.as_bytes()).unwrap();
                expect(outcome(&client, &server, Some(NAME)), want, words);
            }
        }
    }
}

/// One that says what its key may do, and not that it may sign certificates: webpki does not look.
#[test]
fn who_may_not_sign_certificates_issues_none() {
    use rcgen::KeyUsagePurpose as Usage;
    for (usages, may) in [
        (vec![], true),
        (vec![Usage::KeyCertSign], true),
        (vec![Usage::CrlSign, Usage::KeyCertSign], true),
        (vec![Usage::DigitalSignature], false),
        (vec![Usage::CrlSign], false),
        (vec![Usage::DecipherOnly], false),
    ] {
        let root = Ca::new("Root");
        let key = || key_of(&rcgen::PKCS_ECDSA_P256_SHA256);
        let mut between = params(&[], "Between");
        between.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        between.key_usages = usages;
        let alone = rcgen::CertifiedIssuer::self_signed(between.clone(), key()).unwrap();
        let between = rcgen::CertifiedIssuer::signed_by(between, key(), &root.issuer).unwrap();
        for (issuer, trusted, want, words) in [
            (&between, root.pem(), USOCKET_ETLS_CERT_CONSTRAINT, "may not sign certificates"),
            (&alone, alone.pem(), USOCKET_ETLS_CERT_UNKNOWN_ISSUER, "trusted but is not a CA"),
        ] {
            let leaf = key();
            let cert = params(&[NAME], NAME).signed_by(&leaf, issuer).unwrap();
            let server = Context::new(2).unwrap();
            let chain = cert.pem() + &issuer.pem();
            server.use_cert(chain.as_bytes(), leaf.serialize_pem().as_bytes()).unwrap();
            let client = client();
            client.trust(trusted.as_bytes()).unwrap();
            let (want, words) = if may { ([0, 0], "") } else { ([want, alert(48)], words) };
            expect(outcome(&client, &server, Some(NAME)), want, words);
        }
    }
}

/// With optional certificates a client without one is welcome, also where there are pins or a callback
/// to judge those that come; where these are all there is, it is not.
#[test]
fn whether_a_client_must_have_a_certificate() {
    let ca = Ca::new("CA");
    let made = ca.client();
    for (mode, must) in [(0, true), (1, false), (2, true)] {
        for pinned in [false, true] {
            let asked = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
            let seen = asked.clone();
            let case = |with_one: bool, refuse: bool| {
                let server = server(&ca.server());
                server.trust(ca.pem().as_bytes()).unwrap();
                server.set_verify(mode).unwrap();
                if pinned {
                    server.add_pin(&[7; 32]).unwrap();
                } else {
                    let of = seen.clone();
                    let callback = move |_: &[u8], _| {
                        of.store(true, std::sync::atomic::Ordering::Relaxed);
                        i32::from(refuse)
                    };
                    server.set_callback(Some(std::sync::Arc::new(callback))).unwrap();
                }
                let client = super::trust::trusting(&[&ca.pem()]);
                if with_one {
                    client.use_cert(made.cert.as_bytes(), made.key.as_bytes()).unwrap();
                }
                outcome(&client, &server, Some(NAME))
            };
            let none = if must { [alert(116), USOCKET_ETLS_CERT_REQUIRED] } else { [0, 0] };
            expect(case(false, true), none, "");
            assert!(!asked.load(std::sync::atomic::Ordering::Relaxed), "nobody to ask about");
            let bad = match pinned {
                true => [alert(46), USOCKET_ETLS_CERT_NOT_PINNED],
                false => [alert(49), USOCKET_ETLS_CERT_REFUSED],
            };
            expect(case(true, true), bad, "");
            if !pinned {
                expect(case(true, false), [0, 0], "");
                assert!(asked.load(std::sync::atomic::Ordering::Relaxed));
            }
        }
    }
}

/// "The period of time from notBefore through notAfter, inclusive" (RFC 5280, 4.1.2.5).
#[test]
fn a_certificate_is_valid_from_its_first_second() {
    // 2030-01-01.
    const FIRST: i64 = 1_893_456_000;
    let late = |params: &mut rcgen::CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2030, 1, 1);
    };
    let mut root = params(&[], "Root");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    late(&mut root);
    let key = key_of(&rcgen::PKCS_ECDSA_P256_SHA256);
    let root = Ca { issuer: rcgen::CertifiedIssuer::self_signed(root, key).unwrap() };
    let mut leaf = params(&[NAME], NAME);
    late(&mut leaf);
    // Of a trust anchor, and of one that is trusted itself.
    let own = self_signed(leaf);
    for (trusted, made) in [(root.pem(), root.server()), (own.cert.clone(), own)] {
        for (clock, want, words) in [
            (FIRST - 1000, [USOCKET_ETLS_CERT_NOT_YET_VALID, alert(45)], "not valid before 2030"),
            (FIRST, [0, 0], ""),
        ] {
            let client = super::trust::trusting(&[&trusted]);
            client.set_clock(clock).unwrap();
            expect(outcome(&client, &server(&made), Some(NAME)), want, words);
        }
    }
}
