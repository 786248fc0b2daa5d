//! The cause of a TLS error: a code and a sentence.

use std::fmt;

/// The cause of a TLS error: a code and a sentence.
#[derive(Clone, Debug)]
pub struct Cause {
    /// `USOCKET_ETLS_*`, or `-errno`.
    pub code: i32,
    /// The sentence.
    pub words: String,
}

impl Cause {
    /// A cause.
    pub fn new(code: i32, words: impl Into<String>) -> Self {
        Cause { code, words: words.into() }
    }

    /// The same, readable in a log whatever the peer has put into its certificates: control characters
    /// are escaped, and too long a sentence is cut.
    pub fn readable(mut self) -> Self {
        const LONGEST: usize = 1000;
        if self.words.contains(char::is_control) {
            let mut words = String::new();
            for c in self.words.chars() {
                if c.is_control() { words.extend(c.escape_default()) } else { words.push(c) }
            }
            self.words = words;
        }
        if self.words.len() > LONGEST {
            self.words = self.words.chars().take(LONGEST).chain("...".chars()).collect();
        }
        self
    }

    /// A cause with the code's own text.
    pub fn plain(code: i32) -> Self {
        Cause::new(code, crate::error::message(code))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

// So that a verifier can send one through rustls.
impl std::error::Error for Cause {}

impl From<std::io::Error> for Cause {
    fn from(e: std::io::Error) -> Self {
        match e.raw_os_error() {
            // Without Rust's " (os error 2)".
            Some(errno) => crate::error::Error::os(errno).into(),
            None => Cause::new(-libc::EINVAL, e.to_string()),
        }
    }
}

impl From<crate::error::Error> for Cause {
    fn from(e: crate::error::Error) -> Self {
        Cause::plain(e.code())
    }
}
