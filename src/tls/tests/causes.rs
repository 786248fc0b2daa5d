//! A table of what can be wrong with a chain or a client, each with its code, its alert and its
//! words. OpenSSL made the certificates in `odd` that rcgen cannot make (weak keys, SHA-1).

use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rcgen::{BasicConstraints, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

use super::failures::{alert, expect, outcome};
use super::support::*;
use crate::error::causes::*;
use crate::tls::context::Context;

macro_rules! odd {
    ($name:literal) => {
        include_str!(concat!("odd/", $name, ".pem"))
    };
}

/// 2030-01-01: those of `odd` were made when this was written.
const CLOCK: i64 = 1_893_456_000;

/// A server that shows this chain, whose key it need not have: what is wrong with the chain is said
/// first.
fn showing(chain: &str) -> Context {
    let key = key_of(&rcgen::PKCS_ECDSA_P256_SHA256);
    let server = Context::new(2).unwrap();
    server.set_key_check(0).unwrap();
    server.use_cert(chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    server
}

fn trusting(roots: &str) -> Context {
    let client = client();
    client.trust(roots.as_bytes()).unwrap();
    client.set_clock(CLOCK).unwrap();
    client
}

#[test]
fn weak_and_strange_keys_and_signatures() {
    const WEAK: i32 = USOCKET_ETLS_CERT_WEAK;
    const UNSUPPORTED: i32 = USOCKET_ETLS_CERT_UNSUPPORTED;
    #[rustfmt::skip] // A table.
    let table = [
        (odd!("rsa1024"), odd!("ca"), WEAK, "unacceptable key in the certificate: RSA-1024 is too weak"),
        (odd!("by-rsa1024"), odd!("ca-rsa1024"), WEAK, "unacceptable key in the trusted certificate \"ca-rsa1024\": RSA-1024 is too weak"),
        (odd!("sha1"), odd!("ca-rsa"), WEAK, "the certificate is signed using SHA-1 with RSA, which is too weak"),
        (odd!("ecdsa-sha1"), odd!("ca"), WEAK, "the certificate is signed using SHA-1 with ECDSA, which is too weak"),
        (odd!("secp256k1"), odd!("ca"), UNSUPPORTED, "key in the certificate: EC secp256k1 is not supported"),
        (odd!("pss"), odd!("ca"), UNSUPPORTED, "RSA-PSS keys"),
        (odd!("ed448"), odd!("ca"), UNSUPPORTED, "key in the certificate: Ed448 is not supported"),
        (odd!("p224"), odd!("ca"), UNSUPPORTED, "key in the certificate: EC P-224 is not supported"),
        (odd!("brainpool"), odd!("ca"), UNSUPPORTED, "key in the certificate: EC brainpoolP256r1 is not supported"),
        (odd!("by-pss"), odd!("ca-pss"), UNSUPPORTED, "the certificate is signed using RSA-PSS, which is not supported"),
        (odd!("v1"), odd!("ca"), UNSUPPORTED, "X.509 version 1"),
    ];
    for (chain, root, code, words) in table {
        expect(outcome(&trusting(root), &showing(chain), Some(NAME)), [code, alert(42)], words);
    }
}

/// A chain of issuers below a trusted one, each changed by `change` (1 is the topmost), and a
/// certificate by the last.
fn chain(
    root: &Ca,
    issuers: usize,
    change: impl Fn(usize, &mut rcgen::CertificateParams),
) -> String {
    let issuer = |n: usize| {
        let mut p = params(&[], &format!("issuer {n}"));
        p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(n, &mut p);
        p
    };
    let mut made: Vec<CertifiedIssuer<'static, KeyPair>> = Vec::new();
    for n in 1..=issuers {
        let key = KeyPair::generate().unwrap();
        made.push(match made.last() {
            None => CertifiedIssuer::signed_by(issuer(n), key, &root.issuer).unwrap(),
            Some(above) => CertifiedIssuer::signed_by(issuer(n), key, above).unwrap(),
        });
    }
    let mut leaf = params(&[NAME], NAME);
    change(0, &mut leaf);
    let key = KeyPair::generate().unwrap();
    let leaf = match made.last() {
        None => leaf.signed_by(&key, &root.issuer).unwrap(),
        Some(above) => leaf.signed_by(&key, above).unwrap(),
    };
    let issuers = made.iter().rev().map(|i| i.pem());
    std::iter::once(leaf.pem()).chain(issuers).collect()
}

#[test]
fn what_is_wrong_with_a_chain() {
    let ca = Ca::new("CA");
    let case = |issuers, change: &dyn Fn(usize, &mut rcgen::CertificateParams), codes, words| {
        let chain = chain(&ca, issuers, change);
        expect(outcome(&trusting(&ca.pem()), &showing(&chain), Some(NAME)), codes, words);
    };
    const CONSTRAINT: i32 = USOCKET_ETLS_CERT_CONSTRAINT;
    // All is well but the key, which is not theirs: so far a good chain comes.
    let accepted = [USOCKET_ETLS_CERT_BAD_SIGNATURE, alert(51)];
    case(0, &|_, _| {}, accepted, "does not have the private key");
    case(6, &|_, _| {}, accepted, "does not have the private key");
    case(7, &|_, _| {}, [CONSTRAINT, alert(48)], "more than 6 intermediate certificates");
    let no_ca = |n: usize, p: &mut rcgen::CertificateParams| {
        if n == 1 {
            p.is_ca = IsCa::ExplicitNoCa;
        }
    };
    case(1, &no_ca, [CONSTRAINT, alert(48)], "is not a CA (basicConstraints lacks CA:TRUE)");
    let short = |n: usize, p: &mut rcgen::CertificateParams| {
        if n == 1 {
            p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        }
    };
    case(1, &short, accepted, "");
    case(2, &short, [CONSTRAINT, alert(48)], "longer than an issuer in it allows");
    let limited = |permitted: &'static str| {
        move |n: usize, p: &mut rcgen::CertificateParams| {
            if n == 1 {
                p.name_constraints = Some(rcgen::NameConstraints {
                    permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName(permitted.into())],
                    excluded_subtrees: vec![],
                });
            }
        }
    };
    case(1, &limited("server.example"), accepted, "");
    case(1, &limited("other.example"), [CONSTRAINT, alert(46)], "name constraints");
    let excluded = |n: usize, p: &mut rcgen::CertificateParams| {
        if n == 1 {
            p.name_constraints = Some(rcgen::NameConstraints {
                permitted_subtrees: vec![],
                excluded_subtrees: vec![rcgen::GeneralSubtree::DnsName("example".into())],
            });
        }
    };
    case(1, &excluded, [CONSTRAINT, alert(46)], "name constraints");
    let purpose = |n: usize, p: &mut rcgen::CertificateParams| {
        if n == 1 {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
    };
    let words = "the issuer's certificate \"issuer 1\" may not issue for this purpose";
    case(1, &purpose, [USOCKET_ETLS_CERT_WRONG_PURPOSE, alert(43)], words);
    let code_signing = |n: usize, p: &mut rcgen::CertificateParams| {
        if n == 0 {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        }
    };
    let words = "only for 1.3.6.1.5.5.7.3.3";
    case(0, &code_signing, [USOCKET_ETLS_CERT_WRONG_PURPOSE, alert(43)], words);
    let old = |n: usize, p: &mut rcgen::CertificateParams| {
        if n == 1 {
            p.not_after = rcgen::date_time_ymd(2024, 5, 1);
        }
    };
    let words =
        "the issuer's certificate \"issuer 1\" expired 2024-05-01 00:00 UTC, the clock set by";
    case(2, &old, [USOCKET_ETLS_CERT_EXPIRED, alert(45)], words);
    let young = |n: usize, p: &mut rcgen::CertificateParams| {
        if n == 1 {
            p.not_before = rcgen::date_time_ymd(2080, 5, 1);
        }
    };
    let words = "the issuer's certificate \"issuer 1\" is not valid before 2080-05-01";
    case(1, &young, [USOCKET_ETLS_CERT_NOT_YET_VALID, alert(45)], words);
    let backwards = |n: usize, p: &mut rcgen::CertificateParams| {
        if n == 0 {
            p.not_after = rcgen::date_time_ymd(2019, 5, 1);
        }
    };
    let words = "validity ends before it begins";
    case(0, &backwards, [USOCKET_ETLS_CERT_BAD_ENCODING, alert(42)], words);
    let strange = |n: usize, p: &mut rcgen::CertificateParams| {
        if n == 1 {
            let mut e = rcgen::CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
            e.set_criticality(true);
            p.custom_extensions.push(e);
        }
    };
    let words =
        "the issuer's certificate \"issuer 1\" has an unsupported critical extension: 1.2.3.4";
    case(1, &strange, [USOCKET_ETLS_CERT_UNSUPPORTED, alert(42)], words);
    // The issuer was not sent.
    let whole = chain(&ca, 1, |_, _| {});
    let end = "-----END CERTIFICATE-----\n";
    let alone = &whole[..whole.find(end).unwrap() + end.len()];
    let words = "issued by \"issuer 1\", which is not trusted, and the peer sent no intermediate certificate";
    let got = outcome(&trusting(&ca.pem()), &showing(alone), Some(NAME));
    expect(got, [USOCKET_ETLS_CERT_UNKNOWN_ISSUER, alert(48)], words);
    // An issuer's certificate of the same name, with another key.
    let forged = chain(&Ca::new("CA"), 0, |_, _| {});
    let got = outcome(&trusting(&ca.pem()), &showing(&forged), Some(NAME));
    let words =
        "signature verification failed: a certificate in the chain was not signed by its issuer";
    expect(got, [USOCKET_ETLS_CERT_BAD_SIGNATURE, alert(51)], words);
}

#[test]
fn names_in_words() {
    let ca = Ca::new("CA");
    let case = |names: &[&str], common: &str, asked: &str, words: &str| {
        let server = server(&ca.issue(params(names, common)));
        let got = outcome(&trusting(&ca.pem()), &server, Some(asked));
        expect(got, [USOCKET_ETLS_CERT_WRONG_NAME, alert(42)], words);
    };
    let words = "not valid for localhost: it has no subject alternative name, and its common name (localhost)";
    case(&[], "localhost", "localhost", words);
    case(
        &["a.example", "192.0.2.1"],
        "x",
        "b.example",
        "is valid for a.example, 192.0.2.1, not for b.ex",
    );
    case(&["*.example"], "x", "a.b.example", "is valid for *.example, not for a.b.example");
    case(&["a.example"], "192.0.2.7", "192.0.2.7", "is valid for a.example, not for 192.0.2.7");
}

/// Private keys that cannot be used say what they are.
#[test]
fn keys_that_cannot_be_used() {
    for (key, words) in [
        (
            odd!("rsa1024-key"),
            "unacceptable private key: RSA-1024 is too weak (the minimum is 2048 bits)",
        ),
        (odd!("pss-key"), "unacceptable private key: RSA-PSS keys (id-RSASSA-PSS) are not"),
        (odd!("secp256k1-key"), "unacceptable private key: EC secp256k1 is not supported"),
        (odd!("ed448-key"), "unacceptable private key: Ed448 is not supported"),
    ] {
        let context = Context::new(2).unwrap();
        let e = context.use_cert(odd!("ca").as_bytes(), key.as_bytes()).unwrap_err();
        assert_eq!(e.code(), USOCKET_ETLS_KEY_INVALID);
        assert!(context.detail().starts_with(words), "{}", context.detail());
    }
}

// ClientHellos of OpenSSL's s_client.
const TLS_1_1: &str = "16030100630100005f03026ba40df8ce030e6dc8ba090bc0f59c0712688fd29b9c4189e333b0b5e3120c37000012c00ac0140039c009c01300330035002f00ff01000024000b000403000102000a000c000a001d0017001e00190018002300000016000000170000";
const CBC: &str = "160301009e0100009a030360fcb13fa470829913957056c92cf176f6be6db2a6af2714a80fbcc6259d6377000008c009002fc02800ff0100006900000013001100000e7365727665722e6578616d706c65000b000403000102000a000c000a001d0017001e00190018002300000016000000170000000d002a0028040305030603080708080809080a080b080408050806040105010601030303010302040205020602";
const NO_ECDHE: &str = "160301006b010000670303624b85218388208d7782b8fbf1f489382669025d09e69d010d619f23f3f8ed8a000004009c00ff0100003a002300000016000000170000000d002a0028040305030603080708080809080a080b080408050806040105010601030303010302040205020602";
const P521: &str = "1603010177010001730303500a7d0e419f0b14d1892905edf2b07a89cdf5b9d8b644e751a5fd5221589de42003b02dfd7c47d51e7fd53d337e8ca14c3b4a2345fd9ca903030f9ff03d0ad708003e130213031301c02cc030009fcca9cca8ccaac02bc02f009ec024c028006bc023c0270067c00ac0140039c009c0130033009d009c003d003c0035002f00ff010000ec000b000403000102000a000400020019002300000016000000170000000d002a0028040305030603080708080809080a080b080408050806040105010601030303010302040205020602002b0009080304030303020301002d000201010033008b008900190085040016f4b02b28b50e4af5e3337bb7b1743d48d140440d1cfe7fabd4d7e0bde9c4a19e15f278c570c7a6657cb4129fde8296880a05690dc14479843aa40e1f3952af5e013aeea5f0b35cd050bd18273a54eecbf34565d5381f40098541c972c5558d847de0acd3ebf46074cc869b57796014e8cf48721daa667beaeadfe52bbce915c683f0";
const NO_EDDSA: &str = "16030100930100008f030319b291349e6f6ad8ad9d0908d1722f02e9ac0f4f3d1eb51af0a03593b6005ea8000038c02cc030009fcca9cca8ccaac02bc02f009ec024c028006bc023c0270067c00ac0140039c009c0130033009d009c003d003c0035002f00ff0100002e000b000403000102000a000c000a001d0017001e00190018002300000016000000170000000d0006000404030804";

#[test]
fn clients_that_lack_something() {
    let ca = Ca::new("CA");
    let ecdsa = ca.server();
    let ed25519 = ca.issue_with(params(&[NAME], NAME), key_of(&rcgen::PKCS_ED25519));
    let tls12 = cfg!(feature = "tls12");
    #[rustfmt::skip] // A table.
    let table = [
        (TLS_1_1, &ecdsa, USOCKET_ETLS_NO_COMMON_VERSION, 70, "the client offers TLS 1.1 at most"),
        (CBC, &ecdsa, USOCKET_ETLS_NO_COMMON_SUITE, 40, "no cipher suite in common with the peer: the client offers only TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
        (NO_ECDHE, &ecdsa, USOCKET_ETLS_NO_COMMON_SUITE, 40, "only TLS_RSA_WITH_AES_128_GCM_SHA256"),
        (P521, &ecdsa, USOCKET_ETLS_NO_COMMON_GROUP, 40, "the client offers only secp521r1"),
        (NO_EDDSA, &ed25519, USOCKET_ETLS_NO_COMMON_SIGNATURE, 40, "it accepts no signature by the keys here (ED25519)"),
    ];
    for (hello, made, code, description, words) in table {
        if !tls12 && code != USOCKET_ETLS_NO_COMMON_GROUP {
            continue;
        }
        let (a, b) = pair();
        let session = wrap(&a, &server(made), None);
        let bytes: Vec<u8> = (0..hello.len() / 2)
            .map(|i| u8::from_str_radix(&hello[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        b.send(&bytes, 0).unwrap();
        assert_eq!(session.handshake(&a).unwrap_err().code(), code, "{}", session.detail());
        assert!(session.detail().contains(words), "{}", session.detail());
        // SAFETY: the descriptor was just given up.
        let mut b = UnixStream::from(unsafe { OwnedFd::from_raw_fd(b.into_fd()) });
        let mut got = [0; 7];
        b.read_exact(&mut got).unwrap();
        assert_eq!((got[0], got[5], got[6]), (21, 2, description), "{words}");
    }
}

/// The same with our own client, in both versions.
#[test]
fn a_client_that_does_not_know_our_key() {
    let ca = Ca::new("CA");
    let ed25519 = ca.issue_with(params(&[NAME], NAME), key_of(&rcgen::PKCS_ED25519));
    let server = server(&ed25519);
    let client = trusting(&ca.pem());
    if cfg!(feature = "tls12") {
        // A suite for RSA: what an Ed25519 key cannot do.
        client.set_ciphers(Some(c"ECDHE-RSA-AES128-GCM-SHA256")).unwrap();
        client.set_versions(0x303, 0x303).unwrap();
        let got = outcome(&client, &server, Some(NAME));
        expect(got, [alert(40), USOCKET_ETLS_NO_COMMON_SIGNATURE], "(ED25519)");
    }
}

#[test]
fn the_servers_best_suite_comes_first() {
    let ca = Ca::new("CA");
    let suite = |named: bool| {
        let client = trusting(&ca.pem());
        client.set_ciphers(Some(c"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384")).unwrap();
        let server = server(&ca.server());
        if named {
            server.set_ciphers(Some(c"TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256")).unwrap();
        }
        let (a, _b) = connected(&client, &server);
        a.tls().unwrap().info(|i| i.cipher())
    };
    assert_eq!(suite(false), "TLS_AES_128_GCM_SHA256");
    assert_eq!(suite(true), "TLS_AES_256_GCM_SHA384");
}

/// Records no longer than the setting, in the handshake and after it, in both directions.
#[test]
fn records_can_be_small() {
    let ca = Ca::new("CA");
    for (&version, server_sends) in VERSIONS.iter().flat_map(|v| [(v, true), (v, false)]) {
        let (client, server) = (trusting(&ca.pem()), server(&ca.server()));
        client.set_versions(version, version).unwrap();
        let limited = if server_sends { &server } else { &client };
        assert_eq!(limited.set_max_record(63).unwrap_err().code(), -libc::EINVAL);
        assert_eq!(limited.set_max_record(16385).unwrap_err().code(), -libc::EINVAL);
        limited.set_max_record(512).unwrap();
        let (a, b) = connected(&client, &server);
        let (from, to) = if server_sends { (b, a) } else { (a, b) };
        let data: Vec<u8> = (0..20_000u32).map(|n| n as u8).collect();
        let _ = to.recv(&mut [std::mem::MaybeUninit::uninit()], libc::MSG_DONTWAIT);
        from.sendall(&data, 0).unwrap();
        let mut raw = vec![0u8; 40_000];
        // SAFETY: the buffer is writable; the descriptor is open.
        let n = unsafe {
            use std::os::fd::AsRawFd;
            let fd = std::os::fd::AsFd::as_fd(&to).as_raw_fd();
            libc::recv(fd, raw.as_mut_ptr().cast(), raw.len(), libc::MSG_PEEK)
        };
        let mut at = &raw[..usize::try_from(n).unwrap()];
        let mut records = 0;
        while at.len() >= 5 {
            let len = usize::from(u16::from_be_bytes([at[3], at[4]]));
            assert!(len <= 512 + 24, "{len}");
            records += 1;
            at = &at[(5 + len).min(at.len())..];
        }
        assert!(records >= 20_000 / 512);
        assert!(read(&to, data.len()).unwrap() == data);
    }
}

#[cfg(feature = "encrypted-keys")]
#[test]
fn encrypted_keys_and_their_password() {
    let given = |key: &str, password: Option<&[u8]>| {
        let context = Context::new(2).unwrap();
        context.set_key_password(password).unwrap();
        let code = context.use_cert(odd!("locked").as_bytes(), key.as_bytes());
        (code.map_or_else(|e| e.code(), |()| 0), context.detail())
    };
    for key in [odd!("locked-pbkdf2"), odd!("locked-scrypt"), odd!("locked-sha1")] {
        assert_eq!(given(key, Some(b"secret")).0, 0);
        assert_eq!(given(key, Some(b"Secret")).0, USOCKET_ETLS_KEY_PASSWORD);
        let (code, words) = given(key, None);
        assert_eq!(code, USOCKET_ETLS_KEY_ENCRYPTED);
        assert!(words.contains("no password is set"), "{words}");
    }
    // A password for one that needs none is no harm.
    let made = Ca::new("CA").server();
    let context = Context::new(2).unwrap();
    context.set_key_password(Some(b"secret")).unwrap();
    context.use_cert(made.cert.as_bytes(), made.key.as_bytes()).unwrap();
    for (key, why) in [
        (odd!("locked-old"), "OpenSSL's legacy format"),
        (odd!("locked-pbes1"), "unsupported encryption"),
    ] {
        let (code, words) = given(key, Some(b"secret"));
        assert_eq!(code, USOCKET_ETLS_KEY_ENCRYPTED);
        assert!(words.contains(why) && words.contains("openssl pkcs8 -topk8"), "{words}");
    }
}

#[test]
fn pkcs12_is_not_read_and_it_is_said_what_to_do() {
    let bundle = include_bytes!("odd/bundle.p12");
    let locked = odd!("locked").as_bytes();
    let context = Context::new(2).unwrap();
    for (cert, key, code) in [
        (&bundle[..], &[][..], USOCKET_ETLS_CERT_INVALID),
        (locked, bundle, USOCKET_ETLS_KEY_INVALID),
    ] {
        assert_eq!(context.use_cert(cert, key).unwrap_err().code(), code);
        assert!(
            context.detail().contains("`openssl pkcs12 -in FILE -noenc"),
            "{}",
            context.detail()
        );
    }
    assert_eq!(context.trust(bundle).unwrap_err().code(), USOCKET_ETLS_CERT_INVALID);
}

/// The sentence about a peer's alert has the name of the standards, as rustls knows it.
#[test]
fn every_alert_of_the_peer_has_its_name() {
    use rustls::AlertDescription as Alert;
    for n in 0..=255 {
        // (rustls spells one in British English.)
        let plain = |name: &str| name.replace('_', "").to_lowercase().replace("nised", "nized");
        let theirs = match Alert::from(n) {
            Alert::Unknown(_) => continue,
            Alert::EncryptedClientHelloRequired => "ech_required".into(),
            known => format!("{known:?}"),
        };
        assert_eq!(plain(alert_name(n)), plain(&theirs), "{n}");
        let said = crate::error::message(USOCKET_ETLS_ALERT - i32::from(n));
        assert!(n == 0 || said.contains(alert_name(n)), "{n}: {said:?}");
    }
}
