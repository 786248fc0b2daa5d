//! The one verifier, for both roles: webpki's chains, and what users of small devices need beside.
//!
//! In this order: the certificate is one the user gave as trusted (a "pinned" certificate: then
//! its dates count, and its common name where it has no alternative names), or a chain leads from
//! it to a trusted one; revocation lists; the name; pinned keys; the verify callback. What refuses
//! says which alert the peer gets, by the kind of rustls error it gives.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as Tls, ExtendedKeyPurpose,
    OtherError, SignatureScheme,
};
use webpki::{Error as Pki, KeyUsage};

use crate::error::causes::*;
use crate::tls::Cause;
use crate::tls::material::der::Facts;
use crate::tls::material::keylog::note_words;
use crate::tls::material::provider;
use crate::tls::material::roots::Anchors;

/// How much is asked of the peer's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing (a server does not even ask for one).
    None,
    /// If there is one, it must verify.
    Optional,
    /// There must be one, and it must verify.
    Required,
}

/// What decides last: certificate and depth; 0 accepts.
pub type Callback = dyn Fn(&[u8], i32) -> i32 + Send + Sync;

/// How revocation lists are used.
#[derive(Clone, Copy, Default)]
pub struct CrlPolicy {
    /// Only the peer's own certificate.
    pub leaf_only: bool,
    /// No list for an issuer: pass.
    pub allow_unknown: bool,
    /// Lists past their next update count.
    pub allow_expired: bool,
}

/// See the module documentation.
pub struct Verifier {
    pub(super) mode: Mode,
    pub(super) check_name: bool,
    /// Given by the user, whole: pins, and roots.
    pub(super) pinned: Vec<CertificateDer<'static>>,
    /// In the order they are tried.
    pub(super) anchors: Vec<Anchors>,
    pub(super) crls: Vec<webpki::CertRevocationList<'static>>,
    pub(super) crl_policy: CrlPolicy,
    /// SHA-256 of SubjectPublicKeyInfo.
    pub(super) keys: Vec<[u8; 32]>,
    pub(super) callback: Option<Arc<Callback>>,
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) hints: Vec<DistinguishedName>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// What the peer is.
#[derive(Clone, Copy)]
enum Usage {
    Server,
    Client,
}

impl Usage {
    fn webpki(self) -> KeyUsage {
        match self {
            Usage::Server => KeyUsage::server_auth(),
            Usage::Client => KeyUsage::client_auth(),
        }
    }

    fn purpose(self) -> ExtendedKeyPurpose {
        match self {
            Usage::Server => ExtendedKeyPurpose::ServerAuth,
            Usage::Client => ExtendedKeyPurpose::ClientAuth,
        }
    }
}

/// A chain that was accepted: the peer's own certificate first.
type Path = Vec<CertificateDer<'static>>;

fn refuse(code: i32, words: impl Into<String>) -> Tls {
    let cause = Cause::new(code, words);
    Tls::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(cause))))
}

