//! Nothing: the crate is its test, `tests/threads.rs`.
