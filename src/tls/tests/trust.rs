//! Whom a context trusts: what that means however it was said, and that it holds for every
//! connection, resumed ones too.

use std::sync::Arc;

use rcgen::{BasicConstraints, CustomExtension, ExtendedKeyUsagePurpose, IsCa, SerialNumber};

use super::failures::{alert, expect, outcome};
use super::support::*;
use crate::error::causes::*;
use crate::tls::context::Context;

/// A connection with one byte from the server, so that the client has its tickets; the sessions
/// say what became of it.
pub fn talk(client: &Context, server: &Context, name: &str) -> (bool, [crate::socket::Socket; 2]) {
    let (a, b) = pair();
    let (sa, sb) = (wrap(&a, client, Some(name)), wrap(&b, server, None));
    let (ra, rb) = shake((&a, sa), (&b, sb));
    assert!(ra.is_ok() && rb.is_ok(), "{ra:?} {} {rb:?} {}", sa.detail(), sb.detail());
    b.send(b"x", 0).unwrap();
    assert_eq!(recv(&a, 1).unwrap(), b"x");
    assert_eq!(sa.info(|i| i.resumed()), sb.info(|i| i.resumed()));
    (sa.info(|i| i.resumed()) == 1, [a, b])
}

pub fn trusting(certs: &[&str]) -> Context {
    let context = client();
    certs.iter().for_each(|c| _ = context.trust(c.as_bytes()).unwrap());
    context
}

/// A printer's self-signed certificate, trusted, is good for the printer and issues nothing.
#[test]
fn only_who_may_issue_issues() {
    for (is_ca, may) in [
        (IsCa::NoCa, false),
        (IsCa::ExplicitNoCa, false),
        (IsCa::Ca(BasicConstraints::Unconstrained), true),
    ] {
        let mut printer = params(&["printer.local"], "printer");
        printer.is_ca = is_ca;
        let key = key_of(&rcgen::PKCS_ECDSA_P256_SHA256);
        let printer = rcgen::CertifiedIssuer::self_signed(printer, key).unwrap();
        let key = key_of(&rcgen::PKCS_ECDSA_P256_SHA256);
        let cert = params(&[NAME], NAME).signed_by(&key, &printer).unwrap();
        let made = Made { cert: cert.pem(), key: key.serialize_pem(), der: cert.der().to_vec() };
        let got = outcome(&trusting(&[&printer.pem()]), &server(&made), Some(NAME));
        if may {
            expect(got, [0, 0], "");
        } else {
            let words = "trusted but is not a CA";
            expect(got, [USOCKET_ETLS_CERT_UNKNOWN_ISSUER, alert(48)], words);
        }
    }
}

#[test]
fn a_certificate_trusted_itself_is_for_its_purpose_only() {
    let mut own = params(&[NAME], NAME);
    own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own = self_signed(own);
    let got = outcome(&trusting(&[&own.cert]), &server(&own), Some(NAME));
    let words = "not valid for server authentication (extended key usage), only for client";
    expect(got, [USOCKET_ETLS_CERT_WRONG_PURPOSE, alert(43)], words);
}

fn list(serial: u64, until: i32) -> rcgen::CertificateRevocationListParams {
    let revoked = rcgen::RevokedCertParams {
        serial_number: SerialNumber::from(serial),
        revocation_time: rcgen::date_time_ymd(2023, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    rcgen::CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2023, 1, 1),
        next_update: rcgen::date_time_ymd(until, 1, 1),
        crl_number: SerialNumber::from(1u64),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    }
}

pub fn crl(by: &Ca, serial: u64, until: i32) -> Vec<u8> {
    list(serial, until).signed_by(&by.issuer).unwrap().pem().unwrap().into_bytes()
}

