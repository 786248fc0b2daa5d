//! TLS: contexts, sessions, verification, error codes.
//!
//! | module | what it is for |
//! |---|---|
//! | [`code`] | the numbers and their texts (in every build) |
//! | `context` | what is set up by the caller; immutable once used |
//! | `config` | a context turned into what rustls uses |
//! | `provider` | the cryptography chosen at build |
//! | `pem`, `der` | certificates and keys as they come |
//! | `roots` | the trust stores of the system and of Mozilla |
//! | `verify` | the one verifier, for both roles |
//! | `certs` | which certificate is presented |
//! | `resume` | client sessions kept, taken out, given back |
//! | `keylog` | key log and exporter secret |
//! | `cause` | rustls' errors as codes and sentences |
//! | `buffer` | buffers that exist only while bytes are in them |
//! | `drive` | one turn of rustls' state machine |
//! | `engine` | one connection: bytes in, bytes out, no waiting |
//! | `receiver` | who waits to receive |
//! | `session` | an engine behind its lock, and the waiting |
//! | `info` | what was agreed |
//!
//! Locking: a session has one mutex, held only for work and system calls that do not wait. Beside
//! it there is the place of the one thread that waits to receive (`receiver`); the others wait for
//! it to come back. A context has one mutex, held while it is set up.

pub mod code;

#[cfg(feature = "tls")]
mod buffer;
#[cfg(feature = "tls")]
mod cause;
#[cfg(feature = "tls")]
mod certs;
#[cfg(feature = "tls")]
mod config;
#[cfg(feature = "tls")]
pub mod context;
#[cfg(feature = "tls")]
mod der;
#[cfg(feature = "tls")]
mod drive;
#[cfg(feature = "tls")]
mod engine;
#[cfg(feature = "tls")]
mod info;
#[cfg(feature = "tls")]
mod keylog;
#[cfg(feature = "tls")]
mod pem;
#[cfg(feature = "tls")]
pub mod provider;
#[cfg(feature = "tls")]
mod receiver;
#[cfg(feature = "tls")]
pub mod resume;
#[cfg(feature = "tls")]
mod roots;
#[cfg(feature = "tls")]
pub mod session;
#[cfg(feature = "tls")]
mod verify;
#[cfg(feature = "tls")]
mod wire;

#[cfg(not(feature = "tls"))]
#[path = "none.rs"]
pub mod session;

#[cfg(all(test, feature = "tls"))]
mod tests;

#[cfg(feature = "tls")]
pub use cause::Cause;
