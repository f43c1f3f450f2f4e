//! Who follows which job, until when.

use std::collections::HashSet;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use app_gen_contract::{Decided, Decision, JobState};
use tokio::time::Instant;

use crate::clock::now_millis;
use crate::database::record::Record;
use crate::database::{Job, Lease};
use crate::stores::dynamodb::job::{
    begin_next_attempt, complete, ids, is_open, is_own, stands_in_line,
};
use crate::stores::dynamodb::projects::LINE;
use crate::stores::dynamodb::{DynamoStore, jobs, key, stream};
use crate::stores::error::{StoreError, StoreResult};
use crate::stores::leases::Leases;

/// How often queued jobs are looked for that no message told of: because it was not sent, was lost, or is held by
/// an orchestrator that has no room any more.
const SWEEP: Duration = Duration::from_secs(15);

impl DynamoStore {
    /// Takes this job, if it can be claimed.
    async fn claim(&self, lease: &Lease, id: &str) -> StoreResult<Option<Job>> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let Some(mut job) = round.get(&key::job(id)).await? else {
                return Ok(None);
            };
            if !is_open(&job) || !job.is("state", "queued") {
                return Ok(None);
            }
            complete(&mut job);
            // The jobs of a project are done one after the other, so that two changes never meet: the project must
            // still have this one first when the round commits. Whoever ends the first one tells of the next.
            if stands_in_line(&job)
                && let Some(project) = job.text("project_id").map(key::project)
                && let Some(project) = round.get(&project).await?
                && ids(&project, LINE).first() != Some(&id)
            {
                return Ok(None);
            }
            let now = now_millis();
            if !job.has("started_at") {
                job.set("started_at", now);
            }
            job.set("attempt_started_at", now)
                .set("owner", &lease.owner)
                .set("lease_expires_at", lease.end(now));
            stream::tell_state(&mut round, &mut job, now, JobState::Starting, None)?;
            round.put(job.clone());
            if round.commit().await? {
                return jobs::read(job).map(Some);
            }
        }
    }

    /// Queued jobs that can be claimed as far as the index knows, the oldest first.
    async fn queued(&self) -> StoreResult<Vec<Record>> {
        let mut jobs = self.open_jobs().await?;
        let mut seen = HashSet::new();
        jobs.retain(|job| {
            let project = job.text("project_id").unwrap_or_default();
            let is_first =
                !stands_in_line(job) || project.is_empty() || seen.insert(project.to_owned());
            is_first && job.is("state", "queued")
        });
        Ok(jobs)
    }

    fn next_sweep(&self) -> MutexGuard<'_, Instant> {
        self.next_sweep
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn is_time_to_sweep(&self) -> bool {
        Instant::now() >= *self.next_sweep()
    }

    fn sweep_later(&self) {
        *self.next_sweep() = Instant::now() + SWEEP;
    }

    /// Takes a job over whose owner was silent for too long.
    async fn take_over(&self, lease: &Lease, id: &str) -> StoreResult<Option<Job>> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let now = now_millis();
            let Some(mut job) = round.get(&key::job(id)).await? else {
                return Ok(None);
            };
            if !is_orphan(&job, now) {
                return Ok(None);
            }
            job.set("owner", &lease.owner)
                .set("lease_expires_at", lease.end(now));
            round.put(job.clone());
            if round.commit().await? {
                return jobs::read(job).map(Some);
            }
        }
    }

    /// Puts a job back into the queue that waits for a limit which has passed.
    async fn resume(&self, id: &str) -> StoreResult<bool> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let now = now_millis();
            let Some(mut job) = round.get(&key::job(id)).await? else {
                return Ok(false);
            };
            if !is_due(&job, now) {
                return Ok(false);
            }
            begin_next_attempt(&mut job);
            let reason = Some("the limit has passed");
            stream::tell_state(&mut round, &mut job, now, JobState::Queued, reason)?;
            let tenant = job.text("tenant_id").unwrap_or_default().to_owned();
            round.put(job);
            if round.commit().await? {
                self.dispatch.tell(id, &tenant).await;
                return Ok(true);
            }
        }
    }
}

