//! Words that a forked child shares with its parent: memory of both, where all else is a copy.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::fork::{self, Lock};

/// A page's size, or a part of it: what is mapped is at least that.
const BYTES: usize = 4096;
const WORDS: usize = BYTES / size_of::<AtomicU32>();

/// Words in shared memory, zero at first. The first of them counts the claims of the others.
struct Page(NonNull<[AtomicU32; WORDS]>);

// SAFETY: it is an array of atomics, unmapped when the last who knows it is gone.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    fn new() -> io::Result<Page> {
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: fresh memory, at an address of the kernel's choice.
        let at = unsafe { libc::mmap(ptr::null_mut(), BYTES, access, kind, -1, 0) };
        match NonNull::new(at) {
            Some(at) if at.as_ptr() != libc::MAP_FAILED => Ok(Page(at.cast())),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn words(&self) -> &[AtomicU32; WORDS] {
        // SAFETY: mapped and zeroed by the kernel, for as long as this lives.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: mapped with this size, and nobody knows it any more. (Other processes have maps of
        // their own.)
        unsafe { libc::munmap(self.0.as_ptr().cast(), BYTES) };
    }
}

/// One of the words, for the one question that they are for: which process is the first to claim what
/// it stands for.
pub struct Word {
    page: Arc<Page>,
    at: usize,
}

/// The page that new words are on.
struct Current {
    page: Arc<Page>,
    used: usize,
    /// [`fork::partings`] when it was made: two processes never give out words of one page.
    partings: u32,
}

static CURRENT: Lock<Option<Current>> = Lock::new(None);

impl Word {
    /// A word that is 0.
    pub fn new() -> io::Result<Word> {
        let lost = |_| io::Error::from_raw_os_error(libc::ENOTRECOVERABLE);
        let mut current = CURRENT.lock().map_err(lost)?;
        let usable = |c: &&mut Current| c.used < WORDS && c.partings == fork::partings();
        let current = match current.as_mut().filter(usable) {
            Some(_) => current.as_mut(),
            None => {
                let page = Arc::new(Page::new()?);
                Some(current.insert(Current { page, used: 1, partings: fork::partings() }))
            }
        };
        let Some(current) = current else { return Err(io::Error::from_raw_os_error(libc::ENOMEM)) };
        let at = current.used;
        current.used += 1;
        Ok(Word { page: current.page.clone(), at })
    }

    /// Claims it for this process, which saw it as `seen` last: what it is now. `None` when another
    /// has claimed it since.
    pub fn claim(&self, seen: u32) -> Option<u32> {
        let words = self.page.words();
        let mine = words[0].fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let swapped =
            words[self.at].compare_exchange(seen, mine, Ordering::AcqRel, Ordering::Relaxed);
        swapped.ok().map(|_| mine)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn of_two_processes_one_has_the_claim() {
        let words: Vec<_> = (0..2000).map(|_| Word::new().unwrap()).collect();
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
        // What is claimed can be claimed again by who did.
        let word = Word::new().unwrap();
        let first = word.claim(0).unwrap();
        assert!(word.claim(0).is_none());
        assert!(word.claim(first).is_some());
    }
}
