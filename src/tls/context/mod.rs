//! A context: the program's settings, and the configuration made of them for connections.
//!
//! A connection takes the settings in force when it is wrapped, and keeps them. Later changes apply
//! to new connections: so a server's certificate can be replaced while it runs. A change drops a
//! client's sessions; those of a server's clients are checked again.

pub mod certs;
pub mod clock;
pub mod config;
pub mod resume;
mod settings;
mod ticket_keys;
mod tickets;
mod trust;

use std::ffi::{CStr, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustls::SupportedCipherSuite;
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::numbers::*;
use crate::sys::fork::{Guard, Lock};
use crate::sys::random;
use crate::tls::Cause;
use crate::tls::context::certs::{ByName, Identity};
use crate::tls::context::ticket_keys::Secret;
use crate::tls::context::tickets::Kept;
use crate::tls::material::provider;
use crate::tls::material::roots::{Trusted, read};
pub use crate::tls::verify::Callback;
use crate::tls::verify::Mode;
use crate::tls::verify::lists::{CrlPolicy, List};
use crate::tls::verify::staple::Staples;
use clock::Clock;
use config::Config;

/// The role in a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The side that connects.
    Client,
    /// The side that accepts.
    Server,
}

/// The settings so far.
pub struct Draft {
    pub(super) provider: CryptoProvider,
    pub(super) identities: Vec<Identity>,
    /// Chooses a server's certificates by the requested name.
    pub(super) by_name: Option<ByName>,
    pub(super) check_keys: bool,
    /// Of encrypted keys.
    pub(super) password: Option<Zeroizing<Vec<u8>>>,
    /// Given by the program.
    pub(super) trusted: Arc<Trusted>,
    /// The system's store and the like.
    pub(super) stores: Vec<Arc<Trusted>>,
    /// The program has set its trust, possibly to nobody.
    pub(super) trust_given: bool,
    pub(super) lists: Vec<Arc<List>>,
    pub(super) crl_policy: CrlPolicy,
    pub(super) staples: Staples,
    /// `None` is a server's default.
    pub(super) mode: Option<Mode>,
    pub(super) check_name: bool,
    pub(super) alpn: Vec<Vec<u8>>,
    pub(super) alpn_required: bool,
    pub(super) versions: (u16, u16),
    pub(super) suites: Option<Vec<SupportedCipherSuite>>,
    pub(super) groups: Option<Vec<&'static dyn SupportedKxGroup>>,
    pub(super) max_record: Option<usize>,
    pub(super) sessions: usize,
    pub(super) tickets: usize,
    /// The program's ticket keys, the newest first; empty for keys of the context's own.
    pub(super) ticket_keys: Vec<Secret>,
    pub(super) keylog: Option<Arc<fs::File>>,
    pub(super) keys: Vec<[u8; 32]>,
    pub(super) callback: Option<Arc<Callback>>,
    pub(super) clock: Clock,
}

struct State {
    draft: Box<Draft>,
    /// The configuration made of the draft, until it is changed.
    used: Option<Arc<Config>>,
    /// A server's sessions.
    kept: Option<Kept>,
}

/// See the module documentation.
pub struct Context {
    role: Role,
    state: Lock<State>,
    detail: Lock<String>,
}

/// The result of a change.
type Change<T> = std::result::Result<T, Cause>;

const HIGHEST: u16 = USOCKET_TLS_1_3 as u16;
const LOWEST: u16 = if cfg!(feature = "tls12") { USOCKET_TLS_1_2 as u16 } else { HIGHEST };

impl Context {
    /// An empty context.
    ///
    /// # Errors
    /// EINVAL for a role that is none; EPERM, see [`random::refused`]; `USOCKET_ETLS_CPU`.
    pub fn new(role: i32) -> Result<Context> {
        let role = match role {
            USOCKET_TLS_CLIENT => Role::Client,
            USOCKET_TLS_SERVER => Role::Server,
            _ => return Err(Error::os(libc::EINVAL)),
        };
        if cfg!(feature = "aws-lc-rs") {
            random::refused()?;
        }
        let provider =
            provider::get().map_err(|c| crate::error::explain(Error::tls(c.code), c.words))?;
        let draft = Draft {
            provider,
            identities: Vec::new(),
            by_name: None,
            check_keys: true,
            password: None,
            trusted: Arc::default(),
            stores: Vec::new(),
            trust_given: false,
            lists: Vec::new(),
            crl_policy: CrlPolicy::default(),
            staples: Staples::default(),
            mode: (role == Role::Client).then_some(Mode::Required),
            check_name: true,
            alpn: Vec::new(),
            alpn_required: true,
            versions: (LOWEST, HIGHEST),
            suites: None,
            groups: None,
            max_record: None,
            sessions: 256,
            tickets: 2,
            ticket_keys: Vec::new(),
            keylog: None,
            keys: Vec::new(),
            callback: None,
            clock: Clock::default(),
        };
        let state = Lock::new(State { draft: Box::new(draft), used: None, kept: None });
        Ok(Context { role, state, detail: Lock::default() })
    }

