//! The C boundary and nothing else: one file per section of `usocket.h`.
//!
//! Every export is: guard, check the arguments, pin the handle, call safe Rust, return a number.
//! The documentation of the exports is the documentation of the header; cbindgen copies it.
#![allow(clippy::missing_safety_doc)] // Each function's text says what its pointers must be.

pub mod address;
pub mod connection;
pub mod file;
mod inlined;
pub mod interface;
pub mod library;
pub mod message;
pub mod name;
pub mod option;
pub mod poll;
pub mod poller;
pub mod socket;
pub mod stream;
pub mod tls;
pub mod tls_buffers;
pub mod tls_cert;
pub mod tls_context;
pub mod tls_protocol;
pub mod tls_trust;
pub mod transfer;

use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;

use crate::error::{self, Error, Result};
use crate::handle::{Handle, Pin};
use crate::object::{self, Held, Object, Stream};
use crate::socket::Socket;
use crate::sys::{fork, hook};

/// The return type of an export: a number that can hold a negative error.
pub(crate) trait Number: From<i32> + Into<i64> + PartialOrd + Copy {
    /// The inverse of `into`.
    fn narrow(wide: i64) -> Self;
}

impl Number for i32 {
    #[inline]
    fn narrow(wide: i64) -> i32 {
        wide as i32
    }
}

impl Number for i64 {
    #[inline]
    fn narrow(wide: i64) -> i64 {
        wide
    }
}

// What is around an export's body exists once, and calls it through a pointer: inlined it is half of
// the library's size. The few calls whose time counts use the functions of the same names in `inlined`.

/// The body of an export, as what is around it calls it.
type Body<'a> = &'a mut dyn FnMut() -> Result<i64>;
/// The same of an export about an object.
type ObjectBody<'a> = &'a mut dyn FnMut(&Object) -> Result<i64>;

/// A body was called again.
const TWICE: Error = Error::os(libc::ENOTRECOVERABLE);

/// Makes a body to be called once one that can be called through a pointer.
#[inline]
fn once<T: Number>(body: impl FnOnce() -> Result<T>) -> impl FnMut() -> Result<i64> {
    let mut body = Some(body);
    move || body.take().map_or(Err(TWICE), |body| body().map(T::into))
}

/// The same for an export about an object.
#[inline]
fn once_on<T: Number>(
    body: impl FnOnce(&Object) -> Result<T>,
) -> impl FnMut(&Object) -> Result<i64> {
    let mut body = Some(body);
    move |object| body.take().map_or(Err(TWICE), |body| body(object).map(T::into))
}

/// Runs an export's body: an error becomes its number, a panic `-ENOTRECOVERABLE`. A failure leaves no
/// sentence for `usocket_error_detail(0)`, neither its own nor an earlier call's.
#[inline]
fn guard<T: Number>(body: impl FnOnce() -> Result<T>) -> T {
    guard_sentences(|| body().inspect_err(|_| error::forget()))
}

/// [`guard`] for an export about a handle that the body itself pins.
#[inline]
fn guard_on<T: Number>(handle: Handle, body: impl FnOnce() -> Result<T>) -> T {
    #[inline(never)]
    fn apart(handle: Handle, body: Body<'_>) -> i64 {
        inlined::guard_on(handle, body)
    }
    T::narrow(apart(handle, &mut once(body)))
}

/// [`guard`] for an export without a handle: its failure leaves a sentence for
/// `usocket_error_detail(0)`.
#[inline]
fn without_handle<T: Number>(body: impl FnOnce() -> Result<T>) -> T {
    guard_sentences(|| {
        error::forget();
        body()
    })
}

/// [`guard`] for an export that reads sentences and leaves them unchanged.
#[inline]
fn guard_sentences<T: Number>(body: impl FnOnce() -> Result<T>) -> T {
    #[inline(never)]
    fn apart(body: Body<'_>) -> i64 {
        inlined::guard_sentences(body)
    }
    T::narrow(apart(&mut once(body)))
}

/// [`guard`] for an export about one socket.
#[inline]
fn on_socket<T: Number>(handle: Handle, body: impl FnOnce(&Socket) -> Result<T>) -> T {
    on_object(handle, |object| body(object.socket()?))
}

