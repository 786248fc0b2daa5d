//! fork(2): the child finds every lock usable, and can tell what belonged to its parent's threads.
//!
//! Everything that the library guards with a lock is behind a [`Lock`]. A thread that holds one is
//! *inside*; a fork waits until no other thread is, and keeps new ones out until it is done. So in
//! the child all guarded data is consistent and unlocked. (The wait is limited: if a thread stays
//! inside for longer than [`PATIENCE`], the fork goes on. That thread's lock is then [`Lost`] in
//! the child, and the data it guards is never read again: it may be half changed.)
//!
//! Rules for holders of a lock:
//!
//! - A holder does not wait for the network or for another process.
//! - The host's own code (hook, callback) runs through [`host`], and the thread does not count as
//!   inside meanwhile: the code may need a lock of the forking thread, such as an interpreter's. A
//!   lock held across it is lost in a child that another thread forks meanwhile. A thread that
//!   forks there keeps its own locks and pins in the child.
//! - One lock at a time; where two are needed, always in the same order.
//!
//! `_Fork` and the raw system call run no handlers: their child has the state of that moment, as in
//! any program with threads.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::AtomicPtr;
use std::time::Duration;

use sync::{AtomicU32, Ordering};

/// The atomics of `gate` and `lock`: loom's in tools/model, which also compiles these files.
mod sync {
    pub use std::sync::atomic::{AtomicU32, Ordering};
}

mod gate;
mod lock;
#[cfg(debug_assertions)]
mod order;

use gate::{Gate, SHARDS};
use lock::{ERA, HELD_ALONE, era};
pub use lock::{Guard, Lock, Lost};

/// How long a fork waits for threads inside.
const PATIENCE: Duration = Duration::from_secs(1);

static BIRTHS: AtomicU32 = AtomicU32::new(0);
static PARTINGS: AtomicU32 = AtomicU32::new(0);
static CHILDREN: AtomicU32 = AtomicU32::new(0);

/// The number of forks from which this process or an ancestor came out as the child. Objects that
/// must not be shared with the parent compare it.
#[inline]
pub fn forks() -> u32 {
    BIRTHS.load(Ordering::Relaxed)
}

/// The same, including forks as the parent. Objects that may be shared with another process since
/// their last use compare it.
#[inline]
pub fn partings() -> u32 {
    PARTINGS.load(Ordering::Relaxed)
}

/// The number of children this process has forked.
pub fn children() -> u32 {
    CHILDREN.load(Ordering::Relaxed)
}

// --- threads inside ------------------------------------------------------------------------------

static GATE: Gate = Gate::new();

/// The state of a thread.
struct Me {
    /// The nesting depth of its entries.
    depth: Cell<u32>,
    /// The futexes of the locks it holds.
    held: [Cell<*const AtomicU32>; HELD],
    /// The nesting depth of its calls into the host's code.
    hosted: Cell<u32>,
    /// True in the child, in the thread that forked within the host's code.
    survivor: Cell<bool>,
}

/// The maximum number of locks per thread: two, and in a callback under one of them two more.
const HELD: usize = 8;

thread_local! {
    static ME: Me = const {
        Me {
            depth: Cell::new(0),
            held: [const { Cell::new(ptr::null()) }; HELD],
            hosted: Cell::new(0),
            survivor: Cell::new(false),
        }
    };
}

impl Me {
    fn shard(&self) -> usize {
        // The address identifies the thread, and is the same in a child.
        let at = (ptr::from_ref(self) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60;
        at as usize % SHARDS
    }

    /// The shard that counts it, if it is inside.
    fn counted(&self) -> Option<usize> {
        (self.depth.get() > 0).then(|| self.shard())
    }

    #[inline]
    fn enter(&self) {
        self.enter_for(None);
    }

    /// Enters; `Some` lock if it is about to take one.
    #[inline]
    fn enter_for(&self, lock: Option<&AtomicU32>) {
        let depth = self.depth.get();
        if depth == 0 {
            GATE.enter(self.shard(), lock);
        }
        self.depth.set(depth + 1);
    }

    #[inline]
    fn leave(&self) {
        let depth = self.depth.get() - 1;
        self.depth.set(depth);
        if depth == 0 {
            self.step_out();
        }
    }

    #[inline]
    fn step_out(&self) {
        GATE.leave(self.shard());
    }

    #[inline]
    fn remember(&self, word: &AtomicU32) {
        self.replace_held(ptr::null(), word);
    }

    #[inline]
    fn forget(&self, word: &AtomicU32) {
        self.replace_held(word, ptr::null());
    }

    #[inline]
    fn replace_held(&self, old: *const AtomicU32, new: *const AtomicU32) {
        // Most threads hold one.
        if ptr::eq(self.held[0].get(), old) {
            self.held[0].set(new);
        } else {
            self.replace_held_later(old, new);
        }
    }

    #[cold]
    fn replace_held_later(&self, old: *const AtomicU32, new: *const AtomicU32) {
        if let Some(place) = self.held.iter().find(|h| ptr::eq(h.get(), old)) {
            place.set(new);
        }
    }
}

/// Prevents forks while it lives: for changes without a lock that a child must not see half done.
pub struct Stay(*const Me);

/// See [`Stay`].
#[inline]
pub fn stay() -> Stay {
    ME.with(|me| {
        me.enter();
        Stay(me)
    })
}

impl Drop for Stay {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: of this thread, which a pointer does not leave; it has no destructor, and is there
        // as long as the thread.
        unsafe { (*self.0).leave() };
    }
}

