//! rustls' errors as our codes, each with a sentence.

use rustls::pki_types::{ServerName, UnixTime};
use rustls::{
    CertRevocationListError, CertificateError, Error as Tls, ExtendedKeyPurpose, InvalidMessage,
    PeerIncompatible, PeerMisbehaved,
};

use crate::error::causes::*;
use crate::tls::Cause;
use crate::tls::material::der;

/// Further information for the sentence.
#[derive(Clone, Copy, Default)]
pub struct Setting {
    /// The clock was set by the program.
    pub own_clock: bool,
    /// Some message of the peer was understood already.
    pub greeted: bool,
    /// The version in the ClientHello that was being read.
    pub hello: Option<u16>,
}

/// Corrects the alert of a cause where rustls queues another: rustls checks a client's signature
/// algorithms, which TLS 1.1 lacks, before its version; and a certificate resolver cannot choose an
/// alert.
pub fn mend_alert(cause: &Cause, output: &mut [u8]) {
    const HANDSHAKE_FAILURE: u8 = 40;
    const ACCESS_DENIED: u8 = 49;
    const PROTOCOL_VERSION: u8 = 70;
    const UNRECOGNIZED_NAME: u8 = 112;
    let (queued, meant) = match cause.code {
        USOCKET_ETLS_NO_COMMON_VERSION => (HANDSHAKE_FAILURE, PROTOCOL_VERSION),
        USOCKET_ETLS_NAME_REFUSED => (ACCESS_DENIED, UNRECOGNIZED_NAME),
        _ => return,
    };
    // Not encrypted, and fatal.
    if output.ends_with(&[21, 3, 3, 0, 2, 2, queued]) {
        output.last_mut().into_iter().for_each(|alert| *alert = meant);
    }
}

/// The cause for an error of rustls.
pub fn of(error: &Tls, setting: Setting) -> Cause {
    let with = |code| Cause::new(code, error.to_string());
    match error {
        Tls::InvalidCertificate(e) => certificate(e, setting),
        Tls::InvalidCertRevocationList(e) => list(e),
        Tls::AlertReceived(alert) => Cause::plain(USOCKET_ETLS_ALERT - i32::from(u8::from(*alert))),
        Tls::InvalidMessage(e) => message(e, setting.greeted, with),
        Tls::PeerIncompatible(e) => incompatible(e, setting),
        Tls::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme) => {
            Cause::new(
                USOCKET_ETLS_PROTOCOL,
                "the peer signed with an algorithm that was not offered",
            )
        }
        Tls::PeerMisbehaved(_)
        | Tls::InappropriateMessage { .. }
        | Tls::InappropriateHandshakeMessage { .. } => with(USOCKET_ETLS_PROTOCOL),
        Tls::NoCertificatesPresented => Cause::plain(USOCKET_ETLS_CERT_REQUIRED),
        Tls::NoApplicationProtocol => Cause::plain(USOCKET_ETLS_NO_COMMON_ALPN),
        Tls::DecryptError => Cause::plain(USOCKET_ETLS_DECRYPT),
        Tls::PeerSentOversizedRecord => Cause::plain(USOCKET_ETLS_RECORD_OVERFLOW),
        Tls::EncryptError => Cause::plain(USOCKET_ETLS_EXHAUSTED),
        Tls::UnsupportedNameType => Cause::plain(USOCKET_ETLS_BAD_NAME),
        Tls::FailedToGetCurrentTime | Tls::FailedToGetRandomBytes => with(USOCKET_ETLS_SYSTEM),
        Tls::InconsistentKeys(_) => Cause::plain(USOCKET_ETLS_KEY_MISMATCH),
        Tls::InvalidEncryptedClientHello(_) => with(USOCKET_ETLS_PEER_INCOMPATIBLE),
        Tls::Other(e) => match e.0.downcast_ref::<Cause>() {
            Some(cause) => cause.clone(),
            None => with(USOCKET_ETLS_OTHER),
        },
        Tls::General(_) | Tls::HandshakeNotComplete | Tls::BadMaxFragmentSize => {
            with(USOCKET_ETLS_OTHER)
        }
        // rustls may add errors; `AUDITED` in the tests then fails.
        _ => with(USOCKET_ETLS_OTHER),
    }
}

