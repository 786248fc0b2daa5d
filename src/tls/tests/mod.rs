//! Both ends of real connections, over socket pairs and TCP.
#![allow(clippy::unwrap_used)]

mod support;

mod agreement;
mod anchor;
mod causes;
mod close;
mod failures;
mod forge;
mod fork;
mod hostile;
mod memory;
mod peer;
mod receiver;
mod resumption;
mod session;
mod staple;
mod threads;
mod trust;
mod verify;