/// [`guard`] for an export about an object that can send and receive.
#[inline]
fn on_stream<T: Number>(handle: Handle, body: impl FnOnce(Stream<'_>) -> Result<T>) -> T {
    on_object(handle, |object| body(object.stream()?))
}

/// [`guard`] for an export about one object: pins it, and closes it if the body panics.
#[inline]
fn on_object<T: Number>(handle: Handle, body: impl FnOnce(&Object) -> Result<T>) -> T {
    on_held(handle, None, body)
}

/// The same of what may be pinned already.
#[inline]
fn on_held<T: Number>(
    handle: Handle,
    pin: Option<Held>,
    body: impl FnOnce(&Object) -> Result<T>,
) -> T {
    #[inline(never)]
    fn apart(handle: Handle, pin: Option<Held>, body: ObjectBody<'_>) -> i64 {
        inlined::on_held(handle, || pin.map_or_else(|| object::pin(handle), Ok), body)
    }
    T::narrow(apart(handle, pin, &mut once_on(body)))
}

/// The same for a body that itself handles a close of the handle meanwhile.
#[inline]
fn on_pin<T: Number>(handle: Handle, body: impl FnOnce(&Pin<'_, Object>) -> Result<T>) -> T {
    inlined::closing_on_panic(handle, || body(&object::pin(handle)?))
}

/// The number of an error; leaves no sentence for `usocket_error_detail(0)`.
#[cold]
fn failed<T: Number>(handle: Handle, e: Error) -> T {
    error::forget();
    report(handle, e)
}

/// The number of an error; reports it to the log hook.
#[cold]
fn report<T: Number>(handle: Handle, e: Error) -> T {
    hook::report(handle, e.code());
    T::from(e.code())
}

/// Reports a failure to the log hook.
fn log(handle: Handle, code: i32) {
    let quiet = [libc::EAGAIN, libc::EINPROGRESS, libc::EALREADY].contains(&-code);
    if quiet || fork::hosted() {
        return;
    }
    let mut sentence = [0; 1024];
    let copy = |text: &str| {
        let text = text.bytes().filter(|b| *b != 0).take(sentence.len() - 1);
        sentence.iter_mut().zip(text).for_each(|(to, from)| *to = from);
        Ok(())
    };
    // A stale handle has none.
    let _ = object::sentence(handle, copy);
    let sentence = CStr::from_bytes_until_nul(&sentence).unwrap_or_default();
    error::undisturbed(|| hook::log(handle, code, sentence));
}

/// Runs at the end of every call: a forked child may have objects of the parent to free.
#[inline]
fn settle() {
    if fork::unsettled() {
        object::settle();
    }
}

/// A result as it crosses the ABI. A success is never negative.
#[inline]
fn number<T: Number>(result: Result<T>) -> T {
    result.unwrap_or_else(|e| report(0, e))
}

/// Checks pointer and length: NULL only with 0, no length above `SSIZE_MAX`. Returns whether the
/// buffer is non-empty.
#[inline]
fn check(ptr: *const c_void, len: usize) -> Result<bool> {
    if len > isize::MAX as usize {
        return Err(Error::os(libc::EINVAL));
    }
    if !ptr.is_null() {
        return Ok(true);
    }
    if len == 0 { Ok(false) } else { Err(Error::os(libc::EFAULT)) }
}

/// Bytes to read. `(NULL, 0)` is empty.
///
/// # Safety
/// A pointer that is not NULL is readable for `len` bytes until the export returns.
#[inline]
unsafe fn bytes<'a>(ptr: *const c_void, len: usize) -> Result<&'a [u8]> {
    if !check(ptr, len)? {
        return Ok(&[]);
    }
    // SAFETY: not NULL, of a legal length, and readable by this function's contract.
    Ok(unsafe { std::slice::from_raw_parts(ptr.cast(), len) })
}

/// Bytes to write. `(NULL, 0)` is empty.
///
/// # Safety
/// A pointer that is not NULL is writable for `len` bytes until the export returns.
#[inline]
unsafe fn room<'a>(ptr: *mut c_void, len: usize) -> Result<&'a mut [MaybeUninit<u8>]> {
    if !check(ptr, len)? {
        return Ok(&mut []);
    }
    // SAFETY: not NULL, of a legal length, and writable by this function's contract.
    Ok(unsafe { std::slice::from_raw_parts_mut(ptr.cast(), len) })
}

/// Returns a function that writes to the caller's array of `n` elements.
///
/// # Safety
/// A pointer that is not NULL is writable for `n` values until the export returns.
unsafe fn room_for<T>(ptr: *mut T, n: usize) -> Result<impl FnMut(usize, T)> {
    check(ptr.cast(), n.checked_mul(size_of::<T>()).ok_or(Error::os(libc::EINVAL))?)?;
    Ok(move |at: usize, value| {
        debug_assert!(at < n);
        // SAFETY: within the caller's array, by this function's contract; it may be unaligned.
        unsafe { ptr.add(at).write_unaligned(value) }
    })
}

/// NUL-terminated text, `None` for NULL.
///
/// # Safety
/// A pointer that is not NULL points to NUL-terminated text that stays until the export returns.
unsafe fn text<'a>(ptr: *const c_char) -> Option<&'a CStr> {
    // SAFETY: by this function's contract.
    (!ptr.is_null()).then(|| unsafe { CStr::from_ptr(ptr) })
}

/// NUL-terminated text; EFAULT for NULL.
///
/// # Safety
/// As [`text`].
unsafe fn required_text<'a>(ptr: *const c_char) -> Result<&'a CStr> {
    // SAFETY: by this function's contract.
    unsafe { text(ptr) }.ok_or(Error::os(libc::EFAULT))
}

/// The body of an export that needs TLS; in a build without it, `-EOPNOTSUPP`, so that the header
/// is the same for every build. Names its arguments, which such a build does not use.
macro_rules! tls_only {
    ($args:expr => $body:expr) => {{
        #[cfg(feature = "tls")]
        {
            $body
        }
        #[cfg(not(feature = "tls"))]
        {
            let _ = $args;
            Err(crate::error::Error::os(libc::EOPNOTSUPP))
        }
    }};
}
use tls_only;

/// A required input of fixed size.
///
/// # Safety
/// A pointer that is not NULL points to a readable `T`.
#[inline]
unsafe fn input<T: Copy>(ptr: *const T) -> Result<T> {
    if ptr.is_null() {
        return Err(Error::os(libc::EFAULT));
    }
    // SAFETY: by this function's contract; the caller need not align it.
    Ok(unsafe { ptr.read_unaligned() })
}

/// Fails when a required output is missing, before anything is done.
#[inline]
fn required<T>(ptr: *mut T) -> Result<()> {
    if ptr.is_null() { Err(Error::os(libc::EFAULT)) } else { Ok(()) }
}

/// Writes an output; NULL means the caller does not want it.
///
/// # Safety
/// A pointer that is not NULL points to a writable `T`.
#[inline]
unsafe fn output<T>(ptr: *mut T, value: T) {
    if !ptr.is_null() {
        // SAFETY: by this function's contract; the caller need not align it.
        unsafe { ptr.write_unaligned(value) }
    }
}

/// Copies bytes out, all or nothing, and returns their number. `(NULL, 0)` only returns the number.
///
/// # Safety
/// As [`room`].
unsafe fn copy_out(from: &[u8], ptr: *mut c_void, len: usize) -> Result<i32> {
    // SAFETY: by this function's contract.
    let to = unsafe { room(ptr, len) }?;
    if !to.is_empty() || !ptr.is_null() {
        let to = to.get_mut(..from.len()).ok_or(Error::os(libc::ENOSPC))?;
        to.iter_mut().zip(from).for_each(|(to, from)| _ = to.write(*from));
    }
    i32::try_from(from.len()).map_err(|_| Error::os(libc::EOVERFLOW))
}

/// Copies text out with its NUL, all or nothing, and returns its length without the NUL.
///
/// # Safety
/// As [`room`].
unsafe fn copy_text(from: &str, ptr: *mut c_char, len: usize) -> Result<i32> {
    // SAFETY: by this function's contract.
    let to = unsafe { room(ptr.cast(), len) }?;
    if !to.is_empty() || !ptr.is_null() {
        let to = to.get_mut(..=from.len()).ok_or(Error::os(libc::ENOSPC))?;
        let text = from.bytes().map(|b| if b == 0 { b'?' } else { b }).chain([0]);
        to.iter_mut().zip(text).for_each(|(to, byte)| _ = to.write(byte));
    }
    i32::try_from(from.len()).map_err(|_| Error::os(libc::EOVERFLOW))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::Socket;

    #[test]
    fn a_panic_becomes_a_code_and_closes_the_handle() {
        let socket = Socket::new(libc::AF_INET, libc::SOCK_STREAM, 0);
        let Ok(h) = socket.and_then(object::insert) else { panic!("socket") };
        assert_eq!(on_socket::<i32>(h, |_| panic!("on purpose")), -libc::ENOTRECOVERABLE);
        assert_eq!(on_socket::<i32>(h, |_| Ok(1)), -libc::EBADF);
        assert_eq!(guard::<i64>(|| panic!("on purpose")), -i64::from(libc::ENOTRECOVERABLE));
    }

    #[test]
    fn every_export_is_guarded_and_short() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ffi");
        let mut exports = 0;
        for file in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let source = std::fs::read_to_string(file.path()).unwrap_or_default();
            for export in source.split("#[unsafe(no_mangle)]").skip(1) {
                let body = export.split_once("{\n").map(|(_, b)| b).unwrap_or_default();
                let body = body.split_once("\n}").map(|(b, _)| b).unwrap_or(body);
                let name = export.lines().find(|l| l.contains("fn ")).unwrap_or_default();
                let guarded = ["guard", "without_handle(", "on_", "at_once("];
                assert!(guarded.iter().any(|g| body.contains(g)), "not guarded: {name}");
                assert!(body.lines().count() <= 15, "does too much: {name}");
                exports += 1;
            }
        }
        assert!(exports > 40, "found only {exports} exports");
    }
}
