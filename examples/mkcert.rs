//! Writes a set of test certificates to a directory: `cargo run --example mkcert -- DIR`.
//!
//! Made anew each time, so that none expires in a repository. `X.pem` is a certificate, `X-key.pem`
//! its key (PKCS#8); `X.der` and `X-key.der` are the same in DER.
//!
//! | file | what it is |
//! |---|---|
//! | `ca.pem` | the issuer of all that is well (ECDSA P-256) |
//! | `other-ca.pem` | an issuer nobody trusts |
//! | `server.pem` | for `localhost`, `server.example`, `*.wild.example`, 127.0.0.1, ::1 (ECDSA P-256) |
//! | `server-key-sec1.pem`, `.der` | its key in SEC1 |
//! | `server-p384.pem`, `server-rsa.pem`, `server-ed25519.pem` | for the same names, other keys |
//! | `server-rsa-key-pkcs1.pem`, `.der` | the RSA key in PKCS#1 |
//! | `second.pem` | for `second.example` |
//! | `chain.pem` | `server.example` by an intermediate, which follows in the file |
//! | `client.pem` | for clients, by `ca.pem` |
//! | `client-other.pem` | for clients, by `other-ca.pem` |
//! | `expired.pem`, `future.pem` | `localhost`: ended 2024-05-01; begins 2090-01-01 |
//! | `revoked.pem`, `crl.pem` | `localhost`, and the list (by `ca.pem`) that revokes it |
//! | `crl-stale.pem` | a list without it, out of date since 2024-05-01 |
//! | `stranger.pem` | `localhost` by `other-ca.pem` |
//! | `self-signed.pem` | what `openssl req -x509 -subj /CN=localhost` makes: CA:TRUE, common name only |
//! | `mismatch-key.pem` | a key that belongs to none of them |
#![allow(clippy::unwrap_used)] // A tool for tests: it stops at the first thing that goes wrong.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose as Usage, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, SignatureAlgorithm,
};

const NAMES: [&str; 5] = ["localhost", "server.example", "*.wild.example", "127.0.0.1", "::1"];
type Issuer = CertifiedIssuer<'static, KeyPair>;

fn main() {
    let Some(dir) = std::env::args_os().nth(1) else {
        eprintln!("usage: mkcert DIRECTORY");
        std::process::exit(2);
    };
    let dir = PathBuf::from(dir);
    fs::create_dir_all(&dir).unwrap();
    let ca = issuer("libusocket test CA");
    let other = issuer("libusocket other test CA");
    write(&dir, "ca", ca.pem(), ca.der(), ca.key());
    write(&dir, "other-ca", other.pem(), other.der(), other.key());

    let server = || params(&NAMES, "server.example", Usage::ServerAuth);
    let here = || params(&["localhost"], "localhost", Usage::ServerAuth);
    let ec = issue(&dir, "server", server(), &rcgen::PKCS_ECDSA_P256_SHA256, &ca);
    inner(&dir, "server-key-sec1", "EC PRIVATE KEY", &ec);
    issue(&dir, "server-p384", server(), &rcgen::PKCS_ECDSA_P384_SHA384, &ca);
    issue(&dir, "server-ed25519", server(), &rcgen::PKCS_ED25519, &ca);
    let rsa = issue(&dir, "server-rsa", server(), &rcgen::PKCS_RSA_SHA256, &ca);
    inner(&dir, "server-rsa-key-pkcs1", "RSA PRIVATE KEY", &rsa);
    let second = params(&["second.example"], "second.example", Usage::ServerAuth);
    issue(&dir, "second", second, &rcgen::PKCS_ECDSA_P256_SHA256, &ca);
    let client = || params(&[], "a client", Usage::ClientAuth);
    issue(&dir, "client", client(), &rcgen::PKCS_ECDSA_P256_SHA256, &ca);
    issue(&dir, "client-other", client(), &rcgen::PKCS_ECDSA_P256_SHA256, &other);
    issue(&dir, "stranger", here(), &rcgen::PKCS_ECDSA_P256_SHA256, &other);

    let mut expired = here();
    expired.not_after = rcgen::date_time_ymd(2024, 5, 1);
    issue(&dir, "expired", expired, &rcgen::PKCS_ECDSA_P256_SHA256, &ca);
    let mut future = here();
    future.not_before = rcgen::date_time_ymd(2090, 1, 1);
    future.not_after = rcgen::date_time_ymd(2099, 1, 1);
    issue(&dir, "future", future, &rcgen::PKCS_ECDSA_P256_SHA256, &ca);

    let mut revoked = here();
    revoked.serial_number = Some(SerialNumber::from(4711u64));
    issue(&dir, "revoked", revoked, &rcgen::PKCS_ECDSA_P256_SHA256, &ca);
    fs::write(dir.join("crl.pem"), list(&ca, true)).unwrap();
    fs::write(dir.join("crl-stale.pem"), list(&ca, false)).unwrap();

    let mut middle = params(&[], "libusocket intermediate", Usage::ServerAuth);
    middle.extended_key_usages.clear();
    middle.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let middle = CertifiedIssuer::signed_by(middle, key, &ca).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = server().signed_by(&key, &middle).unwrap();
    write(&dir, "chain", leaf.pem() + &middle.pem(), leaf.der(), &key);

    let mut own = CertificateParams::new(Vec::new()).unwrap();
    own.distinguished_name = Default::default();
    own.distinguished_name.push(DnType::CommonName, "localhost");
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let own = own.self_signed(&key).unwrap();
    write(&dir, "self-signed", own.pem(), own.der(), &key);
    fs::write(dir.join("mismatch-key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
}

fn params(names: &[&str], common_name: &str, usage: Usage) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|n| n.to_string()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = Default::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2089, 1, 1);
    params
}

