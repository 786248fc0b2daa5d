//! The handle table, from many threads for real, and under loom (`make loom`) in all orders.

#[cfg(not(loom))]
use super::slots::{GENERATION, MAX_GENERATION, MOST};
#[cfg(not(loom))]
use super::sync::AtomicU64;
use super::*;

/// Counts its drops, so that a lost or doubled one shows.
struct Counted(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

fn counter() -> std::sync::Arc<std::sync::atomic::AtomicUsize> {
    Default::default()
}

fn count(c: &std::sync::Arc<std::sync::atomic::AtomicUsize>) -> usize {
    c.load(std::sync::atomic::Ordering::SeqCst)
}

#[cfg(not(loom))]
mod real {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    const NOBODY: Others = Others { here: false, gone: false };

    fn insert<T>(t: &Table<T>, v: T) -> Handle {
        t.insert(v).unwrap_or_else(|_| panic!("table full"))
    }

    #[test]
    fn handles_are_positive_below_2_53_and_never_come_back() {
        let t = Table::new();
        let mut seen = std::collections::HashSet::new();
        for i in 0..10_000 {
            let h = insert(&t, i);
            assert!(h > 0 && h < 1 << 53);
            assert!(seen.insert(h), "handle {h} came back");
            assert_eq!(*t.pin(h).map_err(|_| ()).unwrap_or_else(|()| panic!("stale")), i);
            assert_eq!(t.close(h, |_, others| assert_eq!(others, NOBODY)), Ok(()));
            assert!(t.pin(h).is_err());
            assert_eq!(t.close(h, |_, _| ()), Err(Stale));
        }
        assert_eq!(t.slots(), 1, "one slot serves them all");
    }

    #[test]
    fn hostile_numbers_are_stale() {
        let t = Table::new();
        let h = insert(&t, 1);
        for bad in [
            0,
            -1,
            i64::MIN,
            i64::MAX,
            1 << 53,
            h + 1,
            h + 63,
            h + 64,
            h - 1,
            h + (1 << INDEX_BITS),
            1,
            1 << 52,
            63,
            h | 1 << 53,
            h | i64::MIN,
            h & ((1 << INDEX_BITS) - 1),
            (h + 1) & ((1 << INDEX_BITS) - 1),
        ] {
            assert!(t.pin(bad).is_err(), "{bad}");
            assert_eq!(t.close(bad, |_, _| ()), Err(Stale), "{bad}");
            assert_eq!(t.take(bad), Err(NotTaken::Stale), "{bad}");
        }
        assert!(t.pin(h).is_ok());
    }

    #[test]
    fn close_while_pinned_wakes_and_the_last_pin_drops() {
        let (t, drops) = (Table::new(), counter());
        let h = insert(&t, Counted(drops.clone()));
        let Ok(pin) = t.pin(h) else { panic!("stale") };
        assert_eq!(t.take(h).err(), Some(NotTaken::Busy));
        let mut woke = false;
        assert_eq!(t.close(h, |_, others| woke = others.here), Ok(()));
        assert!(woke && pin.closing() && count(&drops) == 0);
        assert!(t.pin(h).is_err());
        drop(pin);
        assert_eq!(count(&drops), 1);
    }

    #[test]
    fn take_gives_the_value_out_undropped() {
        let (t, drops) = (Table::new(), counter());
        let h = insert(&t, Counted(drops.clone()));
        let Ok(v) = t.take(h) else { panic!("busy") };
        assert_eq!(count(&drops), 0);
        drop(v);
        assert_eq!(count(&drops), 1);
        insert(&t, Counted(drops.clone()));
        assert_eq!(t.slots(), 1);
        drop(t);
        assert_eq!(count(&drops), 2);
    }

    /// The value stays where it is, and the handle means it as before.
    #[test]
    fn a_take_that_is_refused_changes_nothing() {
        let (t, drops) = (Table::new(), counter());
        let h = insert(&t, (7, Counted(drops.clone())));
        let refused = t.take_if(h, |v| {
            assert_eq!(v.0, 7);
            // Meanwhile nobody gets it.
            assert!(t.pin(h).is_err());
            assert_eq!(t.take(h).err(), Some(NotTaken::Stale));
            false
        });
        assert_eq!(refused.err(), Some(NotTaken::Busy));
        assert_eq!(count(&drops), 0);
        let Ok(pin) = t.pin(h) else { panic!("stale") };
        assert!(pin.0 == 7 && !pin.closing());
        // Nor is it asked about one that is in use.
        assert_eq!(t.take_if(h, |_| panic!("asked")).err(), Some(NotTaken::Busy));
        drop(pin);
        let Ok(v) = t.take_if(h, |v| v.0 == 7) else { panic!("refused") };
        assert!(t.pin(h).is_err() && count(&drops) == 0);
        drop(v);
        assert_eq!((count(&drops), t.slots()), (1, 1));
    }

    #[test]
    fn a_slot_is_retired_when_its_generations_are_used_up() {
        let t = Table::new();
        let h = insert(&t, 0);
        let slot = t.slots.get((h & i64::from(MAX_SLOTS - 1)) as u32);
        // As if it had been reused two thousand million times.
        let last = u64::from(MAX_GENERATION);
        if let Some(s) = slot {
            s.state.store(last << GENERATION, Ordering::SeqCst);
        }
        let h = (last << INDEX_BITS) as Handle;
        assert!(h > 0 && h < 1 << 53 && t.pin(h).is_ok());
        assert_eq!(t.close(h, |_, _| ()), Ok(()));
        let next = insert(&t, 1);
        assert_eq!(t.slots(), 2);
        assert_ne!(next & i64::from(MAX_SLOTS - 1), h & i64::from(MAX_SLOTS - 1));
    }

    #[test]
    fn a_reserved_place_is_given_back() {
        let t = Table::new();
        drop(t.reserve().map_err(|_| ()).unwrap_or_else(|()| panic!("full")));
        let h = insert(&t, 1);
        assert_eq!((t.slots(), t.take(h)), (1, Ok(1)));
    }

    #[test]
    fn a_full_table_takes_nothing_until_one_goes() {
        let (t, drops) = (Table::new(), counter());
        let first = insert(&t, Counted(drops.clone()));
        for _ in 1..MOST {
            insert(&t, Counted(drops.clone()));
        }
        for _ in 0..2 {
            assert!(matches!(t.reserve(), Err(Full::Handles)));
            let Err((full, value)) = t.insert(Counted(drops.clone())) else { panic!("not full") };
            assert_eq!((full, count(&drops)), (Full::Handles, 0));
            std::mem::forget(value);
        }
        assert_eq!(t.close(first, |_, _| ()), Ok(()));
        assert_ne!(insert(&t, Counted(drops.clone())), first);
        assert!(matches!(t.reserve(), Err(Full::Handles)));
    }

    #[test]
    fn a_second_closer_is_nobody_inside() {
        let (t, drops) = (Table::new(), counter());
        let h = insert(&t, Counted(drops.clone()));
        let closer = t.pin_to_close(h).unwrap_or_else(|_| panic!("stale"));
        assert!(t.pin_to_close(h).is_err(), "two threads close it");
        assert_eq!(t.close(h, |_, _| ()), Err(Stale));
        assert!(t.pin(h).is_ok(), "until then it can be used");
        assert_eq!(t.close_pinned(h, closer, |_, others| assert_eq!(others, NOBODY)), Ok(()));
        assert_eq!((count(&drops), t.pin(h).is_err()), (1, true));
        // The thread that was about to close it is not in a forked child.
        let h = insert(&t, Counted(drops.clone()));
        std::mem::forget(t.pin_to_close(h));
        t.forget_pins(false);
        assert_eq!(t.close(h, |_, others| assert_eq!(others, NOBODY)), Ok(()));
        assert_eq!(count(&drops), 2);
    }

    #[test]
    fn pins_that_are_forgotten_let_go_at_once_or_when_it_is_settled() {
        let (t, drops) = (Table::new(), counter());
        let [open, closing, kept] = [(); 3].map(|()| insert(&t, Counted(drops.clone())));
        let pins = [open, closing, kept].map(|h| t.pin(h).unwrap_or_else(|_| panic!("stale")));
        assert_eq!(t.close(closing, |_, others| assert!(others.here)), Ok(()));
        t.forget_pins(false);
        pins.into_iter().for_each(std::mem::forget);
        // Nobody is inside any more; what was being closed waits to be let go of.
        assert_eq!(t.close(open, |_, others| assert_eq!(others, NOBODY)), Ok(()));
        assert_eq!(count(&drops), 1);
        t.settle();
        assert_eq!(count(&drops), 2);
        // Forked from within a call: what was pinned stays until that ends.
        std::mem::forget(t.pin(kept));
        t.forget_pins(true);
        assert_eq!(t.take(kept).err(), Some(NotTaken::Busy));
        assert_eq!(
            t.close(kept, |_, others| assert_eq!((others.here, others.gone), (false, true))),
            Ok(())
        );
        assert_eq!(count(&drops), 2);
        t.settle();
        assert_eq!(count(&drops), 3);
    }

    #[test]
    fn many_threads_open_pin_and_close() {
        let (t, drops, stop) = (Table::new(), counter(), AtomicBool::new(false));
        let shared: [AtomicU64; 8] = Default::default();
        let (opened, rounds) = (counter(), 60_000);
        std::thread::scope(|s| {
            for n in 0..2 {
                let (t, drops, shared, opened) = (&t, &drops, &shared, &opened);
                s.spawn(move || {
                    for i in 0..rounds {
                        let h = insert(t, (i, Counted(drops.clone())));
                        opened.fetch_add(1, Ordering::SeqCst);
                        // Publish ours, close whatever was there: another thread may be inside it.
                        let old = shared[(i + n) % 8].swap(h as u64, Ordering::SeqCst);
                        let _ = t.close(old as Handle, |_, _| ());
                    }
                });
            }
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    s.spawn(|| {
                        let mut hits = 0u64;
                        while !stop.load(Ordering::Relaxed) {
                            for place in &shared {
                                let h = place.load(Ordering::SeqCst) as Handle;
                                if let Ok(pin) = t.pin(h) {
                                    assert!(pin.0 < rounds);
                                    hits += 1;
                                }
                            }
                            if count(&opened) == 2 * rounds {
                                break;
                            }
                        }
                        hits
                    })
                })
                .collect();
            for r in readers {
                assert!(r.join().is_ok());
            }
            stop.store(true, Ordering::Relaxed);
        });
        for place in &shared {
            let _ = t.close(place.load(Ordering::SeqCst) as Handle, |_, _| ());
        }
        assert_eq!(count(&drops), 2 * rounds, "every value dropped exactly once");
        assert!(t.slots() < 64, "{} slots for at most 12 live values", t.slots());
    }

    #[test]
    fn a_hundred_thousand_at_once() {
        let t = Table::new();
        let handles: Vec<_> = (0..100_000).map(|i| insert(&t, i)).collect();
        for (i, h) in handles.iter().enumerate() {
            assert_eq!(t.pin(*h).map(|p| *p).ok(), Some(i));
        }
        assert_eq!(t.slots(), 100_000);
        for h in &handles {
            assert_eq!(t.close(*h, |_, _| ()), Ok(()));
        }
    }
}

