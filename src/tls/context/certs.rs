//! Choosing the certificate to present.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{CipherSuite, NamedGroup, SignatureAlgorithm, SignatureScheme};

use crate::error::causes::*;
use crate::tls::Cause;
use crate::tls::material::algorithm::Key;
use crate::tls::material::keylog;
use crate::tls::material::provider::{group_name, suite_name};
use crate::tls::material::x509::Facts;
use crate::tls::material::{pem, provider};

/// A certificate with its key, and the names it is for.
#[derive(Clone, Debug)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
}

impl Identity {
    /// Reads certificate (with its issuers) and key. `check` says whether they must belong
    /// together; unchecked, the peer rejects the signature of a wrong key.
    pub fn new(
        provider: &CryptoProvider,
        cert: &[u8],
        key: &[u8],
        password: Option<&[u8]>,
        check: bool,
    ) -> Result<Self, Cause> {
        let certs = pem::certificates(cert)?;
        let invalid = |words: &str| Cause::new(USOCKET_ETLS_CERT_INVALID, words);
        let first = certs.first().cloned().unwrap_or_else(|| Vec::new().into());
        let Some(facts) = Facts::of(&first) else {
            return Err(invalid("invalid certificate"));
        };
        let mut names: Vec<_> = facts.dns_names().map(str::to_ascii_lowercase).collect();
        if !facts.has_alt_names() {
            names.extend(facts.common_name.as_ref().map(|cn| cn.to_ascii_lowercase()));
        }
        let key = pem::private_key(key, password)?;
        let key = key.der()?;
        let problem = Key::private(key.secret_der())
            .and_then(|k| k.problem(&provider.signature_verification_algorithms));
        let unusable = |e| match problem {
            Some(problem) => format!("unacceptable private key: {problem}"),
            None => format!("unusable private key: {e}"),
        };
        let key = provider::signing_key(provider, &key)
            .map_err(|e| Cause::new(USOCKET_ETLS_KEY_INVALID, unusable(e)))?;
        // A key without a known public half passes, as in rustls.
        let another =
            |key: &dyn SigningKey| key.public_key().is_some_and(|p| p.as_ref() != facts.key);
        if check && another(&*key) {
            return Err(Cause::plain(USOCKET_ETLS_KEY_MISMATCH));
        }
        let key = CertifiedKey::new(certs, key);
        Ok(Identity { key: Arc::new(key), names })
    }

    /// Whether another has the same names and the same kind of key, and so replaces it.
    pub fn is_renewed_by(&self, other: &Identity) -> bool {
        self.names == other.names && self.key.key.algorithm() == other.key.key.algorithm()
    }

    /// Whether its certificate has this number.
    pub fn has_serial(&self, serial: &[u8]) -> bool {
        self.key.end_entity_cert().is_ok_and(|c| Facts::of(c).is_some_and(|f| f.serial == serial))
    }

    /// Sets the stapled status.
    pub fn staple(&mut self, status: Option<&[u8]>) {
        let mut key = CertifiedKey::clone(&self.key);
        key.ocsp = status.map(<[u8]>::to_vec);
        self.key = Arc::new(key);
    }

    fn is_for(&self, name: &str) -> bool {
        self.names.iter().any(|n| match n.strip_prefix("*.") {
            Some(domain) => name.split_once('.').is_some_and(|(_, d)| d == domain),
            None => n == name,
        })
    }

    fn suits(&self, schemes: &[SignatureScheme]) -> bool {
        self.key.key.choose_scheme(schemes).is_some()
    }
}

/// The program's choice for the name that a client asks for.
pub enum Chosen {
    /// The context's own certificates.
    Own,
    /// These.
    Those(Vec<Identity>),
    /// None, for this reason.
    Nothing(&'static str),
}

/// Chooses by name; the name is empty if the client sent none.
#[derive(Clone)]
pub struct ByName(pub Arc<dyn Fn(&str) -> Chosen + Send + Sync>);

impl std::fmt::Debug for ByName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ByName")
    }
}

/// The certificates of a context.
#[derive(Debug)]
pub struct Identities {
    /// In the order they were given.
    pub list: Vec<Identity>,
    /// A callback that is asked first.
    pub by_name: Option<ByName>,
    /// The context's suites, for error sentences.
    pub suites: Vec<CipherSuite>,
    /// And its groups.
    pub groups: Vec<NamedGroup>,
}