fn is_orphan(job: &Record, now: i64) -> bool {
    is_open(job) && job.has("started_at") && job.number("lease_expires_at") < now
}

fn is_due(job: &Record, now: i64) -> bool {
    let is_past = job.integer("resume_at").is_some_and(|at| at <= now);
    is_open(job) && job.is("state", "waiting_limit") && is_past
}

#[async_trait::async_trait]
impl Leases for DynamoStore {
    async fn claim_queued(&self, lease: &Lease) -> StoreResult<Option<Job>> {
        while let Some(told) = self.dispatch.take() {
            // A message whose job could not be looked at comes again.
            let job = self.claim(lease, &told.job_id).await?;
            self.dispatch.settle(told).await;
            if job.is_some() {
                return Ok(job);
            }
        }
        if !self.is_time_to_sweep() {
            return Ok(None);
        }
        for queued in self.queued().await? {
            let id = queued.text("id").unwrap_or_default();
            if let Some(job) = self.claim(lease, id).await? {
                return Ok(Some(job));
            }
        }
        self.sweep_later();
        Ok(None)
    }

    async fn claim_orphan(&self, lease: &Lease) -> StoreResult<Option<Job>> {
        let now = now_millis();
        for orphan in self.open_jobs().await? {
            if !is_orphan(&orphan, now) {
                continue;
            }
            let id = orphan.text("id").unwrap_or_default();
            if let Some(job) = self.take_over(lease, id).await? {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    async fn renew_lease(&self, lease: &Lease, id: &str) -> StoreResult<bool> {
        self.change_own(lease, id, |job| {
            job.set("lease_expires_at", lease.end(now_millis()));
        })
        .await
        .map(|job| job.is_some())
    }

    async fn end_leases(&self, owner: &str) -> StoreResult<()> {
        let lease = Lease {
            owner: owner.to_owned(),
            duration: Duration::ZERO,
        };
        for job in self.open_jobs().await? {
            let id = job.text("id").unwrap_or_default();
            if is_own(&job, &lease) {
                let ended = self.change_own(&lease, id, |job| {
                    job.set("lease_expires_at", 0);
                });
                ended.await?;
            }
        }
        Ok(())
    }

    async fn owners(&self) -> StoreResult<Vec<String>> {
        let jobs = self.open_jobs().await?;
        let jobs = jobs.iter().filter(|job| job.has("started_at"));
        let mut owners: Vec<String> = jobs
            .filter_map(|job| Some(job.text("owner")?.to_owned()))
            .collect();
        owners.sort_unstable();
        owners.dedup();
        Ok(owners)
    }

    async fn decide(&self, id: &str, attempt: i64, decided: &Decided) -> StoreResult<bool> {
        let text =
            serde_json::to_string(decided).map_err(|error| StoreError::Failed(error.into()))?;
        let (name, reason) = match &decided.decision {
            Decision::Approved => ("approved", "approved".to_owned()),
            Decision::Rejected { reason } => ("rejected", format!("rejected: {reason}")),
            Decision::Deferred { notes } => ("deferred", format!("deferred: {notes}")),
        };
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let now = now_millis();
            let Some(mut job) = round.get(&key::job(id)).await? else {
                return Ok(false);
            };
            if !job.is("state", "waiting_approval") || job.integer("attempt") != Some(attempt) {
                return Ok(false);
            }
            if let Some(mut past) = round.get(&key::attempt(id, attempt)).await? {
                past.set("decision", name);
                round.put(past);
            }
            begin_next_attempt(&mut job);
            job.set("decision", &text);
            stream::tell_state(&mut round, &mut job, now, JobState::Queued, Some(&reason))?;
            let tenant = job.text("tenant_id").unwrap_or_default().to_owned();
            round.put(job);
            if round.commit().await? {
                self.dispatch.tell(id, &tenant).await;
                return Ok(true);
            }
        }
    }

    async fn resume_due(&self) -> StoreResult<Option<String>> {
        let now = now_millis();
        for job in self.open_jobs().await? {
            let id = job.text("id").unwrap_or_default();
            if is_due(&job, now) && self.resume(id).await? {
                return Ok(Some(id.to_owned()));
            }
        }
        Ok(None)
    }
}
