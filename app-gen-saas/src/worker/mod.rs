//! The worker: claims jobs and follows each to the end of its attempt.
//!
//! New jobs are claimed while there is room; jobs whose orchestrator is gone are claimed in any case,
//! since their generators run already. The database decides which orchestrator owns a job
//! (`database::Lease`), so nothing in this module must survive a restart.

mod conclude;
mod ending;
mod follow;
mod hold;
mod identity;
mod launching;
mod leftovers;
mod reading;
mod result;
mod room;
#[cfg(test)]
pub(crate) mod samples;
mod start;

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::{self, JoinSet};
use tracing::Instrument as _;

use crate::app::App;
use crate::clock::now_millis;
use crate::database::{Job, Lease};
use crate::previews::reconcile;
use crate::stores::StoreResult;
use crate::worker::room::Room;

/// How often the database is asked for work when nothing wakes the worker.
const POLL: Duration = Duration::from_secs(1);

/// Works until the orchestrator stops. Generators that run then are followed after the next start.
pub async fn run(app: App) {
    let lease = Lease {
        owner: identity::own(),
        duration: app.config.jobs.lease,
    };
    if let Err(error) = end_leases_of_the_dead(&app).await {
        tracing::warn!(%error, "failed to look for jobs of dead orchestrators");
    }
    let mut followers = Followers::default();
    tokio::select! {
        () = app.stopping() => {}
        () = take_jobs(&app, &lease, &mut followers) => {}
        () = leftovers::stop_for_ever(&app) => {}
        () = reconcile::work(&app, &lease.owner) => {}
    }
    followers.tasks.shutdown().await;
    if let Err(error) = app.database.release_previews(&lease.owner).await {
        tracing::warn!(%error, "failed to give previews back; they are taken over when the lease ends");
    }
    if let Err(error) = app.database.end_leases(&lease.owner).await {
        tracing::warn!(%error, "failed to give jobs back; they are taken over when the lease ends");
    }
}

#[derive(Default)]
struct Followers {
    tasks: JoinSet<()>,
    /// The jobs that are followed, with the number of the attempt.
    jobs: HashMap<task::Id, (String, u32)>,
    /// Jobs that came back with their next attempt before the follower of the one before has returned.
    next: HashMap<String, Job>,
    room: Room,
}

impl Followers {
    fn add(&mut self, app: &App, lease: &Lease, job: Job) {
        // A job can come back while its follower still waits for something: one is enough.
        if let Some((_, attempt)) = self.jobs.values().find(|(id, _)| *id == job.id) {
            if *attempt < job.attempt {
                self.next.insert(job.id.clone(), job);
            }
            return;
        }
        // Every line about the job has the id of the request that it comes from.
        let origin = job.wishes.origin.as_ref();
        let request_id = origin.map(|origin| origin.request_id.as_str());
        let span = tracing::info_span!("job", request_id);
        span.in_scope(|| {
            tracing::info!(
                job_id = job.id,
                state = %job.state,
                attempt = job.attempt,
                age_secs = now_millis().saturating_sub(job.created_at) / 1000,
                "following a job"
            );
        });
        let followed = (job.id.clone(), job.attempt);
        let hold = hold::hold(app.clone(), lease.clone(), self.room.clone(), job);
        let handle = self.tasks.spawn(hold.instrument(span));
        self.jobs.insert(handle.id(), followed);
    }

    /// Waits for the end of a follower.
    async fn one_ends(&mut self) -> task::Id {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => {
                // Nothing renews the job's lease any more, so it ends, and the job is claimed again.
                tracing::error!(%error, "a follower broke");
                error.id()
            }
            None => std::future::pending().await,
        }
    }

    /// Forgets a follower that has ended; the job's next one may begin.
    fn forget(&mut self, app: &App, lease: &Lease, id: task::Id) {
        if let Some((job_id, _)) = self.jobs.remove(&id)
            && let Some(next) = self.next.remove(&job_id)
        {
            self.add(app, lease, next);
        }
    }
}

async fn take_jobs(app: &App, lease: &Lease, followers: &mut Followers) {
    loop {
        if let Err(error) = claim(app, lease, followers).await {
            tracing::warn!(%error, "failed to look for jobs");
        }
        tokio::select! {
            () = app.new_job.notified() => {}
            id = followers.one_ends() => followers.forget(app, lease, id),
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

async fn claim(app: &App, lease: &Lease, followers: &mut Followers) -> StoreResult<()> {
    while let Some(job_id) = app.database.resume_due().await? {
        app.hub.notify(&job_id);
    }
    while let Some(job) = app.database.claim_orphan(lease).await? {
        followers.add(app, lease, job);
    }
    while followers.jobs.len() < app.config.jobs.concurrency && followers.room.is_there() {
        let Some(job) = app.database.claim_queued(lease).await? else {
            break;
        };
        app.hub.notify(&job.id);
        followers.add(app, lease, job);
    }
    Ok(())
}

/// An orchestrator that was killed cannot end its leases; if it lived on this machine, its death can be
/// seen, and nobody needs to wait for them.
async fn end_leases_of_the_dead(app: &App) -> StoreResult<()> {
    for owner in app.database.owners().await? {
        if identity::is_gone(&owner) {
            tracing::info!(owner, "taking over from an orchestrator that is gone");
            app.database.end_leases(&owner).await?;
            app.database.release_previews(&owner).await?;
        }
    }
    Ok(())
}
