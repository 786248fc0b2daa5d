//! The system's configuration for names, unless only the C library understands it.

use std::time::Duration;

use super::super::local::lines;
use super::message::is_name;
use crate::addr::Addr;
use crate::error::forget;
use crate::sys::config::{exists, is_small, small_file};
use crate::sys::env;
use crate::sys::memory;
use crate::sys::names::{self, Query};

const PORT: i64 = 53;
/// The C library's limit.
const MOST_SERVERS: usize = 3;

/// /etc/resolv.conf (resolv.conf(5)).
#[derive(Debug, PartialEq, Eq)]
pub struct Config {
    /// The name servers, in order.
    pub servers: Vec<Addr>,
    /// The search list for names that are not fully qualified.
    pub search: Vec<Vec<u8>>,
    /// A name with at least this many dots is tried as it is first (ndots).
    pub dots: usize,
    /// The timeout for one server.
    pub timeout: Duration,
    /// The number of tries per server.
    pub attempts: u32,
    /// Whether to begin with a random server.
    pub rotate: bool,
}

/// The configuration for a query's host; `None` when the C library has to resolve it.
pub fn for_query(query: &Query) -> Option<Config> {
    let known = libc::AI_PASSIVE | libc::AI_CANONNAME | libc::AI_NUMERICSERV;
    let families = [0, libc::AF_INET, libc::AF_INET6];
    let host = query.host.as_ref()?.to_bytes();
    let name = host.strip_suffix(b".").unwrap_or(host);
    if query.flags & !known != 0 || !families.contains(&query.family) || !is_name(name) {
        return None;
    }
    // Names with a special meaning on some systems.
    let last = name.rsplit(|b| *b == b'.').next()?;
    if [b"local".as_slice(), b"localhost"].iter().any(|l| l.eq_ignore_ascii_case(last)) {
        return None;
    }
    let variables = [c"LOCALDOMAIN", c"RES_OPTIONS", c"HOSTALIASES", c"RESOLV_HOST_CONF"];
    if variables.iter().any(|name| env::has_variable(name)) {
        return None;
    }
    // A hosts file of that size has not been searched.
    if !is_small(c"/etc/hosts") {
        return None;
    }
    if !cfg!(target_env = "musl") {
        let plain = small_file(c"/etc/nsswitch.conf").is_some_and(|conf| is_files_and_dns(&conf));
        let order = small_file(c"/etc/gai.conf").is_none_or(|conf| is_empty(&conf));
        if !plain || !order || exists(c"/var/run/nscd/socket") {
            return None;
        }
    }
    let config = resolv_conf(&small_file(c"/etc/resolv.conf")?, names::host_name().as_deref());
    // Errors in the configuration do not concern the caller.
    forget();
    config
}

/// Whether an nsswitch.conf looks hosts up in /etc/hosts and then in the Domain Name System, with
/// other sources only for names below "local".
fn is_files_and_dns(conf: &[u8]) -> bool {
    let hosts =
        lines(conf).filter_map(|mut words| words.next().filter(|w| *w == b"hosts:").map(|_| words));
    let minimal: [&[u8]; 3] = [b"mdns_minimal", b"mdns4_minimal", b"mdns6_minimal"];
    let mut said = 0;
    for words in hosts {
        said += 1;
        let mut expected: &[&[u8]] = &[b"files", b"dns"];
        let mut before: &[u8] = b"";
        for word in words {
            let returns = word.eq_ignore_ascii_case(b"[NOTFOUND=return]");
            if !(minimal.contains(&word) || returns && minimal.contains(&before)) {
                match expected.split_first() {
                    Some((first, rest)) if *first == word => expected = rest,
                    _ => return false,
                }
            }
            before = word;
        }
        if !expected.is_empty() {
            return false;
        }
    }
    said == 1
}

fn is_empty(conf: &[u8]) -> bool {
    lines(conf).all(|mut words| words.next().is_none())
}

