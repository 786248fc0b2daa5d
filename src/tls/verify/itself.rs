//! A peer's certificate that is itself trusted: it needs no chain, but all other checks apply.

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error as Tls};
use webpki::Error as Pki;

use crate::tls::material::x509::Facts;
use crate::tls::verify::lists::Question;
use crate::tls::verify::refusal::{Refused, unix, wrong_name, wrong_purpose};
use crate::tls::verify::{Usage, Verifier};

impl Verifier {
    /// Checks its dates, its purpose, the revocation lists, and its name: the common name if it has
    /// no alternative names.
    pub(super) fn judge_itself(
        &self,
        cert: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: Option<&ServerName<'_>>,
        now: UnixTime,
        usage: Usage,
    ) -> Result<(), Tls> {
        let facts = Facts::of(cert).ok_or(CertificateError::BadEncoding)?;
        let (not_before, not_after) = (unix(facts.not_before), unix(facts.not_after));
        if now < not_before {
            return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
        }
        if now > not_after {
            return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
        }
        if let Some(purposes) = facts.purposes().filter(|p| !p.contains(&usage.oid())) {
            return Err(wrong_purpose(usage, &purposes));
        }
        let question = Question {
            lists: &self.lists,
            policy: self.crl_policy,
            algorithms: self.provider.signature_verification_algorithms.all,
            now,
        };
        let trusted = self.trusted.iter().flat_map(|t| t.certs()).map(AsRef::as_ref);
        question.ask(cert, &facts, trusted.chain(chain.iter().map(AsRef::as_ref)))?;
        let Some(name) = name.filter(|_| self.check_name) else { return Ok(()) };
        if facts.has_alt_names() {
            let refused = Refused { verifier: self, leaf: cert, facts: &facts, chain, usage };
            let parsed = webpki::EndEntityCert::try_from(cert).map_err(|e| refused.translate(e))?;
            return parsed.verify_is_valid_for_subject_name(name).map_err(|e| match e {
                Pki::CertNotValidForName(_) => wrong_name(name, &facts),
                e => refused.translate(e),
            });
        }
        match &facts.common_name {
            Some(cn) if common_name_is(cn, name) => Ok(()),
            _ => Err(CertificateError::NotValidForNameContext {
                expected: name.to_owned(),
                presented: facts.names(),
            }
            .into()),
        }
    }
}

/// Compares a common name with the expected name: equal, or a wildcard for the first label.
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
