//! The numbers of the TLS range and their texts. They are part of every build, with TLS or without.
//!
//! Append-only: a number, once given, keeps its meaning. One per cause a user can act on.

/// The socket was made with IPPROTO_SEC, or the call is about TLS, and it is not wrapped yet.
pub const USOCKET_ETLS_NOT_WRAPPED: i32 = -10001;
/// The connection ended without the peer's close_notify: what came may not be all.
pub const USOCKET_ETLS_TRUNCATED: i32 = -10002;
/// The connection ended in the middle of the handshake.
pub const USOCKET_ETLS_HANDSHAKE_EOF: i32 = -10003;
/// The peer does not speak TLS.
pub const USOCKET_ETLS_NOT_TLS: i32 = -10004;
/// The peer broke the rules of TLS.
pub const USOCKET_ETLS_PROTOCOL: i32 = -10005;
/// A record could not be decrypted: damaged, or forged.
pub const USOCKET_ETLS_DECRYPT: i32 = -10006;
/// The peer sent a record that is too long.
pub const USOCKET_ETLS_RECORD_OVERFLOW: i32 = -10007;
/// TLS failed for a reason that has no number of its own; usocket_error_detail has the words.
pub const USOCKET_ETLS_OTHER: i32 = -10008;
/// The session's keys are used up.
pub const USOCKET_ETLS_EXHAUSTED: i32 = -10009;
/// No random bytes or no time could be had from the system.
pub const USOCKET_ETLS_SYSTEM: i32 = -10010;

/// The peer's certificate has expired (by the clock that usocket_error_detail names).
pub const USOCKET_ETLS_CERT_EXPIRED: i32 = -10020;
/// The peer's certificate is not valid yet (by the clock that usocket_error_detail names).
pub const USOCKET_ETLS_CERT_NOT_YET_VALID: i32 = -10021;
/// The peer's certificate was issued by nobody we trust.
pub const USOCKET_ETLS_CERT_UNKNOWN_ISSUER: i32 = -10022;
/// The peer's certificate is for another name.
pub const USOCKET_ETLS_CERT_WRONG_NAME: i32 = -10023;
/// The peer's certificate has been revoked.
pub const USOCKET_ETLS_CERT_REVOKED: i32 = -10024;
/// The peer's certificate is badly encoded.
pub const USOCKET_ETLS_CERT_BAD_ENCODING: i32 = -10025;
/// A signature is wrong: on the certificate, or by its key.
pub const USOCKET_ETLS_CERT_BAD_SIGNATURE: i32 = -10026;
/// The peer's certificate uses an algorithm, version or extension that is not supported.
pub const USOCKET_ETLS_CERT_UNSUPPORTED: i32 = -10027;
/// The peer's certificate is not for this purpose (extended key usage).
pub const USOCKET_ETLS_CERT_WRONG_PURPOSE: i32 = -10028;
/// The peer's own certificate is a CA certificate, and is not itself among the trusted ones.
pub const USOCKET_ETLS_CERT_IS_CA: i32 = -10029;
/// There is no revocation list for the peer's certificate.
pub const USOCKET_ETLS_CRL_MISSING: i32 = -10030;
/// The revocation list is out of date.
pub const USOCKET_ETLS_CRL_EXPIRED: i32 = -10031;
/// A revocation list is not usable.
pub const USOCKET_ETLS_CRL_INVALID: i32 = -10032;
/// The key of the peer's certificate is none of the pinned ones.
pub const USOCKET_ETLS_CERT_NOT_PINNED: i32 = -10033;
/// The verify callback refused the peer's certificate.
pub const USOCKET_ETLS_CERT_REFUSED: i32 = -10034;
/// The peer presented no certificate, and one is required.
pub const USOCKET_ETLS_CERT_REQUIRED: i32 = -10035;
/// The chain breaks a limit set in it (names, length), or is too complex to check.
pub const USOCKET_ETLS_CERT_CONSTRAINT: i32 = -10036;
/// A certificate stapled to the handshake (OCSP) is wrong.
pub const USOCKET_ETLS_CERT_BAD_STAPLE: i32 = -10037;

/// No TLS version in common.
pub const USOCKET_ETLS_NO_COMMON_VERSION: i32 = -10050;
/// No cipher suite in common.
pub const USOCKET_ETLS_NO_COMMON_SUITE: i32 = -10051;
/// No key exchange group in common.
pub const USOCKET_ETLS_NO_COMMON_GROUP: i32 = -10052;
/// No application protocol (ALPN) in common.
pub const USOCKET_ETLS_NO_COMMON_ALPN: i32 = -10053;
/// No signature algorithm in common: no certificate suits the peer.
pub const USOCKET_ETLS_NO_COMMON_SIGNATURE: i32 = -10054;
/// The peer lacks something that is required.
pub const USOCKET_ETLS_PEER_INCOMPATIBLE: i32 = -10055;

