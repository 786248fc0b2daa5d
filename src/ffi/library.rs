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
/// A handle of a TLS session that was taken out to be resumed: usocket_tls_take_session.
#[allow(non_camel_case_types)]
pub type usocket_tls_session_t = i64;

/// The version of the library, such as "0.1.0".
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

/// What this build can do, as words separated by spaces: "poller=epoll tls=aws-lc-rs
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

/// The clock of usocket_set_deadline: CLOCK_MONOTONIC.
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

/// The text for any code a function of the library returned.
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
    // Without a destructor: to register one would need memory.
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

/// What kind of error a code is, whichever function gave it: a program that only wants to know what
/// to do about it need not know the numbers.
///
/// Returns: USOCKET_CATEGORY_...; USOCKET_CATEGORY_NONE for what is no error of the library.
/// Errors: none.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_error_category(code: i64) -> i32 {
    guard(|| Ok(error::category(i32::try_from(code).unwrap_or(0))))
}

/// The platform's own number for a code of the resolver's range, as Python's `e.args[0]` has it.
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

/// Copies the sentence that explains the last error, where there is more to say than
/// usocket_strerror: with a handle, the last cause on that handle; with 0, the cause of the last
/// failure on this thread, if that was of a call without a handle (addresses, names).
///
/// `len` is the room in `buf` in bytes, the closing NUL included.
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

/// Sets what runs when a signal interrupts a waiting operation, one for the process; NULL removes
/// it. It is called on the interrupted thread with `arg`, and says with 0 to go on (for the time
/// that is left) or with anything else to stop: the operation then fails with -EINTR. Without a
/// hook every operation goes on.
///
/// The old hook runs nowhere any more when this returns, so that its `arg` can go; a thread must
/// not hold what the old hook waits for (an interpreter's lock). Called from within a hook, it does
/// not wait.
///
/// The hook must return: no longjmp, no exception through it. It may call the library, and fork. Install
/// signal handlers without SA_RESTART where they are to interrupt operations in blocking mode
/// (signal(7)).
///
/// Returns: 0.
/// Errors: none.
/// Blocks: while another thread runs the old hook.
/// Threads: any; the hook runs on whichever thread is interrupted.
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

/// Sets what is told of every call that fails, one for the process; NULL removes it. It is called on the
/// thread of the call, before that returns, with `arg`, the handle (0: a call without one), the code and
/// the sentence that usocket_error_detail would give, or "". -EAGAIN, -EINPROGRESS and -EALREADY, which
/// are no failures, are not told, nor are failures of calls that a hook or a callback makes.
///
/// The old hook runs nowhere any more when this returns, unless it is called from within a hook. The hook
/// must return: no longjmp, no exception through it.
///
/// Returns: 0.
/// Errors: none.
/// Blocks: while another thread runs the old hook.
/// Threads: any; the hook runs on whichever thread a call fails, on several at once.
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

/// Ends the library's work in this process: closes every handle, removes the hooks, ends the
/// library's threads and waits for them up to `timeout_us` microseconds (negative: as long as it takes),
/// lets go of what it keeps (the system's certificates). For a plugin before it is unloaded, and for
/// tools that count memory; a program that ends needs it not. The library can be used again afterwards.
///
/// Calls of other threads end as usocket_close ends them. Lists of usocket_getaddrinfo stay the caller's.
/// The handle table stays (it is reachable), so that every handle of before is -EBADF for ever.
///
/// Returns: 0: no thread of the library's runs or will, unless it is used again.
/// Errors: -ETIMEDOUT when a thread has not come to its end (the C library's resolver keeps one for as
/// long as it asks; call again), -EDEADLK from within a hook or callback.
/// Blocks: up to the timeout; and as closing the handles does.
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
