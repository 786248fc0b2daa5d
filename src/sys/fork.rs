//! fork(2): the child finds every lock usable, and knows what its parent's threads left behind.
//!
//! Everything that the library guards with a lock is behind a [`Lock`]. A thread that holds one is
//! *inside*; a fork waits until no other thread is, and keeps new ones out until it is done. So the
//! child has all guarded data whole and unlocked. (It does not wait for ever: a thread that stays
//! inside for longer than [`PATIENCE`] is left there. Its lock is then [`Lost`] in the child, and
//! what it guards is never looked at again: it may be half changed.)
//!
//! Rules for whoever holds a lock:
//!
//! - Nothing waits while it holds one, for the network or for another process.
//! - The host's own code (hook, callback) runs through [`host`], which steps outside meanwhile: it
//!   may need what the forking thread holds, such as an interpreter's lock. A lock that is held
//!   across it is lost in a child that another thread makes meanwhile. The thread that forks there
//!   keeps its own locks and pins in the child.
//! - One lock at a time; where two are needed, always in the same order.
//!
//! `_Fork` and the raw system call run no handlers: the child of one has what any child of a program
//! with threads has, the state of that moment.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::AtomicPtr;
use std::time::Duration;

use sync::{AtomicU32, Ordering};

/// What `gate` and `lock` are made of: loom's in tools/model, which has them too.
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

/// How long a fork waits for the threads that are inside.
const PATIENCE: Duration = Duration::from_secs(1);

static BIRTHS: AtomicU32 = AtomicU32::new(0);
static PARTINGS: AtomicU32 = AtomicU32::new(0);
static CHILDREN: AtomicU32 = AtomicU32::new(0);

/// How often this process or an ancestor has come out of a fork as the child. What must not be
/// shared with the parent compares this number.
#[inline]
pub fn forks() -> u32 {
    BIRTHS.load(Ordering::Relaxed)
}

/// The same, counting the forks it came out of as the parent too. What has been shared with another
/// process since it was last used compares this number.
#[inline]
pub fn partings() -> u32 {
    PARTINGS.load(Ordering::Relaxed)
}

/// How many children this very process has had by fork.
pub fn children() -> u32 {
    CHILDREN.load(Ordering::Relaxed)
}

// --- who is inside -------------------------------------------------------------------------------

static GATE: Gate = Gate::new();

/// What a thread knows of itself.
struct Me {
    /// How often it has entered and not left.
    depth: Cell<u32>,
    /// The words of the locks it holds.
    held: [Cell<*const AtomicU32>; HELD],
    /// How many of its calls into the host's code are under way.
    hosted: Cell<u32>,
    /// It forked while it was in the host's code, and this is the child.
    survivor: Cell<bool>,
}

/// Locks that one thread holds at once: two, and in a callback under one of them two more.
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
        // Its address tells threads apart, and is the same in a child.
        let at = (ptr::from_ref(self) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60;
        at as usize % SHARDS
    }

    /// Where it is counted, if it is inside.
    fn counted(&self) -> Option<usize> {
        (self.depth.get() > 0).then(|| self.shard())
    }

    #[inline]
    fn enter(&self) {
        self.enter_for(None);
    }

    /// Enters, to take a lock if it is said which.
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

    fn remember(&self, word: &AtomicU32) {
        if let Some(place) = self.held.iter().find(|h| h.get().is_null()) {
            place.set(word);
        }
    }

    fn forget(&self, word: &AtomicU32) {
        if let Some(place) = self.held.iter().find(|h| ptr::eq(h.get(), word)) {
            place.set(ptr::null());
        }
    }
}

/// No fork happens while this lives: for what is guarded by no lock and must not be seen half done.
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

/// Runs the host's own code, which may do anything: take long, call the library, fork.
pub fn host<T>(code: impl FnOnce() -> T) -> T {
    /// Puts things back also when the host's code unwinds.
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

/// Runs what may wait, and guards nothing: forks need not wait for it. A thread that holds a lock
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

/// What the handle table does in a child; it is above us.
static IN_CHILD: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Sets what runs in every child, in the handler of the fork: it may only change memory. It is told
/// whether the thread that forked was in the host's code, with calls of the library around it.
#[inline]
pub fn in_child(run: fn(hosted: bool)) {
    IN_CHILD.store(run as *mut (), Ordering::Relaxed);
}

/// The child has things to see to that its handler might not: see [`settle`].
static UNSETTLED: AtomicU32 = AtomicU32::new(0);
const AT_ONCE: u32 = 1;
const BY_SURVIVOR: u32 = 2;

/// Whether [`settle`] is to be asked, at the end of a call.
#[inline]
pub fn unsettled() -> bool {
    UNSETTLED.load(Ordering::Relaxed) != 0
}

/// True once in a forked child, when what it has of its parent's threads can be cleaned up: at the
/// end of its first call, or, if it was forked from within the host's code in a call of the
/// library, at the end of that.
pub fn settle() -> bool {
    let may = ME.with(|me| match UNSETTLED.load(Ordering::Acquire) {
        AT_ONCE => true,
        BY_SURVIVOR => me.survivor.get() && me.hosted.get() == 0,
        _ => false,
    });
    may && UNSETTLED.swap(0, Ordering::AcqRel) != 0
}

extern "C" fn before() {
    // From a signal's handler it may be inside itself.
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
        // The locks of this thread are its own in the child too.
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

/// Before any thread can fork with the library in use.
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
