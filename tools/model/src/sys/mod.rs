//! The system as loom knows it.

pub mod fork;
pub mod futex;
#[path = "../../../../src/sys/memory.rs"]
pub mod memory;