/// No PEM item of the kind that is needed was found.
pub const USOCKET_ETLS_PEM_EMPTY: i32 = -10070;
/// The PEM text is damaged: base64, or a missing end line.
pub const USOCKET_ETLS_PEM_BAD: i32 = -10071;
/// A certificate given to the context is not one.
pub const USOCKET_ETLS_CERT_INVALID: i32 = -10072;
/// A private key given to the context is not one that can be used.
pub const USOCKET_ETLS_KEY_INVALID: i32 = -10073;
/// The private key is encrypted; decrypt it first.
pub const USOCKET_ETLS_KEY_ENCRYPTED: i32 = -10074;
/// The private key does not belong to the certificate.
pub const USOCKET_ETLS_KEY_MISMATCH: i32 = -10075;
/// Verification needs a trusted certificate, and there is none.
pub const USOCKET_ETLS_NO_TRUST: i32 = -10076;
/// A server needs a certificate, and there is none.
pub const USOCKET_ETLS_NO_CERT: i32 = -10077;
/// The server name is neither a host name nor an IP address.
pub const USOCKET_ETLS_BAD_NAME: i32 = -10078;
/// The host name is to be checked, and no server name was given.
pub const USOCKET_ETLS_NAME_REQUIRED: i32 = -10079;
/// A cipher suite or group of that name is not known, or none is left.
pub const USOCKET_ETLS_NO_SUCH_SUITE: i32 = -10080;
/// The versions asked for leave none, or are not in this build.
pub const USOCKET_ETLS_NO_SUCH_VERSION: i32 = -10081;
/// The context is in use already and can no longer be changed.
pub const USOCKET_ETLS_CONTEXT_IN_USE: i32 = -10082;
/// The processor lacks what this build's cryptography needs.
pub const USOCKET_ETLS_CPU: i32 = -10083;

/// Alert n from the peer is USOCKET_ETLS_ALERT - n; for example -10548 is alert 48, unknown_ca.
pub const USOCKET_ETLS_ALERT: i32 = -10500;

/// The alert number of a code of that sub-range.
pub const fn alert_of(code: i32) -> Option<u8> {
    match USOCKET_ETLS_ALERT - code {
        n @ 0..=255 => Some(n as u8),
        _ => None,
    }
}

/// The text for a code of the TLS range; `None` for a number that was never given.
pub fn text(code: i32) -> Option<String> {
    if let Some(n) = alert_of(code) {
        return Some(format!("the peer ended it with TLS alert {n} ({})", alert_name(n)));
    }
    TEXTS.iter().find(|(c, _)| *c == code).map(|(_, t)| (*t).into())
}

/// The name RFC 8446 or 5246 gives an alert.
pub fn alert_name(n: u8) -> &'static str {
    match n {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => "unknown",
    }
}

