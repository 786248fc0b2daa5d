//! Whose connection it is. After a fork two processes have the same keys and the same counters: if
//! both went on, one nonce would seal two texts, and each would take records out of the other's
//! stream. So the first that sends or receives after a fork keeps it, and the other is told.

use crate::error::Result;
use crate::sys::fork;
use crate::sys::shared::Shared;

/// What a process is to a connection that it closes.
pub enum Leave {
    /// Its owner: it says goodbye.
    Owner,
    /// The last that had it; another has said what was to be said.
    Last,
    /// None of these: others may go on with it.
    Other,
}

/// This process's claim.
pub struct Owner {
    word: Shared,
    /// What the word was when this process, or its parent before the fork, claimed it last.
    seen: u32,
    /// [`fork::partings`] at that time: unless it has changed, nobody else can have claimed it.
    partings: u32,
    /// [`fork::forks`] then.
    forks: u32,
    /// [`fork::forks`] of the process that has left: two threads may close at once.
    left: Option<u32>,
}

impl Owner {
    /// Of a new connection.
    ///
    /// # Errors
    /// ENOMEM
    pub fn new() -> Result<Owner> {
        let (word, partings, forks) = (Shared::new()?, fork::partings(), fork::forks());
        Ok(Owner { word, seen: 0, partings, forks, left: None })
    }

    /// Whether this process has used it since the last fork.
    #[inline]
    pub fn settled(&self) -> bool {
        self.partings == fork::partings()
    }

    /// This process closes it. It is the owner if it has used it since the last fork, or every other
    /// process has closed it and none of them has used it.
    pub fn leave(&mut self) -> Leave {
        let here = Some(fork::forks());
        let first = std::mem::replace(&mut self.left, here) != here;
        let last = first && self.word.leave();
        match () {
            () if self.settled() => Leave::Owner,
            () if last && self.claim() => Leave::Owner,
            () if last => Leave::Last,
            () => Leave::Other,
        }
    }

    /// Claims it after a fork; false when the other process has.
    pub fn claim(&mut self) -> bool {
        let Some(now) = self.word.claim(self.seen) else { return false };
        (self.seen, self.partings, self.forks) = (now, fork::partings(), fork::forks());
        true
    }

    /// Keeps it, where this process had it before the last fork: one that forks within the host's
    /// callback and ends the connection there. Its child says nothing.
    pub fn keep(&mut self) -> bool {
        self.settled() || self.forks == fork::forks() && self.claim()
    }
}
