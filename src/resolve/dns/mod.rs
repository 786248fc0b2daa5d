//! Names, asked for of the name servers themselves.
//!
//! The C library asks as well, but blocks, and cannot be stopped: each lookup of a name whose server
//! is dead would cost a thread for ten seconds. Here a lookup is an [`exchange`] of datagrams that
//! somebody's poll(2) carries on. It is done where the system's configuration says no more than what
//! is understood here ([`config`]); for all else, and for what a datagram cannot carry, the C library
//! is asked as ever.

pub mod config;
mod exchange;
pub mod hub;
mod message;
mod order;
mod ports;

use std::ffi::CString;
use std::net::IpAddr;

pub use exchange::{End, Exchange};
pub use ports::Ports;

use super::Question;
use crate::error::Result;
use crate::sys::names::{Answer, Query};

/// The answers to a query whose host has these addresses.
pub fn answers(query: &Query, mut addresses: Vec<IpAddr>, name: Vec<u8>) -> Result<Vec<Answer>> {
    order::sort(&mut addresses);
    let mut answers = Vec::new();
    for ip in addresses {
        // The C library knows what service and kinds come to.
        let one = Query {
            host: CString::new(ip.to_string()).ok(),
            family: if ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 },
            flags: query.flags & !libc::AI_CANONNAME | libc::AI_NUMERICHOST,
            ..query.clone()
        };
        answers.extend(one.ask()?);
    }
    if let Some(first) = answers.first_mut().filter(|_| query.flags & libc::AI_CANONNAME != 0) {
        first.canonname = CString::new(name).ok();
    }
    Ok(answers)
}
