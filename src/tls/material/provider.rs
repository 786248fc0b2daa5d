//! The cryptography chosen at build, and its parts by name.

use std::sync::Arc;

use rustls::NamedGroup;
use rustls::crypto::hash::{HashAlgorithm, Output};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::ProducesTickets;
use rustls::sign::SigningKey;
use rustls::{CipherSuite, SupportedCipherSuite};

use crate::error::causes::*;
use crate::tls::Cause;

#[cfg(any(
    all(feature = "aws-lc-rs", feature = "ring"),
    all(feature = "aws-lc-rs", feature = "graviola"),
    all(feature = "ring", feature = "graviola")
))]
compile_error!("choose one of the features aws-lc-rs (the default), ring and graviola");

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as chosen;
#[cfg(feature = "ring")]
use rustls::crypto::ring as chosen;
#[cfg(feature = "graviola")]
use rustls_graviola as chosen;

/// The complete provider.
///
/// # Errors
/// `USOCKET_ETLS_CPU` where the processor cannot run it.
pub fn get() -> Result<CryptoProvider, Cause> {
    #[cfg(all(feature = "graviola", target_arch = "x86_64"))]
    if !["avx2", "adx", "bmi2", "aes", "pclmulqdq"].iter().all(|f| has(f)) {
        return Err(Cause::new(
            USOCKET_ETLS_CPU,
            "this build's cryptography (graviola) needs a processor with AVX2, ADX, BMI2 and AES",
        ));
    }
    Ok(chosen::default_provider())
}

#[cfg(all(feature = "graviola", target_arch = "x86_64"))]
fn has(feature: &str) -> bool {
    match feature {
        "avx2" => std::arch::is_x86_feature_detected!("avx2"),
        "adx" => std::arch::is_x86_feature_detected!("adx"),
        "bmi2" => std::arch::is_x86_feature_detected!("bmi2"),
        "aes" => std::arch::is_x86_feature_detected!("aes"),
        _ => std::arch::is_x86_feature_detected!("pclmulqdq"),
    }
}

/// Prepares a private key for signing, without copying the bytes, which their owner wipes.
pub fn signing_key(
    provider: &CryptoProvider,
    key: &PrivateKeyDer<'_>,
) -> Result<Arc<dyn SigningKey>, rustls::Error> {
    #[cfg(feature = "graviola")]
    return provider.key_provider.load_private_key(key.clone_key());
    #[cfg(not(feature = "graviola"))]
    {
        let _ = provider;
        chosen::sign::any_supported_type(key)
    }
}

/// Makes the ticketer of a server.
pub fn ticketer() -> Result<Arc<dyn ProducesTickets>, Cause> {
    chosen::Ticketer::new().map_err(|e| Cause::new(USOCKET_ETLS_SYSTEM, e.to_string()))
}

/// The SHA-256 of some bytes.
pub fn sha256(provider: &CryptoProvider, data: &[u8]) -> Option<[u8; 32]> {
    hash(provider, HashAlgorithm::SHA256, data)?.as_ref().try_into().ok()
}

/// A hash of some bytes, if a cipher suite has it.
pub fn hash(provider: &CryptoProvider, wanted: HashAlgorithm, data: &[u8]) -> Option<Output> {
    let hash = provider.cipher_suites.iter().find_map(|suite| {
        let common = match suite {
            #[cfg(feature = "tls12")]
            SupportedCipherSuite::Tls12(s) => &s.common,
            SupportedCipherSuite::Tls13(s) => &s.common,
            // A provider may switch TLS 1.2 on in rustls by itself.
            #[allow(unreachable_patterns)]
            _ => return None,
        };
        Some(common.hash_provider).filter(|h| h.algorithm() == wanted)
    })?;
    Some(hash.hash(data))
}

/// IANA's name of a suite.
pub fn suite_name(suite: CipherSuite) -> String {
    if let Some((_, name)) = OLD.iter().find(|(number, _)| *number == u16::from(suite)) {
        return format!("TLS_{name}");
    }
    // rustls writes TLS13_ where IANA has TLS_.
    format!("{suite:?}").replacen("TLS13_", "TLS_", 1)
}

