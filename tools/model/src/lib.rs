//! The lock-free parts of the library and the interplay of two locks, without the rest: loom runs
//! its tests in all orders that the memory model allows (`make loom`, which sets `--cfg loom`).
//!
//! | what | from | tests |
//! |---|---|---|
//! | the handle table | `src/handle.rs` | beside it, `handle_tests.rs` |
//! | the gate at which a fork waits, the lock and its futex | `src/sys/fork/gate.rs`, `lock.rs` | [`fork_tests`] |
//! | who watches an object, and its close | `src/watchers.rs`, and the order of `Poller::add` | [`watch_tests`] |
//! | the turn of those who receive over TLS | `src/tls/engine/receiver.rs`, the order of `src/tls/session/run.rs` | [`turn_tests`] |
#![cfg(loom)]
#![allow(dead_code)]

#[path = "../../../src/handle.rs"]
mod handle;
#[path = "../../../src/tls/engine/receiver.rs"]
mod receiver;
#[path = "../../../src/watchers.rs"]
mod watchers;

mod once;
mod sys;

#[cfg(test)]
mod fork_tests;
#[cfg(test)]
mod turn_tests;
#[cfg(test)]
mod watch_tests;

/// As much of the library's errors as is used here.
mod error {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Error(i32);
    pub type Result<T> = std::result::Result<T, Error>;

    impl Error {
        pub fn os(errno: i32) -> Error {
            Error(errno)
        }
    }

    impl From<std::io::Error> for Error {
        fn from(e: std::io::Error) -> Error {
            Error(e.raw_os_error().unwrap_or(0))
        }
    }
}

/// Nothing here waits by a limit.
mod wait {
    pub mod limits {
        #[derive(Default)]
        pub struct Limits;
        impl Limits {
            pub fn used(&self) -> bool {
                false
            }
        }
    }
}
