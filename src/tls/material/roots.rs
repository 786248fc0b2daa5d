//! The trust stores of the system and of Mozilla: read once per process, shared by all contexts.

use std::sync::Arc;

use once_cell::sync::OnceCell;
use rustls::pki_types::TrustAnchor;

use crate::error::causes::*;
use crate::tls::Cause;

/// Certificates that are trusted to issue others.
pub type Anchors = Arc<[TrustAnchor<'static>]>;

/// The system's store. It costs milliseconds, once; an empty store is asked for again.
pub fn system() -> Result<Anchors, Cause> {
    static SYSTEM: OnceCell<Anchors> = OnceCell::new();
    SYSTEM.get_or_try_init(read_system).cloned()
}

fn read_system() -> Result<Anchors, Cause> {
    let found = rustls_native_certs::load_native_certs();
    // What cannot be parsed is not worth more than what is not there: stores hold odd old roots.
    let anchors: Vec<_> = found
        .certs
        .iter()
        .filter_map(|c| webpki::anchor_from_trusted_cert(c).ok())
        .map(|a| a.to_owned())
        .collect();
    if anchors.is_empty() {
        let why = found.errors.first().map(|e| format!(": {e}")).unwrap_or_default();
        let words = format!("the system's trust store has no certificate{why}");
        return Err(Cause::new(USOCKET_ETLS_NO_TRUST, words));
    }
    Ok(anchors.into())
}

/// Mozilla's roots, if they were built in.
pub fn mozilla() -> Option<Anchors> {
    #[cfg(feature = "webpki-roots")]
    {
        static MOZILLA: OnceCell<Anchors> = OnceCell::new();
        Some(MOZILLA.get_or_init(|| webpki_roots::TLS_SERVER_ROOTS.into()).clone())
    }
    #[cfg(not(feature = "webpki-roots"))]
    None
}
