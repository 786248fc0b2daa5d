//! A session in two processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::support::*;
use super::threads::blocked;
use crate::error::Result;
use crate::object;

#[test]
fn a_forked_child_does_not_wait_for_a_thread_it_has_not() {
    let (client, server) = contexts();
    let (a, b) = connected(&client, &server);
    thread::scope(|scope| {
        let first = blocked(scope, &a);
        // SAFETY: the child makes calls of this library, and ends without the harness noticing.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: plain calls; the alarm is for the case that it waits for ever.
            unsafe {
                libc::alarm(10);
                let end = recv(&a, 10);
                libc::_exit(if end.is_err() { 0 } else { 1 });
            }
        }
        until_it_waits(child);
        // SAFETY: the descriptor is b's; this is the end, for both processes.
        unsafe { libc::shutdown(b.fileno(), libc::SHUT_RDWR) };
        assert!(first.join().unwrap().is_err());
        let mut status = 0;
        // SAFETY: a child of this process, and room for its status.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(status, 0);
    });
}

/// Runs `body` in a forked child, which ends with its answer.
pub fn in_child(body: impl FnOnce() -> i32) -> Box<dyn FnOnce() -> i32> {
    // SAFETY: the child makes calls of this library, and ends without the harness noticing.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: plain calls; the alarm is for the case that it waits for ever.
        unsafe {
            libc::alarm(60);
            // A panic ends the thread, and with its last thread a process ends as if all were well.
            let body = std::panic::AssertUnwindSafe(body);
            libc::_exit(std::panic::catch_unwind(body).unwrap_or(99))
        }
    }
    Box::new(move || {
        let mut status = 0;
        // SAFETY: a child of this process, and room for its status.
        unsafe { libc::waitpid(child, &mut status, 0) };
        if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -1 }
    })
}

/// Runs a test in a process of its own: where another test forks, who closes a connection without
/// having used it since says no goodbye.
pub fn alone(body: impl FnOnce()) {
    let body = || {
        body();
        0
    };
    assert_eq!(in_child(body)(), 0);
}

const FORKED: i32 = crate::error::causes::USOCKET_ETLS_FORKED;

#[test]
fn after_a_fork_one_process_goes_on() {
    let (client, server) = contexts();
    for child_first in [true, false] {
        let (a, b) = connected(&client, &server);
        a.send(b"before", 0).unwrap();
        let turn = Turn::new();
        let used = |first: bool| {
            if !first {
                turn.wait();
            }
            let result = match a.send(b"after", 0) {
                Ok(5) => 1,
                Err(e) if e.code() == FORKED => {
                    // For ever, for both directions, and without a word to the peer.
                    assert_eq!(recv(&a, 1).unwrap_err().code(), FORKED);
                    assert_eq!(a.send(b"x", 0).unwrap_err().code(), FORKED);
                    a.farewell();
                    2
                }
                _ => 3,
            };
            if first {
                turn.go();
            }
            result
        };
        let child = in_child(|| used(child_first));
        let (mine, theirs) = (used(!child_first), child());
        assert_eq!((mine, theirs), if child_first { (2, 1) } else { (1, 2) });
        assert_eq!(read(&b, 11).unwrap(), b"beforeafter");
        b.send(b"answer", 0).unwrap();
        match mine {
            1 => assert_eq!(recv(&a, 10).unwrap(), b"answer"),
            _ => assert_eq!(recv(&a, 10).unwrap_err().code(), FORKED),
        }
    }
}

/// A thread that has received everything waits for more without checking the session: but not after
/// a fork.
#[test]
fn after_a_fork_nobody_waits_for_what_is_the_others() {
    let (client, server) = contexts();
    let (a, b) = connected(&client, &server);
    b.send(b"before", 0).unwrap();
    assert_eq!(recv(&a, 6).unwrap(), b"before");
    let turn = Turn::new();
    let child = in_child(|| {
        let claimed = a.send(b"mine", 0) == Ok(4);
        turn.go();
        i32::from(claimed && recv(&a, 5).is_ok_and(|got| got == b"later"))
    });
    turn.wait();
    assert_eq!(recv(&a, 5).unwrap_err().code(), FORKED);
    b.send(b"later", 0).unwrap();
    assert_eq!(child(), 1);
}

/// A process that has not used it since the fork closes it: it takes neither the other's data nor its
/// connection.
#[test]
fn a_close_of_who_did_not_use_it_takes_nothing() {
    let (client, server) = contexts();
    let (a, b) = connected(&client, &server);
    a.settimeout(LONG.as_micros() as i64).unwrap();
    let a = object::insert(a).unwrap();
    let (used, closed) = (Turn::new(), Turn::new());
    let child = in_child(|| {
        let claimed = on(a, |s| s.send(b"mine", 0)) == Ok(4);
        used.go();
        closed.wait();
        let got = on(a, |s| recv(s, 20));
        i32::from(claimed && got.is_ok_and(|got| got == b"for the child"))
    });
    used.wait();
    assert_eq!(recv(&b, 10).unwrap(), b"mine");
    b.send(b"for the child", 0).unwrap();
    object::close(a).unwrap();
    closed.go();
    assert_eq!(child(), 1);
}

