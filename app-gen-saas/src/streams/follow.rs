//! One reader of a job's events.

use std::sync::Arc;

use futures::Stream;

use crate::app::App;
use crate::database::{Database, Job};
use crate::error::ApiError;
use crate::streams::frame::Frame;
use crate::streams::hub::{BUDGET_BYTES, Next, PAGE_BYTES, POLL, Subscription};

/// Seconds after which a reader that found no room should try again.
const RETRY_AFTER_SECS: u32 = 5;

/// The job's events after number `after`, as they come; ends after the one that ends the job, or when
/// the orchestrator stops. A reader that is slow, late or reconnected gets every event once and in
/// order, and holds one page at most.
///
/// # Errors
/// [`ApiError::Busy`] when there are too many readers.
pub fn follow(
    app: &App,
    job: &Job,
    after: i64,
) -> Result<impl Stream<Item = Frame> + Send + use<>, ApiError> {
    let subscription =
        app.hub
            .subscribe(&app.database, &app.shutdown, job)
            .ok_or(ApiError::Busy {
                message: "too many event streams are open",
                retry_after_secs: RETRY_AFTER_SECS,
            })?;
    let (database, job_id) = (app.database.clone(), job.id.clone());
    let mut shutdown = app.shutdown.subscribe();
    Ok(async_stream::stream! {
        let mut subscription = subscription;
        let mut last = after;
        while !*shutdown.borrow() {
            let next = subscription.recent.borrow_and_update().after(last);
            match next {
                Next::Send(frame) => {
                    last = frame.sequence;
                    yield frame;
                }
                Next::Read => match read(&database, &subscription, &job_id, last).await {
                    // Removed meanwhile: the feed ends as well.
                    Ok(frames) if frames.is_empty() => return,
                    Ok(frames) => for frame in frames {
                        last = frame.sequence;
                        yield frame;
                    },
                    Err(error) => {
                        tracing::warn!(job_id, error = format!("{error:#}"), "failed to read events");
                        tokio::time::sleep(POLL).await;
                    }
                },
                Next::Wait => tokio::select! {
                    changed = subscription.recent.changed() => if changed.is_err() { return; },
                    changed = shutdown.changed() => if changed.is_err() { return; },
                },
                Next::Stop => return,
            }
        }
    })
}

/// The next page, as soon as the budget of all readers has room for it.
async fn read(
    database: &Database,
    subscription: &Subscription,
    job_id: &str,
    after: i64,
) -> anyhow::Result<Vec<Frame>> {
    let Some(page) = database.next_page(job_id, after, PAGE_BYTES).await? else {
        return Ok(Vec::new());
    };
    let bytes = u32::try_from(page.bytes.min(BUDGET_BYTES as u64))?;
    let mut permit = Arc::clone(&subscription.budget)
        .acquire_many_owned(bytes)
        .await?;
    let records = database.events_between(job_id, after, page.last).await?;
    let mut frames = Vec::with_capacity(records.len());
    for record in &records {
        let part = permit.split(record.body.len());
        frames.push(Frame::new(job_id, record, part)?);
    }
    Ok(frames)
}
