//! Fallible allocation: an error where the standard library would abort the process.

use std::alloc::{self, Layout};
use std::ffi::{CStr, CString};
use std::{io, ptr};

fn refused<E>(_: E) -> io::Error {
    io::Error::from_raw_os_error(libc::ENOMEM)
}

/// Reserves capacity for `more` elements.
///
/// # Errors
/// ENOMEM.
pub fn reserve<T>(vec: &mut Vec<T>, more: usize) -> io::Result<()> {
    vec.try_reserve(more).map_err(refused)
}

/// Appends an element.
///
/// # Errors
/// ENOMEM.
pub fn push<T>(vec: &mut Vec<T>, value: T) -> io::Result<()> {
    reserve(vec, 1)?;
    vec.push(value);
    Ok(())
}

/// A copy of bytes.
///
/// # Errors
/// ENOMEM.
pub fn bytes(from: &[u8]) -> io::Result<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(from.len()).map_err(refused)?;
    copy.extend_from_slice(from);
    Ok(copy)
}

/// A copy of a text.
///
/// # Errors
/// ENOMEM.
pub fn text(from: &CStr) -> io::Result<CString> {
    CString::from_vec_with_nul(bytes(from.to_bytes_with_nul())?).map_err(refused)
}

/// `len` copies in an empty vector.
///
/// # Errors
/// ENOMEM.
pub fn fill<T: Clone>(vec: &mut Vec<T>, value: T, len: usize) -> io::Result<&mut [T]> {
    vec.try_reserve_exact(len).map_err(refused)?;
    vec.resize(len, value);
    Ok(vec)
}

/// `len` zeros.
///
/// # Errors
/// ENOMEM.
pub fn zeroed(len: usize) -> io::Result<Box<[u8]>> {
    if len == 0 {
        return Ok(Box::default());
    }
    let layout = Layout::array::<u8>(len).map_err(refused)?;
    // SAFETY: the layout is not of size zero.
    let at = unsafe { alloc::alloc_zeroed(layout) };
    if at.is_null() {
        return Err(refused(()));
    }
    // SAFETY: fresh memory of this layout, and zeros are bytes.
    Ok(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(at, len)) })
}

/// Gives the system back what is freed, where the C library keeps it.
pub fn trim() {
    // SAFETY: no pointers; it frees nothing.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// A box (of an array of one, since safe code can allocate that fallibly).
///
/// # Errors
/// ENOMEM.
pub fn boxed<T>(value: T) -> io::Result<Box<[T; 1]>> {
    let mut one = Vec::new();
    one.try_reserve_exact(1).map_err(refused)?;
    one.push(value);
    one.into_boxed_slice().try_into().map_err(refused)
}
