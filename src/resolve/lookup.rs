//! A lookup driven by its owner, without another thread where possible.

use std::time::Instant;

use super::asked::{Asked, copy};
use super::dns::{self, End, Exchange, Ports};
use super::pool;
use crate::error::Result;
use crate::sys::memory;
use crate::sys::names::{Answer, Query};

/// A lookup under way, of a host that needs a query. Dropping it abandons it.
pub struct Lookup(Way);

enum Way {
    /// The owner asks the name servers.
    Dns(Box<[(Query, Exchange, Ports); 1]>),
    /// A thread calls the C library.
    Library(Asked<Query>),
}

impl Lookup {
    /// Begins a lookup.
    ///
    /// # Errors
    /// EMFILE, ENFILE; EAGAIN when no thread can be started; `EAI_MEMORY`.
    pub fn start(query: Query) -> Result<Lookup> {
        Ok(Lookup(match dns::config::for_query(&query) {
            Some(config) => {
                let exchange = Exchange::new(&query, config)?;
                Way::Dns(memory::boxed((query, exchange, Ports::new(1)))?)
            }
            None => Way::Library(pool::ask(query)?),
        }))
    }

    /// The query.
    pub fn query(&self) -> &Query {
        match &self.0 {
            Way::Dns(this) => &this[0].0,
            Way::Library(asked) => asked.question(),
        }
    }

    /// Does what can be done now. `Some` is the end of it.
    ///
    /// # Errors
    /// Those of the resolver.
    pub fn step(&mut self, now: Instant) -> Option<Result<Vec<Answer>>> {
        let (query, end) = match &mut self.0 {
            Way::Library(asked) => return asked.answer().map(copy),
            Way::Dns(this) => {
                let (query, exchange, ports) = &mut this[0];
                ports.receive(|from, message| exchange.receive(from, &message));
                let end = exchange.step(now, ports)?;
                (query, end)
            }
        };
        match end {
            End::Found(addresses, name) => Some(dns::answers(query, addresses, name)),
            End::Failed(e) => Some(Err(e)),
            End::TooLong => match pool::ask(std::mem::take(query)) {
                Ok(asked) => {
                    self.0 = Way::Library(asked);
                    None
                }
                Err(e) => Some(Err(e)),
            },
        }
    }

    /// Adds descriptors to poll.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn watch(&self, fds: &mut Vec<libc::pollfd>) -> Result<()> {
        match &self.0 {
            Way::Dns(this) => this[0].2.watch(fds)?,
            Way::Library(asked) => {
                let fd = asked.fileno();
                memory::push(fds, libc::pollfd { fd, events: libc::POLLIN, revents: 0 })?;
            }
        }
        Ok(())
    }

    /// The time of the next step if no message comes before.
    pub fn until(&self) -> Option<Instant> {
        match &self.0 {
            Way::Dns(this) => this[0].1.until(),
            Way::Library(_) => None,
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Ends a lookup.
    pub type Answering = Box<dyn FnOnce(Result<Vec<Answer>>)>;

    /// A lookup that a test answers.
    pub fn unanswered(query: Query) -> Result<(Lookup, Answering)> {
        let asked = Asked::unasked(query)?;
        let job = asked.job().clone();
        Ok((Lookup(Way::Library(asked)), Box::new(move |answer| job.finish(answer))))
    }
}
