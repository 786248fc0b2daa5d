//! Client sessions: kept per context, taken out, given to another connection of that context.

use std::cell::RefCell;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::NamedGroup;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;

/// What a server gave to resume its session with.
enum Value {
    Tls12(Tls12ClientSessionValue),
    Tls13(Tls13ClientSessionValue),
}

/// A session outside its context's store, as the ABI hands it out. It can be used once.
pub struct Ticket {
    store: Arc<Store>,
    value: Mutex<Option<Value>>,
}

/// A context's sessions, by server name.
pub struct Store {
    kept: ClientSessionMemoryCache,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

thread_local! {
    /// The session the connection being made on this thread is to resume. rustls asks for it
    /// within the constructor, so it is set around that and nothing else.
    static PREFERRED: RefCell<Option<Value>> = const { RefCell::new(None) };
}

impl Store {
    /// A store for about so many sessions.
    pub fn new(sessions: usize) -> Self {
        Store { kept: ClientSessionMemoryCache::new(sessions) }
    }

    /// Takes the newest session for a server out.
    pub fn take(self: &Arc<Self>, name: &ServerName<'static>) -> Option<Ticket> {
        let value = match self.kept.take_tls13_ticket(name) {
            Some(v) => Value::Tls13(v),
            None => {
                let v = self.kept.tls12_session(name)?;
                self.kept.remove_tls12_session(name);
                Value::Tls12(v)
            }
        };
        Some(Ticket { store: self.clone(), value: Mutex::new(Some(value)) })
    }

    /// Runs `make`, which makes a connection, so that it resumes what was taken from `ticket`.
    pub fn resuming<T>(ticket: Option<Taken>, make: impl FnOnce() -> T) -> T {
        let set = |v| PREFERRED.try_with(|p| *p.borrow_mut() = v);
        let _ = set(ticket.map(|t| t.0));
        let made = make();
        let _ = set(None);
        made
    }
}

/// What was in a ticket.
pub struct Taken(Value);

impl Ticket {
    /// Uses the ticket up; `None` when it was.
    pub fn redeem(&self) -> Option<Taken> {
        self.value.lock().take().map(Taken)
    }

    /// Whether it came from this store.
    pub fn is_of(&self, store: &Arc<Store>) -> bool {
        Arc::ptr_eq(&self.store, store)
    }
}

fn preferred(take: impl FnOnce(&mut Option<Value>) -> Option<Value>) -> Option<Value> {
    PREFERRED.try_with(|p| take(&mut p.borrow_mut())).ok().flatten()
}

impl ClientSessionStore for Store {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.kept.set_kx_hint(name, group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.kept.kx_hint(name)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.kept.set_tls12_session(name, value);
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        match preferred(|p| p.take_if(|v| matches!(v, Value::Tls12(_)))) {
            Some(Value::Tls12(v)) => Some(v),
            _ => self.kept.tls12_session(name),
        }
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.kept.remove_tls12_session(name);
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.kept.insert_tls13_ticket(name, value);
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        match preferred(|p| p.take_if(|v| matches!(v, Value::Tls13(_)))) {
            Some(Value::Tls13(v)) => Some(v),
            _ => self.kept.take_tls13_ticket(name),
        }
    }
}
