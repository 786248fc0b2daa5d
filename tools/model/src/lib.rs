//! The library's handle table and its tests, without the rest of the library: what loom checks
//! (`make loom`, which sets `--cfg loom`) is then built in seconds.
#![allow(dead_code)]

#[path = "../../../src/handle.rs"]
mod handle;
