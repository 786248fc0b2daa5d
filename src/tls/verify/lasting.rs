//! The expiry of a server's verification: a session is not resumed after that.
//!
//! A resumed connection has no certificates, and rustls does not verify it. A change of the
//! context's settings drops its sessions (see `context`), but dates pass without a change.

use std::collections::HashMap;

use rustls::pki_types::{ServerName, UnixTime};

use crate::sys::fork::Lock;

/// Names with the earliest expiry of anything verified for them.
#[derive(Default)]
pub struct Lasting(Lock<HashMap<ServerName<'static>, UnixTime>>);

/// The number of names remembered; no session is kept for other names.
const MOST: usize = 1024;

impl Lasting {
    /// Records the expiry of a name's verification. A server may have several certificates, and the
    /// one behind a session is unknown: the earliest expiry applies to all, until it has passed.
    pub fn verified(&self, name: &ServerName<'_>, until: UnixTime, now: UnixTime) {
        let name = name.to_owned();
        // A name that is not remembered is not resumed.
        let Ok(mut names) = self.0.lock() else { return };
        match names.get_mut(&name) {
            Some(known) if *known < now => *known = until,
            Some(known) => *known = until.min(*known),
            None => {
                if names.len() >= MOST {
                    names.clear();
                }
                names.insert(name, until);
            }
        }
    }

    /// The expiry; `None` when nothing was verified.
    pub fn until(&self, name: &ServerName<'static>) -> Option<UnixTime> {
        self.0.lock().ok()?.get(name).copied()
    }
}
