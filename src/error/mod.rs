//! The one error type: a negative number that says which range it is from.
//!
//! | range | meaning |
//! |---|---|
//! | -1 … -4095 | `-errno` |
//! | -10000 - n | TLS (`USOCKET_ETLS_*`) |
//! | -20000 - n | the resolver (`USOCKET_EAI_*`), n = minus the platform's number |
//!
//! Everything below `ffi` returns [`Result`]; `ffi` turns it into the number.
//! A readable sentence ([`explain`]) can accompany the number.

use std::cell::RefCell;
use std::fmt::Display;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::numbers::*;
use crate::sys::text::Text;

pub mod causes;

/// An error code as it crosses the ABI: always negative.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(i32);

/// The result of the library's operations.
pub type Result<T> = std::result::Result<T, Error>;

/// First number of the TLS range.
pub const TLS_BASE: i32 = -10000;
/// First number of the resolver's range.
pub const EAI_BASE: i32 = -20000;

/// The errno for a handle of the wrong kind. (Where a socket is needed it is ENOTSOCK.)
const WRONG_KIND: i32 = -libc::EBADR;

impl Error {
    /// The handle is of another kind than the call needs.
    pub const fn wrong_kind() -> Self {
        Error(WRONG_KIND)
    }

    /// The error for a platform errno (a positive number).
    #[inline]
    pub const fn os(errno: i32) -> Self {
        Error(-errno)
    }

    /// The error for one of the platform's negative `EAI_*` numbers.
    pub const fn eai(code: i32) -> Self {
        Error(EAI_BASE + code)
    }

    /// The TLS error with this number of the TLS range (already negative).
    pub const fn tls(code: i32) -> Self {
        Error(code)
    }

    /// The resolver's error with this number of its range (already negative).
    pub const fn resolver(code: i32) -> Self {
        Error(code)
    }

    /// The negative number that crosses the ABI.
    #[inline]
    pub const fn code(self) -> i32 {
        self.0
    }

    /// Rebuilds an error from [`Error::code`]; `None` when it is not negative.
    pub const fn from_code(code: i32) -> Option<Self> {
        if code < 0 { Some(Error(code)) } else { None }
    }

    /// True when this is the errno `errno`.
    #[inline]
    pub const fn is(self, errno: i32) -> bool {
        self.0 == -errno
    }
}

impl From<io::Error> for Error {
    #[inline]
    fn from(e: io::Error) -> Self {
        // socket2 makes errors of its own for bad arguments; they carry no errno.
        Error::os(e.raw_os_error().unwrap_or(libc::EINVAL))
    }
}

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.0, message(self.0))
    }
}

/// The text for any code of the three ranges, like `strerror`.
pub fn message(code: i32) -> Text<160> {
    match code {
        0.. => Text::of("no error"),
        // The system's text for it does not mention handles, and the library uses it for nothing
        // else.
        WRONG_KIND => Text::of("wrong kind of handle"),
        -4095..=-1 => Text::of(crate::sys::strerror(-code)),
        _ if (TLS_BASE - 999..TLS_BASE).contains(&code) => {
            let mut text = Text::EMPTY;
            match causes::text(code, &mut text) {
                Some(_) => text,
                None => Text::of(format_args!("unknown TLS error {code}")),
            }
        }
        _ if (EAI_BASE - 1000..EAI_BASE).contains(&code) => {
            Text::lossy(crate::sys::names::gai_strerror(code - EAI_BASE).to_bytes())
        }
        _ => Text::of(format_args!("unknown error {code}")),
    }
}

/// The category of any code: `USOCKET_CATEGORY_*`.
pub fn category(code: i32) -> i32 {
    match code {
        -4095..=-1 => USOCKET_CATEGORY_SYSTEM,
        _ if (TLS_BASE - 999..TLS_BASE).contains(&code) => {
            causes::category(code).map_or(USOCKET_CATEGORY_NONE, |c| c as i32)
        }
        _ if (EAI_BASE - 1000..EAI_BASE).contains(&code) => USOCKET_CATEGORY_RESOLVER,
        _ => USOCKET_CATEGORY_NONE,
    }
}

/// The longest sentence.
const SENTENCE: usize = 1024;

