//! Addresses: making them, reading their parts, and their text.

use std::ffi::{CStr, c_char, c_void};

use super::{bytes, copy_out, copy_text, input, output, required, text, without_handle};
use crate::addr::Addr;
use crate::error::{Error, Result, explain};
use crate::sys::names;

fn utf8(t: Option<&CStr>) -> Result<&str> {
    let t = t.ok_or(Error::os(libc::EFAULT))?;
    t.to_str().map_err(|_| explain(Error::os(libc::EINVAL), "an address must be UTF-8 text"))
}

/// Makes an IP address from the parts of Python's tuples: numeric text, port, and for IPv6
/// flowinfo and scope id (0 for IPv4).
///
/// `family` is AF_INET, AF_INET6, or 0 for that of `host`. An empty `host` is the wildcard address.
/// IPv6 text may name its zone ("fe80::1%eth0"). `port` is 0 to 65535, `flowinfo` 0 to 1048575,
/// `scope_id` an interface index; the last two are 0 for IPv4.
///
/// Returns: 0.
/// Errors: -EINVAL for a host name (resolve it with usocket_getaddrinfo), a number out of its
/// range, or text that is not an address of the family: usocket_error_detail(0, ...) says which;
/// -EAFNOSUPPORT for another family; -EFAULT for NULL.
/// Blocks: no.
/// Threads: any.
/// Ownership: `host` is only read; `out` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_addr_ip(
    family: i32,
    host: *const c_char,
    port: i64,
    flowinfo: u32,
    scope_id: u32,
    out: *mut Addr,
) -> i32 {
    without_handle(|| {
        required(out)?;
        // SAFETY: the caller's text, as documented.
        let addr = Addr::ip(family, utf8(unsafe { text(host) })?, port, flowinfo, scope_id)?;
        // SAFETY: the caller's address, as documented.
        unsafe { output(out, addr) };
        Ok(0)
    })
}

/// Makes a Unix address from `len` bytes of `path`: a path of at most 108 bytes, a Linux abstract
/// name (first byte NUL), or, with no bytes, the unnamed address (binding to it picks a name).
///
/// Returns: 0.
/// Errors: -ENAMETOOLONG, -EINVAL for a NUL within a path, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: `path` is only read; `out` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_addr_unix(path: *const c_void, len: usize, out: *mut Addr) -> i32 {
    without_handle(|| {
        required(out)?;
        // SAFETY: the caller's bytes and address, as documented.
        unsafe { output(out, Addr::unix(bytes(path, len)?)?) };
        Ok(0)
    })
}

/// Makes an address from the `len` bytes of a `struct sockaddr`, such as usocket_addr_bytes gave.
///
/// Returns: 0.
/// Errors: -EINVAL when the length does not fit the family, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: `sockaddr` is only read; `out` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_addr_from_bytes(
    sockaddr: *const c_void,
    len: usize,
    out: *mut Addr,
) -> i32 {
    without_handle(|| {
        required(out)?;
        // SAFETY: the caller's bytes and address, as documented.
        unsafe { output(out, Addr::from_bytes(bytes(sockaddr, len)?)?) };
        Ok(0)
    })
}

/// Copies the bytes of an address, a `struct sockaddr`, to `buf`.
///
/// Returns: how many there are; with (NULL, 0) only that.
/// Errors: -ENOSPC when they do not fit (nothing is written), -EFAULT, -EINVAL.
/// Blocks: no.
/// Threads: any.
/// Ownership: the bytes are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_addr_bytes(
    addr: *const Addr,
    buf: *mut c_void,
    len: usize,
) -> i32 {
    // SAFETY: the caller's address and buffer, as documented.
    without_handle(|| unsafe { copy_out(input(addr)?.bytes(), buf, len) })
}

/// Returns the family of an address.
///
/// Returns: AF_INET, AF_INET6, AF_UNIX, ...; AF_UNSPEC (0) for an empty address, as a Unix
/// peer without a name can have.
/// Errors: -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_addr_family(addr: *const Addr) -> i32 {
    // SAFETY: the caller's address, as documented.
    without_handle(|| Ok(unsafe { input(addr) }?.family()))
}

/// Returns the port of an IP address.
///
/// Returns: 0 to 65535.
/// Errors: -EAFNOSUPPORT for another family, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_addr_port(addr: *const Addr) -> i32 {
    // SAFETY: the caller's address, as documented.
    without_handle(|| unsafe { input(addr) }?.port().map(i32::from))
}

/// Returns the flow information of an IPv6 address (RFC 3493); 0 for IPv4.
///
/// Returns: 0 to 4294967295, in host byte order.
/// Errors: -EAFNOSUPPORT for another family, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_addr_flowinfo(addr: *const Addr) -> i64 {
    // SAFETY: the caller's address, as documented.
    without_handle(|| unsafe { input(addr) }?.flowinfo().map(i64::from))
}

