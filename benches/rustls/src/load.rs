//! The clients of a server of many connections: `bench-rustls load plain|tls PORT CONNECTIONS BYTES`.
//!
//! It opens the connections, has each of them carry one request of BYTES, says "ready", and then does
//! what its input says, a line at a time:
//!
//! - `N`: N requests, each connection sending its next as soon as it has its answer; prints the
//!   nanoseconds.
//! - `rate R N`: N requests at R a second, whether those before are answered or not; prints the
//!   nanoseconds that half, and 99 of 100, were answered within, counted from when they were due.
//! - `connect K N`: N connections, K at a time, with one request each; prints the nanoseconds.

use std::collections::VecDeque;
use std::io::BufRead;
use std::time::{Duration, Instant};

use rustls::HandshakeKind;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;

use crate::conn::Side;
use crate::epoll::{self, ADD, Epoll, IN, MOD, OUT};
use crate::peer::{Buffers, Peer};
use crate::setup::Configs;

struct Client {
    peer: Peer<UnbufferedClientConnection>,
    /// The end of the answer's head, as far as it has come.
    matched: usize,
    /// The bytes expected after the head.
    left: Option<usize>,
    /// When the request was due.
    due: Instant,
    busy: bool,
}

pub struct Load<'a> {
    epoll: Epoll,
    buffers: Buffers,
    /// `None`: plain.
    configs: Option<&'a Configs>,
    port: u16,
    bytes: usize,
    request: Vec<u8>,
    clients: Vec<Client>,
    resumed: Option<bool>,
}

pub fn load(arguments: &[String], configs: &Configs, resumed: Option<bool>) {
    let number = |n: usize| arguments[n].parse::<usize>().unwrap();
    let bytes = number(3);
    let mut load = Load {
        epoll: Epoll::new(),
        buffers: Buffers::new(),
        configs: (arguments[0] == "tls").then_some(configs),
        port: number(1) as u16,
        bytes,
        request: format!("GET /{bytes} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(),
        clients: Vec::new(),
        resumed,
    };
    // Not more at a time than a listener queues.
    while load.clients.len() < number(2) {
        let from = load.clients.len();
        for at in from..number(2).min(from + 64) {
            let client = load.open(at);
            load.clients.push(client);
            load.ask(at);
        }
        let mut open = load.clients.len() - from;
        load.until(|_, _| {
            open -= 1;
            open > 0
        });
    }
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |n: usize| words[n].parse::<usize>().unwrap();
        match words[0] {
            "rate" => println!("{}", load.at_rate(number(1), number(2))),
            "connect" => println!("{}", load.connections(number(1), number(2))),
            _ => println!("{}", load.requests(number(0))),
        }
    }
}

