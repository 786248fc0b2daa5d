//! Details of a ClientHello that must be known before rustls reads it.

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const ALPN: usize = 16;
/// The upper byte of the length of the longest record in the clear.
const RECORD: u8 = 0x40;

/// The version of a ClientHello at the beginning of the input, if its supported_versions do not
/// extend it.
pub fn version(input: &[u8]) -> Option<u16> {
    match input {
        // A record, its version and length; the message, its length, its version.
        [HANDSHAKE, 3, _, _, _, CLIENT_HELLO, _, _, _, major, minor, ..] => {
            Some(u16::from_be_bytes([*major, *minor]))
        }
        _ => None,
    }
}

/// The offers of a ClientHello at the beginning of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Offer {
    /// Protocols (ALPN), and none of ours.
    OnlyOthers,
    /// One of ours, or none at all; or it is no ClientHello.
    Ours,
    /// It comes in several records, of which at least this many bytes are still to come.
    Unknown(usize),
}

/// The protocols of `ours` that a ClientHello offers.
pub fn offer(input: &[u8], ours: &[Vec<u8>]) -> Offer {
    let Some(first) = record(&mut &*input) else { return Offer::Ours };
    let Some(len) = len_of(first) else { return gathered(input, ours) };
    match first.get(..len) {
        Some(message) => judged(message, ours),
        None => gathered(input, ours),
    }
}

/// The same of one in several records.
#[cold]
fn gathered(mut input: &[u8], ours: &[Vec<u8>]) -> Offer {
    let mut message = Vec::new();
    loop {
        if let Some(message) = len_of(&message).and_then(|len| message.get(..len)) {
            return judged(message, ours);
        }
        let records = match input {
            [] | [HANDSHAKE] | [HANDSHAKE, 3] | [HANDSHAKE, 3, _] | [HANDSHAKE, 3, _, _] => true,
            [HANDSHAKE, 3, _, len @ ..] => (len[0], len[1]) <= (RECORD, 0),
            _ => false,
        };
        let here = input.len();
        match (records, record(&mut input)) {
            // rustls says what is wrong.
            (false, _) => return Offer::Ours,
            (_, None) => {
                let whole = len_of(&message).unwrap_or_default();
                return Offer::Unknown(whole.saturating_sub(message.len() + here).max(1));
            }
            (_, Some(part)) if part.is_empty() || message.try_reserve(part.len()).is_err() => {
                return Offer::Ours;
            }
            (_, Some(part)) => message.extend_from_slice(part),
        }
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Offer::Ours;
        }
    }
}

/// The content of a record of the handshake, if it is whole.
fn record<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let [HANDSHAKE, 3, _, rest @ ..] = *from else { return None };
    *from = rest;
    counted(from, 2)
}

/// How long a message is, with its head.
fn len_of(mut message: &[u8]) -> Option<usize> {
    take(&mut message, 1)?;
    Some(4 + number(&mut message, 3)?)
}

fn judged(mut message: &[u8], ours: &[Vec<u8>]) -> Offer {
    let mut offered = || {
        let [CLIENT_HELLO] = take(&mut message, 1)? else { return None };
        let mut hello = counted(&mut message, 3)?;
        // Version and random; session, suites and compressions.
        take(&mut hello, 34)?;
        for bytes in [1, 2, 1] {
            counted(&mut hello, bytes)?;
        }
        let mut extensions = counted(&mut hello, 2)?;
        while !extensions.is_empty() {
            let kind = number(&mut extensions, 2)?;
            let mut value = counted(&mut extensions, 2)?;
            if kind == ALPN {
                return counted(&mut value, 2);
            }
        }
        None
    };
    let Some(mut list) = offered() else { return Offer::Ours };
    while let Some(name) = counted(&mut list, 1) {
        if ours.iter().any(|our| our == name) {
            return Offer::Ours;
        }
    }
    Offer::OnlyOthers
}

fn take<'a>(from: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(n)?;
    *from = rest;
    Some(taken)
}

fn number(from: &mut &[u8], bytes: usize) -> Option<usize> {
    Some(take(from, bytes)?.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
}

/// A vector after a length of this many bytes.
fn counted<'a>(from: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let len = number(from, bytes)?;
    take(from, len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_hellos_are_nothing() {
        // Version, random, no session, one suite, one compression, ALPN "h2".
        let alpn = [0, 16, 0, 5, 0, 3, 2, b'h', b'2'];
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0, 0, alpn.len() as u8]);
        body.extend(alpn);
        let mut hello = vec![HANDSHAKE, 3, 1, 0, body.len() as u8 + 4, CLIENT_HELLO, 0, 0];
        hello.push(body.len() as u8);
        hello.extend(body);
        let ours = |name: &[u8]| [name.to_vec()];
        assert_eq!(offer(&hello, &ours(b"mqtt")), Offer::OnlyOthers);
        assert_eq!(offer(&hello, &[]), Offer::OnlyOthers);
        assert_eq!(offer(&hello, &ours(b"h2")), Offer::Ours);
        for at in 0..hello.len() {
            // Not whole: nothing is known of it yet.
            assert_ne!(offer(&hello[..at], &ours(b"mqtt")), Offer::OnlyOthers);
            for byte in [0, 1, 0x7f, 0xff] {
                let mut damaged = hello.clone();
                damaged[at] = byte;
                let _ = offer(&damaged, &ours(b"mqtt"));
            }
        }
        // In several records, of any size.
        for size in 1..hello.len() - 5 {
            let records = hello[5..].chunks(size);
            let records =
                records.map(|part| [&[HANDSHAKE, 3, 1, 0, part.len() as u8], part].concat());
            let records = records.collect::<Vec<_>>().concat();
            assert_eq!(offer(&records, &ours(b"mqtt")), Offer::OnlyOthers);
            assert_eq!(offer(&records, &ours(b"h2")), Offer::Ours);
            for at in 5 + size..records.len() {
                let Offer::Unknown(missing) = offer(&records[..at], &ours(b"mqtt")) else {
                    panic!("{size} {at}")
                };
                assert!((1..=records.len() - at).contains(&missing), "{size} {at} {missing}");
                for byte in [0, 1, 0x7f, 0xff] {
                    let mut damaged = records.clone();
                    damaged[at] = byte;
                    let _ = offer(&damaged, &ours(b"mqtt"));
                }
            }
        }
    }
}
