//! Queries about a session: its error, its negotiated parameters, its peer, its resumption.
//!
//! During the handshake they return the state before its completion.

use std::mem::MaybeUninit;

use super::Session;
use super::info::{self, Info};
use crate::error::causes::*;
use crate::error::{Error, Result};
use crate::tls::context::config::Side;
use crate::tls::context::resume::Ticket;
use crate::tls::verify::Mode;

impl Session {
    /// The sentence of the error that ended it; empty if there is none.
    pub fn detail(&self) -> String {
        let engine = self.engine.look();
        let words = engine.as_ref().and_then(|e| e.fatal()).map(|cause| cause.words.clone());
        words.unwrap_or_default()
    }

    /// Queries the negotiated parameters.
    pub fn info<T>(&self, ask: impl FnOnce(Info<'_>) -> T) -> T {
        let engine = self.engine.look();
        ask(Info(engine.as_ref().filter(|e| e.complete()).and_then(|e| e.common())))
    }

    /// The server name: a client's own, or the one a server was asked for.
    pub fn server_name(&self) -> String {
        match &self.name {
            Some(name) if self.given => name.to_str().into_owned(),
            Some(_) => String::new(),
            None => self.engine.look().map_or_else(String::new, |engine| {
                engine.server_name.as_deref().unwrap_or_default().into()
            }),
        }
    }

    /// Whether the peer's certificate was verified; the code it was refused with.
    pub fn verified(&self) -> Result<i32> {
        let Some(engine) = self.engine.look() else { return Ok(0) };
        match engine.fatal() {
            Some(c) if category(c.code) == Some(Category::Certificate) => Err(Error::tls(c.code)),
            _ => {
                let peer = engine.complete()
                    && engine.common().is_some_and(|c| c.peer_certificates().is_some());
                Ok(i32::from(peer && self.config.mode != Mode::None))
            }
        }
    }

    /// The alert that ended it.
    pub fn alert(&self) -> Result<i32> {
        let alert = self.engine.look().and_then(|engine| engine.alert());
        alert.map(i32::from).ok_or(Error::os(libc::ENODATA))
    }

    /// A certificate of the peer.
    pub fn peer_cert(&self, index: i32) -> Result<Vec<u8>> {
        let find = |i: Info<'_>| {
            let index = usize::try_from(index).ok()?;
            i.0?.peer_certificates()?.get(index).map(|c| c.to_vec())
        };
        self.info(find).ok_or(Error::os(libc::ENODATA))
    }

    /// A certificate of the verified chain. The chain is not kept; each call builds it from the
    /// peer's certificates.
    pub fn verified_cert(&self, index: i32) -> Result<Vec<u8>> {
        let none = || Error::os(libc::ENODATA);
        let sent = |i: Info<'_>| i.0?.peer_certificates().map(<[_]>::to_vec);
        let sent = self.info(sent).filter(|_| self.config.mode != Mode::None).ok_or_else(none)?;
        let chain = self.config.verified_chain(&sent, self.name.as_ref()).ok_or_else(none)?;
        let cert = usize::try_from(index).ok().and_then(|index| chain.get(index));
        cert.map(|c| c.to_vec()).ok_or_else(none)
    }

    /// Exported keying material.
    pub fn export(&self, label: &[u8], context: &[u8], to: &mut [MaybeUninit<u8>]) -> Result<()> {
        let engine = self.engine.look().ok_or(Error::os(libc::ENOTCONN))?;
        let common =
            engine.common().filter(|_| engine.complete()).ok_or(Error::os(libc::ENOTCONN))?;
        let mut bytes = vec![0; to.len().min(info::EXPORT_MOST + 1)];
        info::export(common, engine.exporter.as_ref().map(|e| &***e), label, context, &mut bytes)?;
        crate::sys::copy_into(&bytes, to);
        Ok(())
    }

    /// The channel binding "tls-exporter".
    pub fn channel_binding(&self) -> Result<[u8; 32]> {
        let engine = self.engine.look().ok_or(Error::os(libc::ENOTCONN))?;
        let common =
            engine.common().filter(|_| engine.complete()).ok_or(Error::os(libc::ENOTCONN))?;
        let mut bytes = [0; 32];
        let label = b"EXPORTER-Channel-Binding";
        info::export(common, engine.exporter.as_ref().map(|e| &***e), label, &[], &mut bytes)?;
        Ok(bytes)
    }

    /// Takes the session out of the context's store.
    pub fn take_ticket(&self) -> Result<Ticket> {
        match (&self.config.side, &self.name) {
            (Side::Client(_, Some(store)), Some(name)) => {
                store.take(name).ok_or(Error::os(libc::ENODATA))
            }
            (Side::Client(..), _) => Err(Error::os(libc::ENODATA)),
            (Side::Server(_), _) => Err(Error::os(libc::EOPNOTSUPP)),
        }
    }

    /// Resumes a session taken from another connection.
    pub fn resume(&self, ticket: &Ticket) -> Result<()> {
        let Side::Client(_, store) = &self.config.side else {
            return Err(Error::os(libc::EOPNOTSUPP));
        };
        let mut engine = self.engine.look().ok_or(Error::os(libc::EISCONN))?;
        if engine.begun() {
            return Err(Error::os(libc::EISCONN));
        }
        let ours = store.as_ref().zip(self.name.as_ref());
        if !ours.is_some_and(|(store, name)| ticket.is_for(store, name)) {
            return Err(Error::os(libc::EINVAL));
        }
        engine.ticket = Some(ticket.redeem().ok_or(Error::os(libc::ENODATA))?);
        Ok(())
    }

    /// The number of waiting threads, for the tests.
    #[cfg(test)]
    pub fn waiting(&self) -> u32 {
        let others = self.waiting.load(std::sync::atomic::Ordering::Relaxed);
        others + u32::from(self.outside.receiver.held())
    }

    /// How many bytes its buffers hold, for the tests of an idle connection's memory.
    #[cfg(test)]
    pub fn buffered(&self) -> usize {
        self.engine.look().map_or(0, |engine| engine.buffered())
    }
}
