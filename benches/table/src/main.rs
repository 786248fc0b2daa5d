//! The handle table alone.
//!
//!     bench-table hot N       one operation: pin and unpin one of 64 entries, spread among N
//!     bench-table random N    the same for entries all over the table, in a random order
//!     bench-table floor N     the floor of `random`: one atomic addition and subtraction in an
//!                             array of N entries of the same size, in the same order

use std::hint::black_box;
use std::io::stdin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use usocket::handle::{Handle, Table};

/// About the size of a socket in a slot.
type Value = [u64; 12];

#[repr(align(128))]
struct Entry(AtomicU64);

/// Answers commands until the input ends, as bench.h does. `at` gives the place of the nth lookup.
fn serve(places: usize, mut look: impl FnMut(usize)) {
    println!("ready");
    for line in stdin().lines() {
        let n: usize = line.unwrap().trim().parse().unwrap();
        let start = Instant::now();
        (0..n).for_each(|i| look(i % places));
        println!("{}", start.elapsed().as_nanos());
    }
}

/// A fixed permutation.
fn shuffle<T>(all: &mut [T]) {
    let mut x = 0x9e37_79b9_7f4a_7c15u64;
    for i in (1..all.len()).rev() {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        all.swap(i, (x % (i as u64 + 1)) as usize);
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n: usize = args[2].parse().unwrap();
    if args[1] == "floor" {
        let entries: Vec<Entry> = (0..n).map(|_| Entry(AtomicU64::new(0))).collect();
        let mut order: Vec<usize> = (0..n).collect();
        shuffle(&mut order);
        return serve(n, |i| {
            let entry = &entries[order[i]].0;
            entry.fetch_add(1, Relaxed);
            entry.fetch_sub(black_box(1), Relaxed);
        });
    }
    let table: Table<Value> = Table::new();
    let mut handles: Vec<Handle> =
        (0..n).map(|i| table.insert([i as u64; 12]).ok().unwrap()).collect();
    if args[1] == "hot" {
        handles = handles.into_iter().step_by(n.div_ceil(64)).collect();
    } else {
        shuffle(&mut handles);
    }
    serve(handles.len(), |i| _ = black_box(&table.pin(handles[i]).ok().unwrap()[0]));
}
