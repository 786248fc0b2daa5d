//! Whose connection it is. After a fork two processes have the same keys and the same counters: if
//! both went on, one nonce would seal two texts, and each would take records out of the other's
//! stream. So the first that sends or receives after a fork keeps it, and the other is told.

use crate::error::Result;
use crate::sys::fork;
use crate::sys::shared::Word;

/// This process's claim.
pub struct Owner {
    word: Word,
    /// What the word was when this process, or its parent before the fork, claimed it last.
    seen: u32,
    /// [`fork::partings`] at that time: unless it has changed, nobody else can have claimed it.
    partings: u32,
}

impl Owner {
    /// Of a new connection.
    ///
    /// # Errors
    /// ENOMEM
    pub fn new() -> Result<Owner> {
        Ok(Owner { word: Word::new()?, seen: 0, partings: fork::partings() })
    }

    /// Whether this process has used it since the last fork.
    #[inline]
    pub fn settled(&self) -> bool {
        self.partings == fork::partings()
    }

    /// Claims it after a fork; false when the other process has.
    pub fn claim(&mut self) -> bool {
        let Some(now) = self.word.claim(self.seen) else { return false };
        (self.seen, self.partings) = (now, fork::partings());
        true
    }
}
