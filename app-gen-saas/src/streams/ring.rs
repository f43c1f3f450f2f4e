//! The end of a job's stream in memory, as far as there is room for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::streams::chunk::Chunk;

/// Bytes of the last events of one job that are kept for its listeners; the newest chunk is kept in any
/// case.
pub(super) const RING_BYTES: usize = 1024 * 1024;

/// Bytes of all rings together.
#[derive(Debug, Clone, Default)]
pub(super) struct Total(Arc<AtomicUsize>);

impl Total {
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is known of the end of a job's stream.
#[derive(Debug)]
pub(super) struct Ring {
    /// The last events without gaps, as far as they are kept.
    chunks: VecDeque<Chunk>,
    bytes: usize,
    total: Total,
    /// Number of the last known event.
    head: i64,
    end: Option<End>,
    /// Counts up when listeners are to give a sign of life.
    pulse: u64,
}

/// Why nothing more comes from a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The job's last event has been sent.
    JobEnded,
    /// The orchestrator stops; the stream goes on at another one.
    Stopping,
    /// The listener fell behind and did not catch up; it can come back and go on.
    TooSlow,
}

/// What a listener has to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Send these events.
    Send(Chunk),
    /// Read what is not kept any more.
    Read,
    /// Wait.
    Wait,
    /// Stop: there is nothing more.
    Stop(End),
}

impl Ring {
    /// The ring of a job whose last known event has number `head`.
    pub(super) fn new(head: i64, ended: bool, total: Total) -> Self {
        Self {
            chunks: VecDeque::new(),
            bytes: 0,
            total,
            head,
            end: ended.then_some(End::JobEnded),
            pulse: 0,
        }
    }

    /// What a listener does that has everything up to number `last`.
    pub(super) fn after(&self, last: i64) -> Next {
        if self.end == Some(End::Stopping) {
            return Next::Stop(End::Stopping);
        }
        if last >= self.head {
            return self.end.map_or(Next::Wait, Next::Stop);
        }
        let index = self.chunks.partition_point(|chunk| chunk.last() <= last);
        match self.chunks.get(index) {
            // All chunks behind the first one follow each other without a gap.
            Some(chunk) if index > 0 || chunk.first() <= last.saturating_add(1) => {
                chunk.after(last).map_or(Next::Read, Next::Send)
            }
            _ => Next::Read,
        }
    }

    /// Adds what follows; the oldest chunks make room for it.
    pub(super) fn push(&mut self, chunk: Chunk) {
        if chunk.first() != self.head.saturating_add(1) {
            self.clear();
        }
        self.head = chunk.last();
        self.bytes += chunk.size();
        self.total.0.fetch_add(chunk.size(), Ordering::Relaxed);
        self.chunks.push_back(chunk);
        while self.bytes > RING_BYTES && self.chunks.len() > 1 {
            self.drop_oldest();
        }
    }

    /// There are events up to this number, and none of them is kept.
    pub(super) fn skip_to(&mut self, head: i64) {
        self.clear();
        self.head = self.head.max(head);
    }

    /// Forgets the oldest chunk.
    pub(super) fn drop_oldest(&mut self) {
        if let Some(oldest) = self.chunks.pop_front() {
            self.bytes -= oldest.size();
            self.total.0.fetch_sub(oldest.size(), Ordering::Relaxed);
        }
    }

    fn clear(&mut self) {
        while !self.chunks.is_empty() {
            self.drop_oldest();
        }
    }

