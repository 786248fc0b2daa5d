//! An object that is added to a poller, taken out and closed at once: the real table, the real list of
//! watchers, and a poller's register that is a number. `add` and `remove` here are those of
//! `src/poller.rs`, step by step.

use std::cell::Cell;
use std::ptr;

use loom::sync::Arc;
use loom::thread;

use crate::error::{Error, Result};
use crate::handle::{Handle, Table};
use crate::sys::fork::Lock;
use crate::watchers::{Change, Watcher, Watchers};

const POLLER: Handle = 1;

#[derive(Default)]
struct Register {
    entries: u32,
    told: u32,
}

struct World {
    table: Table<Watchers>,
    register: Lock<Register>,
}

thread_local! {
    // All of loom's threads are one of the system's.
    static WORLD: Cell<*const World> = const { Cell::new(ptr::null()) };
}

/// `Poller::told`
fn tell(_: Handle, _: Handle, change: Change) -> bool {
    // SAFETY: the test that set it holds it until the end.
    let Some(world) = (unsafe { WORLD.get().as_ref() }) else { return false };
    if change == Change::Closed {
        let mut register = world.register.lock().unwrap();
        register.told += register.entries;
        register.entries = 0;
    }
    true
}

impl World {
    fn add(&self, handle: Handle) -> Result<()> {
        let pin = self.table.pin(handle).map_err(|_| Error::os(libc::EBADF))?;
        self.register.lock()?.entries += 1;
        let watcher = Watcher { poller: POLLER, source: handle, tell };
        let told = pin.add(watcher).and_then(|()| {
            if pin.closed_meanwhile() { Err(Error::os(libc::EBADF)) } else { Ok(()) }
        });
        told.inspect_err(|_| _ = self.forget())
    }

    fn forget(&self) -> Result<bool> {
        let mut register = self.register.lock()?;
        let was = register.entries > 0;
        register.entries = 0;
        Ok(was)
    }

    fn remove(&self, handle: Handle) -> Result<bool> {
        let pin = self.table.pin(handle).map_err(|_| Error::os(libc::EBADF))?;
        pin.remove(POLLER, || self.forget())
    }
}

fn in_all_orders(body: fn(Arc<World>, Handle)) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let register = Lock::new(Register::default());
        let world = Arc::new(World { table: Table::new(), register });
        let Ok(handle) = world.table.insert(Watchers::none()) else { panic!("full") };
        WORLD.set(&raw const *world);
        body(world.clone(), handle);
    });
}

#[test]
fn add_against_close() {
    in_all_orders(|world, handle| {
        let other = world.clone();
        let adder = thread::spawn(move || other.add(handle).is_ok());
        assert!(world.table.close(handle, |watchers, _| watchers.closed()).is_ok());
        let added = adder.join().unwrap();
        let register = world.register.lock().unwrap();
        // Nothing of it is left; and who was told that it is in, is told that it has gone.
        assert_eq!(register.entries, 0);
        assert!(!added || register.told == 1);
    });
}

#[test]
fn remove_against_close() {
    in_all_orders(|world, handle| {
        assert_eq!(world.add(handle), Ok(()));
        let other = world.clone();
        let remover = thread::spawn(move || other.remove(handle) == Ok(true));
        assert!(world.table.close(handle, |watchers, _| watchers.closed()).is_ok());
        let removed = remover.join().unwrap();
        let register = world.register.lock().unwrap();
        assert_eq!((register.entries, register.told), (0, u32::from(!removed)));
    });
}
