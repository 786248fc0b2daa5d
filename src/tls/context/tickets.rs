//! What a server keeps of its clients' sessions, in tickets or in memory.
//!
//! rustls resumes a session without asking anybody about the certificate its client showed when it
//! began. Here that is asked, every time, of whoever decides about new connections now: with its
//! dates, lists, pins and callback. What is refused is not resumed; a whole handshake follows, in
//! which the client is told why. So sessions outlive a change of the context, and may be shared.

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
    /// How many there is room for.
    pub sessions: usize,
    tickets: Arc<dyn ProducesTickets>,
    memory: Arc<dyn StoresServerSessions>,
}

impl Kept {
    /// Room for so many, and a key for tickets.
    pub fn new(sessions: usize) -> Result<Kept, Cause> {
        let tickets = provider::ticketer()?;
        Ok(Kept { sessions, tickets, memory: ServerSessionMemoryCache::new(sessions) })
    }

    /// Both, asking `verifier` before anything is resumed.
    ///
    /// `shared` seals the tickets in place of the context's own keys.
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
                // What is said about a refusal here belongs to no failure: the handshake goes on.
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

/// The client's certificates in a session as rustls 0.23 writes it. Should it ever write it in
/// another way, this gives `None` (a test sees to it that we notice), and nothing is resumed where
/// clients show certificates.
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
