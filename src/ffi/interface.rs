//! The network interfaces.

use std::ffi::c_char;

use super::{guard, room_for};
use crate::addr::Addr;
use crate::error::{Error, Result};
use crate::sys::interfaces::{self, Interface, NAME};

/// A network interface, or one of its addresses.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct usocket_interface {
    /// Its index, 1 or more, as in a scope id or for usocket_join_group.
    pub index: u32,
    /// IFF_UP, IFF_LOOPBACK, IFF_MULTICAST, ... of <net/if.h>.
    pub flags: u32,
    /// Its name.
    pub name: [c_char; 16],
    /// One of its IP addresses; of length 0 in the entry for the interface itself.
    pub addr: Addr,
    /// The netmask of that address.
    pub netmask: Addr,
}

const _: () = assert!(NAME == 16);

impl From<Interface> for usocket_interface {
    fn from(i: Interface) -> Self {
        let Interface { index, flags, name, addr, netmask } = i;
        let name = name.map(|b| b as c_char);
        usocket_interface { index, flags, name, addr, netmask }
    }
}

/// Lists the network interfaces of the caller's network namespace (getifaddrs(3)): one entry for
/// each interface itself, and one for each of its IP addresses. (NULL, 0) only counts.
///
/// Returns: how many entries there are, all of them in `list`.
/// Errors: -ENOSPC when there are more than `n` (nothing is written), -EFAULT, -EINVAL; -EMFILE, -ENFILE,
/// -ENOMEM.
/// Blocks: no.
/// Threads: any.
/// Ownership: `list` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usocket_interfaces(list: *mut usocket_interface, n: usize) -> i64 {
    guard(|| {
        let found = found()?;
        // SAFETY: the caller's room, as documented.
        let mut put = unsafe { room_for(list, n) }?;
        if found.len() > n && !list.is_null() {
            return Err(Error::os(libc::ENOSPC));
        }
        let shown = found.iter().take(n).enumerate();
        shown.for_each(|(at, interface)| put(at, *interface));
        Ok(found.len() as i64)
    })
}

fn found() -> Result<Vec<usocket_interface>> {
    let (mut found, mut refused) = (Vec::new(), None);
    interfaces::each(|interface| {
        refused = crate::sys::memory::push(&mut found, interface.into()).err().or(refused.take());
    })?;
    refused.map_or(Ok(found), |e| Err(e.into()))
}
