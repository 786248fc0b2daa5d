//! A connection that does not block, plain or TLS over rustls' unbuffered API, as a careful user would
//! write it for many of them: the buffers are the thread's, and a connection keeps what is left over.

use std::io;
use std::net::TcpStream;

use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};

use crate::conn::Side;
use crate::epoll;

const ROOM: usize = 66 * 1024;
/// The amount sent by one system call.
pub const PIECE: usize = 64 * 1024;

/// Of the thread.
pub struct Buffers {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Buffers {
    pub fn new() -> Buffers {
        Buffers { input: vec![0; ROOM], output: vec![0; ROOM] }
    }
}

pub struct Peer<S> {
    io: TcpStream,
    /// `None` for a plain one.
    tls: Option<Box<S>>,
    /// Received, and no whole record.
    rest: Vec<u8>,
    /// The bytes that the kernel did not take.
    out: Vec<u8>,
}

impl<S: Side> Peer<S> {
    pub fn new(io: TcpStream, tls: Option<S>) -> Peer<S> {
        Peer { io, tls: tls.map(Box::new), rest: Vec::new(), out: Vec::new() }
    }

    pub fn io(&self) -> &TcpStream {
        &self.io
    }

    pub fn into_io(self) -> TcpStream {
        self.io
    }

    pub fn tls(&self) -> Option<&S> {
        self.tls.as_deref()
    }

    pub fn is_unsent(&self) -> bool {
        !self.out.is_empty()
    }

    /// One recv(2), and what is in it. False at the end.
    pub fn receive(&mut self, b: &mut Buffers, mut sink: impl FnMut(&[u8])) -> io::Result<bool> {
        let kept = self.rest.len();
        b.input[..kept].copy_from_slice(&self.rest);
        let n = match epoll::recv(&self.io, &mut b.input[kept..])? {
            None => return Ok(true),
            Some(0) => return Ok(false),
            Some(n) => n,
        };
        let input = &mut b.input[..kept + n];
        let Some(tls) = &mut self.tls else {
            sink(input);
            return Ok(true);
        };
        self.rest.clear();
        let (mut at, mut open) = (0, true);
        loop {
            let UnbufferedStatus { mut discard, state, .. } = tls.process(&mut input[at..]);
            let mut more = true;
            match state.map_err(io::Error::other)? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(io::Error::other)?;
                        discard += record.discard;
                        sink(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => encode(&mut self.out, |to| data.encode(to)),
                ConnectionState::TransmitTlsData(data) => {
                    let sent = epoll::send(&self.io, &self.out)?;
                    self.out.drain(..sent);
                    data.done();
                }
                ConnectionState::WriteTraffic(_) | ConnectionState::BlockedHandshake => more = false,
                _ => (more, open) = (false, false),
            }
            at += discard;
            if !more {
                break;
            }
        }
        if at < input.len() {
            self.rest.extend_from_slice(&input[at..]);
        }
        if self.rest.is_empty() {
            self.rest = Vec::new();
        }
        Ok(open)
    }

    /// Encrypts and sends; what the kernel does not take is kept.
    pub fn send(&mut self, b: &mut Buffers, data: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            let sent = epoll::send(&self.io, data)?;
            self.out.extend_from_slice(&data[sent..]);
            return Ok(());
        };
        loop {
            let UnbufferedStatus { state, .. } = tls.process(&mut self.rest);
            match state.map_err(io::Error::other)? {
                ConnectionState::EncodeTlsData(mut d) => encode(&mut self.out, |to| d.encode(to)),
                ConnectionState::TransmitTlsData(d) => d.done(),
                ConnectionState::WriteTraffic(mut traffic) => {
                    let n = traffic.encrypt(data, &mut b.output).map_err(io::Error::other)?;
                    if !self.out.is_empty() {
                        self.out.extend_from_slice(&b.output[..n]);
                        return self.flush();
                    }
                    let sent = epoll::send(&self.io, &b.output[..n])?;
                    self.out.extend_from_slice(&b.output[sent..n]);
                    return Ok(());
                }
                _ => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }

    /// Begins a client's handshake.
    pub fn begin(&mut self) -> io::Result<()> {
        while let Some(tls) = &mut self.tls {
            match tls.process(&mut []).state.map_err(io::Error::other)? {
                ConnectionState::EncodeTlsData(mut d) => encode(&mut self.out, |to| d.encode(to)),
                ConnectionState::TransmitTlsData(d) => {
                    d.done();
                    return self.flush();
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Sends what was kept.
    pub fn flush(&mut self) -> io::Result<()> {
        let sent = epoll::send(&self.io, &self.out)?;
        self.out.drain(..sent);
        if self.out.is_empty() {
            self.out = Vec::new();
        }
        Ok(())
    }
}

fn encode(out: &mut Vec<u8>, mut to: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    let at = out.len();
    let mut room = 1024;
    loop {
        out.resize(at + room, 0);
        match to(&mut out[at..]) {
            Ok(n) => return out.truncate(at + n),
            Err(EncodeError::InsufficientSize(e)) => room = e.required_size,
            Err(e) => panic!("{e}"),
        }
    }
}
