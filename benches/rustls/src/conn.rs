//! A blocking TLS connection over rustls' unbuffered API, as a careful user would write it.

use std::io::{Read, Write};

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, InsufficientSizeError, UnbufferedStatus};
use rustls::{HandshakeKind, SideData};

use crate::setup::Configs;

/// Two full records and their overhead.
const ROOM: usize = 2 * (16384 + 256);

/// The common interface of client and server connections, which rustls defines twice.
pub trait Side {
    type Data: SideData;
    fn process<'c, 'i>(&'c mut self, tls: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
    fn kind(&self) -> Option<HandshakeKind>;
}

impl Side for UnbufferedClientConnection {
    type Data = ClientConnectionData;
    fn process<'c, 'i>(&'c mut self, tls: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(tls)
    }
    fn kind(&self) -> Option<HandshakeKind> {
        self.handshake_kind()
    }
}

impl Side for UnbufferedServerConnection {
    type Data = ServerConnectionData;
    fn process<'c, 'i>(&'c mut self, tls: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(tls)
    }
    fn kind(&self) -> Option<HandshakeKind> {
        self.handshake_kind()
    }
}

pub struct Conn<T, S> {
    io: T,
    side: S,
    /// Received TLS; `filled` bytes count.
    tls: Vec<u8>,
    filled: usize,
    /// TLS to send; `ready` bytes count.
    out: Vec<u8>,
    ready: usize,
    /// Plaintext that did not fit into the caller's buffer.
    spill: Vec<u8>,
    spilled: usize,
    ended: bool,
}

impl<T: Read + Write> Conn<T, UnbufferedClientConnection> {
    pub fn client(io: T, configs: &Configs) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        Conn::new(io, UnbufferedClientConnection::new(configs.client.clone(), name).unwrap())
    }
}

impl<T: Read + Write> Conn<T, UnbufferedServerConnection> {
    pub fn server(io: T, configs: &Configs) -> Self {
        Conn::new(io, UnbufferedServerConnection::new(configs.server.clone()).unwrap())
    }
}

impl<T: Read + Write, S: Side> Conn<T, S> {
    fn new(io: T, side: S) -> Self {
        let mut conn = Conn {
            io,
            side,
            tls: vec![0; ROOM],
            filled: 0,
            out: vec![0; ROOM],
            ready: 0,
            spill: Vec::new(),
            spilled: 0,
            ended: false,
        };
        // Until a write of nothing is possible.
        conn.drive(Goal::Send(&[]));
        conn
    }

    pub fn resumed(&self) -> bool {
        self.side.kind() == Some(HandshakeKind::Resumed)
    }

    pub fn send(&mut self, data: &[u8]) {
        // As much as fits into the buffer as whole records.
        data.chunks(2 * 16384).for_each(|part| _ = self.drive(Goal::Send(part)));
    }

    pub fn recv(&mut self, buf: &mut [u8]) -> usize {
        if self.spilled < self.spill.len() {
            let n = buf.len().min(self.spill.len() - self.spilled);
            buf[..n].copy_from_slice(&self.spill[self.spilled..][..n]);
            self.spilled += n;
            return n;
        }
        if self.ended { 0 } else { self.drive(Goal::Receive(buf)) }
    }

    pub fn recv_exact(&mut self, buf: &mut [u8]) {
        let mut at = 0;
        while at < buf.len() {
            match self.recv(&mut buf[at..]) {
                0 => panic!("the connection ended"),
                n => at += n,
            }
        }
    }

    pub fn close(mut self) {
        self.drive(Goal::Close);
    }

    /// Runs the state machine to a goal; gives how many bytes were received.
    fn drive(&mut self, mut goal: Goal<'_>) -> usize {
        loop {
            let UnbufferedStatus { mut discard, state, .. } =
                self.side.process(&mut self.tls[..self.filled]);
            let mut step = Step::Again;
            match state.unwrap() {
                ConnectionState::ReadTraffic(mut traffic) => {
                    let mut got = 0;
                    while let Some(record) = traffic.next_record() {
                        let record = record.unwrap();
                        discard += record.discard;
                        let direct = match &mut goal {
                            Goal::Receive(buf) => (buf.len() - got).min(record.payload.len()),
                            _ => 0,
                        };
                        if let Goal::Receive(buf) = &mut goal {
                            buf[got..got + direct].copy_from_slice(&record.payload[..direct]);
                            got += direct;
                        }
                        if direct < record.payload.len() {
                            self.spill.drain(..self.spilled);
                            self.spilled = 0;
                            self.spill.extend_from_slice(&record.payload[direct..]);
                        }
                    }
                    if got > 0 {
                        step = Step::Done(got);
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    let room = &mut self.out[self.ready..];
                    match data.encode(room) {
                        Ok(n) => self.ready += n,
                        Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
                            self.out.resize(self.ready + required_size, 0);
                        }
                        Err(e) => panic!("{e}"),
                    }
                }
                ConnectionState::TransmitTlsData(data) => {
                    self.io.write_all(&self.out[..self.ready]).unwrap();
                    self.ready = 0;
                    data.done();
                }
                ConnectionState::BlockedHandshake => step = Step::Read,
                ConnectionState::WriteTraffic(mut traffic) => match &goal {
                    Goal::Send(data) => {
                        if !data.is_empty() {
                            let n = traffic.encrypt(data, &mut self.out).unwrap();
                            self.io.write_all(&self.out[..n]).unwrap();
                        }
                        step = Step::Done(0);
                    }
                    Goal::Close => {
                        let n = traffic.queue_close_notify(&mut self.out).unwrap();
                        let _ = self.io.write_all(&self.out[..n]);
                        step = Step::Done(0);
                    }
                    Goal::Receive(_) => step = Step::Read,
                },
                _ => {
                    self.ended = true;
                    step = Step::Done(0);
                }
            }
            self.tls.copy_within(discard..self.filled, 0);
            self.filled -= discard;
            match step {
                Step::Done(n) => return n,
                Step::Again => {}
                Step::Read => match self.io.read(&mut self.tls[self.filled..]).unwrap() {
                    0 => return 0,
                    n => self.filled += n,
                },
            }
        }
    }
}

enum Goal<'a> {
    Send(&'a [u8]),
    Receive(&'a mut [u8]),
    Close,
}

enum Step {
    Again,
    Read,
    Done(usize),
}
