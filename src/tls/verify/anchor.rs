//! What a trust anchor says about the chains that end in it. webpki keeps only its name, its key and
//! its name constraints.

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::Error as Pki;

use crate::tls::material::x509::Facts;
use crate::tls::verify::Usage;
use crate::tls::verify::refusal::{is_known, unix};

/// Checks its dates, its critical extensions, its purpose (extended key usage), and how many issuers
/// it allows below itself.
pub fn check(
    root: &CertificateDer<'_>,
    path: &webpki::VerifiedPath<'_>,
    time: UnixTime,
    usage: Usage,
) -> Result<(), Pki> {
    let facts = Facts::of(root).ok_or(Pki::BadDer)?;
    let (not_before, not_after) = (unix(facts.not_before), unix(facts.not_after));
    if time < not_before {
        return Err(Pki::CertNotValidYet { time, not_before });
    }
    if time > not_after {
        return Err(Pki::CertExpired { time, not_after });
    }
    if unknown_extension(&facts).is_some() {
        return Err(Pki::UnsupportedCriticalExtension);
    }
    if facts.purposes().is_some_and(|p| !p.contains(&usage.oid())) {
        return Err(Pki::EmptyEkuExtension);
    }
    // RFC 5280, 4.2.1.9: self-issued ones, as for a change of keys, do not count.
    let counts = |c: &[u8]| Facts::of(c).is_none_or(|f| !f.self_issued);
    let below = path.intermediate_certificates().filter(|c| counts(&c.der())).count();
    match facts.path_len() {
        Some(most) if below > most => Err(Pki::PathLenConstraintViolated),
        _ => Ok(()),
    }
}

/// A critical extension that makes it unusable as an anchor. TLS asks for no policies, so those of an
/// anchor mean nothing.
pub fn unknown_extension<'a>(facts: &Facts<'a>) -> Option<&'a [u8]> {
    let policy = |oid: &[u8]| matches!(oid, [0x55, 0x1d, 32 | 33 | 36 | 54]);
    facts.critical().find(|oid| !is_known(oid) && !policy(oid))
}