impl Verifier {
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: Option<&ServerName<'_>>,
        now: UnixTime,
        usage: Usage,
    ) -> Result<(), Tls> {
        let path = if self.mode == Mode::None {
            vec![leaf.clone().into_owned()]
        } else if let Some(pinned) = self.pinned.iter().find(|p| **p == *leaf) {
            self.judge_pinned(pinned, name, now, usage)?;
            vec![pinned.clone()]
        } else {
            self.judge_chain(leaf, chain, name, now, usage)?
        };
        self.judge_keys(&path)?;
        self.ask(&path)
    }

    fn judge_pinned(
        &self,
        cert: &CertificateDer<'_>,
        name: Option<&ServerName<'_>>,
        time: UnixTime,
        usage: Usage,
    ) -> Result<(), Tls> {
        let bad = || Tls::InvalidCertificate(CertificateError::BadEncoding);
        let facts = Facts::of(cert).ok_or_else(bad)?;
        let unix = |secs: i64| {
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(secs.max(0) as u64))
        };
        let (not_before, not_after) = (unix(facts.not_before), unix(facts.not_after));
        if time < not_before {
            return Err(CertificateError::NotValidYetContext { time, not_before }.into());
        }
        if time > not_after {
            return Err(CertificateError::ExpiredContext { time, not_after }.into());
        }
        let Some(name) = name.filter(|_| self.check_name) else { return Ok(()) };
        if facts.has_alt_names() {
            let parsed =
                webpki::EndEntityCert::try_from(cert).map_err(|e| translate(e, &facts, usage))?;
            return parsed
                .verify_is_valid_for_subject_name(name)
                .map_err(|e| translate(e, &facts, usage));
        }
        match &facts.common_name {
            Some(cn) if common_name_is(cn, name) => Ok(()),
            _ => Err(name_error(name, facts.names())),
        }
    }

    fn judge_chain(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: Option<&ServerName<'_>>,
        now: UnixTime,
        usage: Usage,
    ) -> Result<Path, Tls> {
        let facts = Facts::of(leaf).ok_or(CertificateError::BadEncoding)?;
        let parsed =
            webpki::EndEntityCert::try_from(leaf).map_err(|e| translate(e, &facts, usage))?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let lists: Vec<_> = self.crls.iter().collect();
        let mut refused = Pki::UnknownIssuer;
        for anchors in &self.anchors {
            let revocation = webpki::RevocationOptionsBuilder::new(&lists).ok();
            let revocation = revocation.map(|r| self.crl_policy.apply(r).build());
            match parsed.verify_for_usage(
                algorithms,
                anchors,
                chain,
                now,
                usage.webpki(),
                revocation,
                None,
            ) {
                Ok(path) => {
                    if let Some(name) = name.filter(|_| self.check_name) {
                        parsed.verify_is_valid_for_subject_name(name).map_err(|e| match e {
                            Pki::CertNotValidForName(_) => name_error(name, facts.names()),
                            e => translate(e, &facts, usage),
                        })?;
                    }
                    return Ok(self.path(leaf, &path));
                }
                Err(e) if matches!(refused, Pki::UnknownIssuer) => refused = e,
                Err(_) => {}
            }
        }
        Err(translate(refused, &facts, usage))
    }

    /// The accepted chain, with the trusted certificate where we have it whole.
    fn path(&self, leaf: &CertificateDer<'_>, path: &webpki::VerifiedPath<'_>) -> Path {
        let mut all = vec![leaf.clone().into_owned()];
        if self.keys.is_empty() && self.callback.is_none() {
            return all;
        }
        all.extend(path.intermediate_certificates().map(|c| c.der().into_owned()));
        let anchor = path.anchor();
        let root = self.pinned.iter().find(|p| {
            webpki::anchor_from_trusted_cert(p).is_ok_and(|a| {
                a.subject == anchor.subject
                    && a.subject_public_key_info == anchor.subject_public_key_info
            })
        });
        // A certificate that is trusted itself is the whole path.
        all.extend(root.filter(|root| *root != leaf).cloned());
        all
    }

    fn judge_keys(&self, path: &Path) -> Result<(), Tls> {
        let pinned = |cert: &CertificateDer<'_>| {
            let hash = Facts::of(cert).and_then(|f| provider::sha256(&self.provider, f.key));
            hash.is_some_and(|h| self.keys.contains(&h))
        };
        if self.keys.is_empty() || path.iter().any(pinned) {
            return Ok(());
        }
        let words = "the key of the certificate is none of the pinned ones";
        Err(refuse(USOCKET_ETLS_CERT_NOT_PINNED, words))
    }

    fn ask(&self, path: &Path) -> Result<(), Tls> {
        let Some(callback) = &self.callback else { return Ok(()) };
        for (depth, cert) in path.iter().enumerate().rev() {
            if callback(cert, depth as i32) != 0 {
                return Err(CertificateError::ApplicationVerificationFailure.into());
            }
        }
        Ok(())
    }
}

impl CrlPolicy {
    fn apply<'a>(
        self,
        mut r: webpki::RevocationOptionsBuilder<'a>,
    ) -> webpki::RevocationOptionsBuilder<'a> {
        use webpki::{ExpirationPolicy, RevocationCheckDepth, UnknownStatusPolicy};
        if self.leaf_only {
            r = r.with_depth(RevocationCheckDepth::EndEntity);
        }
        if self.allow_unknown {
            r = r.with_status_policy(UnknownStatusPolicy::Allow);
        }
        r.with_expiration_policy(if self.allow_expired {
            ExpirationPolicy::Ignore
        } else {
            ExpirationPolicy::Enforce
        })
    }
}

fn name_error(name: &ServerName<'_>, presented: Vec<String>) -> Tls {
    CertificateError::NotValidForNameContext { expected: name.to_owned(), presented }.into()
}

/// A common name against the name that is expected: equal, or a wildcard for the first label.
fn common_name_is(cn: &str, name: &ServerName<'_>) -> bool {
    match name {
        ServerName::DnsName(dns) => {
            let dns = dns.as_ref().trim_end_matches('.');
            match cn.strip_prefix("*.") {
                Some(domain) => {
                    dns.split_once('.').is_some_and(|(_, d)| d.eq_ignore_ascii_case(domain))
                }
                None => cn.eq_ignore_ascii_case(dns),
            }
        }
        ServerName::IpAddress(ip) => {
            cn.parse::<std::net::IpAddr>().is_ok_and(|cn| cn == std::net::IpAddr::from(*ip))
        }
        _ => false,
    }
}

