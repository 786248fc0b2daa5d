//! The lookups of queries under way: they share a few sockets and the background thread.

use std::time::Instant;

use super::config::Config;
use super::{End, Exchange, Ports, answers};
use crate::background::{self, Background, Task};
use crate::error::Result;
use crate::resolve::asked::{Asked, Job};
use crate::resolve::pool;
use crate::sys::counted::Counted;
use crate::sys::fork::Lock;
use crate::sys::memory;
use crate::sys::names::Query;
use crate::sys::namespace::PerNamespace;

/// Sockets for sending questions, per server.
const MOST_PORTS: usize = 8;

/// The lookups under way in one process and pair of namespaces.
struct Hub(Counted<Lock<State>>);

struct State {
    ports: Ports,
    lookups: Vec<(Exchange, Counted<Job<Query>>)>,
    /// It has finished, and may have been replaced.
    over: bool,
}

struct Current(Lock<Option<(Hub, &'static Background)>>);

/// Looks a query's host up; the caller's thread sends the first questions.
///
/// # Errors
/// EMFILE, ENFILE; EAGAIN when no thread can be started; ENOMEM.
pub fn ask(query: Query, config: Config) -> Result<Asked<Query>> {
    static ALL: PerNamespace<Current> = PerNamespace::new();
    let mut exchange = Exchange::new(&query, config)?;
    let asked = Asked::unasked(query)?;
    let mut current = ALL.get(|| Current(Lock::new(None)))?.0.lock()?;
    if let Some((hub, runner)) = &*current {
        let mut state = hub.0.lock()?;
        if !state.over {
            state.begin(exchange, asked.job())?;
            drop(state);
            runner.look_again();
            return Ok(asked);
        }
    }
    let ports = Ports::new(MOST_PORTS);
    let mut state = State { ports, lookups: Vec::new(), over: false };
    if let Some(end) = exchange.step(Instant::now(), &mut state.ports) {
        finish(end, asked.job());
        return Ok(asked);
    }
    memory::push(&mut state.lookups, (exchange, asked.job().clone()))?;
    let hub = Counted::new(Lock::new(state))?;
    let runner = background::run(memory::boxed(Hub(hub.clone()))?)?;
    *current = Some((Hub(hub), runner));
    Ok(asked)
}

fn finish(end: End, job: &Counted<Job<Query>>) {
    let query = job.question();
    match end {
        End::Found(addresses, name) => job.finish(answers(query, addresses, name)),
        End::Failed(e) => job.finish(Err(e)),
        End::TooLong => {
            if let Err(e) = pool::submit(job.clone()) {
                job.finish(Err(e));
            }
        }
    }
}

impl State {
    fn begin(&mut self, mut exchange: Exchange, job: &Counted<Job<Query>>) -> Result<()> {
        match exchange.step(Instant::now(), &mut self.ports) {
            Some(end) => finish(end, job),
            None => memory::push(&mut self.lookups, (exchange, job.clone()))?,
        }
        Ok(())
    }
}

impl Task for Hub {
    fn step(&self) -> bool {
        let Ok(mut state) = self.0.lock() else { return false };
        let State { ports, lookups, over } = &mut *state;
        ports.receive(|from, message| {
            lookups.iter_mut().for_each(|(exchange, _)| exchange.receive(from, &message));
        });
        let now = Instant::now();
        lookups.retain_mut(|(exchange, job)| {
            if !job.is_wanted() {
                return false;
            }
            let end = exchange.step(now, ports);
            let on = end.is_none();
            if let Some(end) = end {
                finish(end, job);
            }
            on
        });
        *over = lookups.is_empty();
        if *over {
            // This closes its sockets.
            *ports = Ports::new(MOST_PORTS);
        }
        !*over
    }

    fn watch(&self, fds: &mut Vec<libc::pollfd>) -> Result<Option<Instant>> {
        let state = self.0.lock()?;
        state.ports.watch(fds)?;
        Ok(state.lookups.iter().filter_map(|(exchange, _)| exchange.until()).min())
    }
}
