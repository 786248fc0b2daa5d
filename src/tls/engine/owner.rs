//! The owner of a connection. After a fork two processes have the same keys and the same counters:
//! if both went on, one nonce would encrypt two texts, and each would read records of the other's
//! stream. So the first one that sends or receives after a fork keeps it, and the other gets an
//! error.

use crate::error::Result;
use crate::sys::fork;
use crate::sys::shared::Shared;

/// The role of a process that closes a connection.
pub enum Leave {
    /// The owner: sends close_notify.
    Owner,
    /// The last process that had it; another has sent what had to be sent.
    Last,
    /// Neither: others may go on with it.
    Other,
}

/// This process's claim.
pub struct Owner {
    word: Shared,
    /// The value of the shared word at the last claim by this process, or by its parent before the
    /// fork.
    seen: u32,
    /// [`fork::partings`] at that time: unless it has changed, no other process can have claimed
    /// it.
    partings: u32,
    /// [`fork::forks`] at that time.
    forks: u32,
    /// [`fork::forks`] of the process that has left: two threads may close at once.
    left: Option<u32>,
}

impl Owner {
    /// The claim on a new connection.
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

    /// Records that this process closes it. It is the owner if it has used it since the last fork,
    /// or if every other process has closed it and none of them has used it.
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

    /// Claims it after a fork; false when another process has claimed it.
    pub fn claim(&mut self) -> bool {
        let Some(now) = self.word.claim(self.seen) else { return false };
        (self.seen, self.partings, self.forks) = (now, fork::partings(), fork::forks());
        true
    }

    /// Keeps it, if this process had it before the last fork: for a process that forks within a
    /// callback and ends the connection there. Its child sends nothing.
    pub fn keep(&mut self) -> bool {
        self.settled() || self.forks == fork::forks() && self.claim()
    }
}
