//! The environment, as far as it may be trusted.

use std::ffi::{CStr, OsString};

/// A variable, as secure_getenv(3) gives it: none in a program that runs with more rights than who
/// started it (setuid, setgid, file capabilities), for there the environment is somebody else's.
/// One that is empty is none.
pub fn var(name: &str) -> Option<OsString> {
    if privileged() {
        return None;
    }
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Whether there is such an environment variable (getenv(3)).
pub fn has_variable(name: &CStr) -> bool {
    // SAFETY: NUL-terminated text; what comes is not looked at.
    !unsafe { libc::getenv(name.as_ptr()) }.is_null()
}

/// Whether the kernel says so (AT_SECURE).
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn privileged() -> bool {
    // SAFETY: it reads what the kernel left for the process.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Whether the kernel says so.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn privileged() -> bool {
    // SAFETY: they only ask.
    unsafe { libc::getuid() != libc::geteuid() || libc::getgid() != libc::getegid() }
}
