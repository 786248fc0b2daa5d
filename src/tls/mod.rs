//! TLS: contexts, sessions, verification, error codes.
//!
//! From the bottom up; a module uses only those above it in this table.
//!
//! | module | purpose |
//! |---|---|
//! | `cause` | the cause of a TLS error: a code and a sentence |
//! | [`material`] | certificates, keys, trust stores and the cryptography |
//! | `verify` | the one verifier, for both roles |
//! | [`context`] | the caller's settings, and the configuration made of them for rustls |
//! | [`transport`] | the carrier of a session's records |
//! | `engine` | one connection: bytes in, bytes out, no waiting |
//! | [`session`] | an engine behind its lock, and the waiting |
//! | [`buffered`] | a session without a socket |
//!
//! Locking: a session has one mutex, held only for work and system calls that do not wait, and a
//! slot for the one thread that waits to receive (`receiver`); other readers wait for that thread.
//! A context has one mutex, held while its settings change.

#[cfg(feature = "tls")]
pub mod buffered;
#[cfg(feature = "tls")]
mod cause;
#[cfg(feature = "tls")]
pub mod context;
#[cfg(feature = "tls")]
mod engine;
#[cfg(feature = "tls")]
pub mod material;
#[cfg(feature = "tls")]
pub mod session;
pub mod transport;
#[cfg(feature = "tls")]
mod verify;

#[cfg(not(feature = "tls"))]
#[path = "session/none.rs"]
pub mod session;

#[cfg(all(test, feature = "tls"))]
mod tests;

#[cfg(feature = "tls")]
pub use cause::Cause;
