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
//! | [`watchers`] | who is told when an object changes, and what a poller must know of it |
//! | [`background`] | the thread that runs what nobody waits inside |
//! | [`wait`] | one deadline, one wait: the only place that blocks |
//! | [`error`] | the one error type and its numbers |
//! | [`sys`] | every call into the system that socket2 does not make for us |
//!
//! No step goes back up. `unsafe` lives in `ffi`, `sys` and `handle` only.

#[cfg(not(target_os = "linux"))]
compile_error!("libusocket is for Linux: it uses epoll, eventfd and accept4");

pub mod handle;

pub mod addr;
pub mod background;
pub mod connect;
pub mod error;
pub mod ffi;
pub mod numbers;
pub mod object;
pub mod poll;
pub mod poller;
pub mod resolve;
pub mod socket;
pub mod stream;
pub mod sys;
pub mod tls;
pub mod wait;
pub mod watchers;
