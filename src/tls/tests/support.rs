//! Certificates made on the spot, contexts, connected pairs.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use crate::error::Result;
use crate::object;
use crate::poll::{Entry, Source, poll};
use crate::socket::Socket;
use crate::tls::context::Context;
use crate::tls::session::Session;

/// The versions of this build.
pub const VERSIONS: &[i32] = if cfg!(feature = "tls12") { &[0x303, 0x304] } else { &[0x304] };

pub const NAME: &str = "server.example";

/// An issuer.
pub struct Ca {
    pub issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, PEM.
pub struct Made {
    pub cert: String,
    pub key: String,
    pub der: Vec<u8>,
}

pub fn key_of(algorithm: &'static rcgen::SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

pub fn params(names: &[&str], common_name: &str) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|n| n.to_string()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = Default::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2090, 1, 1);
    params
}

impl Ca {
    pub fn new(name: &str) -> Ca {
        let mut params = params(&[], name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = key_of(&rcgen::PKCS_ECDSA_P256_SHA256);
        Ca { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub fn issue(&self, params: CertificateParams) -> Made {
        self.issue_with(params, key_of(&rcgen::PKCS_ECDSA_P256_SHA256))
    }

    pub fn issue_with(&self, params: CertificateParams, key: KeyPair) -> Made {
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Made { cert: cert.pem(), key: key.serialize_pem(), der: cert.der().to_vec() }
    }

    pub fn server(&self) -> Made {
        let mut params = params(&[NAME, "*.wild.example", "127.0.0.1"], NAME);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    pub fn client(&self) -> Made {
        let mut params = params(&[], "a client");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }
}

pub fn self_signed(params: CertificateParams) -> Made {
    let key = key_of(&rcgen::PKCS_ECDSA_P256_SHA256);
    let cert = params.self_signed(&key).unwrap();
    Made { cert: cert.pem(), key: key.serialize_pem(), der: cert.der().to_vec() }
}

pub fn client() -> Context {
    Context::new(1).unwrap()
}

pub fn server(made: &Made) -> Context {
    let context = Context::new(2).unwrap();
    context.use_cert(made.cert.as_bytes(), made.key.as_bytes()).unwrap();
    context
}

/// A client that trusts `ca`, and a server with a certificate by it.
pub fn contexts() -> (Context, Context) {
    let ca = Ca::new("Test CA");
    let client = client();
    client.trust(ca.pem().as_bytes()).unwrap();
    (client, server(&ca.server()))
}

pub fn pair() -> (Socket, Socket) {
    Socket::pair(libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap()
}

pub fn wrap<'a>(socket: &'a Socket, context: &Context, name: Option<&str>) -> &'a Session {
    socket.wrap(Session::new(context, socket, name).unwrap()).unwrap()
}

/// Both handshakes, on two threads.
pub fn shake(client: (&Socket, &Session), server: (&Socket, &Session)) -> (Result<()>, Result<()>) {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let result = server.1.handshake(server.0);
            if result.is_err() {
                let _ = server.0.shutdown(libc::SHUT_WR);
            }
            result
        });
        let mut mine = client.1.handshake(client.0);
        if mine.is_ok() && client.1.info(|i| i.version()) == 0x304 {
            // In TLS 1.3 the client learns what the server thinks of it when it next receives.
            if let Err(e) = poke_alert(client.0) {
                mine = Err(e);
            }
        }
        if mine.is_err() {
            let _ = client.0.shutdown(libc::SHUT_WR);
        }
        (mine, other.join().unwrap())
    })
}

fn poke_alert(socket: &Socket) -> Result<()> {
    use crate::wait::{self, Deadline};
    // The server says something at once: its tickets, or why not.
    let _ = wait::fd(socket.as_fd(), libc::POLLIN, &mut Deadline::after_us(300_000));
    match socket.recv(&mut [MaybeUninit::uninit()], libc::MSG_DONTWAIT | libc::MSG_PEEK) {
        Err(e) if !e.is(libc::EAGAIN) => Err(e),
        _ => Ok(()),
    }
}

