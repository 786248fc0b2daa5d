//! Names: getaddrinfo and its lists.

use std::collections::HashMap;
use std::ffi::{CString, c_char};

use parking_lot::Mutex;

use super::library::usocket_query_t;
use super::{guard, on_object, output, required, text};
use crate::addr::Addr;
use crate::error::{Error, Result};
use crate::object::{self, Object};
use crate::resolve::{self, Resolve};
use crate::sys::names::Answer;
use crate::wait::Deadline;

/// One answer of usocket_getaddrinfo: what a socket needs to reach the service.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct usocket_addrinfo {
    /// AF_INET, AF_INET6, ...
    pub family: i32,
    /// SOCK_STREAM, SOCK_DGRAM, ...
    pub r#type: i32,
    /// IPPROTO_TCP, IPPROTO_UDP, ...
    pub proto: i32,
    /// Zero.
    pub reserved: i32,
    /// For usocket_connect or usocket_bind.
    pub addr: Addr,
    /// With AI_CANONNAME, in the first answer; NULL otherwise.
    pub canonname: *const c_char,
    /// The next answer; NULL in the last.
    pub next: *mut usocket_addrinfo,
}

/// A list as the caller holds it, with what its pointers point to.
struct List {
    nodes: Box<[usocket_addrinfo]>,
    _names: Vec<Option<CString>>,
}

// SAFETY: the pointers lead into the list itself.
unsafe impl Send for List {}

/// The lists callers hold, by the address of their first node: freeing one twice, or one that was
/// never given out, is an error and not a crash.
static LISTS: Mutex<Option<HashMap<usize, List>>> = Mutex::new(None);

/// Makes a list of answers, to be freed by usocket_freeaddrinfo.
fn publish(answers: Vec<Answer>) -> Result<*mut usocket_addrinfo> {
    let mut names = Vec::with_capacity(answers.len());
    let mut nodes: Box<[_]> = answers
        .into_iter()
        .map(|a| {
            let canonname = a.canonname.as_ref().map_or(std::ptr::null(), |n| n.as_ptr());
            names.push(a.canonname);
            usocket_addrinfo {
                family: a.family,
                r#type: a.kind,
                proto: a.proto,
                reserved: 0,
                addr: a.addr,
                canonname,
                next: std::ptr::null_mut(),
            }
        })
        .collect();
    let first = nodes.as_mut_ptr();
    if nodes.is_empty() {
        return Err(Error::eai(libc::EAI_NONAME));
    }
    for (n, node) in nodes.iter_mut().enumerate().rev().skip(1).rev() {
        node.next = first.wrapping_add(n + 1);
    }
    LISTS.lock().get_or_insert_default().insert(first as usize, List { nodes, _names: names });
    Ok(first)
}

/// Asks the resolver for the addresses of a host and service (getaddrinfo(3)).
///
/// `host` is a name or numeric text, NULL or "" the local host (with AI_PASSIVE: any address).
/// `service` is a service name or a decimal port, NULL or "" none (port 0). `family`, `type` and
/// `proto` filter the answers, 0 is any. `flags` are AI_ flags. `timeout_us` is how long it may
/// take in microseconds; negative is as long as the C library's resolver does.
///
/// Returns: 0, and a list of at least one answer in `out`.
/// Errors: the resolver's own range, USOCKET_EAI_ (usocket_gai_code has the platform's number);
/// an errno where the resolver reports one; -ETIMEDOUT; -EINTR (event hook); -EFAULT.
/// Blocks: up to the timeout.
/// Threads: any.
/// Ownership: the list is the caller's, to be given to usocket_freeaddrinfo.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_getaddrinfo(
    host: *const c_char,
    service: *const c_char,
    family: i32,
    r#type: i32,
    proto: i32,
    flags: i32,
    timeout_us: i64,
    out: *mut *mut usocket_addrinfo,
) -> i32 {
    guard(|| {
        required(out)?;
        // SAFETY: the caller's texts, as documented.
        let (host, service) = unsafe { (text(host), text(service)) };
        let (host, service) = (host.map(Into::into), service.map(Into::into));
        let query = resolve::query(host, service, family, r#type, proto, flags)?;
        // SAFETY: the caller's pointer, as documented.
        unsafe { output(out, publish(resolve::getaddrinfo(query, timeout_us)?)?) };
        Ok(0)
    })
}

/// Frees a list of usocket_getaddrinfo, by its first answer. NULL is allowed.
///
/// Returns: 0.
/// Errors: -EINVAL for a pointer that is no such list, or one freed before: nothing happens.
/// Blocks: no.
/// Threads: any.
/// Ownership: the list and all it points to are gone.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_freeaddrinfo(list: *mut usocket_addrinfo) -> i32 {
    guard(|| {
        if list.is_null() {
            return Ok(0);
        }
        let found = LISTS.lock().as_mut().and_then(|lists| lists.remove(&(list as usize)));
        found.map(|list| drop(list.nodes)).ok_or(Error::os(libc::EINVAL))?;
        Ok(0)
    })
}

/// Starts a query of the resolver and returns at once; the arguments are usocket_getaddrinfo's.
///
/// The handle can be polled like a socket: POLLIN means the answer is there, for
/// usocket_query_result. usocket_close cancels it. Queries run on at most four threads of the
/// library's, started with the first of them.
///
/// Returns: a handle.
/// Errors: USOCKET_EAI_SERVICE for a port out of range, -EMFILE, -ENFILE, -EAGAIN (no thread).
/// Blocks: no.
/// Threads: any.
/// Ownership: the handle is the caller's, to be given to usocket_close.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_query_create(
    host: *const c_char,
    service: *const c_char,
    family: i32,
    r#type: i32,
    proto: i32,
    flags: i32,
) -> usocket_query_t {
    guard(|| {
        // SAFETY: the caller's texts, as documented.
        let (host, service) = unsafe { (text(host), text(service)) };
        let (host, service) = (host.map(Into::into), service.map(Into::into));
        let query = resolve::query(host, service, family, r#type, proto, flags)?;
        object::insert(Object::Resolve(Resolve::start(query)?))
    })
}

/// The answer to a query of usocket_query_create, waited for up to `timeout_us` microseconds
/// (negative: as long as it takes; 0: not at all). It can be taken more than once.
///
/// Returns: 0, and a list of at least one answer in `out`.
/// Errors: those of usocket_getaddrinfo; -EAGAIN with a timeout of 0 while the answer is not
/// there; -EBADF (also: closed meanwhile); -EINVAL for a handle of another kind.
/// Blocks: up to the timeout.
/// Threads: any.
/// Ownership: the list is the caller's, to be given to usocket_freeaddrinfo.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_query_result(
    query: usocket_query_t,
    timeout_us: i64,
    out: *mut *mut usocket_addrinfo,
) -> i32 {
    on_object(query, |object| {
        required(out)?;
        let answers = object.resolve()?.wait(&mut Deadline::after_us(timeout_us));
        let late = Error::os(if timeout_us == 0 { libc::EAGAIN } else { libc::ETIMEDOUT });
        let answers = answers.map_err(|e| if e.is(libc::ETIMEDOUT) { late } else { e })?;
        // SAFETY: the caller's pointer, as documented.
        unsafe { output(out, publish(answers)?) };
        Ok(0)
    })
}
