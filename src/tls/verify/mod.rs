//! The verifier for both roles: webpki's chains, and further features for small devices.
//!
//! The order of checks: the certificate itself is trusted (then its dates, its purpose, the
//! revocation lists and its name are checked, the common name if it has no alternative names), or a
//! chain leads from it to a trust anchor; revocation lists; the name; the stapled status; pinned
//! keys; the verify callback. The kind of rustls error of a refusal determines the alert.

mod anchor;
mod itself;
pub mod lasting;
pub mod lists;
mod refusal;
pub mod staple;

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as Tls, ExtendedKeyPurpose,
    SignatureScheme,
};
use webpki::{Error as Pki, KeyUsage};

use crate::error::causes::*;
use crate::tls::material::keylog::note_words;
use crate::tls::material::provider;
use crate::tls::material::roots::Trusted;
use crate::tls::material::x509::Facts;
use lasting::Lasting;
use lists::{CrlPolicy, List};
use refusal::{CLIENT_AUTH, Refused, SERVER_AUTH, bad_key, refuse, unix, wrong_name};
use staple::Staples;

/// The requirement for the peer's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// None (a server does not request one, unless pins or a callback are set).
    None,
    /// If there is one, it must verify.
    Optional,
    /// There must be one, and it must verify.
    Required,
}

/// The verify callback: certificate and depth; 0 accepts.
pub type Callback = dyn Fn(&[u8], i32) -> i32 + Send + Sync;

/// See the module documentation.
pub struct Verifier {
    /// The requirement for the peer's certificate.
    pub mode: Mode,
    /// Whether a client checks the name.
    pub check_name: bool,
    /// The trusted certificates, in the order they are tried.
    pub trusted: Vec<Arc<Trusted>>,
    /// Revocation lists.
    pub lists: Vec<Arc<List>>,
    /// How they are used.
    pub crl_policy: CrlPolicy,
    /// The requirement for a stapled status.
    pub staples: Staples,
    /// SHA-256 of SubjectPublicKeyInfo.
    pub keys: Vec<[u8; 32]>,
    /// The verify callback.
    pub callback: Option<Arc<Callback>>,
    /// The cryptography.
    pub provider: Arc<CryptoProvider>,
    /// Sent to clients as a hint for the certificate to present.
    pub hints: Vec<DistinguishedName>,
    /// The clock was set by the program.
    pub own_clock: bool,
    /// For a client: the expiry of verifications.
    pub lasting: Lasting,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// The peer's role.
#[derive(Clone, Copy)]
pub enum Usage {
    /// A server.
    Server,
    /// A client.
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

    fn oid(self) -> &'static [u8] {
        match self {
            Usage::Server => SERVER_AUTH,
            Usage::Client => CLIENT_AUTH,
        }
    }
}

/// An accepted chain, the peer's own certificate first.
pub type Path = Vec<CertificateDer<'static>>;

