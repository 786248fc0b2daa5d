//! Socket addresses: making them from text and parts, and reading their parts.
//!
//! This is the "opaque native address" of the reference documents. Text in it is always numeric:
//! names are for `resolve`.

use std::ffi::CStr;

use crate::error::{Error, Result, explain};
use crate::sys::address::PATH;
pub use crate::sys::address::{Addr, PATH_MAX, STORAGE};
use crate::sys::names;
use crate::sys::text::Text;

impl std::fmt::Debug for Addr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl Addr {
    /// Makes an address from numeric text and its parts. `family` 0 takes the family of the text.
    ///
    /// An empty host is the wildcard of `family` (IPv4 when 0). IPv6 text may carry a zone,
    /// `fe80::1%eth0`; it must agree with `scope_id` unless that is 0.
    pub fn ip(family: i32, host: &str, port: i64, flowinfo: u32, scope_id: u32) -> Result<Addr> {
        let invalid = || Error::os(libc::EINVAL);
        let Ok(port) = u16::try_from(port) else {
            return Err(explain(invalid(), format_args!("port {port} is out of range (0-65535)")));
        };
        if !matches!(family, 0 | libc::AF_INET | libc::AF_INET6) {
            return Err(Error::os(libc::EAFNOSUPPORT));
        }
        if flowinfo > 0xf_ffff {
            return Err(explain(
                invalid(),
                format_args!("flowinfo {flowinfo} is out of range (0-1048575)"),
            ));
        }
        let mut addr = Addr::default();
        match numeric(family, host)? {
            Numeric::V4(_) if (flowinfo, scope_id) != (0, 0) => {
                return Err(explain(invalid(), "an IPv4 address has no flowinfo or scope id"));
            }
            Numeric::V4(ip) => addr.put4(ip, port),
            Numeric::V6(ip, None) => addr.put6(ip, port, flowinfo, scope_id),
            Numeric::V6(ip, Some(zone)) => {
                let scope_id = zone_index(zone, scope_id).ok_or_else(|| {
                    let words = "is not an interface, or contradicts the scope id";
                    explain(invalid(), format_args!("'{zone}' {words}"))
                })?;
                addr.put6(ip, port, flowinfo, scope_id);
            }
        }
        Ok(addr)
    }

    /// A Unix address: a path, an abstract name (first byte NUL), or nothing (unnamed, autobind).
    pub fn unix(path: &[u8]) -> Result<Addr> {
        if path.len() > PATH_MAX {
            return Err(explain(
                Error::os(libc::ENAMETOOLONG),
                format_args!("Unix path too long: {} bytes, the maximum is {PATH_MAX}", path.len()),
            ));
        }
        if path.first().is_some_and(|b| *b != 0) && path.contains(&0) {
            return Err(explain(Error::os(libc::EINVAL), "a Unix path cannot contain NUL"));
        }
        let mut addr = Addr::default();
        let bytes = addr.storage_bytes_mut();
        bytes[..2].copy_from_slice(&(libc::AF_UNIX as u16).to_ne_bytes());
        bytes[PATH..PATH + path.len()].copy_from_slice(path);
        // The length includes a path's closing NUL where it fits, as unix(7) advises. All bytes of
        // an abstract name count, so it has none.
        let nul = usize::from(path.first().is_some_and(|b| *b != 0) && path.len() < PATH_MAX);
        addr.len = (PATH + path.len() + nul) as u32;
        Ok(addr)
    }

    /// Makes an address from the bytes of a `struct sockaddr` supplied by the caller.
    pub fn from_bytes(bytes: &[u8]) -> Result<Addr> {
        let addr = Addr::from_raw(bytes);
        // For a path of full length Linux reports one byte more than the address has.
        let whole = bytes.len() <= STORAGE && bytes.len() - addr.len as usize <= 1;
        Some(addr).filter(|a| whole && a.is_valid()).ok_or_else(|| {
            explain(
                Error::os(libc::EINVAL),
                format_args!("not a valid socket address ({} bytes)", bytes.len()),
            )
        })
    }

    fn is_ip(&self) -> bool {
        matches!(self.family(), libc::AF_INET | libc::AF_INET6) && self.is_valid()
    }

    /// The port of an IP address.
    pub fn port(&self) -> Result<u16> {
        let b = self.storage_bytes();
        if self.is_ip() {
            Ok(u16::from_be_bytes([b[2], b[3]]))
        } else {
            Err(Error::os(libc::EAFNOSUPPORT))
        }
    }

    /// The address proper of an IP address: 4 or 16 bytes.
    pub fn ip_bytes(&self) -> Result<&[u8]> {
        match self.family() {
            libc::AF_INET if self.is_valid() => Ok(&self.storage_bytes()[4..8]),
            libc::AF_INET6 if self.is_valid() => Ok(&self.storage_bytes()[8..24]),
            _ => Err(Error::os(libc::EAFNOSUPPORT)),
        }
    }