#[cfg(loom)]
mod model {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    fn table() -> (Arc<Table<Counted>>, Handle, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
        let (t, drops) = (Arc::new(Table::new()), counter());
        let Ok(h) = t.insert(Counted(drops.clone())) else { panic!("full") };
        (t, h, drops)
    }

    #[test]
    fn pin_against_close() {
        loom::model(|| {
            let (t, h, drops) = table();
            let t2 = t.clone();
            let pinner = thread::spawn(move || {
                if let Ok(pin) = t2.pin(h) {
                    // The value is alive for as long as the pin is.
                    assert_eq!(count(&pin.0), 0);
                    drop(pin);
                }
                assert!(t2.pin(h).is_ok() || t2.pin(h).is_err());
            });
            assert_eq!(t.close(h, |_, _| ()), Ok(()));
            assert!(t.pin(h).is_err());
            let _ = pinner.join();
            assert_eq!(count(&drops), 1);
        });
    }

    #[test]
    fn close_against_close() {
        loom::model(|| {
            let (t, h, drops) = table();
            let t2 = t.clone();
            let other = thread::spawn(move || t2.close(h, |_, _| ()).is_ok());
            let mine = t.close(h, |_, _| ()).is_ok();
            let theirs = other.join().unwrap_or(true);
            assert!(mine != theirs, "exactly one close succeeds");
            assert_eq!(count(&drops), 1);
        });
    }

