//! In debug builds: locks of two kinds are always taken in the same order.
//!
//! A kind is the type of the guarded data. A thread that takes a lock of one kind while it holds
//! one of another establishes an order, for the life of the process; the opposite order could
//! deadlock, and panics whether or not it does. Locks of one kind are not compared.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

const KINDS: usize = 32;

static NAMES: [OnceLock<&str>; KINDS] = [const { OnceLock::new() }; KINDS];
/// For each kind, the set of kinds taken while it was held.
static BEFORE: [AtomicU32; KINDS] = [const { AtomicU32::new(0) }; KINDS];

thread_local! {
    /// How many locks of each kind this thread holds.
    static HELD: [Cell<u8>; KINDS] = const { [const { Cell::new(0) }; KINDS] };
}

/// The number of a kind; `None` when there are too many.
fn kind<T>() -> Option<usize> {
    let name = std::any::type_name::<T>();
    NAMES.iter().position(|n| *n.get_or_init(|| name) == name)
}

/// Records that this thread is about to wait for a lock of the kind.
pub fn wants<T>() {
    let Some(wanted) = kind::<T>() else { return };
    let _ = HELD.try_with(|held| {
        for first in (0..KINDS).filter(|k| *k != wanted && held[*k].get() > 0) {
            BEFORE[first].fetch_or(1 << wanted, Ordering::Relaxed);
            let both = BEFORE[wanted].load(Ordering::Relaxed) & 1 << first != 0;
            let name = |k: usize| NAMES[k].get().copied().unwrap_or_default();
            assert!(!both, "locks of {} and {} in both orders", name(first), name(wanted));
        }
    });
}

/// Records that this thread has taken or released a lock of the kind.
pub fn holds<T>(more: bool) {
    let Some(kind) = kind::<T>() else { return };
    let _ = HELD.try_with(|held| {
        let n = held[kind].get();
        held[kind].set(if more { n.saturating_add(1) } else { n.saturating_sub(1) });
    });
}

#[cfg(test)]
mod tests {
    use crate::sys::fork::Lock;

    #[test]
    fn the_other_order_is_found_without_a_deadlock() {
        struct A;
        struct B;
        let (a, b) = (Lock::new(A), Lock::new(B));
        for _ in 0..2 {
            let _a = a.lock();
            let _b = b.lock();
        }
        {
            let _b = b.lock();
            // Nobody waits in that: so it is no order.
            let _a = a.try_lock();
        }
        let other = std::thread::scope(|scope| {
            let body = || {
                let _b = b.lock();
                let _a = a.lock();
            };
            scope.spawn(body).join()
        });
        let words = other.err().and_then(|e| e.downcast::<String>().ok());
        let found = |w: &String| w.contains("::B and ") && w.contains("::A in both orders");
        assert!(words.as_deref().is_some_and(found), "{words:?}");
    }
}
