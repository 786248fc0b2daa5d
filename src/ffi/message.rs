//! Messages: data in pieces, and ancillary data.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use super::library::usocket_t;
use super::socket::{with_address, with_room};
use super::{bytes, check, input, on_pin, on_socket, output, required, room};
use crate::addr::Addr;
use crate::error::{Error, Result};
use crate::handle::Pin;
use crate::object::Object;
use crate::sys::message::{Piece, Received, close_rights, total};

/// A piece of a message's data: laid out as `struct iovec`.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct usocket_iovec {
    /// The data, or the buffer to receive into.
    pub base: *mut c_void,
    /// Its length in bytes.
    pub len: usize,
}

const _: () = assert!(size_of::<usocket_iovec>() == size_of::<Piece>());

/// A message of usocket_sendmsg and usocket_recvmsg, like `struct msghdr` of sendmsg(2).
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct usocket_msg {
    /// The destination; on receive the source is written here. NULL for none.
    pub addr: *mut Addr,
    /// The pieces of its data, sent or filled in this order.
    pub data: *const usocket_iovec,
    /// The number of pieces.
    pub count: usize,
    /// Ancillary data, in the form that the macros of cmsg(3) write and read.
    pub control: *mut c_void,
    /// Its length in bytes; on receive the size of the buffer, then the number of bytes received.
    pub control_len: usize,
    /// Of a received message: MSG_TRUNC (the data did not fit), MSG_CTRUNC (the ancillary data did
    /// not fit), MSG_EOR, MSG_OOB, MSG_ERRQUEUE. To send: 0.
    pub flags: i32,
    /// Zero.
    pub reserved: i32,
}

/// The pieces of a message from the caller, checked.
///
/// # Safety
/// Each piece is memory of its length, until the export returns.
unsafe fn pieces<'a>(msg: &usocket_msg) -> Result<&'a [Piece]> {
    let size = msg.count.checked_mul(size_of::<Piece>()).ok_or(Error::os(libc::EINVAL))?;
    if !check(msg.data.cast(), size)? {
        return Ok(&[]);
    }
    if !msg.data.is_aligned() {
        return Err(Error::os(libc::EFAULT));
    }
    // SAFETY: not NULL and aligned; the rest is this function's contract.
    let pieces = unsafe { Piece::list(msg.data.cast(), msg.count) };
    for piece in pieces {
        check(piece.base(), piece.len())?;
    }
    total(pieces).map(|_| pieces).ok_or(Error::os(libc::EINVAL))
}

/// Sends a message (sendmsg(2)): the pieces of `data`, to `addr` unless that is NULL, with
/// ancillary data unless `control_len` is 0. `flags` are those of usocket_send.
///
/// On a wrapped socket the pieces share one record as far as they fit; the rest of the last piece
/// in it follows in the same call.
///
/// Returns: how many bytes were sent.
/// Errors: as usocket_send; -EMSGSIZE for more than 1024 pieces; -EINVAL, -EPERM, -EBADF,
/// -ETOOMANYREFS, -ENOBUFS for ancillary data that is malformed, not permitted, refers to a closed
/// descriptor, or is too large; -EISCONN for an address on a connected Unix stream or a wrapped
/// socket; -EOPNOTSUPP for ancillary data on a wrapped socket; -EFAULT, -EINVAL, also for a piece.
/// Blocks: according to the socket's mode.
/// Threads: any.
/// Ownership: everything is only read; descriptors sent stay open in this process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_sendmsg(s: usocket_t, msg: *const usocket_msg, flags: i32) -> i64 {
    on_socket(s, |s| {
        // SAFETY: the caller's message and what it points to, as documented.
        let (msg, data, control) = unsafe {
            let msg = input(msg)?;
            (msg, pieces(&msg)?, bytes(msg.control, msg.control_len)?)
        };
        let send = |to: Option<&Addr>| s.sendmsg(data, control, to, flags).map(|n| n as i64);
        match msg.addr.is_null() {
            true => send(None),
            // SAFETY: the caller's address, as documented.
            false => unsafe { with_address(msg.addr, |to| send(Some(to))) },
        }
    })
}

/// Receives a message (recvmsg(2)): its data into `data`, its source into `addr` unless that is
/// NULL, and ancillary data into `control`. `flags` are those of usocket_recv.
///
/// Descriptors received with it (SCM_RIGHTS) are close-on-exec and belong to the caller. All that
/// the process received are in `control`, even when MSG_CTRUNC says that some did not fit. If none
/// fits, the process receives none.
///
/// The result is never more than the size of the pieces; MSG_TRUNC in the message's `flags` says
/// that there was more.
///
/// Returns: how many bytes were received; 0 at the end of a stream. The message's `control_len` and
/// `flags` are updated.
/// Errors: as usocket_recv; -EMSGSIZE for more than 1024 pieces; -EFAULT, -EINVAL, also for a
/// piece.
/// Blocks: according to the socket's mode.
/// Threads: any; a message belongs to one call.
/// Ownership: everything is the caller's, including received descriptors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_recvmsg(s: usocket_t, msg: *mut usocket_msg, flags: i32) -> i64 {
    on_pin(s, |pin| {
        required(msg)?;
        // SAFETY: the caller's message and what it points to, as documented.
        unsafe {
            let mut asked = input(msg)?;
            let got = receive(pin, &asked, flags)?;
            (asked.control_len, asked.flags) = (got.control, got.flags);
            output(msg, asked);
            Ok(got.len as i64)
        }
    })
}

/// Receives; what comes when the handle is closed meanwhile goes.
///
/// # Safety
/// The message points to the caller's memory, valid until the export returns.
unsafe fn receive(pin: &Pin<'_, Object>, msg: &usocket_msg, flags: i32) -> Result<Received> {
    let socket = pin.socket()?;
    // SAFETY: by this function's contract.
    let (data, control) = unsafe { (pieces(msg)?, room(msg.control, msg.control_len)?) };
    // As in usocket_recv: only a call without a buffer returns the real length.
    let told = data.is_empty() || total(data) != Some(0);
    let flags = if told { flags } else { flags & !libc::MSG_TRUNC };
    let mut receive =
        |from: Option<&mut MaybeUninit<Addr>>| socket.recvmsg(data, control, from, flags);
    let got = match msg.addr.is_null() {
        true => receive(None)?,
        // SAFETY: by this function's contract.
        false => unsafe { with_room(msg.addr, |from| receive(Some(from))) }?,
    };
    if got.len == 0 && pin.closing() {
        close_rights(&control[..got.control.min(control.len())]);
        return Err(Error::os(libc::EBADF));
    }
    Ok(got)
}
