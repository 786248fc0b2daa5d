//! Messages: data in pieces, and ancillary data beside it.

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
    /// Its bytes, or the room for them.
    pub base: *mut c_void,
    /// How many.
    pub len: usize,
}

const _: () = assert!(size_of::<usocket_iovec>() == size_of::<Piece>());

/// A message of usocket_sendmsg and usocket_recvmsg, as `struct msghdr` is of sendmsg(2).
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct usocket_msg {
    /// Whom it is for, or, received, whom it is from; NULL: nobody in particular.
    pub addr: *mut Addr,
    /// The pieces of its data, sent or filled in this order.
    pub data: *const usocket_iovec,
    /// How many pieces.
    pub count: usize,
    /// Ancillary data, in the form that the macros of cmsg(3) write and read.
    pub control: *mut c_void,
    /// How many bytes of it; to receive, how much room, and then how many bytes came.
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

/// Sends a message: `data` in one go, to `addr` unless that is NULL, with ancillary data beside it
/// unless `control_len` is 0 (sendmsg(2)). `flags` are those of usocket_send.
///
/// On a wrapped socket (TLS) the pieces become one record, as far as they fit in one; what is left of
/// the last of these follows in the same call.
///
/// Returns: how many bytes were sent.
/// Errors: as usocket_send; -EMSGSIZE for more than 1024 pieces; -EINVAL, -EPERM, -EBADF,
/// -ETOOMANYREFS, -ENOBUFS for ancillary data that is not well formed, not allowed, names a
/// descriptor that is not open, or is too much; -EISCONN for an address on a connected Unix stream
/// or a wrapped socket; -EOPNOTSUPP for ancillary data on a wrapped socket; -EFAULT, -EINVAL, also of
/// a piece.
/// Blocks: as the socket's mode has it.
/// Threads: any.
/// Ownership: everything is only read; descriptors that are sent stay open here.
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

/// Receives a message: its data into `data`, whom it is from into `addr` unless that is NULL, and
/// ancillary data into `control` (recvmsg(2)). `flags` are those of usocket_recv.
///
/// Descriptors that come with it (SCM_RIGHTS) are close-on-exec, and the caller's: all that the
/// process got are in `control`, also when MSG_CTRUNC says that not everything fitted. Without room
/// for any, none comes.
///
/// The number is never more than the pieces hold; MSG_TRUNC in `flags` of the message says that there
/// was more.
///
/// Returns: how many bytes were received; 0 at the end of a stream. `control_len` and `flags` of the
/// message say what came.
/// Errors: as usocket_recv; -EMSGSIZE for more than 1024 pieces; -EFAULT, -EINVAL, also of a piece.
/// Blocks: as the socket's mode has it.
/// Threads: any; a message belongs to one call.
/// Ownership: everything is the caller's, also the descriptors that came.
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
/// What the message points to is the caller's memory, until the export returns.
unsafe fn receive(pin: &Pin<'_, Object>, msg: &usocket_msg, flags: i32) -> Result<Received> {
    let socket = pin.socket()?;
    // SAFETY: by this function's contract.
    let (data, control) = unsafe { (pieces(msg)?, room(msg.control, msg.control_len)?) };
    // As usocket_recv: only who gives no room at all is told how long it is.
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
