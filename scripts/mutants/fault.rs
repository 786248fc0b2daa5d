//! Put into a copy of the sources by `scripts/mutants/rust`: which of the faults in there is switched on, and
//! which of them a program reaches. Never part of the library.
#![allow(missing_docs, clippy::all)]

use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::Relaxed};

const UNKNOWN: u32 = u32::MAX;
static FAULT: AtomicU32 = AtomicU32::new(UNKNOWN);
static REACHED: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());

#[inline(never)]
pub fn on(number: u32) -> bool {
    if FAULT.load(Relaxed) == UNKNOWN {
        begin();
    }
    let reached = REACHED.load(Relaxed);
    if !reached.is_null() {
        // SAFETY: the file is longer than there are faults.
        unsafe { reached.add(number as usize).write_volatile(1) };
    }
    FAULT.load(Relaxed) == number
}

/// Neither allocates nor keeps a descriptor: the tests count both.
#[cold]
fn begin() {
    // SAFETY: the environment is not changed meanwhile; the file has SIZE bytes.
    unsafe {
        let map = libc::getenv(c"USOCKET_FAULTS_REACHED".as_ptr());
        if !map.is_null() {
            let file = libc::open(map, libc::O_RDWR | libc::O_CLOEXEC);
            let (both, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
            let bytes = libc::mmap(std::ptr::null_mut(), 1 << 16, both, shared, file, 0);
            libc::close(file);
            if bytes != libc::MAP_FAILED {
                REACHED.store(bytes.cast(), Relaxed);
            }
        }
        let fault = libc::getenv(c"USOCKET_FAULT".as_ptr());
        FAULT.store(if fault.is_null() { 0 } else { libc::atoi(fault) as u32 }, Relaxed);
    }
}