    /// Client or server.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The sentence of the last error.
    pub fn detail(&self) -> String {
        self.detail.lock().map_or_else(|_| String::new(), |d| d.clone())
    }

    /// Makes an error and stores its sentence for `usocket_error_detail`.
    pub fn refuse(&self, code: i32, words: &str) -> Error {
        self.explain(words.into());
        Error::tls(code)
    }

    fn explain(&self, words: String) {
        if let Ok(mut detail) = self.detail.lock() {
            *detail = words;
        }
    }

    /// The settings. They are lost if a thread of the parent was changing them during the fork.
    fn state(&self) -> Change<Guard<'_, State>> {
        self.state.lock().map_err(|_| Error::os(libc::ENOTRECOVERABLE).into())
    }

    fn explained<T>(&self, result: Change<T>) -> Result<T> {
        result.map_err(|cause| {
            self.explain(cause.words);
            Error::tls(cause.code)
        })
    }

    /// Changes the settings for later connections.
    fn change<T>(&self, f: impl FnOnce(&mut Draft) -> Change<T>) -> Result<T> {
        let mut state = self.explained(self.state())?;
        let result = f(&mut state.draft);
        if result.is_ok() {
            state.used = None;
        }
        self.explained(result)
    }

    /// Changes one setting. Setting the same value again changes nothing.
    fn set<T: PartialEq>(
        &self,
        find: impl FnOnce(&mut Draft) -> &mut T,
        value: impl FnOnce(&Self) -> Change<T>,
    ) -> Result<i32> {
        let value = self.explained(value(self))?;
        let mut state = self.explained(self.state())?;
        let place = find(&mut state.draft);
        if *place != value {
            *place = value;
            state.used = None;
        }
        Ok(0)
    }

    /// The configuration for later connections.
    pub fn config(&self) -> Result<Arc<Config>> {
        let mut state = self.explained(self.state())?;
        if let Some(config) = &state.used {
            return Ok(config.clone());
        }
        let State { draft, kept, .. } = &mut *state;
        let config = Arc::new(self.explained(config::build(draft, self.role, kept))?);
        state.used = Some(config.clone());
        Ok(config)
    }

    /// Adds a certificate and its key, or replaces one for the same names; an empty key means that
    /// the key is in the certificate's text.
    pub fn use_cert(&self, cert: &[u8], key: &[u8]) -> Result<()> {
        let key = if key.is_empty() { cert } else { key };
        self.change(|d| {
            let password = d.password.as_ref().map(|p| &p[..]);
            let new = Identity::new(&d.provider, cert, key, password, d.check_keys)?;
            match d.identities.iter_mut().find(|old| old.is_renewed_by(&new)) {
                Some(old) => *old = new,
                None => d.identities.push(new),
            }
            Ok(())
        })
    }

    /// [`Context::use_cert`] from files.
    pub fn use_cert_file(&self, cert: &CStr, key: Option<&CStr>) -> Result<()> {
        let cert = self.explained(read(as_path(cert)))?;
        let key = key.map(|k| self.explained(read(as_path(k)))).transpose()?;
        self.use_cert(&cert, key.as_ref().map_or(&[][..], |k| &k[..]))
    }

    /// Removes all its own certificates, so that others can replace them.
    pub fn clear_certs(&self) -> Result<i32> {
        self.change(|d| {
            d.identities.clear();
            Ok(0)
        })
    }

    /// A server's certificates, for another context that chooses them by name.
    ///
    /// # Errors
    /// EOPNOTSUPP on a client.
    pub fn certs(&self) -> Result<Vec<Identity>> {
        if self.role == Role::Client {
            return Err(Error::os(libc::EOPNOTSUPP));
        }
        Ok(self.explained(self.state())?.draft.identities.clone())
    }

    /// Sets the callback that chooses a server's certificates by name; `None` for its own.
    pub fn set_by_name(&self, by_name: Option<ByName>) -> Result<i32> {
        self.change(|d| {
            if self.role == Role::Client {
                return Err(Error::os(libc::EOPNOTSUPP).into());
            }
            d.by_name = by_name;
            Ok(0)
        })
    }

    /// The password of the encrypted keys that follow; `None` for none.
    pub fn set_key_password(&self, password: Option<&[u8]>) -> Result<i32> {
        let password = password.map(|p| Zeroizing::new(p.to_vec()));
        self.set(|d| &mut d.password, |_| Ok(password))
    }

    /// Whether a key must belong to its certificate, for those that follow.
    pub fn set_key_check(&self, mode: i32) -> Result<i32> {
        self.set(|d| &mut d.check_keys, |_| flag(mode))
    }
}

fn invalid() -> Cause {
    Error::os(libc::EINVAL).into()
}

/// A switch of the C interface.
fn flag(value: i32) -> Change<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(invalid()),
    }
}

fn as_path(text: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(text.to_bytes()))
}
