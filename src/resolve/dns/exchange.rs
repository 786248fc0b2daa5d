//! One lookup: its questions, the servers' turns, and what has been answered.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::config::Config;
use super::message::{self, A, AAAA, Reply};
use super::ports::Ports;
use crate::addr::Addr;
use crate::error::Error;
use crate::numbers::{USOCKET_EAI_AGAIN, USOCKET_EAI_NODATA, USOCKET_EAI_NONAME};
use crate::sys::memory;
use crate::sys::names::Query;
use crate::sys::random;

/// A lookup under way. It never waits: whoever carries it on does, until [`Exchange::until`] or a
/// message.
pub struct Exchange {
    config: Config,
    /// The names to try, the first of them under way.
    names: Vec<Vec<u8>>,
    asked: Vec<Asked>,
    /// The server whose turn is the first.
    first: usize,
    /// Turns begun for the name under way.
    turns: usize,
    /// The end of the turn.
    due: Option<Instant>,
    /// Names before this one had no address, or no server would say.
    no_data: bool,
    again: bool,
}

struct Asked {
    kind: u16,
    id: u16,
    reply: Option<Reply>,
    /// The server whose turn it is will not answer.
    refused: bool,
}

/// How a lookup ends.
pub enum End {
    /// Addresses, and the name that has them.
    Found(Vec<IpAddr>, Vec<u8>),
    /// There are none to be had.
    Failed(Error),
    /// The answer does not fit into a datagram: ask the C library.
    TooLong,
}

impl Exchange {
    /// The lookup of a query's host, as the configuration has it.
    ///
    /// # Errors
    /// ENOMEM; those of opening a file where there is no getrandom(2).
    pub fn new(query: &Query, config: Config) -> io::Result<Exchange> {
        let kinds: &[u16] = match query.family {
            libc::AF_INET => &[A],
            libc::AF_INET6 => &[AAAA],
            _ => &[AAAA, A],
        };
        let host = query.host.as_ref().map_or(&[][..], |host| host.to_bytes());
        let any = if config.rotate { u16::from_ne_bytes(random::bytes()?).into() } else { 0 };
        let mut asked = Vec::new();
        memory::reserve(&mut asked, kinds.len())?;
        asked.extend(kinds.iter().map(|kind| Asked {
            kind: *kind,
            id: 0,
            reply: None,
            refused: false,
        }));
        Ok(Exchange {
            names: candidates(host, &config)?,
            asked,
            first: any,
            turns: 0,
            due: None,
            no_data: false,
            again: false,
            config,
        })
    }

    /// Does what can be done now. `Some` is the end of it.
    pub fn step(&mut self, now: Instant, ports: &mut Ports) -> Option<End> {
        loop {
            if self.asked.iter().any(|a| a.reply == Some(Reply::Truncated)) {
                return Some(End::TooLong);
            }
            let open = self.asked.iter().any(|a| a.reply.is_none());
            let hope = self.asked.iter().any(|a| a.reply.is_none() && !a.refused);
            if hope && self.due.is_some_and(|due| due > now) {
                return None;
            }
            let turns = self.config.attempts as usize * self.config.servers.len();
            if !open || self.turns == turns {
                if let Some(end) = self.conclude(hope) {
                    return Some(end);
                }
            } else if let Err(e) = self.turn(now, ports) {
                return Some(End::Failed(e.into()));
            }
        }
    }

    /// The time of the next step if no message comes before.
    pub fn until(&self) -> Option<Instant> {
        self.due
    }

    /// A message has come from a server, or it cannot be reached.
    pub fn receive(&mut self, from: &Addr, message: &io::Result<&[u8]>) {
        let is_its_turn = self.server() == Some(from);
        let Some(name) = self.names.first() else { return };
        for asked in self.asked.iter_mut().filter(|asked| asked.reply.is_none()) {
            match message {
                Ok(message) => match message::reply(message, asked.id, name, asked.kind) {
                    Some(Reply::Failed) => asked.refused |= is_its_turn,
                    Some(reply) if self.turns > 0 => asked.reply = Some(reply),
                    _ => {}
                },
                Err(_) => asked.refused |= is_its_turn,
            }
        }
    }

    /// The server whose turn it is.
    fn server(&self) -> Option<&Addr> {
        let turn = self.turns.checked_sub(1)?;
        self.config.servers.get((self.first + turn) % self.config.servers.len())
    }

