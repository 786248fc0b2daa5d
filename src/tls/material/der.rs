//! Just enough DER to read what webpki does not tell of a certificate: dates, names, its key.
//!
//! Nothing here decides about trust: chains and signatures are webpki's. It reads certificates
//! from the network, so every step is checked and nothing allocates by what a length claims.

use std::net::IpAddr;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// One element, and what follows it.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    /// Tag, length and content.
    whole: &'a [u8],
    rest: &'a [u8],
}

fn element(input: &[u8]) -> Option<Element<'_>> {
    let (&tag, after) = input.split_first()?;
    let (&first, after) = after.split_first()?;
    let (len, after) = match first {
        0..=0x7f => (usize::from(first), after),
        0x81..=0x84 => {
            let (digits, after) = after.split_at_checked(usize::from(first & 0x7f))?;
            (
                digits
                    .iter()
                    .try_fold(0usize, |n, d| Some(n.checked_mul(256)? + usize::from(*d)))?,
                after,
            )
        }
        _ => return None,
    };
    let (content, rest) = after.split_at_checked(len)?;
    Some(Element { tag, content, whole: &input[..input.len() - rest.len()], rest })
}

/// The content of the next element if it has this tag, and what follows it.
fn expect(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(input).filter(|e| e.tag == tag).map(|e| (e.content, e.rest))
}

/// The elements of a constructed value.
fn elements(mut input: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        let next = element(input)?;
        input = next.rest;
        Some(next)
    })
}

/// Splits DER elements that follow one another; `None` if that is not what it is.
pub fn split(mut input: &[u8]) -> Option<Vec<&[u8]>> {
    let mut all = Vec::new();
    while !input.is_empty() {
        let next = element(input).filter(|e| e.tag == SEQUENCE)?;
        all.push(next.whole);
        input = next.rest;
    }
    Some(all)
}

/// True for PKCS#8's EncryptedPrivateKeyInfo: an algorithm, then the ciphertext, and no more.
pub fn is_encrypted_key(input: &[u8]) -> bool {
    let parse = || {
        let (body, _) = expect(input, SEQUENCE)?;
        let (algorithm, rest) = expect(body, SEQUENCE)?;
        expect(algorithm, OID)?;
        expect(rest, OCTET_STRING).map(|(_, rest)| rest.is_empty())
    };
    parse().unwrap_or(false)
}

/// What a certificate says about itself.
pub struct Facts<'a> {
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
}

impl<'a> Facts<'a> {
    /// Reads a certificate.
    pub fn of(certificate: &'a [u8]) -> Option<Self> {
        let (certificate, _) = expect(certificate, SEQUENCE)?;
        let (mut tbs, _) = expect(certificate, SEQUENCE)?;
        if let Some((_, rest)) = expect(tbs, 0xa0) {
            tbs = rest;
        }
        let (_, tbs) = expect(tbs, INTEGER)?;
        let (_, tbs) = expect(tbs, SEQUENCE)?;
        let (issuer, tbs) = expect(tbs, SEQUENCE)?;
        let (validity, tbs) = expect(tbs, SEQUENCE)?;
        let (subject, tbs) = expect(tbs, SEQUENCE)?;
        let key = element(tbs).filter(|e| e.tag == SEQUENCE)?;
        let not_before = element(validity)?;
        let not_after = element(not_before.rest)?;
        Some(Facts {
            not_before: time(&not_before)?,
            not_after: time(&not_after)?,
            self_issued: issuer == subject,
            common_name: common_name(subject),
            issuer: common_name(issuer),
            key: key.whole,
            alt_names: elements(key.rest)
                .find(|e| e.tag == 0xa3)
                .and_then(|e| alt_names(e.content)),
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

/// The SubjectAltName of the extensions.
fn alt_names(extensions: &[u8]) -> Option<&[u8]> {
    let (list, _) = expect(extensions, SEQUENCE)?;
    elements(list).find_map(|extension| {
        let (oid, rest) = expect(extension.content, OID)?;
        let value = elements(rest).find(|e| e.tag == OCTET_STRING)?;
        if oid == SUBJECT_ALT_NAME { Some(expect(value.content, SEQUENCE)?.0) } else { None }
    })
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

/// UTCTime or GeneralizedTime, in the forms RFC 5280 allows.
fn time(e: &Element<'_>) -> Option<i64> {
    let text = std::str::from_utf8(e.content).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (e.tag, text.len()) {
        (UTC_TIME, 12) => {
            let year: i64 = text[..2].parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &text[2..])
        }
        (GENERALIZED_TIME, 14) => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let part = |at: usize| rest[at..at + 2].parse::<i64>().ok();
    let (month, day) = (part(0)?, part(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(days(year, month, day) * 86400 + part(4)? * 3600 + part(6)? * 60 + part(8)?)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // The year begins in March here, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A moment as a person reads it, UTC.
pub fn date(unix: i64) -> String {
    let (day, second) = (unix.div_euclid(86400), unix.rem_euclid(86400));
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_both_ways() {
        for (unix, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_714_521_660, "2024-05-01 00:01 UTC"),
            (4_102_444_799, "2099-12-31 23:59 UTC"),
            (-1, "1969-12-31 23:59 UTC"),
        ] {
            assert_eq!(date(unix), text);
        }
        assert_eq!(days(2024, 5, 1) * 86400, 1_714_521_600);
        assert_eq!(days(1970, 1, 1), 0);
    }

    #[test]
    fn garbage_is_none() {
        for bad in [
            &b""[..],
            b"\x30",
            b"\x30\x85\x01\x01\x01\x01\x01",
            b"\x30\x84\xff\xff\xff\xff",
            b"\x30\x02\x30",
        ] {
            assert!(Facts::of(bad).is_none());
            assert!(split(bad).is_none_or(|s| s.is_empty()));
            assert!(!is_encrypted_key(bad));
        }
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
            let _ = Facts::of(&der[..cut]);
        }
    }
}
