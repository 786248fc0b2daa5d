//! A query under way, as an object: start, poll, take, close.

use once_cell::race::OnceBox;

use super::asked::{Asked, copy};
use super::{answer_at_once, dns, pool};
use crate::error::Result;
use crate::sys::names::{Answer, Query};
use crate::sys::{memory, process};
use crate::wait::Deadline;
use crate::watchers::Watchers;

/// A query under way. Its descriptor becomes readable with the answer.
///
/// A forked child has a copy, but not the threads that would answer it: it takes the answer that
/// existed at the fork, or repeats the query on first use. The parent's descriptor and waiting
/// threads are not affected.
pub struct Resolve {
    begun: Begun,
    watchers: Watchers,
}

/// A query as started in one process.
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

    /// Waits for the answer until the deadline. It can be taken more than once.
    ///
    /// # Errors
    /// Those of [`super::getaddrinfo`]; EBADF when it was closed meanwhile.
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

    /// Abandons the query, and wakes the threads of this process that wait for it.
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

    /// This process's query.
    fn here(&self) -> Result<&Asked<Query>> {
        let forks = process::forks();
        let mut at = &self.begun;
        while at.forks != forks {
            at = match at.in_child.get() {
                Some(next) => &next[0],
                None => {
                    let query = at.asked.question().try_clone()?;
                    let begun = Begun::new(query, at.asked.answer().map(copy))?;
                    // If another thread was faster, use its query.
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
