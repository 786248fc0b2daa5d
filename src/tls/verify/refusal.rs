//! Translates webpki's refusals to rustls', so that the peer gets the proper alert, and makes
//! sentences that name the problem and the certificate.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error as Tls, ExtendedKeyPurpose, OtherError};
use webpki::Error as Pki;

use crate::error::causes::*;
use crate::tls::Cause;
use crate::tls::material::algorithm::{Key, is_weak_signature, signature_name};
use crate::tls::material::der::{date, oid_text};
use crate::tls::material::keylog::{note_cause, note_words};
use crate::tls::material::x509::{Facts, Signed};
use crate::tls::verify::anchor::unknown_extension;
use crate::tls::verify::{Usage, Verifier};

/// A refusal with a code of its own; the peer gets the alert certificate_unknown.
pub fn refuse(code: i32, words: impl Into<String>) -> Tls {
    let cause = Cause::new(code, words);
    Tls::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(cause))))
}

/// A refusal with a code of its own, and the alert of another error.
pub fn refuse_as(alert: CertificateError, code: i32, words: impl Into<String>) -> Tls {
    note_cause(Cause::new(code, words));
    alert.into()
}

/// Seconds since 1970.
pub fn unix(secs: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(secs.max(0) as u64))
}

/// A moment, for sentences.
pub fn day(t: UnixTime) -> String {
    date(i64::try_from(t.as_secs()).unwrap_or(i64::MAX / 2))
}

/// The refusal of a wrong name. `certificate` has the actual names.
pub fn wrong_name(name: &ServerName<'_>, certificate: &Facts<'_>) -> Tls {
    let presented = certificate.names();
    if let (false, Some(common)) = (certificate.has_alt_names(), &certificate.common_name) {
        note_words(format!(
            "the certificate is not valid for {}: it has no subject alternative name, and its common name ({common}) is ignored",
            name.to_str(),
        ));
    }
    CertificateError::NotValidForNameContext { expected: name.to_owned(), presented }.into()
}

/// The refusal of a wrong purpose.
pub fn wrong_purpose(usage: Usage, purposes: &[&[u8]]) -> Tls {
    use ExtendedKeyPurpose as P;
    let presented = purposes.iter().map(|oid| match *oid {
        SERVER_AUTH => P::ServerAuth,
        CLIENT_AUTH => P::ClientAuth,
        oid => P::Other(oid_text(oid).split('.').filter_map(|arc| arc.parse().ok()).collect()),
    });
    let presented = presented.collect();
    CertificateError::InvalidPurposeContext { required: usage.purpose(), presented }.into()
}

/// id-kp-serverAuth
pub const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
/// id-kp-clientAuth
pub const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

/// A refused chain.
pub struct Refused<'a> {
    /// The verifier that refused it.
    pub verifier: &'a Verifier,
    /// The peer's own certificate.
    pub leaf: &'a CertificateDer<'a>,
    /// Its contents.
    pub facts: &'a Facts<'a>,
    /// The other certificates sent with it.
    pub chain: &'a [CertificateDer<'a>],
    /// The required purpose.
    pub usage: Usage,
}

