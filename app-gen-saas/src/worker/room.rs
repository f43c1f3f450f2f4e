//! Room for more generators. While one cannot be started, no other job is claimed: it would only use up its
//! own time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Whether there is room, as the last tries to start generators found it.
#[derive(Debug, Clone, Default)]
pub(super) struct Room(Arc<AtomicUsize>);

/// A job that waits for room.
#[derive(Debug)]
pub(super) struct Waiting(Room);

impl Room {
    /// There is none for one more job, until the result is dropped.
    pub(super) fn wait(&self) -> Waiting {
        self.0.fetch_add(1, Ordering::Relaxed);
        Waiting(self.clone())
    }

    /// Whether no job waits.
    pub(super) fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
