//! The contents of a certificate, for programs.

use crate::error::causes::USOCKET_ETLS_CERT_INVALID;
use crate::error::{Error, Result};
use crate::numbers::*;
use crate::tls::material::algorithm::Key;
use crate::tls::material::provider;
use crate::tls::material::x509::{Facts, hex, name_text};

fn read(der: &[u8]) -> Result<Facts<'_>> {
    Facts::of(der).ok_or(Error::tls(USOCKET_ETLS_CERT_INVALID))
}

/// See `usocket_tls_cert_text`.
pub fn text(der: &[u8], what: i32) -> Result<String> {
    let facts = read(der)?;
    let sha256 = |data: &[u8]| {
        let provider = provider::get().map_err(|c| Error::tls(c.code))?;
        let hash = provider::sha256(&provider, data).ok_or(Error::os(libc::EOPNOTSUPP))?;
        Ok::<_, Error>(hex(&hash))
    };
    Ok(match what {
        USOCKET_TLS_CERT_SUBJECT => name_text(facts.subject_name),
        USOCKET_TLS_CERT_ISSUER => name_text(facts.issuer_name),
        USOCKET_TLS_CERT_ALT_NAMES => facts.alt_names_text(),
        USOCKET_TLS_CERT_SERIAL => hex(facts.serial),
        USOCKET_TLS_CERT_FINGERPRINT => sha256(der)?,
        USOCKET_TLS_CERT_PIN => sha256(facts.key)?,
        USOCKET_TLS_CERT_KEY => Key::public(facts.key).map(|k| k.name()).unwrap_or_default(),
        _ => return Err(Error::os(libc::EINVAL)),
    })
}

/// See `usocket_tls_cert_time`.
pub fn time(der: &[u8], what: i32) -> Result<i64> {
    let facts = read(der)?;
    match what {
        USOCKET_TLS_CERT_NOT_BEFORE => Ok(facts.not_before),
        USOCKET_TLS_CERT_NOT_AFTER => Ok(facts.not_after),
        _ => Err(Error::os(libc::EINVAL)),
    }
}
