//! Those who receive over one TLS session take turns: one waits for input, the others for it to come
//! back. The steps are those of `wait_for_input` and `wait_for_turn` in `src/tls/session/run.rs`.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

use crate::sys::fork::Lock;
use crate::sys::futex;

struct Session {
    /// The engine: whether its receiver's place is held, and what there is to be taken.
    engine: Lock<(bool, u32)>,
    queue: AtomicU32,
    turn: AtomicU32,
}

impl Session {
    /// Takes one byte; the first to wait brings two.
    fn receive(&self) {
        loop {
            let mut engine = self.engine.lock().unwrap();
            if engine.1 > 0 {
                engine.1 -= 1;
                return;
            }
            if engine.0 {
                self.queue.fetch_add(1, Ordering::Relaxed);
                let turn = self.turn.load(Ordering::Relaxed);
                drop(engine);
                let _ = futex::wait(&self.turn, turn, None);
                self.queue.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            engine.0 = true;
            drop(engine);
            // Here it waits in recv(2).
            let mut engine = self.engine.lock().unwrap();
            engine.1 += 2;
            engine.0 = false;
            if self.queue.load(Ordering::Relaxed) > 0 {
                self.turn.fetch_add(1, Ordering::Relaxed);
                futex::wake_all(&self.turn);
            }
        }
    }
}

#[test]
fn who_waits_for_a_turn_gets_it() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let engine = Lock::new((false, 0));
        let session =
            Arc::new(Session { engine, queue: AtomicU32::new(0), turn: AtomicU32::new(0) });
        let other = session.clone();
        let thread = thread::spawn(move || other.receive());
        session.receive();
        thread.join().unwrap();
    });
}
