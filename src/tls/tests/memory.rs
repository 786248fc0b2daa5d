//! Memory: what is refused, and what is wiped.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ops::RangeInclusive;
use std::thread;

use super::support::*;
use crate::socket::Socket;

/// The system's, watched where a test asks for it.
struct Watched;

#[global_allocator]
static ALLOCATOR: Watched = Watched;

thread_local! {
    /// Allocations of these sizes are refused on this thread.
    static REFUSED: Cell<(usize, usize)> = const { Cell::new((1, 0)) };
    static REFUSALS: Cell<usize> = const { Cell::new(0) };
    /// The bytes that must not be in memory freed on this thread, and how often they were.
    static SECRET: Cell<&'static [u8]> = const { Cell::new(&[]) };
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

fn refuses(size: usize) -> bool {
    let (from, to) = REFUSED.try_with(Cell::get).unwrap_or((1, 0));
    let refused = from <= size && size <= to;
    if refused {
        REFUSALS.with(|n| n.set(n.get() + 1));
    }
    refused
}

/// Whether memory that is freed is looked at. It is zeroed first then: what it held before, freed by
/// who is not looked at, is not to be found in it.
fn looks() -> bool {
    SECRET.try_with(Cell::get).is_ok_and(|secret| !secret.is_empty())
}

/// Looks at memory that is about to be freed.
///
/// # Safety
/// It is readable for `size`. (What was never written is read, too: only a test may do that.)
unsafe fn look(at: *const u8, size: usize) {
    let secret = SECRET.try_with(Cell::get).unwrap_or(&[]);
    if secret.is_empty() || size < secret.len() {
        return;
    }
    // SAFETY: as the caller promises.
    let bytes = unsafe { std::slice::from_raw_parts(at, size) };
    if bytes.windows(secret.len()).any(|w| w == secret) {
        LEFT.with(|n| n.set(n.get() + 1));
    }
}

// SAFETY: the system's; a refusal is null.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if refuses(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller promises.
        unsafe { if looks() { System.alloc_zeroed(layout) } else { System.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if refuses(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe {
            look(at, layout.size());
            System.dealloc(at, layout)
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if refuses(size) {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller promises; what is copied is in both.
        unsafe {
            if !looks() {
                return System.realloc(at, layout, size);
            }
            let to = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !to.is_null() {
                at.copy_to_nonoverlapping(to, size.min(layout.size()));
                self.dealloc(at, layout);
            }
            to
        }
    }
}

/// Runs `body` while allocations of `sizes` are refused; how many were, too.
fn refusing<T>(sizes: RangeInclusive<usize>, body: impl FnOnce() -> T) -> (T, usize) {
    REFUSALS.with(|n| n.set(0));
    REFUSED.with(|r| r.set((*sizes.start(), *sizes.end())));
    let result = body();
    REFUSED.with(|r| r.set((1, 0)));
    (result, REFUSALS.with(Cell::get))
}

/// On a thread of its own, which has no buffers yet.
fn fresh<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(body).join().unwrap())
}

/// The library's own buffers, where a record is of 10,000 bytes.
const BUFFERS: RangeInclusive<usize> = 16_384..=200_000;

fn nothing_left<T: std::fmt::Debug>(result: crate::error::Result<T>) -> bool {
    result.is_err_and(|e| e.is(libc::ENOMEM))
}

fn recv_with(socket: &Socket, most: usize, sizes: RangeInclusive<usize>) -> bool {
    let mut buf = vec![MaybeUninit::new(0u8); most];
    let (got, refused) = refusing(sizes, || socket.recv(&mut buf, 0));
    refused > 0 && nothing_left(got)
}

#[test]
fn refused_buffers_are_an_error_and_nothing_is_lost() {
    let (client, server) = contexts();
    for timeout_us in [-1, 10_000_000, 0] {
        let (a, b) = connected(&client, &server);
        a.settimeout(timeout_us).unwrap();
        b.settimeout(timeout_us).unwrap();
        let sent: Vec<_> = (0..10_000).map(|n| n as u8).collect();
        fresh(|| {
            let (got, refused) = refusing(BUFFERS, || a.send(&sent, 0));
            assert!(refused > 0 && nothing_left(got), "{timeout_us}");
            assert_eq!(a.send(&sent, 0), Ok(sent.len()));
        });
        fresh(|| {
            // Received in blocking mode into a large buffer, else into what there is.
            assert!(recv_with(&b, 100, 4096..=200_000), "{timeout_us}");
            // The rest of a record of 10,000 bytes cannot be kept.
            assert!(recv_with(&b, 100, 9900..=9900), "{timeout_us}");
            assert!(recv_with(&b, 1, 9999..=9999), "{timeout_us}");
            assert_eq!(read(&b, sent.len()), Ok(sent.clone()));
        });
        // And both ways go on.
        assert_eq!(b.send(b"answer", 0), Ok(6));
        assert_eq!(read(&a, 6).unwrap(), b"answer");
    }
}

#[test]
fn a_handshake_without_memory_can_be_tried_again() {
    let (client, server) = contexts();
    for timeout_us in [-1, 10_000_000] {
        let (a, b) = pair();
        a.settimeout(timeout_us).unwrap();
        b.settimeout(timeout_us).unwrap();
        let (sa, sb) = (wrap(&a, &client, Some(NAME)), wrap(&b, &server, None));
        let shake = |socket: &Socket, session: &crate::tls::session::Session| {
            let (first, refused) = refusing(18_000..=200_000, || session.handshake(socket));
            assert!(refused > 0 && nothing_left(first));
            session.handshake(socket).unwrap();
        };
        thread::scope(|scope| {
            scope.spawn(|| shake(&b, sb));
            scope.spawn(|| shake(&a, sa));
        });
        assert_eq!(a.send(b"data", 0), Ok(4));
        assert_eq!(recv(&b, 10).unwrap(), b"data");
    }
}

/// How often `secret` was in memory that `body` has freed.
fn left_by(secret: &[u8], body: impl FnOnce()) -> usize {
    LEFT.with(|n| n.set(0));
    SECRET.with(|s| s.set(secret.to_vec().leak()));
    body();
    SECRET.with(|s| s.set(&[]));
    LEFT.with(Cell::get)
}

/// The middle of a PEM text's base64 without its line ends, as it is put together to be decoded.
fn base64_of(pem: &str) -> Vec<u8> {
    let lines: Vec<_> = pem.lines().filter(|l| !l.starts_with("---")).collect();
    lines.concat().as_bytes()[40..90].to_vec()
}

#[test]
fn keys_and_passwords_are_wiped() {
    use std::os::unix::ffi::OsStrExt;
    let ca = Ca::new("Test CA");
    let made = ca.server();
    let der = key_of_pem(&made.key);
    // PKCS#8 of P-256: the number is 32 bytes behind "04 20".
    let at = der.windows(2).position(|w| w == [4, 32]).unwrap() + 2;
    let number = der[at..at + 32].to_vec();
    assert_eq!(left_by(&number, || drop(number.clone())), 1, "the test sees nothing");

    let file = std::env::temp_dir().join(format!("usocket-wiped-{}", std::process::id()));
    std::fs::write(&file, format!("{}{}", made.cert, made.key)).unwrap();
    let path = std::ffi::CString::new(file.as_os_str().as_bytes()).unwrap();
    for secret in [number, base64_of(&made.key), made.key.as_bytes()[60..100].to_vec()] {
        let from_memory = left_by(&secret, || drop(server(&made)));
        let from_file = left_by(&secret, || {
            let context = crate::tls::context::Context::new(2).unwrap();
            context.use_cert_file(&path, None).unwrap();
        });
        let as_der = left_by(&secret, || {
            let context = crate::tls::context::Context::new(2).unwrap();
            context.use_cert(&made.der, &der).unwrap();
        });
        assert_eq!((from_memory, from_file, as_der), (0, 0, 0), "{secret:?}");
    }
    std::fs::remove_file(&file).unwrap();

    let password = b"a password that nobody else has";
    let ticket_key: [u8; 32] = std::array::from_fn(|n| 100 + n as u8);
    let left = |secret: &[u8]| {
        left_by(secret, || {
            let context = server(&made);
            context.set_key_password(Some(password)).unwrap();
            for n in 0..6 {
                context.add_ticket_key(&[n; 32]).unwrap();
                context.add_ticket_key(&ticket_key).unwrap();
            }
            let _ = context.config().unwrap();
            context.set_key_password(None).unwrap();
        })
    };
    assert_eq!((left(password), left(&ticket_key)), (0, 0));
}

fn key_of_pem(pem: &str) -> Vec<u8> {
    let base64: String = pem.lines().filter(|l| !l.starts_with("---")).collect();
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let six = |b: u8| digits.iter().position(|d| *d == b).unwrap() as u32;
    let mut out = Vec::new();
    for four in base64.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four.iter().fold(0, |n, b| n << 6 | six(*b)) << (6 * (4 - four.len()));
        out.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    out
}
