//! How many bytes can be encrypted so that the kernel takes all of them.
//!
//! Bytes counted by a non-blocking send must be in the kernel: only then do they survive a close,
//! and the process. A record is encrypted as a whole, so the space must be known before. The kernel
//! also counts the overhead of its packets; this uses an upper estimate, and the remaining space is
//! for close_notify.

use super::Engine;
use crate::tls::transport::Transport;

/// The minimum packet size, except for peers that request smaller ones.
const PACKET: usize = 536;
/// The kernel's overhead per packet.
const OVERHEAD: usize = 2304;
/// TLS's overhead per record, and a record's data.
const RECORD: usize = 32;
const CARRIES: usize = 16384;
/// Reserved for close_notify and responses to key updates.
const KEPT: usize = 256;

fn sealed(plain: usize) -> usize {
    plain + (plain / CARRIES + 1) * RECORD
}

/// The kernel's maximum count for this many bytes.
fn cost(sealed: usize) -> usize {
    sealed + sealed.saturating_sub(1) / PACKET * OVERHEAD
}

/// The number of plain bytes within that cost.
fn affordable(room: usize) -> usize {
    let (packets, rest) = (room / (PACKET + OVERHEAD), room % (PACKET + OVERHEAD));
    let sealed = packets * PACKET + rest.min(PACKET);
    sealed.saturating_sub((sealed / CARRIES + 1) * RECORD)
}

impl Engine {
    /// Asks for the space once for several sends.
    pub(super) fn ask_for_room(&mut self, io: &dyn Transport) {
        if io.timeout_us() >= 0 {
            self.room = io.room().map_or(0, |room| room.saturating_sub(KEPT));
        }
    }

    /// Whether a send that found no space still has to wait.
    pub fn look_for_room(&mut self, io: &dyn Transport) {
        let room = |room: usize| affordable(room.saturating_sub(KEPT)) > 0;
        if self.full {
            self.full = !io.room().is_none_or(room);
        }
    }

    /// The number of bytes, out of `want`, that may be encrypted now; they count as sent.
    #[inline(never)]
    pub(super) fn afford(&mut self, io: &dyn Transport, want: usize) -> usize {
        if cost(sealed(want)) > self.room {
            match io.room() {
                Some(room) => self.room = room.saturating_sub(KEPT),
                None => return want,
            }
        }
        let n = want.min(affordable(self.room));
        self.full = false;
        // The first packet may always begin; the next send has to wait for it.
        self.room = self.room.saturating_sub(cost(sealed(n)) + OVERHEAD);
        n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_affordable_costs_no_more() {
        for room in (0..400_000).step_by(37) {
            let n = affordable(room);
            assert!(n == 0 || cost(sealed(n)) <= room, "{n} for {room}");
        }
        // Whenever the kernel says that there is room, something is: it leaves a third of the least.
        assert!(affordable(4608 / 3 - KEPT) > 0);
    }
}