impl Verifier {
    /// Verifies the peer; returns the time until which its dates hold. A server's stapled status is
    /// empty if there is none.
    pub fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: Option<&ServerName<'_>>,
        staple: &[u8],
        now: UnixTime,
        usage: Usage,
    ) -> Result<UnixTime, Tls> {
        let path = self.accepted(leaf, chain, name, now, usage)?;
        let mut until = self.holds_until(&path);
        if self.mode != Mode::None && matches!(usage, Usage::Server) {
            until = until.min(self.judge_staple(&path, chain, staple, now)?);
        }
        self.judge_keys(&path)?;
        self.ask(&path)?;
        Ok(until)
    }

    fn algorithms(&self) -> &'static [&'static dyn SignatureVerificationAlgorithm] {
        self.provider.signature_verification_algorithms.all
    }

    /// The accepted chain, before pins and the callback.
    pub fn accepted(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: Option<&ServerName<'_>>,
        now: UnixTime,
        usage: Usage,
    ) -> Result<Path, Tls> {
        if self.mode == Mode::None {
            Ok(vec![leaf.clone().into_owned()])
        } else if self.trusted.iter().any(|t| t.holds(leaf)) {
            self.judge_itself(leaf, chain, name, now, usage)?;
            Ok(vec![leaf.clone().into_owned()])
        } else {
            self.judge_chain(leaf, chain, name, now, usage)
        }
    }

    /// Whether a server requests a certificate: also if there are pins or a callback.
    pub fn wants_certificate(&self) -> bool {
        self.mode != Mode::None || self.decides()
    }

    /// Whether it must present one.
    pub fn requires_certificate(&self) -> bool {
        self.mode == Mode::Required || self.mode == Mode::None && self.decides()
    }

    fn decides(&self) -> bool {
        self.callback.is_some() || !self.keys.is_empty()
    }

    fn clock_words(&self) -> &'static str {
        if self.own_clock { "the clock set by the program says" } else { "clock says" }
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
        let refused = Refused { verifier: self, leaf, facts: &facts, chain, usage };
        let parsed = webpki::EndEntityCert::try_from(leaf).map_err(|e| refused.translate(e))?;
        let algorithms = self.algorithms();
        let lists = lists::in_order(&self.lists, now);
        let lists: Vec<_> = lists.into_iter().map(List::parsed).collect();
        let mut worst = Pki::UnknownIssuer;
        for trusted in &self.trusted {
            // Its only error is an empty list.
            let revocation = webpki::RevocationOptionsBuilder::new(&lists).ok();
            // The accepted path, with the trusted certificate if available.
            let accepted = RefCell::new(Path::new());
            let finish = |path: &webpki::VerifiedPath<'_>| {
                *accepted.borrow_mut() = whole(trusted, leaf, path, now, usage)?;
                Ok(())
            };
            match parsed.verify_for_usage(
                algorithms,
                trusted.anchors(),
                chain,
                now,
                usage.webpki(),
                revocation.map(|r| self.crl_policy.apply(r)),
                Some(&finish),
            ) {
                Ok(_) => {
                    if let Some(name) = name.filter(|_| self.check_name) {
                        parsed.verify_is_valid_for_subject_name(name).map_err(|e| match e {
                            Pki::CertNotValidForName(_) => wrong_name(name, &facts),
                            e => refused.translate(e),
                        })?;
                    }
                    let path = accepted.into_inner();
                    self.judge_beginnings(&path, now)?;
                    return Ok(path);
                }
                Err(e) if matches!(worst, Pki::UnknownIssuer) => worst = e,
                Err(_) => {}
            }
        }
        Err(refused.translate(worst))
    }

    /// The earliest expiry of the path's certificates and of lists that cover them.
    fn holds_until(&self, path: &Path) -> UnixTime {
        let mut until = unix(i64::MAX);
        if self.mode == Mode::None {
            return until;
        }
        for facts in path.iter().filter_map(|c| Facts::of(c)) {
            until = until.min(unix(facts.not_after));
            for list in self.lists.iter().filter(|l| l.is_by_issuer_of(&facts)) {
                if !self.crl_policy.allow_expired {
                    until = until.min(list.next_update());
                }
            }
        }
        until
    }

    fn judge_keys(&self, path: &Path) -> Result<(), Tls> {
        let pinned = |cert: &CertificateDer<'_>| {
            let hash = Facts::of(cert).and_then(|f| provider::sha256(&self.provider, f.key));
            hash.is_some_and(|h| self.keys.contains(&h))
        };
        if self.keys.is_empty() || path.iter().any(pinned) {
            return Ok(());
        }
        let words = "the key of the certificate matches none of the pinned keys";
        Err(refuse(USOCKET_ETLS_CERT_NOT_PINNED, words))
    }

    fn ask(&self, path: &Path) -> Result<(), Tls> {
        let Some(callback) = &self.callback else { return Ok(()) };
        for (depth, cert) in path.iter().enumerate().rev() {
            if crate::sys::fork::host(|| callback(cert, depth as i32)) != 0 {
                return Err(CertificateError::ApplicationVerificationFailure.into());
            }
        }
        Ok(())
    }

    /// Makes the sentence for a bad signature of the handshake, not of the certificate; or for an
    /// unacceptable key.
    fn not_its_key(&self, e: Tls, cert: &CertificateDer<'_>) -> Tls {
        let algorithms = &self.provider.signature_verification_algorithms;
        let bad = Facts::of(cert).and_then(|f| bad_key("the certificate", f.key, algorithms));
        if let Some(bad) = bad {
            return bad;
        }
        if e == CertificateError::BadSignature.into() {
            note_words("the peer does not have the private key of its certificate".into());
        }
        e
    }
}

/// The path of a chain that webpki accepted, after the checks that webpki does not make.
fn whole(
    trusted: &Trusted,
    leaf: &CertificateDer<'_>,
    path: &webpki::VerifiedPath<'_>,
    now: UnixTime,
    usage: Usage,
) -> Result<Path, Pki> {
    let root = trusted.root_of(path.anchor());
    root.map_or(Ok(()), |root| anchor::check(root, path, now, usage))?;
    // webpki does not check key usage. (Roots that may not sign are not anchors.)
    let signs = |c: &[u8]| Facts::of(c).is_some_and(|f| f.key_may_sign());
    if !path.intermediate_certificates().all(|c| signs(&c.der())) {
        return Err(Pki::EndEntityUsedAsCa);
    }
    let mut all = vec![leaf.clone().into_owned()];
    all.extend(path.intermediate_certificates().map(|c| c.der().into_owned()));
    all.extend(root.cloned());
    Ok(all)
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
            verify_tls12_signature(message, cert, dss, algorithms)
                .map_err(|e| self.not_its_key(e, cert))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Tls> {
            let algorithms = &self.provider.signature_verification_algorithms;
            verify_tls13_signature(message, cert, dss, algorithms)
                .map_err(|e| self.not_its_key(e, cert))
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
        staple: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Tls> {
        let until = self.judge(leaf, chain, Some(name), staple, now, Usage::Server)?;
        self.lasting.verified(name, until, now);
        Ok(ServerCertVerified::assertion())
    }

    signatures!();
}

impl ClientCertVerifier for Verifier {
    fn offer_client_auth(&self) -> bool {
        self.wants_certificate()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.requires_certificate()
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
        self.judge(leaf, chain, None, &[], now, Usage::Client)
            .map(|_| ClientCertVerified::assertion())
    }

    signatures!();
}