/// The leaf and its issuer's list: trusting the leaf itself skips nothing.
#[test]
fn a_certificate_trusted_itself_can_be_revoked() {
    let ca = Ca::new("CA");
    let mut p = params(&[NAME], NAME);
    p.serial_number = Some(SerialNumber::from(77u64));
    let made = ca.issue(p);
    let case = |lists: &[Vec<u8>], flags: i32, issuer_known: bool| {
        let client = trusting(&[&made.cert]);
        for list in lists {
            client.add_crl(list).unwrap();
        }
        client.set_crl_flags(flags).unwrap();
        let server = Context::new(2).unwrap();
        let chain = if issuer_known { ca.pem() } else { String::new() };
        let chain = format!("{}{chain}", made.cert);
        server.use_cert(chain.as_bytes(), made.key.as_bytes()).unwrap();
        outcome(&client, &server, Some(NAME))
    };
    expect(case(&[], 0, true), [0, 0], "");
    let revoked = [USOCKET_ETLS_CERT_REVOKED, alert(44)];
    expect(case(&[crl(&ca, 77, 2080)], 0, true), revoked, "revoked");
    expect(case(&[crl(&ca, 77, 2080)], 0, false), revoked, "revoked");
    expect(case(&[crl(&ca, 78, 2080)], 0, true), [0, 0], "");
    // Whether a list that lets it pass is by its issuer cannot be known without that.
    let unusable = [USOCKET_ETLS_CRL_INVALID, alert(46)];
    expect(case(&[crl(&ca, 78, 2080)], 0, false), unusable, "not signed by the issuer");
    expect(case(&[crl(&Ca::new("CA"), 78, 2080)], 0, true), unusable, "not signed by the issuer");
    let words = "out of date since 2024-01-01";
    expect(case(&[crl(&ca, 78, 2024)], 0, true), [USOCKET_ETLS_CRL_EXPIRED, alert(48)], words);
    expect(case(&[crl(&ca, 78, 2024)], 4, true), [0, 0], "");
    let missing = [USOCKET_ETLS_CRL_MISSING, alert(48)];
    expect(case(&[crl(&Ca::new("Other"), 1, 2080)], 0, true), missing, "no revocation list");
    expect(case(&[crl(&Ca::new("Other"), 1, 2080)], 2, true), [0, 0], "");
}

/// A list is read once: what `add_crl` takes is what is used.
#[test]
fn a_list_that_would_not_be_used_is_refused() {
    let ca = Ca::new("CA");
    // rcgen makes no list with an unknown critical entry extension; so one is put together here.
    let der = strange_list(&ca);
    let client = trusting(&[&ca.pem()]);
    assert_eq!(client.add_crl(&der).unwrap_err().code(), USOCKET_ETLS_CRL_INVALID);
    assert!(client.detail().contains("critical extension"), "{}", client.detail());
    // Of several, none is taken.
    let both = [list(1, 2080).signed_by(&ca.issuer).unwrap().der().to_vec(), der].concat();
    assert_eq!(client.add_crl(&both).unwrap_err().code(), USOCKET_ETLS_CRL_INVALID);
    expect(outcome(&client, &server(&ca.server()), Some(NAME)), [0, 0], "");
}

/// A list whose one entry has a critical extension nobody knows, wrongly signed.
fn strange_list(ca: &Ca) -> Vec<u8> {
    fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        let len = content.len();
        match len {
            0..128 => [&[tag, len as u8][..], content].concat(),
            128..256 => [&[tag, 0x81, len as u8][..], content].concat(),
            _ => [&[tag, 0x82, (len >> 8) as u8, len as u8][..], content].concat(),
        }
    }
    let der = list(1, 2080).signed_by(&ca.issuer).unwrap().der().to_vec();
    let signed = crate::tls::material::x509::Signed::of(&der).unwrap();
    use crate::tls::material::der::{SEQUENCE, elements, expect};
    let (tbs, _) = expect(signed.body, SEQUENCE).unwrap();
    let parts: Vec<_> = elements(tbs).collect();
    let mut body = Vec::new();
    for part in &parts {
        // The entries: the one SEQUENCE after the two dates.
        let entries = part.tag == SEQUENCE && part.whole.as_ptr() > parts[4].whole.as_ptr();
        if entries {
            let entry = elements(part.content).next().unwrap();
            let oid = [6, 3, 0x2a, 3, 4];
            let strange = wrap(0x30, &[&oid[..], &[1, 1, 0xff], &[4, 2, 5, 0]].concat());
            let strange = wrap(0x30, &strange);
            body.extend(wrap(0x30, &wrap(0x30, &[entry.content, &strange].concat())));
        } else {
            body.extend(part.whole);
        }
    }
    let body = wrap(0x30, &body);
    let after = signed.body.as_ptr() as usize + signed.body.len() - der.as_ptr() as usize;
    wrap(0x30, &[&body[..], &der[after..]].concat())
}

