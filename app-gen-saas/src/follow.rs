//! Live streams of a job's events, for any number of readers.
//!
//! The database is the only source: the hub merely says that there is more to read. So a reader that is
//! slow, late or reconnected gets every event once and in order, and holds one page at most. Events that
//! another orchestrator stores are found by a query once a second.

use std::time::Duration;

use crate::app::App;
use crate::database::EventRecord;
use futures::Stream;

/// Events read at once.
const PAGE: i64 = 50;
/// How often the database is asked when the hub is silent, and after it failed.
const POLL: Duration = Duration::from_secs(1);

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
