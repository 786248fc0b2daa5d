//! The causes of TLS errors, each declared once: this table is the source of the constants, the
//! texts, the categories, the header, and the names in Python and MicroPython (`make header`). It
//! is part of every build, with TLS or without.
//!
//! Append-only: a number, once given, keeps its meaning. One per cause a user can act on.

use std::fmt::{self, Write};

use crate::numbers::*;

/// The category of an error: how a program may react to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Category {
    /// TLS itself failed: a protocol violation, a damaged record, a limit.
    Connection = USOCKET_CATEGORY_TLS_CONNECTION,
    /// The connection ended before TLS was closed.
    End = USOCKET_CATEGORY_TLS_END,
    /// The peer's certificate was rejected, or it presented none and one is required.
    Certificate = USOCKET_CATEGORY_TLS_CERTIFICATE,
    /// The two sides have no common version, suite, group or protocol.
    Agreement = USOCKET_CATEGORY_TLS_AGREEMENT,
    /// The program supplied something unusable.
    Setting = USOCKET_CATEGORY_TLS_SETTING,
    /// The peer ended the connection with an alert.
    Alert = USOCKET_CATEGORY_TLS_ALERT,
}

/// One cause. `openssl` is OpenSSL's name of it in capitals, or one in its style, and OpenSSL's
/// X509_V_ERR_ number for a certificate (else 0). `mbedtls` is the text that MicroPython programs
/// get from mbedTLS: a sentence with number 0 belongs to a ValueError, a name with its number to an
/// OSError; "" if mbedTLS has none.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // Said above.
pub struct Cause {
    pub name: &'static str,
    pub code: i32,
    pub category: Category,
    pub doc: &'static str,
    pub text: &'static str,
    pub openssl: (&'static str, i32),
    pub mbedtls: (&'static str, i32),
}

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $name:ident = $n:literal: $category:ident, $text:literal,
        openssl: $openssl:expr, mbedtls: $mbedtls:expr;)+) => {
        $($(#[doc = $doc])+ pub const $name: i32 = $n;)+

        /// Each cause with its category and text.
        const TEXTS: &[(i32, Category, &str)] = &[$(($name, Category::$category, $text)),+];

        /// All of them in full, for generating the tables of other languages.
        #[allow(dead_code)]
        pub const CAUSES: &[Cause] = &[$(Cause {
            name: stringify!($name),
            code: $name,
            category: Category::$category,
            doc: concat!($($doc, "\n"),+),
            text: $text,
            openssl: $openssl,
            mbedtls: $mbedtls,
        }),+];
    };
}

causes! {
    /// The socket is not wrapped in TLS yet: it was created with IPPROTO_SEC, or the call needs TLS.
    USOCKET_ETLS_NOT_WRAPPED = -10001: Setting, "wrap the socket in TLS first: it was created with IPPROTO_SEC, or the call needs TLS",
        openssl: ("NOT_WRAPPED", 0), mbedtls: ("", 0);

    /// The connection was closed without the peer's close_notify: the data may be incomplete.
    USOCKET_ETLS_TRUNCATED = -10002: End, "the connection was closed without a TLS close_notify: data may be missing",
        openssl: ("UNEXPECTED_EOF_WHILE_READING", 0), mbedtls: ("MBEDTLS_ERR_SSL_CONN_EOF", -0x7280);
    /// The connection was closed during the handshake.
    USOCKET_ETLS_HANDSHAKE_EOF = -10003: End, "the connection was closed during the TLS handshake",
        openssl: ("UNEXPECTED_EOF_IN_HANDSHAKE", 0), mbedtls: ("MBEDTLS_ERR_SSL_CONN_EOF", -0x7280);

    /// The peer does not speak TLS.
    USOCKET_ETLS_NOT_TLS = -10004: Connection, "the peer does not speak TLS",
        openssl: ("WRONG_VERSION_NUMBER", 0), mbedtls: ("MBEDTLS_ERR_SSL_INVALID_RECORD", -0x7200);
    /// The peer violated the TLS protocol.
    USOCKET_ETLS_PROTOCOL = -10005: Connection, "the peer violated the TLS protocol",
        openssl: ("UNEXPECTED_MESSAGE", 0), mbedtls: ("MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE", -0x7700);
    /// A record could not be decrypted: damaged, or forged.
    USOCKET_ETLS_DECRYPT = -10006: Connection, "cannot decrypt a TLS record: it is damaged or forged",
        openssl: ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", 0), mbedtls: ("MBEDTLS_ERR_SSL_INVALID_MAC", -0x7180);
    /// The peer sent an oversized record.
    USOCKET_ETLS_RECORD_OVERFLOW = -10007: Connection, "the peer sent an oversized TLS record",
        openssl: ("DATA_LENGTH_TOO_LONG", 0), mbedtls: ("MBEDTLS_ERR_SSL_INVALID_RECORD", -0x7200);
    /// TLS failed for another reason; usocket_error_detail has the sentence.
    USOCKET_ETLS_OTHER = -10008: Connection, "TLS error",
        openssl: ("OTHER", 0), mbedtls: ("", 0);
    /// The session has reached the limit of its keys.
    USOCKET_ETLS_EXHAUSTED = -10009: Connection, "the TLS session has reached the limit of its keys",
        openssl: ("EXHAUSTED", 0), mbedtls: ("", 0);
    /// The system provided no random bytes or no time.
    USOCKET_ETLS_SYSTEM = -10010: Connection, "cannot get random bytes or the time from the system",
        openssl: ("SYSTEM", 0), mbedtls: ("", 0);
    /// The peer sent too many records without data.
    USOCKET_ETLS_FLOOD = -10011: Connection, "the peer sent too many TLS records without data",
        openssl: ("TOO_MANY_WARN_ALERTS", 0), mbedtls: ("", 0);
    /// Another process has used this connection since a fork.
    USOCKET_ETLS_FORKED = -10012: Setting, "another process has used this TLS connection since the fork",
        openssl: ("FORKED", 0), mbedtls: ("", 0);

    /// The peer's certificate has expired (by the clock that usocket_error_detail names).
    USOCKET_ETLS_CERT_EXPIRED = -10020: Certificate, "the certificate has expired",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 10), mbedtls: ("\nThe certificate validity has expired\n", 0);
    /// The peer's certificate is not yet valid (by the clock that usocket_error_detail names).
    USOCKET_ETLS_CERT_NOT_YET_VALID = -10021: Certificate, "the certificate is not yet valid",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 9), mbedtls: ("\nThe certificate validity starts in the future\n", 0);
    /// The issuer of the peer's certificate is not trusted.
    USOCKET_ETLS_CERT_UNKNOWN_ISSUER = -10022: Certificate, "the issuer of the certificate is not trusted",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 20), mbedtls: ("\nThe certificate is not correctly signed by the trusted CA\n", 0);
    /// The peer's certificate is not valid for the name to check.
    USOCKET_ETLS_CERT_WRONG_NAME = -10023: Certificate, "the certificate is not valid for this name",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 62), mbedtls: ("\nThe certificate Common Name (CN) does not match with the expected CN\n", 0);
    /// The peer's certificate has been revoked.
    USOCKET_ETLS_CERT_REVOKED = -10024: Certificate, "the certificate has been revoked",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 23), mbedtls: ("\nThe certificate has been revoked (is on a CRL)\n", 0);
    /// The peer's certificate is malformed.
    USOCKET_ETLS_CERT_BAD_ENCODING = -10025: Certificate, "the certificate is malformed",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 13), mbedtls: ("MBEDTLS_ERR_SSL_BAD_CERTIFICATE", -0x7A00);
    /// A signature does not verify: that of a certificate, or that of the handshake.
    USOCKET_ETLS_CERT_BAD_SIGNATURE = -10026: Certificate, "signature verification failed",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 7), mbedtls: ("\nThe certificate is not correctly signed by the trusted CA\n", 0);
    /// The peer's certificate uses an unsupported algorithm, version or extension.
    USOCKET_ETLS_CERT_UNSUPPORTED = -10027: Certificate, "the certificate uses an unsupported algorithm, version or extension",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 34), mbedtls: ("\nThe certificate is signed with an unacceptable key (eg bad curve, RSA too short).\n", 0);
    /// The peer's certificate is not valid for this purpose (extended key usage).
    USOCKET_ETLS_CERT_WRONG_PURPOSE = -10028: Certificate, "the certificate is not valid for this purpose",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 26), mbedtls: ("\nUsage does not match the extendedKeyUsage extension\n", 0);
    /// The peer's own certificate is a CA certificate and is not trusted itself.
    USOCKET_ETLS_CERT_IS_CA = -10029: Certificate, "the peer's own certificate is a CA certificate and is not trusted itself",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 79), mbedtls: ("\nThe certificate is not correctly signed by the trusted CA\n", 0);
    /// No revocation list covers the peer's certificate.
    USOCKET_ETLS_CRL_MISSING = -10030: Certificate, "no revocation list covers the certificate",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 3), mbedtls: ("\nThe CRL is not correctly signed by the trusted CA\n", 0);
    /// The revocation list is out of date.
    USOCKET_ETLS_CRL_EXPIRED = -10031: Certificate, "the revocation list is out of date",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 12), mbedtls: ("\nThe CRL is expired\n", 0);
    /// A revocation list is invalid.
    USOCKET_ETLS_CRL_INVALID = -10032: Certificate, "the revocation list is invalid",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 8), mbedtls: ("\nThe CRL is not correctly signed by the trusted CA\n", 0);
    /// The key of the peer's certificate matches none of the pinned keys.
    USOCKET_ETLS_CERT_NOT_PINNED = -10033: Certificate, "the key of the certificate matches none of the pinned keys",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 28), mbedtls: ("\nOther reason (can be used by verify callback)\n", 0);
    /// The verify callback rejected the peer's certificate.
    USOCKET_ETLS_CERT_REFUSED = -10034: Certificate, "the verify callback rejected the certificate",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 50), mbedtls: ("MBEDTLS_ERR_ERROR_GENERIC_ERROR", 1);
    /// The peer presented no certificate, but one is required.
    USOCKET_ETLS_CERT_REQUIRED = -10035: Certificate, "the peer presented no certificate, but one is required",
        openssl: ("PEER_DID_NOT_RETURN_A_CERTIFICATE", 0), mbedtls: ("MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE", -0x7480);
    /// The chain violates one of its own constraints (names, length), or is too complex to check.
    USOCKET_ETLS_CERT_CONSTRAINT = -10036: Certificate, "the certificate chain violates one of its own constraints",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 47), mbedtls: ("\nThe certificate is not correctly signed by the trusted CA\n", 0);
    /// The certificate status stapled to the handshake (OCSP) is invalid, or is missing where one is required.
    USOCKET_ETLS_CERT_BAD_STAPLE = -10037: Certificate, "the stapled certificate status (OCSP) is missing or invalid",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 94), mbedtls: ("MBEDTLS_ERR_SSL_BAD_CERTIFICATE", -0x7A00);
    /// A key or signature of the peer's certificates is too weak: RSA below 2048 bits, SHA-1, MD5.
    USOCKET_ETLS_CERT_WEAK = -10038: Certificate, "the certificate has a weak key or signature",
        openssl: ("CERTIFICATE_VERIFY_FAILED", 66), mbedtls: ("\nThe certificate is signed with an unacceptable key (eg bad curve, RSA too short).\n", 0);

    /// No TLS version in common.
    USOCKET_ETLS_NO_COMMON_VERSION = -10050: Agreement, "no TLS version in common with the peer",
        openssl: ("UNSUPPORTED_PROTOCOL", 0), mbedtls: ("MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION", -0x6E80);
    /// No cipher suite in common.
    USOCKET_ETLS_NO_COMMON_SUITE = -10051: Agreement, "no cipher suite in common with the peer",
        openssl: ("NO_SHARED_CIPHER", 0), mbedtls: ("MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE", -0x6E00);
    /// No key exchange group in common.
    USOCKET_ETLS_NO_COMMON_GROUP = -10052: Agreement, "no key exchange group in common with the peer",
        openssl: ("NO_SHARED_GROUP", 0), mbedtls: ("MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE", -0x6E00);
    /// No application protocol (ALPN) in common.
    USOCKET_ETLS_NO_COMMON_ALPN = -10053: Agreement, "no application protocol (ALPN) in common with the peer",
        openssl: ("NO_APPLICATION_PROTOCOL", 0), mbedtls: ("MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL", -0x7580);
    /// No signature algorithm in common: no certificate suits the peer.
    USOCKET_ETLS_NO_COMMON_SIGNATURE = -10054: Agreement, "no signature algorithm in common with the peer",
        openssl: ("NO_SUITABLE_SIGNATURE_ALGORITHM", 0), mbedtls: ("MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE", -0x6E00);
    /// The peer lacks a required TLS feature.
    USOCKET_ETLS_PEER_INCOMPATIBLE = -10055: Agreement, "the peer lacks a required TLS feature",
        openssl: ("PEER_INCOMPATIBLE", 0), mbedtls: ("MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE", -0x6E00);
    /// The name callback has no certificate for the server name the client requested.
    USOCKET_ETLS_NAME_REFUSED = -10056: Agreement, "no certificate for the server name the client requested",
        openssl: ("UNRECOGNIZED_NAME", 0), mbedtls: ("MBEDTLS_ERR_SSL_UNRECOGNIZED_NAME", -0x7800);

    /// No PEM item of the required kind was found.
    USOCKET_ETLS_PEM_EMPTY = -10070: Setting, "the PEM text has no item of the required kind",
        openssl: ("NO_START_LINE", 0), mbedtls: ("invalid cert", 0);
    /// The PEM text is malformed: invalid base64, or no END line.
    USOCKET_ETLS_PEM_BAD = -10071: Setting, "the PEM text is malformed",
        openssl: ("BAD_BASE64_DECODE", 0), mbedtls: ("invalid cert", 0);
    /// A certificate given to the context is invalid.
    USOCKET_ETLS_CERT_INVALID = -10072: Setting, "invalid certificate",
        openssl: ("INVALID_CERTIFICATE", 0), mbedtls: ("invalid cert", 0);
    /// A private key given to the context is unusable.
    USOCKET_ETLS_KEY_INVALID = -10073: Setting, "invalid private key",
        openssl: ("INVALID_KEY", 0), mbedtls: ("invalid key", 0);
    /// The private key is encrypted: no password was set, or its encryption is not supported.
    USOCKET_ETLS_KEY_ENCRYPTED = -10074: Setting, "the private key is encrypted",
        openssl: ("BAD_DECRYPT", 0), mbedtls: ("invalid key", 0);
    /// The private key does not match the certificate.
    USOCKET_ETLS_KEY_MISMATCH = -10075: Setting, "the private key does not match the certificate",
        openssl: ("KEY_VALUES_MISMATCH", 0), mbedtls: ("invalid key", 0);
    /// There are no trusted certificates to verify the peer against.
    USOCKET_ETLS_NO_TRUST = -10076: Setting, "no trusted certificates to verify the peer against",
        openssl: ("NO_TRUSTED_CERTIFICATE", 0), mbedtls: ("MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED", -0x7680);
    /// A server needs a certificate, but none was added.
    USOCKET_ETLS_NO_CERT = -10077: Setting, "a TLS server needs a certificate, but none was added",
        openssl: ("NO_CERTIFICATE_ASSIGNED", 0), mbedtls: ("MBEDTLS_ERR_SSL_PRIVATE_KEY_REQUIRED", -0x7600);
    /// The server name is neither a host name nor an IP address.
    USOCKET_ETLS_BAD_NAME = -10078: Setting, "the server name is neither a host name nor an IP address",
        openssl: ("BAD_SERVER_NAME", 0), mbedtls: ("MBEDTLS_ERR_SSL_BAD_INPUT_DATA", -0x7100);
    /// Checking the host name requires a server name, and none was given.
    USOCKET_ETLS_NAME_REQUIRED = -10079: Setting, "checking the host name requires a server name",
        openssl: ("SERVER_NAME_REQUIRED", 0), mbedtls: ("CERT_REQUIRED requires server_hostname", 0);
    /// A cipher suite or group name is unknown, or none is left.
    USOCKET_ETLS_NO_SUCH_SUITE = -10080: Setting, "unknown cipher suite or group, or none is left",
        openssl: ("NO_CIPHER_MATCH", 0), mbedtls: ("MBEDTLS_ERR_SSL_BAD_CONFIG", -0x5E80);
    /// No TLS version of the requested range is available.
    USOCKET_ETLS_NO_SUCH_VERSION = -10081: Setting, "no TLS version of the requested range is available",
        openssl: ("NO_PROTOCOLS_AVAILABLE", 0), mbedtls: ("MBEDTLS_ERR_SSL_BAD_CONFIG", -0x5E80);
    /// The processor lacks instructions that this build's cryptography needs.
    USOCKET_ETLS_CPU = -10083: Setting, "the processor lacks instructions that this build's cryptography needs",
        openssl: ("CPU", 0), mbedtls: ("", 0);
    /// Wrong password for the encrypted private key.
    USOCKET_ETLS_KEY_PASSWORD = -10084: Setting, "wrong password for the private key",
        openssl: ("BAD_DECRYPT", 0), mbedtls: ("invalid key", 0);
}

