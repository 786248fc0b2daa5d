//! Names of keys and signatures for sentences, and problems with keys.

use rustls::crypto::WebPkiSupportedAlgorithms;

use crate::tls::material::der::*;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];

#[rustfmt::skip] // A table.
const KEYS: &[(&[u8], &str)] = &[
    (RSA, "RSA"),
    (RSA_PSS, "RSA-PSS"),
    (&[0x2b, 0x65, 0x70], "Ed25519"),
    (&[0x2b, 0x65, 0x71], "Ed448"),
    (&[0x2b, 0x65, 0x6e], "X25519"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1], "DSA"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], "P-256"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 1], "P-192"),
    (&[0x2b, 0x81, 4, 0, 0x21], "P-224"),
    (&[0x2b, 0x81, 4, 0, 0x22], "P-384"),
    (&[0x2b, 0x81, 4, 0, 0x23], "P-521"),
    (&[0x2b, 0x81, 4, 0, 0x0a], "secp256k1"),
    (&[0x2b, 0x24, 3, 3, 2, 8, 1, 1, 7], "brainpoolP256r1"),
    (&[0x2b, 0x24, 3, 3, 2, 8, 1, 1, 11], "brainpoolP384r1"),
];

#[rustfmt::skip] // A table.
const SIGNATURES: &[(&[u8], &str)] = &[
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 2], "MD2 with RSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4], "MD5 with RSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5], "SHA-1 with RSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 14], "SHA-224 with RSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11], "SHA-256 with RSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12], "SHA-384 with RSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13], "SHA-512 with RSA"),
    (RSA_PSS, "RSA-PSS"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1], "SHA-1 with ECDSA"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 1], "SHA-224 with ECDSA"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], "SHA-256 with ECDSA"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3], "SHA-384 with ECDSA"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4], "SHA-512 with ECDSA"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3], "SHA-1 with DSA"),
    (&[0x2b, 0x65, 0x70], "Ed25519"),
    (&[0x2b, 0x65, 0x71], "Ed448"),
];

fn name_in(table: &[(&[u8], &str)], oid: &[u8]) -> String {
    let known = table.iter().find(|(o, _)| *o == oid);
    known.map_or_else(|| format!("algorithm {}", oid_text(oid)), |(_, name)| (*name).into())
}

/// A signature algorithm's name, from the content of an AlgorithmIdentifier.
pub fn signature_name(algorithm: &[u8]) -> String {
    name_in(SIGNATURES, expect(algorithm, OID).map_or(&[][..], |e| e.0))
}

/// Whether a signature algorithm is obsolete.
pub fn is_weak_signature(algorithm: &[u8]) -> bool {
    let name = signature_name(algorithm);
    ["MD2 ", "MD5 ", "SHA-1 "].iter().any(|weak| name.starts_with(weak))
}

/// A public or private key's kind.
pub struct Key<'a> {
    /// AlgorithmIdentifier, its content.
    algorithm: &'a [u8],
    /// The length of an RSA key.
    bits: Option<usize>,
}

impl<'a> Key<'a> {
    /// From a SubjectPublicKeyInfo.
    pub fn public(info: &'a [u8]) -> Option<Self> {
        let (body, _) = expect(info, SEQUENCE)?;
        let (algorithm, rest) = expect(body, SEQUENCE)?;
        let (key, _) = expect(rest, BIT_STRING)?;
        let modulus = || {
            let (numbers, _) = expect(key.strip_prefix(&[0])?, SEQUENCE)?;
            Some(expect(numbers, INTEGER)?.0)
        };
        Some(Key { algorithm, bits: modulus().map(bits).filter(|_| is_rsa(algorithm)) })
    }

    /// From a private key: PKCS#8, or PKCS#1 for RSA.
    pub fn private(key: &'a [u8]) -> Option<Self> {
        let (body, _) = expect(key, SEQUENCE)?;
        let (_, rest) = expect(body, INTEGER)?;
        if let Some((modulus, _)) = expect(rest, INTEGER) {
            // The content of AlgorithmIdentifier for rsaEncryption.
            const PKCS1: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
            return Some(Key { algorithm: PKCS1, bits: Some(bits(modulus)) });
        }
        let (algorithm, rest) = expect(rest, SEQUENCE)?;
        let inner = || {
            let (numbers, _) = expect(expect(rest, OCTET_STRING)?.0, SEQUENCE)?;
            Some(expect(expect(numbers, INTEGER)?.1, INTEGER)?.0)
        };
        Some(Key { algorithm, bits: inner().map(bits).filter(|_| is_rsa(algorithm)) })
    }

    /// Its name: "RSA-1024", "EC P-256".
    pub fn name(&self) -> String {
        let (oid, parameters) = expect(self.algorithm, OID).unwrap_or_default();
        match (self.bits, oid) {
            (Some(bits), _) => format!("RSA-{bits}"),
            (None, EC) => {
                let curve = expect(parameters, OID).map_or(&[][..], |e| e.0);
                format!("EC {}", name_in(KEYS, curve))
            }
            _ => name_in(KEYS, oid),
        }
    }

    /// Whether it is too short by today's standards.
    pub fn is_weak(&self) -> bool {
        self.bits.is_some_and(|bits| bits < 2048)
    }

    /// The problem with it, as the end of a sentence.
    pub fn problem(&self, supported: &WebPkiSupportedAlgorithms) -> Option<String> {
        let name = self.name();
        let oid = expect(self.algorithm, OID).map_or(&[][..], |e| e.0);
        match self.bits {
            _ if self.is_weak() => Some(format!("{name} is too weak (the minimum is 2048 bits)")),
            Some(8193..) => Some(format!("{name} is too long (the maximum is 8192 bits)")),
            _ if oid == RSA_PSS => {
                Some("RSA-PSS keys (id-RSASSA-PSS) are not supported; use a plain RSA key".into())
            }
            _ if supported.all.iter().any(|a| a.public_key_alg_id().as_ref() == self.algorithm) => {
                None
            }
            _ => Some(format!("{name} is not supported")),
        }
    }
}

fn is_rsa(algorithm: &[u8]) -> bool {
    expect(algorithm, OID).is_some_and(|(oid, _)| oid == RSA)
}

fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|b| **b == 0).count();
    let number = &number[zeros..];
    number.first().map_or(0, |b| number.len() * 8 - b.leading_zeros() as usize)
}