fn message(e: &InvalidMessage, greeted: bool, with: impl Fn(i32) -> Cause) -> Cause {
    match e {
        // Not a TLS record: plain HTTP, SSH, a mail server's greeting.
        InvalidMessage::InvalidContentType
        | InvalidMessage::UnknownProtocolVersion
        | InvalidMessage::InvalidEmptyPayload
        | InvalidMessage::MessageTooLarge
            if !greeted =>
        {
            Cause::new(
                USOCKET_ETLS_NOT_TLS,
                "the peer does not speak TLS: it sent something other than a TLS record",
            )
        }
        InvalidMessage::MessageTooLarge
        | InvalidMessage::HandshakePayloadTooLarge
        | InvalidMessage::CertificatePayloadTooLarge => with(USOCKET_ETLS_RECORD_OVERFLOW),
        _ => with(USOCKET_ETLS_PROTOCOL),
    }
}

fn incompatible(e: &PeerIncompatible, setting: Setting) -> Cause {
    use PeerIncompatible as P;
    let code = match e {
        P::SignatureAlgorithmsExtensionRequired if setting.hello.is_some_and(|v| v < 0x0303) => {
            let version = match setting.hello {
                Some(0x0302) => "TLS 1.1",
                Some(0x0301) => "TLS 1.0",
                _ => "SSL",
            };
            return Cause::new(
                USOCKET_ETLS_NO_COMMON_VERSION,
                format!(
                    "no TLS version in common with the peer: the client offers {version} at most"
                ),
            );
        }
        P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::SupportedVersionsExtensionRequired
        | P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled
        | P::Tls13RequiredForQuic => USOCKET_ETLS_NO_COMMON_VERSION,
        P::NoCipherSuitesInCommon => USOCKET_ETLS_NO_COMMON_SUITE,
        P::NoKxGroupsInCommon | P::NamedGroupsExtensionRequired | P::KeyShareExtensionRequired => {
            USOCKET_ETLS_NO_COMMON_GROUP
        }
        P::NoSignatureSchemesInCommon
        | P::NoCertificateRequestSignatureSchemesInCommon
        | P::SignatureAlgorithmsExtensionRequired => USOCKET_ETLS_NO_COMMON_SIGNATURE,
        _ => USOCKET_ETLS_PEER_INCOMPATIBLE,
    };
    let why = match e {
        P::ServerDoesNotSupportTls12Or13 => "the server offers neither TLS 1.2 nor 1.3",
        P::ServerTlsVersionIsDisabledByOurConfig => "the server's version is disabled here",
        P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled
        | P::SupportedVersionsExtensionRequired => "the client offers no version enabled here",
        P::SignatureAlgorithmsExtensionRequired => "the client offers none",
        P::ExtendedMasterSecretExtensionRequired => "extended master secret",
        P::KeyShareExtensionRequired | P::NamedGroupsExtensionRequired => "the client offers none",
        P::NullCompressionRequired => "it requires compression",
        P::EcPointsExtensionRequired | P::UncompressedEcPointsRequired => {
            "it does not accept uncompressed points"
        }
        P::IncorrectCertificateTypeExtension | P::UnsolicitedCertificateTypeExtension => {
            "it requires another type of certificate"
        }
        _ => return Cause::plain(code),
    };
    Cause::new(code, format!("{}: {why}", crate::error::message(code)))
}

fn list(e: &CertRevocationListError) -> Cause {
    Cause::new(USOCKET_ETLS_CRL_INVALID, format!("invalid revocation list: {e:?}"))
}

