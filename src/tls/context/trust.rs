//! A context's trusted certificates and verification settings.

use std::ffi::CStr;
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

use super::{Callback, Change, Context, Draft, Role, as_path, flag, invalid};
use crate::error::causes::USOCKET_ETLS_CERT_BAD_STAPLE;
use crate::error::{Error, Result};
use crate::numbers::*;
use crate::tls::Cause;
use crate::tls::context::certs::Identity;
use crate::tls::context::clock::Clock;
use crate::tls::material::ocsp::Response;
use crate::tls::material::pem;
use crate::tls::material::roots::{self, Trusted, read, read_dir};
use crate::tls::verify::Mode;
use crate::tls::verify::lists::{self, CrlPolicy, List};
use crate::tls::verify::staple::Staples;

impl Context {
    /// Trusts certificates, skipping unreadable ones among others; returns their number.
    pub fn trust(&self, certs: &[u8]) -> Result<i32> {
        self.change(|d| {
            let n = Arc::make_mut(&mut d.trusted).add_all(pem::certificates(certs)?)?;
            d.trust_given = true;
            Ok(n)
        })
    }

    /// [`Context::trust`] from a file.
    pub fn trust_file(&self, path: &CStr) -> Result<i32> {
        self.trust(&self.explained(read(as_path(path)))?)
    }

    /// [`Context::trust`] from all files of a directory with certificates: all, or none on error.
    pub fn trust_dir(&self, path: &CStr) -> Result<i32> {
        let certs = self.explained(read_dir(as_path(path)))?;
        self.change(|d| {
            let n = Arc::make_mut(&mut d.trusted).add_all(certs)?;
            // An empty directory counts as well: nobody is trusted, and not the system's store.
            d.trust_given = true;
            Ok(n)
        })
    }

    /// Trusts the system's certificates; returns their number.
    pub fn trust_system(&self) -> Result<i32> {
        let store = self.explained(roots::system())?;
        self.change(|d| Ok(add_store(d, store)))
    }

    /// Trusts Mozilla's roots; returns their number.
    pub fn trust_mozilla(&self) -> Result<i32> {
        let store = self.explained(roots::mozilla())?;
        self.change(|d| Ok(add_store(d, store)))
    }

    /// Adds revocation lists, all or none; returns their number.
    pub fn add_crl(&self, lists: &[u8]) -> Result<i32> {
        self.change(|d| {
            let lists = pem::revocation_lists(lists)?;
            let lists: Vec<_> =
                lists.into_iter().map(|l| List::new(l).map(Arc::new)).collect::<Change<_>>()?;
            let n = lists.len() as i32;
            let now = d.clock.current_time().unwrap_or_else(UnixTime::now);
            lists.into_iter().for_each(|list| lists::add(&mut d.lists, list, now));
            Ok(n)
        })
    }

    /// How revocation lists are used.
    pub fn set_crl_flags(&self, flags: i32) -> Result<i32> {
        let on = |flag: i32| flags & flag != 0;
        let policy = CrlPolicy {
            leaf_only: on(USOCKET_TLS_CRL_LEAF_ONLY),
            allow_unknown: on(USOCKET_TLS_CRL_INSECURE_ALLOW_UNKNOWN),
            allow_expired: on(USOCKET_TLS_CRL_INSECURE_ALLOW_EXPIRED),
        };
        let known = !on(!(USOCKET_TLS_CRL_LEAF_ONLY
            | USOCKET_TLS_CRL_INSECURE_ALLOW_UNKNOWN
            | USOCKET_TLS_CRL_INSECURE_ALLOW_EXPIRED));
        self.set(|d| &mut d.crl_policy, |_| if known { Ok(policy) } else { Err(invalid()) })
    }