/// Alert n from the peer is USOCKET_ETLS_ALERT - n; for example -10548 is alert 48, unknown_ca.
pub const USOCKET_ETLS_ALERT: i32 = -10500;

/// The alert number of a code of that sub-range.
pub const fn alert_of(code: i32) -> Option<u8> {
    match USOCKET_ETLS_ALERT - code {
        n @ 0..=255 => Some(n as u8),
        _ => None,
    }
}

/// Writes the text for a code of the TLS range; `None` for a number that was never given.
pub fn text(code: i32, to: &mut impl Write) -> Option<fmt::Result> {
    if let Some(n) = alert_of(code) {
        return Some(write!(to, "the peer sent TLS alert {n} ({})", alert_name(n)));
    }
    let (.., text) = TEXTS.iter().find(|(c, ..)| *c == code)?;
    Some(to.write_str(text))
}

/// The category of a code of the TLS range; `None` for a number that was never given.
pub fn category(code: i32) -> Option<Category> {
    if alert_of(code).is_some() {
        return Some(Category::Alert);
    }
    TEXTS.iter().find(|(c, ..)| *c == code).map(|(_, category, _)| *category)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: i32) -> Option<String> {
        let mut said = String::new();
        text(code, &mut said).map(|_| said)
    }

    #[test]
    fn every_cause_has_one_number_and_a_text() {
        for (at, cause) in CAUSES.iter().enumerate() {
            assert!((-10499..=-10001).contains(&cause.code), "{}", cause.name);
            assert!(CAUSES[..at].iter().all(|c| c.code != cause.code), "twice: {}", cause.name);
            assert!(cause.name.starts_with("USOCKET_ETLS_"), "{}", cause.name);
            assert_eq!(said(cause.code).as_deref(), Some(cause.text));
            assert_eq!(category(cause.code), Some(cause.category));
        }
    }

    #[test]
    fn what_verifies_no_certificate_has_a_number_of_openssl() {
        for cause in CAUSES {
            let refused = cause.openssl.0 == "CERTIFICATE_VERIFY_FAILED";
            assert_eq!(refused, cause.openssl.1 != 0, "{}", cause.name);
            assert!(!refused || cause.category == Category::Certificate, "{}", cause.name);
        }
    }

    #[test]
    fn alerts_have_their_own_range() {
        assert_eq!(alert_of(-10548), Some(48));
        assert_eq!(alert_of(USOCKET_ETLS_CPU), None);
        assert_eq!(alert_of(-10756), None);
        assert!(said(-10548).is_some_and(|t| t.contains("unknown_ca")));
        assert_eq!(category(-10548), Some(Category::Alert));
        assert_eq!(said(-10999), None);
        assert_eq!(category(-10999), None);
    }
}
