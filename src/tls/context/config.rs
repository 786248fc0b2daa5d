//! The rustls configuration of a context.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::{ClientConfig, DistinguishedName, ServerConfig, SupportedProtocolVersion};

use crate::error::causes::*;
use crate::tls::Cause;
use crate::tls::context::certs::Identities;
use crate::tls::context::clock::Clock;
use crate::tls::context::resume::Store;
use crate::tls::context::ticket_keys::TicketKeys;
use crate::tls::context::tickets::Kept;
use crate::tls::context::{Draft, Role};
use crate::tls::material::keylog::{self, Log};
use crate::tls::material::roots;
use crate::tls::verify::lasting::Lasting;
use crate::tls::verify::staple::Staples;
use crate::tls::verify::{Mode, Usage, Verifier};

/// The parts of a context that a session needs.
pub struct Config {
    /// rustls' configuration.
    pub side: Side,
    /// A server's configuration for clients that offer none of its protocols, if that is allowed.
    pub without_alpn: Option<Arc<ServerConfig>>,
    /// The verifier of the peer.
    pub verifier: Arc<Verifier>,
    /// Whether the peer is verified.
    pub mode: Mode,
    /// Whether a client checks the server's name.
    pub check_name: bool,
    /// The clock was set by the program.
    pub own_clock: bool,
}

impl Config {
    /// The chain from the peer's certificate to a trusted one.
    pub fn verified_chain(
        &self,
        sent: &[CertificateDer<'_>],
        name: Option<&ServerName<'_>>,
    ) -> Option<Vec<CertificateDer<'static>>> {
        let (leaf, rest) = sent.split_first()?;
        let (usage, now) = match &self.side {
            Side::Client(c, _) => (Usage::Server, c.time_provider.current_time()),
            Side::Server(c) => (Usage::Client, c.time_provider.current_time()),
        };
        let name = name.filter(|_| matches!(self.side, Side::Client(..)));
        // It was accepted in the handshake. If it is not accepted any more, there is no chain.
        keylog::unsaid(|| self.verifier.accepted(leaf, rest, name, now?, usage).ok())
    }
}

/// Client or server.
pub enum Side {
    /// A client's, with the store of sessions unless resumption is off.
    Client(Arc<ClientConfig>, Option<Arc<Store>>),
    /// A server's.
    Server(Arc<ServerConfig>),
}

/// Builds it. A server keeps its clients' sessions from one build to the next.
pub fn build(draft: &Draft, role: Role, kept: &mut Option<Kept>) -> Result<Config, Cause> {
    let provider = Arc::new(narrowed(draft));
    let versions = versions(draft, &provider)?;
    let verifier = Arc::new(verifier(draft, role, provider.clone())?);
    let (mode, check_name) = (verifier.mode, verifier.check_name);
    let parts = Parts {
        versions,
        identities: Arc::new(Identities {
            list: draft.identities.clone(),
            by_name: draft.by_name.clone(),
            suites: provider.cipher_suites.iter().map(|s| s.suite()).collect(),
            groups: provider.kx_groups.iter().map(|g| g.name()).collect(),
        }),
        provider,
        verifier: verifier.clone(),
        clock: Arc::new(draft.clock),
        log: Arc::new(Log(draft.keylog.clone())),
        // rustls includes a record's header.
        max_fragment_size: draft.max_record.map(|n| n + 5),
    };
    let mut without_alpn = None;
    let side = match role {
        Role::Client => client(draft, parts)?,
        Role::Server => {
            let config = server(draft, parts, kept)?;
            if !draft.alpn_required && !config.alpn_protocols.is_empty() {
                let mut without = config.clone();
                without.alpn_protocols.clear();
                without_alpn = Some(Arc::new(without));
            }
            Side::Server(Arc::new(config))
        }
    };
    Ok(Config {
        without_alpn,
        side,
        verifier,
        mode,
        check_name,
        own_clock: draft.clock.0.is_some(),
    })
}

/// The common parts of both roles.
struct Parts {
    versions: Vec<&'static SupportedProtocolVersion>,
    identities: Arc<Identities>,
    provider: Arc<CryptoProvider>,
    verifier: Arc<Verifier>,
    clock: Arc<Clock>,
    log: Arc<Log>,
    max_fragment_size: Option<usize>,
}

fn unusable(e: rustls::Error) -> Cause {
    Cause::new(USOCKET_ETLS_NO_SUCH_SUITE, e.to_string())
}

