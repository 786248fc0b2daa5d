//! What a ClientHello says that must be known before rustls reads it.

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const ALPN: usize = 16;

/// The version a ClientHello at the beginning of the input is of, where it says no more than that.
pub fn version(input: &[u8]) -> Option<u16> {
    match input {
        // A record, its version and length; the message, its length, its version.
        [HANDSHAKE, 3, _, _, _, CLIENT_HELLO, _, _, _, major, minor, ..] => {
            Some(u16::from_be_bytes([*major, *minor]))
        }
        _ => None,
    }
}

/// Whether a ClientHello at the beginning of the input, whole and in one record, offers protocols
/// (ALPN), and none of `ours`.
pub fn offers_only_others(input: &[u8], ours: &[Vec<u8>]) -> bool {
    let offered = || {
        version(input)?;
        let mut record = &input[3..];
        let mut message = counted(&mut record, 2)?;
        take(&mut message, 1)?;
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
    let Some(mut list) = offered() else { return false };
    while let Some(name) = counted(&mut list, 1) {
        if ours.iter().any(|our| our == name) {
            return false;
        }
    }
    true
}

fn take<'a>(from: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(n)?;
    *from = rest;
    Some(taken)
}

fn number(from: &mut &[u8], bytes: usize) -> Option<usize> {
    Some(take(from, bytes)?.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
}

/// What comes after its length in so many bytes.
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
        assert!(offers_only_others(&hello, &ours(b"mqtt")) && offers_only_others(&hello, &[]));
        assert!(!offers_only_others(&hello, &ours(b"h2")));
        for at in 0..hello.len() {
            // Not whole: nothing is known of it yet.
            assert!(!offers_only_others(&hello[..at], &ours(b"mqtt")));
            for byte in [0, 1, 0x7f, 0xff] {
                let mut damaged = hello.clone();
                damaged[at] = byte;
                let _ = offers_only_others(&damaged, &ours(b"mqtt"));
            }
        }
    }
}