/// Returns the scope id of an IPv6 address: an interface index, 0 for none; 0 for IPv4.
///
/// Returns: 0 to 4294967295.
/// Errors: -EAFNOSUPPORT for another family, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: nothing changes hands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_addr_scope_id(addr: *const Addr) -> i64 {
    // SAFETY: the caller's address, as documented.
    without_handle(|| unsafe { input(addr) }?.scope_id().map(i64::from))
}

/// Copies the numeric text of an IP address, without port and zone: "127.0.0.1", "fe80::1".
/// A buffer of 46 bytes (INET6_ADDRSTRLEN) is always large enough.
///
/// Returns: the length of the text without its NUL; with (NULL, 0) only that.
/// Errors: -EAFNOSUPPORT for another family, -ENOSPC when it does not fit, -EFAULT, -EINVAL.
/// Blocks: no.
/// Threads: any.
/// Ownership: the text is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_addr_host(addr: *const Addr, buf: *mut c_char, len: usize) -> i32 {
    // SAFETY: the caller's address and buffer, as documented.
    without_handle(|| unsafe { copy_text(&input(addr)?.host()?, buf, len) })
}

/// Copies the path or abstract name of a Unix address: bytes, without a NUL behind a path.
/// A buffer of 108 bytes is always large enough.
///
/// Returns: how many bytes, 0 for the unnamed address; with (NULL, 0) only that.
/// Errors: -EAFNOSUPPORT for another family, -ENOSPC when they do not fit, -EFAULT, -EINVAL.
/// Blocks: no.
/// Threads: any.
/// Ownership: the bytes are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_addr_path(addr: *const Addr, buf: *mut c_void, len: usize) -> i32 {
    // SAFETY: the caller's address and buffer, as documented.
    without_handle(|| unsafe { copy_out(input(addr)?.path()?, buf, len) })
}

/// Copies an address as readable text: "127.0.0.1:80", "[::1]:80", "/run/x", "@abstract". Bytes of
/// a Unix name that are not UTF-8 become U+FFFD. A buffer of 325 bytes is always large enough.
///
/// Returns: the length of the text without its NUL; with (NULL, 0) only that.
/// Errors: -ENOSPC when it does not fit, -EFAULT, -EINVAL.
/// Blocks: no.
/// Threads: any.
/// Ownership: the text is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_addr_text(addr: *const Addr, buf: *mut c_char, len: usize) -> i32 {
    // SAFETY: the caller's address and buffer, as documented.
    without_handle(|| unsafe { copy_text(&input(addr)?.to_text(), buf, len) })
}

/// Converts numeric text to the bytes of an address (inet_pton(3)): 4 for AF_INET, 16 for AF_INET6.
///
/// Returns: how many bytes were written.
/// Errors: -EINVAL for text that is not an address of the family, -EAFNOSUPPORT for another family,
/// -ENOSPC when `len` is less than the family needs, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: `host` is only read; the bytes are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_inet_pton(
    family: i32,
    host: *const c_char,
    buf: *mut c_void,
    len: usize,
) -> i32 {
    without_handle(|| {
        required(buf)?;
        // SAFETY: the caller's text, as documented.
        let host = unsafe { text(host) }.ok_or(Error::os(libc::EFAULT))?;
        let (bin, n) = names::pton(family, host)?.ok_or(Error::os(libc::EINVAL))?;
        // SAFETY: the caller's buffer, as documented.
        unsafe { copy_out(&bin[..n], buf, len) }
    })
}

/// Converts the bytes of an address to numeric text (inet_ntop(3)). `n` is exactly 4 for AF_INET
/// and 16 for AF_INET6. A buffer of 46 bytes (INET6_ADDRSTRLEN) is always large enough.
///
/// Returns: the length of the text without its NUL; with (NULL, 0) only that.
/// Errors: -EINVAL when `n` is not the family's, -EAFNOSUPPORT for another family, -ENOSPC when
/// it does not fit, -EFAULT.
/// Blocks: no.
/// Threads: any.
/// Ownership: `bin` is only read; the text is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_inet_ntop(
    family: i32,
    bin: *const c_void,
    n: usize,
    buf: *mut c_char,
    len: usize,
) -> i32 {
    without_handle(|| {
        if !matches!(family, libc::AF_INET | libc::AF_INET6) {
            return Err(Error::os(libc::EAFNOSUPPORT));
        }
        // SAFETY: the caller's bytes and buffer, as documented.
        unsafe { copy_text(&names::ntop(family, bytes(bin, n)?)?, buf, len) }
    })
}