#[test]
fn at_once_in_both_processes_one_goes_on() {
    let (client, server) = contexts();
    for _ in 0..30 {
        let (a, b) = connected(&client, &server);
        let go = Instant::now() + Duration::from_millis(10);
        let use_it = || {
            while Instant::now() < go {
                std::hint::spin_loop();
            }
            match a.send(b"mine", 0) {
                Ok(4) => 1,
                Err(e) if e.code() == FORKED => 2,
                _ => 3,
            }
        };
        let child = in_child(use_it);
        let mut both = [use_it(), child()];
        both.sort_unstable();
        assert_eq!(both, [1, 2]);
        assert_eq!(recv(&b, 100).unwrap(), b"mine");
    }
}

#[test]
fn who_does_not_use_it_leaves_it_to_the_other_and_to_its_children() {
    let (client, server) = contexts();
    let (a, b) = connected(&client, &server);
    // A child that only closes, one after the other; then a grandchild that goes on.
    for _ in 0..3 {
        let child = in_child(|| {
            a.farewell();
            0
        });
        assert_eq!(child(), 0);
        a.send(b"still here", 0).unwrap();
        assert_eq!(recv(&b, 20).unwrap(), b"still here");
    }
    let child = in_child(|| {
        a.send(b"child", 0).unwrap();
        let grandchild = in_child(|| i32::from(a.send(b"grandchild", 0).is_err()));
        let result = grandchild();
        a.farewell();
        result
    });
    assert_eq!(child(), 0);
    // The grandchild has it, and has ended without a word.
    a.farewell();
    assert_eq!(read(&b, 15).unwrap(), b"childgrandchild");
    drop(a);
    assert!(recv(&b, 1).is_err());
}

#[test]
fn two_threads_that_close_at_once_are_one_process() {
    let (client, server) = contexts();
    let case = || {
        let (a, b) = connected(&client, &server);
        let turn = Turn::new();
        let child = in_child(|| {
            turn.wait();
            a.farewell();
            0
        });
        // As both do, before either has closed it.
        a.farewell();
        a.farewell();
        turn.go();
        assert_eq!(child(), 0);
        drop(a);
        i32::from(recv(&b, 1) != Ok(Vec::new()))
    };
    // In a process of its own: other tests fork too.
    assert_eq!(in_child(case)(), 0);
}

#[test]
fn a_child_that_closes_in_the_callback_leaves_the_session_to_its_parent() {
    let (client, server) = contexts();
    let case = || {
        let (a, b) = pair();
        let (a, b) = (object::insert(a).unwrap(), object::insert(b).unwrap());
        let child = Arc::new(AtomicI32::new(-1));
        let theirs = child.clone();
        let callback = move |_: &[u8], depth: i32| {
            if depth == 0 {
                // SAFETY: the child goes on with its call, and ends behind it.
                theirs.store(unsafe { libc::fork() }, SeqCst);
                match theirs.load(SeqCst) {
                    0 => object::close(a).unwrap(),
                    // SAFETY: a child of this process.
                    child => _ = unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) },
                }
            }
            0
        };
        client.set_callback(Some(Arc::new(callback))).unwrap();
        on(a, |a| wrap(a, &client, Some(NAME)).pending(a));
        on(b, |b| wrap(b, &server, None).pending(b));
        let server = thread::spawn(move || on(b, |b| recv(b, 10)));
        let socket = object::pin(a).unwrap();
        let shaken = socket.socket().unwrap().tls().unwrap().handshake(socket.socket().unwrap());
        if child.load(SeqCst) == 0 {
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) }
        }
        drop(socket);
        let sent = on(a, |a| a.send(b"parent", 0));
        let got = server.join().unwrap();
        i32::from(shaken.is_err() || sent != Ok(6) || got != Ok(b"parent".to_vec()))
    };
    // In a process of its own: other tests fork too.
    assert_eq!(in_child(case)(), 0);
}

