//! Names: getaddrinfo and its lists.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use once_cell::race::OnceBox;

use super::library::usocket_query_t;
use super::socket::with_address;
use super::{guard, on_object, output, required, room, text, without_handle};
use crate::addr::Addr;
use crate::error::{Error, Result};
use crate::object::{self, Object};
use crate::resolve::{self, Resolve};
use crate::sys::memory;
use crate::sys::names::{Answer, Reverse};
use crate::wait::Deadline;

/// One result of usocket_getaddrinfo: the arguments for a socket that reaches the service.
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
    /// With AI_CANONNAME, in the first result; NULL otherwise.
    pub canonname: *const c_char,
    /// The next result; NULL in the last.
    pub next: *mut usocket_addrinfo,
}

/// A list as the caller holds it, with what its pointers point to.
struct List {
    nodes: Vec<usocket_addrinfo>,
    _names: Vec<CString>,
}

/// The lists callers hold, by the address of their first node: freeing one twice, or one that was
/// never given out, is an error and not a crash. There is no lock in it that a fork could leave
/// locked: a place is taken and given back by one compare-and-swap.
struct Lists {
    places: [Place; 64],
    more: OnceBox<[Lists; 1]>,
}

/// Vacant (0), being changed (1), or the address of a first node.
struct Place {
    first: AtomicUsize,
    list: AtomicPtr<[List; 1]>,
}

impl Place {
    const fn new() -> Place {
        Place { first: AtomicUsize::new(VACANT), list: AtomicPtr::new(std::ptr::null_mut()) }
    }
}

const VACANT: usize = 0;
const CHANGING: usize = 1;

static LISTS: Lists = Lists::new();

impl Lists {
    const fn new() -> Lists {
        Lists { places: [const { Place::new() }; 64], more: OnceBox::new() }
    }