impl Refused<'_> {
    /// rustls' error for webpki's.
    pub fn translate(&self, e: Pki) -> Tls {
        use CertificateError as C;
        match e {
            Pki::CertExpired { time, not_after } => {
                self.note_other(|f| f.not_after, not_after, "expired", time);
                C::ExpiredContext { time, not_after }.into()
            }
            Pki::CertNotValidYet { time, not_before } => {
                self.note_other(|f| f.not_before, not_before, "is not valid before", time);
                C::NotValidYetContext { time, not_before }.into()
            }
            Pki::CertNotValidForName(c) => {
                C::NotValidForNameContext { expected: c.expected, presented: c.presented }.into()
            }
            Pki::CertRevoked => C::Revoked.into(),
            Pki::UnknownRevocationStatus => C::UnknownRevocationStatus.into(),
            Pki::CrlExpired { time, next_update } => {
                C::ExpiredRevocationListContext { time, next_update }.into()
            }
            // A self-issued certificate that is not trusted: report that, whatever else may be
            // wrong with it.
            Pki::UnknownIssuer | Pki::CaUsedAsEndEntity if self.facts.self_issued => {
                note_words("the certificate is self-signed and not trusted".into());
                C::UnknownIssuer.into()
            }
            Pki::UnknownIssuer => self.unknown_issuer(),
            Pki::CaUsedAsEndEntity => refuse(
                USOCKET_ETLS_CERT_IS_CA,
                "the peer's own certificate is a CA certificate and is not trusted itself",
            ),
            Pki::InvalidSignatureForPublicKey => self.bad_signature(),
            Pki::EndEntityUsedAsCa => self.may_not_issue(),
            Pki::RequiredEkuNotFoundContext(_) | Pki::EmptyEkuExtension => self.purpose(),
            Pki::UnsupportedCriticalExtension => self.critical_extension(),
            Pki::UnsupportedSignatureAlgorithmContext(c) => {
                self.signature_algorithm(&c.signature_algorithm_id)
            }
            Pki::UnsupportedSignatureAlgorithmForPublicKeyContext(c) => self
                .key_algorithm()
                .unwrap_or_else(|| self.signature_algorithm(&c.signature_algorithm_id)),
            Pki::UnsupportedCertVersion => refuse_as(
                C::BadEncoding,
                USOCKET_ETLS_CERT_UNSUPPORTED,
                "a certificate in the chain has X.509 version 1 or 2; only version 3 is supported",
            ),
            e => limits(&e),
        }
    }

    /// All certificates of the peer, its own first, each with a name for sentences.
    fn all(&self) -> impl Iterator<Item = (&CertificateDer<'_>, Facts<'_>, String)> {
        let own = std::iter::once(self.leaf);
        own.chain(self.chain).enumerate().filter_map(|(n, c)| {
            let facts = Facts::of(c)?;
            let words = match (n, &facts.common_name) {
                (0, _) => "the certificate".into(),
                (_, Some(name)) => format!("the issuer's certificate {name:?}"),
                (_, None) => "an issuer's certificate".into(),
            };
            Some((c, facts, words))
        })
    }

    /// The trusted certificates with the name of an issuer, each with a name for sentences.
    fn roots(&self) -> impl Iterator<Item = (Facts<'_>, String)> {
        let issues = |f: &Facts<'_>| self.all().any(|(_, g, _)| g.issuer_name == f.subject_name);
        let all = self.verifier.trusted.iter().flat_map(|t| t.certs());
        all.filter_map(|c| Facts::of(c)).filter(move |f| issues(f)).map(|facts| {
            let name = facts.common_name.as_deref().unwrap_or_default();
            let words = format!("the trusted certificate {name:?}");
            (facts, words)
        })
    }

    /// Notes which certificate has this date, if it is not the peer's own.
    fn note_other(
        &self,
        of: impl Fn(&Facts<'_>) -> i64,
        date: UnixTime,
        verb: &str,
        now: UnixTime,
    ) {
        if unix(of(self.facts)) == date {
            return;
        }
        let roots = self.verifier.trusted.iter().flat_map(|t| t.certs());
        let root = |c: &CertificateDer<'_>| {
            let facts = Facts::of(c).filter(|f| unix(of(f)) == date)?;
            let name = facts.common_name.unwrap_or_default();
            Some(format!("the trusted certificate {name:?} at the end of the chain"))
        };
        let sent = self.all().skip(1).find(|(_, f, _)| unix(of(f)) == date).map(|c| c.2);
        if let Some(which) = sent.or_else(|| roots.into_iter().find_map(root)) {
            let clock = self.verifier.clock_words();
            note_words(format!("{which} {verb} {}, {clock} {}", day(date), day(now)));
        }
    }

    fn unknown_issuer(&self) -> Tls {
        let issuer = self.facts.issuer.as_deref().unwrap_or("an unnamed issuer");
        let sent = if self.chain.is_empty() {
            ", which is not trusted, and the peer sent no intermediate certificate"
        } else {
            ", and no chain leads from it to a trusted certificate"
        };
        // A trusted certificate of that name that may not issue was probably mistaken for a CA's.
        let trusted = self.verifier.trusted.iter().flat_map(|t| t.certs());
        let meant = trusted.into_iter().any(|c| {
            Facts::of(c).is_some_and(|f| f.subject_name == self.facts.issuer_name && !f.may_issue())
        });
        let sent = if meant {
            ", which is trusted but is not a CA (basicConstraints, key usage)"
        } else {
            sent
        };
        note_words(format!("the certificate was issued by {issuer:?}{sent}"));
        CertificateError::UnknownIssuer.into()
    }

    /// The refusal of a signature in the chain: wrong, or by an unusable key.
    fn bad_signature(&self) -> Tls {
        self.weak_issuer().unwrap_or_else(|| {
            note_words(
                "signature verification failed: a certificate in the chain was not signed by its issuer"
                    .into(),
            );
            CertificateError::BadSignature.into()
        })
    }

    /// The refusal of an issuer with an unacceptable key, if there is one.
    fn weak_issuer(&self) -> Option<Tls> {
        let algorithms = &self.verifier.provider.signature_verification_algorithms;
        let sent =
            self.all().skip(1).find_map(|(_, facts, words)| bad_key(&words, facts.key, algorithms));
        sent.or_else(|| self.roots().find_map(|(f, words)| bad_key(&words, f.key, algorithms)))
    }

    /// The refusal of an issuer that may not issue.
    fn may_not_issue(&self) -> Tls {
        let lacks = |f: &Facts<'_>| !f.key_may_sign();
        let words = match self.all().skip(1).find(|(_, f, _)| lacks(f)) {
            Some((.., words)) => {
                format!("{words} may not sign certificates (key usage)")
            }
            None => "an issuer in the chain is not a CA (basicConstraints lacks CA:TRUE)".into(),
        };
        refuse_as(CertificateError::UnknownIssuer, USOCKET_ETLS_CERT_CONSTRAINT, words)
    }

    fn purpose(&self) -> Tls {
        let wanted = self.usage.oid();
        if let Some(mine) = self.facts.purposes().filter(|p| !p.contains(&wanted)) {
            return wrong_purpose(self.usage, &mine);
        }
        let lacks = |f: &Facts<'_>| f.purposes().is_some_and(|p| !p.contains(&wanted));
        if let Some((.., words)) = self.all().skip(1).find(|(_, f, _)| lacks(f)) {
            note_words(format!("{words} may not issue for this purpose (extended key usage)"));
        } else if let Some((_, words)) = self.roots().find(|(f, _)| lacks(f)) {
            note_words(format!("{words} may not issue for this purpose (extended key usage)"));
        }
        wrong_purpose(self.usage, &[])
    }

    fn critical_extension(&self) -> Tls {
        let sent = self.all().find_map(|(_, facts, words)| {
            Some((facts.critical().find(|oid| !is_known(oid))?, words))
        });
        let root = || self.roots().find_map(|(f, words)| Some((unknown_extension(&f)?, words)));
        if let Some((oid, words)) = sent.or_else(root) {
            let oid = oid_text(oid);
            note_words(format!("{words} has an unsupported critical extension: {oid}"));
        }
        CertificateError::UnhandledCriticalExtension.into()
    }

    fn signature_algorithm(&self, algorithm: &[u8]) -> Tls {
        let is = |c: &CertificateDer<'_>| Signed::of(c).is_some_and(|s| s.algorithm == algorithm);
        let which = self.all().find(|(c, ..)| is(c));
        let which = which.map_or_else(|| "a certificate".to_string(), |(.., words)| words);
        let name = signature_name(algorithm);
        let (code, why) = if is_weak_signature(algorithm) {
            (USOCKET_ETLS_CERT_WEAK, "which is too weak")
        } else {
            (USOCKET_ETLS_CERT_UNSUPPORTED, "which is not supported")
        };
        let words = format!("{which} is signed using {name}, {why}");
        refuse_as(CertificateError::BadEncoding, code, words)
    }

    /// The refusal of an unacceptable key in the chain.
    fn key_algorithm(&self) -> Option<Tls> {
        self.weak_issuer()
    }
}