    /// Nothing more comes. The first reason stays.
    pub(super) fn end(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// Has all listeners give a sign of life.
    pub(super) fn beat(&mut self) {
        self.pulse = self.pulse.wrapping_add(1);
    }

    pub(super) const fn pulse(&self) -> u64 {
        self.pulse
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.total.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::chunk::tests::{chunk, numbers};

    fn sent(next: &Next) -> Vec<i64> {
        match next {
            Next::Send(chunk) => numbers(chunk),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn listeners_get_recent_events_and_read_older_ones() {
        let mut ring = Ring::new(10, false, Total::default());
        assert!(matches!(ring.after(0), Next::Read));
        assert!(matches!(ring.after(10), Next::Wait));
        assert!(matches!(ring.after(99), Next::Wait));
        ring.push(chunk([11], 1));
        ring.push(chunk([12, 13, 14], 1));
        assert!(matches!(ring.after(9), Next::Read));
        assert_eq!(sent(&ring.after(10)), [11]);
        assert_eq!(sent(&ring.after(11)), [12, 13, 14]);
        assert_eq!(sent(&ring.after(13)), [14]);
        assert!(matches!(ring.after(14), Next::Wait));
        ring.end(End::JobEnded);
        assert_eq!(sent(&ring.after(13)), [14]);
        for last in [14, 99, i64::MAX] {
            assert!(matches!(ring.after(last), Next::Stop(End::JobEnded)));
        }
        assert!(matches!(ring.after(i64::MIN), Next::Read));
    }

    #[test]
    fn who_stops_sends_nothing_more() {
        let mut ring = Ring::new(0, false, Total::default());
        ring.push(chunk([1], 1));
        ring.end(End::Stopping);
        ring.end(End::JobEnded);
        assert!(matches!(ring.after(0), Next::Stop(End::Stopping)));
    }

    #[test]
    fn a_ring_is_bounded_and_counted() {
        let total = Total::default();
        let mut ring = Ring::new(0, false, total.clone());
        for sequence in 1..=20 {
            ring.push(chunk([sequence], RING_BYTES / 4));
            assert!(ring.bytes() <= RING_BYTES, "{}", ring.bytes());
        }
        assert!(matches!(ring.after(0), Next::Read));
        assert_eq!(sent(&ring.after(19)), [20]);
        // Larger than the whole ring: kept all the same, for otherwise every listener would read it.
        ring.push(chunk([21], RING_BYTES));
        assert_eq!(sent(&ring.after(20)), [21]);
        assert!(matches!(ring.after(19), Next::Read));
        assert_eq!(total.bytes(), ring.bytes());
        ring.push(chunk([22], 1));
        assert_eq!(sent(&ring.after(21)), [22]);
        // What comes after a gap does not continue what is kept.
        ring.push(chunk([30], 1));
        assert!(matches!(ring.after(21), Next::Read));
        assert_eq!(sent(&ring.after(29)), [30]);
        ring.skip_to(40);
        assert!(matches!(ring.after(39), Next::Read));
        assert!(matches!(ring.after(40), Next::Wait));
        assert_eq!((ring.bytes(), total.bytes()), (0, 0));
        ring.push(chunk([41], 1));
        drop(ring);
        assert_eq!(total.bytes(), 0);
    }

    /// SplitMix64: the seed of a failure is in its message.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut value = self.0;
            value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (value ^ (value >> 31)) % bound
        }
    }

    /// Listeners that begin anywhere and are as slow as they like, against chunks of any size, a ring that
    /// is emptied from outside, and gaps that only the store can fill.
    #[test]
    fn every_listener_sees_each_event_once_and_in_order() {
        for seed in 0..40 {
            let mut random = Random(seed);
            let begin = i64::try_from(random.below(50)).unwrap();
            let mut ring = Ring::new(begin, false, Total::default());
            let mut stored = begin;
            let mut listeners: Vec<(i64, i64)> = (0..5)
                .map(|_| i64::try_from(random.below(60)).unwrap())
                .map(|after| (after, after))
                .collect();
            for step in 0..200 {
                let what = format!("seed {seed}, step {step}");
                match random.below(10) {
                    0 => ring.drop_oldest(),
                    1 if random.below(10) == 0 => {
                        stored += 3;
                        ring.skip_to(stored);
                    }
                    2..5 => {
                        let count = i64::try_from(random.below(6)).unwrap() + 1;
                        let largest = if random.below(5) == 0 { 60_000 } else { 500 };
                        let bytes = usize::try_from(random.below(largest)).unwrap();
                        ring.push(chunk(stored + 1..=stored + count, bytes));
                        stored += count;
                    }
                    _ => {
                        let listener = usize::try_from(random.below(5)).unwrap();
                        let (_, last) = &mut listeners[listener];
                        follow(&ring, stored, last, &what);
                    }
                }
                assert!(
                    ring.bytes() <= RING_BYTES || ring.chunks.len() == 1,
                    "{what}"
                );
            }
            ring.end(End::JobEnded);
            for (after, mut last) in listeners {
                let what = format!("seed {seed}, after {after}");
                while !matches!(ring.after(last), Next::Stop(End::JobEnded)) {
                    follow(&ring, stored, &mut last, &what);
                }
                assert_eq!(last, stored.max(after), "{what}");
            }
        }
    }

    /// One step of a listener, with a store that gives one event at a time.
    fn follow(ring: &Ring, stored: i64, last: &mut i64, what: &str) {
        match ring.after(*last) {
            Next::Send(chunk) => {
                let numbers = numbers(&chunk);
                let expected: Vec<i64> = (*last + 1..).take(numbers.len()).collect();
                assert_eq!(numbers, expected, "{what}");
                *last = chunk.last();
            }
            Next::Read => {
                assert!(*last < stored, "{what}: nothing is stored after {last}");
                *last += 1;
            }
            Next::Wait => assert!(*last >= stored, "{what}: {last} of {stored}"),
            Next::Stop(end) => panic!("{what}: {end:?}"),
        }
    }
}
