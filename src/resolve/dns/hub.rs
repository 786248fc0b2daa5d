//! The lookups that nobody waits inside: they share a few sockets, and a thread that runs them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::config::Config;
use super::{End, Exchange, Ports, answers};
use crate::background::{self, Background, Task};
use crate::error::Result;
use crate::resolve::pool::{Asked, Job};
use crate::sys::names::Query;
use crate::sys::namespace::PerNamespace;

/// Sockets that questions go out from, for each server.
const MOST_PORTS: usize = 8;

/// The lookups of one process and pair of namespaces, while there are any.
struct Hub(Mutex<State>);

struct State {
    ports: Ports,
    lookups: Vec<(Exchange, Arc<Job<Query>>)>,
    /// It has come to its end; there is another, or none.
    over: bool,
}

#[derive(Default)]
struct Current(Mutex<Option<(Arc<Hub>, &'static Background)>>);

/// Looks a query's host up; the first questions go out from the caller's thread.
///
/// # Errors
/// EMFILE, ENFILE; EAGAIN when no thread can be started; ENOMEM.
pub fn ask(query: Query, config: Config) -> Result<Asked<Query>> {
    static ALL: PerNamespace<Current> = PerNamespace::new();
    let mut exchange = Exchange::new(&query, config)?;
    let asked = Asked::unasked(query)?;
    let mut current = locked(&ALL.get(Current::default).0);
    if let Some((hub, runner)) = &*current {
        let mut state = locked(&hub.0);
        if !state.over {
            state.begin(exchange, asked.job());
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
    state.lookups.push((exchange, asked.job().clone()));
    let hub = Arc::new(Hub(Mutex::new(state)));
    let runner = background::run(hub.clone())?;
    *current = Some((hub, runner));
    Ok(asked)
}

/// Its holders leave what it guards whole even if they panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn finish(end: End, job: &Arc<Job<Query>>) {
    let query = job.question();
    match end {
        End::Found(addresses, name) => job.finish(answers(query, addresses, name)),
        End::Failed(e) => job.finish(Err(e)),
        End::TooLong => {
            if let Err(e) = job.clone().submit() {
                job.finish(Err(e));
            }
        }
    }
}

impl State {
    fn begin(&mut self, mut exchange: Exchange, job: &Arc<Job<Query>>) {
        match exchange.step(Instant::now(), &mut self.ports) {
            Some(end) => finish(end, job),
            None => self.lookups.push((exchange, job.clone())),
        }
    }
}

impl Task for Hub {
    fn step(&self) -> bool {
        let mut state = locked(&self.0);
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
            // Its sockets go with it.
            *ports = Ports::new(MOST_PORTS);
        }
        !*over
    }

    fn watch(&self, fds: &mut Vec<libc::pollfd>) -> Option<Instant> {
        let state = locked(&self.0);
        state.ports.watch(fds);
        state.lookups.iter().filter_map(|(exchange, _)| exchange.until()).min()
    }
}
