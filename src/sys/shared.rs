//! Words in memory shared between a forked child and its parent.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use super::counted::Counted;
use segment::Segment;

use super::fork::{self, Lock};

#[cfg(not(target_os = "android"))]
mod segment;

/// Android lacks System V shared memory.
#[cfg(target_os = "android")]
mod segment {
    use std::ptr::NonNull;

    #[derive(Clone, Copy)]
    pub enum Segment {}

    impl Segment {
        pub fn new() -> Option<(Segment, NonNull<libc::c_void>)> {
            None
        }
        pub fn alone(self) -> bool {
            match self {}
        }
        pub fn detach(self, _: NonNull<libc::c_void>) {
            match self {}
        }
    }
}

/// The size used of a page; a mapping has at least this size.
const BYTES: usize = 4096;
const WORDS: usize = BYTES / size_of::<AtomicU32>();

/// Words in shared memory, zero at first. The first one counts the claims of the others.
struct Page {
    at: NonNull<[AtomicU32; WORDS]>,
    /// The kernel counts the processes attached to it, also after an exit or exec.
    counted: Option<Segment>,
}

// SAFETY: it is an array of atomics, unmapped when the last who knows it is gone.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    fn new() -> io::Result<Page> {
        if let Some((segment, at)) = Segment::new() {
            return Ok(Page { at: at.cast(), counted: Some(segment) });
        }
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: fresh memory, at an address of the kernel's choice.
        let at = unsafe { libc::mmap(ptr::null_mut(), BYTES, access, kind, -1, 0) };
        match NonNull::new(at) {
            Some(at) if at.as_ptr() != libc::MAP_FAILED => {
                Ok(Page { at: at.cast(), counted: None })
            }
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn words(&self) -> &[AtomicU32; WORDS] {
        // SAFETY: mapped and zeroed by the kernel, for as long as this lives.
        unsafe { self.at.as_ref() }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let at = self.at.cast();
        match self.counted {
            Some(segment) => segment.detach(at),
            // SAFETY: mapped so, with this size, and nobody knows it any more. (Other processes have
            // maps of their own.)
            None => _ = unsafe { libc::munmap(at.as_ptr(), BYTES) },
        }
    }
}

/// Two of the words, for an object that several processes have after a fork: they decide which
/// process claims it first, and which leaves it last.
pub struct Shared {
    page: Counted<Page>,
    /// The index of the claim; the next word counts the processes that have left.
    at: usize,
    /// [`fork::forks`] and [`fork::children`] of its maker at that time.
    made: (u32, u32),
}

/// The maker's share in the count; more than there can be other processes.
const MAKER: u32 = 1 << 24;

/// The page for new words.
struct Current {
    page: Counted<Page>,
    used: usize,
    /// [`fork::partings`] when it was made: two processes never give out words of one page.
    partings: u32,
}

static CURRENT: Lock<Option<Current>> = Lock::new(None);

impl Shared {
    /// Makes one, not claimed and not left.
    pub fn new() -> io::Result<Shared> {
        let lost = |_| io::Error::from_raw_os_error(libc::ENOTRECOVERABLE);
        let mut current = CURRENT.lock().map_err(lost)?;
        let usable = |c: &&mut Current| c.used + 1 < WORDS && c.partings == fork::partings();
        let current = match current.as_mut().filter(usable) {
            Some(_) => current.as_mut(),
            None => {
                let page = Counted::new(Page::new()?)?;
                Some(current.insert(Current { page, used: 1, partings: fork::partings() }))
            }
        };
        let Some(current) = current else { return Err(io::Error::from_raw_os_error(libc::ENOMEM)) };
        let at = current.used;
        current.used += 2;
        Ok(Shared { page: current.page.clone(), at, made: (fork::forks(), fork::children()) })
    }

