//! The network interfaces: their list, and the options that name one.

use std::ffi::{CStr, c_ulong};
use std::io;
use std::os::fd::BorrowedFd;

use super::address::{Addr, STORAGE};
use super::{names, net};

/// How long a name can be, its NUL included.
pub const NAME: usize = libc::IFNAMSIZ;

/// An interface, or one of its addresses.
pub struct Interface {
    /// 1 or more.
    pub index: u32,
    /// `IFF_*`
    pub flags: u32,
    /// With a NUL.
    pub name: [u8; NAME],
    /// An IP address; empty for the interface itself.
    pub addr: Addr,
    /// Its mask.
    pub netmask: Addr,
}

/// getifaddrs(3): calls `show` for each interface and each of its IP addresses.
///
/// # Errors
/// ENOMEM, and those of a netlink socket.
pub fn each(mut show: impl FnMut(Interface)) -> io::Result<()> {
    let mut list = std::ptr::null_mut();
    // SAFETY: a writable pointer; what it gets is freed below.
    if unsafe { libc::getifaddrs(&mut list) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut at = list;
    // SAFETY: an entry of the list as getifaddrs made it, or NULL at its end.
    while let Some(entry) = unsafe { at.as_ref() } {
        // SAFETY: as above: NUL-terminated text, and addresses that are NULL or of their family.
        let (name, addr, netmask) =
            unsafe { (CStr::from_ptr(entry.ifa_name), ip(entry.ifa_addr), ip(entry.ifa_netmask)) };
        let (index, flags) = (names::if_nametoindex(name), entry.ifa_flags);
        let mut bytes = [0; NAME];
        let room = bytes[..NAME - 1].iter_mut();
        room.zip(name.to_bytes()).for_each(|(to, from)| *to = *from);
        // An interface removed meanwhile has no index.
        if index > 0 {
            show(Interface { index, flags, name: bytes, addr, netmask });
        }
        at = entry.ifa_next;
    }
    // SAFETY: made by getifaddrs, freed once.
    unsafe { libc::freeifaddrs(list) };
    Ok(())
}

/// An IP address as an address, anything else as an empty one.
///
/// # Safety
/// The pointer is NULL, or to a complete address of its family.
unsafe fn ip(addr: *const libc::sockaddr) -> Addr {
    if addr.is_null() {
        return Addr::default();
    }
    // SAFETY: by this function's contract.
    let len = match unsafe { (*addr).sa_family }.into() {
        libc::AF_INET => size_of::<libc::sockaddr_in>(),
        libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
        _ => return Addr::default(),
    };
    // SAFETY: as above: that many bytes are there.
    Addr::from_raw(unsafe { std::slice::from_raw_parts(addr.cast(), len) })
}

/// `struct group_req`; its address is aligned like a long.
#[repr(C)]
struct GroupRequest {
    interface: u32,
    group: [c_ulong; STORAGE / size_of::<c_ulong>()],
}

/// Joins a group, or leaves it, on the interface of that index; 0 is the system's choice.
pub fn multicast(
    fd: BorrowedFd<'_>,
    level: i32,
    join: bool,
    group: &Addr,
    interface: u32,
) -> io::Result<()> {
    let name = if join { libc::MCAST_JOIN_GROUP } else { libc::MCAST_LEAVE_GROUP };
    let mut bytes = [0; size_of::<GroupRequest>()];
    bytes[..4].copy_from_slice(&interface.to_ne_bytes());
    let at = std::mem::offset_of!(GroupRequest, group);
    bytes[at..at + group.bytes().len()].copy_from_slice(group.bytes());
    net::setsockopt(fd, level, name, &bytes)
}
