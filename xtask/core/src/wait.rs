//! Waiting for something that happens by itself: look, pause, look again, and give up in time.
//!
//! What is waited for without a bound (the lines of a log, the end of `dev`) needs no helper: its
//! loop calls [`interrupt::sleep`].

use crate::error::Failure;
use crate::interrupt;
use std::fmt;
use std::time::{Duration, Instant};

/// What a look at the thing found.
#[derive(Debug)]
pub enum Look<T> {
    /// It is there: the wait ends with this.
    Done(T),
    /// It is not there yet. The text says how the thing looks now, and may be empty; the last one
    /// becomes part of the failure.
    NotYet(String),
}

impl<T> From<Option<T>> for Look<T> {
    fn from(found: Option<T>) -> Self {
        found.map_or(Self::NotYet(String::new()), Self::Done)
    }
}

impl From<bool> for Look<()> {
    fn from(done: bool) -> Self {
        done.then_some(()).into()
    }
}

/// The end of a sentence about something that did not happen: `within 30 s`, and after a colon
/// what the last look saw, where it said something.
#[derive(Debug)]
pub struct Late {
    bound: Duration,
    last: String,
}

impl fmt::Display for Late {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "within {} s", self.bound.as_secs())?;
        match self.last.is_empty() {
            true => Ok(()),
            false => write!(formatter, ": {}", self.last),
        }
    }
}

/// Looks until the thing is there, with a pause of `every` between two looks, and at least once.
/// Once `bound` is over, the wait fails with what `failure` makes of it; that names what was
/// waited for: `|late| Failure::new(Code::Service, format!("PostgreSQL did not answer {late}"))`.
///
/// # Errors
/// Time is over, `look` failed, or a signal interrupted a pause.
pub fn until<T, L: Into<Look<T>>>(
    bound: Duration,
    every: Duration,
    mut look: impl FnMut() -> anyhow::Result<L>,
    failure: impl FnOnce(Late) -> Failure,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + bound;
    loop {
        let last = match look()?.into() {
            Look::Done(found) => return Ok(found),
            Look::NotYet(last) => last,
        };
        if Instant::now() >= deadline {
            return Err(failure(Late { bound, last }).into());
        }
        interrupt::sleep(every)?;
    }
}

/// Whether `done` becomes true within `bound`; it is asked at least once. It is for clean-up,
/// which continues after a signal: the wait ends early only where `done` itself says so.
pub fn within(bound: Duration, every: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + bound;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(every);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Code, Rendered};

    const EVERY: Duration = Duration::from_millis(1);

    fn late(late: Late) -> Failure {
        Failure::new(Code::Service, format!("the answer did not come {late}")).hint("ask again")
    }

    #[test]
    fn what_is_found_ends_the_wait() {
        let mut looks = 0;
        let found = until(
            Duration::from_secs(60),
            EVERY,
            || {
                looks += 1;
                Ok((looks == 3).then_some("there"))
            },
            late,
        );
        assert_eq!((found.unwrap(), looks), ("there", 3));
    }

    #[test]
    fn a_wait_without_time_looks_once_and_names_what_it_saw() {
        let mut looks = 0;
        let failed = until(
            Duration::ZERO,
            EVERY,
            || {
                looks += 1;
                Ok(Look::<()>::NotYet(format!("look {looks} saw nothing")))
            },
            late,
        );
        let rendered = Rendered::new(&failed.unwrap_err());
        assert_eq!(
            rendered.message,
            "the answer did not come within 0 s: look 1 saw nothing"
        );
        assert_eq!(rendered.exit_code, Code::Service as u8);
        assert_eq!(rendered.hint.as_deref(), Some("ask again"));

        let failed = until(Duration::ZERO, EVERY, || Ok(false), late);
        assert_eq!(
            failed.unwrap_err().to_string(),
            "the answer did not come within 0 s"
        );
    }

    #[test]
    fn a_look_that_fails_ends_the_wait() {
        let failed = until(
            Duration::from_secs(60),
            EVERY,
            || -> anyhow::Result<bool> { anyhow::bail!("it ended") },
            late,
        );
        assert_eq!(failed.unwrap_err().to_string(), "it ended");
    }

    #[test]
    fn clean_up_waits_as_long_as_it_may() {
        let mut looks = 0;
        assert!(within(Duration::from_secs(60), EVERY, || {
            looks += 1;
            looks == 3
        }));
        assert!(!within(Duration::from_millis(5), EVERY, || false));
        assert!(within(Duration::ZERO, EVERY, || true));
    }
}
