//! The order of a host's addresses (RFC 6724, section 6).

use std::ffi::CStr;
use std::io::Write;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsFd;

use crate::addr::Addr;
use crate::sys::{memory, net};

/// Sorts the addresses of a host, the best first; equal ones keep the server's order.
pub fn sort(addresses: &mut [IpAddr]) {
    let mut worths = Vec::new();
    // Without memory for sorting, keep the server's order.
    if addresses.len() < 2 || memory::reserve(&mut worths, addresses.len()).is_err() {
        return;
    }
    worths.extend(addresses.iter().map(|to| worth(*to, source(*to))));
    // There are few: std's sort would be more code than the rest of this file.
    for n in 1..addresses.len() {
        let better = (0..n).rev().take_while(|at| worths[*at] < worths[n]).count();
        worths[n - better..=n].rotate_right(1);
        addresses[n - better..=n].rotate_right(1);
    }
}

/// The source address that the system would choose for a destination.
fn source(to: IpAddr) -> Option<IpAddr> {
    // Large enough for any.
    let mut text = [0; 64];
    let _ = write!(&mut text[..], "{to}");
    let text = CStr::from_bytes_until_nul(&text).ok()?.to_str().ok()?;
    let to = Addr::ip(0, text, 53, 0, 0).ok()?;
    let kind = socket2::Type::DGRAM.cloexec();
    let socket = socket2::Socket::new(to.family().into(), kind, None).ok()?;
    // Connecting a datagram socket only looks up the route.
    net::connect(socket.as_fd(), &to).ok()?;
    let from = net::getsockname(socket.as_fd()).ok()?;
    match from.ip_bytes().ok()? {
        four if four.len() == 4 => Some(IpAddr::from(<[u8; 4]>::try_from(four).ok()?)),
        six => Some(IpAddr::from(<[u8; 16]>::try_from(six).ok()?)),
    }
}

/// The rules in order of importance: reachable, scope as its source's, label as its source's,
/// precedence, small scope, long common prefix with its source.
fn worth(to: IpAddr, from: Option<IpAddr>) -> (bool, bool, bool, u8, u8, u32) {
    let Some(from) = from else { return (false, false, false, 0, 0, 0) };
    let (a, b) = (mapped(to), mapped(from));
    let ((precedence, label), (_, other)) = (policy(a), policy(b));
    let common = match to {
        // A common prefix means nothing for IPv4.
        IpAddr::V4(_) => 0,
        IpAddr::V6(_) => (a.to_bits() ^ b.to_bits()).leading_zeros().min(64),
    };
    (true, scope(a) == scope(b), label == other, precedence, u8::MAX - scope(a), common)
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(six) => six,
    }
}

/// Precedence and label: the table of section 2.1.
fn policy(ip: Ipv6Addr) -> (u8, u8) {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => (50, 0),
        [0, 0, 0, 0, 0, 0xffff, ..] => (35, 4),
        [0, 0, 0, 0, 0, 0, ..] => (1, 3),
        [0x2002, ..] => (30, 2),
        [0x2001, 0, ..] => (5, 5),
        [0xfc00..=0xfdff, ..] => (3, 13),
        [0xfec0..=0xfeff, ..] => (1, 11),
        [0x3ffe, ..] => (1, 12),
        _ => (40, 1),
    }
}

/// The scope of an address: link 2, site 5, global 14 (section 3.1).
fn scope(ip: Ipv6Addr) -> u8 {
    if let Some(four) = ip.to_ipv4_mapped() {
        return if four.is_loopback() || four.is_link_local() { 2 } else { 14 };
    }
    match ip.segments()[0] {
        _ if ip.is_loopback() => 2,
        first @ 0xff00.. => (first & 15) as u8,
        0xfe80..=0xfebf => 2,
        0xfec0..=0xfeff => 5,
        _ => 14,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_alike_the_first_stays_so() {
        let ip = |last: u8| IpAddr::from([127, 0, 0, last]);
        let far = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
        // Loopback can be reached from loopback; the other by nobody, or from afar.
        let mut all = [far, ip(9), ip(3), ip(5)];
        sort(&mut all);
        assert_eq!(
            all.iter().filter(|a| **a != far).copied().collect::<Vec<_>>(),
            [ip(9), ip(3), ip(5)]
        );
    }

    #[test]
    fn each_has_the_source_and_the_scope_of_its_kind() {
        // Loopback talks to loopback.
        let four = IpAddr::from([127, 0, 0, 9]);
        assert!(source(four).is_some_and(|from| from.is_ipv4() && from.is_loopback()));
        let group = |scope: u16| scope_of([0xff00 | scope, 0, 0, 0, 0, 0, 0, 1]);
        // Section 3.1: a group's is in its last four bits, flags before them.
        assert_eq!([1, 2, 5, 8, 14].map(group), [1, 2, 5, 8, 14]);
        assert_eq!(group(0x3e), 14);
        assert_eq!(scope_of([0xfe80, 0, 0, 0, 0, 0, 0, 1]), 2);
        assert_eq!(scope_of([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]), 14);
    }

    fn scope_of(ip: [u16; 8]) -> u8 {
        scope(Ipv6Addr::from(ip))
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // Section 10.2: of two destinations with their sources, the first is the better.
        for (better, from, worse, its) in [
            ("2001:db8:1::1", "2001:db8:1::2", "198.51.100.121", "169.254.13.78"),
            ("198.51.100.121", "198.51.100.117", "2001:db8:1::1", "fe80::1"),
            ("2001:db8:1::1", "2001:db8:1::2", "10.1.2.3", "10.1.2.4"),
            ("fe80::1", "fe80::2", "2001:db8:1::1", "2001:db8:1::2"),
            ("2001:db8:1::1", "2001:db8:1::2", "2002:c633:6401::1", "2002:c633:6401::2"),
            ("2002:c633:6401::1", "2002:c633:6401::2", "2001:db8:1::1", "2002:c633:6401::2"),
            ("2001:db8:3ffe::1", "2001:db8:3f44::2", "2001:db8:1::1", "2001:db8:f00::2"),
        ] {
            let ip = |text: &str| text.parse().unwrap_or(IpAddr::from([0, 0, 0, 0]));
            let (a, b) = (worth(ip(better), Some(ip(from))), worth(ip(worse), Some(ip(its))));
            assert!(a > b, "{better} {a:?}, {worse} {b:?}");
            assert!(b > worth(ip(better), None));
        }
    }
}
