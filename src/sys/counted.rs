//! A value with several owners: std's Arc with fallible allocation.

use std::io;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::memory;

/// See the module documentation.
pub struct Counted<T>(NonNull<[Inner<T>; 1]>);

struct Inner<T> {
    owners: AtomicUsize,
    value: T,
}

// SAFETY: as for Arc: owners share the value (Sync), and the last of them drops it (Send).
unsafe impl<T: Send + Sync> Send for Counted<T> {}
// SAFETY: as for Send.
unsafe impl<T: Send + Sync> Sync for Counted<T> {}

impl<T> Counted<T> {
    /// A value with one owner.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new(value: T) -> io::Result<Self> {
        let inner = memory::boxed(Inner { owners: AtomicUsize::new(1), value })?;
        Ok(Counted(NonNull::from(Box::leak(inner))))
    }

    fn inner(&self) -> &Inner<T> {
        // SAFETY: it lives as long as it has an owner, and this is one.
        unsafe { &self.0.as_ref()[0] }
    }
}

impl<T> Clone for Counted<T> {
    fn clone(&self) -> Self {
        // The cloning thread has a reference, so no ordering is needed.
        self.inner().owners.fetch_add(1, Ordering::Relaxed);
        Counted(self.0)
    }
}

impl<T> Deref for Counted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner().value
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        if self.inner().owners.fetch_sub(1, Ordering::Release) == 1 {
            // The other owners' accesses happen before the drop. (A load, because ThreadSanitizer
            // does not know fences.)
            self.inner().owners.load(Ordering::Acquire);
            // SAFETY: leaked in `new`, and this was the last owner.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn the_last_owner_drops_the_value() {
        let dropped = Arc::new(());
        let one = Counted::new(dropped.clone()).unwrap();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let one = one.clone();
                std::thread::spawn(move || (0..1000).for_each(|_| drop(one.clone())))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(Arc::strong_count(&dropped), 2);
        drop(one);
        assert_eq!(Arc::strong_count(&dropped), 1);
    }
}