/// Suites of old peers that the library does not support.
#[rustfmt::skip] // A table.
const OLD: &[(u16, &str)] = &[
    (0x000a, "RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x002f, "RSA_WITH_AES_128_CBC_SHA"),
    (0x0033, "DHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x0035, "RSA_WITH_AES_256_CBC_SHA"),
    (0x0039, "DHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x003c, "RSA_WITH_AES_128_CBC_SHA256"),
    (0x003d, "RSA_WITH_AES_256_CBC_SHA256"),
    (0x009c, "RSA_WITH_AES_128_GCM_SHA256"),
    (0x009d, "RSA_WITH_AES_256_GCM_SHA384"),
    (0x009e, "DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009f, "DHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xc009, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc00a, "ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc013, "ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0xc014, "ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0xc023, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xc024, "ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xc027, "ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0xc028, "ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
];

/// OpenSSL's name of a TLS 1.2 suite, from IANA's.
fn openssl_name(iana: &str) -> String {
    let short = iana.trim_start_matches("TLS_").replace("_WITH_", "_").replace("_SHA256", "");
    let short = if short.contains("CHACHA20") {
        short
    } else {
        iana.trim_start_matches("TLS_").replace("_WITH_", "_")
    };
    short.replace("AES_128", "AES128").replace("AES_256", "AES256").replace('_', "-")
}

/// A group's name.
pub fn group_name(group: NamedGroup) -> String {
    format!("{group:?}")
}

fn words(names: &str) -> impl Iterator<Item = &str> {
    names.split([':', ',']).map(str::trim).filter(|n| !n.is_empty())
}

fn unknown(what: &str, name: &str) -> Cause {
    Cause::new(USOCKET_ETLS_NO_SUCH_SUITE, format!("this build has no {what} {name:?}"))
}

/// The suites of these names, in their order.
pub fn suites(
    all: &[SupportedCipherSuite],
    names: &str,
) -> Result<Vec<SupportedCipherSuite>, Cause> {
    let mut chosen = Vec::new();
    for name in words(names) {
        let upper = name.to_ascii_uppercase();
        let is = |s: &&SupportedCipherSuite| {
            let iana = suite_name(s.suite());
            iana == upper || format!("{:?}", s.suite()) == upper || openssl_name(&iana) == upper
        };
        chosen.push(*all.iter().find(is).ok_or_else(|| unknown("cipher suite", name))?);
    }
    if chosen.is_empty() { Err(unknown("cipher suite", names)) } else { Ok(chosen) }
}

/// The groups of these names, in their order.
pub fn groups(
    all: &[&'static dyn SupportedKxGroup],
    names: &str,
) -> Result<Vec<&'static dyn SupportedKxGroup>, Cause> {
    let mut chosen = Vec::new();
    for name in words(names) {
        // OpenSSL's names of the NIST curves.
        let name = match name.to_ascii_lowercase().as_str() {
            "prime256v1" | "p-256" | "p256" => "secp256r1",
            "p-384" | "p384" => "secp384r1",
            _ => name,
        };
        let is =
            |g: &&&'static dyn SupportedKxGroup| group_name(g.name()).eq_ignore_ascii_case(name);
        chosen.push(*all.iter().find(is).ok_or_else(|| unknown("key exchange group", name))?);
    }
    if chosen.is_empty() { Err(unknown("key exchange group", names)) } else { Ok(chosen) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_have_both_names() {
        let Ok(provider) = get() else { panic!("provider") };
        let all = &provider.cipher_suites;
        let find = |n: &str| {
            suites(all, n).map(|v| v.iter().map(|s| suite_name(s.suite())).collect::<Vec<_>>())
        };
        assert!(find("TLS_AES_128_GCM_SHA256").is_ok());
        assert!(find("TLS13_AES_128_GCM_SHA256").is_ok());
        #[cfg(feature = "tls12")]
        for name in [
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-RSA-CHACHA20-POLY1305",
        ] {
            assert!(find(name).is_ok(), "{name}");
        }
        assert!(find("TLS_RSA_WITH_RC4_128_MD5").is_err());
        assert!(find("").is_err());
        assert!(groups(&provider.kx_groups, "X25519:prime256v1").is_ok());
        assert!(groups(&provider.kx_groups, "X448").is_err());
    }

    #[test]
    fn sha256_is_sha256() {
        let Ok(provider) = get() else { panic!("provider") };
        let Some(hash) = sha256(&provider, b"abc") else { panic!("sha256") };
        assert_eq!(hash[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
