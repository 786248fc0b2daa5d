//! Replaces the session in a build without TLS: an empty type, as the compiler knows.

use std::mem::MaybeUninit;

use crate::error::Result;
use crate::sys::message::Piece;
use crate::tls::transport::Transport;
use crate::wait::Deadline;

/// None come and go.
pub mod crowd {
    /// Nothing is due.
    #[inline]
    pub fn gone() {}
}

/// No session can exist.
pub enum Session {}

#[allow(missing_docs)]
impl Session {
    pub fn recv(
        &self,
        _: &dyn Transport,
        _: &mut [MaybeUninit<u8>],
        _: i32,
        _: &mut Deadline,
    ) -> Result<usize> {
        match *self {}
    }
    pub fn send(&self, _: &dyn Transport, _: &[u8], _: i32, _: &mut Deadline) -> Result<usize> {
        match *self {}
    }
    pub fn send_pieces(
        &self,
        _: &dyn Transport,
        _: &[Piece],
        _: i32,
        _: &mut Deadline,
    ) -> Result<usize> {
        match *self {}
    }
    pub fn pending(&self, _: &dyn Transport) -> usize {
        match *self {}
    }
    pub fn put_back(&self, _: &[MaybeUninit<u8>]) -> bool {
        match *self {}
    }
    pub fn flush(&self, _: &dyn Transport, _: &mut Deadline) -> Result<()> {
        match *self {}
    }
    pub fn close_notify(&self, _: &dyn Transport) -> Result<()> {
        match *self {}
    }
    pub fn farewell(&self, _: &dyn Transport) {
        match *self {}
    }
    pub fn await_receiver(&self, _: &dyn Transport, _: i16) -> Result<()> {
        match *self {}
    }
    pub fn kernel_events(&self, _: i16) -> i16 {
        match *self {}
    }
    pub fn true_events(&self, _: &dyn Transport, _: i16, _: i16) -> ((i16, i16), bool) {
        match *self {}
    }
    pub fn detail(&self) -> String {
        match *self {}
    }
}
