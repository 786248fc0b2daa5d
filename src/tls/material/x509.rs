//! What a certificate or a revocation list says: what webpki does not tell, for people and for what
//! it has no rule for.
//!
//! Nothing here decides about trust: chains and signatures are webpki's.

use std::net::IpAddr;

use crate::tls::material::der::*;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 0x1c];

/// Something signed: a certificate, or a revocation list.
pub struct Signed<'a> {
    /// What is signed.
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

/// What a certificate says about itself.
pub struct Facts<'a> {
    /// 1 or 3, as a rule.
    pub version: u8,
    /// The number its issuer gave it.
    pub serial: &'a [u8],
    /// The issuer's name, the content of its SEQUENCE.
    pub issuer_name: &'a [u8],
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
    /// The last common name of the issuer.
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
            subject_name: subject,
            not_before: time(&not_before)?,
            not_after: time(&not_after)?,
            self_issued: issuer == subject,
            common_name: common_name(subject),
            issuer: common_name(issuer),
            key: key.whole,
            alt_names: extension(extensions, SUBJECT_ALT_NAME)
                .map(|value| expect(value, SEQUENCE).map_or(&[][..], |e| e.0)),
            extensions,
        })
    }

    /// Whether it may issue others: it says that it is a CA's, or is of version 1, which cannot say.
    pub fn may_issue(&self) -> bool {
        let says_so = |value| {
            let (flag, _) = expect(expect(value, SEQUENCE)?.0, BOOLEAN)?;
            Some(flag.iter().any(|b| *b != 0))
        };
        self.version == 1
            || extension(self.extensions, BASIC_CONSTRAINTS).and_then(says_so).unwrap_or(false)
    }

    /// What it may be used for (extended key usage), as identifiers; `None` is anything.
    pub fn purposes(&self) -> Option<Vec<&'a [u8]>> {
        let value = extension(self.extensions, EXTENDED_KEY_USAGE)?;
        let list = expect(value, SEQUENCE).map_or(&[][..], |e| e.0);
        Some(elements(list).filter(|e| e.tag == OID).map(|e| e.content).collect())
    }

    /// The extensions that whoever does not understand them must refuse it for.
    pub fn critical(&self) -> impl Iterator<Item = &'a [u8]> {
        elements(self.extensions).filter_map(|extension| {
            let (oid, rest) = expect(extension.content, OID)?;
            let (flag, _) = expect(rest, BOOLEAN)?;
            flag.iter().any(|b| *b != 0).then_some(oid)
        })
    }

    /// Whether it has subject alternative names: then the common name does not count.
    pub fn has_alt_names(&self) -> bool {
        self.alt_names.is_some()
    }

    /// The host names it is for.
    pub fn dns_names(&self) -> impl Iterator<Item = &'a str> {
        elements(self.alt_names.unwrap_or_default())
            .filter(|e| e.tag == 0x82)
            .filter_map(|e| std::str::from_utf8(e.content).ok())
    }

    /// The IP addresses it is for.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        elements(self.alt_names.unwrap_or_default()).filter(|e| e.tag == 0x87).filter_map(|e| {
            let v4 = <[u8; 4]>::try_from(e.content).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(e.content).map(IpAddr::from)).ok()
        })
    }

    /// All it is for, as a person reads it.
    pub fn names(&self) -> Vec<String> {
        let addresses = self.addresses().map(|a| a.to_string());
        let mut names: Vec<_> = self.dns_names().map(String::from).chain(addresses).collect();
        if !self.has_alt_names() {
            names.extend(self.common_name.iter().map(|cn| format!("{cn} (a common name only)")));
        }
        names
    }
}

/// The value of an extension.
fn extension<'a>(list: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    elements(list).find_map(|extension| {
        let (oid, rest) = expect(extension.content, OID)?;
        let value = elements(rest).find(|e| e.tag == OCTET_STRING)?;
        (oid == wanted).then_some(value.content)
    })
}

/// What a revocation list says beside its entries.
pub struct ListFacts {
    /// Seconds since 1970.
    pub next_update: i64,
    /// It is about some certificates of its issuer only.
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
        let partial =
            extensions.is_some_and(|e| extension(e.0, ISSUING_DISTRIBUTION_POINT).is_some());
        Some(ListFacts { next_update: time(&next_update)?, partial })
    }
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
