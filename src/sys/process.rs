//! The process: the library's threads, limits, and values that a forked child makes anew.

use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::{io, mem, ptr};

use super::fork::{Guard, Lock, Lost};
pub use super::fork::{forks, partings};
use super::{futex, memory};

/// The work of a thread of the library.
pub trait Serve: Sync + 'static {
    /// The thread's name, at most 15 bytes.
    const NAME: &'static CStr;
    /// Runs on the thread; the thread ends when it returns.
    fn serve(&'static self);
}

/// Starts a thread of the library with all signals blocked: those are for the host's threads. It
/// allocates no memory except the system's for a thread.
///
/// # Errors
/// EAGAIN when no thread can be started.
pub fn spawn<T: Serve>(what: &'static T, stack: usize) -> io::Result<()> {
    extern "C" fn begin<T: Serve>(what: *mut c_void) -> *mut c_void {
        // SAFETY: `spawn` passes a `&'static T`; the name is NUL-terminated.
        let what = unsafe {
            libc::prctl(libc::PR_SET_NAME, T::NAME.as_ptr());
            &*what.cast_const().cast::<T>()
        };
        // A panic ends only this thread.
        let _ = catch_unwind(AssertUnwindSafe(|| what.serve()));
        leave();
        ptr::null_mut()
    }
    if let Ok(mut threads) = threads() {
        threads.running += 1;
    }
    // SAFETY: attributes, sets and the thread's number live here; the mask is put back before
    // returning; the thread is joined by `join`, and what it is given lives for ever.
    let failed = unsafe {
        let (mut all, mut old): (libc::sigset_t, libc::sigset_t) = (mem::zeroed(), mem::zeroed());
        let (mut how, mut thread) = (mem::zeroed(), mem::zeroed());
        libc::pthread_attr_init(&mut how);
        libc::pthread_attr_setstacksize(&mut how, stack);
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut old);
        let arg = ptr::from_ref(what).cast_mut().cast();
        let failed = libc::pthread_create(&mut thread, &how, begin::<T>, arg);
        libc::pthread_sigmask(libc::SIG_SETMASK, &old, ptr::null_mut());
        libc::pthread_attr_destroy(&mut how);
        failed
    };
    if failed == 0 {
        return Ok(());
    }
    if let Ok(mut threads) = threads() {
        threads.running -= 1;
    }
    Err(io::Error::from_raw_os_error(failed))
}

/// A thread's id; a pointer in some C libraries.
struct Thread(libc::pthread_t);

// SAFETY: nobody looks behind it, and it is good in every thread of the process.
unsafe impl Send for Thread {}

/// The library's own threads of this process.
struct Threads {
    forks: u32,
    running: u32,
    /// The thread that ended last: the next one to end joins it.
    last: Option<Thread>,
}

static THREADS: Lock<Threads> = Lock::new(Threads { forks: 0, running: 0, last: None });

/// A futex; changes when a thread ends.
pub static LEFT: AtomicU32 = AtomicU32::new(0);

/// The number of calls that wait for the threads to end.
static ENDING: AtomicU32 = AtomicU32::new(0);

/// While it lives, idle threads end at once.
pub struct Ending(());

impl Ending {
    /// See there.
    pub fn begin() -> Ending {
        ENDING.fetch_add(1, Ordering::SeqCst);
        Ending(())
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        ENDING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether idle threads end at once.
pub fn ending() -> bool {
    ENDING.load(Ordering::SeqCst) != 0
}

fn threads() -> Result<Guard<'static, Threads>, Lost> {
    let mut threads = THREADS.lock()?;
    // A parent's threads do not exist here.
    if threads.forks != forks() {
        *threads = Threads { forks: forks(), running: 0, last: None };
    }
    Ok(threads)
}

/// Records the end of this thread.
fn leave() {
    let Ok(mut threads) = threads() else { return };
    threads.running -= 1;
    // SAFETY: always gives a thread.
    let before = threads.last.replace(Thread(unsafe { libc::pthread_self() }));
    drop(threads);
    LEFT.fetch_add(1, Ordering::SeqCst);
    futex::wake_all(&LEFT);
    join(before);
}

fn join(thread: Option<Thread>) {
    if let Some(Thread(thread)) = thread {
        // SAFETY: it is about to end, and who took its number joins it, once.
        unsafe { libc::pthread_join(thread, ptr::null_mut()) };
    }
}

/// The number of the library's running threads. At 0 all have ended and are joined.
pub fn running() -> u32 {
    let Ok(mut threads) = threads() else { return 0 };
    let running = threads.running;
    let last = if running == 0 { threads.last.take() } else { None };
    drop(threads);
    join(last);
    running
}

/// getrlimit(RLIMIT_NOFILE): the limit of open descriptors
pub fn descriptor_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is writable.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX).min(i32::MAX as usize)
}

/// A value for the life of the process, made on first use. A forked child makes its own and leaves
/// the parent's alone, whatever its state.
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
