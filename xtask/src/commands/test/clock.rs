//! How long each test of a binary takes, by the order in which libtest runs them.
//!
//! libtest tells times only to nightly compilers. It starts its tests in the order in which it
//! lists them, as many at once as it has threads, and prints a line as each of them ends, when
//! it starts the next: which is all there is to know.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// The tests of one binary that have not ended.
pub(super) struct Clock {
    waiting: VecDeque<String>,
    running: HashMap<String, Instant>,
}

impl Clock {
    /// The tests that `listing`, the output of `--list`, names; they start now.
    pub(super) fn start(listing: &str, threads: usize, now: Instant) -> Self {
        let tests = listing
            .lines()
            .filter_map(|line| line.strip_suffix(": test"));
        let mut clock = Self {
            waiting: tests.map(str::to_owned).collect(),
            running: HashMap::new(),
        };
        for _ in 0..threads {
            clock.start_next(now);
        }
        clock
    }

    fn start_next(&mut self, now: Instant) {
        if let Some(name) = self.waiting.pop_front() {
            self.running.insert(name, now);
        }
    }

    /// The test whose end a line tells, and how long it ran; nothing where it tells of none.
    pub(super) fn ended<'a>(&mut self, line: &'a str, now: Instant) -> Option<(&'a str, Duration)> {
        let (name, _) = line.strip_prefix("test ")?.split_once(" ... ")?;
        // One that should panic says so behind its name.
        let name = name.strip_suffix(" - should panic").unwrap_or(name);
        let started = self.running.remove(name)?;
        self.start_next(now);
        Some((name, now - started))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_starts_when_another_ends() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let listing = "a: test\nb::c: test\nd: test\n\n3 tests, 0 benchmarks\n";
        let mut clock = Clock::start(listing, 2, start);
        let mut ended = |line, seconds| {
            let ended = clock.ended(line, at(seconds));
            ended.map(|(name, took)| (name, took.as_secs()))
        };
        assert_eq!(ended("running 3 tests", 0), None);
        assert_eq!(ended("test b::c ... ok", 3), Some(("b::c", 3)));
        let late = "test a has been running for over 60 seconds";
        assert_eq!(ended(late, 4), None);
        assert_eq!(ended("test a - should panic ... ok", 5), Some(("a", 5)));
        assert_eq!(ended("test d ... FAILED", 10), Some(("d", 7)));
        assert_eq!(ended("test d ... ok", 11), None);
    }
}
