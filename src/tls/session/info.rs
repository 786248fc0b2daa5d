//! The negotiated parameters, and values derived from them.

use rustls::crypto::tls13::OkmBlock;
use rustls::{CommonState, HandshakeKind, SupportedCipherSuite};

use crate::error::{Error, Result};
use crate::tls::material::provider;

/// The connection, once its handshake is complete.
pub struct Info<'a>(pub Option<&'a CommonState>);

impl Info<'_> {
    /// The version's number; 0 for none yet.
    pub fn version(&self) -> i32 {
        self.0.and_then(CommonState::protocol_version).map_or(0, |v| i32::from(u16::from(v)))
    }

    /// The suite's name; empty for none yet.
    pub fn cipher(&self) -> String {
        let suite = self.0.and_then(CommonState::negotiated_cipher_suite);
        suite.map_or_else(String::new, |s| provider::suite_name(s.suite()))
    }

    /// The group's name; empty for none.
    pub fn group(&self) -> String {
        let group = self.0.and_then(CommonState::negotiated_key_exchange_group);
        group.map_or_else(String::new, |g| provider::group_name(g.name()))
    }

    /// The application protocol; empty for none.
    pub fn alpn(&self) -> String {
        let alpn = self.0.and_then(CommonState::alpn_protocol).unwrap_or_default();
        String::from_utf8_lossy(alpn).into_owned()
    }

    /// 1 when an earlier session was resumed.
    pub fn resumed(&self) -> i32 {
        i32::from(self.0.and_then(CommonState::handshake_kind) == Some(HandshakeKind::Resumed))
    }
}

/// The maximum length of an export: 255 blocks of the shortest hash.
pub const EXPORT_MOST: usize = 255 * 32;

/// RFC 8446, section 7.5, from the exporter secret.
pub fn export(
    common: &CommonState,
    secret: Option<&[u8]>,
    label: &[u8],
    context: &[u8],
    to: &mut [u8],
) -> Result<()> {
    let Some(SupportedCipherSuite::Tls13(suite)) = common.negotiated_cipher_suite() else {
        return Err(Error::os(libc::EOPNOTSUPP));
    };
    let secret = secret.ok_or(Error::os(libc::EOPNOTSUPP))?;
    if to.is_empty() || to.len() > EXPORT_MOST || label.len() > 240 {
        return Err(Error::os(libc::EINVAL));
    }
    let (hash, hkdf) = (suite.common.hash_provider, suite.hkdf_provider);
    let expand = |secret: &[u8], label: &[u8], context: &[u8], to: &mut [u8]| {
        let info: [&[u8]; 6] = [
            &(to.len() as u16).to_be_bytes(),
            &[(6 + label.len()) as u8],
            b"tls13 ",
            label,
            &[context.len() as u8],
            context,
        ];
        let expander = hkdf.expander_for_okm(&OkmBlock::new(secret));
        expander.expand_slice(&info, to).map_err(|_| Error::os(libc::EINVAL))
    };
    let mut derived = zeroize::Zeroizing::new(vec![0; hash.output_len()]);
    expand(secret, label, hash.hash(b"").as_ref(), &mut derived)?;
    expand(&derived, b"exporter", hash.hash(context).as_ref(), to)
}
