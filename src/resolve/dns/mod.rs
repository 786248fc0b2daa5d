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

use std::ffi::{CStr, CString};
use std::io::Write;
use std::net::IpAddr;

pub use exchange::{End, Exchange};
pub use ports::Ports;

use super::{Question, no_memory};
use crate::error::Result;
use crate::sys::memory;
use crate::sys::names::{Answer, Query};

/// The answers to a query whose host has these addresses.
pub fn answers(
    query: &Query,
    mut addresses: Vec<IpAddr>,
    mut name: Vec<u8>,
) -> Result<Vec<Answer>> {
    order::sort(&mut addresses);
    let mut answers = Vec::new();
    let mut one = query.try_clone().map_err(no_memory)?;
    one.flags = query.flags & !libc::AI_CANONNAME | libc::AI_NUMERICHOST;
    for ip in addresses {
        // The C library knows what service and kinds come to.
        one.family = if ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        // Room for any.
        let mut text = [0; 64];
        let _ = write!(&mut text[..], "{ip}");
        let text = CStr::from_bytes_until_nul(&text).unwrap_or_default();
        one.host = Some(memory::text(text).map_err(no_memory)?);
        let more = one.ask()?;
        memory::reserve(&mut answers, more.len()).map_err(no_memory)?;
        answers.extend(more);
    }
    if let Some(first) = answers.first_mut().filter(|_| query.flags & libc::AI_CANONNAME != 0) {
        memory::push(&mut name, 0).map_err(no_memory)?;
        // One with a NUL in it has no form in C.
        first.canonname = CString::from_vec_with_nul(name).ok();
    }
    Ok(answers)
}
