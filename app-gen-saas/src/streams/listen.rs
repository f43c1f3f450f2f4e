//! Beginning to listen to a job.

use std::net::IpAddr;
use std::sync::Arc;

use crate::app::App;
use crate::database::Job;
use crate::error::ApiError;
use crate::streams::feed::Feed;
use crate::streams::listener::Listener;
use crate::streams::reader;
use crate::streams::ring::End;

/// Begins to listen to the job's events after number `after`.
///
/// # Errors
/// [`ApiError::Busy`] or [`ApiError::TooMany`] when there are too many listeners.
pub fn listen(app: &App, job: &Job, after: i64, client: IpAddr) -> Result<Listener, ApiError> {
    let place = app.hub.take_place(client, job)?;
    let (ring, feed) = app.hub.subscribe(job);
    if let Some(feed) = feed {
        tokio::spawn(read(app.clone(), feed));
    }
    Ok(Listener::new(app, &job.id, after.max(0), ring, place))
}

/// Reads until nobody listens, the job has ended, or the orchestrator is to stop.
async fn read(app: App, feed: Arc<Feed>) {
    tokio::select! {
        () = reader::run(&app.hub, &feed, &app.database) => {}
        () = app.stopping() => {
            app.hub.remove(&feed.job_id);
            feed.ring.send_modify(|ring| ring.end(End::Stopping));
        }
    }
}
