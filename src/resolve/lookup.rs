//! A lookup that its owner carries on: nobody else need run for it.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

use super::dns::{self, End, Exchange, Ports};
use super::pool::Asked;
use crate::error::Result;
use crate::sys::names::{Answer, Query};

/// A lookup under way, of a host that somebody has to be asked for. Dropped, it is given up.
pub struct Lookup {
    query: Query,
    way: Way,
}

enum Way {
    /// The name servers, by the owner.
    Dns(Box<(Exchange, Ports)>),
    /// The C library, on a thread.
    Library(Asked<Query>),
}

impl Lookup {
    /// Begins a lookup.
    ///
    /// # Errors
    /// EMFILE, ENFILE; EAGAIN when no thread can be started; `EAI_MEMORY`.
    pub fn start(query: Query) -> Result<Lookup> {
        let way = match dns::config::for_query(&query) {
            Some(config) => Way::Dns(Box::new((Exchange::new(&query, config)?, Ports::new(1)))),
            None => Way::Library(Asked::new(query.clone())?),
        };
        Ok(Lookup { query, way })
    }

    /// What is looked up.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Does what can be done now. `Some` is the end of it.
    ///
    /// # Errors
    /// Those of the resolver.
    pub fn step(&mut self, now: Instant) -> Option<Result<Vec<Answer>>> {
        let end = match &mut self.way {
            Way::Library(asked) => return asked.answer().cloned(),
            Way::Dns(this) => {
                let (exchange, ports) = &mut **this;
                ports.receive(|from, message| exchange.receive(from, &message));
                exchange.step(now, ports)?
            }
        };
        match end {
            End::Found(addresses, name) => Some(dns::answers(&self.query, addresses, name)),
            End::Failed(e) => Some(Err(e)),
            End::TooLong => match Asked::new(self.query.clone()) {
                Ok(asked) => {
                    self.way = Way::Library(asked);
                    None
                }
                Err(e) => Some(Err(e)),
            },
        }
    }

    /// Adds what to poll for.
    pub fn watch(&self, fds: &mut Vec<libc::pollfd>) {
        match &self.way {
            Way::Dns(this) => this.1.watch(fds),
            Way::Library(asked) => {
                let fd = asked.as_fd().as_raw_fd();
                fds.push(libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
            }
        }
    }

    /// When to come back although nothing has come.
    pub fn until(&self) -> Option<Instant> {
        match &self.way {
            Way::Dns(this) => this.0.until(),
            Way::Library(_) => None,
        }
    }
}