fn certificate(e: &CertificateError, setting: Setting) -> Cause {
    use CertificateError as C;
    let clock = if setting.own_clock { "the clock set by the program says" } else { "clock says" };
    let day = |t: &UnixTime| der::date(i64::try_from(t.as_secs()).unwrap_or(i64::MAX / 2));
    let code = match e {
        C::ExpiredContext { time, not_after } => {
            let words = format!("certificate expired {}, {clock} {}", day(not_after), day(time));
            return Cause::new(USOCKET_ETLS_CERT_EXPIRED, words);
        }
        C::NotValidYetContext { time, not_before } => {
            let words =
                format!("certificate not valid before {}, {clock} {}", day(not_before), day(time));
            return Cause::new(USOCKET_ETLS_CERT_NOT_YET_VALID, words);
        }
        C::ExpiredRevocationListContext { time, next_update } => {
            let words = format!(
                "revocation list out of date since {}, {clock} {}",
                day(next_update),
                day(time)
            );
            return Cause::new(USOCKET_ETLS_CRL_EXPIRED, words);
        }
        C::NotValidForNameContext { expected, presented } => {
            return wrong_name(expected, presented);
        }
        C::InvalidPurposeContext { required, presented } => {
            let list: Vec<_> = presented.iter().map(purpose).collect();
            let only = if list.is_empty() {
                String::new()
            } else {
                format!(", only for {}", list.join(", "))
            };
            let words =
                format!("the certificate is not valid for {required} (extended key usage){only}");
            return Cause::new(USOCKET_ETLS_CERT_WRONG_PURPOSE, words);
        }
        C::Other(e) => match e.0.downcast_ref::<Cause>() {
            Some(cause) => return cause.clone(),
            None => {
                return Cause::new(
                    USOCKET_ETLS_CERT_CONSTRAINT,
                    format!("the certificate was rejected: {}", e.0),
                );
            }
        },
        C::Expired => USOCKET_ETLS_CERT_EXPIRED,
        C::NotValidYet => USOCKET_ETLS_CERT_NOT_YET_VALID,
        C::Revoked => USOCKET_ETLS_CERT_REVOKED,
        C::UnknownIssuer => USOCKET_ETLS_CERT_UNKNOWN_ISSUER,
        C::UnknownRevocationStatus => USOCKET_ETLS_CRL_MISSING,
        C::ExpiredRevocationList => USOCKET_ETLS_CRL_EXPIRED,
        C::BadEncoding => USOCKET_ETLS_CERT_BAD_ENCODING,
        C::BadSignature => USOCKET_ETLS_CERT_BAD_SIGNATURE,
        C::NotValidForName => USOCKET_ETLS_CERT_WRONG_NAME,
        C::InvalidPurpose => USOCKET_ETLS_CERT_WRONG_PURPOSE,
        C::InvalidOcspResponse => USOCKET_ETLS_CERT_BAD_STAPLE,
        C::ApplicationVerificationFailure => USOCKET_ETLS_CERT_REFUSED,
        C::UnhandledCriticalExtension
        | C::UnsupportedSignatureAlgorithmContext { .. }
        | C::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            USOCKET_ETLS_CERT_UNSUPPORTED
        }
        #[allow(deprecated)]
        C::UnsupportedSignatureAlgorithm => USOCKET_ETLS_CERT_UNSUPPORTED,
        _ => USOCKET_ETLS_OTHER,
    };
    Cause::plain(code)
}

fn purpose(purpose: &ExtendedKeyPurpose) -> String {
    match purpose {
        ExtendedKeyPurpose::Other(arcs) => {
            arcs.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
        }
        known => known.to_string(),
    }
}

/// The sentence for a certificate with other names.
fn wrong_name(expected: &ServerName<'_>, presented: &[String]) -> Cause {
    /// A certificate may have thousands.
    const SHOWN: usize = 10;
    let list = match presented.split_at_checked(SHOWN) {
        _ if presented.is_empty() => "no name".into(),
        Some((shown, more @ [_, ..])) => {
            format!("{}, and {} more", shown.join(", "), more.len())
        }
        _ => presented.join(", "),
    };
    let words = format!("the certificate is valid for {list}, not for {}", expected.to_str());
    Cause::new(USOCKET_ETLS_CERT_WRONG_NAME, words)
}
