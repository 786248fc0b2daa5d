//! Locks and forks, with real threads and real children.

use super::*;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Runs `body` in a forked child, and gives whether it came to `true` in time.
fn in_a_child(body: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs only `body`, and leaves without unwinding into the test harness.
    unsafe {
        match libc::fork() {
            0 => {
                libc::alarm(20);
                libc::_exit(i32::from(!body()));
            }
            child => {
                let mut status = 0;
                libc::waitpid(child, &mut status, 0);
                status == 0
            }
        }
    }
}

#[test]
fn a_lock_excludes() {
    let (lock, threads) = (Lock::new(0u64), 4);
    std::thread::scope(|s| {
        for _ in 0..threads {
            s.spawn(|| (0..20_000).for_each(|_| *lock.lock().unwrap_or_else(|_| panic!()) += 1));
        }
    });
    assert_eq!(lock.lock().map(|n| *n), Ok(threads * 20_000));
    let held = lock.lock();
    std::thread::scope(|s| {
        s.spawn(|| assert!(lock.lock_within(Duration::from_millis(5)).is_none()));
    });
    drop(held);
    assert!(lock.lock_within(Duration::from_secs(60)).is_some());
}

#[test]
fn a_child_finds_locks_free_that_are_busy_in_the_parent() {
    let (lock, stop) = (Lock::new((0u64, 0u64)), AtomicBool::new(false));
    std::thread::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(mut pair) = lock.lock() else { panic!("lost") };
                    pair.0 += 1;
                    (0..50).for_each(|_| std::hint::spin_loop());
                    pair.1 += 1;
                }
            });
        }
        for _ in 0..100 {
            assert!(in_a_child(|| lock.lock().is_ok_and(|pair| pair.0 == pair.1)));
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_lock_held_in_the_hosts_code_is_lost_to_another_threads_child_and_kept_by_its_own() {
    let (lock, there, done) = (Lock::new(7), AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|s| {
        s.spawn(|| {
            let Ok(guard) = lock.lock() else { panic!("lost") };
            host(|| {
                there.store(true, Ordering::Release);
                while !done.load(Ordering::Acquire) {
                    std::thread::yield_now();
                }
            });
            assert!(in_a_child(|| host(|| *guard == 7) && {
                drop(guard);
                lock.lock().is_ok()
            }));
        });
        while !there.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        let begun = Instant::now();
        assert!(in_a_child(|| lock.lock().is_err()));
        assert!(begun.elapsed() < PATIENCE, "the fork waited for the host's code");
        done.store(true, Ordering::Release);
    });
    assert_eq!(lock.lock().map(|n| *n), Ok(7));
}