    /// IPv6 flow information; 0 for IPv4.
    pub fn flowinfo(&self) -> Result<u32> {
        let b = self.storage_bytes();
        match self.family() {
            libc::AF_INET6 if self.is_valid() => Ok(u32::from_be_bytes([b[4], b[5], b[6], b[7]])),
            _ => self.port().map(|_| 0),
        }
    }

    /// IPv6 scope id (an interface index); 0 for IPv4.
    pub fn scope_id(&self) -> Result<u32> {
        let b = self.storage_bytes();
        match self.family() {
            libc::AF_INET6 if self.is_valid() => {
                Ok(u32::from_ne_bytes([b[24], b[25], b[26], b[27]]))
            }
            _ => self.port().map(|_| 0),
        }
    }

    /// An IP address as numeric text, without port or zone.
    pub fn host(&self) -> Result<Text<64>> {
        Ok(names::ntop(self.family(), self.ip_bytes()?)?)
    }

    /// A Unix address's path or abstract name, exactly; empty when unnamed.
    pub fn path(&self) -> Result<&[u8]> {
        if self.family() != libc::AF_UNIX {
            return Err(Error::os(libc::EAFNOSUPPORT));
        }
        let name = self.bytes().get(PATH..).unwrap_or(&[]);
        match name.first() {
            Some(0) | None => Ok(name),
            Some(_) => Ok(name.split(|b| *b == 0).next().unwrap_or(name)),
        }
    }

    /// For people: `127.0.0.1:80`, `[::1]:80`, `/run/x`, `@abstract`.
    pub fn to_text(&self) -> Text<352> {
        match (self.family(), self.host(), self.port(), self.path()) {
            (libc::AF_INET, Ok(host), Ok(port), _) => Text::of(format_args!("{host}:{port}")),
            (_, Ok(host), Ok(port), _) => match self.scope_id() {
                Ok(scope) if scope != 0 => Text::of(format_args!("[{host}%{scope}]:{port}")),
                _ => Text::of(format_args!("[{host}]:{port}")),
            },
            (_, _, _, Ok([])) => Text::of("(unnamed)"),
            (_, _, _, Ok([0, name @ ..])) => {
                Text::of(format_args!("@{}", Text::<330>::lossy(name)))
            }
            (_, _, _, Ok(path)) => Text::lossy(path),
            (family, ..) => Text::of(format_args!("(family {family}, {} bytes)", self.len)),
        }
    }

    fn put4(&mut self, ip: [u8; 4], port: u16) {
        let b = self.storage_bytes_mut();
        b[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        b[2..4].copy_from_slice(&port.to_be_bytes());
        b[4..8].copy_from_slice(&ip);
        self.len = 16;
    }

    fn put6(&mut self, ip: [u8; 16], port: u16, flowinfo: u32, scope_id: u32) {
        let b = self.storage_bytes_mut();
        b[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        b[2..4].copy_from_slice(&port.to_be_bytes());
        b[4..8].copy_from_slice(&flowinfo.to_be_bytes());
        b[8..24].copy_from_slice(&ip);
        b[24..28].copy_from_slice(&scope_id.to_ne_bytes());
        self.len = 28;
    }
}

/// An IP address that was read.
enum Numeric<'a> {
    V4([u8; 4]),
    /// With its zone.
    V6([u8; 16], Option<&'a str>),
}

/// Reads a numeric IP address; an empty text is the wildcard address. `family` 0 accepts either.
fn numeric(family: i32, host: &str) -> Result<Numeric<'_>> {
    let not_numeric = || {
        let what = match family {
            libc::AF_INET => "a numeric IPv4 address",
            libc::AF_INET6 => "a numeric IPv6 address",
            _ => "a numeric address",
        };
        explain(
            Error::os(libc::EINVAL),
            format_args!("'{host}' is not {what}: resolve names with getaddrinfo first"),
        )
    };
    let (text, zone) = match host.split_once('%') {
        Some((text, zone)) => (text, Some(zone)),
        None => (host, None),
    };
    if host.is_empty() {
        let six = family == libc::AF_INET6;
        return Ok(if six { Numeric::V6([0; 16], None) } else { Numeric::V4([0; 4]) });
    }
    let mut room = [0; 64];
    let text = terminated(text, &mut room).ok_or_else(not_numeric)?;
    if family != libc::AF_INET6 && zone.is_none() {
        if let Some(([a, b, c, d, ..], _)) = names::pton(libc::AF_INET, text)? {
            return Ok(Numeric::V4([a, b, c, d]));
        }
    }
    if family != libc::AF_INET {
        if let Some((ip, _)) = names::pton(libc::AF_INET6, text)? {
            return Ok(Numeric::V6(ip, zone));
        }
    }
    Err(not_numeric())
}

/// Text with its NUL, if it fits a buffer for addresses and interface names.
fn terminated<'a>(text: &str, room: &'a mut [u8; 64]) -> Option<&'a CStr> {
    room.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    CStr::from_bytes_with_nul(room.get(..=text.len())?).ok()
}

