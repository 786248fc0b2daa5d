//! A context: what the caller sets up, and what connections use. Immutable once used.

mod certs;
pub mod config;
pub mod resume;

use std::ffi::{CStr, OsStr};
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use rustls::SupportedCipherSuite;
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use crate::error::causes::*;
use crate::error::{Error, Result};
use crate::numbers::*;
use crate::tls::Cause;
use crate::tls::context::certs::Identity;
use crate::tls::material::pem;
use crate::tls::material::provider;
use crate::tls::material::roots::{self, Anchors};
pub use crate::tls::verify::Callback;
use crate::tls::verify::{CrlPolicy, Mode};
use config::{Clock, Config};

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Connects.
    Client,
    /// Is connected to.
    Server,
}

/// What was set up so far.
pub struct Draft {
    pub(super) provider: CryptoProvider,
    pub(super) identities: Vec<Identity>,
    pub(super) check_keys: bool,
    pub(super) trusted: Vec<CertificateDer<'static>>,
    pub(super) anchors: Vec<Anchors>,
    pub(super) crls: Vec<CertificateRevocationListDer<'static>>,
    pub(super) crl_policy: CrlPolicy,
    /// `None` is the role's default.
    pub(super) mode: Option<Mode>,
    pub(super) check_name: bool,
    pub(super) alpn: Vec<Vec<u8>>,
    pub(super) versions: (u16, u16),
    pub(super) suites: Option<Vec<SupportedCipherSuite>>,
    pub(super) groups: Option<Vec<&'static dyn SupportedKxGroup>>,
    pub(super) sessions: usize,
    pub(super) tickets: usize,
    pub(super) keylog: Option<fs::File>,
    pub(super) keys: Vec<[u8; 32]>,
    pub(super) callback: Option<Arc<Callback>>,
    pub(super) clock: Clock,
}

enum State {
    Draft(Box<Draft>),
    Used(Arc<Config>),
}

/// See the module documentation.
pub struct Context {
    role: Role,
    state: Mutex<State>,
    detail: Mutex<String>,
}

const HIGHEST: u16 = USOCKET_TLS_1_3 as u16;
const LOWEST: u16 = if cfg!(feature = "tls12") { USOCKET_TLS_1_2 as u16 } else { HIGHEST };

impl Context {
    /// An empty context.
    ///
    /// # Errors
    /// EINVAL for a role that is none; `USOCKET_ETLS_CPU`.
    pub fn new(role: i32) -> Result<Context> {
        let role = match role {
            USOCKET_TLS_CLIENT => Role::Client,
            USOCKET_TLS_SERVER => Role::Server,
            _ => return Err(Error::os(libc::EINVAL)),
        };
        let provider =
            provider::get().map_err(|c| crate::error::explain(Error::tls(c.code), c.words))?;
        let draft = Draft {
            provider,
            identities: Vec::new(),
            check_keys: true,
            trusted: Vec::new(),
            anchors: Vec::new(),
            crls: Vec::new(),
            crl_policy: CrlPolicy::default(),
            mode: None,
            check_name: true,
            alpn: Vec::new(),
            versions: (LOWEST, HIGHEST),
            suites: None,
            groups: None,
            sessions: 256,
            tickets: 2,
            keylog: None,
            keys: Vec::new(),
            callback: None,
            clock: Clock::default(),
        };
        let state = Mutex::new(State::Draft(Box::new(draft)));
        Ok(Context { role, state, detail: Mutex::default() })
    }

    /// Client or server.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The sentence of the last error.
    pub fn detail(&self) -> String {
        self.detail.lock().clone()
    }

    /// An error with its sentence, left here for `usocket_error_detail`.
    pub fn refuse(&self, code: i32, words: &str) -> Error {
        *self.detail.lock() = words.into();
        Error::tls(code)
    }

    fn explained<T>(&self, result: std::result::Result<T, Cause>) -> Result<T> {
        result.map_err(|cause| {
            *self.detail.lock() = cause.words;
            Error::tls(cause.code)
        })
    }

    /// Changes what was set up, unless it is in use.
    fn change<T>(&self, f: impl FnOnce(&mut Draft) -> std::result::Result<T, Cause>) -> Result<T> {
        let result = match &mut *self.state.lock() {
            State::Draft(draft) => f(draft),
            State::Used(_) => Err(Cause::plain(USOCKET_ETLS_CONTEXT_IN_USE)),
        };
        self.explained(result)
    }

    /// What connections use; the first call ends the setting up. After a failure it goes on.
    pub fn config(&self) -> Result<Arc<Config>> {
        let mut state = self.state.lock();
        let config = match &mut *state {
            State::Used(config) => return Ok(config.clone()),
            State::Draft(draft) => config::build(draft, self.role),
        };
        let config = Arc::new(self.explained(config)?);
        *state = State::Used(config.clone());
        Ok(config)
    }

    /// Adds a certificate and its key; an empty key is taken from the certificate's text.
    pub fn use_cert(&self, cert: &[u8], key: &[u8]) -> Result<()> {
        let key = if key.is_empty() { cert } else { key };
        self.change(|d| {
            d.identities.push(Identity::new(&d.provider, cert, key, d.check_keys)?);
            Ok(())
        })
    }

