//! A peer that has done an honest handshake and then sends whatever records the test asks for.

use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use rustls::crypto::cipher::{AeadKey, Iv, MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::crypto::tls13::OkmBlock;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, Connection, ContentType, KeyLog, ProtocolVersion,
    RootCertStore, ServerConfig, ServerConnection, SupportedCipherSuite, Tls13CipherSuite,
};

use super::support::*;
use crate::socket::Socket;
use crate::tls::material::provider;

/// The secrets of both directions, as rustls tells them.
#[derive(Debug, Default)]
struct Secrets(Mutex<Vec<(String, Vec<u8>)>>);

impl KeyLog for Secrets {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        self.0.lock().unwrap().push((label.into(), secret.into()));
    }
}

/// A peer made of rustls, up to the end of the handshake.
pub struct Peer {
    pub tls: Connection,
    pub wire: UnixStream,
    secrets: Arc<Secrets>,
}

/// The same, forging: see the module documentation.
pub struct Forger {
    pub wire: UnixStream,
    suite: &'static Tls13CipherSuite,
    secret: Vec<u8>,
    encrypter: Box<dyn MessageEncrypter>,
    seq: u64,
}

pub const DATA: ContentType = ContentType::ApplicationData;
pub const ALERT: ContentType = ContentType::Alert;
pub const HANDSHAKE: ContentType = ContentType::Handshake;

/// A handshake message that asks for no answer: new keys from here on.
const KEY_UPDATE: &[u8] = &[24, 0, 0, 1, 0];

pub fn std_stream(socket: Socket) -> UnixStream {
    // SAFETY: the descriptor was just given up.
    UnixStream::from(unsafe { OwnedFd::from_raw_fd(socket.into_fd()) })
}

/// A socket of ours with a session that has not begun, and rustls at the other end of `ends`.
pub fn with_peer(
    ours_is_client: bool,
    ends: (Socket, Socket),
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> (Socket, Peer) {
    let (ours, theirs) = ends;
    let ca = Ca::new("CA");
    let made = ca.server();
    let provider = Arc::new(provider::get().unwrap());
    let secrets = Arc::new(Secrets::default());
    let tls: Connection = if ours_is_client {
        let chain = vec![CertificateDer::from_pem_slice(made.cert.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.key_log = secrets.clone();
        config.send_tls13_tickets = 0;
        let client = client();
        client.trust(ca.pem().as_bytes()).unwrap();
        wrap(&ours, &client, Some(NAME));
        ServerConnection::new(Arc::new(config)).unwrap().into()
    } else {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.key_log = secrets.clone();
        wrap(&ours, &server(&made), None);
        ClientConnection::new(Arc::new(config), ServerName::try_from(NAME).unwrap()).unwrap().into()
    };
    (ours, Peer { tls, wire: std_stream(theirs), secrets })
}

impl Peer {
    /// Does the handshake with `ours`.
    pub fn shake(&mut self, ours: &Socket) {
        std::thread::scope(|scope| {
            scope.spawn(|| ours.tls().unwrap().handshake(ours).unwrap());
            while self.tls.is_handshaking() {
                self.tls.complete_io(&mut self.wire).unwrap();
            }
            // The last of it.
            while self.tls.wants_write() {
                self.tls.write_tls(&mut self.wire).unwrap();
            }
        });
    }

    /// Its pending output.
    pub fn flight(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// Forges from here on.
    pub fn forge(self) -> Forger {
        let Some(SupportedCipherSuite::Tls13(suite)) = self.tls.negotiated_cipher_suite() else {
            panic!("TLS 1.3 only");
        };
        let label = match self.tls {
            Connection::Server(_) => "SERVER_TRAFFIC_SECRET_0",
            Connection::Client(_) => "CLIENT_TRAFFIC_SECRET_0",
        };
        let secrets = self.secrets.0.lock().unwrap();
        let secret = secrets.iter().find(|(l, _)| l == label).unwrap().1.clone();
        let encrypter = encrypter(suite, &secret);
        Forger { wire: self.wire, suite, secret, encrypter, seq: 0 }
    }
}

fn expand(suite: &Tls13CipherSuite, secret: &[u8], label: &[u8], len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    let info: [&[u8]; 5] =
        [&(len as u16).to_be_bytes(), &[(6 + label.len()) as u8], b"tls13 ", label, &[0]];
    let expander = suite.hkdf_provider.expander_for_okm(&OkmBlock::new(secret));
    expander.expand_slice(&info, &mut out).unwrap();
    out
}

fn encrypter(suite: &Tls13CipherSuite, secret: &[u8]) -> Box<dyn MessageEncrypter> {
    let key: [u8; 32] = expand(suite, secret, b"key", 32).try_into().unwrap();
    let iv: [u8; 12] = expand(suite, secret, b"iv", 12).try_into().unwrap();
    suite.aead_alg.encrypter(AeadKey::from(key), Iv::from(iv))
}

impl Forger {
    /// One record.
    pub fn record(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let payload = OutboundChunks::Single(payload);
        let plain = OutboundPlainMessage { typ, version: ProtocolVersion::TLSv1_2, payload };
        let sealed = self.encrypter.encrypt(plain, self.seq).unwrap();
        self.seq += 1;
        sealed.encode()
    }

    pub fn data(&mut self, payload: &[u8]) -> Vec<u8> {
        self.record(DATA, payload)
    }

    pub fn close_notify(&mut self) -> Vec<u8> {
        self.record(ALERT, &[1, 0])
    }

    pub fn key_update(&mut self) -> Vec<u8> {
        let record = self.record(HANDSHAKE, KEY_UPDATE);
        self.secret = expand(self.suite, &self.secret, b"traffic upd", self.secret.len());
        self.encrypter = encrypter(self.suite, &self.secret);
        self.seq = 0;
        record
    }

    /// A server's NewSessionTicket with a ticket of `len` bytes.
    pub fn ticket(&mut self, len: usize) -> Vec<u8> {
        let mut body = vec![0, 0, 0x70, 0x80, 1, 2, 3, 4, 1, 9];
        body.extend((len as u16).to_be_bytes());
        body.resize(body.len() + len, 7);
        body.extend([0, 0]);
        let mut message = vec![4];
        message.extend(&(body.len() as u32).to_be_bytes()[1..]);
        message.extend(body);
        self.record(HANDSHAKE, &message)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.wire.write_all(bytes).unwrap();
    }
}
