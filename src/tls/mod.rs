//! TLS: contexts, sessions, verification, error codes.
//!
//! | module | what it is for |
//! |---|---|
//! | [`code`] | the numbers and their texts (in every build) |

pub mod code;
