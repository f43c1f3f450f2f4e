//! What is known of the tries to start a task.

use tokio::time::Instant;

use crate::database::Job;

/// What is known of the last try to start the task of the present attempt.
#[derive(Debug)]
pub(super) struct Launching {
    /// Since when it may have started a task that was not seen yet.
    pub(super) unclear: Option<Instant>,
    /// Why it did not start one, in words for the user.
    pub(super) failure: Option<String>,
}

impl Launching {
    /// What is known of a try of another orchestrator. Those of earlier attempts started tasks that have
    /// ended.
    pub(super) fn of_another(job: &Job, now: Instant) -> Self {
        Self {
            unclear: (job.launch_attempt > job.attempt_after_launch).then_some(now),
            failure: None,
        }
    }
}