/// Two sockets with a complete handshake between them.
pub fn connected(client: &Context, server: &Context) -> (Socket, Socket) {
    let (a, b) = pair();
    let (sa, sb) = (wrap(&a, client, Some(NAME)), wrap(&b, server, None));
    let (ra, rb) = shake((&a, sa), (&b, sb));
    assert!(ra.is_ok() && rb.is_ok(), "{ra:?} {} {rb:?} {}", sa.detail(), sb.detail());
    (a, b)
}

pub fn recv(socket: &Socket, most: usize) -> Result<Vec<u8>> {
    let mut buf = vec![MaybeUninit::new(0u8); most];
    let n = socket.recv(&mut buf, 0)?;
    Ok(read_back(&buf[..n]))
}

pub fn read(socket: &Socket, most: usize) -> Result<Vec<u8>> {
    let mut buf = vec![MaybeUninit::new(0u8); most];
    let n = socket.read(&mut buf)?;
    Ok(read_back(&buf[..n]))
}

pub fn readline(socket: &Socket, most: usize) -> Result<Vec<u8>> {
    let mut buf = vec![MaybeUninit::new(0u8); most];
    let n = socket.readline(&mut buf)?;
    Ok(read_back(&buf[..n]))
}

fn read_back(buf: &[MaybeUninit<u8>]) -> Vec<u8> {
    // SAFETY: every byte was initialised when the buffer was made.
    buf.iter().map(|b| unsafe { b.assume_init() }).collect()
}

pub fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// The immediate result of usocket_poll.
pub fn polled(handle: i64, events: i16, timeout_us: i64) -> i16 {
    let mut set = [Entry { source: Source::Handle(handle), events, revents: 0 }];
    poll(&mut set, timeout_us).unwrap();
    set[0].revents
}

/// A connection whose ends have handles.
pub struct Handles(pub i64, pub i64);

impl Handles {
    pub fn new(client: &Context, server: &Context) -> Handles {
        let (a, b) = connected(client, server);
        Handles(object::insert(a).unwrap(), object::insert(b).unwrap())
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        let _ = (object::close(self.0), object::close(self.1));
    }
}

/// Does something with a handle's socket.
pub fn on<T>(handle: i64, f: impl FnOnce(&Socket) -> T) -> T {
    f(object::pin(handle).unwrap().socket().unwrap())
}

/// A time that only guards against hanging.
pub const LONG: Duration = Duration::from_secs(20);

/// This thread, as [`until_it_waits`] knows it.
pub fn this_thread() -> i32 {
    // SAFETY: no arguments.
    unsafe { libc::gettid() }
}

/// Sends a signal to one thread of this process. (Its `pthread_t` is a pointer in musl, which cannot be
/// given to another thread.)
pub fn interrupt(thread: i32, signal: i32) {
    // SAFETY: no memory is passed; a thread that has ended gets nothing.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal) };
}

/// Waits until a thread of this process, or a process, sleeps in the kernel, or has ended.
pub fn until_it_waits(thread: i32) {
    let begun = Instant::now();
    let waits = || match std::fs::read_to_string(format!("/proc/{thread}/stat")) {
        Ok(stat) => stat.rsplit_once(") ").is_none_or(|(_, s)| s.starts_with(['S', 'Z', 'X'])),
        Err(_) => true,
    };
    while !waits() {
        assert!(begun.elapsed() < LONG, "thread {thread} does not wait");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A thread that waits in `body` by now, unless it has ended.
pub fn waiting<'s, T: Send + 's>(
    scope: &'s Scope<'s, '_>,
    body: impl FnOnce() -> T + Send + 's,
) -> ScopedJoinHandle<'s, T> {
    let (tell, told) = mpsc::channel();
    let thread = scope.spawn(move || {
        tell.send(this_thread()).unwrap();
        body()
    });
    until_it_waits(told.recv().unwrap());
    thread
}

/// Lets one of two processes wait for the other.
pub struct Turn(UnixStream, UnixStream);

impl Turn {
    pub fn new() -> Turn {
        let (wait, go) = UnixStream::pair().unwrap();
        Turn(wait, go)
    }

    /// Waits until the other has said so.
    pub fn wait(&self) {
        std::io::Read::read_exact(&mut &self.0, &mut [0]).unwrap();
    }

    pub fn go(&self) {
        std::io::Write::write_all(&mut &self.1, b"x").unwrap();
    }
}