    /// The next server's turn: asks it what has not been answered.
    fn turn(&mut self, now: Instant, ports: &mut Ports) -> io::Result<()> {
        let servers = self.config.servers.len();
        // Later servers are given more time, as the C library does.
        let nth = self.turns % servers;
        let span = self.config.timeout * (1 << nth) / if nth > 0 { servers as u32 } else { 1 };
        let span = span.max(Duration::from_secs(1));
        self.turns += 1;
        self.due = Some(now + span);
        let (Some(server), Some(name)) = (self.server().copied(), self.names.first()) else {
            return Ok(());
        };
        for asked in self.asked.iter_mut().filter(|asked| asked.reply.is_none()) {
            if self.turns == 1 {
                asked.id = u16::from_ne_bytes(random::bytes()?);
            }
            let message = message::question(asked.id, name, asked.kind);
            let sent = message.and_then(|message| ports.send(&server, &message, now));
            asked.refused = sent.is_err();
            // What has not gone out is asked of the next server, unless this machine is at its end.
            let errno = sent.err().and_then(|e| e.raw_os_error());
            if let Some(e @ (libc::EMFILE | libc::ENFILE | libc::ENOMEM)) = errno {
                return Err(io::Error::from_raw_os_error(e));
            }
        }
        Ok(())
    }

    /// The name under way is answered, or nobody is left to ask (`silence`: who did not say so).
    /// `None` is on with the next name.
    fn conclude(&mut self, silence: bool) -> Option<End> {
        let (mut found, mut real_name) = (Vec::new(), Vec::new());
        for asked in &mut self.asked {
            match asked.reply.take() {
                Some(Reply::Addresses(addresses, name)) => {
                    // Without memory for more, those of one kind are enough.
                    if memory::reserve(&mut found, addresses.len()).is_ok() {
                        found.extend(addresses);
                    } else if found.is_empty() {
                        found = addresses;
                    }
                    real_name = name;
                }
                Some(Reply::NoData) => self.no_data = true,
                Some(Reply::NoName) => {}
                Some(Reply::Failed | Reply::Truncated) | None => self.again = true,
            }
            asked.refused = false;
        }
        if !found.is_empty() {
            return Some(End::Found(found, real_name));
        }
        self.names.remove(0);
        self.turns = 0;
        self.due = None;
        let failed = |code| Some(End::Failed(Error::resolver(code)));
        match self.names.is_empty() {
            // As the C library has it: a server that says nothing will say nothing.
            _ if silence => failed(USOCKET_EAI_AGAIN),
            false => None,
            true if self.again => failed(USOCKET_EAI_AGAIN),
            true if self.no_data => failed(USOCKET_EAI_NODATA),
            true => failed(USOCKET_EAI_NONAME),
        }
    }
}

/// The names that a host can stand for (resolv.conf(5), `search` and `ndots`).
fn candidates(host: &[u8], config: &Config) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    memory::reserve(&mut names, config.search.len() + 1)?;
    if let Some(whole) = host.strip_suffix(b".") {
        names.push(memory::bytes(whole)?);
        return Ok(names);
    }
    for domain in &config.search {
        let mut name = Vec::new();
        memory::reserve(&mut name, host.len() + 1 + domain.len())?;
        [host, b".", domain].iter().for_each(|part| name.extend_from_slice(part));
        names.extend(Some(name).filter(|name| message::is_name(name)));
    }
    let dots = host.iter().filter(|b| **b == b'.').count();
    let at = if dots >= config.dots { 0 } else { names.len() };
    names.insert(at, memory::bytes(host)?);
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dots: usize) -> Config {
        Config {
            servers: Vec::new(),
            search: vec![b"a.example".to_vec(), b"b.example".to_vec()],
            dots,
            timeout: Duration::from_secs(5),
            attempts: 2,
            rotate: false,
        }
    }

    #[test]
    fn where_a_name_is_looked_for() {
        let names = |host: &str, dots| {
            candidates(host.as_bytes(), &config(dots)).unwrap_or_default().concat()
        };
        assert_eq!(names("www.", 1), b"www");
        assert_eq!(names("www", 1), b"www.a.examplewww.b.examplewww");
        assert_eq!(names("www.x", 1), b"www.xwww.x.a.examplewww.x.b.example");
        assert_eq!(names("www.x", 2), b"www.x.a.examplewww.x.b.examplewww.x");
    }
}
