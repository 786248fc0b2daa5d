//! The pollers that an object is registered with, notified of its changes; and the interface of a
//! poller to the objects it watches.

#[cfg(not(loom))]
use once_cell::race::OnceBox;

use crate::error::{Error, Result};
use crate::handle::Handle;
#[cfg(loom)]
use crate::once::OnceBox;
use crate::sys::fork::{Lock, Lost};
use crate::sys::memory;
use crate::wait::limits::Limits;

impl From<Lost> for Error {
    fn from(_: Lost) -> Self {
        Error::os(libc::ENOTRECOVERABLE)
    }
}

/// A source to poll: a handle, or a descriptor that the library does not own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A handle of the table.
    Handle(Handle),
    /// A plain descriptor; negative is ignored, as poll(2) has it.
    Fd(i32),
}

/// An object that a poller watches, pinned during a check.
pub trait Watched: Sized {
    /// Pins the object of `handle`.
    ///
    /// # Errors
    /// EBADF for a stale handle.
    fn hold(handle: Handle) -> Result<Self>;

    /// True when the handle was closed before [`Watchers::add`] had returned.
    fn closed_meanwhile(&self) -> bool;

    /// The descriptor to poll.
    ///
    /// # Errors
    /// EPERM for what cannot be polled; in a forked child, those of making one.
    fn fd(&self) -> Result<i32>;

    /// Whether a forked child has another object behind that descriptor, or another descriptor.
    fn renews(&self) -> bool;

    /// Whether the kernel fully knows its readiness.
    fn kernel_knows(&self) -> bool;

    /// The kernel events to request for `events`.
    fn kernel_events(&self, events: i16) -> i16;

    /// Translates the kernel's events `seen` into those of `events` that hold, and the kernel
    /// events to request next. It may take what the kernel has, and notifies all pollers of that
    /// but the one that asks.
    fn true_events(&self, events: i16, seen: i16, asker: Handle) -> (i16, i16);

    /// The pollers it is registered with.
    fn watchers(&self) -> &Watchers;

    /// See [`Watcher::tell`].
    fn tell(poller: Handle, source: Handle, change: Change) -> bool;
}

/// A notification to a poller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// None: only checks whether the poller still exists.
    None,
    /// The handle is closed.
    Closed,
    /// Its readiness may have changed without an event of the kernel.
    Ready,
}

/// A poller, as known to the objects it watches.
#[derive(Clone, Copy)]
pub struct Watcher {
    /// Its handle.
    pub poller: Handle,
    /// The handle it watches.
    pub source: Handle,
    /// Notifies it of a change; false when the poller does not exist any more.
    pub tell: fn(poller: Handle, source: Handle, change: Change) -> bool,
}

impl Watcher {
    fn tell(&self, change: Change) -> bool {
        (self.tell)(self.poller, self.source, change)
    }
}

/// The pollers that an object is registered with, and the limits of its waits. Without either it is
/// the size of a pointer.
///
/// The list's lock comes before a poller's.
pub struct Watchers(OnceBox<[Kept; 1]>);

#[derive(Default)]
struct Kept {
    all: Lock<Vec<Watcher>>,
    limits: Limits,
}

impl Watchers {
    /// For an object without a poller.
    #[cfg(not(loom))]
    pub const fn none() -> Self {
        Watchers(OnceBox::new())
    }

    /// The same (loom's atomics cannot be made in a constant).
    #[cfg(loom)]
    pub fn none() -> Self {
        Watchers(OnceBox::new())
    }

    fn kept(&self) -> Result<&Kept> {
        let [kept] = self.0.get_or_try_init(|| memory::boxed(Kept::default()))?;
        Ok(kept)
    }

    /// The limits, if they are used.
    pub fn limits(&self) -> Option<&Limits> {
        self.0.get().map(|[kept]| &kept.limits).filter(|limits| limits.used())
    }

    /// The limits, to be used.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn limits_to_use(&self) -> Result<&Limits> {
        Ok(&self.kept()?.limits)
    }

    /// Adds one.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn add(&self, watcher: Watcher) -> Result<()> {
        let mut all = self.kept()?.all.lock()?;
        if all.len() == all.capacity() {
            // Drop closed pollers: they do not remove themselves.
            all.retain(|w| w.tell(Change::None));
        }
        memory::reserve(&mut all, 1)?;
        all.push(watcher);
        Ok(())
    }

    /// Removes one, if `forget` says that it no longer watches. `forget` runs with the list locked,
    /// so that a concurrent registration adds its watcher either before or after.
    ///
    /// # Errors
    /// Those of `forget`.
    pub fn remove(&self, poller: Handle, forget: impl FnOnce() -> Result<bool>) -> Result<bool> {
        let Some(Ok(mut all)) = self.0.get().map(|[kept]| kept.all.lock()) else { return forget() };
        let forgotten = forget()?;
        if forgotten {
            all.retain(|w| w.poller != poller);
        }
        Ok(forgotten)
    }

    /// Notifies all of them that the object is closing.
    #[inline]
    pub fn closed(&self) {
        if self.0.get().is_some() {
            self.tell_closed();
        }
    }

    #[cold]
    fn tell_closed(&self) {
        let Some(Ok(mut all)) = self.0.get().map(|[kept]| kept.all.lock()) else { return };
        let all = std::mem::take(&mut *all);
        // A poller that no longer exists is skipped.
        all.iter().for_each(|w| _ = w.tell(Change::Closed));
    }

    /// Notifies them that the object's readiness may have changed without an event of the kernel.
    pub fn poke(&self) {
        self.poke_others(0);
    }

    /// The same, but for the poller that has found it out itself.
    pub fn poke_others(&self, asker: Handle) {
        let Some(Ok(all)) = self.0.get().map(|[kept]| kept.all.lock()) else { return };
        // As above.
        all.iter().filter(|w| w.poller != asker).for_each(|w| _ = w.tell(Change::Ready));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    static TOLD: AtomicU32 = AtomicU32::new(0);

    fn tell(_: Handle, _: Handle, _: Change) -> bool {
        TOLD.fetch_add(1, Ordering::Relaxed);
        true
    }

    #[test]
    fn one_that_is_added_during_a_remove_stays() {
        let watchers = Watchers::none();
        let watcher = Watcher { poller: 1, source: 2, tell };
        assert_eq!(watchers.add(watcher), Ok(()));
        thread::scope(|scope| {
            let forget = || {
                scope.spawn(|| assert_eq!(watchers.add(watcher), Ok(())));
                // Time enough for the other to add its own, if nothing kept it from that.
                thread::sleep(Duration::from_millis(50));
                Ok(true)
            };
            assert_eq!(watchers.remove(1, forget), Ok(true));
        });
        watchers.poke();
        assert_eq!(TOLD.load(Ordering::Relaxed), 1);
    }
}
