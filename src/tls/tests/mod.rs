//! Both ends of real connections, over socket pairs and TCP.
#![allow(clippy::unwrap_used)]

mod support;

mod agreement;
mod failures;
mod peer;
mod session;
mod threads;
mod trust;
mod verify;
