//! The messages of the Domain Name System (RFC 1035), as far as addresses need them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::sys::memory;

/// The record type of IPv4 addresses.
pub const A: u16 = 1;
/// The record type of IPv6 addresses.
pub const AAAA: u16 = 28;
const CNAME: u16 = 5;
const INTERNET: u16 = 1;

const HEADER: usize = 12;
/// The flag of a truncated message.
const TRUNCATED: u16 = 0x200;

/// A server's reply to a question.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// At least one address, and the name it belongs to.
    Addresses(Vec<IpAddr>, Vec<u8>),
    /// The name exists, without addresses of that kind.
    NoData,
    /// The name does not exist.
    NoName,
    /// The server cannot or will not answer.
    Failed,
    /// The reply does not fit into a datagram.
    Truncated,
}

/// Whether a host has a valid name to ask for: labels of 1 to 63 usual characters, 253 in all,
/// without a trailing dot.
pub fn is_name(host: &[u8]) -> bool {
    let label = |label: &[u8]| (1..=63).contains(&label.len()) && label.iter().all(is_usual);
    host.len() <= 253 && host.split(|b| *b == b'.').all(label)
}

/// Whether a character is usual in a label of a host's name.
fn is_usual(b: &u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')
}

/// Makes the question for the addresses of a name.
///
/// # Errors
/// ENOMEM.
pub fn question(id: u16, name: &[u8], kind: u16) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    memory::reserve(&mut message, HEADER + name.len() + 6)?;
    message.extend(id.to_be_bytes());
    // Recursion desired; one question.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split(|b| *b == b'.') {
        message.push(label.len() as u8);
        message.extend(label);
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend(INTERNET.to_be_bytes());
    Ok(message)
}

/// Parses `message` as the reply to the question; `None` when it is not one.
pub fn reply(message: &[u8], id: u16, name: &[u8], kind: u16) -> Option<Reply> {
    let mut at = Reader { message, at: 0 };
    // Checked first, since a message is offered to many lookups.
    if at.u16()? != id {
        return None;
    }
    let flags = at.u16()?;
    let (questions, answers) = (at.u16()?, at.u16()?);
    at.skip(4)?;
    let asked = at.name()?;
    let this = (1, true, kind, INTERNET);
    let that = (questions, asked.eq_ignore_ascii_case(name), at.u16()?, at.u16()?);
    if flags & 0x8000 == 0 || this != that {
        return None;
    }
    match flags & 0xf {
        _ if flags & TRUNCATED != 0 => return Some(Reply::Truncated),
        0 => {}
        3 => return Some(Reply::NoName),
        _ => return Some(Reply::Failed),
    }
    // A malformed message is not trusted in part. (Nor is one that memory did not suffice for.)
    Some(records(at, answers, asked, kind).unwrap_or(Reply::Failed))
}

/// Sets the truncation flag of a message that was larger than the buffer, as if the server had
/// truncated it.
pub fn mark_truncated(message: &mut [u8]) {
    if let Some(flags) = message.get_mut(2) {
        *flags |= (TRUNCATED >> 8) as u8;
    }
}

