//! The library itself: version, error texts, the event hook.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};

use super::{copy_text, guard, guard_sentences};
use crate::error;
use crate::{object, sys};

/// A handle: a number that stands for a socket or another object of the library.
///
/// Positive and below 2^53, so that it survives a double. Never reused: a closed handle gives
/// -EBADF for ever, in any thread, and never reaches another's socket. 0 is never a handle.
#[allow(non_camel_case_types)]
pub type usocket_t = i64;
/// A handle of a poller: usocket_poller_create.
#[allow(non_camel_case_types)]
pub type usocket_poller_t = i64;
/// A handle of a name query: usocket_query_create.
#[allow(non_camel_case_types)]
pub type usocket_query_t = i64;
/// A handle of a connection under way: usocket_connection_create.
#[allow(non_camel_case_types)]
pub type usocket_connection_t = i64;
/// A handle of a TLS context: usocket_tls_context_create.
#[allow(non_camel_case_types)]
pub type usocket_tls_context_t = i64;
/// A handle of a TLS session to be resumed: usocket_tls_take_session.
#[allow(non_camel_case_types)]
pub type usocket_tls_session_t = i64;

/// Returns the version of the library, such as "0.1.0".
///
/// Returns: static text, never NULL.
/// Errors: none.
/// Blocks: no.
/// Threads: any.
/// Ownership: the library's; do not free.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_version() -> *const c_char {
    static VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(v) => v,
            Err(_) => c"",
        };
    unguarded(VERSION)
}

/// Returns the features of this build, as words separated by spaces: "poller=epoll tls=aws-lc-rs
/// aws-lc-rs=1.19.0 rustls=0.23.46 tls-versions=1.2,1.3"; "tls=none" without TLS.
///
/// Returns: static text, never NULL.
/// Errors: none.
/// Blocks: no.
/// Threads: any.
/// Ownership: the library's; do not free.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_features() -> *const c_char {
    static FEATURES: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("USOCKET_FEATURES"), "\0").as_bytes()) {
            Ok(f) => f,
            Err(_) => c"",
        };
    unguarded(FEATURES)
}

/// Reads the clock of usocket_set_deadline, CLOCK_MONOTONIC.
///
/// Returns: microseconds since some point in the past.
/// Errors: none.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_now() -> i64 {
    guard(|| Ok(sys::time::now_us()))
}

/// Returns the text for any code returned by the library.
///
/// Returns: text, never NULL; "no error" for a code that is not negative.
/// Errors: none.
/// Blocks: no.
/// Threads: any; each has a text of its own.
/// Ownership: the library's; valid until the next usocket_strerror on the same thread.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_strerror(code: i64) -> *const c_char {
    match guard(|| Ok(keep_text(&error::message(i32::try_from(code).unwrap_or(i32::MIN))))) {
        at @ 1.. => at as *const c_char,
        _ => c"error".as_ptr(),
    }
}

/// Keeps a text for this thread until the next one, and gives its address.
fn keep_text(text: &str) -> i64 {
    const ROOM: usize = 192;
    // Without a destructor: registering one could need memory.
    thread_local! {
        static TEXT: Cell<[u8; ROOM]> = const { Cell::new([0; ROOM]) };
    }
    let mut bytes = [0; ROOM];
    let len = text.len().min(ROOM - 1);
    bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
    TEXT.with(|kept| {
        kept.set(bytes);
        kept.as_ptr() as i64
    })
}

/// Returns the category of an error code from any function, for programs that decide by the kind of
/// failure and not by its number.
///
/// Returns: USOCKET_CATEGORY_...; USOCKET_CATEGORY_NONE if the code is no error of the library.
/// Errors: none.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_error_category(code: i64) -> i32 {
    guard(|| Ok(error::category(i32::try_from(code).unwrap_or(0))))
}

/// Returns the platform's own number for a code of the resolver's range, as in Python's
/// `e.args[0]`.
///
/// Returns: the negative EAI_ number of <netdb.h>; 0 when the code is not of that range.
/// Errors: none.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_gai_code(code: i64) -> i32 {
    guard(|| {
        let n = code.saturating_sub(error::EAI_BASE.into());
        Ok(if (-999..0).contains(&n) { n as i32 } else { 0 })
    })
}

