//! getaddrinfo: names to addresses.

use std::ffi::CString;

use crate::error::{Error, Result, explain};
use crate::sys::names::{self, Answer, Query};

/// Asks the C library's resolver. `family`, `kind` and `proto` filter; 0 is any.
///
/// # Errors
/// The resolver's own range (`USOCKET_EAI_*`), or an errno where it reports one (`EAI_SYSTEM`).
pub fn getaddrinfo(query: Query, _timeout_us: i64) -> Result<Vec<Answer>> {
    match names::getaddrinfo(&query)? {
        Ok(answers) => Ok(answers),
        Err(code) => Err(Error::eai(code)),
    }
}

/// Checks the arguments as they come from a caller and makes a query of them.
pub fn query(
    host: Option<CString>,
    service: Option<CString>,
    family: i32,
    kind: i32,
    proto: i32,
    flags: i32,
) -> Result<Query> {
    let (mut host, mut service) = (host, service);
    if let Some(text) = service.as_ref().and_then(|s| s.to_str().ok()) {
        // The C library takes "65616" for port 80.
        if text.bytes().all(|b| b.is_ascii_digit())
            && !text.is_empty()
            && text.parse::<u16>().is_err()
        {
            let e = Error::eai(libc::EAI_SERVICE);
            return Err(explain(e, format!("port {text} is not within 0-65535")));
        }
    }
    // MicroPython's and CPython's empty texts.
    if host.as_ref().is_some_and(|h| h.is_empty()) {
        host = None;
    }
    if service.as_ref().is_some_and(|s| s.is_empty()) {
        service = None;
    }
    if host.is_none() && service.is_none() {
        service = Some(c"0".to_owned());
    }
    // An IPPROTO_SEC socket is a TCP socket to the resolver.
    let proto = if proto == crate::socket::IPPROTO_SEC { libc::IPPROTO_TCP } else { proto };
    Ok(Query { host, service, family, kind, proto, flags })
}