fn client(draft: &Draft, parts: Parts) -> Result<Side, Cause> {
    let builder = ClientConfig::builder_with_details(parts.provider, parts.clock)
        .with_protocol_versions(&parts.versions)
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(parts.verifier.clone());
    let mut config = match parts.identities.list.is_empty() {
        true => builder.with_no_client_auth(),
        false => builder.with_client_cert_resolver(parts.identities),
    };
    config.alpn_protocols.clone_from(&draft.alpn);
    config.key_log = parts.log;
    config.max_fragment_size = parts.max_fragment_size;
    // A resumed connection has no certificates, and a callback must see them each time.
    let resumes = draft.sessions > 0 && parts.verifier.callback.is_none();
    let make = || {
        let verifier = parts.verifier.clone();
        Arc::new(Store::new(draft.sessions, verifier, draft.clock, draft.tickets > 0))
    };
    let store = resumes.then(make);
    config.resumption = match &store {
        Some(store) => Resumption::store(store.clone()),
        None => Resumption::disabled(),
    };
    Ok(Side::Client(Arc::new(config), store))
}

fn server(draft: &Draft, parts: Parts, kept: &mut Option<Kept>) -> Result<ServerConfig, Cause> {
    if parts.identities.list.is_empty() && parts.identities.by_name.is_none() {
        return Err(Cause::plain(USOCKET_ETLS_NO_CERT));
    }
    let sessions = draft.sessions;
    let mut config = ServerConfig::builder_with_details(parts.provider, parts.clock)
        .with_protocol_versions(&parts.versions)
        .map_err(unusable)?
        .with_client_cert_verifier(parts.verifier.clone())
        .with_cert_resolver(parts.identities);
    config.alpn_protocols.clone_from(&draft.alpn);
    config.key_log = parts.log;
    config.max_fragment_size = parts.max_fragment_size;
    // A program that names suites sets their order. Otherwise the client's order applies, since
    // clients know which suites suit their processors.
    config.ignore_client_order = draft.suites.is_some();
    config.send_tls13_tickets = if sessions > 0 { draft.tickets } else { 0 };
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if kept.as_ref().is_none_or(|k| k.sessions != sessions) {
        *kept = if sessions > 0 { Some(Kept::new(sessions)?) } else { None };
    }
    if let Some(kept) = kept {
        let (tickets, memory) = kept.guarded(shared_keys(draft)?, &parts.verifier, draft.clock);
        config.session_storage = memory;
        if draft.tickets > 0 {
            config.ticketer = tickets;
        }
    }
    Ok(config)
}

/// The ticketer with the program's keys, if there are any.
fn shared_keys(draft: &Draft) -> Result<Option<Arc<dyn ProducesTickets>>, Cause> {
    if draft.ticket_keys.is_empty() {
        return Ok(None);
    }
    // From the complete provider, whichever suites are in use.
    let keys = TicketKeys::new(&draft.ticket_keys, &draft.provider, draft.clock);
    let keys = keys.ok_or_else(|| Cause::plain(USOCKET_ETLS_NO_SUCH_SUITE))?;
    Ok(Some(keys))
}

/// The provider, limited to the requested suites and groups.
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

/// The requested versions that have a suite.
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
        let words = "no TLS version is left: the requested versions and cipher suites exclude all";
        return Err(Cause::new(USOCKET_ETLS_NO_SUCH_VERSION, words));
    }
    Ok(versions)
}

fn verifier(draft: &Draft, role: Role, provider: Arc<CryptoProvider>) -> Result<Verifier, Cause> {
    let mut trusted = draft.stores.clone();
    if !draft.trusted.is_empty() {
        trusted.insert(0, draft.trusted.clone());
    }
    // Settings for checking clients' certificates imply that certificates are required.
    let looks = draft.callback.is_some() || !draft.keys.is_empty() || !draft.lists.is_empty();
    let mode = match (draft.mode, role) {
        (Some(mode), _) => mode,
        (None, Role::Server) if !looks => Mode::None,
        (None, _) => Mode::Required,
    };
    if mode != Mode::None && trusted.is_empty() {
        let missing = |words: &str| Err(Cause::new(USOCKET_ETLS_NO_TRUST, words));
        match role {
            Role::Server => {
                return missing(
                    "a server that verifies its clients needs a trusted certificate: the CA that issues theirs",
                );
            }
            Role::Client if draft.trust_given => {
                return missing("no trusted certificates: none were found in the given locations");
            }
            Role::Client => trusted.push(roots::system()?),
        }
    }
    if mode == Mode::None && draft.staples == Staples::Required {
        let words = "requiring a stapled certificate status needs a verify mode other than none";
        return Err(Cause::new(USOCKET_ETLS_NO_TRUST, words));
    }
    // Sent to clients as a hint for the certificate to present. Not a whole store: that would be
    // kilobytes in every handshake.
    let hints = match role {
        Role::Client => Vec::new(),
        Role::Server => (draft.trusted.anchors().iter())
            .map(|a| DistinguishedName::in_sequence(a.subject.as_ref()))
            .collect(),
    };
    Ok(Verifier {
        mode,
        check_name: role == Role::Client && draft.check_name && mode != Mode::None,
        trusted,
        lists: draft.lists.clone(),
        crl_policy: draft.crl_policy,
        staples: draft.staples,
        keys: draft.keys.clone(),
        callback: draft.callback.clone(),
        provider,
        hints,
        own_clock: draft.clock.0.is_some(),
        lasting: Lasting::default(),
    })
}