impl Identities {
    /// Records why the handshake will fail, where rustls would report something else first.
    fn note_what_is_missing(&self, hello: &ClientHello<'_>) {
        let suites = hello.cipher_suites();
        // A client without groups has none in common.
        let groups = hello.named_groups().unwrap_or_default();
        if !suites.iter().any(|s| self.suites.contains(s)) {
            let real = suites.iter().filter(|s| **s != SIGNAL);
            let names: Vec<_> = real.map(|s| suite_name(*s)).collect();
            keylog::note_cause(missing(USOCKET_ETLS_NO_COMMON_SUITE, &names));
        } else if !groups.iter().any(|g| self.groups.contains(g)) {
            let names: Vec<_> = groups.iter().map(|g| group_name(*g)).collect();
            keylog::note_cause(missing(USOCKET_ETLS_NO_COMMON_GROUP, &names));
        }
    }

    /// A key that fits no client: for it rustls sends handshake_failure; for a missing key it would
    /// send nothing, or access_denied.
    fn none(list: &[Identity]) -> Option<Arc<CertifiedKey>> {
        let kinds: Vec<_> = list.iter().map(|i| format!("{:?}", i.key.key.algorithm())).collect();
        let words = format!(
            "no signature algorithm in common with the peer: it accepts no signature by the keys here ({})",
            kinds.join(", ")
        );
        keylog::note_cause(Cause::new(USOCKET_ETLS_NO_COMMON_SIGNATURE, words));
        Some(Arc::new(CertifiedKey::new(Vec::new(), Arc::new(NoKey))))
    }

    /// No key: rustls then queues access_denied, which is replaced by unrecognized_name before it
    /// is sent.
    fn refuse(name: Option<&str>, why: &str) -> Option<Arc<CertifiedKey>> {
        let whom = name.map_or_else(|| "without a server name".into(), |n| format!("for {n:?}"));
        let words = format!("no certificate for a client that asks {whom}: {why}");
        keylog::note_cause(Cause::new(USOCKET_ETLS_NAME_REFUSED, words));
        None
    }
}

/// A signalling value, not a cipher suite.
const SIGNAL: CipherSuite = CipherSuite::TLS_EMPTY_RENEGOTIATION_INFO_SCSV;

/// The sentence for a client that shares none of the context's choices.
fn missing(code: i32, offered: &[String]) -> Cause {
    /// How many to list: a client may offer hundreds.
    const MOST: usize = 4;
    let more = if offered.len() > MOST { ", ..." } else { "" };
    let list = match offered {
        [] => "none known here".into(),
        offered => format!("only {}{more}", offered[..offered.len().min(MOST)].join(", ")),
    };
    Cause::new(code, format!("{}: the client offers {list}", crate::error::message(code)))
}

/// See [`Identities::none`].
#[derive(Debug)]
struct NoKey;

impl SigningKey for NoKey {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        None
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::Anonymous
    }
}

impl ResolvesServerCert for Identities {
    /// Chooses by name among the certificates with a key the client supports; else the first of
    /// those.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        // "" stands for no name. The callback may use other connections on this thread, and they
        // write notes as well.
        let chosen = self.by_name.as_ref().map_or(Chosen::Own, |f| f.0(name.unwrap_or_default()));
        keylog::note_server_name(name);
        let list = match &chosen {
            Chosen::Own => &self.list,
            Chosen::Those(list) => list,
            Chosen::Nothing(why) => return Self::refuse(name, why),
        };
        if list.is_empty() {
            return Self::refuse(name, "no certificate was added");
        }
        let schemes = hello.signature_schemes();
        let named = name.map(str::to_ascii_lowercase);
        let by_name = named.and_then(|n| list.iter().find(|i| i.is_for(&n) && i.suits(schemes)));
        let chosen = by_name.or_else(|| list.iter().find(|i| i.suits(schemes)));
        let chosen = chosen.map(|i| i.key.clone()).or_else(|| Self::none(list));
        self.note_what_is_missing(&hello);
        chosen
    }
}

impl ResolvesClientCert for Identities {
    fn resolve(&self, _hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.list.iter().find(|i| i.suits(schemes)).map(|i| i.key.clone())
    }

    fn has_certs(&self) -> bool {
        !self.list.is_empty()
    }
}
