//! The namespaces of the calling thread: they determine its network and its files.

use std::sync::atomic::{AtomicPtr, Ordering};
use std::{io, ptr};

use super::memory;
use super::process::PerProcess;

/// The network and the mount namespace of the calling thread, as numbers to compare; zeros where
/// there is no /proc.
pub fn here() -> [u64; 2] {
    [c"/proc/thread-self/ns/net", c"/proc/thread-self/ns/mnt"].map(|path| {
        // SAFETY: all zeros is a valid stat, which is writable; a constant C string.
        unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            if libc::stat(path.as_ptr(), &mut stat) == 0 { stat.st_ino as u64 } else { 0 }
        }
    })
}

/// A value for each process and pair of namespaces, made on first use and never freed. It is for
/// objects with threads: a thread is started in the caller's namespaces.
pub struct PerNamespace<T: 'static>(PerProcess<Chain<T>>);

struct Chain<T>(AtomicPtr<[Link<T>; 1]>);

struct Link<T> {
    namespaces: [u64; 2],
    value: T,
    next: *mut [Link<T>; 1],
}

// SAFETY: a link is published once it is complete, never changed and never freed; what threads
// share of it is the value.
unsafe impl<T: Sync> Sync for Chain<T> {}

impl<T: Sync> Default for PerNamespace<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Sync> PerNamespace<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        PerNamespace(PerProcess::new())
    }

    /// Calls `show` for every value of this process.
    pub fn each(&'static self, mut show: impl FnMut(&'static T)) {
        let chain = self.0.get(|| Chain(AtomicPtr::new(ptr::null_mut())));
        let mut at = chain.map_or(ptr::null_mut(), |chain| chain.0.load(Ordering::Acquire));
        // SAFETY: NULL, or published below and then never changed or freed.
        while let Some([link]) = unsafe { at.as_ref() } {
            show(&link.value);
            at = link.next;
        }
    }

    /// The value of this process and the caller's namespaces.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn get(&'static self, make: impl Fn() -> T) -> io::Result<&'static T> {
        let namespaces = here();
        let chain = self.0.get(|| Chain(AtomicPtr::new(ptr::null_mut())))?;
        let mut new: *mut [Link<T>; 1] = ptr::null_mut();
        loop {
            let first = chain.0.load(Ordering::Acquire);
            let mut at = first;
            // SAFETY: NULL, or published below and then never changed or freed.
            while let Some([link]) = unsafe { at.as_ref() } {
                if link.namespaces == namespaces {
                    if !new.is_null() {
                        // SAFETY: made below, and published nowhere.
                        drop(unsafe { Box::from_raw(new) });
                    }
                    return Ok(&link.value);
                }
                at = link.next;
            }
            if new.is_null() {
                let link = Link { namespaces, value: make(), next: first };
                new = Box::into_raw(memory::boxed(link)?);
            }
            // SAFETY: made here, and published nowhere yet.
            unsafe { (*new)[0].next = first };
            // The next iteration finds it, or another thread's.
            if chain.0.compare_exchange(first, new, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                // SAFETY: published, and never freed.
                return Ok(unsafe { &(*new)[0].value });
            }
        }
    }
}
