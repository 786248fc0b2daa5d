//! Certificates, keys and lists from PEM or DER bytes, with a cause for each way to be wrong.

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use zeroize::Zeroizing;

use crate::error::causes::*;
use crate::tls::Cause;
use crate::tls::material::der;

/// One item of a PEM text.
struct Item<'a> {
    label: &'a str,
    der: Zeroizing<Vec<u8>>,
    encrypted: bool,
}

fn damaged(words: &str) -> Cause {
    Cause::new(USOCKET_ETLS_PEM_BAD, words)
}

/// All items of a PEM text; other lines are skipped.
fn items(text: &[u8]) -> Result<Vec<Item<'_>>, Cause> {
    let mut items = Vec::new();
    // Any of them may be a key: its memory is wiped, and the buffer does not grow, which would
    // leave copies.
    let mut open: Option<(&str, Zeroizing<Vec<u8>>, bool)> = None;
    for line in text.split(|b| *b == b'\n') {
        let line = line.trim_ascii();
        if let Some(label) = marker(line, b"-----BEGIN ") {
            if open.is_some() {
                return Err(damaged("unexpected BEGIN line: the item before it has no END line"));
            }
            open = Some((label, Zeroizing::new(Vec::with_capacity(room_for(text, line))), false));
        } else if let Some(label) = marker(line, b"-----END ") {
            let Some((begun, base64, encrypted)) = open.take().filter(|o| o.0 == label) else {
                return Err(damaged("an END line does not match its BEGIN line"));
            };
            // The text of an encrypted key is not used, and may not be plain base64.
            let der = if encrypted { Zeroizing::default() } else { decode(&base64)? };
            items.push(Item { label: begun, der, encrypted });
        } else if let Some((_, base64, encrypted)) = &mut open {
            if line.contains(&b':') {
                *encrypted |= line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED");
            } else {
                base64.extend_from_slice(line);
            }
        }
    }
    match open {
        Some((label, ..)) => Err(damaged(&format!("missing END line for {label}"))),
        None => Ok(items),
    }
}

/// The maximum length of the item that begins with this line.
fn room_for(text: &[u8], line: &[u8]) -> usize {
    let rest = &text[line.as_ptr() as usize - text.as_ptr() as usize..];
    rest.windows(9).position(|w| w == b"-----END ").unwrap_or(rest.len())
}

fn marker<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a str> {
    std::str::from_utf8(line.strip_prefix(start)?.strip_suffix(b"-----")?).ok()
}

fn decode(base64: &[u8]) -> Result<Zeroizing<Vec<u8>>, Cause> {
    let bad = || damaged("invalid base64 in the PEM text");
    let body = base64.strip_suffix(b"==").or(base64.strip_suffix(b"=")).unwrap_or(base64);
    if base64.len() % 4 != 0 || body.is_empty() {
        return Err(bad());
    }
    let mut out = Zeroizing::new(Vec::with_capacity(base64.len() / 4 * 3));
    let (mut bits, mut have) = (0u32, 0);
    for b in body {
        let six = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(bad()),
        };
        bits = (bits << 6 | u32::from(six)) & 0xfff_ffff;
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    Ok(out)
}

fn is_pem(input: &[u8]) -> bool {
    input.windows(11).any(|w| w == b"-----BEGIN ")
}

/// Refuses PKCS#12, which is not supported.
fn not_pkcs12(input: &[u8], code: i32) -> Result<(), Cause> {
    const WORDS: &str = "PKCS#12 files (.p12, .pfx) are not supported; convert to PEM with `openssl pkcs12 -in FILE -noenc -out FILE.pem` (add -legacy for old files)";
    if der::is_pkcs12(input) { Err(Cause::new(code, WORDS)) } else { Ok(()) }
}

