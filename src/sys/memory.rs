//! Memory that may be refused: an error, where the standard library would end the process.

use std::io;

fn refused<E>(_: E) -> io::Error {
    io::Error::from_raw_os_error(libc::ENOMEM)
}

/// Room for `more` elements.
///
/// # Errors
/// ENOMEM.
pub fn reserve<T>(vec: &mut Vec<T>, more: usize) -> io::Result<()> {
    vec.try_reserve(more).map_err(refused)
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

/// A box (of an array of one, which is how safe code can make one that may be refused).
///
/// # Errors
/// ENOMEM.
pub fn boxed<T>(value: T) -> io::Result<Box<[T; 1]>> {
    let mut one = Vec::new();
    one.try_reserve_exact(1).map_err(refused)?;
    one.push(value);
    one.into_boxed_slice().try_into().map_err(refused)
}
