//! What this orchestrator counts of its own, between two lines of metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use app_gen_contract::JobState;

use crate::database::Used;

/// CloudWatch takes so many values of a metric in one line.
const MOST_VALUES: usize = 100;

/// Counters since the last line.
#[derive(Debug, Default)]
pub struct Measures {
    requests: AtomicU64,
    server_errors: AtomicU64,
    jobs_ended: AtomicU64,
    dead_letters: AtomicU64,
    tokens: AtomicU64,
    micro_usd: AtomicU64,
    store_errors: AtomicU64,
    store_bytes: AtomicU64,
    store_millis: Mutex<Sample>,
    /// How many refusals of AWS were told already.
    throttles_told: AtomicU64,
}

/// The latest values, as many as a line takes.
#[derive(Debug, Default)]
struct Sample {
    values: Vec<f64>,
    seen: usize,
}

/// What was counted between two lines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counted {
    /// Requests that were answered, those to previews left out.
    pub requests: u64,
    /// Those of them that were answered with a 5xx.
    pub server_errors: u64,
    /// Jobs that ended here, however.
    pub jobs_ended: u64,
    /// Those of them that nobody ended: their generator is lost, or their log kills who reads it.
    pub dead_letters: u64,
    /// Tokens of all kinds of jobs that ended here.
    pub tokens: u64,
    /// What models cost the platform for them, in millionths of a US dollar, as far as prices are known.
    pub micro_usd: u64,
    /// Calls of the store that failed.
    pub store_errors: u64,
    /// Bytes that were written to the store and asked of it.
    pub store_bytes: u64,
    /// How long calls of the store took, in milliseconds: the latest ones.
    pub store_millis: Vec<f64>,
    /// Calls that AWS refused because there were too many.
    pub throttles: u64,
}

impl Measures {
    /// A request was answered.
    pub fn answered(&self, is_server_error: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if is_server_error {
            self.server_errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A job has ended in this state, for want of anybody who could go on with it if `is_given_up`.
    pub fn job_ended(&self, state: JobState, is_given_up: bool, used: Used) {
        self.jobs_ended.fetch_add(1, Ordering::Relaxed);
        if is_given_up || state == JobState::Lost {
            self.dead_letters.fetch_add(1, Ordering::Relaxed);
        }
        self.tokens
            .fetch_add(used.tokens.max(0).unsigned_abs(), Ordering::Relaxed);
        // What tenants pay with keys of their own is no cost of the platform.
        let paid = used.micro_usd.saturating_sub(used.own_micro_usd);
        self.micro_usd
            .fetch_add(paid.max(0).unsigned_abs(), Ordering::Relaxed);
    }

    /// A call of the store has ended.
    pub fn store_called(&self, took: Duration, bytes: u64, failed: bool) {
        self.store_bytes.fetch_add(bytes, Ordering::Relaxed);
        if failed {
            self.store_errors.fetch_add(1, Ordering::Relaxed);
        }
        let mut sample = self.sample();
        let millis = took.as_secs_f64() * 1000.0;
        let place = sample.seen % MOST_VALUES;
        match sample.values.get_mut(place) {
            Some(value) => *value = millis,
            None => sample.values.push(millis),
        }
        sample.seen = sample.seen.wrapping_add(1);
    }

    /// Everything since the last time; `throttles` is how many refusals of AWS this process has seen so far.
    pub fn take(&self, throttles: u64) -> Counted {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        let told = self.throttles_told.swap(throttles, Ordering::Relaxed);
        Counted {
            requests: take(&self.requests),
            server_errors: take(&self.server_errors),
            jobs_ended: take(&self.jobs_ended),
            dead_letters: take(&self.dead_letters),
            tokens: take(&self.tokens),
            micro_usd: take(&self.micro_usd),
            store_errors: take(&self.store_errors),
            store_bytes: take(&self.store_bytes),
            store_millis: std::mem::take(&mut *self.sample()).values,
            throttles: throttles.saturating_sub(told),
        }
    }

    fn sample(&self) -> MutexGuard<'_, Sample> {
        self.store_millis
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_keeps_what_came_last_and_counts_once() {
        let measures = Measures::default();
        for millis in 0..250_u64 {
            measures.store_called(Duration::from_millis(millis), 2, millis == 7);
        }
        let counted = measures.take(3);
        assert_eq!(counted.store_millis.len(), MOST_VALUES);
        assert!(counted.store_millis.iter().all(|millis| *millis >= 149.5));
        assert_eq!((counted.store_bytes, counted.store_errors), (500, 1));
        assert_eq!(counted.throttles, 3);
        assert_eq!(measures.take(3), Counted::default());
    }

    #[test]
    fn only_jobs_that_nobody_ended_are_dead_letters() {
        let measures = Measures::default();
        let used = Used {
            tokens: 10,
            micro_usd: 5,
            ..Used::default()
        };
        measures.job_ended(JobState::Succeeded, false, used);
        measures.job_ended(JobState::Failed, false, used);
        measures.job_ended(JobState::Failed, true, used);
        measures.job_ended(JobState::Lost, false, used);
        let counted = measures.take(0);
        assert_eq!((counted.jobs_ended, counted.dead_letters), (4, 2));
        assert_eq!((counted.tokens, counted.micro_usd), (40, 20));
    }
}
