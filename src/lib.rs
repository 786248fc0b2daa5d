//! libusocket: MicroPython's `usocket`, whole, behind a C ABI.
//!
//! The map, from the bottom up. A layer uses those before it in this table and no other; a test reads
//! the sources against it.
//!
//! | layer | purpose |
//! |---|---|
//! | [`numbers`] | the ABI's numbers that have a name |
//! | [`sys`] | every call into the system that socket2 does not make for us: plain data in and out |
//! | [`error`] | the one error type, and the one table of causes |
//! | [`addr`] | addresses |
//! | [`wait`] | one deadline, one wait: the only place that blocks |
//! | [`handle`] | the handle table |
//! | [`background`] | the thread that runs connections and lookups under way |
//! | [`watchers`] | the pollers to notify when an object changes |
//! | [`tls`] | contexts, verification, sessions, over any transport |
//! | [`socket`] | a socket: family, type, mode, transport |
//! | [`stream`] | read, readline, write over any transport |
//! | [`resolve`] | names to addresses |
//! | [`connect`] | create_connection and create_server |
//! | [`poller`] | readiness of many, registered once |
//! | [`object`] | the object behind a handle, and the table of all objects |
//! | [`poll`] | poll over handles |
//! | [`ffi`] | the C boundary and nothing else: one file per section of `usocket.h` |
//!
//! `unsafe` lives in `ffi`, `sys` and `handle` only.

#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!("libusocket is for Linux and Android: it uses epoll, eventfd and accept4");

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

#[cfg(test)]
mod layers_tests;