/// webpki's refusals as rustls', so that the peer gets the alert that belongs to them.
fn translate(e: Pki, facts: &Facts<'_>, usage: Usage) -> Tls {
    use CertificateError as C;
    match e {
        Pki::CertExpired { time, not_after } => C::ExpiredContext { time, not_after }.into(),
        Pki::CertNotValidYet { time, not_before } => {
            C::NotValidYetContext { time, not_before }.into()
        }
        Pki::CertNotValidForName(c) => {
            C::NotValidForNameContext { expected: c.expected, presented: facts.names() }.into()
        }
        Pki::CertRevoked => C::Revoked.into(),
        Pki::UnknownRevocationStatus => C::UnknownRevocationStatus.into(),
        Pki::CrlExpired { time, next_update } => {
            C::ExpiredRevocationListContext { time, next_update }.into()
        }
        // A certificate that is its own issuer and not among the trusted ones: that is the cause,
        // whatever else may be wrong with it.
        Pki::UnknownIssuer | Pki::CaUsedAsEndEntity if facts.self_issued => {
            note_words("the certificate is self-signed, and not among the trusted ones".into());
            C::UnknownIssuer.into()
        }
        Pki::UnknownIssuer => {
            let issuer = facts.issuer.as_deref().unwrap_or("an issuer without a name");
            note_words(format!(
                "the certificate was issued by {issuer:?}, and no chain leads from there to a trusted one"
            ));
            C::UnknownIssuer.into()
        }
        Pki::CaUsedAsEndEntity => refuse(
            USOCKET_ETLS_CERT_IS_CA,
            "the peer's own certificate is a CA certificate, and not itself among the trusted ones",
        ),
        Pki::InvalidSignatureForPublicKey | Pki::SignatureAlgorithmMismatch => {
            C::BadSignature.into()
        }
        Pki::RequiredEkuNotFoundContext(_) | Pki::EmptyEkuExtension => {
            C::InvalidPurposeContext { required: usage.purpose(), presented: Vec::new() }.into()
        }
        Pki::BadDer
        | Pki::BadDerTime
        | Pki::TrailingData(_)
        | Pki::ExtensionValueInvalid
        | Pki::InvalidCertValidity
        | Pki::InvalidSerialNumber
        | Pki::MalformedDnsIdentifier
        | Pki::MalformedExtensions => C::BadEncoding.into(),
        Pki::UnsupportedCriticalExtension => C::UnhandledCriticalExtension.into(),
        Pki::InvalidCrlSignatureForPublicKey
        | Pki::InvalidCrlNumber
        | Pki::IssuerNotCrlSigner
        | Pki::UnsupportedCrlVersion
        | Pki::UnsupportedDeltaCrl
        | Pki::UnsupportedIndirectCrl
        | Pki::UnsupportedCrlIssuingDistributionPoint
        | Pki::UnsupportedRevocationReason
        | Pki::UnsupportedRevocationReasonsPartitioning
        | Pki::UnsupportedCrlSignatureAlgorithmContext(_)
        | Pki::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => {
            refuse(USOCKET_ETLS_CRL_INVALID, format!("a revocation list is not usable: {e}"))
        }
        Pki::UnsupportedSignatureAlgorithmContext(_)
        | Pki::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
        | Pki::UnsupportedCertVersion
        | Pki::UnsupportedNameType => refuse(
            USOCKET_ETLS_CERT_UNSUPPORTED,
            format!("the certificate uses something that is not supported: {e}"),
        ),
        e => refuse(USOCKET_ETLS_CERT_CONSTRAINT, format!("the certificate chain is refused: {e}")),
    }
}

/// Says that it is the handshake that is signed wrongly, not the certificate.
fn not_its_key(e: Tls) -> Tls {
    if e == CertificateError::BadSignature.into() {
        note_words("the peer does not have the private key of the certificate it shows".into());
    }
    e
}

macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Tls> {
            let algorithms = &self.provider.signature_verification_algorithms;
            verify_tls12_signature(message, cert, dss, algorithms).map_err(not_its_key)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Tls> {
            let algorithms = &self.provider.signature_verification_algorithms;
            verify_tls13_signature(message, cert, dss, algorithms).map_err(not_its_key)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.provider.signature_verification_algorithms.supported_schemes()
        }
    };
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Tls> {
        self.judge(leaf, chain, Some(name), now, Usage::Server)
            .map(|()| ServerCertVerified::assertion())
    }

    signatures!();
}

impl ClientCertVerifier for Verifier {
    fn offer_client_auth(&self) -> bool {
        self.mode != Mode::None
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mode == Mode::Required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Tls> {
        self.judge(leaf, chain, None, now, Usage::Client).map(|()| ClientCertVerified::assertion())
    }

    signatures!();
}
