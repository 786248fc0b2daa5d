//! A poller's timers: a heap, the earliest first. Only arming allocates.

use std::time::Instant;

use super::places::Places;
use crate::error::{Error, Result};
use crate::sys::memory;

pub(super) struct Timers {
    places: Places<Timer>,
    /// Slots, as a binary heap.
    heap: Vec<u32>,
    armed: u64,
    /// The expiry of the timerfd, if it is set: not later than the earliest timer.
    pub(super) set: Option<Instant>,
}

struct Timer {
    due: Instant,
    /// Orders timers with the same time by their arming.
    order: u64,
    data: u64,
    /// Its index in the heap.
    slot: usize,
}

/// The number of a timer: its generation, and its slot plus one. Below 2^53, so that it survives a
/// double.
const PLACE_BITS: u32 = 22;
const MOST: u32 = (1 << PLACE_BITS) - 1;

impl Timers {
    pub(super) const fn new() -> Timers {
        Timers { places: Places::new(), heap: Vec::new(), armed: 0, set: None }
    }

    /// Adds one; returns its number.
    pub(super) fn arm(&mut self, due: Instant, data: u64) -> Result<i64> {
        if self.heap.len() as u32 >= MOST {
            return Err(Error::os(libc::ENOSPC));
        }
        memory::reserve(&mut self.heap, 1)?;
        self.places.reserve()?;
        self.armed += 1;
        let timer = Timer { due, order: self.armed, data, slot: self.heap.len() };
        let at = self.places.put(timer).ok_or(Error::os(libc::ENOMEM))?;
        self.heap.push(at);
        self.up(self.heap.len() - 1);
        let generation = self.places.token(at) >> 32;
        Ok((generation << PLACE_BITS | u64::from(at + 1)) as i64)
    }

    /// Removes one by its number; false if it does not exist (any more).
    pub(super) fn cancel(&mut self, number: i64) -> bool {
        let (generation, place) = (number as u64 >> PLACE_BITS, number as u64 & u64::from(MOST));
        let token = place.checked_sub(1).map(|at| generation << 32 | at);
        let Some(at) = token.and_then(|token| self.places.find(token)) else { return false };
        let slot = self.places.get(at).map_or(0, |timer| timer.slot);
        self.take(slot).is_some()
    }

    /// The time of the earliest.
    pub(super) fn next(&self) -> Option<Instant> {
        Some(self.timer(0)?.due)
    }

    /// Removes the earliest that is due by `now`; returns its data.
    pub(super) fn fire(&mut self, now: Instant) -> Option<u64> {
        self.timer(0).filter(|timer| timer.due <= now)?;
        self.take(0)
    }

    fn timer(&self, slot: usize) -> Option<&Timer> {
        self.places.get(*self.heap.get(slot)?)
    }

    fn take(&mut self, slot: usize) -> Option<u64> {
        let data = self.timer(slot)?.data;
        let last = self.heap.len() - 1;
        self.swap(slot, last);
        let at = self.heap.pop()?;
        self.places.outdate(at);
        self.places.empty(at);
        if slot < last {
            self.down(slot);
            self.up(slot);
        }
        Some(data)
    }

    fn before(&self, a: usize, b: usize) -> bool {
        match (self.timer(a), self.timer(b)) {
            (Some(a), Some(b)) => (a.due, a.order) < (b.due, b.order),
            _ => false,
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        for slot in [a, b] {
            let timer = self.heap.get(slot).and_then(|at| self.places.get_mut(*at));
            timer.into_iter().for_each(|timer| timer.slot = slot);
        }
    }

    fn up(&mut self, mut slot: usize) {
        while slot > 0 && self.before(slot, (slot - 1) / 2) {
            self.swap(slot, (slot - 1) / 2);
            slot = (slot - 1) / 2;
        }
    }

    fn down(&mut self, mut slot: usize) {
        loop {
            let (left, right) = (2 * slot + 1, 2 * slot + 2);
            let child = if self.before(right, left) { right } else { left };
            if !self.before(child, slot) {
                return;
            }
            self.swap(slot, child);
            slot = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn they_come_in_their_order_and_cancelled_ones_not_at_all() {
        let (mut timers, begun) = (Timers::new(), Instant::now());
        let at = |ms| begun + Duration::from_millis(ms);
        let (mut seed, mut kept, mut numbers) = (1u64, Vec::new(), Vec::new());
        for n in 0..2000u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let due = seed >> 55;
            let Ok(number) = timers.arm(at(due), n) else { panic!("arm") };
            assert!((1..1 << 53).contains(&number));
            numbers.push((number, due, n));
        }
        for (at, (number, due, n)) in numbers.iter().enumerate() {
            if at % 3 == 0 {
                assert!(timers.cancel(*number));
                assert!(!timers.cancel(*number));
            } else {
                kept.push((*due, *n));
            }
        }
        kept.sort_unstable();
        assert_eq!(timers.next(), kept.first().map(|(due, _)| at(*due)));
        let mut fired = Vec::new();
        for ms in 0..=512 {
            while let Some(n) = timers.fire(at(ms)) {
                fired.push((ms, n));
            }
        }
        assert_eq!(fired, kept);
        assert_eq!(timers.next(), None);
        assert!(numbers.iter().all(|(number, ..)| !timers.cancel(*number)), "gone");
        for number in [0, -1, i64::MIN, i64::MAX] {
            assert!(!timers.cancel(number));
        }
    }
}
