//! Checking the stapled status (OCSP): its signature, its certificate and its content.

use rustls::crypto::hash::HashAlgorithm;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error as Tls};
use sha1::{Digest, Sha1};

use crate::tls::material::der::{BIT_STRING, SEQUENCE, element, elements, expect};
use crate::tls::material::keylog::note_words;
use crate::tls::material::ocsp::{Basic, Response, Single, Status};
use crate::tls::material::provider;
use crate::tls::material::x509::Facts;
use crate::tls::verify::lists::signed_by;
use crate::tls::verify::refusal::{day, unix};
use crate::tls::verify::{Path, Verifier};

/// The requirement for a stapled status.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub enum Staples {
    /// If there is one, it must verify.
    #[default]
    Checked,
    /// There must be one, and it must verify.
    Required,
    /// Nothing.
    Ignored,
}

/// The tolerated difference between clocks.
const SKEW: i64 = 300;
/// The number of certificates in a response that are tried.
const MOST: usize = 8;
/// id-kp-OCSPSigning
const OCSP_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];

/// The refusal of a missing staple.
fn missing() -> Tls {
    note_words("no stapled certificate status (OCSP), but one is required".into());
    CertificateError::InvalidOcspResponse.into()
}

/// The refusal of an invalid staple.
fn wrong(words: impl Into<String>) -> Tls {
    note_words(format!("invalid stapled certificate status (OCSP): {}", words.into()));
    CertificateError::InvalidOcspResponse.into()
}

impl Verifier {
    /// Checks the status of an accepted path's certificate, and returns the time until which it
    /// holds. `sent` are the peer's certificates, which may include the issuer.
    pub(super) fn judge_staple(
        &self,
        path: &Path,
        sent: &[CertificateDer<'_>],
        staple: &[u8],
        now: UnixTime,
    ) -> Result<UnixTime, Tls> {
        let forever = unix(i64::MAX);
        let required = self.staples == Staples::Required;
        if self.staples == Staples::Ignored {
            return Ok(forever);
        }
        if staple.is_empty() {
            return if required { Err(missing()) } else { Ok(forever) };
        }
        let basic = match Response::of(staple) {
            Some(Response::Basic(basic)) => basic,
            // An error of the responder is unsigned and means nothing.
            Some(Response::Failed(_)) if !required => return Ok(forever),
            Some(Response::Failed(n)) => {
                return Err(wrong(format!("the responder returned an error (status {n})")));
            }
            None => return Err(wrong("it is malformed or has a critical extension")),
        };
        let Some((leaf, facts)) = path.first().and_then(|c| Some((c, Facts::of(c)?))) else {
            return Err(CertificateError::BadEncoding.into());
        };
        let trusted = self.trusted.iter().flat_map(|t| t.certs()).map(AsRef::as_ref);
        let known = path.get(1).map(AsRef::as_ref).into_iter().chain(trusted);
        let known = known.chain(sent.iter().map(AsRef::as_ref)).map(CertificateDer::from);
        let mut issuers = known.filter(|c| {
            Facts::of(c).is_some_and(|f| f.subject_name == facts.issuer_name)
                && signed_by(self.algorithms(), leaf, c)
        });
        let Some(issuer) = issuers.next() else {
            return Err(wrong("the issuer of the certificate is unknown"));
        };
        let about = |s: &&Single<'_>| s.serial == facts.serial && self.names(s, &facts, &issuer);
        let Some(single) = basic.all.iter().find(about) else {
            return Err(wrong("it is for another certificate"));
        };
        if !self.is_authorized(&basic, &issuer, now) {
            return Err(wrong(
                "it is signed neither by the issuer nor by a responder of the issuer",
            ));
        }
        self.judge_status(single, now)
    }

    fn judge_status(&self, single: &Single<'_>, now: UnixTime) -> Result<UnixTime, Tls> {
        let clock = |verb: &str, then: i64| {
            wrong(format!("it {verb} {}, {} {}", day(unix(then)), self.clock_words(), day(now)))
        };
        match (single.status, single.next_update) {
            // However old the response is.
            (Status::Revoked, _) => {
                let words =
                    "the certificate has been revoked, according to its stapled status (OCSP)";
                note_words(words.into());
                Err(CertificateError::Revoked.into())
            }
            (Status::Unknown, _) => Err(wrong("the responder does not know the certificate")),
            (Status::Good, _) if unix(single.this_update.saturating_sub(SKEW)) > now => {
                Err(clock("is not valid before", single.this_update))
            }
            (Status::Good, None) => Err(wrong("it has no expiry date")),
            (Status::Good, Some(next)) if unix(next) < now => {
                Err(clock("is out of date since", next))
            }
            (Status::Good, Some(next)) => Ok(unix(next)),
        }
    }

    /// Whether the response names the certificate's issuer.
    fn names(&self, single: &Single<'_>, facts: &Facts<'_>, issuer: &CertificateDer<'_>) -> bool {
        let key = || {
            let key = Facts::of(issuer)?.key;
            let (body, _) = expect(key, SEQUENCE)?;
            expect(element(body)?.rest, BIT_STRING)?.0.strip_prefix(&[0])
        };
        let is =
            |hashed: &[u8], data: &[u8]| self.hash(single.hash, data).is_some_and(|h| h == hashed);
        is(single.name_hash, facts.issuer_der) && key().is_some_and(|key| is(single.key_hash, key))
    }

    /// The hash with that identifier, if available. (SHA-1 only abbreviates a name here.)
    fn hash(&self, oid: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        let algorithm = match oid {
            [0x2b, 0x0e, 3, 2, 0x1a] => return Some(Sha1::digest(data).to_vec()),
            [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1] => HashAlgorithm::SHA256,
            [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2] => HashAlgorithm::SHA384,
            _ => return None,
        };
        provider::hash(&self.provider, algorithm, data).map(|h| h.as_ref().to_vec())
    }

    /// Whether it is signed by the issuer, or by a responder with an OCSP certificate from the
    /// issuer.
    fn is_authorized(&self, basic: &Basic<'_>, issuer: &CertificateDer<'_>, now: UnixTime) -> bool {
        let signs = |by: &CertificateDer<'_>| signed_by(self.algorithms(), basic.der, by);
        let name = Facts::of(issuer).map(|f| f.subject_name.to_vec());
        let delegated = |cert: &CertificateDer<'_>| {
            Facts::of(cert).is_some_and(|f| {
                Some(f.issuer_name) == name.as_deref()
                    && f.purposes().is_some_and(|p| p.contains(&OCSP_SIGNING))
                    && (unix(f.not_before)..=unix(f.not_after)).contains(&now)
            }) && signed_by(self.algorithms(), cert, issuer)
        };
        let sent = elements(basic.certs).take(MOST).map(|e| CertificateDer::from(e.whole));
        signs(issuer) || sent.into_iter().any(|cert| delegated(&cert) && signs(&cert))
    }
}
