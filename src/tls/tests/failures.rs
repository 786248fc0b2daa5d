//! Every cause of failure, produced for real, in both roles: the code, and a sentence that helps.

use std::time::Duration;

use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa};

use super::support::*;
use crate::error::causes::*;
use crate::socket::Socket;
use crate::tls::context::Context;

/// The result of a handshake at each end: code and sentence, client's first.
pub fn outcome(client: &Context, server: &Context, name: Option<&str>) -> [(i32, String); 2] {
    let (a, b) = pair();
    let (sa, sb) = (wrap(&a, client, name), wrap(&b, server, None));
    let (ra, rb) = shake((&a, sa), (&b, sb));
    let code = |r: crate::error::Result<()>| r.map_or_else(|e| e.code(), |()| 0);
    let (ca, cb) = (code(ra), code(rb));
    // A fatal error stays.
    for (s, session, code) in [(&a, sa, ca), (&b, sb, cb)] {
        if code != 0 {
            assert_eq!(session.handshake(s).map_err(|e| e.code()).err().or(Some(code)), Some(code));
            assert_eq!(s.true_events(libc::POLLIN, 0, 0).0, libc::POLLIN | libc::POLLERR);
        }
    }
    [(ca, sa.detail()), (cb, sb.detail())]
}

pub fn alert(n: i32) -> i32 {
    USOCKET_ETLS_ALERT - n
}

/// Both ends' codes, and words that must be in the sentence of the end that found out.
#[track_caller]
pub fn expect(got: [(i32, String); 2], codes: [i32; 2], words: &str) {
    let names = [crate::error::message(got[0].0), crate::error::message(got[1].0)];
    assert_eq!([got[0].0, got[1].0], codes, "{names:?} {got:?}");
    assert!(got[0].1.contains(words) || got[1].1.contains(words), "{words:?} is not in {got:?}");
}

/// A client that trusts the CA, against a server with this certificate.
fn against(ca: &Ca, made: &Made) -> [(i32, String); 2] {
    let client = client();
    client.trust(ca.pem().as_bytes()).unwrap();
    outcome(&client, &server(made), Some(NAME))
}

