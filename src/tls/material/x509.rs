//! The contents of certificates and revocation lists that webpki does not provide, for sentences
//! and further checks.
//!
//! Nothing here decides about trust: webpki checks chains and signatures.

use std::net::IpAddr;

use crate::tls::material::der::*;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 0x23];
const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 0x1c];

/// Something signed: a certificate, or a revocation list.
pub struct Signed<'a> {
    /// The signed part.
    pub body: &'a [u8],
    /// AlgorithmIdentifier, its content.
    pub algorithm: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Reads it.
    pub fn of(input: &'a [u8]) -> Option<Self> {
        let (all, _) = expect(input, SEQUENCE)?;
        let body = element(all)?;
        let (algorithm, rest) = expect(body.rest, SEQUENCE)?;
        let (signature, _) = expect(rest, BIT_STRING)?;
        let signature = signature.strip_prefix(&[0])?;
        Some(Signed { body: body.whole, algorithm, signature })
    }
}

/// The contents of a certificate.
pub struct Facts<'a> {
    /// 1 or 3, as a rule.
    pub version: u8,
    /// The number its issuer gave it.
    pub serial: &'a [u8],
    /// The issuer's name, the content of its SEQUENCE.
    pub issuer_name: &'a [u8],
    /// The same, whole.
    pub issuer_der: &'a [u8],
    /// Its own.
    pub subject_name: &'a [u8],
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// Issued under its own name.
    pub self_issued: bool,
    /// The last common name of the subject.
    pub common_name: Option<String>,
    /// The last common name of the issuer; where it has none, all of its name.
    pub issuer: Option<String>,
    /// SubjectPublicKeyInfo, whole.
    pub key: &'a [u8],
    alt_names: Option<&'a [u8]>,
    extensions: &'a [u8],
}

impl<'a> Facts<'a> {
    /// Reads a certificate.
    pub fn of(certificate: &'a [u8]) -> Option<Self> {
        let (certificate, _) = expect(certificate, SEQUENCE)?;
        let (mut tbs, _) = expect(certificate, SEQUENCE)?;
        let mut version = 1;
        if let Some((number, rest)) = expect(tbs, 0xa0) {
            version = expect(number, INTEGER)?.0.last()?.saturating_add(1);
            tbs = rest;
        }
        let (serial, tbs) = expect(tbs, INTEGER)?;
        let (_, tbs) = expect(tbs, SEQUENCE)?;
        let issuer_der = element(tbs)?.whole;
        let (issuer, tbs) = expect(tbs, SEQUENCE)?;
        let (validity, tbs) = expect(tbs, SEQUENCE)?;
        let (subject, tbs) = expect(tbs, SEQUENCE)?;
        let key = element(tbs).filter(|e| e.tag == SEQUENCE)?;
        let not_before = element(validity)?;
        let not_after = element(not_before.rest)?;
        let extensions = elements(key.rest).find(|e| e.tag == 0xa3);
        let extensions = extensions.and_then(|e| expect(e.content, SEQUENCE));
        let extensions = extensions.map_or(&[][..], |e| e.0);
        Some(Facts {
            version,
            serial,
            issuer_name: issuer,
            issuer_der,
            subject_name: subject,
            not_before: time(&not_before)?,
            not_after: time(&not_after)?,
            self_issued: issuer == subject,
            common_name: common_name(subject),
            issuer: common_name(issuer)
                .or_else(|| Some(name_text(issuer)).filter(|n| !n.is_empty())),
            key: key.whole,
            alt_names: extension(extensions, SUBJECT_ALT_NAME)
                .map(|value| expect(value, SEQUENCE).map_or(&[][..], |e| e.0)),
            extensions,
        })
    }

    /// Whether its key may sign certificates, according to its key usage, if it has one.
    pub fn key_may_sign(&self) -> bool {
        /// keyCertSign, of the first eight bits.
        const CERTIFICATES: u8 = 0x04;
        let bits = |value| match expect(value, BIT_STRING)?.0 {
            [_, bits, ..] => Some(*bits),
            _ => None,
        };
        extension(self.extensions, KEY_USAGE)
            .is_none_or(|value| bits(value).is_some_and(|bits| bits & CERTIFICATES != 0))
    }

    /// Whether it may issue others: it is marked as a CA, or is of version 1, which has no such
    /// mark.
    pub fn may_issue(&self) -> bool {
        let says_so = |value| {
            let (flag, _) = expect(expect(value, SEQUENCE)?.0, BOOLEAN)?;
            Some(flag.iter().any(|b| *b != 0))
        };
        let basic = extension(self.extensions, BASIC_CONSTRAINTS);
        self.version == 1 || basic.and_then(says_so).unwrap_or(false) && self.key_may_sign()
    }

    /// How many issuers may be below it (basic constraints, pathLenConstraint); `None` is any number.
    pub fn path_len(&self) -> Option<usize> {
        let basic = expect(extension(self.extensions, BASIC_CONSTRAINTS)?, SEQUENCE)?.0;
        let (len, _) = expect(expect(basic, BOOLEAN)?.1, INTEGER)?;
        // A negative or a huge one is no number of certificates.
        let number =
            len.iter().try_fold(0_usize, |n, b| n.checked_mul(256)?.checked_add((*b).into()));
        number.filter(|_| len.first().is_some_and(|b| *b < 0x80))
    }

