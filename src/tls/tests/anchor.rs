//! What a trusted certificate says about the chains that end in it, and what the sentences make of
//! certificates that are meant to mislead.

use rcgen::{BasicConstraints, CertifiedIssuer, CustomExtension, ExtendedKeyUsagePurpose, IsCa};

use super::failures::{alert, expect, outcome};
use super::support::*;
use super::trust::trusting;
use crate::error::causes::*;
use crate::tls::context::Context;

fn root(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Ca {
    let mut root = params(&[], "Root");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut root);
    let key = key_of(&rcgen::PKCS_ECDSA_P256_SHA256);
    Ca { issuer: CertifiedIssuer::self_signed(root, key).unwrap() }
}

fn below(ca: &Ca, name: &str) -> Ca {
    let mut middle = params(&[], name);
    middle.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = key_of(&rcgen::PKCS_ECDSA_P256_SHA256);
    Ca { issuer: CertifiedIssuer::signed_by(middle, key, &ca.issuer).unwrap() }
}

fn server_of(made: &Made, issuers: &[&Ca]) -> Context {
    let chain = std::iter::once(made.cert.clone()).chain(issuers.iter().map(|ca| ca.pem()));
    let server = Context::new(2).unwrap();
    server.use_cert(chain.collect::<String>().as_bytes(), made.key.as_bytes()).unwrap();
    server
}

#[test]
fn a_root_limits_the_length_of_its_chains() {
    for (most, good) in [(0, [true, false, false]), (1, [true, true, false])] {
        let root = root(|p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(most)));
        let middle = below(&root, "Middle");
        let last = below(&middle, "Last");
        let chains = [
            server_of(&root.server(), &[]),
            server_of(&middle.server(), &[&middle]),
            server_of(&last.server(), &[&last, &middle]),
        ];
        for (server, good) in chains.iter().zip(good) {
            let got = outcome(&trusting(&[&root.pem()]), server, Some(NAME));
            match good {
                true => expect(got, [0, 0], ""),
                false => expect(got, [USOCKET_ETLS_CERT_CONSTRAINT, alert(48)], "path length"),
            }
        }
    }
}

#[test]
fn a_root_is_for_its_purpose_only() {
    let clients = root(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let got = outcome(&trusting(&[&clients.pem()]), &server(&clients.server()), Some(NAME));
    let words = "the trusted certificate \"Root\" may not issue for this purpose";
    expect(got, [USOCKET_ETLS_CERT_WRONG_PURPOSE, alert(43)], words);
    let servers = root(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let got = outcome(&trusting(&[&servers.pem()]), &server(&servers.server()), Some(NAME));
    expect(got, [0, 0], "");
}

#[test]
fn a_critical_extension_of_a_root_is_not_passed_over() {
    let with = |oid: &[u64], content: &[u8]| {
        root(|p| {
            let mut extension = CustomExtension::from_oid_content(oid, content.to_vec());
            extension.set_criticality(true);
            p.custom_extensions.push(extension);
        })
    };
    let strange = with(&[1, 3, 6, 1, 4, 1, 99999, 1], &[5, 0]);
    let got = outcome(&trusting(&[&strange.pem()]), &server(&strange.server()), Some(NAME));
    let words = "the trusted certificate \"Root\" has an unsupported critical extension: 1.3.6.1.4.1.99999.1";
    expect(got, [USOCKET_ETLS_CERT_UNSUPPORTED, alert(42)], words);
    // inhibitAnyPolicy: about policies, which TLS does not ask for.
    let policies = with(&[2, 5, 29, 54], &[2, 1, 0]);
    let got = outcome(&trusting(&[&policies.pem()]), &server(&policies.server()), Some(NAME));
    expect(got, [0, 0], "");
}

/// A certificate can neither write lines of its own into a log nor fill it.
#[test]
fn a_sentence_is_readable_whatever_the_certificate_says() {
    let ca = Ca::new("CA");
    let judged = |own: &Made| {
        let (a, b) = pair();
        let client = trusting(&[&ca.pem(), &own.cert]);
        let (a_tls, b_tls) = (wrap(&a, &client, Some(NAME)), wrap(&b, &server(own), None));
        assert!(shake((&a, a_tls), (&b, b_tls)).0.is_err());
        a_tls.detail()
    };
    let names: Vec<_> = (0..200).map(|n| format!("n{n}.example")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let words = judged(&ca.issue(params(&names, "many")));
    assert!(words.contains("n9.example, and 190 more, not for server.example"), "{words}");
    let words = judged(&self_signed(params(&[], "\u{1b}[2J\r\nall is well")));
    assert!(words.contains("all is well") && !words.contains(char::is_control), "{words:?}");
    let words = judged(&self_signed(params(&[], &"x".repeat(5000))));
    assert!(words.len() < 1100, "{}", words.len());
}
