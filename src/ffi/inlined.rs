//! What is around an export's body, inlined: for the calls whose time counts.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Number, failed, number, settle};
use crate::error::{self, Error, Result};
use crate::handle::Handle;
use crate::object::{self, Held, Object};
use crate::socket::Socket;

/// See [`super::guard_on`].
#[inline]
pub(super) fn guard_on<T: Number>(handle: Handle, body: impl FnOnce() -> Result<T>) -> T {
    let value = catch_unwind(AssertUnwindSafe(|| body().unwrap_or_else(|e| failed(handle, e))))
        .unwrap_or_else(|_| T::from(-libc::ENOTRECOVERABLE));
    settle();
    value
}

/// See [`super::without_handle`].
#[inline]
pub(super) fn without_handle<T: Number>(body: impl FnOnce() -> Result<T>) -> T {
    error::forget();
    guard_sentences(body)
}

/// See [`super::guard_sentences`].
#[inline]
pub(super) fn guard_sentences<T: Number>(body: impl FnOnce() -> Result<T>) -> T {
    let value = catch_unwind(AssertUnwindSafe(|| number(body())))
        .unwrap_or_else(|_| T::from(-libc::ENOTRECOVERABLE));
    settle();
    value
}

/// See [`super::on_socket`].
#[inline]
pub(super) fn on_socket<T: Number>(handle: Handle, body: impl FnOnce(&Socket) -> Result<T>) -> T {
    on_object(handle, |object| body(object.socket()?))
}

/// See [`super::on_object`].
#[inline]
pub(super) fn on_object<T: Number>(handle: Handle, body: impl FnOnce(&Object) -> Result<T>) -> T {
    on_held(handle, || object::pin(handle), body)
}

/// See [`super::on_held`].
#[inline]
pub(super) fn on_held<T: Number>(
    handle: Handle,
    hold: impl FnOnce() -> Result<Held>,
    body: impl FnOnce(&Object) -> Result<T>,
) -> T {
    closing_on_panic(handle, || {
        let pin = hold()?;
        let value = body(&pin).unwrap_or_else(|e| failed(handle, e));
        // A call without a result on a handle closed meanwhile ended because of the close.
        let given = value > T::from(0) || !pin.closing();
        if given { Ok(value) } else { Err(Error::os(libc::EBADF)) }
    })
}

/// [`super::guard`], and closes the handle if the body panics.
#[inline]
pub(super) fn closing_on_panic<T: Number>(handle: Handle, body: impl FnOnce() -> Result<T>) -> T {
    let value = AssertUnwindSafe(|| body().unwrap_or_else(|e| failed(handle, e)));
    let value = catch_unwind(value).unwrap_or_else(|_| {
        // It may be closed already.
        let _ = object::close(handle);
        T::from(-libc::ENOTRECOVERABLE)
    });
    settle();
    value
}
