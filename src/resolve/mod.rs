//! getaddrinfo: names to addresses, with a deadline, and pollable.
//!
//! Numeric addresses and names in /etc/hosts are resolved on the caller's thread ([`local`]). For
//! other names the library asks the name servers itself ([`dns`]) if the system's configuration is
//! a common one; otherwise it calls the C library's resolver on threads of its own ([`pool`]). In
//! both cases the caller waits in poll(2), and can give up at any time.

use std::ffi::CStr;
use std::io;
use std::time::{Duration, Instant};

use crate::error::{Error, Result, explain};
use crate::numbers::USOCKET_IPPROTO_SEC;
use crate::sys::fork;
use crate::sys::memory;
use crate::sys::names::{self, Answer, Names, Query, Reverse};
use crate::sys::text::Text;
use crate::wait::{self, Deadline};

mod asked;
mod dns;
mod local;
mod lookup;
mod pool;
mod query;

use asked::Copied;
pub use asked::Question;
pub use local::answer_at_once;
pub use lookup::Lookup;
#[cfg(test)]
pub use lookup::tests::unanswered;
pub use pool::{set_threads, wake};
pub use query::Resolve;

/// Resolves a name to addresses; `timeout_us` negative is no limit.
///
/// # Errors
/// The resolver's own range (`USOCKET_EAI_*`), an errno where it reports one (`EAI_SYSTEM`),
/// ETIMEDOUT, EINTR (event hook); EMFILE, ENFILE; EAGAIN when no thread can be started.
pub fn getaddrinfo(query: Query, timeout_us: i64) -> Result<Vec<Answer>> {
    if let Some(answer) = answer_at_once(&query) {
        return answer;
    }
    let mut deadline = Deadline::after_us(timeout_us);
    let mut lookup = Lookup::start(query)?;
    let mut fds = Vec::new();
    loop {
        let now = Instant::now();
        if let Some(end) = lookup.step(now) {
            return end;
        }
        let left = deadline.remaining();
        if left == Some(Duration::ZERO) {
            return Err(Error::os(libc::ETIMEDOUT));
        }
        let end = left.and_then(|left| now.checked_add(left));
        let until = [end, lookup.until()].into_iter().flatten().min();
        fds.clear();
        lookup.watch(&mut fds)?;
        wait::few(&mut fds, &mut until.map_or(Deadline::Never, Deadline::At))?;
    }
}

/// Resolves an address to names; `timeout_us` negative is no limit.
///
/// # Errors
/// Those of [`getaddrinfo`].
pub fn getnameinfo(reverse: Reverse, timeout_us: i64) -> Result<Names> {
    /// Not in the libc crate: <netdb.h> of glibc.
    const NI_IDN: i32 = 32;
    const KNOWN: i32 = libc::NI_NUMERICHOST
        | libc::NI_NUMERICSERV
        | libc::NI_NOFQDN
        | libc::NI_NAMEREQD
        | libc::NI_DGRAM
        | NI_IDN;
    // The C library would fail the same way, but only after the timeout.
    if reverse.flags & !KNOWN != 0 {
        return Err(Error::eai(libc::EAI_BADFLAGS));
    }
    if reverse.want == (false, false) {
        return Err(Error::eai(libc::EAI_NONAME));
    }
    // Service names are in a file, and a number needs no lookup.
    if !reverse.want.0 || reverse.flags & libc::NI_NUMERICHOST != 0 {
        let _stay = fork::stay();
        return reverse.ask();
    }
    pool::ask(reverse)?.wait(&mut Deadline::after_us(timeout_us))
}

impl Copied for Names {
    fn copy(&self) -> io::Result<Self> {
        Ok(*self)
    }
}

impl Copied for Vec<Answer> {
    fn copy(&self) -> io::Result<Self> {
        let mut copy = Vec::new();
        memory::reserve(&mut copy, self.len())?;
        for answer in self {
            let canonname = answer.canonname.as_deref().map(memory::text).transpose()?;
            copy.push(Answer { canonname, ..*answer });
        }
        Ok(copy)
    }
}

impl Question for Reverse {
    type Answer = Names;

    fn ask(&self) -> Result<Names> {
        names::getnameinfo(self)?.map_err(Error::eai)
    }
}

impl Question for Query {
    type Answer = Vec<Answer>;

    fn ask(&self) -> Result<Vec<Answer>> {
        asked_with(self, self.flags)
    }
}