/// The DER of each item with one of `labels`, or of each element of DER input.
fn collect(input: &[u8], labels: &[&str], what: &str, bad: i32) -> Result<Vec<Vec<u8>>, Cause> {
    let found: Vec<_> = if is_pem(input) {
        let wanted = |i: &Item<'_>| labels.contains(&i.label);
        items(input)?.into_iter().filter(wanted).map(|i| i.der.to_vec()).collect()
    } else if input.first() == Some(&0x30) {
        not_pkcs12(input, bad)?;
        let split = der::split(input)
            .ok_or_else(|| Cause::new(bad, format!("the {what} is not valid DER")))?;
        split.into_iter().map(<[u8]>::to_vec).collect()
    } else {
        return Err(Cause::new(
            USOCKET_ETLS_PEM_EMPTY,
            format!("no {what}: the input is neither PEM nor DER"),
        ));
    };
    if found.is_empty() {
        return Err(Cause::new(USOCKET_ETLS_PEM_EMPTY, format!("the PEM text has no {what}")));
    }
    Ok(found)
}

/// All certificates.
pub fn certificates(input: &[u8]) -> Result<Vec<CertificateDer<'static>>, Cause> {
    let labels = ["CERTIFICATE", "X509 CERTIFICATE"];
    let all = collect(input, &labels, "certificate", USOCKET_ETLS_CERT_INVALID)?;
    Ok(all.into_iter().map(CertificateDer::from).collect())
}

/// All revocation lists.
pub fn revocation_lists(input: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, Cause> {
    let all = collect(input, &["X509 CRL"], "revocation list", USOCKET_ETLS_CRL_INVALID)?;
    Ok(all.into_iter().map(CertificateRevocationListDer::from).collect())
}

/// A private key's DER, wiped when dropped.
pub struct PrivateKey(Zeroizing<Vec<u8>>);

impl PrivateKey {
    /// The key in rustls' form.
    pub fn der(&self) -> Result<PrivateKeyDer<'_>, Cause> {
        let words = "the private key is not PKCS#8, PKCS#1 or SEC1";
        PrivateKeyDer::try_from(&self.0[..])
            .map_err(|_| Cause::new(USOCKET_ETLS_KEY_INVALID, words))
    }
}

/// The first private key: PKCS#8, PKCS#1 or SEC1; encrypted only as PKCS#8, by PBES2.
pub fn private_key(input: &[u8], password: Option<&[u8]>) -> Result<PrivateKey, Cause> {
    const OLD: &str = "the private key is encrypted in OpenSSL's legacy format; convert it with `openssl pkcs8 -topk8 -in FILE -out FILE.pem`";
    let der = if is_pem(input) {
        let is_key = |i: &Item<'_>| i.label.ends_with("PRIVATE KEY");
        let Some(key) = items(input)?.into_iter().find(is_key) else {
            return Err(Cause::new(USOCKET_ETLS_PEM_EMPTY, "the PEM text has no private key"));
        };
        if key.encrypted {
            return Err(Cause::new(USOCKET_ETLS_KEY_ENCRYPTED, OLD));
        }
        if key.label == "ENCRYPTED PRIVATE KEY" {
            return decrypt(&key.der, password).map(PrivateKey);
        }
        key.der
    } else if input.first() == Some(&0x30) {
        not_pkcs12(input, USOCKET_ETLS_KEY_INVALID)?;
        Zeroizing::new(input.to_vec())
    } else {
        return Err(Cause::new(
            USOCKET_ETLS_PEM_EMPTY,
            "no private key: the input is neither PEM nor DER",
        ));
    };
    let key = PrivateKey(if der::is_encrypted_key(&der) { decrypt(&der, password)? } else { der });
    key.der()?;
    Ok(key)
}

