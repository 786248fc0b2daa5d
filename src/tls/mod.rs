//! TLS: contexts, sessions, verification, error codes.
//!
//! From the bottom up; a room uses those above it in this table.
//!
//! | room | what it is for |
//! |---|---|
//! | `cause` | why TLS failed: a code and a sentence |
//! | [`material`] | certificates, keys, trust stores and the cryptography itself, as they come |
//! | `verify` | the one verifier, for both roles |
//! | [`context`] | what the caller sets up, and what rustls uses of it |
//! | [`transport`] | what carries a session's records, as far as the session knows it |
//! | `engine` | one connection: bytes in, bytes out, no waiting |
//! | [`session`] | an engine behind its lock, and the waiting |
//! | [`buffered`] | a session without a socket |
//!
//! Locking: a session has one mutex, held only for work and system calls that do not wait. Beside
//! it there is the place of the one thread that waits to receive (`receiver`); the others wait for
//! it to come back. A context has one mutex, held while it is set up.

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
