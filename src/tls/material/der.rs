//! A DER parser for certificates, keys and revocation lists.
//!
//! Its input comes from the network, so every step is checked, and no claimed length causes an
//! allocation.

/// BOOLEAN
pub const BOOLEAN: u8 = 0x01;
/// INTEGER
pub const INTEGER: u8 = 0x02;
/// BIT STRING
pub const BIT_STRING: u8 = 0x03;
/// OCTET STRING
pub const OCTET_STRING: u8 = 0x04;
/// OBJECT IDENTIFIER
pub const OID: u8 = 0x06;
/// SEQUENCE
pub const SEQUENCE: u8 = 0x30;
/// SET
pub const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// One element, and the input after it.
pub struct Element<'a> {
    /// Its tag.
    pub tag: u8,
    /// Its content.
    pub content: &'a [u8],
    /// Tag, length and content.
    pub whole: &'a [u8],
    /// The input after it.
    pub rest: &'a [u8],
}

/// The next element.
pub fn element(input: &[u8]) -> Option<Element<'_>> {
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

/// The content of the next element if it has this tag, and the input after it.
pub fn expect(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(input).filter(|e| e.tag == tag).map(|e| (e.content, e.rest))
}

/// The elements of a constructed value.
pub fn elements(mut input: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        let next = element(input)?;
        input = next.rest;
        Some(next)
    })
}

/// Splits a sequence of DER elements; `None` if the input is not one.
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

/// True for PKCS#12's PFX: version 3, and then a content of PKCS#7.
pub fn is_pkcs12(input: &[u8]) -> bool {
    const PKCS7: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7];
    let parse = || {
        let (body, _) = expect(input, SEQUENCE)?;
        let (version, rest) = expect(body, INTEGER)?;
        let (kind, _) = expect(expect(rest, SEQUENCE)?.0, OID)?;
        Some(version == [3] && kind.starts_with(PKCS7))
    };
    parse().unwrap_or(false)
}

/// UTCTime or GeneralizedTime, in the forms RFC 5280 allows.
pub fn time(e: &Element<'_>) -> Option<i64> {
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

/// An object identifier in dots.
pub fn oid_text(oid: &[u8]) -> String {
    let mut arcs = Vec::new();
    let mut arc = 0u64;
    for b in oid {
        arc = arc << 7 & (u64::MAX >> 1) | u64::from(b & 0x7f);
        if b & 0x80 == 0 {
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.push(first.to_string());
                arc -= first * 40;
            }
            arcs.push(arc.to_string());
            arc = 0;
        }
    }
    arcs.join(".")
}

/// A readable date, UTC.
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
    fn identifiers_have_dots() {
        assert_eq!(
            oid_text(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5]),
            "1.2.840.113549.1.1.5"
        );
        assert_eq!(oid_text(&[0x55, 0x1d, 0x11]), "2.5.29.17");
        assert_eq!(oid_text(&[]), "");
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
            assert!(split(bad).is_none_or(|s| s.is_empty()));
            assert!(!is_encrypted_key(bad) && !is_pkcs12(bad));
        }
    }
}
