//! Returns the memory of many sessions to the system after they have ended.
//!
//! The C library returns only freed memory at the end of the heap, and after a thousand connections
//! some block there is still in use, such as a ticket of the last one. So when all but a few
//! sessions have ended, the end of a close calls malloc_trim(3), and also frees the thread's
//! buffers.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::sys::memory;
use crate::tls::engine::buffer;

/// The minimum number of sessions for a trim; they keep some megabytes.
const CROWD: u32 = 256;
/// Trims when one session in this many is left.
const FEW: u32 = 16;

static HERE: AtomicU32 = AtomicU32::new(0);
/// The maximum number of sessions since the last trim.
static MOST: AtomicU32 = AtomicU32::new(0);
/// Whether the last session trims once more: the few that were left have ended, too.
static REST: AtomicBool = AtomicBool::new(false);
static DUE: AtomicBool = AtomicBool::new(false);

/// Counts one session.
pub(super) struct One(());

impl One {
    pub(super) fn new() -> One {
        let here = HERE.fetch_add(1, Ordering::Relaxed) + 1;
        if here > MOST.load(Ordering::Relaxed) {
            MOST.fetch_max(here, Ordering::Relaxed);
        }
        One(())
    }
}

impl Drop for One {
    fn drop(&mut self) {
        let here = HERE.fetch_sub(1, Ordering::Relaxed) - 1;
        let most = MOST.load(Ordering::Relaxed);
        if most >= CROWD && here == most / FEW {
            // The next trim needs a crowd again: sessions that come and go here cost none.
            MOST.store(here, Ordering::Relaxed);
            REST.store(true, Ordering::Relaxed);
            DUE.store(true, Ordering::Relaxed);
        } else if here == 0 && REST.swap(false, Ordering::Relaxed) {
            DUE.store(true, Ordering::Relaxed);
        }
    }
}

/// Called at the end of a close: returns memory if it is due.
#[inline]
pub fn gone() {
    if DUE.load(Ordering::Relaxed) {
        give_back();
    }
}

#[cold]
fn give_back() {
    if DUE.swap(false, Ordering::Relaxed) {
        buffer::give_up();
        memory::trim();
    }
}
