//! A context's clock.

use std::time::{Duration, Instant};

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// A clock set by the program, for devices without a real-time clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock(pub Option<(u64, Instant)>);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(match self.0 {
            None => UnixTime::now(),
            Some((then, at)) => {
                UnixTime::since_unix_epoch(Duration::from_secs(then).saturating_add(at.elapsed()))
            }
        })
    }
}
