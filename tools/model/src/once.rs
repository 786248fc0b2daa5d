//! once_cell's `race::OnceBox`, with an atomic that loom knows.

use std::ptr;

use loom::sync::atomic::{AtomicPtr, Ordering};

pub struct OnceBox<T>(AtomicPtr<T>);

impl<T> OnceBox<T> {
    pub fn new() -> Self {
        OnceBox(AtomicPtr::new(ptr::null_mut()))
    }

    pub fn get(&self) -> Option<&T> {
        // SAFETY: published once it was whole, and freed with this.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    pub fn get_or_try_init<E>(&self, make: impl FnOnce() -> Result<Box<T>, E>) -> Result<&T, E> {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        let (none, new) = (ptr::null_mut(), Box::into_raw(make()?));
        let at = match self.0.compare_exchange(none, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => new,
            Err(first) => {
                // SAFETY: made here, and published nowhere.
                drop(unsafe { Box::from_raw(new) });
                first
            }
        };
        // SAFETY: as in `get`.
        Ok(unsafe { &*at })
    }
}

impl<T> Drop for OnceBox<T> {
    fn drop(&mut self) {
        let at = self.0.load(Ordering::Acquire);
        if !at.is_null() {
            // SAFETY: published once, and nobody has this any more.
            drop(unsafe { Box::from_raw(at) });
        }
    }
}