    #[test]
    fn take_against_pin() {
        loom::model(|| {
            let (t, h, drops) = table();
            let t2 = t.clone();
            let pinner = thread::spawn(move || {
                if let Ok(pin) = t2.pin(h) {
                    assert_eq!(count(&pin.0), 0);
                }
            });
            match t.take(h) {
                Ok(v) => {
                    assert_eq!(count(&drops), 0);
                    drop(v);
                }
                Err(e) => assert_eq!(e, NotTaken::Busy),
            }
            let _ = pinner.join();
            let _ = t.close(h, |_, _| ());
            assert_eq!(count(&drops), 1);
        });
    }

    #[test]
    fn reuse_against_a_stale_pin() {
        loom::model(|| {
            let (t, h, drops) = table();
            let t2 = t.clone();
            let stale = thread::spawn(move || {
                if let Ok(pin) = t2.pin(h) {
                    // If it succeeds it is the first value, never the one that reuses the slot.
                    assert_eq!(count(&pin.0), 0);
                }
            });
            assert_eq!(t.close(h, |_, _| ()), Ok(()));
            let second = counter();
            let Ok(h2) = t.insert(Counted(second.clone())) else { panic!("full") };
            assert_ne!(h, h2);
            let _ = stale.join();
            assert_eq!((count(&drops), count(&second)), (1, 0));
            assert_eq!(t.close(h2, |_, _| ()), Ok(()));
            assert_eq!(count(&second), 1);
        });
    }

