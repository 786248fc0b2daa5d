//! A context turned into what rustls uses, once, when it is first used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, DistinguishedName, ServerConfig, SupportedProtocolVersion};

use crate::error::causes::*;
use crate::tls::Cause;
use crate::tls::context::certs::Identities;
use crate::tls::context::resume::Store;
use crate::tls::context::{Draft, Role};
use crate::tls::material::keylog::Log;
use crate::tls::material::provider;
use crate::tls::material::roots;
use crate::tls::verify::{Mode, Verifier};

/// What a session needs of its context.
pub struct Config {
    /// rustls' own.
    pub side: Side,
    /// Whether the peer is verified.
    pub mode: Mode,
    /// Whether a client needs a name.
    pub check_name: bool,
    /// The clock was set by the program.
    pub own_clock: bool,
    /// The lowest and highest version.
    pub versions: (u16, u16),
}

impl Config {
    /// The cryptography in use.
    pub fn provider(&self) -> &CryptoProvider {
        match &self.side {
            Side::Client(c, _) => c.crypto_provider(),
            Side::Server(c) => c.crypto_provider(),
        }
    }
}

/// Client or server.
pub enum Side {
    /// With the store of sessions, unless resumption is off.
    Client(Arc<ClientConfig>, Option<Arc<Store>>),
    /// A server's.
    Server(Arc<ServerConfig>),
}

/// The time, for devices without a clock of their own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock(pub Option<(u64, Instant)>);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(match self.0 {
            None => UnixTime::now(),
            Some((then, at)) => {
                UnixTime::since_unix_epoch(Duration::from_secs(then).saturating_add(at.elapsed()))
            }
        })
    }
}

/// Makes it.
pub fn build(draft: &Draft, role: Role) -> Result<Config, Cause> {
    let provider = Arc::new(narrowed(draft));
    let versions = versions(draft, &provider)?;
    let verifier = Arc::new(verifier(draft, role, provider.clone())?);
    let (mode, check_name) = (verifier.mode, verifier.check_name);
    let log = Arc::new(Log(draft.keylog.as_ref().and_then(|f| f.try_clone().ok())));
    let clock = Arc::new(draft.clock);
    let own_clock = clock.0.is_some();
    let identities = Arc::new(Identities(draft.identities.clone()));
    let unusable = |e: rustls::Error| Cause::new(USOCKET_ETLS_NO_SUCH_SUITE, e.to_string());
    let sessions = draft.sessions;
    let side = match role {
        Role::Client => {
            let builder = ClientConfig::builder_with_details(provider, clock)
                .with_protocol_versions(&versions)
                .map_err(unusable)?
                .dangerous()
                .with_custom_certificate_verifier(verifier);
            let mut config = match identities.0.is_empty() {
                true => builder.with_no_client_auth(),
                false => builder.with_client_cert_resolver(identities),
            };
            config.alpn_protocols.clone_from(&draft.alpn);
            config.key_log = log;
            let store = (sessions > 0).then(|| Arc::new(Store::new(sessions)));
            config.resumption = match &store {
                Some(store) => Resumption::store(store.clone()),
                None => Resumption::disabled(),
            };
            Side::Client(Arc::new(config), store)
        }
        Role::Server => {
            if identities.0.is_empty() {
                return Err(Cause::plain(USOCKET_ETLS_NO_CERT));
            }
            let mut config = ServerConfig::builder_with_details(provider, clock)
                .with_protocol_versions(&versions)
                .map_err(unusable)?
                .with_client_cert_verifier(verifier)
                .with_cert_resolver(identities);
            config.alpn_protocols.clone_from(&draft.alpn);
            config.key_log = log;
            config.send_tls13_tickets = if sessions > 0 { draft.tickets } else { 0 };
            config.session_storage = match sessions {
                0 => Arc::new(NoServerSessionStorage {}),
                n => ServerSessionMemoryCache::new(n),
            };
            if sessions > 0 && draft.tickets > 0 {
                config.ticketer = provider::ticketer()?;
            }
            Side::Server(Arc::new(config))
        }
    };
    Ok(Config { side, mode, check_name, own_clock, versions: draft.versions })
}

/// The provider with the suites and groups that were asked for.
fn narrowed(draft: &Draft) -> CryptoProvider {
    let mut provider = draft.provider.clone();
    if let Some(suites) = &draft.suites {
        provider.cipher_suites.clone_from(suites);
    }
    if let Some(groups) = &draft.groups {
        provider.kx_groups.clone_from(groups);
    }
    provider
}

/// The versions that were asked for and have a suite.
fn versions(
    draft: &Draft,
    provider: &CryptoProvider,
) -> Result<Vec<&'static SupportedProtocolVersion>, Cause> {
    let wanted = |v: &&&'static SupportedProtocolVersion| {
        let number = u16::from(v.version);
        (draft.versions.0..=draft.versions.1).contains(&number)
            && provider.cipher_suites.iter().any(|s| s.version().version == v.version)
    };
    let versions: Vec<_> = rustls::ALL_VERSIONS.iter().filter(wanted).copied().collect();
    if versions.is_empty() {
        let words = "no TLS version is left: the versions and cipher suites asked for exclude all";
        return Err(Cause::new(USOCKET_ETLS_NO_SUCH_VERSION, words));
    }
    Ok(versions)
}

fn verifier(draft: &Draft, role: Role, provider: Arc<CryptoProvider>) -> Result<Verifier, Cause> {
    let mut anchors = draft.anchors.clone();
    let own: Vec<_> = draft
        .trusted
        .iter()
        .filter_map(|c| webpki::anchor_from_trusted_cert(c).ok())
        .map(|a| a.to_owned())
        .collect();
    if !own.is_empty() {
        anchors.insert(0, own.into());
    }
    let mode = match (draft.mode, role) {
        (Some(Mode::Optional), Role::Client) | (None, Role::Client) => Mode::Required,
        (None, Role::Server) => Mode::None,
        (Some(mode), _) => mode,
    };
    if mode != Mode::None && anchors.is_empty() && draft.trusted.is_empty() {
        if role == Role::Server {
            let words = "a server that verifies its clients needs a trusted certificate: that of who issues theirs";
            return Err(Cause::new(USOCKET_ETLS_NO_TRUST, words));
        }
        anchors.push(roots::system()?);
    }
    // Told to clients, so that they know which certificate to present. Not a whole store: that
    // would be kilobytes in every handshake.
    let hints = match role {
        Role::Client => Vec::new(),
        Role::Server => (draft.trusted.iter())
            .filter_map(|c| webpki::anchor_from_trusted_cert(c).ok())
            .map(|a| DistinguishedName::in_sequence(a.subject.as_ref()))
            .collect(),
    };
    let crls = draft.crls.iter().filter_map(|c| {
        webpki::OwnedCertRevocationList::from_der(c).ok().map(webpki::CertRevocationList::Owned)
    });
    Ok(Verifier {
        mode,
        check_name: role == Role::Client && draft.check_name && mode != Mode::None,
        pinned: draft.trusted.clone(),
        anchors,
        crls: crls.collect(),
        crl_policy: draft.crl_policy,
        keys: draft.keys.clone(),
        callback: draft.callback.clone(),
        provider,
        hints,
    })
}