/// Copies the sentence that explains the last error in more detail than usocket_strerror: with a
/// handle, the last error on that handle; with 0, the last failure on this thread, if that was of a
/// call without a handle (addresses, names).
///
/// `len` is the size of `buf` in bytes, including the NUL.
///
/// Returns: the length of the sentence without its NUL, 0 when there is none. With (NULL, 0) only
/// the length.
/// Errors: -EBADF for a stale handle, -ENOSPC when it does not fit (nothing is written),
/// -EFAULT, -EINVAL.
/// Blocks: no.
/// Threads: any.
/// Ownership: the text is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_error_detail(s: usocket_t, buf: *mut c_char, len: usize) -> i32 {
    guard_sentences(|| {
        // SAFETY: the caller's buffer, as documented.
        object::sentence(s, |text| unsafe { copy_text(text, buf, len) })
    })
}

/// Sets the hook that runs when a signal interrupts a waiting operation, one per process; NULL
/// removes it. It is called on the interrupted thread with `arg`. If it returns 0, the operation
/// goes on waiting for the remaining time; otherwise the operation fails with -EINTR. Without a
/// hook every operation goes on.
///
/// When this returns, the old hook is not running on any thread, and its `arg` can be freed. The
/// caller must therefore not hold a lock that the old hook waits for (an interpreter's lock).
/// Called from within a hook, this does not wait.
///
/// The hook must return: no longjmp, no exception through it. It may call the library, and fork.
/// Signal handlers interrupt operations in blocking mode only if they are installed without
/// SA_RESTART (signal(7)).
///
/// Returns: 0.
/// Errors: none.
/// Blocks: while another thread runs the old hook.
/// Threads: any; the hook runs on the interrupted thread.
/// Ownership: `arg` stays the caller's, until the hook is replaced or removed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_set_event_hook(
    hook: Option<unsafe extern "C" fn(arg: *mut c_void) -> i32>,
    arg: *mut c_void,
) -> i32 {
    guard(|| {
        sys::hook::EVENT.set(hook, arg);
        Ok(0)
    })
}

/// Sets the hook that is called for every call that fails, one per process; NULL removes it. It is
/// called on the thread of the call, before that returns, with `arg`, the handle (0 for a call
/// without one), the code and the sentence of usocket_error_detail, or "". It is not called for
/// -EAGAIN, -EINPROGRESS and -EALREADY, nor for failures of calls made by a hook or a callback.
///
/// When this returns, the old hook is not running on any thread, unless this is called from within
/// a hook. The hook must return: no longjmp, no exception through it.
///
/// Returns: 0.
/// Errors: none.
/// Blocks: while another thread runs the old hook.
/// Threads: any; the hook may run on several threads at once.
/// Ownership: `arg` stays the caller's, until the hook is replaced or removed; the sentence is the
/// library's, until the hook returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_set_log_hook(
    hook: Option<
        unsafe extern "C" fn(arg: *mut c_void, s: usocket_t, code: i32, sentence: *const c_char),
    >,
    arg: *mut c_void,
) -> i32 {
    guard(|| {
        sys::hook::set_log(super::log, hook, arg);
        Ok(0)
    })
}

/// Shuts the library down in this process: closes every handle, removes the hooks, ends the
/// library's threads, waits for them up to `timeout_us` microseconds (negative: no limit), and
/// frees its caches (the system's certificates). It is for plugins before they are unloaded and for
/// tools that count memory; a program need not call it before it exits. The library can be used
/// again afterwards.
///
/// Calls in other threads end as with usocket_close. Lists of usocket_getaddrinfo stay the
/// caller's. The handle table is kept (reachable), so that every earlier handle gives -EBADF for
/// ever.
///
/// Returns: 0: no thread of the library is running, and none will start until it is used again.
/// Errors: -ETIMEDOUT when a thread is still running (the C library's resolver holds one until it
/// returns; call again), -EDEADLK from within a hook or callback.
/// Blocks: up to the timeout, and as usocket_close does.
/// Threads: any.
/// Ownership: all handles are closed.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_finish(timeout_us: i64) -> i32 {
    guard(|| object::finish(timeout_us).map(|()| 0))
}

/// For the exports that hand out a constant: there is nothing in them that could panic.
fn unguarded(text: &'static CStr) -> *const c_char {
    text.as_ptr()
}
