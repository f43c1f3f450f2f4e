//! Live streams of a job's events, for any number of readers.
//!
//! The database is the only source: the hub merely says that there is more to read. So a reader that is
//! slow, late or reconnected gets every event once and in order, and holds one page at most. Events that
//! another orchestrator stores are found by a query once a second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::Stream;
use tokio::sync::watch;

use crate::app::App;
use crate::database::EventRecord;

/// Events read at once.
const PAGE: i64 = 50;
/// How often the database is asked when the hub is silent, and after it failed.
const POLL: Duration = Duration::from_secs(1);

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

    fn subscribe(&self, job_id: &str) -> watch::Receiver<()> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.retain(|_, sender| sender.receiver_count() > 0);
        jobs.entry(job_id.to_owned())
            .or_insert_with(|| watch::Sender::new(()))
            .subscribe()
    }
}

/// The job's events after number `after`, as they come; ends after the one that ends the job, or when
/// the orchestrator stops.
pub fn follow(
    app: App,
    job_id: String,
    after: i64,
) -> impl Stream<Item = EventRecord> + Send + use<> {
    async_stream::stream! {
        // Before the first reading, so that what is stored in between wakes the second.
        let mut wake = app.hub.subscribe(&job_id);
        let mut shutdown = app.shutdown.subscribe();
        let mut last = after;
        while !*shutdown.borrow_and_update() {
            wake.mark_unchanged();
            let page = match app.database.events_after(&job_id, last, PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(job_id, %error, "failed to read events");
                    tokio::time::sleep(POLL).await;
                    continue;
                }
            };
            let full = i64::try_from(page.len()).is_ok_and(|length| length == PAGE);
            for event in page {
                last = event.sequence;
                let end = event.ends_the_stream();
                yield event;
                if end {
                    return;
                }
            }
            if !full {
                tokio::select! {
                    _ = wake.changed() => {}
                    _ = shutdown.changed() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        }
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