#[test]
fn the_servers_certificate() {
    let ca = Ca::new("CA");
    let with = |change: &dyn Fn(&mut rcgen::CertificateParams)| {
        let mut p = params(&[NAME], NAME);
        change(&mut p);
        ca.issue(p)
    };
    expect(against(&ca, &with(&|_| {})), [0, 0], "");

    let expired = with(&|p| p.not_after = rcgen::date_time_ymd(2024, 5, 1));
    expect(against(&ca, &expired), [USOCKET_ETLS_CERT_EXPIRED, alert(45)], "expired 2024-05-01");
    let future = with(&|p| p.not_before = rcgen::date_time_ymd(2080, 2, 3));
    let words = "not valid before 2080-02-03";
    expect(against(&ca, &future), [USOCKET_ETLS_CERT_NOT_YET_VALID, alert(45)], words);

    let wrong = ca.issue(params(&["one.example", "two.example"], "x"));
    let words = "is valid for one.example, two.example, not for server.example";
    expect(against(&ca, &wrong), [USOCKET_ETLS_CERT_WRONG_NAME, alert(42)], words);
    let nameless = ca.issue(params(&[], NAME));
    let words = "no subject alternative name, and its common name (server.example) is ignored";
    expect(against(&ca, &nameless), [USOCKET_ETLS_CERT_WRONG_NAME, alert(42)], words);

    let purpose = with(&|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    expect(against(&ca, &purpose), [USOCKET_ETLS_CERT_WRONG_PURPOSE, alert(43)], "server");
    let is_ca = with(&|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    expect(against(&ca, &is_ca), [USOCKET_ETLS_CERT_IS_CA, alert(46)], "CA certificate");

    let other = Ca::new("Other");
    let stranger = other.issue(params(&[NAME], NAME));
    expect(against(&ca, &stranger), [USOCKET_ETLS_CERT_UNKNOWN_ISSUER, alert(48)], "by \"Other\"");
    let mut own = params(&[NAME], NAME);
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = self_signed(own);
    expect(against(&ca, &own), [USOCKET_ETLS_CERT_UNKNOWN_ISSUER, alert(48)], "self-signed");

    // An issuer of the trusted name, with another key.
    let forged = Ca::new("CA").issue(params(&[NAME], NAME));
    expect(against(&ca, &forged), [USOCKET_ETLS_CERT_BAD_SIGNATURE, alert(51)], "signature");

    let mut strange = params(&[NAME], NAME);
    let mut extension =
        rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
    extension.set_criticality(true);
    strange.custom_extensions.push(extension);
    let strange = ca.issue(strange);
    expect(
        against(&ca, &strange),
        [USOCKET_ETLS_CERT_UNSUPPORTED, alert(42)],
        "unsupported critical extension",
    );

    let limited = ca_with_limits(&ca);
    expect(against(&ca, &limited), [USOCKET_ETLS_CERT_CONSTRAINT, alert(46)], "may not issue");
}

/// A certificate whose issuer may only issue for another domain.
fn ca_with_limits(ca: &Ca) -> Made {
    let mut middle = params(&[], "middle");
    middle.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    middle.name_constraints = Some(rcgen::NameConstraints {
        permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("elsewhere.example".into())],
        excluded_subtrees: vec![],
    });
    let key = rcgen::KeyPair::generate().unwrap();
    let middle = rcgen::CertifiedIssuer::signed_by(middle, key, &ca.issuer).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = params(&[NAME], NAME).signed_by(&key, &middle).unwrap();
    Made { cert: cert.pem() + &middle.pem(), key: key.serialize_pem(), der: cert.der().to_vec() }
}

#[test]
fn the_clients_certificate() {
    for &version in VERSIONS {
        let ca = Ca::new("CA");
        let case = |made: Option<&Made>, mode: i32| {
            let client = client();
            client.trust(ca.pem().as_bytes()).unwrap();
            client.set_versions(version, version).unwrap();
            if let Some(made) = made {
                client.use_cert(made.cert.as_bytes(), made.key.as_bytes()).unwrap();
            }
            let server = server(&ca.server());
            server.trust(ca.pem().as_bytes()).unwrap();
            server.set_verify(mode).unwrap();
            outcome(&client, &server, Some(NAME))
        };
        expect(case(Some(&ca.client()), 2), [0, 0], "");
        expect(case(Some(&ca.client()), 1), [0, 0], "");
        expect(case(None, 1), [0, 0], "");
        let missing = alert(116);
        expect(case(None, 2), [missing, USOCKET_ETLS_CERT_REQUIRED], "no certificate");
        let stranger = Ca::new("Other").client();
        expect(case(Some(&stranger), 2), [alert(48), USOCKET_ETLS_CERT_UNKNOWN_ISSUER], "trusted");
        expect(case(Some(&stranger), 1), [alert(48), USOCKET_ETLS_CERT_UNKNOWN_ISSUER], "trusted");
        let mut old = params(&[], "old");
        old.not_after = rcgen::date_time_ymd(2024, 5, 1);
        let old = ca.issue(old);
        expect(case(Some(&old), 2), [alert(45), USOCKET_ETLS_CERT_EXPIRED], "expired 2024-05-01");
        let purpose = ca.server();
        expect(case(Some(&purpose), 2), [alert(43), USOCKET_ETLS_CERT_WRONG_PURPOSE], "client");
    }
}

#[test]
fn nothing_in_common() {
    let case = |setup: &dyn Fn(&Context, &Context)| {
        let (client, server) = contexts();
        setup(&client, &server);
        outcome(&client, &server, Some(NAME))
    };
    if cfg!(feature = "tls12") {
        let got = case(&|c, s| _ = (c.set_versions(0x303, 0x303), s.set_versions(0x304, 0x304)));
        expect(got, [alert(70), USOCKET_ETLS_NO_COMMON_VERSION], "version");
        let got = case(&|c, s| _ = (c.set_versions(0x304, 0x304), s.set_versions(0x303, 0x303)));
        expect(got, [alert(70), USOCKET_ETLS_NO_COMMON_VERSION], "version");
    }
    let suites = |a: &'static str, b: &'static str| {
        case(&move |x, y| {
            x.set_ciphers(Some(&c(a))).unwrap();
            y.set_ciphers(Some(&c(b))).unwrap();
        })
    };
    let got = suites("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384");
    expect(got, [alert(40), USOCKET_ETLS_NO_COMMON_SUITE], "suite");
    if cfg!(feature = "tls12") {
        let got = suites("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384");
        expect(got, [alert(40), USOCKET_ETLS_NO_COMMON_SUITE], "suite");
    }
    let got = case(&|x, y| {
        x.set_groups(Some(&c("X25519"))).unwrap();
        y.set_groups(Some(&c("secp256r1"))).unwrap();
    });
    expect(got, [alert(40), USOCKET_ETLS_NO_COMMON_GROUP], "group");
    let got = case(&|x, y| {
        x.set_alpn(Some(&c("h2"))).unwrap();
        y.set_alpn(Some(&c("http/1.1,mqtt"))).unwrap();
    });
    expect(got, [alert(120), USOCKET_ETLS_NO_COMMON_ALPN], "protocol");
}

/// Left unchecked, it gains nobody anything: the peer refuses what it signs, even one that
/// verifies no certificate.
#[test]
fn another_certificates_key() {
    let ca = Ca::new("CA");
    let other = ca.server();
    let mixed = |context: &Context, made: Made| {
        context.set_key_check(0).unwrap();
        context.use_cert(made.cert.as_bytes(), other.key.as_bytes()).unwrap();
    };
    for version in VERSIONS {
        for verify in [0, 2] {
            let (client, server) = (client(), Context::new(2).unwrap());
            client.set_versions(*version, *version).unwrap();
            client.trust(ca.pem().as_bytes()).unwrap();
            client.set_verify(verify).unwrap();
            mixed(&server, ca.server());
            let got = outcome(&client, &server, Some(NAME));
            expect(got, [USOCKET_ETLS_CERT_BAD_SIGNATURE, alert(51)], "private key");
        }
        let (client, server) = (client(), server(&ca.server()));
        client.set_verify(0).unwrap();
        client.set_versions(*version, *version).unwrap();
        mixed(&client, ca.client());
        server.trust(ca.pem().as_bytes()).unwrap();
        server.set_verify(2).unwrap();
        let [_, (server, _)] = outcome(&client, &server, Some(NAME));
        assert_eq!(server, USOCKET_ETLS_CERT_BAD_SIGNATURE);
    }
}

#[test]
fn what_a_context_refuses() {
    let ca = Ca::new("CA");
    let (made, other) = (ca.server(), ca.server());
    let context = Context::new(2).unwrap();
    let code = |r: crate::error::Result<()>| r.map_or_else(|e| e.code(), |()| 0);
    let cert = made.cert.as_bytes();
    let using = |cert: &[u8], key: &[u8]| (code(context.use_cert(cert, key)), context.detail());
    assert_eq!(using(cert, other.key.as_bytes()).0, USOCKET_ETLS_KEY_MISMATCH);
    assert_eq!(using(cert, b"").0, USOCKET_ETLS_PEM_EMPTY);
    assert_eq!(using(b"nonsense", made.key.as_bytes()).0, USOCKET_ETLS_PEM_EMPTY);
    assert_eq!(using(b"\x30\x03\x01\x01\x00", made.key.as_bytes()).0, USOCKET_ETLS_CERT_INVALID);
    assert_eq!(using(cert, b"\x30\x03\x02\x01\x00").0, USOCKET_ETLS_KEY_INVALID);
    let encrypted =
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let (code_, words) = using(cert, encrypted);
    assert_eq!(code_, USOCKET_ETLS_KEY_ENCRYPTED);
    assert!(words.contains("decrypt it first"), "{words}");
    assert_eq!(
        using(made.cert.replace("-----END", "----END").as_bytes(), b"").0,
        USOCKET_ETLS_PEM_BAD
    );
    assert_eq!(context.config().err().map(|e| e.code()), Some(USOCKET_ETLS_NO_CERT));
    // Both in one text, and DER.
    assert_eq!(using(format!("{}{}", made.cert, made.key).as_bytes(), b"").0, 0);
    assert_eq!(using(&made.der, made.key.as_bytes()).0, 0);
    assert_eq!(
        context.trust(b"\x30\x03\x01\x01\x00").unwrap_err().code(),
        USOCKET_ETLS_CERT_INVALID
    );
    context.set_verify(2).unwrap();
    assert_eq!(context.config().err().map(|e| e.code()), Some(USOCKET_ETLS_NO_TRUST));
    assert_eq!(context.trust(&ca.issuer.der().repeat(2)).unwrap(), 2);
    assert!(context.config().is_ok());
    assert_eq!(context.use_cert_file(c"/nonexistent", None).unwrap_err().code(), -libc::ENOENT);
    assert_eq!(context.detail(), "/nonexistent: No such file or directory");

    let context = Context::new(1).unwrap();
    let no = |r: crate::error::Result<i32>| r.unwrap_err().code();
    assert_eq!(no(context.set_versions(0x302, 0)), USOCKET_ETLS_NO_SUCH_VERSION);
    assert_eq!(no(context.set_versions(0x304, 0x303)), USOCKET_ETLS_NO_SUCH_VERSION);
    assert_eq!(no(context.set_ciphers(Some(c"RC4"))), USOCKET_ETLS_NO_SUCH_SUITE);
    assert_eq!(no(context.set_groups(Some(c"X448"))), USOCKET_ETLS_NO_SUCH_SUITE);
    assert_eq!(no(context.set_alpn(Some(c"a,,b"))), -libc::EINVAL);
    assert_eq!(no(context.set_verify(3)), -libc::EINVAL);
    assert_eq!(no(context.set_hostname(2)), -libc::EINVAL);
    assert_eq!(no(context.set_crl_flags(8)), -libc::EINVAL);
    assert_eq!(no(context.add_pin(b"short")), -libc::EINVAL);
    assert_eq!(no(context.set_clock(-1)), -libc::EINVAL);
    assert_eq!(no(context.set_resumption(-1, 2)), -libc::EINVAL);
    assert_eq!(no(context.add_crl(b"\x30\x03\x01\x01\x00")), USOCKET_ETLS_CRL_INVALID);
    assert_eq!(Context::new(0).err().map(|e| e.code()), Some(-libc::EINVAL));
    if !cfg!(feature = "tls12") {
        return;
    }
    context.set_versions(0x304, 0).unwrap();
    context.set_ciphers(Some(c"ECDHE-RSA-AES128-GCM-SHA256")).unwrap();
    assert_eq!(no(context.config().map(|_| 0)), USOCKET_ETLS_NO_SUCH_VERSION);
}

/// The result at one end with a peer that does `what` on the bare connection.
fn meets(is_client: bool, what: impl FnOnce(&Socket)) -> (i32, String) {
    let (client, server) = contexts();
    let (a, b) = pair();
    let session = if is_client { wrap(&a, &client, Some(NAME)) } else { wrap(&a, &server, None) };
    what(&b);
    let code = session.handshake(&a).map_or_else(|e| e.code(), |()| 0);
    (code, session.detail())
}

#[test]
fn peers_that_do_not_speak_tls() {
    for is_client in [true, false] {
        for text in [
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            "220 mail.example ESMTP\r\n",
            "SSH-2.0-x\r\n",
            "\0\0\0\0\0\0\0",
        ] {
            let (code, words) = meets(is_client, |peer| _ = peer.send(text.as_bytes(), 0));
            assert_eq!(code, USOCKET_ETLS_NOT_TLS, "{text:?}: {words}");
            assert!(words.contains("does not speak TLS"), "{words}");
        }
        let (code, _) = meets(is_client, |peer| peer.shutdown(libc::SHUT_WR).unwrap());
        assert_eq!(code, USOCKET_ETLS_HANDSHAKE_EOF);
        let (code, _) = meets(is_client, |peer| {
            peer.send(&[22, 3, 3, 0, 100, 1], 0).unwrap();
            peer.shutdown(libc::SHUT_WR).unwrap();
        });
        assert_eq!(code, USOCKET_ETLS_HANDSHAKE_EOF);
        // A handshake record with nonsense in it, and an alert out of the blue.
        let (code, words) =
            meets(is_client, |peer| _ = peer.send(&[22, 3, 3, 0, 4, 99, 0, 0, 0], 0));
        assert_eq!(code, USOCKET_ETLS_PROTOCOL, "{words}");
        let (code, _) = meets(is_client, |peer| _ = peer.send(&[21, 3, 3, 0, 2, 2, 80], 0));
        assert_eq!(code, alert(80));
    }
}

#[test]
fn a_silent_peer_costs_one_timeout() {
    for is_client in [true, false] {
        let (client, server) = contexts();
        let (a, _b) = pair();
        a.settimeout(1_500_000).unwrap();
        let session =
            if is_client { wrap(&a, &client, Some(NAME)) } else { wrap(&a, &server, None) };
        let begun = std::time::Instant::now();
        assert_eq!(session.handshake(&a).unwrap_err().code(), -libc::ETIMEDOUT);
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_millis(1500) && took < Duration::from_millis(3000),
            "{took:?}"
        );
        // It is not latched: the peer may yet speak.
        a.settimeout(0).unwrap();
        assert_eq!(session.handshake(&a).unwrap_err().code(), -libc::EAGAIN);
    }
}

