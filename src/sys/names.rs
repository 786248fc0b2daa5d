//! The resolver and the number-to-text calls of the C library.

use std::ffi::{CStr, CString};
use std::io;

use super::address::{Addr, STORAGE};
use super::memory;
use super::text::Text;

// Not in the libc crate for every target.
unsafe extern "C" {
    fn inet_pton(af: libc::c_int, src: *const libc::c_char, dst: *mut libc::c_void) -> libc::c_int;
    fn inet_ntop(
        af: libc::c_int,
        src: *const libc::c_void,
        dst: *mut libc::c_char,
        size: libc::socklen_t,
    ) -> *const libc::c_char;
    #[link_name = "getnameinfo"]
    fn c_getnameinfo(
        addr: *const libc::sockaddr,
        addr_len: libc::socklen_t,
        host: *mut libc::c_char,
        host_len: libc::socklen_t,
        service: *mut libc::c_char,
        service_len: libc::socklen_t,
        flags: libc::c_int,
    ) -> libc::c_int;
}

/// An address that is not of the family asked for. glibc's number, which other C libraries lack.
const EAI_ADDRFAMILY: i32 = -9;

/// gai_strerror(3) of one of the platform's negative numbers
pub fn gai_strerror(code: i32) -> &'static CStr {
    if code == EAI_ADDRFAMILY && !cfg!(target_env = "gnu") {
        return c"Address family for hostname not supported";
    }
    // SAFETY: gives a static, NUL-terminated text for any number.
    unsafe { CStr::from_ptr(libc::gai_strerror(code)) }
}

/// inet_pton(3): 4 or 16 bytes; `None` when the text is no address of the family
pub fn pton(family: i32, text: &CStr) -> io::Result<Option<([u8; 16], usize)>> {
    let mut out = [0u8; 16];
    // SAFETY: NUL-terminated text; 16 bytes are enough for both families, others are refused.
    match unsafe { inet_pton(family, text.as_ptr(), out.as_mut_ptr().cast()) } {
        1 => Ok(Some((out, if family == libc::AF_INET { 4 } else { 16 }))),
        0 => Ok(None),
        _ => Err(io::Error::last_os_error()),
    }
}

/// inet_ntop(3); the caller has checked family and length against each other
pub fn ntop(family: i32, bin: &[u8]) -> io::Result<Text<64>> {
    let need = if family == libc::AF_INET { 4 } else { 16 };
    if bin.len() != need {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut text = [0u8; 64];
    // SAFETY: `bin` has the length of an address of the family (others are refused by the call);
    // the text buffer is writable for its length.
    let r = unsafe {
        inet_ntop(
            family,
            bin.as_ptr().cast(),
            text.as_mut_ptr().cast(),
            text.len() as libc::socklen_t,
        )
    };
    match CStr::from_bytes_until_nul(&text) {
        Ok(text) if !r.is_null() => Ok(Text::lossy(text.to_bytes())),
        _ => Err(io::Error::last_os_error()),
    }
}

/// if_nametoindex(3); 0 when there is no such interface
pub fn if_nametoindex(name: &CStr) -> u32 {
    // SAFETY: NUL-terminated text.
    unsafe { libc::if_nametoindex(name.as_ptr()) }
}

/// Forgets what this thread's resolver had open.
///
/// In a forked child glibc reuses the stacks of the parent's threads for new ones, and with them
/// the resolver's open sockets: parent and child would receive each other's replies.
pub fn forget_resolver_state() {
    // SAFETY: `__res_init` is int (void) where it exists (glibc; in libresolv before 2.34, which
    // is why it is looked up). It closes what the thread's state has open and begins anew.
    unsafe {
        let init = libc::dlsym(libc::RTLD_DEFAULT, c"__res_init".as_ptr());
        if !init.is_null() {
            let init: extern "C" fn() -> libc::c_int = std::mem::transmute(init);
            init();
        }
    }
}

/// gethostname(2)
pub fn host_name() -> Option<Vec<u8>> {
    let mut name = [0u8; 256];
    // SAFETY: writable for its length, of which the last byte stays NUL.
    let r = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) };
    let name = CStr::from_bytes_until_nul(&name).ok().filter(|_| r == 0)?;
    memory::bytes(name.to_bytes()).ok()
}

/// The arguments of getaddrinfo(3).
#[derive(Default)]
pub struct Query {
    /// Name or numeric address; `None` is the local host or, with `AI_PASSIVE`, any address.
    pub host: Option<CString>,
    /// Service name or decimal port.
    pub service: Option<CString>,
    /// `AF_*`, 0 for any.
    pub family: i32,
    /// `SOCK_*`, 0 for any.
    pub kind: i32,
    /// `IPPROTO_*`, 0 for any.
    pub proto: i32,
    /// `AI_*`
    pub flags: i32,
}

impl Query {
    /// A copy.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn try_clone(&self) -> io::Result<Query> {
        let copy = |text: &Option<CString>| text.as_deref().map(memory::text).transpose();
        Ok(Query { host: copy(&self.host)?, service: copy(&self.service)?, ..*self })
    }
}

/// One of its answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `AF_*`
    pub family: i32,
    /// `SOCK_*`
    pub kind: i32,
    /// `IPPROTO_*`
    pub proto: i32,
    /// With `AI_CANONNAME`, on the first answer.
    pub canonname: Option<CString>,
    /// Ready for connect or bind.
    pub addr: Addr,
}

