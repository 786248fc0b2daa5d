//! Lookups that need no query: numeric addresses and /etc/hosts. They run on the caller's thread.

use std::ffi::CStr;

use super::{Question, asked_with};
use crate::error::Result;
use crate::numbers::{
    USOCKET_EAI_ADDRFAMILY, USOCKET_EAI_FAMILY, USOCKET_EAI_NODATA, USOCKET_EAI_NONAME,
};
use crate::sys::config::small_file;
use crate::sys::fork;
use crate::sys::names::{Answer, Query};

/// The results of a lookup that needs no query; `None` for others.
///
/// It does not block, and a fork waits for it: glibc's resolver leaves its locks as they are in a
/// child, and the child's first lookup would wait for a thread that does not exist there.
pub fn answer_at_once(query: &Query) -> Option<Result<Vec<Answer>>> {
    let _stay = fork::stay();
    match asked_with(query, query.flags | libc::AI_NUMERICHOST) {
        // With AI_NUMERICHOST the resolver reports a name in this way.
        Err(e) if query.host.is_some() && query.flags & libc::AI_NUMERICHOST == 0 => {
            if !ABOUT_HOST.contains(&e.code()) || is_number(query) {
                return Some(Err(e));
            }
            let local = query.host.as_ref().is_some_and(|h| is_local(h, query.family));
            if local { Some(query.ask()) } else { None }
        }
        answer => Some(answer),
    }
}

/// The C library's errors for a host that is not numeric, when it may not look up names.
const ABOUT_HOST: [i32; 4] =
    [USOCKET_EAI_NONAME, USOCKET_EAI_FAMILY, USOCKET_EAI_ADDRFAMILY, USOCKET_EAI_NODATA];

/// Whether the host is an address of any family: what is wrong is the service or the family then, and no
/// name server can mend it.
fn is_number(query: &Query) -> bool {
    let Ok(all) = query.try_clone() else { return false };
    let host = Query { host: all.host, ..Query::default() };
    asked_with(&host, libc::AI_NUMERICHOST).is_ok()
}

/// Whether the C library will find a host in /etc/hosts without asking anywhere else.
fn is_local(host: &CStr, family: i32) -> bool {
    small_file(c"/etc/hosts").is_some_and(|hosts| lists(&hosts, host.to_bytes(), family))
        && (cfg!(target_env = "musl")
            || small_file(c"/etc/nsswitch.conf").is_some_and(|conf| begins_with_files(&conf)))
}

/// The lines of a system file, split into words, without comments.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = impl Iterator<Item = &[u8]>> {
    text.split(|b| *b == b'\n').map(|line| {
        let line = line.split(|b| *b == b'#').next().unwrap_or(line);
        line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
    })
}

/// Whether a hosts file has an address of the family for a host.
fn lists(hosts: &[u8], host: &[u8], family: i32) -> bool {
    lines(hosts).any(|mut words| {
        let Some(addr) = words.next() else { return false };
        let of = if addr.contains(&b':') { libc::AF_INET6 } else { libc::AF_INET };
        (family == 0 || family == of) && words.any(|name| name.eq_ignore_ascii_case(host))
    })
}

/// Whether an nsswitch.conf has /etc/hosts as the first place to look for hosts.
fn begins_with_files(conf: &[u8]) -> bool {
    lines(conf).any(|mut words| match words.next() {
        Some(b"hosts:") => words.next() == Some(b"files"),
        Some(first) => first == b"hosts:files",
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::USOCKET_EAI_SERVICE;

    #[test]
    fn nobody_is_asked_about_a_number() {
        for (host, service, family, flags) in
            [(c"127.0.0.1", c"http", 0, libc::AI_NUMERICSERV), (c"::1", c"80", libc::AF_INET, 0)]
        {
            let (host, service) = (Some(host.to_owned()), Some(service.to_owned()));
            let query = Query { host, service, family, kind: libc::SOCK_STREAM, proto: 0, flags };
            let Some(Err(e)) = answer_at_once(&query) else { panic!("a name server is asked") };
            assert!(e.code() == USOCKET_EAI_SERVICE || ABOUT_HOST.contains(&e.code()), "{e:?}");
        }
    }

    #[test]
    fn hosts_files_as_they_are_written() {
        let hosts =
            b"127.0.0.1\tlocalhost  here.example\n::1 localhost six # not.this\n\n#1.1.1.1 no\n";
        for (name, family, there) in [
            ("localhost", 0, true),
            ("LocalHost", libc::AF_INET6, true),
            ("here.example", libc::AF_INET, true),
            ("here.example", libc::AF_INET6, false),
            ("six", libc::AF_INET, false),
            ("six", 0, true),
            ("not.this", 0, false),
            ("no", 0, false),
            ("127.0.0.1", 0, false),
            ("local", 0, false),
        ] {
            assert_eq!(lists(hosts, name.as_bytes(), family), there, "{name} {family}");
        }
    }

    #[test]
    fn only_what_asks_the_file_first_is_local() {
        assert!(begins_with_files(b"passwd: files\nhosts:  files dns\n"));
        assert!(begins_with_files(b"hosts:files"));
        assert!(!begins_with_files(b"hosts: dns files\n"));
        assert!(!begins_with_files(b"#hosts: files\npasswd: files\n"));
        assert!(!begins_with_files(b""));
    }
}