    /// Claims it for this process, and returns the new value; `seen` is the last value known to
    /// this process. `None` when another process has claimed it since.
    pub fn claim(&self, seen: u32) -> Option<u32> {
        let words = self.page.words();
        let mine = words[0].fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let swapped =
            words[self.at].compare_exchange(seen, mine, Ordering::AcqRel, Ordering::Relaxed);
        swapped.ok().map(|_| mine)
    }

    /// Leaves it. True when all other processes that got it by fork have left as well: each reports
    /// its number of children when it leaves. Also true when no other process is left, after exit
    /// or exec. (If some have left and still live, and others have exited without leaving, it is
    /// undecided.)
    pub fn leave(&self) -> bool {
        let (forks, children) = self.made;
        let more = match fork::forks() == forks {
            true => MAKER.wrapping_sub(fork::children() - children),
            false => 1u32.wrapping_sub(fork::children()),
        };
        let before = self.page.words()[self.at + 1].fetch_add(more, Ordering::AcqRel);
        before.wrapping_add(more) == MAKER || self.page.counted.is_some_and(Segment::alone)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn of_two_processes_one_has_the_claim() {
        let words: Vec<_> = (0..2000).map(|_| Shared::new().unwrap()).collect();
        // SAFETY: the child makes no calls but of atomics, and ends.
        let child = unsafe { libc::fork() };
        let won = words.iter().filter(|w| w.claim(0).is_some()).count();
        if child == 0 {
            let again = words.iter().filter(|w| w.claim(0).is_some()).count();
            // SAFETY: ends the process.
            unsafe { libc::_exit(if again == 0 { (won / 8) as i32 } else { 255 }) };
        }
        let mut status = 0;
        // SAFETY: a child of this process, and room for its status.
        unsafe { libc::waitpid(child, &mut status, 0) };
        let theirs = libc::WEXITSTATUS(status) as usize;
        assert!((2000 - won) / 8 == theirs, "{won} and {theirs} * 8");
        // The claiming process may claim it again.
        let word = Shared::new().unwrap();
        let first = word.claim(0).unwrap();
        assert!(word.claim(0).is_none());
        assert!(word.claim(first).is_some());
    }

    /// Runs `body` in a forked child and waits for it; whether it said yes.
    fn in_child(body: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child makes no calls but of atomics and fork, and ends.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(i32::from(body()));
            }
            let mut status = 0;
            libc::waitpid(child, &mut status, 0);
            libc::WEXITSTATUS(status) == 1
        }
    }

    #[test]
    fn the_last_to_leave_is_known() {
        // In a process of its own: other tests fork too.
        assert!(in_child(|| {
            let alone = Shared::new().unwrap();
            let mut right = alone.leave();
            // A child that leaves before its child does, and both before the maker.
            let first = Shared::new().unwrap();
            right &= !in_child(|| {
                let (mut read, write) = UnixStream::pair().unwrap();
                // SAFETY: as above.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    drop(write);
                    let _ = std::io::Read::read(&mut read, &mut [0]);
                    let last = first.leave();
                    // SAFETY: ends the process.
                    unsafe { libc::_exit(i32::from(last)) };
                }
                let last = first.leave();
                drop(write);
                let mut status = 0;
                // SAFETY: a child of this process, and room for its status.
                unsafe { libc::waitpid(child, &mut status, 0) };
                last || libc::WEXITSTATUS(status) == 1
            });
            right &= first.leave();
            // One that ends without a word is gone.
            let silent = Shared::new().unwrap();
            in_child(|| false);
            right &= silent.leave();
            // And one that lives is not, whatever it has in mind.
            let kept = Shared::new().unwrap();
            let (mut read, write) = UnixStream::pair().unwrap();
            // SAFETY: as above.
            let child = unsafe { libc::fork() };
            if child == 0 {
                drop(write);
                let _ = std::io::Read::read(&mut read, &mut [0]);
                // SAFETY: ends the process.
                unsafe { libc::_exit(0) };
            }
            right &= !kept.leave();
            drop(write);
            // SAFETY: a child of this process.
            unsafe { libc::waitpid(child, ptr::null_mut(), 0) };
            right
        }));
    }
}