// Not in the libc crate: <netdb.h> of glibc under _GNU_SOURCE.
const AI_IDN: i32 = 0x40;

/// Calls the C library with flags other than the query's.
fn asked_with(query: &Query, flags: i32) -> Result<Vec<Answer>> {
    names::getaddrinfo(query, flags)?.map_err(Error::eai)
}

/// The resolver's error for lack of memory.
fn no_memory<E>(_: E) -> Error {
    Error::eai(libc::EAI_MEMORY)
}

/// Checks the caller's arguments and makes a query of them.
///
/// # Errors
/// EAI_SERVICE for a numeric port that is out of range (the C library would truncate it);
/// EAI_NONAME for a name that is not ASCII, unless AI_IDN asks the C library to encode it.
pub fn query(
    host: Option<&CStr>,
    service: Option<&CStr>,
    family: i32,
    kind: i32,
    proto: i32,
    flags: i32,
) -> Result<Query> {
    // An empty text counts as none, as in MicroPython and CPython.
    let host = host.filter(|h| !h.is_empty());
    let service = service.filter(|s| !s.is_empty());
    if let Some(text) = host.filter(|h| !h.to_bytes().is_ascii() && flags & AI_IDN == 0) {
        // Raw bytes would be another name than in browsers, or an invalid one.
        let text = Text::<255>::lossy(text.to_bytes());
        return Err(explain(
            Error::eai(libc::EAI_NONAME),
            format_args!("'{text}' is not ASCII: use its xn-- form (IDNA)"),
        ));
    }
    if let Some(text) = service.and_then(|s| s.to_str().ok()) {
        // The C library reads it with strtoul and keeps 16 bits of that.
        let number = text.trim_start();
        let digits = number.strip_prefix(['-', '+']).unwrap_or(number);
        if digits.bytes().all(|b| b.is_ascii_digit()) && number.parse::<u16>().is_err() {
            let e = Error::eai(libc::EAI_SERVICE);
            return Err(explain(e, format_args!("port {text} is out of range (0-65535)")));
        }
    }
    // The C library requires host or service.
    let service = if host.is_none() && service.is_none() { Some(c"0") } else { service };
    // An IPPROTO_SEC socket is a TCP socket to the resolver.
    let proto = if proto == USOCKET_IPPROTO_SEC { libc::IPPROTO_TCP } else { proto };
    let copy = |text: Option<&CStr>| text.map(memory::text).transpose().map_err(no_memory);
    Ok(Query { host: copy(host)?, service: copy(service)?, family, kind, proto, flags })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    fn ask_for(host: &str, service: &str, timeout_us: i64) -> Result<Vec<Answer>> {
        let (host, service) = (CString::new(host), CString::new(service));
        let (host, service) = (host.as_deref().ok(), service.as_deref().ok());
        let q = query(host, service, 0, libc::SOCK_STREAM, 0, 0)?;
        getaddrinfo(q, timeout_us)
    }

    #[test]
    fn numbers_need_no_thread_and_names_come_back() {
        let text = |r: Result<Vec<Answer>>| r.map(|a| a[0].addr.to_text());
        assert_eq!(text(ask_for("127.0.0.1", "80", 0)), Ok("127.0.0.1:80".into()));
        assert_eq!(text(ask_for("::1", "80", 0)), Ok("[::1]:80".into()));
        let local = text(ask_for("localhost", "80", -1));
        assert!(local == Ok("127.0.0.1:80".into()) || local == Ok("[::1]:80".into()), "{local:?}");
    }

    #[test]
    fn ports_out_of_range_are_not_truncated() {
        for port in ["65536", "65616", "-1", "99999999999999999999", "+65616", " 65616"] {
            assert_eq!(
                ask_for("127.0.0.1", port, -1),
                Err(Error::eai(libc::EAI_SERVICE)),
                "{port}"
            );
        }
        assert_eq!(ask_for("127.0.0.1", "no-such-service", -1), Err(Error::eai(libc::EAI_SERVICE)));
    }

    #[test]
    fn more_queries_than_threads() {
        let started: Vec<_> = (0..5 * 64)
            .map(|_| Resolve::start(query(Some(c"localhost"), None, 0, 0, 0, 0)?))
            .collect();
        for r in started {
            assert!(r.and_then(|r| r.wait(&mut Deadline::Never)).is_ok());
        }
    }
}
