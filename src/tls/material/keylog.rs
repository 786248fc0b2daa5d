//! The key log, and details of a handshake that rustls reveals only through hooks.
//!
//! rustls' unbuffered connections offer neither the exporter nor (on a server) the client's SNI.
//! Both pass through hooks of the configuration during the handshake: [`Notes`] collects them on
//! the thread, and the session takes them right after.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use rustls::KeyLog;
use zeroize::Zeroizing;

use crate::tls::Cause;

/// The details collected since the last [`take`].
#[derive(Default)]
pub struct Notes {
    /// The exporter secret of TLS 1.3.
    pub exporter: Option<Zeroizing<Box<[u8]>>>,
    /// The name a client asked for.
    pub server_name: Option<Box<str>>,
    /// Details of a refusal that rustls' error cannot carry.
    pub refusal: Option<Refusal>,
}

/// The sentence of a refusal, and its code if rustls' error implies another.
pub struct Refusal {
    code: Option<i32>,
    words: String,
}

impl Refusal {
    /// The cause to report in place of rustls' own.
    pub fn explain(self, cause: Cause) -> Cause {
        Cause::new(self.code.unwrap_or(cause.code), self.words)
    }
}

thread_local! {
    // (A thread that is ending has no notes any more.)
    static NOTES: RefCell<Notes> = RefCell::default();
}

/// Takes the notes.
pub fn take() -> Notes {
    NOTES.try_with(|n| std::mem::take(&mut *n.borrow_mut())).unwrap_or_default()
}

/// Notes the name a client asks for.
pub fn note_server_name(name: Option<&str>) {
    let _ = NOTES.try_with(|n| n.borrow_mut().server_name = name.map(Into::into));
}

/// Notes the sentence of the refusal that follows.
pub fn note_words(words: String) {
    let _ = NOTES.try_with(|n| n.borrow_mut().refusal = Some(Refusal { code: None, words }));
}

/// Notes the cause of the refusal that follows, in place of the one made from rustls' error.
pub fn note_cause(cause: Cause) {
    let refusal = Refusal { code: Some(cause.code), words: cause.words };
    let _ = NOTES.try_with(|n| n.borrow_mut().refusal = Some(refusal));
}

/// Runs `f` and discards its notes about refusals.
pub fn unsaid<T>(f: impl FnOnce() -> T) -> T {
    let before = NOTES.try_with(|n| n.borrow_mut().refusal.take()).ok().flatten();
    let result = f();
    let _ = NOTES.try_with(|n| n.borrow_mut().refusal = before);
    result
}

const EXPORTER: &str = "EXPORTER_SECRET";

/// The key log of a context's connections.
#[derive(Debug)]
pub struct Log(pub Option<Arc<File>>);

impl KeyLog for Log {
    fn will_log(&self, label: &str) -> bool {
        self.0.is_some() || label == EXPORTER
    }

    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        if label == EXPORTER {
            let kept = Zeroizing::new(Box::from(secret));
            let _ = NOTES.try_with(|n| n.borrow_mut().exporter = Some(kept));
        }
        if let Some(mut file) = self.0.as_deref() {
            let hex = |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
            let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
            // One write, so that lines of several threads and processes do not mix. A failed write
            // does not affect the connection.
            let _ = file.write_all(line.as_bytes());
        }
    }
}
