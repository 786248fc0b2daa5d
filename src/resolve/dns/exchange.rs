//! One lookup: its questions, the servers in turn, and the replies so far.

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

/// A lookup under way. It never waits: its owner waits for a message or until [`Exchange::until`].
pub struct Exchange {
    config: Config,
    /// The names to try; the first one is under way.
    names: Vec<Vec<u8>>,
    asked: Vec<Asked>,
    /// The server that is asked first.
    first: usize,
    /// Turns begun for the name under way.
    turns: usize,
    /// The end of the current turn.
    due: Option<Instant>,
    /// An earlier name exists without an address, or no server answered for it.
    no_data: bool,
    again: bool,
}

struct Asked {
    kind: u16,
    id: u16,
    reply: Option<Reply>,
    /// The current server will not answer.
    refused: bool,
}

/// How a lookup ends.
pub enum End {
    /// Addresses, and the name they belong to.
    Found(Vec<IpAddr>, Vec<u8>),
    /// There are none, for this reason.
    Failed(Error),
    /// The answer does not fit into a datagram: ask the C library.
    TooLong,
}

impl Exchange {
    /// Makes the lookup of a query's host.
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

    /// Handles a message from a server, or the failure to reach it.
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

    /// The current server.
    fn server(&self) -> Option<&Addr> {
        let turn = self.turns.checked_sub(1)?;
        self.config.servers.get((self.first + turn) % self.config.servers.len())
    }

    /// Asks the next server the questions not answered yet.
    fn turn(&mut self, now: Instant, ports: &mut Ports) -> io::Result<()> {
        let servers = self.config.servers.len();
        // Later turns get more time, as in the C library.
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
            // A question that could not be sent goes to the next server, unless this machine lacks
            // resources.
            let errno = sent.err().and_then(|e| e.raw_os_error());
            if let Some(e @ (libc::EMFILE | libc::ENFILE | libc::ENOMEM)) = errno {
                return Err(io::Error::from_raw_os_error(e));
            }
        }
        Ok(())
    }

    /// Finishes the current name, when it is answered or no server is left (`silence`: a server did
    /// not respond). `None` goes on with the next name.
    fn conclude(&mut self, silence: bool) -> Option<End> {
        let (mut found, mut real_name) = (Vec::new(), Vec::new());
        for asked in &mut self.asked {
            match asked.reply.take() {
                Some(Reply::Addresses(addresses, name)) => {
                    // Without memory for more, the addresses of one kind have to do.
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
            // As in the C library: a silent server stays silent for other names too.
            _ if silence => failed(USOCKET_EAI_AGAIN),
            false => None,
            true if self.again => failed(USOCKET_EAI_AGAIN),
            true if self.no_data => failed(USOCKET_EAI_NODATA),
            true => failed(USOCKET_EAI_NONAME),
        }
    }
}

/// The names to try for a host (resolv.conf(5), `search` and `ndots`).
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
    use std::ffi::CString;

    use super::*;
    use crate::sys::poll;

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

    /// An address where nobody listens, as long as the socket lives: it is for one peer, who is silent.
    fn nobody() -> (std::net::UdpSocket, Addr) {
        let made = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| {
            socket.connect("127.0.0.1:1")?;
            let port = socket.local_addr()?.port();
            Ok((socket, Addr::ip(libc::AF_INET, "127.0.0.1", port.into(), 0, 0)))
        });
        match made {
            Ok((socket, Ok(addr))) => (socket, addr),
            failed => panic!("{failed:?}"),
        }
    }

    #[test]
    fn who_refuses_is_not_waited_for() {
        let mut config = config(1);
        config.search.clear();
        let (first, second) = (nobody(), nobody());
        config.servers = vec![first.1, second.1];
        let query = Query { host: CString::new("a.example").ok(), ..Query::default() };
        let (mut ports, now) = (Ports::new(1), Instant::now());
        let exchange = Exchange::new(&query, config);
        let mut exchange = exchange.unwrap_or_else(|e| panic!("{e}"));
        // No time goes by: what ends a turn is that the server has refused both questions.
        let mut fds = Vec::new();
        let end = loop {
            if let Some(end) = exchange.step(now, &mut ports) {
                break end;
            }
            fds.clear();
            assert!(ports.watch(&mut fds).is_ok());
            let told = poll::ppoll(&mut fds, Some(Duration::from_secs(10)));
            assert!(told.is_ok_and(|n| n > 0), "nothing is said of the refusal");
            ports.receive(|from, message| exchange.receive(from, &message));
        };
        assert!(matches!(end, End::Failed(e) if e == Error::resolver(USOCKET_EAI_AGAIN)));
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

    /// The next server is asked at once, not at the end of the turn.
    #[test]
    fn a_server_that_cannot_answer_is_not_waited_for() {
        let server = || {
            let made = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| {
                socket.set_read_timeout(Some(Duration::from_secs(20)))?;
                let port = socket.local_addr()?.port();
                Ok((socket, Addr::ip(libc::AF_INET, "127.0.0.1", port.into(), 0, 0)))
            });
            match made {
                Ok((socket, Ok(addr))) => (socket, addr),
                failed => panic!("{failed:?}"),
            }
        };
        let ((bad, first), (good, second)) = (server(), server());
        let mut config = config(1);
        config.servers = vec![first, second];
        config.timeout = Duration::from_secs(3600);
        let host = CString::new("host.example.").unwrap_or_default();
        let query = Query { host: Some(host), family: libc::AF_INET, ..Query::default() };
        let (mut ports, now) = (Ports::new(1), Instant::now());
        let Ok(mut exchange) = Exchange::new(&query, config) else { panic!("no memory") };
        assert!(exchange.step(now, &mut ports).is_none());
        let mut message = [0; 512];
        let Ok((n, asker)) = bad.recv_from(&mut message) else { panic!("not asked") };
        // A response: SERVFAIL.
        message[2] |= 0x80;
        message[3] = message[3] & 0xf0 | 2;
        assert!(bad.send_to(&message[..n], asker).is_ok());
        let mut come = false;
        while !come && now.elapsed() < Duration::from_secs(20) {
            ports.receive(|from, message| {
                exchange.receive(from, &message);
                come = true;
            });
            std::thread::yield_now();
        }
        assert!(come && exchange.step(now, &mut ports).is_none());
        assert!(good.recv_from(&mut message).is_ok(), "the next is not asked");
    }
}
