//! The library's handle table and its tests, without the rest of the library: what loom checks
//! (`make loom`, which sets `--cfg loom`) is then built in seconds.
#![allow(dead_code)]

#[path = "../../../src/handle.rs"]
mod handle;

/// There are no forks here.
mod sys {
    pub mod fork {
        pub fn forks() -> u32 {
            0
        }
        pub struct Stay;
        pub fn stay() -> Stay {
            Stay
        }
    }
}
