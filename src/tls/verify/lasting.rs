//! Until when what was verified of a server holds: a session is not resumed after that.
//!
//! A resumed connection shows no certificates, and rustls asks nobody about it. What else a context
//! decides cannot change without ending its sessions (see `context`); dates pass by themselves.

use std::collections::HashMap;

use rustls::pki_types::{ServerName, UnixTime};

use crate::sys::fork::Lock;

/// Names with the first moment at which something verified for them ends.
#[derive(Default)]
pub struct Lasting(Lock<HashMap<ServerName<'static>, UnixTime>>);

/// How many names are remembered; of one that is not, no session is kept.
const MOST: usize = 1024;

impl Lasting {
    /// What was verified for a name holds until then. A server may have several certificates, and
    /// which one a session is from is not known: the first that ends counts for all, until it has.
    pub fn verified(&self, name: &ServerName<'_>, until: UnixTime, now: UnixTime) {
        let name = name.to_owned();
        // What is not remembered is not resumed.
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

    /// Until when it holds; `None` when nothing was verified.
    pub fn until(&self, name: &ServerName<'static>) -> Option<UnixTime> {
        self.0.lock().ok()?.get(name).copied()
    }
}
