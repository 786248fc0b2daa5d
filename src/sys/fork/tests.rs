//! Locks and forks, with real threads and real children.

use super::*;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Whether `body` came to `true`. (A panic ends the thread, and with its last thread a process ends as if
/// all were well.)
fn held_up(body: impl FnOnce() -> bool) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(false)
}

/// Runs `body` in a forked child, and gives whether it came to `true` in time.
fn in_a_child(body: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs only `body`, and leaves without unwinding into the test harness.
    unsafe {
        match libc::fork() {
            0 => {
                libc::alarm(60);
                libc::_exit(i32::from(!held_up(body)));
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

/// The shortest of some forks: a machine may be busy, but not each time for so long.
fn quickest_fork(body: impl Fn() -> bool) -> Duration {
    let once = |_| {
        let begun = Instant::now();
        // SAFETY: the child runs only `body`, and leaves without unwinding into the test harness.
        let child = unsafe { libc::fork() };
        let took = begun.elapsed();
        if child == 0 {
            // SAFETY: plain calls.
            unsafe {
                libc::alarm(60);
                libc::_exit(i32::from(!held_up(&body)));
            }
        }
        let mut status = 0;
        // SAFETY: a child of this process, and room for its status.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(status, 0);
        took
    };
    (0..5).map(once).min().unwrap_or_default()
}

/// As a signal handler may do it within a call: a thread does not wait for itself, and its child is
/// inside as it was.
#[test]
fn a_thread_that_forks_inside_does_not_wait_for_itself() {
    // In a child, so that forks of other tests need not wait for this one.
    assert!(in_a_child(|| {
        let inside = stay();
        let fork_again = || quickest_fork(|| true) < PATIENCE;
        let here = fork_again();
        let there = in_a_child(|| {
            drop(inside);
            fork_again()
        });
        here && there
    }));
}

/// Whoever comes back from outside is as far inside as before: not at all, or with a lock.
#[test]
fn nobody_is_left_inside_by_a_wait_outside() {
    let lock = Lock::new(3);
    assert!(in_a_child(|| {
        outside(|| ());
        let first = quickest_fork(|| true);
        let held = lock.lock();
        outside(|| ());
        drop(held);
        let second = quickest_fork(|| lock.lock().is_ok_and(|n| *n == 3));
        first < PATIENCE && second < PATIENCE
    }));
}

#[test]
fn a_lock_is_waited_for() {
    let lock = Lock::new(7);
    let held = lock.lock();
    std::thread::scope(|s| {
        let waits = s.spawn(|| lock.lock_within(Duration::from_secs(60)).is_some_and(|n| *n == 7));
        std::thread::sleep(Duration::from_millis(100));
        drop(held);
        assert!(waits.join().unwrap_or(false));
    });
}
