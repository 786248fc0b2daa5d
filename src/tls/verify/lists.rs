//! Revocation lists: for webpki's chains, and for a certificate that is itself trusted.

use std::sync::Arc;

use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, SignatureVerificationAlgorithm, UnixTime,
};
use rustls::{CertificateError, Error as Tls};

use crate::error::causes::*;
use crate::tls::Cause;
use crate::tls::material::x509::{Facts, ListFacts, Signed};
use crate::tls::verify::refusal::{day, list_words, refuse, refuse_as, unix};
use crate::tls::verify::{Path, Verifier};

/// The tolerated difference between clocks.
const SKEW: i64 = 300;

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
    /// Applies it to webpki's options.
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

/// A usable list; unusable ones were refused when added.
pub struct List {
    der: CertificateRevocationListDer<'static>,
    parsed: webpki::CertRevocationList<'static>,
    facts: ListFacts,
}

impl List {
    /// Parses the whole list with each entry, so that no later parsing could differ.
    ///
    /// # Errors
    /// `USOCKET_ETLS_CRL_INVALID`.
    pub fn new(der: CertificateRevocationListDer<'static>) -> Result<List, Cause> {
        let invalid = |words: String| Cause::new(USOCKET_ETLS_CRL_INVALID, words);
        let why = |e| match e {
            webpki::Error::UnsupportedCriticalExtension => {
                "it has an unsupported critical extension"
            }
            e => {
                list_words(&e).unwrap_or("it is not valid DER, or lacks a field RFC 5280 requires")
            }
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

    /// Whether it is from the issuer of a certificate.
    pub fn is_by_issuer_of(&self, facts: &Facts<'_>) -> bool {
        self.parsed.issuer() == facts.issuer_name
    }

    /// Whether it covers the same as another and is not older.
    pub fn replaces(&self, other: &List) -> bool {
        self.parsed.issuer() == other.parsed.issuer()
            && self.facts.kind == other.facts.kind
            && self.facts.this_update >= other.facts.this_update
    }

    /// The start of its validity, tolerating an issuer's clock ahead of ours.
    pub fn this_update(&self) -> UnixTime {
        unix(self.facts.this_update.saturating_sub(SKEW))
    }

    /// The end of its validity.
    pub fn next_update(&self) -> UnixTime {
        unix(self.facts.next_update)
    }
}

/// Adds a list. Of lists that cover the same, only the latest one already valid is kept. webpki
/// uses the first list that covers a certificate, so the latest come first.
pub fn add(lists: &mut Vec<Arc<List>>, list: Arc<List>, now: UnixTime) {
    let begun = |list: &List| list.this_update() <= now;
    if lists.iter().any(|known| begun(known) && known.replaces(&list) && !list.replaces(known)) {
        return;
    }
    if begun(&list) {
        lists.retain(|known| !list.replaces(known));
    }
    lists.push(list);
    lists.sort_by_key(|list| std::cmp::Reverse(list.facts.this_update));
}

/// Sorts lists already valid first: webpki uses the first that covers a certificate, and ignores
/// the start of its validity.
pub fn in_order(lists: &[Arc<List>], now: UnixTime) -> Vec<&List> {
    let lists = lists.iter().map(|list| &**list);
    let (begun, early): (Vec<_>, Vec<_>) = lists.partition(|list| list.this_update() <= now);
    begun.into_iter().chain(early).collect()
}

impl Verifier {
    /// Fails if all lists that cover a certificate of the path are dated in the future.
    pub(super) fn judge_beginnings(&self, path: &Path, now: UnixTime) -> Result<(), Tls> {
        let asked = match self.crl_policy {
            CrlPolicy { allow_expired: true, .. } => 0,
            CrlPolicy { leaf_only: true, .. } => 1,
            _ => path.len(),
        };
        for facts in path.iter().take(asked).filter_map(|c| Facts::of(c)) {
            let mut about = self.lists.iter().filter(|l| l.is_by_issuer_of(&facts)).peekable();
            match about.peek().copied() {
                Some(first) if about.all(|l| l.this_update() > now) => {
                    return Err(not_begun(first, now));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Refuses a list of the future.
fn not_begun(list: &List, now: UnixTime) -> Tls {
    let words = format!(
        "revocation list not valid before {}, clock says {}",
        day(unix(list.facts.this_update)),
        day(now)
    );
    let (time, next_update) = (now, list.next_update());
    let alert = CertificateError::ExpiredRevocationListContext { time, next_update };
    refuse_as(alert, USOCKET_ETLS_CRL_EXPIRED, words)
}

/// The parameters of a check against lists, besides the certificate.
pub struct Question<'a> {
    /// All lists.
    pub lists: &'a [Arc<List>],
    /// How they are used.
    pub policy: CrlPolicy,
    /// The supported signature algorithms.
    pub algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
    /// The time.
    pub now: UnixTime,
}

impl Question<'_> {
    /// Checks a certificate that is itself trusted, and so has no chain, against the lists. `known`
    /// are candidates for its issuer's certificate: its own signature decides, so their source does
    /// not matter.
    pub fn ask<'c>(
        &self,
        cert: &CertificateDer<'_>,
        facts: &Facts<'_>,
        known: impl Iterator<Item = &'c [u8]> + Clone,
    ) -> Result<(), Tls> {
        if self.lists.is_empty() {
            return Ok(());
        }
        let mut lists = in_order(self.lists, self.now);
        lists.retain(|list| list.is_by_issuer_of(facts));
        // Without checking the list's signature: the program supplied the list, and it can only
        // refuse.
        if lists.iter().any(|list| !matches!(list.parsed.find_serial(facts.serial), Ok(None))) {
            return Err(CertificateError::Revoked.into());
        }
        let signs = |list: &List, issuer: &CertificateDer<'_>| {
            let by = |signed: &[u8]| signed_by(self.algorithms, signed, issuer);
            by(&list.der) && by(cert)
        };
        let by_issuer = |list: &List| {
            signs(list, cert)
                || known
                    .clone()
                    .filter(|c| Facts::of(c).is_some_and(|f| f.subject_name == facts.issuer_name))
                    .any(|c| signs(list, &CertificateDer::from(c)))
        };
        let mut whole = lists.iter().filter(|list| !list.facts.partial).peekable();
        if whole.peek().is_none() {
            return match self.policy.allow_unknown {
                true => Ok(()),
                false => Err(CertificateError::UnknownRevocationStatus.into()),
            };
        }
        let Some(list) = whole.find(|list| by_issuer(list)) else {
            let words =
                "invalid revocation list: it was not signed by the issuer of the certificate";
            return Err(refuse(USOCKET_ETLS_CRL_INVALID, words));
        };
        let (time, next_update) = (self.now, list.next_update());
        match self.policy.allow_expired {
            true => Ok(()),
            false if time < list.this_update() => Err(not_begun(list, time)),
            false if time >= next_update => {
                Err(CertificateError::ExpiredRevocationListContext { time, next_update }.into())
            }
            false => Ok(()),
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