// Without a destructor: to register one would need memory.
/// The sentence of this thread's last failure.
#[derive(Clone, Copy)]
struct Last {
    text: Text<SENTENCE>,
    /// Its handle; 0 for a call without one.
    about: i64,
    /// The call that left it has not failed yet: its failure's [`forget`] keeps it.
    fresh: bool,
}

thread_local! {
    static LAST: RefCell<Last> =
        const { RefCell::new(Last { text: Text::EMPTY, about: 0, fresh: false }) };
}

/// Whether any thread has stored a sentence: until then there is none to forget.
static STORED: AtomicBool = AtomicBool::new(false);

fn store(last: Last) {
    // A thread forgets only what it has stored itself.
    STORED.store(true, Ordering::Relaxed);
    LAST.with(|kept| *kept.borrow_mut() = last);
}

/// Stores the sentence of an error of a call without a handle, for this thread.
pub fn explain(error: Error, sentence: impl Display) -> Error {
    store(Last { text: Text::of(sentence), about: 0, fresh: false });
    error
}

/// Stores the sentence of a call that fails on `handle`, if the object itself keeps none.
pub fn explain_about(handle: i64, sentence: impl Display) {
    store(Last { text: Text::of(sentence), about: handle, fresh: true });
}

/// Runs code that may store sentences, and restores this thread's afterwards.
pub fn undisturbed(run: impl FnOnce()) {
    let kept = LAST.with(|last| *last.borrow());
    run();
    LAST.with(|last| *last.borrow_mut() = kept);
}

/// Clears the sentence at the start of a call, so that a failure without one leaves none.
#[inline]
pub fn forget() {
    if STORED.load(Ordering::Relaxed) {
        forget_stored();
    }
}

#[cold]
fn forget_stored() {
    LAST.with(|last| {
        let mut last = last.borrow_mut();
        if !std::mem::take(&mut last.fresh) {
            last.text.clear();
        }
    });
}

/// The last sentence on this thread, if it is about `handle` (0: about none); else empty.
pub fn last_detail(handle: i64) -> Text<SENTENCE> {
    LAST.with(|last| {
        let last = last.borrow();
        if last.about == handle { last.text } else { Text::EMPTY }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_do_not_overlap_and_all_have_a_text() {
        assert_eq!(Error::os(libc::ECONNREFUSED).code(), -libc::ECONNREFUSED);
        assert_eq!(message(-libc::ECONNREFUSED), "Connection refused");
        assert_eq!(Error::eai(libc::EAI_NONAME).code(), -20002);
        let text = if cfg!(target_env = "musl") { "does not resolve" } else { "not known" };
        assert!(message(-20002).contains(text), "{}", message(-20002));
        assert!(message(causes::USOCKET_ETLS_NOT_WRAPPED).contains("IPPROTO_SEC"));
        assert!(message(Error::wrong_kind().code()).contains("wrong kind"));
        assert!(message(-9999).starts_with("unknown error"));
        assert!(message(i32::MIN).starts_with("unknown error"));
    }

    #[test]
    fn every_code_has_a_category_and_only_codes_have_one() {
        assert_eq!(category(-libc::ECONNREFUSED), USOCKET_CATEGORY_SYSTEM);
        assert_eq!(category(USOCKET_EAI_NONAME), USOCKET_CATEGORY_RESOLVER);
        assert_eq!(category(causes::USOCKET_ETLS_CERT_EXPIRED), USOCKET_CATEGORY_TLS_CERTIFICATE);
        assert_eq!(category(causes::USOCKET_ETLS_ALERT - 48), USOCKET_CATEGORY_TLS_ALERT);
        for none in [0, 1, i32::MAX, i32::MIN, -4096, -9999, -10000, -10499, -10999, -19999] {
            assert_eq!(category(none), USOCKET_CATEGORY_NONE, "{none}");
        }
    }

    #[test]
    fn the_detail_is_this_threads_own() {
        explain(Error::os(libc::EINVAL), "here");
        assert_eq!(last_detail(0), "here");
        let other = std::thread::spawn(|| last_detail(0)).join().unwrap_or(Text::of("?"));
        assert_eq!(other, "");
    }
}
