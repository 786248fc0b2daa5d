//! Random bytes.

use std::fs::File;
use std::io::{self, Read};

fn getrandom(bytes: &mut [u8]) -> io::Result<usize> {
    // SAFETY: writable for its length. (The system call: older glibc has no function for it.)
    let r = unsafe { libc::syscall(libc::SYS_getrandom, bytes.as_mut_ptr(), bytes.len(), 0) };
    super::cvt_len(r as libc::ssize_t)
}

/// getrandom(2); /dev/urandom if that is missing or a filter refuses it.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    const { assert!(N <= 256, "so much comes whole") };
    let mut bytes = [0; N];
    match getrandom(&mut bytes) {
        Ok(_) => {}
        Err(e) if super::is_unknown(&e) => {
            File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        }
        Err(e) => return Err(e),
    }
    Ok(bytes)
}

/// Fails if getrandom(2) is refused, not missing. AWS-LC has a fallback for a missing call, but
/// aborts the process for a refused one.
///
/// # Errors
/// EPERM: a seccomp filter.
pub fn refused() -> io::Result<()> {
    match getrandom(&mut [0]) {
        Err(e) if e.raw_os_error() == Some(libc::EACCES) => {
            Err(io::Error::from_raw_os_error(libc::EPERM))
        }
        Err(e) if e.raw_os_error() != Some(libc::ENOSYS) => Err(e),
        _ => Ok(()),
    }
}