/// getaddrinfo(3). Blocks as long as the C library does.
///
/// # Errors
/// `Ok(Err(code))` is the platform's negative `EAI_*`; the outer error is the errno of `EAI_SYSTEM`.
pub fn getaddrinfo(q: &Query, flags: i32) -> io::Result<Result<Vec<Answer>, i32>> {
    fn text(t: &Option<CString>) -> *const libc::c_char {
        t.as_ref().map_or(std::ptr::null(), |t| t.as_ptr())
    }
    // SAFETY: all zeros is a valid addrinfo.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = q.family;
    hints.ai_socktype = q.kind;
    hints.ai_protocol = q.proto;
    hints.ai_flags = flags;
    let mut list = std::ptr::null_mut();
    // SAFETY: texts are NULL or NUL-terminated and live in `q`; hints and list live here.
    let r = unsafe { libc::getaddrinfo(text(&q.host), text(&q.service), &hints, &mut list) };
    match r {
        0 => {}
        libc::EAI_SYSTEM => return Err(io::Error::last_os_error()),
        // musl blames the service.
        libc::EAI_SERVICE
            if cfg!(target_env = "musl")
                && !matches!(q.kind, 0 | libc::SOCK_STREAM | libc::SOCK_DGRAM | libc::SOCK_RAW) =>
        {
            return Ok(Err(libc::EAI_SOCKTYPE));
        }
        // musl says NONAME or NODATA.
        libc::EAI_NONAME | libc::EAI_NODATA
            if !cfg!(target_env = "gnu") && is_of_another_family(q) =>
        {
            return Ok(Err(EAI_ADDRFAMILY));
        }
        code => return Ok(Err(code)),
    }
    let mut answers = Ok(Vec::new());
    let mut at = list;
    // SAFETY: a list that getaddrinfo gave: each node and what it points to is valid until
    // freeaddrinfo.
    unsafe {
        while let Some(info) = at.as_ref() {
            // musl gives a name with every answer, unasked.
            let named = flags & libc::AI_CANONNAME != 0 && std::ptr::eq(at, list);
            answers = answers.and_then(|all| with_answer(all, info, named));
            at = info.ai_next;
        }
        libc::freeaddrinfo(list);
    }
    // Report a failed allocation as the resolver does.
    Ok(answers.map_err(|_| libc::EAI_MEMORY))
}

/// Whether the host is an address, but not of the family asked for.
fn is_of_another_family(q: &Query) -> bool {
    let Some(host) = q.host.as_deref().filter(|_| q.family != libc::AF_UNSPEC) else {
        return false;
    };
    let Ok(host) = memory::text(host) else { return false };
    let any = Query { host: Some(host), ..Query::default() };
    matches!(getaddrinfo(&any, libc::AI_NUMERICHOST), Ok(Ok(_)))
}

/// Takes a node of a list over.
///
/// # Safety
/// The node comes from getaddrinfo and has not been freed.
unsafe fn with_answer(
    mut all: Vec<Answer>,
    info: &libc::addrinfo,
    named: bool,
) -> io::Result<Vec<Answer>> {
    if info.ai_addr.is_null() {
        return Ok(all);
    }
    let len = (info.ai_addrlen as usize).min(STORAGE);
    let name = info.ai_canonname;
    // SAFETY: by this function's contract; no more than the address's length, or our storage.
    let (bytes, name) = unsafe {
        let bytes = std::slice::from_raw_parts(info.ai_addr.cast::<u8>(), len);
        (bytes, (named && !name.is_null()).then(|| CStr::from_ptr(name)))
    };
    let answer = Answer {
        family: info.ai_family,
        kind: info.ai_socktype,
        proto: info.ai_protocol,
        canonname: name.map(memory::text).transpose()?,
        addr: Addr::from_raw(bytes),
    };
    memory::push(&mut all, answer)?;
    Ok(all)
}

/// The arguments of getnameinfo(3).
#[derive(Clone)]
pub struct Reverse {
    /// The address to name.
    pub addr: Addr,
    /// Whether to look up its host and its service.
    pub want: (bool, bool),
    /// `NI_*`
    pub flags: i32,
}

/// A host and a service by name.
pub type Names = (Text<1025>, Text<32>);

/// getnameinfo(3): host and service, empty if not requested. Blocks as long as the C library does.
///
/// # Errors
/// As [`getaddrinfo`].
pub fn getnameinfo(q: &Reverse) -> io::Result<Result<Names, i32>> {
    // NI_MAXHOST, which is more than any name's length, and the longest service of NI_MAXSERV.
    let (mut host, mut service) = ([0u8; 1025], [0u8; 32]);
    let room = |want: bool, len: usize| if want { len as libc::socklen_t } else { 0 };
    // SAFETY: the address is valid for `len` bytes; both buffers are writable for their lengths.
    let r = unsafe {
        c_getnameinfo(
            q.addr.storage_bytes().as_ptr().cast(),
            q.addr.socklen(),
            host.as_mut_ptr().cast(),
            room(q.want.0, host.len()),
            service.as_mut_ptr().cast(),
            room(q.want.1, service.len()),
            q.flags,
        )
    };
    let text = |bytes| CStr::from_bytes_until_nul(bytes).unwrap_or_default().to_bytes();
    match r {
        0 => Ok(Ok((Text::lossy(text(&host)), Text::lossy(text(&service))))),
        libc::EAI_SYSTEM => Err(io::Error::last_os_error()),
        code => Ok(Err(code)),
    }
}