/// The addresses among the records for `asked` or for the name that it is an alias of.
fn records(mut at: Reader<'_>, count: u16, asked: Vec<u8>, kind: u16) -> Option<Reply> {
    let (mut aliases, mut addresses) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let owner = at.name()?;
        let (what, class) = (at.u16()?, at.u16()?);
        at.skip(4)?;
        let len = at.u16()?.into();
        let mut data = Reader { message: at.message, at: at.at };
        let bytes = at.skip(len)?;
        match (what, class) {
            (CNAME, INTERNET) => {
                memory::push(&mut aliases, (owner, data.name()?)).ok()?;
            }
            (_, INTERNET) if what == kind => {
                let ip = match <[u8; 4]>::try_from(bytes) {
                    Ok(four) if kind == A => IpAddr::V4(Ipv4Addr::from(four)),
                    _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
                };
                memory::push(&mut addresses, (owner, ip)).ok()?;
            }
            _ => {}
        }
    }
    // Follows each alias once, so that a circle ends.
    let mut name = asked;
    while let Some(n) = aliases.iter().position(|(of, _)| of.eq_ignore_ascii_case(&name)) {
        name = aliases.swap_remove(n).1;
    }
    // The caller may receive it as the host's name.
    if !is_name(&name) {
        return None;
    }
    let mut ips = Vec::new();
    memory::reserve(&mut ips, addresses.len()).ok()?;
    let its = addresses.iter().filter(|(owner, _)| owner.eq_ignore_ascii_case(&name));
    ips.extend(its.map(|(_, ip)| *ip));
    Some(if ips.is_empty() { Reply::NoData } else { Reply::Addresses(ips, name) })
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn skip(&mut self, len: usize) -> Option<&'a [u8]> {
        let bytes = self.message.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        let bytes = self.skip(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A name, with dots between its labels; '?' for characters that are unusual in a label, such
    /// as a dot.
    fn name(&mut self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        memory::reserve(&mut name, 256 + 64).ok()?;
        let mut after = None;
        loop {
            let len = *self.skip(1)?.first()?;
            match len {
                0 => break,
                1..=63 => {
                    if !name.is_empty() {
                        name.push(b'.');
                    }
                    let label = self.skip(len.into())?;
                    name.extend(label.iter().map(|b| if is_usual(b) { *b } else { b'?' }));
                    if name.len() > 255 {
                        return None;
                    }
                }
                192.. => {
                    // A pointer must lead backwards, so that the name ends.
                    let to = usize::from(len & 63) << 8 | usize::from(*self.skip(1)?.first()?);
                    if to + 2 >= self.at {
                        return None;
                    }
                    after.get_or_insert(self.at);
                    self.at = to;
                }
                _ => return None,
            }
        }
        self.at = after.unwrap_or(self.at);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &[u8] = b"www.example.org";

    /// An answer to the question for NAME with these records: owner, kind, data.
    fn answer(flags: u16, kind: u16, records: &[(&[u8], u16, &[u8])]) -> Vec<u8> {
        let mut message = question(7, NAME, kind).unwrap_or_default();
        message[2..4].copy_from_slice(&(0x8180 | flags).to_be_bytes());
        message[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
        for (owner, what, data) in records {
            message.extend(*owner);
            message.extend(what.to_be_bytes());
            message.extend([0, 1, 0, 0, 0, 60]);
            message.extend((data.len() as u16).to_be_bytes());
            message.extend(*data);
        }
        message
    }

    const ASKED: &[u8] = &[0xc0, 12];

    fn found(name: &[u8], ips: &[&str]) -> Option<Reply> {
        let ips = ips.iter().filter_map(|ip| ip.parse().ok()).collect();
        Some(Reply::Addresses(ips, name.to_vec()))
    }

    #[test]
    fn addresses_and_aliases() {
        let four = |n| [127, 0, 0, n];
        let message = answer(0, A, &[(ASKED, A, &four(1)), (ASKED, A, &four(2))]);
        assert_eq!(reply(&message, 7, NAME, A), found(NAME, &["127.0.0.1", "127.0.0.2"]));
        assert_eq!(
            reply(&message, 7, b"WWW.example.ORG", A),
            found(NAME, &["127.0.0.1", "127.0.0.2"])
        );
        let six = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
        let message = answer(0, AAAA, &[(ASKED, AAAA, &six)]);
        assert_eq!(reply(&message, 7, NAME, AAAA), found(NAME, &["2001:db8::5"]));
        // In whatever order; a stranger's address is none of ours.
        let (to, stranger): (&[u8], &[u8]) = (b"\x01a\x00", b"\x01b\x00");
        let all: &[(&[u8], u16, &[u8])] =
            &[(to, A, &four(3)), (stranger, A, &four(4)), (ASKED, CNAME, to)];
        assert_eq!(reply(&answer(0, A, all), 7, NAME, A), found(b"a", &["127.0.0.3"]));
        // An alias that is no name of a host: what its labels hold goes nowhere.
        for odd in [&b"\x04\xff\n;r\x00"[..], b"\x0cbank.example\x04test\x00", b"\x02a\0\x00"] {
            let all: &[(&[u8], u16, &[u8])] = &[(ASKED, CNAME, odd), (odd, A, &four(9))];
            assert_eq!(reply(&answer(0, A, all), 7, NAME, A), Some(Reply::Failed));
        }
        // A long way to it.
        let hop = |n: u8| [1, b'a' + n, 0];
        let hops: Vec<_> = (0..25).map(hop).collect();
        let mut all: Vec<(&[u8], u16, &[u8])> = vec![(ASKED, CNAME, &hops[0])];
        all.extend(hops.windows(2).map(|two| (&two[0][..], CNAME, &two[1][..])));
        let there = four(5);
        all.push((&hops[24], A, &there));
        assert_eq!(reply(&answer(0, A, &all), 7, NAME, A), found(b"y", &["127.0.0.5"]));
        // An alias of itself, and in a circle.
        let all: &[(&[u8], u16, &[u8])] =
            &[(ASKED, CNAME, to), (to, CNAME, stranger), (stranger, CNAME, to)];
        assert_eq!(reply(&answer(0, A, all), 7, NAME, A), Some(Reply::NoData));
    }

    #[test]
    fn what_is_no_answer_is_none() {
        let message = answer(0, A, &[(ASKED, A, &[127, 0, 0, 1])]);
        assert_eq!(reply(&message, 8, NAME, A), None);
        assert_eq!(reply(&message, 7, b"www.example.com", A), None);
        assert_eq!(reply(&message, 7, NAME, AAAA), None);
        assert_eq!(reply(&question(7, NAME, A).unwrap_or_default(), 7, NAME, A), None);
        assert_eq!(reply(&answer(3, A, &[]), 7, NAME, A), Some(Reply::NoName));
        assert_eq!(reply(&answer(2, A, &[]), 7, NAME, A), Some(Reply::Failed));
        assert_eq!(reply(&answer(0x200, A, &[]), 7, NAME, A), Some(Reply::Truncated));
        assert_eq!(reply(&answer(0, A, &[]), 7, NAME, A), Some(Reply::NoData));
        let mut cut = message[..message.len() - 3].to_vec();
        assert_eq!(reply(&cut, 7, NAME, A), Some(Reply::Failed));
        mark_truncated(&mut cut);
        assert_eq!(reply(&cut, 7, NAME, A), Some(Reply::Truncated));
    }

    #[test]
    fn whatever_comes_is_survived() {
        let whole = answer(0, A, &[(ASKED, CNAME, b"\x01a\x00"), (b"\x01a\x00", A, &[1, 2, 3, 4])]);
        for end in 0..whole.len() {
            assert!(!matches!(reply(&whole[..end], 7, NAME, A), Some(Reply::Addresses(..))));
        }
        // Each byte by every other: loops, lengths beyond the end, kinds that are none.
        for at in 0..whole.len() {
            for byte in 0..=255 {
                let mut broken = whole.clone();
                broken[at] = byte;
                let _ = reply(&broken, 7, NAME, A);
            }
        }
    }

    #[test]
    fn names_that_may_be_asked_for() {
        let long = [b'a'; 64];
        let names: [&[u8]; 4] = [b"a", b"www.example.org", b"_x.a-b.c0", &long[..63]];
        assert!(names.iter().all(|name| is_name(name)));
        let none: [&[u8]; 6] = [b"", b".", b"a..b", b"a b", &long, b"a."];
        assert!(none.iter().all(|name| !is_name(name)));
        assert!(!is_name(&[b"a.".repeat(127), b"b".to_vec()].concat()));
    }
}