/// Decrypts an EncryptedPrivateKeyInfo.
fn decrypt(key: &[u8], password: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, Cause> {
    let Some(password) = password else {
        let words =
            "the private key is encrypted and no password is set; set one, or decrypt it first";
        return Err(Cause::new(USOCKET_ETLS_KEY_ENCRYPTED, words));
    };
    #[cfg(feature = "encrypted-keys")]
    {
        let unsupported = || {
            let words = "unsupported encryption of the private key; `openssl pkcs8 -topk8 -in FILE -out FILE.pem` converts it to a supported one (PBES2 with AES, and PBKDF2 or scrypt)";
            Cause::new(USOCKET_ETLS_KEY_ENCRYPTED, words)
        };
        let malformed =
            || Cause::new(USOCKET_ETLS_KEY_INVALID, "the encrypted private key is malformed");
        let (body, _) = der::expect(key, der::SEQUENCE).ok_or_else(malformed)?;
        let scheme = der::element(body).ok_or_else(malformed)?;
        let (secret, _) = der::expect(scheme.rest, der::OCTET_STRING).ok_or_else(malformed)?;
        let scheme = pkcs5::EncryptionScheme::try_from(scheme.whole).map_err(|_| unsupported())?;
        afford(&scheme)?;
        let mut opened = Zeroizing::new(secret.to_vec());
        let len = match scheme.decrypt_in_place(password, &mut opened) {
            Ok(plain) => plain.len(),
            // The crate also reports Encrypt for a failed decryption.
            Err(pkcs5::Error::DecryptFailed | pkcs5::Error::EncryptFailed) => 0,
            Err(_) => return Err(unsupported()),
        };
        opened.truncate(len);
        // The padding reveals a wrong password, except one in a few hundred.
        if der::expect(&opened, der::SEQUENCE).is_none_or(|(_, rest)| !rest.is_empty()) {
            return Err(Cause::plain(USOCKET_ETLS_KEY_PASSWORD));
        }
        Ok(opened)
    }
    #[cfg(not(feature = "encrypted-keys"))]
    {
        let _ = (key, password);
        let words = "this build does not support encrypted private keys; decrypt it first, e.g. with `openssl pkey`";
        Err(Cause::new(USOCKET_ETLS_KEY_ENCRYPTED, words))
    }
}

/// Whether opening a key takes no more than seconds, and memory that can be had: both are in its file, and
/// the derivation is not asked whether it gets any.
#[cfg(feature = "encrypted-keys")]
fn afford(scheme: &pkcs5::EncryptionScheme<'_>) -> Result<(), Cause> {
    /// What OpenSSL writes takes 2048 and, with scrypt, 16 MiB.
    const MOST_ROUNDS: u32 = 20_000_000;
    const MOST_MEMORY: u64 = 256 << 20;
    const MOST_WORK: u64 = 8 * MOST_MEMORY;
    let (affordable, memory) = match scheme.pbes2().map(|parameters| &parameters.kdf) {
        Some(pkcs5::pbes2::Kdf::Pbkdf2(p)) => (p.iteration_count <= MOST_ROUNDS, 0),
        Some(pkcs5::pbes2::Kdf::Scrypt(p)) => {
            let times = u64::from(p.parallelization);
            let all = p.cost_parameter.saturating_add(times).saturating_add(1);
            let memory = all.saturating_mul(128 * u64::from(p.block_size));
            (memory <= MOST_MEMORY && memory.saturating_mul(times) <= MOST_WORK, memory)
        }
        _ => (true, 0),
    };
    if !affordable {
        let words = "decrypting the private key would take too much time or memory; convert it with `openssl pkcs8 -topk8 -in FILE -out FILE.pem`";
        return Err(Cause::new(USOCKET_ETLS_KEY_ENCRYPTED, words));
    }
    let short = Vec::<u8>::new().try_reserve_exact(memory as usize).is_err();
    if short { Err(crate::error::Error::os(libc::ENOMEM).into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shortest of DER: what is longer than 127 bytes has two for its length.
    #[cfg(feature = "encrypted-keys")]
    fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let all = parts.concat();
        let len = all.len();
        let head = if len < 128 { vec![tag, len as u8] } else { vec![tag, 0x81, len as u8] };
        [head, all].concat()
    }

    #[test]
    #[cfg(feature = "encrypted-keys")]
    fn a_key_that_costs_too_much_is_not_opened() {
        let number = |n: u64| {
            // No more zeroes than it takes.
            let bytes = [&[0][..], &n.to_be_bytes()].concat();
            let first = bytes.iter().position(|b| *b != 0).unwrap_or(8);
            let first = if bytes[first] & 0x80 != 0 { first - 1 } else { first };
            tlv(2, &[&bytes[first..]])
        };
        let aes = tlv(
            0x30,
            &[&tlv(6, &[&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2a]]), &tlv(4, &[&[0; 16]])],
        );
        let salt = tlv(4, &[b"saltsalt"]);
        let key = |oid: &[u8], parameters: &[u8]| {
            let kdf = tlv(0x30, &[&tlv(6, &[oid]), &tlv(0x30, &[&salt, parameters])]);
            let pbes2 = tlv(6, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 0x0d]]);
            let scheme = tlv(0x30, &[&pbes2, &tlv(0x30, &[&kdf, &aes])]);
            tlv(0x30, &[&scheme, &tlv(4, &[&[7; 64]])])
        };
        let open = |key: &[u8]| code(private_key(key, Some(b"password")));
        let scrypt = |n: u64, r: u64, p: u64| {
            let parameters = [number(n), number(r), number(p)].concat();
            open(&key(&[0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 0x0b], &parameters))
        };
        let pbkdf2 = |rounds: u64| {
            open(&key(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 0x0c], &number(rounds)))
        };
        for (n, r, p) in
            [(1 << 30, 8, 1), (1 << 40, 8, 1), (1 << 16, 65535, 1), (1 << 14, 8, 60000)]
        {
            assert_eq!(scrypt(n, r, p), USOCKET_ETLS_KEY_ENCRYPTED, "{n} {r} {p}");
        }
        assert_eq!(scrypt(1 << 10, 8, 1), USOCKET_ETLS_KEY_PASSWORD);
        assert_eq!(pbkdf2(1000), USOCKET_ETLS_KEY_PASSWORD);
        for rounds in [u64::from(u32::MAX), 1 << 31, 20_000_001] {
            assert_eq!(pbkdf2(rounds), USOCKET_ETLS_KEY_ENCRYPTED, "{rounds}");
        }
    }

    fn code<T>(r: Result<T, Cause>) -> i32 {
        r.map_or_else(|c| c.code, |_| 0)
    }

    #[test]
    fn base64_is_strict() {
        assert_eq!(decode(b"aGVsbG8=").unwrap_or_default()[..], *b"hello");
        assert_eq!(decode(b"aGVsbG8h").unwrap_or_default()[..], *b"hello!");
        for bad in [&b""[..], b"a", b"aGVsbG8", b"aGVs!G8=", b"===="] {
            assert_eq!(code(decode(bad)), USOCKET_ETLS_PEM_BAD);
        }
    }

    #[test]
    fn each_way_to_be_wrong_has_its_cause() {
        assert_eq!(code(certificates(b"hello")), USOCKET_ETLS_PEM_EMPTY);
        assert_eq!(code(certificates(b"")), USOCKET_ETLS_PEM_EMPTY);
        assert_eq!(code(certificates(b"\x30\x05\x01")), USOCKET_ETLS_CERT_INVALID);
        assert_eq!(
            code(certificates(b"-----BEGIN CERTIFICATE-----\nAAAA\n")),
            USOCKET_ETLS_PEM_BAD
        );
        let other = b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
        assert_eq!(code(certificates(other)), USOCKET_ETLS_PEM_EMPTY);
        assert_eq!(code(private_key(other, None)), USOCKET_ETLS_PEM_EMPTY);
        let locked =
            b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----";
        assert_eq!(code(private_key(locked, None)), USOCKET_ETLS_KEY_ENCRYPTED);
        #[cfg(feature = "encrypted-keys")]
        assert_eq!(code(private_key(locked, Some(b"x"))), USOCKET_ETLS_KEY_INVALID);
        let old = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES,00\n\nAAAA\n-----END RSA PRIVATE KEY-----";
        assert_eq!(code(private_key(old, None)), USOCKET_ETLS_KEY_ENCRYPTED);
        assert_eq!(code(private_key(b"\x30\x03\x04\x01\x00", None)), USOCKET_ETLS_KEY_INVALID);
    }
}