/// Runs the host's own code. It may do anything: block, call the library, fork.
pub fn host<T>(code: impl FnOnce() -> T) -> T {
    /// Restores the state, also when the host's code unwinds.
    struct Back(u32);
    impl Drop for Back {
        fn drop(&mut self) {
            ME.with(|me| {
                me.hosted.set(me.hosted.get() - 1);
                if self.0 > 0 {
                    me.enter();
                    me.depth.set(self.0);
                }
            });
        }
    }
    let _back = ME.with(|me| {
        me.hosted.set(me.hosted.get() + 1);
        let depth = me.depth.replace(0);
        if depth > 0 {
            me.step_out();
        }
        Back(depth)
    });
    code()
}

/// Runs code that may wait and needs no protection: forks do not wait for it. A thread with a lock
/// stays inside.
pub fn outside(code: impl FnOnce()) {
    let depth = ME.with(|me| {
        if me.held.iter().any(|h| !h.get().is_null()) {
            return 0;
        }
        let depth = me.depth.replace(0);
        if depth > 0 {
            me.step_out();
        }
        depth
    });
    code();
    if depth > 0 {
        ME.with(|me| {
            me.enter();
            me.depth.set(depth);
        });
    }
}

/// Whether this thread runs the host's code from within a call of the library.
pub fn hosted() -> bool {
    ME.with(|me| me.hosted.get() > 0)
}

// --- the handlers --------------------------------------------------------------------------------

/// The handle table's function for a child; the table is in a higher layer.
static IN_CHILD: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Sets the function that runs in every child, in the fork handler: it may only change memory. Its
/// argument says whether the thread forked within the host's code, with calls of the library around
/// it.
#[inline]
pub fn in_child(run: fn(hosted: bool)) {
    // Usually it is there: no store, which would take the line of `BIRTHS` away from other processors.
    if IN_CHILD.load(Ordering::Relaxed).is_null() {
        IN_CHILD.store(run as *mut (), Ordering::Relaxed);
    }
}

/// Set while the child has work that its fork handler could not do: see [`settle`].
static UNSETTLED: AtomicU32 = AtomicU32::new(0);
const AT_ONCE: u32 = 1;
const BY_SURVIVOR: u32 = 2;

/// Whether [`settle`] must be called at the end of a call.
#[inline]
pub fn unsettled() -> bool {
    UNSETTLED.load(Ordering::Relaxed) != 0
}

/// True once in a forked child, when objects of the parent's threads can be cleaned up: at the end
/// of its first call, or, if it was forked within the host's code in a call of the library, at the
/// end of that call.
pub fn settle() -> bool {
    let may = ME.with(|me| match UNSETTLED.load(Ordering::Acquire) {
        AT_ONCE => true,
        BY_SURVIVOR => me.survivor.get() && me.hosted.get() == 0,
        _ => false,
    });
    may && UNSETTLED.swap(0, Ordering::AcqRel) != 0
}

extern "C" fn before() {
    // The thread itself may be inside if it forks in a signal handler.
    ME.with(|me| GATE.shut(me.counted(), PATIENCE));
}

extern "C" fn in_parent() {
    PARTINGS.fetch_add(1, Ordering::Relaxed);
    CHILDREN.fetch_add(1, Ordering::Relaxed);
    GATE.open();
}

extern "C" fn child() {
    let old = forks() << ERA;
    BIRTHS.fetch_add(1, Ordering::Relaxed);
    PARTINGS.fetch_add(1, Ordering::Relaxed);
    CHILDREN.store(0, Ordering::Relaxed);
    ME.with(|me| {
        GATE.reset(me.counted());
        // This thread keeps its locks in the child.
        for word in me.held.iter().map(Cell::get).filter(|w| !w.is_null()) {
            // SAFETY: a lock that is held is not dropped.
            let word = unsafe { &*word };
            let state = word.load(Ordering::Relaxed);
            if state >> ERA == old >> ERA && state != 0 {
                word.store(era() | HELD_ALONE, Ordering::Relaxed);
            }
        }
        let hosted = me.hosted.get() > 0;
        me.survivor.set(hosted);
        let run = IN_CHILD.load(Ordering::Relaxed);
        if !run.is_null() {
            // SAFETY: only `in_child` stores here.
            let run: fn(bool) = unsafe { std::mem::transmute(run) };
            run(hosted);
            UNSETTLED.store(if hosted { BY_SURVIVOR } else { AT_ONCE }, Ordering::Release);
        }
    });
}

/// Registers the handlers before any thread can fork with the library in use.
#[used]
#[unsafe(link_section = ".init_array")]
static WATCH: extern "C" fn() = {
    extern "C" fn watch() {
        // SAFETY: the handlers outlive all forks: the library is never unloaded (linked with
        // nodelete). They touch atomics, this thread's cells and futexes.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(child)) };
    }
    watch
};

#[cfg(test)]
mod tests;
