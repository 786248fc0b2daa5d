//! After a crowd of sessions the memory they had goes back to the system.
//!
//! The C library keeps what is freed, but for what lies at the end: and there, among the blocks of a
//! thousand connections, lies always something that stays, such as a ticket of the last of them. So when
//! all but a few have gone it is asked once, at the end of a close, and the thread's buffers go too.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::sys::memory;
use crate::tls::engine::buffer;

/// So many keep some megabytes.
const CROWD: u32 = 256;
/// Of which all but one in so many have gone.
const FEW: u32 = 16;

static HERE: AtomicU32 = AtomicU32::new(0);
/// How many there were at most, since that was asked last.
static MOST: AtomicU32 = AtomicU32::new(0);
static DUE: AtomicBool = AtomicBool::new(false);

/// One session, as it is counted.
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
        if most >= CROWD && (here == 0 || here == most / FEW) {
            // What is left of them is no crowd, and is asked for once more.
            MOST.store(if here == 0 { 0 } else { most }, Ordering::Relaxed);
            DUE.store(true, Ordering::Relaxed);
        }
    }
}

/// At the end of a close: gives back what is due.
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
