//! A parser for OCSP responses (RFC 6960) as stapled to handshakes.
//!
//! `verify` decides whether to trust them.

use crate::tls::material::der::*;
use crate::tls::material::x509::{Signed, critical_in};

const ENUMERATED: u8 = 0x0a;
const GENERALIZED_TIME: u8 = 0x18;
/// id-pkix-ocsp-basic
const BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];

/// A certificate's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is not revoked.
    Good,
    /// It is revoked.
    Revoked,
    /// Nothing.
    Unknown,
}

/// One certificate's status.
pub struct Single<'a> {
    /// The hash that names the issuer.
    pub hash: &'a [u8],
    /// Of the issuer's name.
    pub name_hash: &'a [u8],
    /// Of the issuer's key.
    pub key_hash: &'a [u8],
    /// The certificate's number.
    pub serial: &'a [u8],
    /// Its status.
    pub status: Status,
    /// Seconds since 1970.
    pub this_update: i64,
    /// Seconds since 1970.
    pub next_update: Option<i64>,
}

/// A successful response.
pub struct Basic<'a> {
    /// The signed structure, in the form of a certificate's.
    pub der: &'a [u8],
    /// The status of each certificate.
    pub all: Vec<Single<'a>>,
    /// Certificates of possible signers, concatenated.
    pub certs: &'a [u8],
}

/// A response.
pub enum Response<'a> {
    /// The responder failed, with this status number.
    Failed(u8),
    /// A successful response.
    Basic(Basic<'a>),
}

impl<'a> Response<'a> {
    /// Parses it; `None` if it is malformed, or has a critical extension, as none is supported.
    pub fn of(input: &'a [u8]) -> Option<Self> {
        let whole = element(input).filter(|e| e.tag == SEQUENCE && e.rest.is_empty())?;
        let (status, rest) = expect(whole.content, ENUMERATED)?;
        match status {
            [0] => {
                let (bytes, _) = expect(expect(rest, 0xa0)?.0, SEQUENCE)?;
                let (kind, rest) = expect(bytes, OID)?;
                let (der, _) = expect(rest, OCTET_STRING).filter(|_| kind == BASIC)?;
                Basic::of(der).map(Response::Basic)
            }
            [reason] => Some(Response::Failed(*reason)),
            _ => None,
        }
    }
}

impl<'a> Basic<'a> {
    fn of(der: &'a [u8]) -> Option<Self> {
        let (mut data, _) = expect(Signed::of(der)?.body, SEQUENCE)?;
        if let Some((_, rest)) = expect(data, 0xa0) {
            data = rest;
        }
        // By name or by key; not needed, as the signer is found by trying.
        let responder = element(data).filter(|e| matches!(e.tag, 0xa1 | 0xa2))?;
        let (_, rest) = expect(responder.rest, GENERALIZED_TIME)?;
        let (list, rest) = expect(rest, SEQUENCE)?;
        if has_critical(rest) {
            return None;
        }
        let all = elements(list).map(|e| Single::of(&e)).collect::<Option<_>>()?;
        let certs = elements(expect(der, SEQUENCE)?.0).find(|e| e.tag == 0xa0);
        let certs = certs.and_then(|e| expect(e.content, SEQUENCE)).map_or(&[][..], |e| e.0);
        Some(Basic { der, all, certs })
    }
}

impl<'a> Single<'a> {
    fn of(single: &Element<'a>) -> Option<Self> {
        let (id, rest) = expect(single.content, SEQUENCE).filter(|_| single.tag == SEQUENCE)?;
        let (algorithm, id) = expect(id, SEQUENCE)?;
        let (hash, _) = expect(algorithm, OID)?;
        let (name_hash, id) = expect(id, OCTET_STRING)?;
        let (key_hash, id) = expect(id, OCTET_STRING)?;
        let (serial, _) = expect(id, INTEGER)?;
        let status = element(rest)?;
        let this_update = element(status.rest)?;
        let (next_update, rest) = match expect(this_update.rest, 0xa0) {
            Some((next, rest)) => (Some(time(&element(next)?)?), rest),
            None => (None, this_update.rest),
        };
        if has_critical(rest) {
            return None;
        }
        let status = match status.tag {
            0x80 => Status::Good,
            0xa1 => Status::Revoked,
            0x82 => Status::Unknown,
            _ => return None,
        };
        let this_update = time(&this_update)?;
        Some(Single { hash, name_hash, key_hash, serial, status, this_update, next_update })
    }
}

/// Whether the extensions at the end have a critical one.
fn has_critical(rest: &[u8]) -> bool {
    let list = expect(rest, 0xa1).and_then(|(list, _)| expect(list, SEQUENCE));
    list.is_some_and(|(list, _)| critical_in(list).next().is_some())
}