#[rustfmt::skip] // A table.
const TEXTS: &[(i32, &str)] = &[
    (USOCKET_ETLS_NOT_WRAPPED, "the socket must be wrapped in TLS first (it was made with IPPROTO_SEC, or the call is about TLS)"),
    (USOCKET_ETLS_TRUNCATED, "the connection ended without TLS close_notify: data may be missing"),
    (USOCKET_ETLS_HANDSHAKE_EOF, "the connection ended during the TLS handshake"),
    (USOCKET_ETLS_NOT_TLS, "the peer does not speak TLS"),
    (USOCKET_ETLS_PROTOCOL, "the peer broke the rules of TLS"),
    (USOCKET_ETLS_DECRYPT, "a TLS record could not be decrypted"),
    (USOCKET_ETLS_RECORD_OVERFLOW, "the peer sent a TLS record that is too long"),
    (USOCKET_ETLS_OTHER, "TLS failed"),
    (USOCKET_ETLS_EXHAUSTED, "the keys of the TLS session are used up"),
    (USOCKET_ETLS_SYSTEM, "no random bytes or no time could be had from the system"),
    (USOCKET_ETLS_CERT_EXPIRED, "the certificate has expired"),
    (USOCKET_ETLS_CERT_NOT_YET_VALID, "the certificate is not valid yet"),
    (USOCKET_ETLS_CERT_UNKNOWN_ISSUER, "the certificate was issued by nobody who is trusted"),
    (USOCKET_ETLS_CERT_WRONG_NAME, "the certificate is for another name"),
    (USOCKET_ETLS_CERT_REVOKED, "the certificate has been revoked"),
    (USOCKET_ETLS_CERT_BAD_ENCODING, "the certificate is badly encoded"),
    (USOCKET_ETLS_CERT_BAD_SIGNATURE, "a signature is wrong"),
    (USOCKET_ETLS_CERT_UNSUPPORTED, "the certificate uses something that is not supported"),
    (USOCKET_ETLS_CERT_WRONG_PURPOSE, "the certificate is not for this purpose"),
    (USOCKET_ETLS_CERT_IS_CA, "the peer's own certificate is a CA certificate, and not itself a trusted one"),
    (USOCKET_ETLS_CRL_MISSING, "there is no revocation list for the certificate"),
    (USOCKET_ETLS_CRL_EXPIRED, "the revocation list is out of date"),
    (USOCKET_ETLS_CRL_INVALID, "the revocation list is not usable"),
    (USOCKET_ETLS_CERT_NOT_PINNED, "the key of the certificate is none of the pinned ones"),
    (USOCKET_ETLS_CERT_REFUSED, "the verify callback refused the certificate"),
    (USOCKET_ETLS_CERT_REQUIRED, "the peer presented no certificate, and one is required"),
    (USOCKET_ETLS_CERT_CONSTRAINT, "the certificate chain breaks a limit set in it"),
    (USOCKET_ETLS_CERT_BAD_STAPLE, "the certificate status stapled to the handshake is wrong"),
    (USOCKET_ETLS_NO_COMMON_VERSION, "no TLS version in common with the peer"),
    (USOCKET_ETLS_NO_COMMON_SUITE, "no cipher suite in common with the peer"),
    (USOCKET_ETLS_NO_COMMON_GROUP, "no key exchange group in common with the peer"),
    (USOCKET_ETLS_NO_COMMON_ALPN, "no application protocol (ALPN) in common with the peer"),
    (USOCKET_ETLS_NO_COMMON_SIGNATURE, "no signature algorithm in common with the peer"),
    (USOCKET_ETLS_PEER_INCOMPATIBLE, "the peer lacks something that is required"),
    (USOCKET_ETLS_PEM_EMPTY, "the PEM text has no item of the kind that is needed"),
    (USOCKET_ETLS_PEM_BAD, "the PEM text is damaged"),
    (USOCKET_ETLS_CERT_INVALID, "invalid certificate"),
    (USOCKET_ETLS_KEY_INVALID, "invalid private key"),
    (USOCKET_ETLS_KEY_ENCRYPTED, "the private key is encrypted; decrypt it first"),
    (USOCKET_ETLS_KEY_MISMATCH, "the private key does not belong to the certificate"),
    (USOCKET_ETLS_NO_TRUST, "verification needs a trusted certificate, and there is none"),
    (USOCKET_ETLS_NO_CERT, "a TLS server needs a certificate, and there is none"),
    (USOCKET_ETLS_BAD_NAME, "the server name is neither a host name nor an IP address"),
    (USOCKET_ETLS_NAME_REQUIRED, "the host name is to be checked, and no server name was given"),
    (USOCKET_ETLS_NO_SUCH_SUITE, "no such cipher suite or group"),
    (USOCKET_ETLS_NO_SUCH_VERSION, "no such TLS version in this build"),
    (USOCKET_ETLS_CONTEXT_IN_USE, "the TLS context is in use and can no longer be changed"),
    (USOCKET_ETLS_CPU, "the processor lacks what this build's cryptography needs"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_has_one_number_and_a_text() {
        let source = include_str!("causes.rs");
        let mut seen = Vec::new();
        for line in source.lines().filter(|l| l.starts_with("pub const USOCKET_ETLS_")) {
            let number = line.rsplit(' ').next().unwrap_or_default().trim_end_matches(';');
            let number: i32 = number.parse().unwrap_or_default();
            assert!((-10999..=-10001).contains(&number), "{line}");
            assert!(!seen.contains(&number), "twice: {line}");
            assert!(text(number).is_some(), "no text: {line}");
            seen.push(number);
        }
        assert_eq!(seen.len(), TEXTS.len() + 1);
    }

    #[test]
    fn alerts_have_their_own_range() {
        assert_eq!(alert_of(-10548), Some(48));
        assert_eq!(alert_of(USOCKET_ETLS_CPU), None);
        assert_eq!(alert_of(-10756), None);
        assert!(text(-10548).is_some_and(|t| t.contains("unknown_ca")));
        assert_eq!(text(-10999), None);
    }
}