    /// The place whose word was `was`; it is `CHANGING` now, and the caller's.
    fn change(&self, was: usize) -> Option<&Place> {
        let change = |place: &&Place| {
            let word = &place.first;
            word.load(Ordering::Relaxed) == was
                && word.compare_exchange(was, CHANGING, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        self.places.iter().find(change).or_else(|| self.more.get()?[0].change(was))
    }

    fn put(&self, first: usize, list: Box<[List; 1]>) -> Result<()> {
        let mut at = self;
        let place = loop {
            match at.change(VACANT) {
                Some(place) => break place,
                None => {
                    let more = || memory::boxed(Lists::new());
                    at =
                        &at.more.get_or_try_init(more).map_err(|_| Error::eai(libc::EAI_MEMORY))?
                            [0];
                }
            }
        };
        place.list.store(Box::into_raw(list), Ordering::Relaxed);
        place.first.store(first, Ordering::Release);
        Ok(())
    }

    fn take(&self, first: usize) -> Option<Box<[List; 1]>> {
        // A slot without a list holds no address.
        let place = (first > CHANGING).then(|| self.change(first))??;
        let list = place.list.swap(std::ptr::null_mut(), Ordering::Relaxed);
        place.first.store(VACANT, Ordering::Release);
        // SAFETY: `put` stored what `Box::into_raw` gave, and one thread alone changed the word
        // from its address.
        (!list.is_null()).then(|| unsafe { Box::from_raw(list) })
    }
}

/// Makes a list of answers, to be freed by usocket_freeaddrinfo.
fn publish(answers: Vec<Answer>) -> Result<*mut usocket_addrinfo> {
    let no_memory = |_| Error::eai(libc::EAI_MEMORY);
    let (mut nodes, mut names) = (Vec::new(), Vec::new());
    memory::reserve(&mut nodes, answers.len()).map_err(no_memory)?;
    memory::reserve(&mut names, answers.len()).map_err(no_memory)?;
    for answer in answers {
        nodes.push(usocket_addrinfo {
            family: answer.family,
            r#type: answer.kind,
            proto: answer.proto,
            reserved: 0,
            addr: answer.addr,
            canonname: answer.canonname.as_ref().map_or(std::ptr::null(), |name| name.as_ptr()),
            next: std::ptr::null_mut(),
        });
        names.extend(answer.canonname);
    }
    let first: *mut usocket_addrinfo = nodes.as_mut_ptr();
    if nodes.is_empty() {
        return Err(Error::eai(libc::EAI_NONAME));
    }
    let last = nodes.len() - 1;
    for (n, node) in nodes[..last].iter_mut().enumerate() {
        node.next = first.wrapping_add(n + 1);
    }
    LISTS.put(first as usize, memory::boxed(List { nodes, _names: names }).map_err(no_memory)?)?;
    Ok(first)
}

/// Resolves a host and service to addresses (getaddrinfo(3)).
///
/// `host` is a name or numeric text, NULL or "" the local host (with AI_PASSIVE: any address). A
/// name is ASCII. An internationalized name is given in its xn-- form (IDNA), or with AI_IDN if the
/// C library supports that. `service` is a service name or a decimal port, NULL or "" none (port
/// 0). `family`, `type` and `proto` filter the results, 0 is any. `flags` are AI_ flags.
/// `timeout_us` is the time limit in microseconds; negative is that of the resolver.
///
/// Returns: 0, and a list of at least one result in `out`.
/// Errors: the resolver's own range, USOCKET_EAI_ (usocket_gai_code has the platform's number);
/// an errno where the resolver reports one; -ETIMEDOUT; -EINTR (event hook); -EMFILE, -ENFILE,
/// -ENOMEM, -EAGAIN (no thread); -EFAULT.
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
    without_handle(|| {
        required(out)?;
        // SAFETY: the caller's texts, as documented.
        let (host, service) = unsafe { (text(host), text(service)) };
        let query = resolve::query(host, service, family, r#type, proto, flags)?;
        // SAFETY: the caller's pointer, as documented.
        unsafe { output(out, publish(resolve::getaddrinfo(query, timeout_us)?)?) };
        Ok(0)
    })
}

/// Resolves an address to the names of its host and port (getnameinfo(3)).
///
/// `host_len` and `service_len` are the sizes of `host` and `service` in bytes, including the NULs;
/// (NULL, 0) leaves one out. `flags` are NI_ flags; `timeout_us` is the time limit in microseconds,
/// negative is that of the C library's resolver.
///
/// Returns: 0.
/// Errors: USOCKET_EAI_NONAME when there is no name and NI_NAMEREQD is set, or when both are left
/// out; -ENOSPC when either does not fit (nothing is written); USOCKET_EAI_FAMILY for an address
/// that is neither IP nor Unix; USOCKET_EAI_BADFLAGS; the rest of USOCKET_EAI_; -ETIMEDOUT; -EINTR
/// (event hook); -EMFILE, -ENFILE, -EAGAIN (no thread); -EINVAL (bad address), -EFAULT.
/// Blocks: up to the timeout; with NI_NUMERICHOST not at all.
/// Threads: any.
/// Ownership: the texts are copies.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_getnameinfo(
    addr: *const Addr,
    host: *mut c_char,
    host_len: usize,
    service: *mut c_char,
    service_len: usize,
    flags: i32,
    timeout_us: i64,
) -> i32 {
    without_handle(|| {
        // SAFETY: the caller's address and buffers, as documented.
        let (addr, places) = unsafe {
            let places = [(host, host_len), (service, service_len)];
            (with_address(addr, |addr| Ok(*addr))?, places.map(|(at, len)| room(at.cast(), len)))
        };
        let [host, service] = places;
        let (host, service) = (host?, service?);
        let want = (!host.is_empty(), !service.is_empty());
        let names = resolve::getnameinfo(Reverse { addr, want, flags }, timeout_us)?;
        put_both((host, &names.0), (service, &names.1))
    })
}

/// Copies two texts out with their NULs, each where it is wanted: both, or neither.
fn put_both(host: (Room<'_>, &str), service: (Room<'_>, &str)) -> Result<i32> {
    let both = [host, service];
    if both.iter().any(|(room, text)| !room.is_empty() && room.len() <= text.len()) {
        return Err(Error::os(libc::ENOSPC));
    }
    for (room, text) in both {
        for (place, byte) in room.iter_mut().zip(text.bytes().chain([0])) {
            place.write(byte);
        }
    }
    Ok(0)
}

/// The caller's memory, to be written.
type Room<'a> = &'a mut [MaybeUninit<u8>];

/// Frees a list of usocket_getaddrinfo, given its first result. NULL is allowed.
///
/// Returns: 0.
/// Errors: -EINVAL for a pointer that is not such a list, or is freed already: nothing happens.
/// Blocks: no.
/// Threads: any.
/// Ownership: the list and all it points to are gone.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_freeaddrinfo(list: *mut usocket_addrinfo) -> i32 {
    guard(|| {
        if list.is_null() {
            return Ok(0);
        }
        let found = LISTS.take(list as usize).ok_or(Error::os(libc::EINVAL))?;
        let [found] = *found;
        drop(found.nodes);
        Ok(0)
    })
}

