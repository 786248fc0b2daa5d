//! The status a server staples to the handshake (OCSP), made here as a responder makes it.

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, PublicKeyData, SigningKey};
use sha1::{Digest, Sha1};

use super::failures::{alert, expect, outcome};
use super::support::*;
use super::trust::trusting;
use crate::error::causes::*;
use crate::numbers::*;
use crate::tls::context::Context;
use crate::tls::material::der::{SEQUENCE, element, expect as der_expect};
use crate::tls::material::x509::Facts;

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let len = (body.len() as u16).to_be_bytes();
    [&[tag, 0x82][..], &len, &body].concat()
}

fn seq(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, parts)
}

/// A responder's response and its form.
struct Answer<'a> {
    serial: Option<&'a [u8]>,
    issuer: Option<&'a Ca>,
    status: u8,
    this_update: &'a str,
    next_update: Option<&'a str>,
    critical: bool,
    /// Its key, and a certificate for it, where it is not the issuer.
    by: Option<(&'a KeyPair, &'a [u8])>,
}

impl Answer<'_> {
    const GOOD: Answer<'static> = Answer {
        serial: None,
        issuer: None,
        status: 0x80,
        this_update: "20240101000000Z",
        next_update: Some("20890101000000Z"),
        critical: false,
        by: None,
    };

    fn about(&self, cert: &[u8], ca: &Ca) -> Vec<u8> {
        const SHA1: &[u8] = &[SEQUENCE, 7, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a];
        const ECDSA_SHA256: &[u8] = &[SEQUENCE, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
        const BASIC: &[u8] = &[6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
        let facts = Facts::of(cert).unwrap();
        let named = self.issuer.unwrap_or(ca);
        let spki = named.issuer.key().subject_public_key_info();
        let bits = element(der_expect(&spki, SEQUENCE).unwrap().0).unwrap().rest;
        let key = &element(bits).unwrap().content[1..];
        let name = Facts::of(named.issuer.der()).unwrap().issuer_der;
        let id = seq(&[
            SHA1,
            &tlv(4, &[&Sha1::digest(name)]),
            &tlv(4, &[&Sha1::digest(key)]),
            &tlv(2, &[self.serial.unwrap_or(facts.serial)]),
        ]);
        let when = tlv(0x18, &[b"20230601000000Z"]);
        let status = match self.status {
            0xa1 => tlv(0xa1, &[&when]),
            tag => vec![tag, 0],
        };
        let next = self.next_update.map(|t| tlv(0xa0, &[&tlv(0x18, &[t.as_bytes()])]));
        let extension = seq(&[&[6, 2, 0x2a, 3], &[1, 1, 0xff], &[4, 0]]);
        let extensions = if self.critical { tlv(0xa1, &[&seq(&[&extension])]) } else { vec![] };
        let single = seq(&[
            &id,
            &status,
            &tlv(0x18, &[self.this_update.as_bytes()]),
            &next.unwrap_or_default(),
            &extensions,
        ]);
        let responder = tlv(0xa2, &[&tlv(4, &[&[7; 20]])]);
        let data = seq(&[&responder, &when, &seq(&[&single])]);
        let signer = self.by.map_or(ca.issuer.key(), |by| by.0);
        let signature = tlv(3, &[&[0], &signer.sign(&data).unwrap()]);
        let certs = self.by.map(|by| tlv(0xa0, &[&seq(&[by.1])])).unwrap_or_default();
        let basic = seq(&[&data, ECDSA_SHA256, &signature, &certs]);
        seq(&[&[0x0a, 1, 0], &tlv(0xa0, &[&seq(&[BASIC, &tlv(4, &[&basic])])])])
    }
}

fn connect(client: &Context, made: &Made, staple: &[u8]) -> [(i32, String); 2] {
    let server = server(made);
    assert_eq!(server.add_ocsp(staple), Ok(1));
    outcome(client, &server, Some(NAME))
}

fn responder() -> CertificateParams {
    let mut params = params(&[], "responder");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
    params
}

#[test]
fn a_staple_is_the_issuers_word_about_this_certificate() {
    let ca = Ca::new("CA");
    let made = ca.server();
    let client = trusting(&[&ca.pem()]);
    let case = |answer: Answer<'_>| connect(&client, &made, &answer.about(&made.der, &ca));
    let wrong = [USOCKET_ETLS_CERT_BAD_STAPLE, alert(113)];
    let good = Answer::GOOD;
    expect(case(good), [0, 0], "");
    let words = "revoked, according to its stapled status";
    let revoked = [USOCKET_ETLS_CERT_REVOKED, alert(44)];
    expect(case(Answer { status: 0xa1, ..Answer::GOOD }), revoked, words);
    let old = Answer { status: 0xa1, next_update: Some("20240102000000Z"), ..Answer::GOOD };
    expect(case(old), revoked, words);
    expect(case(Answer { status: 0x82, ..Answer::GOOD }), wrong, "does not know the certificate");
    let old = Answer { next_update: Some("20240102000000Z"), ..Answer::GOOD };
    expect(case(old), wrong, "is out of date since 2024-01-02");
    let early = Answer { this_update: "20880101000000Z", ..Answer::GOOD };
    expect(case(early), wrong, "is not valid before 2088-01-01");
    expect(case(Answer { next_update: None, ..Answer::GOOD }), wrong, "no expiry date");
    let other = Ca::new("CA");
    expect(case(Answer { issuer: Some(&other), ..Answer::GOOD }), wrong, "another certificate");
    let key = key_of(&rcgen::PKCS_ECDSA_P256_SHA256);
    let stranger = Answer { by: Some((&key, &made.der)), ..Answer::GOOD };
    expect(case(stranger), wrong, "signed neither by the issuer nor");
    // A response that a server of ours would refuse, from one that does not check.
    let unlooked = |answer: &[u8]| {
        let server = server(&made);
        server.staple_anything(answer);
        outcome(&client, &server, Some(NAME))
    };
    let serial = Answer { serial: Some(&[9; 8]), ..Answer::GOOD }.about(&made.der, &ca);
    expect(unlooked(&serial), wrong, "for another certificate");
    let critical = Answer { critical: true, ..Answer::GOOD }.about(&made.der, &ca);
    expect(unlooked(&critical), wrong, "critical extension");
    expect(unlooked(b"nonsense"), wrong, "malformed");
    // An error of the responder's is no answer.
    expect(unlooked(&[SEQUENCE, 3, 0x0a, 1, 3]), [0, 0], "");
}

#[test]
fn who_may_sign_a_staple() {
    let (ca, other) = (Ca::new("CA"), Ca::new("Other CA"));
    let (made, client) = (ca.server(), trusting(&[&ca.pem(), &other.pem()]));
    let case = |ca_of: &Ca, params: CertificateParams| {
        let key = key_of(&rcgen::PKCS_ECDSA_P256_SHA256);
        let by = params.signed_by(&key, &ca_of.issuer).unwrap();
        let answer = Answer { by: Some((&key, by.der())), ..Answer::GOOD };
        connect(&client, &made, &answer.about(&made.der, &ca))
    };
    let (wrong, words) =
        ([USOCKET_ETLS_CERT_BAD_STAPLE, alert(113)], "signed neither by the issuer");
    expect(case(&ca, responder()), [0, 0], "");
    expect(case(&other, responder()), wrong, words);
    expect(case(&ca, params(&[], "no responder")), wrong, words);
    let mut expired = responder();
    expired.not_after = rcgen::date_time_ymd(2024, 1, 1);
    expect(case(&ca, expired), wrong, words);
}

#[test]
fn one_can_be_required_or_ignored() {
    let ca = Ca::new("CA");
    let made = ca.server();
    let good = Answer::GOOD.about(&made.der, &ca);
    let revoked = Answer { status: 0xa1, ..Answer::GOOD }.about(&made.der, &ca);
    let wrong = [USOCKET_ETLS_CERT_BAD_STAPLE, alert(113)];
    let client = trusting(&[&ca.pem()]);
    expect(outcome(&client, &server(&made), Some(NAME)), [0, 0], "");
    client.set_ocsp_mode(USOCKET_TLS_OCSP_REQUIRED).unwrap();
    let words = "but one is required";
    expect(outcome(&client, &server(&made), Some(NAME)), wrong, words);
    expect(connect(&client, &made, &good), [0, 0], "");
    let failed = server(&made);
    failed.staple_anything(&[SEQUENCE, 3, 0x0a, 1, 3]);
    expect(outcome(&client, &failed, Some(NAME)), wrong, "returned an error (status 3)");
    // An itself trusted certificate still has an issuer, if that is known.
    let itself = trusting(&[&made.cert]);
    itself.set_ocsp_mode(USOCKET_TLS_OCSP_REQUIRED).unwrap();
    expect(connect(&itself, &made, &good), wrong, "issuer of the certificate is unknown");
    itself.trust(ca.pem().as_bytes()).unwrap();
    expect(connect(&itself, &made, &good), [0, 0], "");
    client.set_ocsp_mode(USOCKET_TLS_OCSP_INSECURE_IGNORE).unwrap();
    expect(connect(&client, &made, &revoked), [0, 0], "");
    assert_eq!(client.set_ocsp_mode(3).unwrap_err().code(), -libc::EINVAL);
    // It cannot be required of who is not verified.
    client.set_ocsp_mode(USOCKET_TLS_OCSP_REQUIRED).unwrap();
    client.set_verify(USOCKET_TLS_VERIFY_NONE_INSECURE).unwrap();
    assert_eq!(client.config().err().map(|e| e.code()), Some(USOCKET_ETLS_NO_TRUST));
}

#[test]
fn what_a_server_staples() {
    let ca = Ca::new("CA");
    let made = ca.server();
    let server = server(&made);
    let code = |r: crate::error::Result<i32>| r.map_err(|e| e.code());
    let bad = Err(USOCKET_ETLS_CERT_BAD_STAPLE);
    let other = Answer { serial: Some(&[9; 8]), ..Answer::GOOD }.about(&made.der, &ca);
    assert_eq!(code(server.add_ocsp(&other)), bad);
    assert_eq!(code(server.add_ocsp(b"nonsense")), bad);
    assert_eq!(code(client().add_ocsp(&other)), Err(-libc::EOPNOTSUPP));
    assert_eq!(code(server.set_ocsp_mode(1)), Err(-libc::EOPNOTSUPP));
    let good = Answer::GOOD.about(&made.der, &ca);
    let client = trusting(&[&ca.pem()]);
    client.set_ocsp_mode(USOCKET_TLS_OCSP_REQUIRED).unwrap();
    client.set_resumption(0, 0).unwrap();
    assert_eq!(server.add_ocsp(&good), Ok(1));
    for &version in VERSIONS {
        client.set_versions(version, version).unwrap();
        expect(outcome(&client, &server, Some(NAME)), [0, 0], "");
    }
    assert_eq!(server.add_ocsp(&[]), Ok(0));
    let wrong = [USOCKET_ETLS_CERT_BAD_STAPLE, alert(113)];
    expect(outcome(&client, &server, Some(NAME)), wrong, "but one is required");
}

/// A session lasts no longer than the status that was stapled when it began.
#[test]
fn a_session_ends_with_its_staple() {
    let ca = Ca::new("CA");
    let made = ca.server();
    let server = server(&made);
    assert_eq!(server.add_ocsp(&Answer::GOOD.about(&made.der, &ca)), Ok(1));
    let client = trusting(&[&ca.pem()]);
    assert!(!super::trust::talk(&client, &server, NAME).0);
    assert!(super::trust::talk(&client, &server, NAME).0);
    // In 2089, when the certificate still counts: a change of the clock ends sessions by itself, so
    // this one is looked at.
    let until = client.config().unwrap().verifier.lasting.until(&NAME.try_into().unwrap()).unwrap();
    assert_eq!(until.as_secs(), 3_755_376_000);
}

/// Each byte of a response is signed, or makes it another's, or is not looked at: no damage is a crash,
/// and none turns "revoked" into "good".
#[test]
fn damaged_staples() {
    let ca = Ca::new("CA");
    let made = ca.server();
    let revoked = Answer { status: 0xa1, ..Answer::GOOD }.about(&made.der, &ca);
    let client = trusting(&[&ca.pem()]);
    let config = client.config().unwrap();
    let (leaf, now) = (made.der.clone().into(), rustls::pki_types::UnixTime::now());
    let name = NAME.try_into().unwrap();
    let judge = |staple: &[u8]| {
        let usage = crate::tls::verify::Usage::Server;
        config.verifier.judge(&leaf, &[], Some(&name), staple, now, usage).is_ok()
    };
    assert!(judge(&Answer::GOOD.about(&made.der, &ca)) && !judge(&revoked));
    for at in 0..revoked.len() {
        assert!(at == 0 || !judge(&revoked[..at]), "{at}");
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut damaged = revoked.clone();
            damaged[at] = byte;
            // The number of the response's own status: an unsigned "the responder failed".
            let failed = at == 6 && byte != 0;
            assert!(failed || !judge(&damaged), "{at} {byte}");
        }
    }
}
