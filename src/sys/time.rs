//! A time span in the layouts of the system: three of them, all the same on 64 bits.

use std::ffi::c_long;
use std::time::Duration;

/// For system calls made by number that always have 64-bit times.
#[repr(C)]
pub struct Kernel {
    seconds: i64,
    nanoseconds: i64,
}

/// For older system calls made by number: two machine words, whatever the C library's time_t.
#[repr(C)]
pub struct Long {
    seconds: c_long,
    nanoseconds: c_long,
}

/// The clock of [`std::time::Instant`], CLOCK_MONOTONIC, in microseconds.
pub fn now_us() -> i64 {
    let mut now = std::mem::MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the time is written: the clock is there on every Linux.
    let now = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, now.as_mut_ptr());
        now.assume_init()
    };
    #[allow(clippy::unnecessary_cast)] // Not 64 bits everywhere.
    let (seconds, nanoseconds) = (now.tv_sec as i64, now.tv_nsec as i64);
    seconds * 1_000_000 + nanoseconds / 1000
}

/// At most 68 years, the maximum of every layout.
fn seconds(span: Duration) -> i32 {
    span.as_secs().try_into().unwrap_or(i32::MAX)
}

impl From<Duration> for Kernel {
    fn from(span: Duration) -> Self {
        Kernel { seconds: seconds(span).into(), nanoseconds: span.subsec_nanos().into() }
    }
}

impl From<Duration> for Long {
    fn from(span: Duration) -> Self {
        Long { seconds: seconds(span).into(), nanoseconds: span.subsec_nanos() as c_long }
    }
}

/// The C library's layout, for its own functions.
pub fn timespec(span: Duration) -> libc::timespec {
    // SAFETY: all zeros is a time; there is padding in some with no name to set it by.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    time.tv_sec = seconds(span).into();
    time.tv_nsec = span.subsec_nanos() as _;
    time
}