fn resolv_conf(conf: &[u8], host_name: Option<&[u8]>) -> Option<Config> {
    let mut config = Config {
        servers: Vec::new(),
        search: Vec::new(),
        dots: 1,
        timeout: Duration::from_secs(5),
        attempts: 2,
        rotate: false,
    };
    let mut says_where = false;
    // A comment begins at the start of a line, with either character.
    for line in conf.split(|b| *b == b'\n').filter(|l| !matches!(l.first(), Some(b'#' | b';'))) {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        match words.next() {
            Some(b"nameserver") => {
                let server = words.next().and_then(|word| std::str::from_utf8(word).ok());
                let server = server.and_then(|text| Addr::ip(0, text, PORT, 0, 0).ok());
                let server = server.filter(|_| config.servers.len() < MOST_SERVERS);
                server.map(|server| memory::push(&mut config.servers, server)).transpose().ok()?;
            }
            Some(key @ (b"search" | b"domain")) => {
                let most = if key == b"domain" { 1 } else { usize::MAX };
                config.search.clear();
                let whole = words.take(most).map(|word| word.strip_suffix(b".").unwrap_or(word));
                for name in whole.filter(|name| is_name(name)) {
                    memory::push(&mut config.search, memory::bytes(name).ok()?).ok()?;
                }
                says_where = true;
            }
            Some(b"options") => words.try_for_each(|word| option(&mut config, word))?,
            Some(b"sortlist") => return None,
            _ => {}
        }
    }
    if config.servers.is_empty() {
        memory::push(&mut config.servers, Addr::ip(0, "127.0.0.1", PORT, 0, 0).ok()?).ok()?;
    }
    if !says_where && !cfg!(target_env = "musl") {
        let domain = host_name.and_then(|name| name.splitn(2, |b| *b == b'.').nth(1));
        if let Some(domain) = domain.filter(|name| is_name(name)) {
            memory::push(&mut config.search, memory::bytes(domain).ok()?).ok()?;
        }
    }
    Some(config)
}

/// Applies an option; `None` for one that is not supported here.
fn option(config: &mut Config, word: &[u8]) -> Option<()> {
    let word = std::str::from_utf8(word).ok()?;
    let (name, value) = word.split_once(':').unwrap_or((word, "0"));
    let value: u32 = value.parse().ok()?;
    match name {
        "ndots" => config.dots = value.min(15) as usize,
        "timeout" => config.timeout = Duration::from_secs(value.clamp(1, 30).into()),
        "attempts" => config.attempts = value.clamp(1, 5),
        "rotate" => config.rotate = true,
        // Options about features that do not exist here, or are always on.
        "edns0" | "trust-ad" | "debug" | "no-reload" | "no-check-names" | "no-tld-query" => {}
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolv_conf_is_read_as_the_c_library_reads_it() {
        let text = b"# comment\nnameserver 192.0.2.1\nnameserver fe80::1%lo\nnameserver nonsense\n\
            ; nameserver 192.0.2.9\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n\
            domain gone.example\nsearch a.example b.example.\n\
            options timeout:3 attempts:1 ndots:2 rotate edns0\n";
        let config = resolv_conf(text, Some(b"h.not.this")).unwrap_or_else(|| panic!("refused"));
        let servers: Vec<_> = config.servers.iter().map(Addr::to_text).collect();
        assert_eq!(servers, ["192.0.2.1:53", "[fe80::1%1]:53", "192.0.2.2:53"]);
        assert_eq!(config.search, [b"a.example", b"b.example"]);
        let rest = (config.timeout.as_secs(), config.attempts, config.dots, config.rotate);
        assert_eq!(rest, (3, 1, 2, true));
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        let config = resolv_conf(b"", Some(b"host.example.org"));
        let config = config.unwrap_or_else(|| panic!("refused"));
        assert_eq!(config.servers[0].to_text(), "127.0.0.1:53");
        assert_eq!((config.timeout.as_secs(), config.attempts, config.dots), (5, 2, 1));
        // musl does not search the host's own domain.
        let own: &[&[u8]] = if cfg!(target_env = "musl") { &[] } else { &[b"example.org"] };
        assert_eq!(config.search, own);
    }

    #[test]
    fn what_only_the_c_library_understands_is_left_to_it() {
        for text in [
            "sortlist 192.0.2.0",
            "options use-vc",
            "options inet6",
            "options single-request",
            "options ndots:x",
        ] {
            assert_eq!(resolv_conf(text.as_bytes(), None), None, "{text}");
        }
        for (hosts, known) in [
            ("hosts: files dns", true),
            ("hosts:\tfiles mdns4_minimal [NOTFOUND=return] dns # why", true),
            ("hosts: files", false),
            ("hosts: dns files", false),
            ("hosts: files myhostname resolve [!UNAVAIL=return] dns", false),
            ("hosts: files dns myhostname", false),
            ("hosts: files [SUCCESS=merge] dns", false),
            ("passwd: files dns", false),
            ("hosts: files dns\nhosts: dns", false),
        ] {
            assert_eq!(is_files_and_dns(hosts.as_bytes()), known, "{hosts}");
        }
    }
}