#[test]
fn damaged_and_oversized_records() {
    use crate::tls::session::Session;
    let hit = |bytes: &dyn Fn(&Socket)| {
        let (client, server) = contexts();
        let (a, b) = connected(&client, &server);
        bytes(&b);
        let session: &Session = a.tls().unwrap();
        let code = loop {
            match recv(&a, 10) {
                Ok(_) => {}
                Err(e) => break e.code(),
            }
        };
        (code, session.detail())
    };
    let raw = |s: &Socket, bytes: &[u8]| {
        let fd = std::os::fd::AsFd::as_fd(s);
        assert_eq!(crate::sys::net::send_now(fd, bytes).unwrap(), bytes.len());
    };
    let (code, words) = hit(&|s| raw(s, &[[23, 3, 3, 0, 30].as_slice(), &[1; 30]].concat()));
    assert_eq!(code, USOCKET_ETLS_DECRYPT, "{words}");
    let (code, words) = hit(&|s| raw(s, &[23, 3, 3, 0xff, 0xff, 0, 0]));
    assert!(code == USOCKET_ETLS_RECORD_OVERFLOW, "{code} {words}");
}

#[test]
fn rustls_errors_are_all_known() {
    use crate::tls::engine::failure::{Setting, of};
    use rustls::{
        AlertDescription, CertificateError as C, Error as T, InvalidMessage, PeerIncompatible as P,
        PeerMisbehaved,
    };
    // After a change of the rustls version, look through its errors, add new ones to `cause`, and
    // then change this.
    const AUDITED: &str = "0.23.46";
    let lock = include_str!("../../../Cargo.lock");
    let at = lock.find("name = \"rustls\"\n").unwrap();
    assert!(
        lock[at..].lines().nth(1).unwrap().contains(AUDITED),
        "a new rustls: audit engine/failure.rs"
    );

    let code = |e: T| of(&e, Setting::default()).code;
    let cert = |e: C| code(T::InvalidCertificate(e));
    assert_eq!(code(T::DecryptError), USOCKET_ETLS_DECRYPT);
    assert_eq!(code(T::EncryptError), USOCKET_ETLS_EXHAUSTED);
    assert_eq!(code(T::FailedToGetRandomBytes), USOCKET_ETLS_SYSTEM);
    assert_eq!(code(T::FailedToGetCurrentTime), USOCKET_ETLS_SYSTEM);
    assert_eq!(code(T::UnsupportedNameType), USOCKET_ETLS_BAD_NAME);
    assert_eq!(code(T::PeerSentOversizedRecord), USOCKET_ETLS_RECORD_OVERFLOW);
    assert_eq!(code(T::PeerMisbehaved(PeerMisbehaved::IncorrectBinder)), USOCKET_ETLS_PROTOCOL);
    assert_eq!(code(T::InvalidMessage(InvalidMessage::MessageTooShort)), USOCKET_ETLS_PROTOCOL);
    assert_eq!(code(T::AlertReceived(AlertDescription::UserCanceled)), alert(90));
    assert_eq!(
        code(T::PeerIncompatible(P::NoSignatureSchemesInCommon)),
        USOCKET_ETLS_NO_COMMON_SIGNATURE
    );
    assert_eq!(
        code(T::PeerIncompatible(P::ExtendedMasterSecretExtensionRequired)),
        USOCKET_ETLS_PEER_INCOMPATIBLE
    );
    assert_eq!(code(T::General("x".into())), USOCKET_ETLS_OTHER);
    for (error, expected) in [
        (C::Expired, USOCKET_ETLS_CERT_EXPIRED),
        (C::NotValidYet, USOCKET_ETLS_CERT_NOT_YET_VALID),
        (C::Revoked, USOCKET_ETLS_CERT_REVOKED),
        (C::UnhandledCriticalExtension, USOCKET_ETLS_CERT_UNSUPPORTED),
        (C::UnknownIssuer, USOCKET_ETLS_CERT_UNKNOWN_ISSUER),
        (C::UnknownRevocationStatus, USOCKET_ETLS_CRL_MISSING),
        (C::ExpiredRevocationList, USOCKET_ETLS_CRL_EXPIRED),
        (C::BadEncoding, USOCKET_ETLS_CERT_BAD_ENCODING),
        (C::BadSignature, USOCKET_ETLS_CERT_BAD_SIGNATURE),
        (C::NotValidForName, USOCKET_ETLS_CERT_WRONG_NAME),
        (C::InvalidPurpose, USOCKET_ETLS_CERT_WRONG_PURPOSE),
        (C::InvalidOcspResponse, USOCKET_ETLS_CERT_BAD_STAPLE),
        (C::ApplicationVerificationFailure, USOCKET_ETLS_CERT_REFUSED),
    ] {
        assert_eq!(cert(error), expected);
    }
}
