//! Holding on to a job: the lease is renewed while it is followed, errors are survived.

use std::time::Duration;

use tokio::time::sleep;

use crate::app::App;
use crate::database::{Job, Lease};
use crate::worker::follow::{FollowError, Follower};
use crate::worker::room::Room;

/// Pauses after an error, the first and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Time for a follower that has just ended its job to return.
const RETURN_TIME: Duration = Duration::from_secs(2);

/// Follows a job until it has ended or belongs to another orchestrator.
pub(super) async fn hold(app: App, lease: Lease, room: Room, job: Job) {
    let job_id = job.id.clone();
    tokio::select! {
        () = keep_lease(&app, &lease, &job_id) => {
            tracing::warn!(job_id, "the lease of a job is lost");
        }
        () = follow(&app, &lease, room, job) => {}
    }
}

/// Completes when the lease is lost.
async fn keep_lease(app: &App, lease: &Lease, job_id: &str) {
    loop {
        sleep(lease.duration / 3).await;
        match app.database.renew_lease(lease, job_id).await {
            // A job that has just ended has no owner either; its follower is about to return.
            Ok(false) => return sleep(RETURN_TIME).await,
            Ok(true) => {}
            Err(error) => tracing::warn!(job_id, %error, "failed to renew a lease"),
        }
    }
}

async fn follow(app: &App, lease: &Lease, room: Room, job: Job) {
    let job_id = job.id.clone();
    let mut pause = FIRST_PAUSE;
    let mut follower = Follower::new(app.clone(), lease.clone(), room, job);
    loop {
        match follower.run().await {
            Ok(()) => return,
            Err(FollowError::Lost) => {
                tracing::info!(job_id, "the job is followed by another orchestrator");
                return;
            }
            Err(FollowError::Failed(error)) => {
                tracing::warn!(
                    job_id,
                    error = format!("{error:#}"),
                    "following a job failed"
                );
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
