//! Files of the system's configuration.

use std::ffi::CStr;
use std::io::Read;
use std::os::fd::FromRawFd;

/// Whether there is such a file (access(2)).
pub fn exists(path: &CStr) -> bool {
    // SAFETY: NUL-terminated text.
    unsafe { libc::access(path.as_ptr(), libc::F_OK) == 0 }
}

/// More than files of the system's configuration are long.
const MOST: usize = 256 * 1024;

/// Whether [`small_file`] has all that there is.
#[allow(clippy::unnecessary_cast)] // Not of 64 bits everywhere.
pub fn is_small(path: &CStr) -> bool {
    // SAFETY: all zeros is a valid stat, which is writable; NUL-terminated text.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        libc::stat(path.as_ptr(), &mut stat) != 0 || stat.st_size as i64 <= MOST as i64
    }
}

/// A file of the system's configuration. `None` when it cannot be read or is longer than such files
/// are.
pub fn small_file(path: &CStr) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    // SAFETY: a C string; the descriptor is fresh.
    let file = unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if fd < 0 { None } else { Some(std::fs::File::from_raw_fd(fd)) }
    };
    let mut chunk = [0u8; 4096];
    loop {
        let n = file.as_ref()?.read(&mut chunk).ok()?;
        text.try_reserve(n).ok()?;
        text.extend_from_slice(&chunk[..n]);
        // Less than there is room for is the end of a file.
        if n < chunk.len() || text.len() > MOST {
            return (text.len() <= MOST).then_some(text);
        }
    }
}
