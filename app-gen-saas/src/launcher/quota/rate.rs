//! Calls a second: spaced evenly, halved when one is refused, and slowly more again.

use std::time::Duration;

use tokio::time::Instant;

/// What a refusal leaves of the rate.
const CUT: f64 = 0.5;
/// Refusals within this time are one sign: the calls were made before the first was answered.
const CUT_PAUSE: Duration = Duration::from_secs(1);
/// Of the rate that was refused, so much is not exceeded for a while: a rate that always finds out anew how
/// much it may is refused again and again.
const KNOWN: f64 = 0.8;
const KNOWN_FOR: Duration = Duration::from_secs(600);
/// What is added each second, of the largest rate.
const GROWTH: f64 = 0.05;
/// The smallest rate, in calls a second.
const LEAST: f64 = 0.5;

/// How many calls a second may be made, and when the next one.
#[derive(Debug)]
pub(super) struct Rate {
    /// The largest rate.
    most: f64,
    current: f64,
    /// The rate that was last refused, and when.
    refused: Option<(f64, Instant)>,
    /// Up to when the rate has grown.
    grown: Instant,
    next: Instant,
}

impl Rate {
    pub(super) fn new(most: f64, now: Instant) -> Self {
        Self {
            most,
            current: most,
            refused: None,
            grown: now,
            next: now,
        }
    }

    /// When the next call may be made.
    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// A call is made.
    pub(super) fn take(&mut self, now: Instant) {
        self.grow(now);
        self.next = self.next.max(now) + Duration::from_secs_f64(1.0 / self.current);
    }

    /// A call was refused.
    pub(super) fn refused(&mut self, now: Instant) {
        let is_known = self
            .refused
            .is_some_and(|(_, at)| now.saturating_duration_since(at) < CUT_PAUSE);
        if is_known {
            return;
        }
        self.grow(now);
        self.refused = Some((self.current, now));
        self.current = (self.current * CUT).max(LEAST.min(self.most));
        self.grown = now;
        self.next = self
            .next
            .max(now + Duration::from_secs_f64(1.0 / self.current));
    }

    fn grow(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.grown).as_secs_f64();
        self.grown = self.grown.max(now);
        let limit = match self.refused {
            Some((rate, at)) if now.saturating_duration_since(at) < KNOWN_FOR => rate * KNOWN,
            _ => self.most,
        };
        let grown = self.current + seconds * GROWTH * self.most;
        // A rate that is above the limit already stays.
        self.current = grown.min(limit.max(self.current));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls within the second that begins then.
    fn calls(rate: &mut Rate, from: Instant) -> u32 {
        let end = from + Duration::from_secs(1);
        let mut count = 0;
        let mut now = from.max(rate.next());
        while now < end {
            rate.take(now);
            count += 1;
            now = rate.next();
        }
        count
    }

    #[test]
    fn calls_are_spaced() {
        let begin = Instant::now();
        let mut rate = Rate::new(20.0, begin);
        // Nothing is saved up for later.
        assert!((20..=21).contains(&calls(&mut rate, begin + Duration::from_secs(60))));
        assert!((19..=21).contains(&calls(&mut rate, begin + Duration::from_secs(61))));
    }

    #[test]
    fn a_refusal_halves_the_rate_and_is_remembered() {
        let begin = Instant::now();
        let second = |number: u64| begin + Duration::from_secs(number);
        let mut rate = Rate::new(20.0, begin);
        // Three answers to calls that were under way count once.
        for milliseconds in [0, 100, 200] {
            rate.refused(begin + Duration::from_millis(milliseconds));
        }
        assert!((9..=13).contains(&calls(&mut rate, second(1))));
        // It grows to a rate below the one that was refused.
        for number in 2..60 {
            assert!(calls(&mut rate, second(number)) <= 17, "{number}");
        }
        assert!((15..=17).contains(&calls(&mut rate, second(60))));
        // After a while it tries more.
        assert!((19..=21).contains(&calls(&mut rate, second(700))));
    }

    #[test]
    fn it_never_ends() {
        let begin = Instant::now();
        let mut rate = Rate::new(20.0, begin);
        for number in 0..100 {
            rate.refused(begin + Duration::from_secs(2 * number));
        }
        let from = rate.next();
        assert!(calls(&mut rate, from) >= 1);
        assert!(from <= begin + Duration::from_secs(201));
    }

    /// Two that know nothing of each other, at a quota for one of them.
    #[test]
    fn two_find_a_common_rate() {
        let begin = Instant::now();
        let mut rates = [Rate::new(22.0, begin), Rate::new(22.0, begin)];
        let mut refused = Vec::new();
        for number in 0..120 {
            let second = begin + Duration::from_secs(number);
            let all: u32 = rates.iter_mut().map(|rate| calls(rate, second)).sum();
            if all > 25 {
                refused.push(number);
                let end = second + Duration::from_millis(999);
                rates.iter_mut().for_each(|rate| rate.refused(end));
            }
        }
        assert!(refused.len() < 10, "{refused:?}");
        assert!(refused.iter().all(|number| *number < 30), "{refused:?}");
    }
}
