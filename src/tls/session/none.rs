//! Stands in for the session in a build without TLS: there is none, and the compiler knows.

use std::mem::MaybeUninit;

use crate::error::Result;
use crate::socket::Socket;
use crate::wait::Deadline;

/// No session can exist.
pub enum Session {}

#[allow(missing_docs)]
impl Session {
    pub fn recv(
        &self,
        _: &Socket,
        _: &mut [MaybeUninit<u8>],
        _: i32,
        _: &mut Deadline,
    ) -> Result<usize> {
        match *self {}
    }
    pub fn send(&self, _: &Socket, _: &[u8], _: i32, _: &mut Deadline) -> Result<usize> {
        match *self {}
    }
    pub fn flush(&self, _: &Socket, _: &mut Deadline) -> Result<()> {
        match *self {}
    }
    pub fn close_notify(&self, _: &Socket) -> Result<()> {
        match *self {}
    }
    pub fn farewell(&self, _: &Socket) {
        match *self {}
    }
    pub fn await_receiver(&self, _: &Socket, _: i16) -> Result<()> {
        match *self {}
    }
    pub fn kernel_events(&self, _: i16) -> i16 {
        match *self {}
    }
    pub fn true_events(&self, _: &Socket, _: i16, _: i16) -> i16 {
        match *self {}
    }
    pub fn detail(&self) -> String {
        match *self {}
    }
}