    /// How a client treats a stapled status.
    pub fn set_ocsp_mode(&self, mode: i32) -> Result<i32> {
        let mode = match mode {
            _ if self.role == Role::Server => Err(Error::os(libc::EOPNOTSUPP).into()),
            USOCKET_TLS_OCSP_IF_STAPLED => Ok(Staples::Checked),
            USOCKET_TLS_OCSP_REQUIRED => Ok(Staples::Required),
            USOCKET_TLS_OCSP_INSECURE_IGNORE => Ok(Staples::Ignored),
            _ => Err(invalid()),
        };
        self.set(|d| &mut d.staples, |_| mode)
    }

    /// Gives a server the status of one of its certificates; returns the number of certificates it
    /// applies to. An empty response removes all.
    pub fn add_ocsp(&self, response: &[u8]) -> Result<i32> {
        self.change(|d| {
            if self.role == Role::Client {
                return Err(Error::os(libc::EOPNOTSUPP).into());
            }
            if response.is_empty() {
                d.identities.iter_mut().for_each(|i| i.staple(None));
                return Ok(0);
            }
            let bad = |words: &str| Cause::new(USOCKET_ETLS_CERT_BAD_STAPLE, words);
            let Some(Response::Basic(basic)) = Response::of(response) else {
                return Err(bad("invalid OCSP response, or an error from the responder"));
            };
            let about = |i: &&mut Identity| basic.all.iter().any(|s| i.has_serial(s.serial));
            let mut n = 0;
            for identity in d.identities.iter_mut().filter(about) {
                identity.staple(Some(response));
                n += 1;
            }
            if n > 0 {
                Ok(n)
            } else {
                Err(bad("the OCSP response is for none of the certificates"))
            }
        })
    }

    /// Staples anything, for the tests.
    #[cfg(test)]
    #[allow(clippy::unwrap_used)]
    pub fn staple_anything(&self, response: &[u8]) {
        let staple = |d: &mut Draft| {
            d.identities.iter_mut().for_each(|i| i.staple(Some(response)));
            Ok(())
        };
        self.change(staple).unwrap();
    }

    /// Whether the peer is verified.
    pub fn set_verify(&self, mode: i32) -> Result<i32> {
        let mode = match mode {
            USOCKET_TLS_VERIFY_NONE_INSECURE => Ok(Mode::None),
            USOCKET_TLS_VERIFY_OPTIONAL => Ok(Mode::Optional),
            USOCKET_TLS_VERIFY_REQUIRED => Ok(Mode::Required),
            _ => Err(invalid()),
        };
        // A server always has a certificate, so on a client both are the same.
        let always = |m| if m == Mode::Optional { Mode::Required } else { m };
        let client = self.role == Role::Client;
        self.set(|d| &mut d.mode, |_| mode.map(|m| Some(if client { always(m) } else { m })))
    }

    /// Whether a client checks the name.
    pub fn set_hostname(&self, mode: i32) -> Result<i32> {
        self.set(|d| &mut d.check_name, |_| flag(mode))
    }

    /// Pins a key by its SHA-256.
    pub fn add_pin(&self, sha256: &[u8]) -> Result<i32> {
        self.change(|d| {
            d.keys.push(sha256.try_into().map_err(|_| invalid())?);
            Ok(0)
        })
    }

    /// Sets the verify callback.
    pub fn set_callback(&self, callback: Option<Arc<Callback>>) -> Result<i32> {
        self.change(|d| {
            d.callback = callback;
            Ok(0)
        })
    }

    /// The time now; 0 for the system's clock.
    pub fn set_clock(&self, unix: i64) -> Result<i32> {
        let unix = u64::try_from(unix).map_err(|_| invalid());
        let clock = unix.map(|unix| Clock((unix != 0).then(|| (unix, Instant::now()))));
        self.set(|d| &mut d.clock, |_| clock)
    }
}

fn add_store(draft: &mut Draft, store: Arc<Trusted>) -> i32 {
    let n = store.len() as i32;
    if !draft.stores.iter().any(|s| Arc::ptr_eq(s, &store)) {
        draft.stores.push(store);
    }
    draft.trust_given = true;
    n
}