    /// [`Context::use_cert`] from files.
    pub fn use_cert_file(&self, cert: &CStr, key: Option<&CStr>) -> Result<()> {
        let cert = self.explained(read(cert))?;
        let key = key.map(|k| self.explained(read(k))).transpose()?;
        self.use_cert(&cert, key.as_deref().unwrap_or_default())
    }

    /// Whether a key must belong to its certificate, for those that follow.
    pub fn set_key_check(&self, mode: i32) -> Result<i32> {
        self.change(|d| {
            d.check_keys = flag(mode)?;
            Ok(0)
        })
    }

    /// Trusts certificates, leaving out what cannot be read beside others; gives how many.
    pub fn trust(&self, certs: &[u8]) -> Result<i32> {
        self.change(|d| {
            let mut certs = pem::certificates(certs)?;
            // One odd certificate does not spoil a bundle; nothing but odd ones is a mistake.
            let mut odd = None;
            certs
                .retain(|c| webpki::anchor_from_trusted_cert(c).map_err(|e| odd = Some(e)).is_ok());
            if let (Some(e), true) = (odd, certs.is_empty()) {
                let words = format!("invalid certificate: {e}");
                return Err(Cause::new(USOCKET_ETLS_CERT_INVALID, words));
            }
            let n = certs.len() as i32;
            d.trusted.extend(certs);
            Ok(n)
        })
    }

    /// [`Context::trust`] from a file.
    pub fn trust_file(&self, path: &CStr) -> Result<i32> {
        self.trust(&self.explained(read(path))?)
    }

    /// [`Context::trust`] from all files of a directory that hold certificates.
    pub fn trust_dir(&self, path: &CStr) -> Result<i32> {
        let files = self.explained(fs::read_dir(as_path(path)).map_err(Cause::from))?;
        let mut n = 0;
        for file in files.flatten().filter(|f| f.path().is_file()) {
            let certs = fs::read(file.path()).unwrap_or_default();
            match self.trust(&certs) {
                Ok(more) => n += more,
                Err(e) if e.code() == USOCKET_ETLS_CONTEXT_IN_USE => return Err(e),
                Err(_) => {}
            }
        }
        Ok(n)
    }

    /// Trusts what the system trusts; gives how many certificates that is.
    pub fn trust_system(&self) -> Result<i32> {
        self.change(|d| add_anchors(d, roots::system()?))
    }

    /// Trusts Mozilla's roots; gives how many there are.
    pub fn trust_mozilla(&self) -> Result<i32> {
        self.change(|d| add_anchors(d, roots::mozilla().ok_or(Error::os(libc::EOPNOTSUPP))?))
    }

    /// Adds revocation lists; gives how many.
    pub fn add_crl(&self, lists: &[u8]) -> Result<i32> {
        self.change(|d| {
            let lists = pem::revocation_lists(lists)?;
            for list in &lists {
                webpki::BorrowedCertRevocationList::from_der(list).map_err(|e| {
                    Cause::new(USOCKET_ETLS_CRL_INVALID, format!("invalid revocation list: {e}"))
                })?;
            }
            let n = lists.len() as i32;
            d.crls.extend(lists);
            Ok(n)
        })
    }

    /// How revocation lists are used.
    pub fn set_crl_flags(&self, flags: i32) -> Result<i32> {
        self.change(|d| {
            let on = |flag: i32| flags & flag != 0;
            if on(!(USOCKET_TLS_CRL_LEAF_ONLY
                | USOCKET_TLS_CRL_INSECURE_ALLOW_UNKNOWN
                | USOCKET_TLS_CRL_INSECURE_ALLOW_EXPIRED))
            {
                return Err(invalid());
            }
            d.crl_policy = CrlPolicy {
                leaf_only: on(USOCKET_TLS_CRL_LEAF_ONLY),
                allow_unknown: on(USOCKET_TLS_CRL_INSECURE_ALLOW_UNKNOWN),
                allow_expired: on(USOCKET_TLS_CRL_INSECURE_ALLOW_EXPIRED),
            };
            Ok(0)
        })
    }

    /// Whether the peer is verified.
    pub fn set_verify(&self, mode: i32) -> Result<i32> {
        self.change(|d| {
            d.mode = Some(match mode {
                USOCKET_TLS_VERIFY_NONE_INSECURE => Mode::None,
                USOCKET_TLS_VERIFY_OPTIONAL => Mode::Optional,
                USOCKET_TLS_VERIFY_REQUIRED => Mode::Required,
                _ => return Err(invalid()),
            });
            Ok(0)
        })
    }

    /// Whether a client checks the name.
    pub fn set_hostname(&self, mode: i32) -> Result<i32> {
        self.change(|d| {
            d.check_name = flag(mode)?;
            Ok(0)
        })
    }

    /// The application protocols, separated by commas.
    pub fn set_alpn(&self, protocols: Option<&CStr>) -> Result<i32> {
        self.change(|d| {
            let list = protocols.map(CStr::to_bytes).filter(|p| !p.is_empty());
            let list: Vec<_> = list
                .map_or_else(Vec::new, |p| p.split(|b| *b == b',').map(<[u8]>::to_vec).collect());
            if list.iter().any(|p| p.is_empty() || p.len() > 255) {
                return Err(invalid());
            }
            d.alpn = list;
            Ok(0)
        })
    }