    /// Its purposes (extended key usage), as identifiers; `None` is any.
    pub fn purposes(&self) -> Option<Vec<&'a [u8]>> {
        let value = extension(self.extensions, EXTENDED_KEY_USAGE)?;
        let list = expect(value, SEQUENCE).map_or(&[][..], |e| e.0);
        Some(elements(list).filter(|e| e.tag == OID).map(|e| e.content).collect())
    }

    /// Its critical extensions.
    pub fn critical(&self) -> impl Iterator<Item = &'a [u8]> {
        critical_in(self.extensions)
    }

    /// Whether it has subject alternative names: then the common name does not count.
    pub fn has_alt_names(&self) -> bool {
        self.alt_names.is_some()
    }

    /// Its host names.
    pub fn dns_names(&self) -> impl Iterator<Item = &'a str> {
        elements(self.alt_names.unwrap_or_default())
            .filter(|e| e.tag == 0x82)
            .filter_map(|e| std::str::from_utf8(e.content).ok())
    }

    /// Its IP addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        elements(self.alt_names.unwrap_or_default()).filter(|e| e.tag == 0x87).filter_map(|e| {
            let v4 = <[u8; 4]>::try_from(e.content).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(e.content).map(IpAddr::from)).ok()
        })
    }

    /// All subject alternative names, each with its kind: "DNS:example.com,IP:192.0.2.1".
    pub fn alt_names_text(&self) -> String {
        let one = |e: Element<'_>| {
            let (kind, text) = match e.tag {
                0x81 => ("email", escaped(e.content)),
                0x82 => ("DNS", escaped(e.content)),
                0x86 => ("URI", escaped(e.content)),
                0x87 => {
                    let v4 = <[u8; 4]>::try_from(e.content).map(IpAddr::from);
                    let v6 = || <[u8; 16]>::try_from(e.content).map(IpAddr::from);
                    ("IP", v4.or_else(|_| v6()).map_or_else(|_| hex(e.content), |a| a.to_string()))
                }
                0xa4 => (
                    "dirName",
                    expect(e.content, SEQUENCE).map_or_else(String::new, |n| name_text(n.0)),
                ),
                0x88 => ("RID", oid_text(e.content)),
                _ => ("other", hex(e.content)),
            };
            format!("{kind}:{text}")
        };
        elements(self.alt_names.unwrap_or_default()).map(one).collect::<Vec<_>>().join(",")
    }

    /// All its names, as readable text.
    pub fn names(&self) -> Vec<String> {
        let addresses = self.addresses().map(|a| a.to_string());
        let mut names: Vec<_> = self.dns_names().map(String::from).chain(addresses).collect();
        if !self.has_alt_names() {
            names.extend(self.common_name.iter().map(|cn| format!("{cn} (a common name only)")));
        }
        names
    }
}

/// The critical ones of a list of extensions.
pub fn critical_in(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    elements(list).filter_map(|extension| {
        let (oid, rest) = expect(extension.content, OID)?;
        let (flag, _) = expect(rest, BOOLEAN)?;
        flag.iter().any(|b| *b != 0).then_some(oid)
    })
}

/// The value of an extension.
fn extension<'a>(list: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    elements(list).find_map(|extension| {
        let (oid, rest) = expect(extension.content, OID)?;
        let value = elements(rest).find(|e| e.tag == OCTET_STRING)?;
        (oid == wanted).then_some(value.content)
    })
}

/// The contents of a revocation list, without its entries.
pub struct ListFacts {
    /// Seconds since 1970.
    pub this_update: i64,
    /// Seconds since 1970.
    pub next_update: i64,
    /// Identifies the list among its issuer's: the signing key, and the certificates it covers.
    pub kind: Box<[u8]>,
    /// It covers only some certificates of its issuer.
    pub partial: bool,
}

impl ListFacts {
    /// Reads a list.
    pub fn of(list: &[u8]) -> Option<Self> {
        let (tbs, _) = expect(Signed::of(list)?.body, SEQUENCE)?;
        let (_, tbs) = expect(tbs, INTEGER)?;
        let (_, tbs) = expect(tbs, SEQUENCE)?;
        let (_, tbs) = expect(tbs, SEQUENCE)?;
        let this_update = element(tbs)?;
        let next_update = element(this_update.rest)?;
        let extensions = elements(next_update.rest).find(|e| e.tag == 0xa0);
        let extensions = extensions.and_then(|e| expect(e.content, SEQUENCE));
        let value = |oid| extensions.and_then(|e| extension(e.0, oid));
        let about = value(ISSUING_DISTRIBUTION_POINT);
        let kind = [value(AUTHORITY_KEY), about].map(Option::unwrap_or_default).concat();
        Some(ListFacts {
            this_update: time(&this_update)?,
            next_update: time(&next_update)?,
            kind: kind.into(),
            partial: about.is_some(),
        })
    }
}

