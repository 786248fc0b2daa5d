//! Which certificate is presented.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};

use crate::error::causes::*;
use crate::tls::Cause;
use crate::tls::material::der::Facts;
use crate::tls::material::keylog;
use crate::tls::material::pem;

/// A certificate with its key, and the names it is for.
#[derive(Clone, Debug)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
}

impl Identity {
    /// Reads certificate (with its issuers) and key. `check` says whether they must belong together;
    /// unchecked, a peer finds out: what the key signs is not the certificate's.
    pub fn new(
        provider: &CryptoProvider,
        cert: &[u8],
        key: &[u8],
        check: bool,
    ) -> Result<Self, Cause> {
        let certs = pem::certificates(cert)?;
        let invalid = |words: &str| Cause::new(USOCKET_ETLS_CERT_INVALID, words);
        let first = certs.first().cloned().unwrap_or_else(|| Vec::new().into());
        let Some(facts) = Facts::of(&first) else {
            return Err(invalid("the certificate is not one"));
        };
        let mut names: Vec<_> = facts.dns_names().map(str::to_ascii_lowercase).collect();
        if !facts.has_alt_names() {
            names.extend(facts.common_name.as_ref().map(|cn| cn.to_ascii_lowercase()));
        }
        let key = pem::private_key(key)?;
        let key = provider.key_provider.load_private_key(key).map_err(|e| {
            Cause::new(USOCKET_ETLS_KEY_INVALID, format!("the private key cannot be used: {e}"))
        })?;
        // A key that cannot say what its public half is passes, as in rustls.
        let another =
            |key: &dyn SigningKey| key.public_key().is_some_and(|p| p.as_ref() != facts.key);
        if check && another(&*key) {
            return Err(Cause::plain(USOCKET_ETLS_KEY_MISMATCH));
        }
        let key = CertifiedKey::new(certs, key);
        Ok(Identity { key: Arc::new(key), names })
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

/// All of a context's.
#[derive(Debug)]
pub struct Identities(pub Vec<Identity>);

impl ResolvesServerCert for Identities {
    /// By name, among those whose key the client knows; else the first that it knows.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        keylog::note_server_name(name);
        let schemes = hello.signature_schemes();
        let named = name.map(str::to_ascii_lowercase);
        let by_name = named.and_then(|n| self.0.iter().find(|i| i.is_for(&n) && i.suits(schemes)));
        let chosen = by_name.or_else(|| self.0.iter().find(|i| i.suits(schemes)));
        // One that does not suit lets rustls say so, better than none at all would.
        chosen.or(self.0.first()).map(|i| i.key.clone())
    }
}

impl ResolvesClientCert for Identities {
    fn resolve(&self, _hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.iter().find(|i| i.suits(schemes)).map(|i| i.key.clone())
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}
