//! System V shared memory: the kernel counts the attached processes.

use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::BYTES;

/// See the module documentation.
#[derive(Clone, Copy)]
pub struct Segment {
    id: i32,
    /// The time of creation: in another namespace the id may belong to another segment.
    made: i64,
}

impl Segment {
    /// Makes and attaches a segment that is removed with its last process; `None` if the system has
    /// none.
    pub fn new() -> Option<(Segment, NonNull<libc::c_void>)> {
        // SAFETY: a new segment, at an address of the kernel's choice.
        let (id, at) = unsafe {
            let id = libc::shmget(libc::IPC_PRIVATE, BYTES, libc::IPC_CREAT | 0o600);
            if id < 0 {
                return None;
            }
            let at = libc::shmat(id, ptr::null(), 0);
            libc::shmctl(id, libc::IPC_RMID, ptr::null_mut());
            (id, at)
        };
        let at = NonNull::new(at).filter(|at| at.as_ptr().addr() != usize::MAX)?;
        match Segment::state(id) {
            Some((made, 1)) => Some((Segment { id, made }, at)),
            _ => {
                // SAFETY: attached above, and nobody knows it.
                unsafe { libc::shmdt(at.as_ptr()) };
                None
            }
        }
    }

    /// Its time of creation, and the number of attached processes.
    fn state(id: i32) -> Option<(i64, libc::shmatt_t)> {
        let mut state = MaybeUninit::<libc::shmid_ds>::zeroed();
        // SAFETY: room for the answer, of which all zeros are one.
        let state = unsafe {
            if libc::shmctl(id, libc::IPC_STAT, state.as_mut_ptr()) < 0 {
                return None;
            }
            state.assume_init()
        };
        #[allow(clippy::unnecessary_cast)] // Not 64 bits everywhere.
        Some((state.shm_ctime as i64, state.shm_nattch))
    }

    /// Detaches it from `at`, where [`Segment::new`] attached it.
    pub fn detach(self, at: NonNull<libc::c_void>) {
        // SAFETY: attached so, and nobody knows it any more.
        unsafe { libc::shmdt(at.as_ptr()) };
    }

    /// Whether only this process is attached.
    pub fn alone(self) -> bool {
        Segment::state(self.id) == Some((self.made, 1))
    }
}