#[test]
fn who_goes_without_closing_leaves_the_goodbye_to_the_other() {
    let (client, server) = contexts();
    let case = |execs: bool| {
        let (a, b) = connected(&client, &server);
        // Something of the peer's is unread, and much of ours has not arrived.
        b.send(b"unread", 0).unwrap();
        let sent = a.send(&[5; 60_000], libc::MSG_DONTWAIT).unwrap();
        let child = in_child(|| {
            if execs {
                let (path, end) = (c"/bin/true".as_ptr(), std::ptr::null::<libc::c_char>());
                // SAFETY: strings, and the end of them.
                unsafe { libc::execl(path, path, end) };
            }
            0
        });
        assert_eq!(child(), 0);
        a.farewell();
        drop(a);
        let all = read(&b, sent).map(|all| all.len());
        i32::from(all != Ok(sent) || recv(&b, 1) != Ok(Vec::new()))
    };
    for execs in [false, true] {
        assert_eq!(in_child(|| case(execs))(), 0, "{execs}");
    }
}

#[test]
fn what_was_sent_before_a_fork_arrives_when_nobody_uses_it_after() {
    let (client, server) = contexts();
    let case = |parent_first: bool| {
        let (a, b) = connected(&client, &server);
        // Something of the peer's is unread, and much of ours has not arrived.
        b.send(b"unread", 0).unwrap();
        let sent = a.send(&[5; 60_000], libc::MSG_DONTWAIT).unwrap();
        let turn = Turn::new();
        let child = in_child(|| {
            if parent_first {
                turn.wait();
            }
            a.farewell();
            0
        });
        if parent_first {
            a.farewell();
            drop(a);
            turn.go();
            child();
        } else {
            child();
            a.farewell();
            drop(a);
        }
        let all = read(&b, sent).map(|all| all.len());
        i32::from(all != Ok(sent) || recv(&b, 1) != Ok(Vec::new()))
    };
    // In processes of their own: other tests fork too.
    assert_eq!(in_child(|| case(true))(), 0);
    assert_eq!(in_child(|| case(false))(), 0);
}

/// A client whose verify callback forks; the child's answer is `theirs`, or it ends there. Returns
/// the result of the handshake at both ends, and whether data passes then.
fn callback_forks(mine: i32, theirs: Option<i32>) -> (Result<()>, Result<()>, bool) {
    let (client, server) = contexts();
    let (a, b) = pair();
    let child = Arc::new(AtomicI32::new(-1));
    let forked = child.clone();
    let callback = move |_: &[u8], depth: i32| {
        if depth != 0 {
            return 0;
        }
        // SAFETY: the child goes on with its call, and ends behind it.
        match (unsafe { libc::fork() }, theirs) {
            // SAFETY: ends the child.
            (0, None) => unsafe { libc::_exit(0) },
            (0, Some(theirs)) => {
                forked.store(0, SeqCst);
                theirs
            }
            (child, _) => {
                let mut status = 0;
                // SAFETY: a child of this process, and room for its status.
                unsafe { libc::waitpid(child, &mut status, 0) };
                assert_eq!(status, 0);
                mine
            }
        }
    };
    client.set_callback(Some(Arc::new(callback))).unwrap();
    let (sa, sb) = (wrap(&a, &client, Some(NAME)), wrap(&b, &server, None));
    thread::scope(|scope| {
        let other = scope.spawn(|| sb.handshake(&b));
        let shaken = sa.handshake(&a);
        if child.load(SeqCst) == 0 {
            // The parent's connection goes on, whatever the child does with its refused one.
            let code = |r: Result<usize>| r.map_or_else(|e| e.code(), |_| 0);
            let theirs = shaken.as_ref().map_or_else(|e| e.code(), |()| 0);
            let told = [code(a.send(b"child", 0)), code(recv(&a, 1).map(|_| 0)), theirs];
            let told = told.iter().all(|c| *c == theirs);
            a.farewell();
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(!told)) }
        }
        let sent = a.send(b"parent", 0) == Ok(6);
        let _ = shaken.is_err() && a.shutdown(libc::SHUT_WR).is_ok();
        let other = other.join().unwrap();
        let got = sent && recv(&b, 10) == Ok(b"parent".to_vec());
        (shaken, other, got)
    })
}

#[test]
fn a_child_that_refuses_in_the_callback_says_nothing_to_the_peer() {
    // In a process of its own: other tests fork too.
    let case = || {
        let (client, server, arrived) = callback_forks(0, Some(1));
        i32::from(client.is_err()) | i32::from(server.is_err()) << 1 | i32::from(!arrived) << 2
    };
    assert_eq!(in_child(case)(), 0);
}

#[test]
fn who_refuses_in_the_callback_says_why_although_it_has_forked_there() {
    use crate::error::causes::*;
    for theirs in [None, Some(1)] {
        let case = || {
            let (client, server, _) = callback_forks(1, theirs);
            let refused = client.is_err_and(|e| e.code() == USOCKET_ETLS_CERT_REFUSED);
            let told = server.is_err_and(|e| (-10755..=-10500).contains(&e.code()));
            i32::from(!refused) | i32::from(!told) << 1
        };
        assert_eq!(in_child(case)(), 0, "{theirs:?}");
    }
}
