//! Settings of a context's connections: versions, suites, protocols, records, sessions.

use std::ffi::CStr;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::SupportedCipherSuite;
use zeroize::Zeroizing;

use super::{Context, HIGHEST, LOWEST, Role, as_path, flag, invalid};
use crate::error::causes::*;
use crate::error::{Error, Result};
use crate::sys::{env, memory};
use crate::tls::Cause;
use crate::tls::context::ticket_keys::{MOST, SECRET};
use crate::tls::material::provider;

impl Context {
    /// The application protocols, separated by commas.
    pub fn set_alpn(&self, protocols: Option<&CStr>) -> Result<i32> {
        let list = protocols.map(CStr::to_bytes).filter(|p| !p.is_empty());
        let list: Vec<_> =
            list.map_or_else(Vec::new, |p| p.split(|b| *b == b',').map(<[u8]>::to_vec).collect());
        let bad = list.iter().any(|p| p.is_empty() || p.len() > 255);
        self.set(|d| &mut d.alpn, |_| if bad { Err(invalid()) } else { Ok(list) })
    }

    /// Whether a server refuses a client that offers none of its protocols.
    pub fn set_alpn_required(&self, required: i32) -> Result<i32> {
        self.set(|d| &mut d.alpn_required, |_| flag(required))
    }

    /// The lowest and highest version; 0 for the build's own.
    pub fn set_versions(&self, min: i32, max: i32) -> Result<i32> {
        let known = |v: i32, own: u16| match u16::try_from(v) {
            Ok(0) => Some(own),
            Ok(v) if (LOWEST..=HIGHEST).contains(&v) => Some(v),
            _ => None,
        };
        let versions = match (known(min, LOWEST), known(max, HIGHEST)) {
            (Some(min), Some(max)) if min <= max => Ok((min, max)),
            _ => Err(Cause::plain(USOCKET_ETLS_NO_SUCH_VERSION)),
        };
        self.set(|d| &mut d.versions, |_| versions)
    }

    /// The cipher suites, by name.
    pub fn set_ciphers(&self, names: Option<&CStr>) -> Result<i32> {
        let names = names.map(CStr::to_string_lossy);
        self.set(
            |d| &mut d.suites,
            |c| {
                let state = c.state()?;
                let all = &state.draft.provider.cipher_suites;
                names.map(|n| provider::suites(all, &n)).transpose()
            },
        )
    }

    /// The names of the suites in use.
    pub fn ciphers(&self) -> String {
        let Ok(state) = self.state() else { return String::new() };
        let draft = &state.draft;
        let usable = |s: &&SupportedCipherSuite| {
            (draft.versions.0..=draft.versions.1).contains(&u16::from(s.version().version))
        };
        let suites = draft.suites.as_ref().unwrap_or(&draft.provider.cipher_suites);
        let names = suites.iter().filter(usable).map(|s| provider::suite_name(s.suite()));
        names.collect::<Vec<_>>().join(":")
    }

    /// The key exchange groups, by name.
    pub fn set_groups(&self, names: Option<&CStr>) -> Result<i32> {
        self.change(|d| {
            let names = names.map(CStr::to_string_lossy);
            d.groups = names.map(|n| provider::groups(&d.provider.kx_groups, &n)).transpose()?;
            Ok(0)
        })
    }

    /// The maximum size of the data in a sent record; 0 for TLS's own limit.
    pub fn set_max_record(&self, bytes: i32) -> Result<i32> {
        let most = match usize::try_from(bytes) {
            Ok(0) => Ok(None),
            Ok(n @ 64..=16384) => Ok(Some(n)),
            _ => Err(invalid()),
        };
        self.set(|d| &mut d.max_record, |_| most)
    }

    /// The numbers of sessions to keep and of tickets to send.
    pub fn set_resumption(&self, sessions: i32, tickets: i32) -> Result<i32> {
        self.change(|d| {
            if !(0..=1_000_000).contains(&sessions) || !(0..=16).contains(&tickets) {
                return Err(invalid());
            }
            (d.sessions, d.tickets) = (sessions as usize, tickets as usize);
            Ok(0)
        })
    }

    /// Adds a key that encrypts tickets from now on; earlier keys still decrypt theirs.
    pub fn add_ticket_key(&self, key: &[u8]) -> Result<i32> {
        let key: Option<[u8; SECRET]> = key.try_into().ok();
        self.change(|d| {
            if self.role == Role::Client {
                return Err(Error::os(libc::EOPNOTSUPP).into());
            }
            let key = Zeroizing::new(key.ok_or_else(invalid)?);
            // Allocate the full capacity at once: a growing vector would leave copies of the keys
            // behind.
            d.ticket_keys.truncate(MOST - 1);
            let more = MOST - d.ticket_keys.len();
            memory::reserve(&mut d.ticket_keys, more)?;
            d.ticket_keys.insert(0, key);
            Ok(0)
        })
    }

    /// Sets the file for logging secrets; `None` takes it from the environment. Returns 1 when
    /// nothing is logged.
    pub fn set_keylog(&self, path: Option<&CStr>) -> Result<i32> {
        let path = path.map(|p| PathBuf::from(as_path(p)));
        let path = path.or_else(|| env::var("SSLKEYLOGFILE").map(PathBuf::from));
        let open = |path| {
            let mut how = OpenOptions::new();
            how.append(true).create(true).mode(0o600).open(path).map_err(Cause::from)
        };
        let file = self.explained(path.map(open).transpose())?;
        self.change(|d| {
            d.keylog = file.map(Arc::new);
            Ok(i32::from(d.keylog.is_none()))
        })
    }
}
