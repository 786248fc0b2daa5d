//! Client sessions: kept per context, taken out, and used for another connection to the same
//! server.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::time_provider::TimeProvider;

use crate::sys::fork::Lock;
use crate::tls::context::clock::Clock;
use crate::tls::verify::Verifier;

/// A session of rustls, for resumption.
enum Value {
    Tls12(Tls12ClientSessionValue),
    Tls13(Tls13ClientSessionValue),
}

/// A session, with the expiry of the certificates verified for it.
struct Session {
    value: Value,
    until: UnixTime,
}

/// A session outside its context's store, as an object of the ABI. It can be used once.
pub struct Ticket {
    store: Arc<Store>,
    name: ServerName<'static>,
    session: Lock<Option<Session>>,
}

/// The sessions of one server.
#[derive(Default)]
struct Server {
    group: Option<NamedGroup>,
    tls12: Option<(Tls12ClientSessionValue, UnixTime)>,
    /// The newest last.
    tls13: VecDeque<(Tls13ClientSessionValue, UnixTime)>,
}

#[derive(Default)]
struct Servers {
    by_name: HashMap<ServerName<'static>, Server>,
    /// In order of arrival: the oldest is dropped first.
    order: VecDeque<ServerName<'static>>,
}

/// A context's sessions, by server name.
pub struct Store {
    verifier: Arc<Verifier>,
    clock: Clock,
    /// The maximum number of servers.
    most: usize,
    /// Whether a connection that was given no session resumes one from here.
    by_itself: bool,
    servers: Lock<Servers>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

thread_local! {
    /// The session to resume for the connection being made on this thread. rustls asks for it
    /// within the constructor, so it is set only around that.
    static PREFERRED: RefCell<Option<Session>> = const { RefCell::new(None) };
}

/// The number of TLS 1.3 sessions kept per server; each can be used for one connection.
const EACH: usize = 8;

impl Store {
    /// A store for about this many sessions with servers that `verifier` accepts.
    pub fn new(sessions: usize, verifier: Arc<Verifier>, clock: Clock, by_itself: bool) -> Self {
        let most = sessions.div_ceil(EACH);
        Store { verifier, clock, most, by_itself, servers: Lock::default() }
    }

    /// Takes out the newest session for a server.
    pub fn take(self: &Arc<Self>, name: &ServerName<'static>) -> Option<Ticket> {
        let mut servers = self.servers.lock().ok()?;
        let server = servers.by_name.get_mut(name)?;
        let session = match server.tls13.pop_back() {
            Some((v, until)) => Session { value: Value::Tls13(v), until },
            None => {
                let (v, until) = server.tls12.take()?;
                Session { value: Value::Tls12(v), until }
            }
        };
        let session = Lock::new(Some(session));
        Some(Ticket { store: self.clone(), name: name.clone(), session })
    }

    /// Runs `make`, so that the connection it makes resumes the session of `ticket`.
    pub fn resuming<T>(ticket: Option<Taken>, make: impl FnOnce() -> T) -> T {
        let set = |v| PREFERRED.try_with(|p| *p.borrow_mut() = v);
        // A thread that is ending resumes nothing.
        let _ = set(ticket.map(|t| t.0));
        let made = make();
        let _ = set(None);
        made
    }

    /// Whether a time is still to come.
    fn ahead(&self, until: UnixTime) -> bool {
        self.clock.current_time().is_some_and(|now| now <= until)
    }

    /// Changes a server's entry.
    fn edit(&self, name: ServerName<'static>, change: impl FnOnce(&mut Server)) {
        let Ok(mut servers) = self.servers.lock() else { return };
        if !servers.by_name.contains_key(&name) {
            while servers.order.len() >= self.most {
                let Some(oldest) = servers.order.pop_front() else { break };
                servers.by_name.remove(&oldest);
            }
            servers.order.push_back(name.clone());
        }
        change(servers.by_name.entry(name).or_default());
    }

    /// The preferred session, if it is of this kind and has not expired.
    fn preferred<T>(
        &self,
        of_kind: impl Fn(Value) -> Option<T>,
        is: fn(&Value) -> bool,
    ) -> Option<T> {
        let take = |p: &RefCell<Option<Session>>| p.borrow_mut().take_if(|s| is(&s.value));
        let session = PREFERRED.try_with(take).ok().flatten()?;
        self.ahead(session.until).then(|| of_kind(session.value)).flatten()
    }
}

/// The session of a ticket.
pub struct Taken(Session);

impl Ticket {
    /// Uses up the ticket; `None` when it was used already.
    pub fn redeem(&self) -> Option<Taken> {
        self.session.lock().ok()?.take().map(Taken)
    }

    /// Whether it came from this store and is for this name: the server was verified under that
    /// name and no other.
    pub fn is_for(&self, store: &Arc<Store>, name: &ServerName<'_>) -> bool {
        Arc::ptr_eq(&self.store, store) && self.name == *name
    }
}

impl ClientSessionStore for Store {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.edit(name, |server| server.group = Some(group));
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.servers.lock().ok()?.by_name.get(name)?.group
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        if let Some(until) = self.verifier.lasting.until(&name) {
            self.edit(name, |server| server.tls12 = Some((value, until)));
        }
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let kind = |v| if let Value::Tls12(v) = v { Some(v) } else { None };
        self.preferred(kind, |v| matches!(v, Value::Tls12(_))).or_else(|| {
            let servers = self.by_itself.then(|| self.servers.lock().ok())??;
            let (value, until) = servers.by_name.get(name)?.tls12.as_ref()?;
            self.ahead(*until).then(|| value.clone())
        })
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        let Ok(mut servers) = self.servers.lock() else { return };
        if let Some(server) = servers.by_name.get_mut(name) {
            server.tls12 = None;
        }
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        if let Some(until) = self.verifier.lasting.until(&name) {
            self.edit(name, |server| {
                if server.tls13.len() >= EACH {
                    server.tls13.pop_front();
                }
                server.tls13.push_back((value, until));
            });
        }
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let kind = |v| if let Value::Tls13(v) = v { Some(v) } else { None };
        self.preferred(kind, |v| matches!(v, Value::Tls13(_))).or_else(|| {
            let mut servers = self.by_itself.then(|| self.servers.lock().ok())??;
            let server = servers.by_name.get_mut(name)?;
            // The newest that has not expired; expired ones are dropped.
            while let Some((value, until)) = server.tls13.pop_back() {
                if self.ahead(until) {
                    return Some(value);
                }
            }
            None
        })
    }
}
