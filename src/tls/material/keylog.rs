//! The key log, and what rustls tells of a handshake only by the way.
//!
//! rustls' unbuffered connections offer neither the exporter nor (on a server) the client's SNI.
//! Both pass through hooks of the configuration while the connection is driven: [`Notes`] catches
//! them on the thread that drives, and the session takes them right after.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use rustls::KeyLog;
use zeroize::Zeroizing;

use crate::tls::Cause;

/// What was caught since the last [`take`].
#[derive(Default)]
pub struct Notes {
    /// The exporter secret of TLS 1.3.
    pub exporter: Option<Zeroizing<Box<[u8]>>>,
    /// The name a client asked for.
    pub server_name: Option<Box<str>>,
    /// More about a refusal than rustls' error can carry with the alert that belongs to it.
    pub refusal: Option<Refusal>,
}

/// What a person should know about a refusal, and its code where rustls' error has another.
pub struct Refusal {
    code: Option<i32>,
    words: String,
}

impl Refusal {
    /// The cause that is told, for the one that rustls gave.
    pub fn explain(self, cause: Cause) -> Cause {
        Cause::new(self.code.unwrap_or(cause.code), self.words)
    }
}

thread_local! {
    // (In a thread that is ending there are none any more, and nobody to read them.)
    static NOTES: RefCell<Notes> = RefCell::default();
}

/// Takes what was caught.
pub fn take() -> Notes {
    NOTES.try_with(|n| std::mem::take(&mut *n.borrow_mut())).unwrap_or_default()
}

/// Notes the name a client asks for.
pub fn note_server_name(name: Option<&str>) {
    let _ = NOTES.try_with(|n| n.borrow_mut().server_name = name.map(Into::into));
}

/// Notes what a person should know about the refusal that follows.
pub fn note_words(words: String) {
    let _ = NOTES.try_with(|n| n.borrow_mut().refusal = Some(Refusal { code: None, words }));
}

/// Notes the cause of the refusal that follows, in place of what rustls' error would become.
pub fn note_cause(cause: Cause) {
    let refusal = Refusal { code: Some(cause.code), words: cause.words };
    let _ = NOTES.try_with(|n| n.borrow_mut().refusal = Some(refusal));
}

/// Runs something whose refusals, if any, nobody is told of.
pub fn unsaid<T>(f: impl FnOnce() -> T) -> T {
    let before = NOTES.try_with(|n| n.borrow_mut().refusal.take()).ok().flatten();
    let result = f();
    let _ = NOTES.try_with(|n| n.borrow_mut().refusal = before);
    result
}

const EXPORTER: &str = "EXPORTER_SECRET";

/// What a context's connections report their secrets to.
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
            // One write, so that lines of several threads and processes do not mix. A log that
            // cannot be written takes nothing from the connection's security, and does not end it.
            let _ = file.write_all(line.as_bytes());
        }
    }
}
