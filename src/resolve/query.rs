//! A query as an object: started, polled, taken, given up.

use once_cell::race::OnceBox;

use super::asked::{Asked, copy};
use super::{answer_at_once, dns, pool};
use crate::error::Result;
use crate::sys::names::{Answer, Query};
use crate::sys::{memory, process};
use crate::wait::Deadline;
use crate::watchers::Watchers;

/// A query under way. Its descriptor is readable when the answer is there.
///
/// A forked child has a copy, and none of the threads that would answer it: it takes the answer
/// that was there at the fork, or asks anew when it first needs to. Whatever it does, the parent's
/// descriptor and the threads that wait for it are not touched.
pub struct Resolve {
    begun: Begun,
    watchers: Watchers,
}

/// A query as it was begun in one process.
struct Begun {
    forks: u32,
    asked: Asked<Query>,
    /// The same in a child of that process.
    in_child: OnceBox<[Begun; 1]>,
}

impl Resolve {
    /// Begins a query.
    ///
    /// # Errors
    /// EMFILE, ENFILE; EAGAIN when no thread can be started; `EAI_MEMORY`.
    pub fn start(query: Query) -> Result<Resolve> {
        let answer = answer_at_once(&query);
        Ok(Resolve { begun: Begun::new(query, answer)?, watchers: Watchers::none() })
    }

    /// The answer, waited for until the deadline. It can be taken more than once.
    ///
    /// # Errors
    /// Those of [`super::getaddrinfo`]; EBADF when it was given up meanwhile.
    pub fn wait(&self, deadline: &mut Deadline) -> Result<Vec<Answer>> {
        self.here()?.wait(deadline)
    }

    /// The pollers it is registered with.
    pub fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    /// The descriptor to poll, if this process can have one.
    pub fn fileno(&self) -> Option<i32> {
        self.here().ok().map(|asked| asked.fileno())
    }

    /// Gives the query up; whoever waits for it in this process is told.
    pub fn abandon(&self) {
        let forks = process::forks();
        let mut at = Some(&self.begun);
        while let Some(begun) = at {
            if begun.forks == forks {
                begun.asked.abandon();
            }
            at = begun.in_child.get().map(|next| &next[0]);
        }
    }

    /// The query as this process has it.
    fn here(&self) -> Result<&Asked<Query>> {
        let forks = process::forks();
        let mut at = &self.begun;
        while at.forks != forks {
            at = match at.in_child.get() {
                Some(next) => &next[0],
                None => {
                    let query = at.asked.question().try_clone()?;
                    let begun = Begun::new(query, at.asked.answer().map(copy))?;
                    // Another thread may be faster, and then it is that one's.
                    let _ = at.in_child.set(memory::boxed(begun)?);
                    continue;
                }
            }
        }
        Ok(&at.asked)
    }
}

impl Begun {
    fn new(query: Query, answer: Option<Result<Vec<Answer>>>) -> Result<Begun> {
        let asked = match (answer, dns::config::for_query(&query)) {
            (Some(answer), _) => Asked::answered(query, answer)?,
            (None, Some(config)) => dns::hub::ask(query, config)?,
            (None, None) => pool::ask(query)?,
        };
        Ok(Begun { forks: process::forks(), asked, in_child: OnceBox::new() })
    }
}
