//! The address as data: the bytes of a `struct sockaddr` and their length, as the system takes and
//! gives them. `addr` interprets them and makes them from text.
//!
//! Layout: sockaddr(3type), ip(7), ipv6(7), unix(7).

use std::io;

/// Room for any address of the platform (`sizeof(struct sockaddr_storage)`).
pub const STORAGE: usize = 128;

/// Where the path starts in a `struct sockaddr_un`.
pub(crate) const PATH: usize = 2;
/// How long a Unix path can be on Linux: `sizeof(sun_path)`, a closing NUL not needed.
pub const PATH_MAX: usize = 108;

/// A socket address, passed by pointer and filled in by the library.
///
/// `storage` begins with a `struct sockaddr` of `len` bytes: `(struct sockaddr *)&addr` and
/// `addr.len` go into any system call. Otherwise treat it as opaque: usocket_getaddrinfo,
/// usocket_addr_ip, usocket_addr_unix and usocket_addr_from_bytes make it, and the other
/// usocket_addr_ functions read it.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Addr {
    /// The `struct sockaddr`, aligned as a `struct sockaddr_storage` is. Bytes after the first
    /// `len` have no meaning.
    pub storage: [u64; 16],
    /// The length of the address in bytes.
    pub len: u32,
    /// Zero.
    pub reserved: u32,
}

/// The length of an address that has length `len` according to the system. For a path of 108 bytes
/// Linux reports 111, including a NUL that does not exist, and does not accept that length itself:
/// the structure is smaller.
#[inline]
pub(crate) fn true_len(family: i32, len: usize) -> u32 {
    let most = if family == libc::AF_UNIX { PATH + PATH_MAX } else { STORAGE };
    len.min(most) as u32
}

impl Addr {
    #[inline]
    pub(super) fn as_sockaddr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    /// All bytes of the storage (`len` of them are the address).
    #[inline]
    pub fn storage_bytes(&self) -> &[u8; STORAGE] {
        // SAFETY: an array of u64 is that many bytes without padding; u8 has no alignment.
        unsafe { &*(&raw const self.storage).cast() }
    }

    /// The address's bytes, writable.
    #[inline]
    pub fn storage_bytes_mut(&mut self) -> &mut [u8; STORAGE] {
        // SAFETY: as above, and every byte pattern is a valid u64.
        unsafe { &mut *(&raw mut self.storage).cast() }
    }

    /// Lets the kernel fill an address in. It says how long the address is, which may be more than
    /// it wrote: never trust it beyond the storage.
    #[inline]
    pub(super) fn fill<R>(
        call: impl FnOnce(*mut libc::sockaddr, *mut libc::socklen_t) -> io::Result<R>,
    ) -> io::Result<(R, Addr)> {
        let mut addr = Addr::default();
        let mut len = STORAGE as libc::socklen_t;
        let r = call((&raw mut addr.storage).cast(), &mut len)?;
        addr.set_len(len as usize);
        Ok((r, addr))
    }

    /// Completes an address after the system has written its storage and reported `len`.
    ///
    /// # Safety
    /// `at` is writable, and the first `len` bytes of its storage, or all, are written.
    #[inline]
    pub(super) unsafe fn settle(at: *mut Addr, len: libc::socklen_t) {
        // SAFETY: by this function's contract; the family is there when there are bytes of it.
        unsafe {
            let start = (&raw const (*at).storage).cast::<u16>();
            let family = if len < 2 { libc::AF_UNSPEC } else { start.read().into() };
            (&raw mut (*at).len).write(true_len(family, len as usize));
            (&raw mut (*at).reserved).write(0);
        }
    }

    /// The bytes of a `struct sockaddr` that the system gave.
    pub(crate) fn from_raw(bytes: &[u8]) -> Addr {
        let mut addr = Addr::default();
        let n = bytes.len().min(STORAGE);
        addr.storage_bytes_mut()[..n].copy_from_slice(&bytes[..n]);
        addr.set_len(n);
        addr
    }

    /// Sets the length to one supplied by the system.
    pub(crate) fn set_len(&mut self, len: usize) {
        self.len = len.min(STORAGE) as u32;
        self.len = true_len(self.family(), len);
    }

    /// Its length, as system calls take it.
    #[inline]
    #[allow(clippy::unnecessary_cast)] // Signed on Android's 32 bits.
    pub fn socklen(&self) -> libc::socklen_t {
        self.len as libc::socklen_t
    }

    /// Whether an address from outside may go to a system call: its length fits its family.
    #[inline]
    pub fn is_valid(&self) -> bool {
        let len = self.len as usize;
        let b = self.storage_bytes();
        match u16::from_ne_bytes([b[0], b[1]]).into() {
            // The commonest first, with one comparison.
            libc::AF_INET => (16..=STORAGE).contains(&len),
            _ if !(2..=STORAGE).contains(&len) => false,
            libc::AF_INET6 => len >= 28,
            libc::AF_UNIX => len <= PATH + PATH_MAX,
            _ => true,
        }
    }

    /// The bytes of the address.
    pub fn bytes(&self) -> &[u8] {
        &self.storage_bytes()[..(self.len as usize).min(STORAGE)]
    }

    /// `AF_*`; `AF_UNSPEC` for an empty address.
    pub fn family(&self) -> i32 {
        let b = self.storage_bytes();
        if self.len < 2 { libc::AF_UNSPEC } else { u16::from_ne_bytes([b[0], b[1]]).into() }
    }
}
