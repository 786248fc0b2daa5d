//! One turn of rustls' unbuffered state machine, the same for both roles.

use rustls::Error as Tls;
use rustls::client::ClientConnectionData;
use rustls::server::ServerConnectionData;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedConnectionCommon,
    UnbufferedStatus,
};

use crate::tls::engine::buffer::Buffer;

/// The output to encrypt after everything before it.
#[derive(Clone, Copy)]
pub enum Out<'a> {
    /// Nothing.
    Nothing,
    /// Application data.
    Data(&'a [u8]),
    /// close_notify.
    Bye,
}

/// The result of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Progress; there may be more to do.
    Again,
    /// No progress: more input is needed.
    Idle,
    /// No progress for lack of memory: nothing is lost, and the turn can be repeated.
    NoMemory,
    /// The output is encrypted.
    Put,
    /// The peer has closed its side; reported once.
    PeerClosed,
    /// Both sides are closed; there will be no more progress.
    Over,
}

/// Either role's connection.
pub trait Drive {
    /// Its data.
    type Data;
    /// See `process_tls_records`.
    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Drive for UnbufferedConnectionCommon<ClientConnectionData> {
    type Data = ClientConnectionData;
    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

impl Drive for UnbufferedConnectionCommon<ServerConnectionData> {
    type Data = ServerConnectionData;
    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

/// One turn. `input` always holds everything received and not yet processed: rustls remembers
/// positions in it between turns. `sink` takes the data of one record.
pub fn turn<C: Drive>(
    conn: &mut C,
    input: &mut Buffer,
    output: &mut Buffer,
    out: Out<'_>,
    mut sink: impl FnMut(&[u8]),
) -> Result<Turn, Tls> {
    let UnbufferedStatus { mut discard, state } = conn.process(input.filled());
    let turn = match state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                Some(Ok(record)) => {
                    discard += record.discard;
                    sink(record.payload);
                }
                Some(Err(e)) => break Err(e),
                None => break Ok(Turn::Again),
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, output),
        Ok(ConnectionState::TransmitTlsData(data)) => {
            // It is in our buffer, which is flushed before any wait.
            data.done();
            Ok(Turn::Again)
        }
        Ok(ConnectionState::WriteTraffic(mut traffic)) => match out {
            Out::Nothing => Ok(Turn::Idle),
            Out::Data(data) => put(output, sealed(data.len()), |to| traffic.encrypt(data, to)),
            Out::Bye => put(output, 256, |to| traffic.queue_close_notify(to)),
        },
        Ok(ConnectionState::BlockedHandshake) => Ok(Turn::Idle),
        Ok(ConnectionState::PeerClosed) => Ok(Turn::PeerClosed),
        Ok(ConnectionState::Closed) => Ok(Turn::Over),
        Ok(_) => Err(Tls::General("unexpected state".into())),
        Err(e) => Err(e),
    };
    input.consume(discard);
    turn
}

/// An upper bound for the ciphertext of `len` bytes: each record of 16 KiB grows by a header and a
/// tag; a key update may come first.
fn sealed(len: usize) -> usize {
    len + (len / 16384 + 1) * 64 + 256
}

#[inline(never)]
fn encode<D>(data: &mut EncodeTlsData<'_, D>, output: &mut Buffer) -> Result<Turn, Tls> {
    let mut need = 512;
    loop {
        match data.encode(output.large_room(need)) {
            Ok(n) => {
                output.fill(n);
                return Ok(Turn::Again);
            }
            Err(EncodeError::InsufficientSize(e)) if e.required_size > need => {
                need = e.required_size
            }
            Err(e) => return Err(Tls::General(e.to_string())),
        }
    }
}

fn put(
    output: &mut Buffer,
    mut want: usize,
    mut op: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<Turn, Tls> {
    loop {
        match op(output.large_room(want)) {
            Ok(n) => {
                output.fill(n);
                return Ok(Turn::Put);
            }
            // Records may be smaller than TLS's maximum, and then there are more of them.
            Err(EncryptError::InsufficientSize(e)) if e.required_size > want => {
                want = e.required_size
            }
            Err(EncryptError::InsufficientSize(_)) => return Ok(Turn::NoMemory),
            Err(EncryptError::EncryptExhausted) => return Err(Tls::EncryptError),
        }
    }
}