/// Refuses an unusable key; `whose` names its certificate.
pub fn bad_key(whose: &str, key: &[u8], algorithms: &WebPkiSupportedAlgorithms) -> Option<Tls> {
    let key = Key::public(key)?;
    let problem = key.problem(algorithms)?;
    let code = if key.is_weak() { USOCKET_ETLS_CERT_WEAK } else { USOCKET_ETLS_CERT_UNSUPPORTED };
    let words = format!("unacceptable key in {whose}: {problem}");
    Some(refuse_as(CertificateError::BadEncoding, code, words))
}

/// Extensions that webpki has rules for.
pub fn is_known(oid: &[u8]) -> bool {
    matches!(oid, [0x55, 0x1d, 15 | 17 | 19 | 30 | 31 | 37])
}

/// The refusal of a chain that breaks a limit or cannot be parsed.
fn limits(e: &Pki) -> Tls {
    use CertificateError as C;
    let constraint = |words: &str| refuse(USOCKET_ETLS_CERT_CONSTRAINT, words);
    let no_chain = |words: &str| refuse_as(C::UnknownIssuer, USOCKET_ETLS_CERT_CONSTRAINT, words);
    match e {
        Pki::PathLenConstraintViolated => no_chain(
            "the chain is longer than an issuer in it allows (basicConstraints, path length)",
        ),
        Pki::MaximumPathDepthExceeded => {
            no_chain("the chain is too long: more than 6 intermediate certificates")
        }
        Pki::NameConstraintViolation => constraint(
            "an issuer in the chain may not issue for the names in the certificate (name constraints)",
        ),
        Pki::MalformedNameConstraint | Pki::InvalidNetworkMaskConstraint => {
            constraint("the name constraints of an issuer in the chain are malformed")
        }
        Pki::MaximumPathBuildCallsExceeded
        | Pki::MaximumSignatureChecksExceeded
        | Pki::MaximumNameConstraintComparisonsExceeded => constraint(
            "the chain is too complex to check: too many certificates, signatures or name constraints",
        ),
        Pki::CertDistrusted => no_chain("an issuer in the chain is distrusted"),
        Pki::UnsupportedNameType => refuse(
            USOCKET_ETLS_CERT_UNSUPPORTED,
            "certificates cannot be checked for this kind of name",
        ),
        Pki::InvalidCertValidity => encoding("its validity ends before it begins"),
        Pki::BadDerTime => encoding("a date is malformed"),
        Pki::InvalidSerialNumber => encoding("the serial number is malformed"),
        Pki::MalformedDnsIdentifier => encoding("a name in it is malformed"),
        Pki::MalformedExtensions | Pki::ExtensionValueInvalid => {
            encoding("an extension is malformed")
        }
        Pki::SignatureAlgorithmMismatch => encoding("its two signature algorithms differ"),
        Pki::BadDer | Pki::TrailingData(_) => encoding("it is not valid DER"),
        e => match list_words(e) {
            Some(why) => {
                refuse(USOCKET_ETLS_CRL_INVALID, format!("invalid revocation list: {why}"))
            }
            None => constraint(&format!("the certificate chain was rejected: {e:?}")),
        },
    }
}

/// The problem with a revocation list; `None` for other errors.
pub fn list_words(e: &Pki) -> Option<&'static str> {
    Some(match e {
        Pki::InvalidCrlSignatureForPublicKey => {
            "it was not signed by the issuer of the certificate"
        }
        Pki::IssuerNotCrlSigner => "the issuer may not sign revocation lists (key usage)",
        Pki::InvalidCrlNumber => "its number is malformed",
        Pki::UnsupportedCrlVersion => "its version is not 2",
        Pki::UnsupportedDeltaCrl => "delta lists are not supported",
        Pki::UnsupportedIndirectCrl => "indirect lists are not supported",
        Pki::UnsupportedCrlIssuingDistributionPoint => "its distribution point is not supported",
        Pki::UnsupportedRevocationReason => "it has an unknown revocation reason",
        Pki::UnsupportedRevocationReasonsPartitioning => {
            "lists for only some revocation reasons are not supported"
        }
        Pki::UnsupportedCrlSignatureAlgorithmContext(_)
        | Pki::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => {
            "its signature algorithm is not supported"
        }
        _ => return None,
    })
}

fn encoding(why: &str) -> Tls {
    note_words(format!("malformed certificate: {why}"));
    CertificateError::BadEncoding.into()
}
