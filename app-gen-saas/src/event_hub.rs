//! Wakes the readers of live streams when there are new events.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// Wakes the readers of a job.
#[derive(Debug, Default)]
pub struct EventHub {
    jobs: Mutex<HashMap<String, watch::Sender<()>>>,
}

impl EventHub {
    /// Wakes the readers of this job's events.
    pub fn notify(&self, job_id: &str) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = jobs.get(job_id)
            && sender.send(()).is_err()
        {
            // The last reader has gone.
            jobs.remove(job_id);
        }
    }

    pub(crate) fn subscribe(&self, job_id: &str) -> watch::Receiver<()> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.retain(|_, sender| sender.receiver_count() > 0);
        jobs.entry(job_id.to_owned())
            .or_insert_with(|| watch::Sender::new(()))
            .subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn wakes_readers_and_forgets_them() {
        let hub = EventHub::default();
        hub.notify("nobody listens");
        let mut first = hub.subscribe("job");
        let other = hub.subscribe("other");
        hub.notify("job");
        first.changed().await.unwrap();
        assert!(!other.has_changed().unwrap());
        drop(first);
        hub.notify("job");
        assert_eq!(hub.jobs.lock().unwrap().len(), 1);
    }
}
