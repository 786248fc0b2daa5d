//! The lookups of a race and their results so far.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::error::{Error, Result, explain};
use crate::numbers::{USOCKET_EAI_ADDRFAMILY, USOCKET_EAI_NODATA, USOCKET_EAI_NONAME};
use crate::resolve::{Lookup, answer_at_once};
use crate::sys::memory;
use crate::sys::names::{Answer, Query};

/// "Resolution Delay" of RFC 8305, section 3: how long IPv4 answers wait for IPv6 ones.
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// Addresses to try, and lookups under way. IPv6 and IPv4 are queried separately, so that a name
/// server that ignores one of the queries does not delay the other.
#[derive(Default)]
pub(super) struct Lookups {
    asked: Vec<Lookup>,
    /// By family, in the resolver's order.
    queues: Vec<(i32, VecDeque<Answer>)>,
    /// The family that was tried last; 0 before the first.
    last: i32,
    /// The time until which IPv4 addresses wait for IPv6 ones.
    wait: Option<Instant>,
    error: Option<Error>,
}

impl Lookups {
    /// Starts the lookups, only for addresses of `family` unless it is 0.
    ///
    /// # Errors
    /// Those of the resolver; EAFNOSUPPORT when there are addresses, of other families only.
    pub(super) fn start(mut query: Query, family: i32) -> Result<Lookups> {
        let mut lookups = Lookups::default();
        if let Some(answer) = answer_at_once(&query) {
            let mut answers = answer?;
            answers.retain(|a| family == 0 || a.family == family);
            if answers.is_empty() {
                let e = Error::os(libc::EAFNOSUPPORT);
                return Err(explain(e, "the host has no address of the source address's family"));
            }
            lookups.add(answers)?;
            return Ok(lookups);
        }
        let both = [libc::AF_INET6, libc::AF_INET];
        for one in both.into_iter().filter(|one| family == 0 || family == *one) {
            query.family = one;
            let lookup = Lookup::start(query.try_clone()?)?;
            memory::push(&mut lookups.asked, lookup)?;
        }
        Ok(lookups)
    }

    /// Takes finished lookups.
    pub(super) fn take(&mut self, now: Instant) {
        let (mut at, mut six_may_come) = (0, false);
        while at < self.asked.len() {
            let Some(answer) = self.asked[at].step(now) else {
                six_may_come |= self.asked[at].query().family == libc::AF_INET6;
                at += 1;
                continue;
            };
            match answer.and_then(|answers| self.add(answers)) {
                // IPv6 comes first, in whatever order the responses came.
                Ok(()) => {
                    let six = |(family, _): &(i32, _)| *family == libc::AF_INET6;
                    if let Some(at) = self.queues.iter().position(six) {
                        self.queues.swap(0, at);
                    }
                }
                Err(e) => self.error = Some(self.error.map_or(e, |old| worse(old, e))),
            }
            self.asked.swap_remove(at);
        }
        let four_came = self.queues.iter().any(|(family, _)| *family == libc::AF_INET);
        match self.wait {
            None if four_came && six_may_come => self.wait = Some(now + RESOLUTION_DELAY),
            Some(_) if !six_may_come => self.wait = Some(now),
            _ => {}
        }
    }

    fn add(&mut self, answers: Vec<Answer>) -> Result<()> {
        for answer in answers {
            let family = answer.family;
            if !self.queues.iter().any(|(of, _)| *of == family) {
                memory::push(&mut self.queues, (family, VecDeque::new()))?;
            }
            if let Some((_, queue)) = self.queues.iter_mut().find(|(of, _)| *of == family) {
                queue.try_reserve(1).map_err(|_| Error::os(libc::ENOMEM))?;
                queue.push_back(answer);
            }
        }
        Ok(())
    }