    /// The lowest and highest version; 0 for the build's own.
    pub fn set_versions(&self, min: i32, max: i32) -> Result<i32> {
        let known = |v: i32, own: u16| match u16::try_from(v) {
            Ok(0) => Some(own),
            Ok(v) if (LOWEST..=HIGHEST).contains(&v) => Some(v),
            _ => None,
        };
        self.change(|d| match (known(min, LOWEST), known(max, HIGHEST)) {
            (Some(min), Some(max)) if min <= max => {
                d.versions = (min, max);
                Ok(0)
            }
            _ => Err(Cause::plain(USOCKET_ETLS_NO_SUCH_VERSION)),
        })
    }

    /// The cipher suites, by name.
    pub fn set_ciphers(&self, names: Option<&CStr>) -> Result<i32> {
        self.change(|d| {
            let names = names.map(CStr::to_string_lossy);
            d.suites =
                names.map(|n| provider::suites(&d.provider.cipher_suites, &n)).transpose()?;
            Ok(0)
        })
    }

    /// The names of the suites that would be used.
    pub fn ciphers(&self) -> String {
        let names = |suites: &[SupportedCipherSuite], versions: (u16, u16)| {
            let usable = suites
                .iter()
                .filter(|s| (versions.0..=versions.1).contains(&u16::from(s.version().version)));
            usable.map(|s| provider::suite_name(s.suite())).collect::<Vec<_>>().join(":")
        };
        match &*self.state.lock() {
            State::Draft(d) => {
                names(d.suites.as_ref().unwrap_or(&d.provider.cipher_suites), d.versions)
            }
            State::Used(config) => names(&config.provider().cipher_suites, config.versions),
        }
    }

    /// The key exchange groups, by name.
    pub fn set_groups(&self, names: Option<&CStr>) -> Result<i32> {
        self.change(|d| {
            let names = names.map(CStr::to_string_lossy);
            d.groups = names.map(|n| provider::groups(&d.provider.kx_groups, &n)).transpose()?;
            Ok(0)
        })
    }

    /// How many sessions are kept, and tickets given.
    pub fn set_resumption(&self, sessions: i32, tickets: i32) -> Result<i32> {
        self.change(|d| {
            if !(0..=1_000_000).contains(&sessions) || !(0..=16).contains(&tickets) {
                return Err(invalid());
            }
            (d.sessions, d.tickets) = (sessions as usize, tickets as usize);
            Ok(0)
        })
    }

    /// Where secrets are logged; `None` asks the environment. Gives 1 when nowhere.
    pub fn set_keylog(&self, path: Option<&CStr>) -> Result<i32> {
        self.change(|d| {
            let from_env = || std::env::var_os("SSLKEYLOGFILE").filter(|p| !p.is_empty());
            let Some(path) = path.map(|p| as_path(p).into()).or_else(from_env) else {
                d.keylog = None;
                return Ok(1);
            };
            let mut how = OpenOptions::new();
            d.keylog = Some(how.append(true).create(true).mode(0o600).open(path)?);
            Ok(0)
        })
    }

    /// Pins a key by its SHA-256.
    pub fn add_pin(&self, sha256: &[u8]) -> Result<i32> {
        self.change(|d| {
            d.keys.push(sha256.try_into().map_err(|_| invalid())?);
            Ok(0)
        })
    }

    /// What decides last.
    pub fn set_callback(&self, callback: Option<Arc<Callback>>) -> Result<i32> {
        self.change(|d| {
            d.callback = callback;
            Ok(0)
        })
    }

    /// The time now; 0 for the system's clock.
    pub fn set_clock(&self, unix: i64) -> Result<i32> {
        self.change(|d| {
            let unix = u64::try_from(unix).map_err(|_| invalid())?;
            d.clock = Clock((unix != 0).then(|| (unix, Instant::now())));
            Ok(0)
        })
    }
}

fn invalid() -> Cause {
    Error::os(libc::EINVAL).into()
}

/// A switch of the C interface.
fn flag(value: i32) -> std::result::Result<bool, Cause> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(invalid()),
    }
}

fn add_anchors(draft: &mut Draft, anchors: Anchors) -> std::result::Result<i32, Cause> {
    let n = anchors.len() as i32;
    if !draft.anchors.iter().any(|a| Arc::ptr_eq(a, &anchors)) {
        draft.anchors.push(anchors);
    }
    Ok(n)
}

fn as_path(text: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(text.to_bytes()))
}

fn read(path: &CStr) -> std::result::Result<Vec<u8>, Cause> {
    /// Certificates are small; whoever names a huge file, or a device, made a mistake.
    const MOST: u64 = 16 << 20;
    let path = as_path(path);
    let whole = || {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    whole().map_err(|e: std::io::Error| {
        let mut cause = Cause::from(e);
        cause.words = format!("{}: {}", path.display(), cause.words);
        cause
    })
}
