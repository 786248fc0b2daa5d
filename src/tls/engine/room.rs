//! How much may be sealed so that the kernel takes all of it.
//!
//! What a send that need not wait has counted must be the kernel's: only that outlives a close, and
//! the process. A record is sealed as a whole, so how much there is room for is asked before. The
//! kernel counts its packets' overhead as well, which is guessed from above; what is left at the end
//! is room for the goodbye.

use super::Engine;
use crate::tls::transport::Transport;

/// No path has smaller packets than these, but for peers that want it so.
const PACKET: usize = 536;
/// What the kernel adds to each.
const OVERHEAD: usize = 2304;
/// What TLS adds to a record, and what a record carries.
const RECORD: usize = 32;
const CARRIES: usize = 16384;
/// For close_notify, and the answers to key updates.
const KEPT: usize = 256;

fn sealed(plain: usize) -> usize {
    plain + (plain / CARRIES + 1) * RECORD
}

/// What the kernel may count for so many bytes.
fn cost(sealed: usize) -> usize {
    sealed + sealed.saturating_sub(1) / PACKET * OVERHEAD
}

/// How many plain bytes cost no more than that.
fn affordable(room: usize) -> usize {
    let (packets, rest) = (room / (PACKET + OVERHEAD), room % (PACKET + OVERHEAD));
    let sealed = packets * PACKET + rest.min(PACKET);
    sealed.saturating_sub((sealed / CARRIES + 1) * RECORD)
}

impl Engine {
    /// Asks once for many sends to come, where they will want to know.
    pub(super) fn ask_for_room(&mut self, io: &dyn Transport) {
        if io.timeout_us() >= 0 {
            self.room = io.room().map_or(0, |room| room.saturating_sub(KEPT));
        }
    }

    /// Whether who was refused still has to wait.
    pub fn look_for_room(&mut self, io: &dyn Transport) {
        let room = |room: usize| affordable(room.saturating_sub(KEPT)) > 0;
        if self.full {
            self.full = !io.room().is_none_or(room);
        }
    }

    /// How many of `want` bytes may be sealed now, which are then taken to be sent.
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
        // The first packet may be begun whatever it adds; the next send comes after that.
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