#[rustfmt::skip] // A table.
const ATTRIBUTES: &[(&[u8], &str)] = &[
    (COMMON_NAME, "CN"),
    (&[0x55, 4, 4], "SN"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "street"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 12], "title"),
    (&[0x55, 4, 42], "GN"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "emailAddress"),
];

/// A name in its own order, as "C=US,O=Example,CN=www". Separators and bytes that do not print are
/// escaped, so that one name cannot look like two.
pub fn name_text(name: &[u8]) -> String {
    let one = |attribute: Element<'_>| {
        let (oid, value) = expect(attribute.content, OID)?;
        let known = ATTRIBUTES.iter().find(|(o, _)| *o == oid);
        let kind = known.map_or_else(|| oid_text(oid), |(_, name)| (*name).into());
        let value = element(value)?;
        // UTF8String, PrintableString, TeletexString, IA5String; other types are not text in bytes.
        let text = match value.tag {
            0x0c | 0x13 | 0x14 | 0x16 => escaped(value.content),
            _ => format!("#{}", hex(value.whole)),
        };
        Some(format!("{kind}={text}"))
    };
    let sets = elements(name).filter(|e| e.tag == SET);
    sets.filter_map(|set| {
        let all: Vec<_> = elements(set.content).filter_map(one).collect();
        (!all.is_empty()).then(|| all.join("+"))
    })
    .collect::<Vec<_>>()
    .join(",")
}

fn escaped(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\{:02X}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn common_name(name: &[u8]) -> Option<String> {
    elements(name)
        .filter(|e| e.tag == SET)
        .flat_map(|set| elements(set.content))
        .filter_map(|attribute| {
            let (oid, value) = expect(attribute.content, OID)?;
            let value = element(value).filter(|_| oid == COMMON_NAME)?;
            String::from_utf8(value.content.to_vec()).ok()
        })
        .last()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything here reads what a peer sent: whatever it is, it is read or refused.
    #[test]
    fn damaged_certificates_and_lists_are_read_or_refused() {
        use crate::tls::material::algorithm::{Key, is_weak_signature, signature_name};
        let text = include_str!("../tests/odd/rsa1024.pem");
        let Ok(certs) = crate::tls::material::pem::certificates(text.as_bytes()) else {
            panic!("not read");
        };
        let names = ["example.com".to_string(), "192.0.2.7".into()];
        let Ok(made) = rcgen::generate_simple_self_signed(names) else { panic!("rcgen") };
        let mut seed = 1u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as usize % below
        };
        let mut read = 0;
        for round in 0..10_000 {
            let whole: &[u8] = if round % 2 == 0 { &certs[0] } else { made.cert.der() };
            let mut der = whole.to_vec();
            for _ in 0..=random(3) {
                let at = random(der.len());
                der[at] = [0, 0x7f, 0x80, 0x84, 0xff, random(256) as u8][random(6)];
            }
            der.truncate(if random(4) == 0 { random(der.len()) } else { der.len() });
            let _ = (ListFacts::of(&der), Key::private(&der), Key::public(&der));
            let algorithm = Signed::of(&der).map(|s| signature_name(s.algorithm));
            let _ = (algorithm, is_weak_signature(&der), name_text(&der), oid_text(&der));
            if let Some(facts) = Facts::of(&der) {
                let _ = (facts.names(), facts.alt_names_text(), facts.may_issue());
                let _ = (facts.purposes(), facts.critical().count(), date(facts.not_after));
                let _ = (name_text(facts.issuer_name), Key::public(facts.key).map(|k| k.name()));
                read += 1;
            }
        }
        assert!(read > 300);
    }

    #[test]
    fn no_name_pretends_to_be_two() {
        let attribute = |value: &[u8]| {
            let value = [&[0x0c, value.len() as u8][..], value].concat();
            let pair = [&[6, 3, 0x55, 4, 3][..], &value].concat();
            let pair = [&[SEQUENCE, pair.len() as u8][..], &pair].concat();
            [&[SET, pair.len() as u8][..], &pair].concat()
        };
        let name = [attribute(b"a"), attribute(b"b,O=c\0\n\"")].concat();
        assert_eq!(name_text(&name), "CN=a,CN=b\\,O\\=c\\00\\0A\\\"");
        assert_eq!(name_text(b"\x31\x80"), "");
    }

    #[test]
    fn a_certificate_is_read() {
        let names = ["example.com".to_string(), "*.example.org".into(), "192.0.2.7".into()];
        let Ok(made) = rcgen::generate_simple_self_signed(names) else { panic!("rcgen") };
        let der = made.cert.der();
        let Some(facts) = Facts::of(der) else { panic!("not read") };
        assert_eq!(facts.dns_names().collect::<Vec<_>>(), ["example.com", "*.example.org"]);
        assert_eq!(facts.names(), ["example.com", "*.example.org", "192.0.2.7"]);
        assert!(facts.self_issued && facts.has_alt_names());
        assert_eq!(facts.common_name.as_deref(), Some("rcgen self signed cert"));
        assert!(facts.not_before < facts.not_after);
        for cut in 0..der.len() {
            let _ = (Facts::of(&der[..cut]), ListFacts::of(&der[..cut]));
        }
    }
}