/// The index of a zone's interface, given by number or name; `None` when there is none, or when it
/// contradicts `scope_id`.
fn zone_index(zone: &str, scope_id: u32) -> Option<u32> {
    let index = match zone.parse::<u32>() {
        Ok(n) => n,
        Err(_) => names::if_nametoindex(terminated(zone, &mut [0; 64])?),
    };
    (index != 0 && (scope_id == 0 || scope_id == index)).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::last_detail;

    fn ip(host: &str, port: i64) -> Addr {
        Addr::ip(0, host, port, 0, 0).unwrap_or_else(|e| panic!("{host}: {e:?}"))
    }

    #[test]
    fn ip_round_trips() {
        for (host, port, text) in [
            ("127.0.0.1", 80, "127.0.0.1:80"),
            ("0.0.0.0", 0, "0.0.0.0:0"),
            ("255.255.255.255", 65535, "255.255.255.255:65535"),
            ("::1", 443, "[::1]:443"),
            ("2001:db8::1", 1, "[2001:db8::1]:1"),
            ("fe80::1%1", 5, "[fe80::1%1]:5"),
            ("fe80::1%lo", 5, "[fe80::1%1]:5"),
        ] {
            let a = ip(host, port);
            assert_eq!(a.to_text(), text);
            assert_eq!(Addr::from_bytes(a.bytes()), Ok(a));
        }
        let a = Addr::ip(libc::AF_INET6, "2001:db8::7", 9, 0x12345, 3);
        let a = a.unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!((a.flowinfo(), a.scope_id(), a.port()), (Ok(0x12345), Ok(3), Ok(9)));
        assert_eq!(ip("", 7).to_text(), "0.0.0.0:7");
    }

    #[test]
    fn names_and_bad_numbers_are_refused_with_a_sentence() {
        for host in [
            "localhost",
            "www.micropython.org",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "::g",
            "a%lo",
            " 1.2.3.4",
        ] {
            assert_eq!(Addr::ip(0, host, 80, 0, 0), Err(Error::os(libc::EINVAL)), "{host}");
            assert!(last_detail(0).contains("getaddrinfo"), "{host}: {}", last_detail(0));
        }
        for port in [-1, 65536, i64::MAX, i64::MIN] {
            assert_eq!(Addr::ip(0, "127.0.0.1", port, 0, 0), Err(Error::os(libc::EINVAL)));
            assert!(last_detail(0).contains(&port.to_string()));
        }
        assert!(Addr::ip(libc::AF_INET, "::1", 1, 0, 0).is_err());
        assert!(Addr::ip(libc::AF_INET6, "127.0.0.1", 1, 0, 0).is_err());
        for host in ["127.0.0.1", ""] {
            assert!(Addr::ip(0, host, 1, 1, 0).is_err());
            assert!(Addr::ip(libc::AF_INET, host, 1, 0, 1).is_err());
        }
        assert!(Addr::ip(libc::AF_INET6, "", 1, 1, 1).is_ok());
        assert!(Addr::ip(0, "::1", 1, 1 << 20, 0).is_err());
        assert!(Addr::ip(0, "fe80::1%2", 1, 0, 1).is_err());
        assert!(Addr::ip(0, "fe80::1%nosuchif", 1, 0, 0).is_err());
        assert_eq!(Addr::ip(77, "::1", 1, 0, 0), Err(Error::os(libc::EAFNOSUPPORT)));
    }

    #[test]
    fn unix_paths_to_the_limit_and_no_further() {
        for n in [0, 1, 31, 107, 108] {
            let path = vec![b'p'; n];
            let a = Addr::unix(&path).unwrap_or_else(|e| panic!("{n}: {e:?}"));
            assert_eq!(a.path(), Ok(&path[..]));
            assert!(a.is_valid());
        }
        assert_eq!(Addr::unix(&[b'p'; 109]), Err(Error::os(libc::ENAMETOOLONG)));
        assert_eq!(Addr::unix(b"a\0b"), Err(Error::os(libc::EINVAL)));
        let a = Addr::unix(b"\0abs\0tract").unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(a.path(), Ok(&b"\0abs\0tract"[..]));
        assert_eq!(a.len, 2 + 10);
    }

    #[test]
    fn hostile_bytes_are_no_address() {
        let short4 = &ip("1.2.3.4", 1).bytes()[..8].to_vec();
        let short6 = &ip("::1", 1).bytes()[..27].to_vec();
        for bytes in [&[][..], &[2], short4, short6, &[1; 129], &[1, 0].repeat(60)] {
            assert_eq!(Addr::from_bytes(bytes), Err(Error::os(libc::EINVAL)), "{bytes:?}");
        }
        let lying = Addr { len: u32::MAX, ..ip("1.2.3.4", 1) };
        assert!(!lying.is_valid() && lying.port().is_err() && lying.bytes().len() == STORAGE);
    }
}