impl Load<'_> {
    fn open(&self, at: usize) -> Client {
        let name = ServerName::try_from("localhost").unwrap();
        let tls = |c: &Configs| UnbufferedClientConnection::new(c.client.clone(), name).unwrap();
        let mut peer = Peer::new(epoll::connect(self.port), self.configs.map(tls));
        peer.begin().unwrap();
        self.epoll.watch(ADD, peer.io(), IN, at as u64);
        Client { peer, matched: 0, left: None, due: Instant::now(), busy: false }
    }

    /// Sends a request, or has it sent when the handshake is done.
    fn ask(&mut self, at: usize) {
        let client = &mut self.clients[at];
        (client.matched, client.left, client.busy) = (0, None, true);
        if client.peer.tls().is_none_or(|tls| !tls.is_handshaking()) {
            client.peer.send(&mut self.buffers, &self.request).unwrap();
            assert!(!client.peer.is_unsent());
        }
    }

    /// True when the answer is here.
    fn attend(&mut self, at: usize) -> bool {
        const END: &[u8] = b"\r\n\r\n";
        let (client, bytes) = (&mut self.clients[at], self.bytes);
        let shaking = client.peer.tls().is_some_and(|tls| tls.is_handshaking());
        let (matched, left) = (&mut client.matched, &mut client.left);
        let sink = |mut text: &[u8]| {
            while left.is_none()
                && let [first, rest @ ..] = text
            {
                *matched = if *first == END[*matched] { *matched + 1 } else { usize::from(*first == b'\r') };
                text = rest;
                if *matched == END.len() {
                    *left = Some(bytes);
                }
            }
            if let Some(left) = left {
                *left = left.checked_sub(text.len()).expect("more than was asked for");
            }
        };
        assert!(client.peer.receive(&mut self.buffers, sink).unwrap(), "the server ended it");
        if shaking && client.peer.tls().is_some_and(|tls| !tls.is_handshaking()) {
            client.peer.send(&mut self.buffers, &self.request).unwrap();
        }
        if client.peer.is_unsent() {
            self.epoll.watch(MOD, client.peer.io(), IN | OUT, at as u64);
            client.peer.flush().unwrap();
        }
        client.busy && client.left == Some(0)
    }

    /// Serves what is ready until `done`, told of each answer, says false.
    fn until(&mut self, mut done: impl FnMut(&mut Self, usize) -> bool) {
        let mut ready = Vec::new();
        loop {
            ready.clear();
            self.epoll.wait(None, |data| ready.push(data as usize));
            for &at in &ready {
                if self.attend(at) {
                    self.clients[at].busy = false;
                    if !done(self, at) {
                        return;
                    }
                }
            }
        }
    }

    fn requests(&mut self, n: usize) -> u128 {
        let start = Instant::now();
        let (mut asked, mut answered) = (n.min(self.clients.len()), 0);
        (0..asked).for_each(|at| self.ask(at));
        self.until(|load, at| {
            answered += 1;
            if asked < n {
                asked += 1;
                load.ask(at);
            }
            answered < n
        });
        start.elapsed().as_nanos()
    }

    fn at_rate(&mut self, rate: usize, n: usize) -> String {
        let start = Instant::now();
        let every = Duration::from_nanos(1_000_000_000 / rate as u64);
        let mut idle: VecDeque<usize> = (0..self.clients.len()).collect();
        let (mut asked, mut taken) = (0u32, Vec::with_capacity(n));
        let mut ready = Vec::new();
        while taken.len() < n {
            let now = Instant::now();
            while (asked as usize) < n
                && start + every * asked <= now
                && let Some(at) = idle.pop_front()
            {
                self.clients[at].due = start + every * asked;
                self.ask(at);
                asked += 1;
            }
            ready.clear();
            // It spins: sleeping would be late by more than what is measured.
            self.epoll.wait(Some(Duration::ZERO), |data| ready.push(data as usize));
            for &at in &ready {
                if self.attend(at) {
                    self.clients[at].busy = false;
                    taken.push(self.clients[at].due.elapsed().as_nanos());
                    idle.push_back(at);
                }
            }
        }
        taken.sort_unstable();
        format!("{} {}", taken[n / 2], taken[n * 99 / 100])
    }

    fn connections(&mut self, at_once: usize, n: usize) -> u128 {
        let start = Instant::now();
        let first = self.clients.len();
        let mut opened = at_once.min(n);
        for at in first..first + opened {
            let client = self.open(at);
            self.clients.push(client);
            self.ask(at);
        }
        let mut done = 0;
        self.until(|load, at| {
            done += 1;
            let kind = load.clients[at].peer.tls().and_then(|tls| tls.kind());
            if let (Some(resumed), Some(kind)) = (load.resumed, kind) {
                assert_eq!(kind == HandshakeKind::Resumed, resumed, "{kind:?}");
            }
            if opened < n {
                opened += 1;
                let client = load.open(at);
                epoll::reset(std::mem::replace(&mut load.clients[at], client).peer.into_io());
                load.ask(at);
            }
            done < n
        });
        for client in self.clients.drain(first..) {
            epoll::reset(client.peer.into_io());
        }
        start.elapsed().as_nanos()
    }
}
