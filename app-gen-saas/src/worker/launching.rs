//! What is known of the attempts to start a task.

use tokio::time::Instant;

use crate::database::Job;

/// What is known of the last attempt to start a task.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Since when it may have started a task that was not seen yet.
    pub(super) unclear: Option<Instant>,
    /// Why it did not start one, in words for the user.
    pub(super) failure: Option<String>,
}

impl Attempt {
    /// What is known of an attempt of another orchestrator.
    pub(super) fn of_another(job: &Job, now: Instant) -> Self {
        Self {
            unclear: (job.launch_attempt > 0).then_some(now),
            failure: None,
        }
    }
}