fn issuer(name: &str) -> Issuer {
    let mut params = params(&[], name, Usage::ServerAuth);
    params.extended_key_usages.clear();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issue(
    dir: &Path,
    name: &str,
    params: CertificateParams,
    algorithm: &'static SignatureAlgorithm,
    ca: &Issuer,
) -> KeyPair {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let cert = params.signed_by(&key, ca).unwrap();
    write(dir, name, cert.pem(), cert.der(), &key);
    key
}

fn write(dir: &Path, name: &str, cert: String, der: &[u8], key: &KeyPair) {
    fs::write(dir.join(format!("{name}.pem")), cert).unwrap();
    fs::write(dir.join(format!("{name}.der")), der).unwrap();
    let mut der = key.serialize_der();
    if key.is_compatible(&rcgen::PKCS_ED25519) {
        // Without the public half, which OpenSSL 3.0 does not read in PKCS#8: the seed alone.
        let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        let seed = der.windows(4).position(|w| w == [4, 0x22, 4, 0x20]).unwrap() + 4;
        der = [&head, &der[seed..seed + 32]].concat();
    }
    fs::write(dir.join(format!("{name}-key.pem")), pem("PRIVATE KEY", &der)).unwrap();
    fs::write(dir.join(format!("{name}-key.der")), der).unwrap();
}

fn list(ca: &Issuer, fresh: bool) -> String {
    let revoked = RevokedCertParams {
        serial_number: SerialNumber::from(4711u64),
        revocation_time: rcgen::date_time_ymd(2024, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2024, 4, 1),
        next_update: rcgen::date_time_ymd(if fresh { 2089 } else { 2024 }, 5, 1),
        crl_number: SerialNumber::from(1u64),
        issuing_distribution_point: None,
        revoked_certs: if fresh { vec![revoked] } else { Vec::new() },
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(ca).unwrap().pem().unwrap()
}

/// The key as it is inside PKCS#8: SEC1 or PKCS#1.
fn inner(dir: &Path, name: &str, label: &str, key: &KeyPair) {
    fn next(der: &[u8]) -> (u8, &[u8], &[u8]) {
        let short = usize::from(der[1]);
        let (head, len) = match der[1] {
            0x81 => (3, usize::from(der[2])),
            0x82 => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
            _ => (2, short),
        };
        (der[0], &der[head..head + len], &der[head + len..])
    }
    let der = key.serialize_der();
    let (_, mut rest, _) = next(&der);
    let found = loop {
        let (tag, content, after) = next(rest);
        if tag == 4 {
            break content;
        }
        rest = after;
    };
    let mut found = found.to_vec();
    if label.starts_with("EC") {
        // Outside PKCS#8 the curve (P-256) has to be named: between the key and its public half.
        let at = 2 + 3 + 2 + 32;
        let curve = [0xa0, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
        found.splice(at..at, curve);
        found[1] += curve.len() as u8;
    }
    fs::write(dir.join(format!("{name}.pem")), pem(label, &found)).unwrap();
    fs::write(dir.join(format!("{name}.der")), found).unwrap();
}

fn pem(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in der.chunks(3) {
        let bits =
            three.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63] as char;
            text.push(if at > three.len() { '=' } else { digit });
        }
    }
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|l| String::from_utf8_lossy(l)).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
