//! What a mirror has done, counted while it works.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a mirror has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PackagesCounts {
    /// Requests that the registry was asked.
    pub requests: u64,
    /// Those among them that it did not answer, or not to the end.
    pub failed: u64,
    /// Requests for something that no installation needs.
    pub refused: u64,
    /// Bytes of the bodies that were passed on.
    pub bytes: u64,
}

/// The same, while it grows.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) requests: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

impl Tally {
    pub(crate) fn counts(&self) -> PackagesCounts {
        let now = |count: &AtomicU64| count.load(Ordering::Relaxed);
        PackagesCounts {
            requests: now(&self.requests),
            failed: now(&self.failed),
            refused: now(&self.refused),
            bytes: now(&self.bytes),
        }
    }
}

pub(crate) fn one_more(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