/// Starts a query of the resolver and returns at once; the arguments are usocket_getaddrinfo's.
///
/// The handle can be polled like a socket: POLLIN means that usocket_query_result has the result.
/// usocket_close cancels the query at any stage and frees its descriptor. Numeric addresses and
/// names in /etc/hosts are resolved at once, all others in the caller's network namespace. If
/// resolv.conf and nsswitch.conf contain only "files dns" and the usual options, one thread of the
/// library asks the name servers for all queries under way. Otherwise threads of the library call
/// the C library's resolver (usocket_set_resolver_threads). The threads are started on demand and
/// end after a while without work. A forked child repeats a query that had no result at the fork.
///
/// Returns: a handle.
/// Errors: USOCKET_EAI_SERVICE for a port out of range, USOCKET_EAI_MEMORY, -EMFILE, -ENFILE,
/// -EAGAIN (no thread).
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
    without_handle(|| {
        // SAFETY: the caller's texts, as documented.
        let (host, service) = unsafe { (text(host), text(service)) };
        let query = resolve::query(host, service, family, r#type, proto, flags)?;
        object::insert_with(|| Ok(Object::Resolve(memory::boxed(Resolve::start(query)?)?)))
    })
}

/// Sets the maximum number of threads that wait for the C library's resolver, in each network
/// namespace: 1 to 1024, 64 by default. They serve the queries that the library does not send to
/// the name servers itself (see usocket_query_create). Each takes a descriptor while it waits;
/// further queries wait for a free thread. A quarter of the threads is reserved for new names while
/// all others wait for name servers that do not answer. The number applies to later queries;
/// surplus threads end when they are free.
///
/// Returns: 0.
/// Errors: -EINVAL for another number.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub extern "C" fn usocket_set_resolver_threads(count: i32) -> i32 {
    guard(|| match usize::try_from(count) {
        Ok(most @ 1..=1024) => {
            resolve::set_threads(most);
            Ok(0)
        }
        _ => Err(Error::os(libc::EINVAL)),
    })
}

/// Waits up to `timeout_us` microseconds (negative: no limit; 0: not at all) for the result of a
/// query of usocket_query_create. The result can be read more than once.
///
/// Returns: 0, and a list of at least one result in `out`.
/// Errors: those of usocket_getaddrinfo; -EAGAIN with a timeout of 0 while there is no result;
/// -EBADF (also: closed meanwhile); -EBADR for a handle of another kind.
/// Blocks: up to the timeout.
/// Threads: any.
/// Ownership: the list is the caller's, to be given to usocket_freeaddrinfo.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_query_result(
    query: usocket_query_t,
    timeout_us: i64,
    out: *mut *mut usocket_addrinfo,
) -> i32 {
    let got: i32 = on_object(query, |object| {
        required(out)?;
        let answers = object.resolve()?.wait(&mut Deadline::after_us(timeout_us));
        let late = Error::os(if timeout_us == 0 { libc::EAGAIN } else { libc::ETIMEDOUT });
        let answers = answers.map_err(|e| if e.is(libc::ETIMEDOUT) { late } else { e })?;
        // SAFETY: the caller's pointer, as documented.
        unsafe { output(out, publish(answers)?) };
        Ok(1)
    });
    // Once the caller has the list it is a success, even if the handle was closed meanwhile.
    got.min(0)
}
