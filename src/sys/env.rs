//! The environment, as far as it may be trusted.

use std::ffi::{CStr, OsString};

/// Reads a variable like secure_getenv(3): `None` in a program with elevated rights (setuid,
/// setgid, file capabilities), because there another user controls the environment. An empty
/// variable counts as unset.
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