#[test]
fn an_expired_root_is_said_so() {
    let mut root = params(&[], "Old Root");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.not_after = rcgen::date_time_ymd(2024, 5, 1);
    let key = key_of(&rcgen::PKCS_ECDSA_P256_SHA256);
    let old = Ca { issuer: rcgen::CertifiedIssuer::self_signed(root, key).unwrap() };
    let made = old.server();
    let got = outcome(&trusting(&[&old.pem()]), &server(&made), Some(NAME));
    let words = "the trusted certificate \"Old Root\" at the end of the chain expired 2024-05-01";
    expect(got, [USOCKET_ETLS_CERT_EXPIRED, alert(45)], words);
    // The same key and name, made anew: the chain leads there.
    let mut renewed = params(&[], "Old Root");
    renewed.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let renewed = renewed.self_signed(old.issuer.key()).unwrap();
    for order in [[old.pem(), renewed.pem()], [renewed.pem(), old.pem()]] {
        let client = trusting(&[&order.concat()]);
        expect(outcome(&client, &server(&made), Some(NAME)), [0, 0], "");
    }
}

/// Trust by memory, file and directory: the same. (The environment: c-tests/test_tls_trust.c.)
#[test]
fn one_meaning_of_trust() {
    let own = self_signed(params(&[NAME], NAME));
    let dir = std::env::temp_dir().join(format!("usocket-trust-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let file = dir.join("own.pem");
    std::fs::write(&file, &own.cert).unwrap();
    std::fs::write(dir.join("README"), "no certificate").unwrap();
    std::os::unix::fs::symlink(dir.join("gone"), dir.join("dangling")).unwrap();
    let path = |p: &std::path::Path| c(p.to_str().unwrap());
    let by_file = client();
    assert_eq!(by_file.trust_file(&path(&file)).unwrap(), 1);
    let by_dir = client();
    assert_eq!(by_dir.trust_dir(&path(&dir)).unwrap(), 1);
    for client in [trusting(&[&own.cert]), by_file, by_dir] {
        expect(outcome(&client, &server(&own), Some(NAME)), [0, 0], "");
    }
    // A damaged file is an error, and nothing is taken.
    std::fs::write(dir.join("cut.pem"), &own.cert[..own.cert.len() - 30]).unwrap();
    let client = client();
    assert_eq!(client.trust_dir(&path(&dir)).unwrap_err().code(), USOCKET_ETLS_PEM_BAD);
    assert!(client.detail().contains("cut.pem"), "{}", client.detail());
    // An empty directory is nobody, and not the system's store.
    let empty = dir.join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert_eq!(client.trust_dir(&path(&empty)).unwrap(), 0);
    assert_eq!(client.config().err().map(|e| e.code()), Some(USOCKET_ETLS_NO_TRUST));
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Pins and the callback of a server that was told no mode: it asks for a certificate.
#[test]
fn a_server_with_pins_asks_for_a_certificate() {
    let ca = Ca::new("CA");
    let made = ca.client();
    let facts = crate::tls::material::x509::Facts::of(&made.der).unwrap();
    let provider = crate::tls::material::provider::get().unwrap();
    let pin = crate::tls::material::provider::sha256(&provider, facts.key).unwrap();
    let case = |with: bool, setup: &dyn Fn(&Context)| {
        let client = trusting(&[&ca.pem()]);
        if with {
            client.use_cert(made.cert.as_bytes(), made.key.as_bytes()).unwrap();
        }
        let server = server(&ca.server());
        setup(&server);
        outcome(&client, &server, Some(NAME))
    };
    let refuse = |s: &Context| _ = s.set_callback(Some(Arc::new(|_: &[u8], _| 1))).unwrap();
    let trust = |s: &Context| _ = s.trust(ca.pem().as_bytes()).unwrap();
    let required = [alert(116), USOCKET_ETLS_CERT_REQUIRED];
    expect(case(false, &|s| (trust(s), _ = s.add_pin(&pin)).1), required, "no certificate");
    expect(case(true, &|s| (trust(s), _ = s.add_pin(&pin)).1), [0, 0], "");
    let wrong = [alert(46), USOCKET_ETLS_CERT_NOT_PINNED];
    expect(case(true, &|s| (trust(s), _ = s.add_pin(&[7; 32])).1), wrong, "pinned");
    let refused = [alert(49), USOCKET_ETLS_CERT_REFUSED];
    expect(case(true, &|s| (trust(s), refuse(s)).1), refused, "callback");
    let revoking = |s: &Context| _ = (trust(s), s.add_crl(&crl(&ca, 1, 2080)).unwrap());
    expect(case(false, &revoking), required, "no certificate");
    // Nobody trusted: the first use says so.
    let server = server(&ca.server());
    server.add_pin(&pin).unwrap();
    assert_eq!(server.config().err().map(|e| e.code()), Some(USOCKET_ETLS_NO_TRUST));
    // Without verification, the pin alone decides, and it needs something to decide about.
    let alone = |s: &Context| _ = (s.set_verify(0).unwrap(), s.add_pin(&pin).unwrap());
    expect(case(false, &alone), required, "no certificate");
    expect(case(true, &alone), [0, 0], "");
    let alone = |s: &Context| _ = (s.set_verify(0).unwrap(), s.add_pin(&[7; 32]).unwrap());
    expect(case(true, &alone), wrong, "pinned");
}

/// The chain that was verified, beside what was sent: with a stray certificate, and without the root.
#[test]
fn the_verified_chain() {
    let ca = Ca::new("CA");
    let made = ca.server();
    let stray = Ca::new("Stray").server();
    let server = Context::new(2).unwrap();
    let chain = format!("{}{}", made.cert, stray.cert);
    server.use_cert(chain.as_bytes(), made.key.as_bytes()).unwrap();
    for &version in VERSIONS {
        let client = trusting(&[&ca.pem()]);
        client.set_versions(version, version).unwrap();
        for _ in 0..2 {
            let (_, [a, b]) = talk(&client, &server, NAME);
            let (sent, verified) = (
                |i| a.tls().unwrap().peer_cert(i).map_err(|e| e.code()),
                |i| a.tls().unwrap().verified_cert(i).map_err(|e| e.code()),
            );
            assert_eq!(sent(1), Ok(stray.der.clone()));
            assert_eq!(verified(0), Ok(made.der.clone()));
            assert_eq!(verified(1), Ok(ca.issuer.der().to_vec()));
            assert_eq!(verified(2), Err(-libc::ENODATA));
            assert_eq!(verified(-1), Err(-libc::ENODATA));
            assert_eq!(b.tls().unwrap().verified_cert(0).unwrap_err().code(), -libc::ENODATA);
        }
    }
}

#[test]
fn an_unknown_critical_extension_is_named() {
    let ca = Ca::new("CA");
    let mut p = params(&[NAME], NAME);
    let mut strange = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
    strange.set_criticality(true);
    p.custom_extensions.push(strange);
    let got = outcome(&trusting(&[&ca.pem()]), &server(&ca.issue(p)), Some(NAME));
    expect(got, [USOCKET_ETLS_CERT_UNSUPPORTED, alert(42)], "1.3.6.1.4.1.99999.1");
}
