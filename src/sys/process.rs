//! What is about the process: threads of our own, its limits, values that a child makes anew.

use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::{io, mem, ptr};

pub use super::fork::{forks, partings};
use super::memory;

/// What a thread of the library's own does.
pub trait Serve: Sync + 'static {
    /// The thread's name, at most 15 bytes.
    const NAME: &'static CStr;
    /// Runs on the thread, which ends with it.
    fn serve(&'static self);
}

/// Starts a thread of the library's own, which gets no signals: those are for the host's threads.
/// It needs no memory but what the system takes for a thread.
///
/// # Errors
/// EAGAIN when there can be no more threads.
pub fn spawn<T: Serve>(what: &'static T, stack: usize) -> io::Result<()> {
    extern "C" fn begin<T: Serve>(what: *mut c_void) -> *mut c_void {
        // SAFETY: `spawn` passes a `&'static T`; the name is NUL-terminated.
        let what = unsafe {
            libc::prctl(libc::PR_SET_NAME, T::NAME.as_ptr());
            &*what.cast_const().cast::<T>()
        };
        let _ = catch_unwind(AssertUnwindSafe(|| what.serve()));
        ptr::null_mut()
    }
    // SAFETY: attributes, sets and the thread's number live here; the mask is put back before
    // returning; the thread is detached, and what it is given lives for ever.
    let failed = unsafe {
        let (mut all, mut old): (libc::sigset_t, libc::sigset_t) = (mem::zeroed(), mem::zeroed());
        let (mut how, mut thread) = (mem::zeroed(), mem::zeroed());
        libc::pthread_attr_init(&mut how);
        libc::pthread_attr_setdetachstate(&mut how, libc::PTHREAD_CREATE_DETACHED);
        libc::pthread_attr_setstacksize(&mut how, stack);
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut old);
        let arg = ptr::from_ref(what).cast_mut().cast();
        let failed = libc::pthread_create(&mut thread, &how, begin::<T>, arg);
        libc::pthread_sigmask(libc::SIG_SETMASK, &old, ptr::null_mut());
        libc::pthread_attr_destroy(&mut how);
        failed
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(failed)) }
}

/// getrlimit(RLIMIT_NOFILE): how many descriptors the process may open
pub fn descriptor_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is writable.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX).min(i32::MAX as usize)
}

/// A value for the life of the process, made when first asked for. A forked child makes its own:
/// the parent's is left alone, whatever state it was in.
pub struct PerProcess<T: 'static>(AtomicPtr<[(u32, T); 1]>);

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        PerProcess(AtomicPtr::new(ptr::null_mut()))
    }
}

impl<T: Sync> PerProcess<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        PerProcess(AtomicPtr::new(ptr::null_mut()))
    }

    /// This process's value.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn get(&self, make: impl Fn() -> T) -> io::Result<&'static T> {
        let forks = forks();
        loop {
            let old = self.0.load(Ordering::Acquire);
            // SAFETY: NULL or published below, and then never freed.
            match unsafe { old.as_ref() } {
                Some([(made_in, value)]) if *made_in == forks => return Ok(value),
                _ => {}
            }
            let new = Box::into_raw(memory::boxed((forks, make()))?);
            if self.0.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_err() {
                // SAFETY: just made, and published nowhere.
                drop(unsafe { Box::from_raw(new) });
            }
        }
    }
}
