//! Lookups that ask the name servers directly.
//!
//! The C library's lookup blocks and cannot be cancelled: each name of a dead server would hold a
//! thread for ten seconds. Here a lookup is an [`exchange`] of datagrams, a state machine driven by
//! its owner's poll(2). It is used if this code understands the system's configuration completely
//! ([`config`]). Otherwise, and for replies that do not fit into a datagram, the C library is
//! called.

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

/// The results of a query, given the addresses of its host.
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
        // The C library resolves service, type and protocol.
        one.family = if ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        // Large enough for any.
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
        // A name with a NUL cannot be a C string.
        first.canonname = CString::from_vec_with_nul(name).ok();
    }
    Ok(answers)
}