    /// The address to try next, with alternating families; none before [`Lookups::until`].
    pub(super) fn next(&mut self, now: Instant) -> Option<Answer> {
        if self.until(now).is_some() {
            return None;
        }
        let last = self.last;
        let full = |q: &&mut (i32, VecDeque<Answer>)| !q.1.is_empty();
        let queues = &mut self.queues;
        let other = queues.iter_mut().filter(full).position(|(family, _)| *family != last);
        let (family, queue) = queues.iter_mut().filter(full).nth(other.unwrap_or(0))?;
        self.last = *family;
        queue.pop_front()
    }

    /// Puts back an address that could not be tried.
    pub(super) fn put_back(&mut self, answer: Answer) {
        // The queue has space, since the address came from it.
        if let Some((_, queue)) = self.queues.iter_mut().find(|(of, _)| *of == answer.family) {
            queue.push_front(answer);
        }
    }

    /// The number of addresses not tried yet.
    pub(super) fn waiting(&self) -> usize {
        self.queues.iter().map(|(_, queue)| queue.len()).sum()
    }

    /// The time of the next step if no message comes before.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        self.asked.iter().filter_map(Lookup::until).chain(self.until(now)).min()
    }

    /// The time until which the available addresses wait for IPv6 ones.
    fn until(&self, now: Instant) -> Option<Instant> {
        self.wait.filter(|until| *until > now && self.last == 0 && self.waiting() > 0)
    }

    /// Whether all lookups have finished.
    pub(super) fn all_in(&self) -> bool {
        self.asked.is_empty()
    }

    /// The resolver's error.
    pub(super) fn error(&self) -> Option<Error> {
        self.error
    }

    /// Adds what to poll for.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn watch(&self, fds: &mut Vec<libc::pollfd>) -> Result<()> {
        self.asked.iter().try_for_each(|asked| asked.watch(fds))
    }
}

/// The more important of two resolver errors: first no response, then no address, then no such
/// name.
fn worse(old: Error, new: Error) -> Error {
    let rank = |e: Error| match e.code() {
        USOCKET_EAI_NONAME => 0,
        USOCKET_EAI_ADDRFAMILY => 1,
        USOCKET_EAI_NODATA => 2,
        _ => 3,
    };
    if rank(new) > rank(old) { new } else { old }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Addr;
    use crate::resolve::unanswered;

    fn address(family: i32, text: &str) -> Vec<Answer> {
        let Ok(addr) = Addr::ip(family, text, 443, 0, 0) else { panic!("{text}") };
        vec![Answer { family, kind: libc::SOCK_STREAM, proto: 0, canonname: None, addr }]
    }

    /// RFC 8305, section 3: IPv4 addresses wait 50 ms for IPv6 ones, and no longer.
    #[test]
    fn the_first_address_waits_for_a_better_one() {
        for comes in [true, false] {
            let of = |family| match unanswered(Query { family, ..Query::default() }) {
                Ok(lookup) => lookup,
                Err(e) => panic!("{e:?}"),
            };
            let ((six, six_comes), (four, four_comes)) = (of(libc::AF_INET6), of(libc::AF_INET));
            let mut lookups = Lookups { asked: vec![six, four], ..Lookups::default() };
            let begun = Instant::now();
            let after = |ms| begun + Duration::from_millis(ms);
            lookups.take(begun);
            assert!(lookups.next(begun).is_none() && lookups.due(begun).is_none());
            four_comes(Ok(address(libc::AF_INET, "192.0.2.1")));
            for ms in [0, 10, 49] {
                lookups.take(after(ms));
                assert!(lookups.next(after(ms)).is_none(), "after {ms} ms");
                assert_eq!(lookups.due(after(ms)), Some(after(50)));
            }
            let mut next = |ms| {
                lookups.take(after(ms));
                lookups.next(after(ms)).map(|answer| answer.family)
            };
            if comes {
                six_comes(Ok(address(libc::AF_INET6, "2001:db8::1")));
                assert_eq!(next(49), Some(libc::AF_INET6));
                assert_eq!(next(49), Some(libc::AF_INET));
            } else {
                assert_eq!(next(50), Some(libc::AF_INET));
            }
            assert_eq!(next(51), None);
        }
    }
}
