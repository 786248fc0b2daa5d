//! Revocation lists: as webpki uses them for chains, and for a certificate that is trusted itself.

use std::sync::Arc;

use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, SignatureVerificationAlgorithm, UnixTime,
};
use rustls::{CertificateError, Error as Tls};

use crate::error::causes::*;
use crate::tls::Cause;
use crate::tls::material::x509::{Facts, ListFacts, Signed};
use crate::tls::verify::refusal::{list_words, refuse, unix};

/// How revocation lists are used.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct CrlPolicy {
    /// Only the peer's own certificate.
    pub leaf_only: bool,
    /// No list for an issuer: pass.
    pub allow_unknown: bool,
    /// Lists past their next update count.
    pub allow_expired: bool,
}

impl CrlPolicy {
    /// As webpki has it.
    pub fn apply<'a>(
        self,
        mut r: webpki::RevocationOptionsBuilder<'a>,
    ) -> webpki::RevocationOptions<'a> {
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
        .build()
    }
}

/// A list that can be used: what cannot was refused when it was given.
pub struct List {
    der: CertificateRevocationListDer<'static>,
    parsed: webpki::CertRevocationList<'static>,
    facts: ListFacts,
}

impl List {
    /// Reads it whole, each entry: there is no second reading that could differ.
    ///
    /// # Errors
    /// `USOCKET_ETLS_CRL_INVALID`.
    pub fn new(der: CertificateRevocationListDer<'static>) -> Result<List, Cause> {
        let invalid = |words: String| Cause::new(USOCKET_ETLS_CRL_INVALID, words);
        let why = |e| match e {
            webpki::Error::UnsupportedCriticalExtension => {
                "it has a critical extension that is not supported"
            }
            e => list_words(&e).unwrap_or("it is not proper DER, or lacks what RFC 5280 asks for"),
        };
        let parsed = webpki::OwnedCertRevocationList::from_der(&der)
            .map_err(|e| invalid(format!("invalid revocation list: {}", why(e))))?;
        let facts = ListFacts::of(&der).ok_or_else(|| invalid("invalid revocation list".into()))?;
        Ok(List { der, parsed: parsed.into(), facts })
    }

    /// webpki's view of it.
    pub fn parsed(&self) -> &webpki::CertRevocationList<'static> {
        &self.parsed
    }

    /// Whether it is by the issuer of a certificate.
    pub fn is_by_issuer_of(&self, facts: &Facts<'_>) -> bool {
        self.parsed.issuer() == facts.issuer_name
    }

    /// From when on it no longer counts.
    pub fn next_update(&self) -> UnixTime {
        unix(self.facts.next_update)
    }
}

/// What asking a list needs beside the certificate.
pub struct Question<'a> {
    /// All lists.
    pub lists: &'a [Arc<List>],
    /// How they are used.
    pub policy: CrlPolicy,
    /// What signatures can be checked with.
    pub algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
    /// The time.
    pub now: UnixTime,
}

impl Question<'_> {
    /// Whether the lists let pass a certificate that is trusted itself, so that no chain leads from
    /// it. `known` are certificates that may be its issuer's: whether they are, its own signature
    /// says, so that it does not matter who sent them.
    pub fn ask<'c>(
        &self,
        cert: &CertificateDer<'_>,
        facts: &Facts<'_>,
        known: impl Iterator<Item = &'c [u8]> + Clone,
    ) -> Result<(), Tls> {
        if self.lists.is_empty() {
            return Ok(());
        }
        let mut covered = false;
        for list in self.lists.iter().filter(|l| l.is_by_issuer_of(facts)) {
            // Whoever signed it: the program gave the list, and it can only refuse.
            if !matches!(list.parsed.find_serial(facts.serial), Ok(None)) {
                return Err(CertificateError::Revoked.into());
            }
            if list.facts.partial {
                continue;
            }
            let signs = |issuer: &CertificateDer<'_>| {
                let by = |signed: &[u8]| signed_by(self.algorithms, signed, issuer);
                by(&list.der) && by(cert)
            };
            let by_issuer = signs(cert)
                || known
                    .clone()
                    .filter(|c| Facts::of(c).is_some_and(|f| f.subject_name == facts.issuer_name))
                    .any(|c| signs(&CertificateDer::from(c)));
            if !by_issuer {
                let words = "a revocation list is not usable: its signature is not by the issuer of the certificate";
                return Err(refuse(USOCKET_ETLS_CRL_INVALID, words));
            }
            let (time, next_update) = (self.now, list.next_update());
            if time >= next_update && !self.policy.allow_expired {
                return Err(
                    CertificateError::ExpiredRevocationListContext { time, next_update }.into()
                );
            }
            covered = true;
        }
        if covered || self.policy.allow_unknown {
            Ok(())
        } else {
            Err(CertificateError::UnknownRevocationStatus.into())
        }
    }
}

/// Whether something is signed with the key of a certificate.
pub fn signed_by(
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    signed: &[u8],
    by: &CertificateDer<'_>,
) -> bool {
    let check = || {
        let signed = Signed::of(signed)?;
        let by = webpki::EndEntityCert::try_from(by).ok()?;
        let mut fitting =
            algorithms.iter().filter(|a| a.signature_alg_id().as_ref() == signed.algorithm);
        fitting
            .any(|a| by.verify_signature(*a, signed.body, signed.signature).is_ok())
            .then_some(())
    };
    check().is_some()
}
