//! examples/c/http_server.c on epoll and bare rustls.

use std::net::TcpListener;

use rustls::server::UnbufferedServerConnection;

use crate::epoll::{self, ADD, Epoll, IN, MOD, OUT};
use crate::peer::{Buffers, PIECE, Peer};
use crate::setup::Configs;

const BODY: usize = 1_000_000;
const REQUEST: usize = 8192;

struct Connection {
    peer: Peer<UnbufferedServerConnection>,
    /// Of a request that has come in part.
    kept: Vec<u8>,
    /// How much of the body is to be sent.
    body_left: usize,
}

struct Server {
    epoll: Epoll,
    buffers: Buffers,
    /// Of a connection that is served now.
    text: Vec<u8>,
    piece: Vec<u8>,
    body: Vec<u8>,
}

pub fn serve(port: u16, configs: &Configs) {
    let listener = epoll::listen(port);
    let mut server = Server {
        epoll: Epoll::new(),
        buffers: Buffers::new(),
        text: Vec::with_capacity(REQUEST),
        piece: Vec::with_capacity(PIECE),
        body: vec![b'.'; BODY],
    };
    let mut all: Vec<Option<Connection>> = Vec::new();
    let mut free = Vec::new();
    server.epoll.watch(ADD, &listener, IN, u64::MAX);
    println!("listening on {}", listener.local_addr().unwrap().port());
    let mut ready = Vec::new();
    loop {
        ready.clear();
        server.epoll.wait(None, |data| ready.push(data));
        for &at in &ready {
            if at == u64::MAX {
                welcome(&listener, configs, &server, &mut all, &mut free);
                continue;
            }
            let Some(c) = &mut all[at as usize] else { continue };
            if server.attend(c, at).is_none() {
                all[at as usize] = None;
                free.push(at as usize);
            }
        }
    }
}

fn welcome(
    listener: &TcpListener,
    configs: &Configs,
    server: &Server,
    all: &mut Vec<Option<Connection>>,
    free: &mut Vec<usize>,
) {
    while let Some(io) = epoll::accept(listener) {
        let tls = UnbufferedServerConnection::new(configs.server.clone()).unwrap();
        let c = Connection { peer: Peer::new(io, Some(tls)), kept: Vec::new(), body_left: 0 };
        let at = free.pop().unwrap_or_else(|| {
            all.push(None);
            all.len() - 1
        });
        server.epoll.watch(ADD, c.peer.io(), IN, at as u64);
        all[at] = Some(c);
    }
}

impl Server {
    /// `None` when the connection is over.
    fn attend(&mut self, c: &mut Connection, at: u64) -> Option<()> {
        let was_waiting = c.peer.is_unsent();
        self.text.clear();
        self.text.append(&mut c.kept);
        if was_waiting {
            c.peer.flush().ok()?;
            self.push(c)?;
        } else {
            let text = &mut self.text;
            let open = c.peer.receive(&mut self.buffers, |bytes| text.extend_from_slice(bytes));
            if !open.ok()? || self.text.len() > REQUEST {
                return None;
            }
        }
        let mut done = 0;
        while !c.peer.is_unsent() {
            let Some(end) = find_end(&self.text[done..]) else { break };
            let n = requested(&self.text[done..done + end]);
            done += end;
            self.answer(c, n)?;
        }
        if done < self.text.len() {
            c.kept = self.text[done..].to_vec();
        }
        if c.peer.is_unsent() != was_waiting {
            self.epoll.watch(MOD, c.peer.io(), if was_waiting { IN } else { OUT }, at);
        }
        Some(())
    }

    fn answer(&mut self, c: &mut Connection, n: Option<usize>) -> Option<()> {
        use std::io::Write;
        self.piece.clear();
        match n {
            None => {
                let _ = write!(self.piece, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
            }
            Some(n) => {
                let _ = write!(
                    self.piece,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {n}\r\n\r\n"
                );
            }
        }
        c.body_left = n.unwrap_or(0);
        // Head and body are one record.
        let first = c.body_left.min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&self.body[..first]);
        c.body_left -= first;
        c.peer.send(&mut self.buffers, &self.piece).ok()?;
        self.push(c)
    }

    fn push(&mut self, c: &mut Connection) -> Option<()> {
        while c.body_left > 0 && !c.peer.is_unsent() {
            let n = c.body_left.min(PIECE);
            c.peer.send(&mut self.buffers, &self.body[..n]).ok()?;
            c.body_left -= n;
        }
        Some(())
    }
}

fn find_end(text: &[u8]) -> Option<usize> {
    text.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

fn requested(line: &[u8]) -> Option<usize> {
    let rest = line.strip_prefix(b"GET /")?;
    let end = rest.iter().position(|b| *b == b' ')?;
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok().filter(|n| *n <= BODY)
}
