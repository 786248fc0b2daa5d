//! Tickets encrypted with the program's keys, so that other processes and machines can decrypt
//! them: a server behind a load balancer can resume its neighbour's sessions.
//!
//! A ticket is the key's name, a salt, and the ciphertext of a TLS 1.3 AEAD with a key derived for
//! this ticket alone (HKDF over salt and secret), so that no nonce is used twice. The plaintext
//! starts with the time: a secret may be used for years, a ticket may not.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, Iv, OutboundChunks, OutboundPlainMessage,
};
use rustls::crypto::{CryptoProvider, SecureRandom};
use rustls::server::ProducesTickets;
use rustls::time_provider::TimeProvider;
use rustls::{ContentType, ProtocolVersion, SupportedCipherSuite, Tls13CipherSuite};
use zeroize::Zeroizing;

use crate::tls::context::clock::Clock;

/// A ticket key of the program.
pub type Secret = Zeroizing<[u8; SECRET]>;
/// How long it is.
pub const SECRET: usize = 32;
/// The number of keys kept: the newest encrypts, the others still decrypt.
pub const MOST: usize = 4;

/// The lifetime of a ticket in seconds.
const LIFETIME: u32 = 12 * 60 * 60;
/// The tolerated difference between servers' clocks.
const SKEW: u64 = 60;
const NAME: usize = 16;
const SALT: usize = 32;
/// The size of a record's header, which rustls puts before the ciphertext.
const HEADER: usize = 5;

/// See the module documentation.
pub struct TicketKeys {
    secrets: Vec<Secret>,
    suite: &'static Tls13CipherSuite,
    random: &'static dyn SecureRandom,
    clock: Clock,
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKeys")
    }
}

impl TicketKeys {
    /// Makes it from keys, the newest first; `None` when the provider has no suite for it.
    pub fn new(secrets: &[Secret], provider: &CryptoProvider, clock: Clock) -> Option<Arc<Self>> {
        let suite = provider.cipher_suites.iter().find_map(|suite| match suite {
            SupportedCipherSuite::Tls13(s) if s.aead_alg.key_len() == 32 => Some(*s),
            _ => None,
        })?;
        let (secrets, random) = (secrets.to_vec(), provider.secure_random);
        Some(Arc::new(TicketKeys { secrets, suite, random, clock }))
    }

    /// A key's name, sent in clear text.
    fn name(&self, secret: &Secret) -> Option<[u8; NAME]> {
        let mut name = [0; NAME];
        let expander = self.suite.hkdf_provider.extract_from_secret(None, &secret[..]);
        expander.expand_slice(&[b"usocket ticket name"], &mut name).ok()?;
        Some(name)
    }

    /// The key of one ticket.
    fn key(&self, secret: &Secret, salt: &[u8]) -> Option<(AeadKey, Iv)> {
        let (mut key, mut iv) = (Zeroizing::new([0; 32]), [0; 12]);
        let expander = self.suite.hkdf_provider.extract_from_secret(Some(salt), &secret[..]);
        expander.expand_slice(&[b"usocket ticket key"], &mut key[..]).ok()?;
        expander.expand_slice(&[b"usocket ticket iv"], &mut iv).ok()?;
        Some((AeadKey::from(*key), Iv::from(iv)))
    }
}

impl ProducesTickets for TicketKeys {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        let secret = self.secrets.first()?;
        let mut salt = [0; SALT];
        self.random.fill(&mut salt).ok()?;
        let (key, iv) = self.key(secret, &salt)?;
        let now = self.clock.current_time()?.as_secs().to_be_bytes();
        let plain = Zeroizing::new([&now[..], session].concat());
        let message = OutboundPlainMessage {
            typ: ContentType::ApplicationData,
            version: ProtocolVersion::TLSv1_3,
            payload: OutboundChunks::Single(&plain),
        };
        let sealed = self.suite.aead_alg.encrypter(key, iv).encrypt(message, 0).ok()?.encode();
        Some([&self.name(secret)?, &salt[..], sealed.get(HEADER..)?].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_at_checked(NAME)?;
        let (salt, sealed) = rest.split_at_checked(SALT)?;
        let secret = self.secrets.iter().find(|s| self.name(s).is_some_and(|n| n == *name))?;
        let (key, iv) = self.key(secret, salt)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let version = ProtocolVersion::TLSv1_2;
        let message = InboundOpaqueMessage::new(ContentType::ApplicationData, version, &mut sealed);
        let mut opener = self.suite.aead_alg.decrypter(key, iv);
        let plain = opener.decrypt(message, 0).ok()?;
        let (then, session) = plain.payload.split_first_chunk::<8>()?;
        let (then, now) = (u64::from_be_bytes(*then), self.clock.current_time()?.as_secs());
        let good = then <= now + SKEW && now <= then + u64::from(LIFETIME);
        good.then(|| session.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::material::provider;
    use std::time::Instant;

    fn keys(secrets: &[u8], now: u64) -> Arc<TicketKeys> {
        let secrets: Vec<_> = secrets.iter().map(|b| Zeroizing::new([*b; SECRET])).collect();
        let Ok(provider) = provider::get() else { panic!("provider") };
        let clock = Clock(Some((now, Instant::now())));
        let Some(keys) = TicketKeys::new(&secrets, &provider, clock) else { panic!("no suite") };
        keys
    }

    #[test]
    fn a_ticket_is_opened_by_who_has_the_key_and_while_it_lasts() {
        const NOW: u64 = 2_000_000_000;
        let here = keys(&[1, 2], NOW);
        let Some(ticket) = here.encrypt(b"a session") else { panic!("not sealed") };
        assert!(here.encrypt(b"a session").is_some_and(|other| other != ticket));
        let opens = |keys: Arc<TicketKeys>| keys.decrypt(&ticket).as_deref() == Some(b"a session");
        assert!(opens(keys(&[1], NOW)) && opens(keys(&[3, 2, 1], NOW + 100)));
        assert!(opens(keys(&[1], NOW - 30)) && opens(keys(&[1], NOW + u64::from(LIFETIME) - 5)));
        assert!(!opens(keys(&[2], NOW)) && !opens(keys(&[], NOW)));
        assert!(!opens(keys(&[1], NOW - 300)) && !opens(keys(&[1], NOW + 5 + u64::from(LIFETIME))));
        for at in 0..ticket.len() {
            let mut forged = ticket.clone();
            forged[at] ^= 1;
            assert_eq!(here.decrypt(&forged), None);
            assert_eq!(here.decrypt(&ticket[..at]), None);
        }
    }
}