    /// `close` must not miss a value stored under a pin before `closed_meanwhile`: a poller and the
    /// objects it watches rely on it.
    #[test]
    fn a_close_and_what_was_left_for_it_do_not_miss_each_other() {
        use loom::sync::atomic::{AtomicBool, Ordering};
        loom::model(|| {
            let t = Arc::new(Table::<AtomicBool>::new());
            let Ok(h) = t.insert(AtomicBool::new(false)) else { panic!("full") };
            let t2 = t.clone();
            let adder = thread::spawn(move || {
                let Ok(pin) = t2.pin(h) else { return true };
                pin.store(true, Ordering::Relaxed);
                pin.closed_meanwhile()
            });
            let mut told = false;
            let closed = t.close(h, |left, _| told = left.load(Ordering::Relaxed));
            assert_eq!(closed, Ok(()));
            let saw = adder.join().unwrap_or(false);
            assert!(told || saw);
        });
    }

    #[test]
    fn two_threads_open_and_close() {
        loom::model(|| {
            let (t, drops) = (Arc::new(Table::new()), counter());
            let (t2, d2) = (t.clone(), drops.clone());
            let turn = |t: &Table<Counted>, d: &std::sync::Arc<_>| {
                let Ok(h) = t.insert(Counted(std::sync::Arc::clone(d))) else { panic!("full") };
                assert!(t.pin(h).is_ok());
                assert_eq!(t.close(h, |_, _| ()), Ok(()));
            };
            let other = thread::spawn(move || turn(&t2, &d2));
            turn(&t, &drops);
            let _ = other.join();
            assert_eq!(count(&drops), 2);
        });
    }
}
