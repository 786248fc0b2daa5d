//! Those who receive over one TLS session take turns: one waits for input, the others for it to come
//! back. The steps are those of `receive_first`, `wait_for_input` and `wait_for_turn` in
//! `src/tls/session/run.rs`, and of `Engine::fill` for who does not wait.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

use crate::receiver::Receiver;
use crate::sys::fork::Lock;
use crate::sys::futex;

struct Session {
    /// The engine: the bytes that came in, how many of them, and how many of these were taken.
    engine: Lock<([u32; BYTES], usize, usize)>,
    receiver: Receiver,
    queue: AtomicU32,
    turn: AtomicU32,
    /// The kernel's: which byte is next.
    stream: AtomicU32,
}

const BYTES: usize = 6;

impl Session {
    fn new() -> Arc<Session> {
        Arc::new(Session {
            engine: Lock::new(([0; BYTES], 0, 0)),
            receiver: Receiver::default(),
            queue: AtomicU32::new(0),
            turn: AtomicU32::new(0),
            stream: AtomicU32::new(0),
        })
    }

    /// recv(2) of one byte.
    fn recv(&self) -> u32 {
        self.stream.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits in recv(2) with the place held, and comes back with a byte.
    fn bring(&self) {
        let byte = self.recv();
        let mut engine = self.engine.lock().unwrap();
        let (bytes, here, _) = &mut *engine;
        bytes[*here] = byte;
        *here += 1;
        self.receiver.give_back();
        if self.queue.load(Ordering::Relaxed) > 0 {
            self.turn.fetch_add(1, Ordering::Relaxed);
            futex::wake_all(&self.turn);
        }
    }

    /// Takes one byte, waiting for it.
    fn receive(&self) {
        if self.receiver.take_open() {
            self.bring();
        }
        loop {
            let mut engine = self.engine.lock().unwrap();
            let (_, here, taken) = &mut *engine;
            if *taken < *here {
                *taken += 1;
                if *taken == *here {
                    self.receiver.open();
                }
                return;
            }
            if !self.receiver.take() {
                self.queue.fetch_add(1, Ordering::Relaxed);
                let turn = self.turn.load(Ordering::Relaxed);
                drop(engine);
                let _ = futex::wait(&self.turn, turn, None);
                self.queue.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            drop(engine);
            self.bring();
        }
    }

    /// Finds out whether there is a byte, as a poll does: what comes in stays for who receives.
    fn look(&self) {
        let mut engine = self.engine.lock().unwrap();
        if self.receiver.shut() {
            let byte = self.recv();
            let (bytes, here, _) = &mut *engine;
            bytes[*here] = byte;
            *here += 1;
        }
    }

    /// The input is in the order in which it was sent.
    fn is_in_order(&self) {
        let (bytes, here, _) = *self.engine.lock().unwrap();
        assert!(bytes[..here].iter().zip(0..).all(|(byte, at)| *byte == at));
    }
}

fn check(body: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(body);
}

#[test]
fn who_waits_for_a_turn_gets_it() {
    check(|| {
        let session = Session::new();
        let other = session.clone();
        let thread = thread::spawn(move || other.receive());
        session.receive();
        thread.join().unwrap();
        session.is_in_order();
    });
}

#[test]
fn who_receives_without_the_lock_is_not_overtaken() {
    check(|| {
        let session = Session::new();
        session.receive();
        let other = session.clone();
        let thread = thread::spawn(move || other.receive());
        session.look();
        thread.join().unwrap();
        session.is_in_order();
    });
}
