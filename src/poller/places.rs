//! Storage of a poller's entries: numbered slots with intrusive lists. Only a new slot allocates.

use crate::error::Result;
use crate::sys::memory;

const END: u32 = u32::MAX;

/// Slots for `T`, each empty or not.
pub(super) struct Places<T> {
    all: Vec<Place<T>>,
    free: List,
}

struct Place<T> {
    /// Changes when the slot is emptied.
    generation: u32,
    /// Its neighbours in its list.
    before: u32,
    next: u32,
    value: Option<T>,
}

/// A queue of slots. A slot is in at most one.
pub(super) struct List {
    first: u32,
    last: u32,
    len: usize,
}

impl List {
    pub(super) const EMPTY: List = List { first: END, last: END, len: 0 };

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push<T>(&mut self, places: &mut Places<T>, at: u32) {
        self.link(&mut places.all, at);
    }

    pub(super) fn pop<T>(&mut self, places: &mut Places<T>) -> Option<u32> {
        let at = self.first;
        self.unlink(&mut places.all, at)
    }

    /// Removes a slot from this list.
    pub(super) fn remove<T>(&mut self, places: &mut Places<T>, at: u32) {
        self.unlink(&mut places.all, at);
    }

    fn link<T>(&mut self, all: &mut [Place<T>], at: u32) {
        let Some(place) = all.get_mut(at as usize) else { return };
        (place.before, place.next) = (self.last, END);
        match all.get_mut(self.last as usize) {
            Some(last) => last.next = at,
            None => self.first = at,
        }
        self.last = at;
        self.len += 1;
    }

    fn unlink<T>(&mut self, all: &mut [Place<T>], at: u32) -> Option<u32> {
        let place = all.get(at as usize)?;
        let (before, next) = (place.before, place.next);
        match all.get_mut(before as usize) {
            Some(place) => place.next = next,
            None => self.first = next,
        }
        match all.get_mut(next as usize) {
            Some(place) => place.before = before,
            None => self.last = before,
        }
        self.len -= 1;
        Some(at)
    }
}

impl<T> Places<T> {
    pub(super) const fn new() -> Self {
        Places { all: Vec::new(), free: List::EMPTY }
    }

    /// The number of slots, including empty ones.
    pub(super) fn len(&self) -> u32 {
        self.all.len() as u32
    }

    /// Makes sure that there is an empty slot.
    pub(super) fn reserve(&mut self) -> Result<()> {
        if self.free.len == 0 {
            memory::reserve(&mut self.all, 1)?;
            self.all.push(Place { generation: 0, before: END, next: END, value: None });
            let last = self.len() - 1;
            self.free.link(&mut self.all, last);
        }
        Ok(())
    }

    /// The token of the slot that the next [`Places::put`] uses.
    pub(super) fn next(&self) -> u64 {
        self.token(self.free.first)
    }

    /// Fills the slot of [`Places::next`].
    pub(super) fn put(&mut self, value: T) -> Option<u32> {
        let at = self.free.first;
        self.free.unlink(&mut self.all, at)?;
        self.all.get_mut(at as usize)?.value = Some(value);
        Some(at)
    }

    pub(super) fn get(&self, at: u32) -> Option<&T> {
        self.all.get(at as usize)?.value.as_ref()
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.all.get_mut(at as usize)?.value.as_mut()
    }

    /// Replaces the value of a slot.
    pub(super) fn set(&mut self, at: u32, value: T) {
        if let Some(place) = self.all.get_mut(at as usize) {
            place.value = Some(value);
        }
    }

    /// The token of a slot: its number and generation.
    pub(super) fn token(&self, at: u32) -> u64 {
        let generation = self.all.get(at as usize).map_or(0, |place| place.generation);
        u64::from(generation) << 32 | u64::from(at)
    }

    /// The slot of a token, unless its generation has changed.
    pub(super) fn find(&self, token: u64) -> Option<u32> {
        (self.get(token as u32).is_some() && self.token(token as u32) == token)
            .then_some(token as u32)
    }

    /// Finds what is in the place of a token, unless its generation is over.
    #[inline(always)]
    pub(super) fn finder<'a>(&'a self) -> impl Fn(u64) -> Option<&'a T> + 'a {
        let all = self.all.as_slice();
        move |token| {
            let place = all.get(token as u32 as usize)?;
            if place.generation == (token >> 32) as u32 { place.value.as_ref() } else { None }
        }
    }

    /// Every non-empty slot, with its token.
    pub(super) fn all(&mut self) -> impl Iterator<Item = (u64, &mut T)> {
        self.all.iter_mut().zip(0u64..).filter_map(|(place, at)| {
            Some((u64::from(place.generation) << 32 | at, place.value.as_mut()?))
        })
    }

    /// Makes all tokens of a slot stale.
    pub(super) fn outdate(&mut self, at: u32) {
        if let Some(place) = self.all.get_mut(at as usize) {
            place.generation = place.generation.wrapping_add(1) & (u32::MAX >> 1);
        }
    }

    /// Empties a slot that is in no list.
    pub(super) fn empty(&mut self, at: u32) {
        if let Some(place) = self.all.get_mut(at as usize) {
            place.value = None;
            self.free.link(&mut self.all, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_and_old_tokens_find_nothing() {
        let (mut places, mut list) = (Places::new(), List::EMPTY);
        let put = |places: &mut Places<u8>, value| {
            assert_eq!(places.reserve(), Ok(()));
            let token = places.next();
            let at = places.put(value);
            assert_eq!(places.find(token), at);
            (token, at.unwrap_or(END))
        };
        let (a, b) = (put(&mut places, 1), put(&mut places, 2));
        list.push(&mut places, b.1);
        list.push(&mut places, a.1);
        assert_eq!((list.pop(&mut places), list.len()), (Some(b.1), 1));
        list.push(&mut places, b.1);
        list.remove(&mut places, a.1);
        assert_eq!((list.pop(&mut places), list.pop(&mut places)), (Some(b.1), None));
        places.outdate(a.1);
        assert_eq!((places.find(a.0), places.get(a.1)), (None, Some(&1)));
        places.empty(a.1);
        let c = put(&mut places, 3);
        assert_eq!((c.1, places.find(a.0), places.len()), (a.1, None, 2));
    }
}
