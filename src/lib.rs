//! libusocket: MicroPython's `usocket`, whole, behind a C ABI.
//!
//! The map, in the order a call goes through it:
//!
//! | module | what it is for |
//! |---|---|
//! | [`ffi`] | the C boundary and nothing else: one file per section of `usocket.h` |
//! | [`object`] | what a handle can stand for, and the table of them all |
//! | [`handle`] | the handle table itself |
//! | [`socket`] | a socket: family, type, mode, transport |
//! | [`stream`] | read, readline, write over any transport |
//! | [`tls`] | context, session, verification, error codes |
//! | [`addr`], [`resolve`] | addresses; names to addresses |
//! | [`connect`] | create_connection and create_server |
//! | [`poll`], [`poller`] | poll over handles; the poller, which scales |
//! | [`wait`] | one deadline, one wait: the only place that blocks |
//! | [`error`] | the one error type and its numbers |
//! | [`sys`] | every call into the system that socket2 does not make for us |
//!
//! No step goes back up. `unsafe` lives in `ffi`, `sys` and `handle` only.

#[cfg(not(target_os = "linux"))]
compile_error!("libusocket is for Linux: it uses epoll, eventfd and accept4");

pub mod handle;

// The model checker (`make loom`) builds the table alone.
#[cfg(not(loom))]
pub mod addr;
#[cfg(not(loom))]
pub mod connect;
#[cfg(not(loom))]
pub mod error;
#[cfg(not(loom))]
pub mod ffi;
#[cfg(not(loom))]
pub mod object;
#[cfg(not(loom))]
pub mod poll;
#[cfg(not(loom))]
pub mod poller;
#[cfg(not(loom))]
pub mod resolve;
#[cfg(not(loom))]
pub mod socket;
#[cfg(not(loom))]
pub mod stream;
#[cfg(not(loom))]
pub mod sys;
#[cfg(not(loom))]
pub mod tls;
#[cfg(not(loom))]
pub mod wait;
