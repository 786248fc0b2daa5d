//! A server's record of its clients' sessions, in tickets or in memory.
//!
//! rustls resumes a session without checking the client's original certificate again. Here the
//! current verifier checks it each time: dates, lists, pins and callback. A refused session is not
//! resumed; a full handshake follows, and there the client gets the alert. So sessions outlive a
//! change of the context, and can be shared.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use rustls::time_provider::TimeProvider;

use crate::tls::Cause;
use crate::tls::context::clock::Clock;
use crate::tls::material::{keylog, provider};
use crate::tls::verify::{Usage, Verifier};

/// The sessions of a server's clients. They stay while its settings change.
#[derive(Clone)]
pub struct Kept {
    /// The maximum number of sessions.
    pub sessions: usize,
    tickets: Arc<dyn ProducesTickets>,
    memory: Arc<dyn StoresServerSessions>,
}

impl Kept {
    /// Makes a store of this size, and a key for tickets.
    pub fn new(sessions: usize) -> Result<Kept, Cause> {
        let tickets = provider::ticketer()?;
        Ok(Kept { sessions, tickets, memory: ServerSessionMemoryCache::new(sessions) })
    }

    /// Both, with a check by `verifier` before a session is resumed.
    ///
    /// `shared` encrypts the tickets in place of the context's own keys.
    pub fn guarded(
        &self,
        shared: Option<Arc<dyn ProducesTickets>>,
        verifier: &Arc<Verifier>,
        clock: Clock,
    ) -> (Arc<dyn ProducesTickets>, Arc<dyn StoresServerSessions>) {
        let judge = || Judge { verifier: verifier.clone(), clock };
        (
            Arc::new(Guarded {
                inner: shared.unwrap_or_else(|| self.tickets.clone()),
                judge: judge(),
            }),
            Arc::new(Guarded { inner: self.memory.clone(), judge: judge() }),
        )
    }
}

#[derive(Debug)]
struct Judge {
    verifier: Arc<Verifier>,
    clock: Clock,
}

impl Judge {
    /// The session, if its client would be accepted now.
    fn pass(&self, session: Vec<u8>) -> Option<Vec<u8>> {
        if !self.verifier.wants_certificate() {
            return Some(session);
        }
        let chain = client_chain(&session)?;
        let accepted = match chain.split_first() {
            None => !self.verifier.requires_certificate(),
            Some((leaf, chain)) => {
                let now = self.clock.current_time()?;
                // Discard the sentence of a refusal here, since the handshake goes on.
                keylog::unsaid(|| {
                    self.verifier.judge(leaf, chain, None, &[], now, Usage::Client).is_ok()
                })
            }
        };
        accepted.then_some(session)
    }
}

#[derive(Debug)]
struct Guarded<T: ?Sized> {
    inner: Arc<T>,
    judge: Judge,
}

impl ProducesTickets for Guarded<dyn ProducesTickets> {
    fn enabled(&self) -> bool {
        self.inner.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.inner.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.inner.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.judge.pass(self.inner.decrypt(cipher)?)
    }
}

impl StoresServerSessions for Guarded<dyn StoresServerSessions> {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.inner.put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.judge.pass(self.inner.get(key)?)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.judge.pass(self.inner.take(key)?)
    }

    fn can_cache(&self) -> bool {
        self.inner.can_cache()
    }
}

/// The client's certificates in a session in rustls 0.23's encoding. If the encoding ever changes,
/// this returns `None` (and a test fails), and sessions of clients with certificates are not
/// resumed.
fn client_chain(session: &[u8]) -> Option<Vec<CertificateDer<'_>>> {
    let mut rest = session;
    // The name: a flag, and its length in one byte.
    if take(&mut rest, 1)? == [1] {
        let len = number(&mut rest, 1)?;
        take(&mut rest, len)?;
    }
    // Version and cipher suite; the secret, its length in one byte; whether it is an extended one.
    take(&mut rest, 4)?;
    let len = number(&mut rest, 1)?;
    take(&mut rest, len)?;
    take(&mut rest, 1)?;
    // The certificates: a flag, all their length in three bytes, each one's in three.
    let mut chain = Vec::new();
    if take(&mut rest, 1)? == [1] {
        let len = number(&mut rest, 3)?;
        let mut all = take(&mut rest, len)?;
        while !all.is_empty() {
            let len = number(&mut all, 3)?;
            chain.push(take(&mut all, len)?.into());
        }
    }
    Some(chain)
}

fn take<'a>(from: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(n)?;
    *from = rest;
    Some(taken)
}

fn number(from: &mut &[u8], bytes: usize) -> Option<usize> {
    Some(take(from, bytes)?.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
}
