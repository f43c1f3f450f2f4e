//! The writes of a follower about its job.

use app_gen_contract::JobState;
use serde::Serialize;

use crate::clock::now_millis;
use crate::database::record::Record;
use crate::database::{Batch, EventRecord, Job, Lease, NewVersion, Outcome, Pause, Stop};
use crate::stores::dynamodb::ending::{self, Ending};
use crate::stores::dynamodb::job::{
    attempt_began, begin_next_attempt, complete, count_attempt, is_own,
};
use crate::stores::dynamodb::round::Round;
use crate::stores::dynamodb::{DynamoStore, deliveries, jobs, key, stream};
use crate::stores::error::{StoreError, StoreResult};
use crate::stores::following::Following;

impl DynamoStore {
    /// Changes a job that this owner follows: its item as it is then; nothing if it is no longer its own.
    pub(super) async fn change_own(
        &self,
        lease: &Lease,
        id: &str,
        change: impl Fn(&mut Record) + Send + Sync,
    ) -> StoreResult<Option<Record>> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let Some(mut job) = own(&mut round, lease, id).await? else {
                return Ok(None);
            };
            change(&mut job);
            round.put(job.clone());
            if round.commit().await? {
                return Ok(Some(job));
            }
        }
    }
}

/// The job, if it has not ended and this owner follows it.
async fn own(round: &mut Round<'_>, lease: &Lease, id: &str) -> StoreResult<Option<Record>> {
    let mut job = round
        .get(&key::job(id))
        .await?
        .filter(|job| is_own(job, lease));
    if let Some(job) = &mut job {
        complete(job);
    }
    Ok(job)
}

/// Keeps the attempt that ends, as its job knows it; `false` if none has begun.
fn keep_attempt(
    round: &mut Round<'_>,
    job: &Record,
    ending: &str,
    detail: Option<&str>,
    now: i64,
) -> bool {
    if !job.has("started_at") {
        return false;
    }
    let id = job.text("id").unwrap_or_default();
    let number = job.number("attempt");
    let mut item = key::attempt(id, number).item();
    item.set("job_id", id)
        .set("number", number)
        .set("started_at", attempt_began(job).unwrap_or(now))
        .set("ended_at", now)
        .set("ending", ending)
        .set_or_clear("detail", detail)
        .set_or_clear("resources", job.text("resources"));
    round.put(item);
    true
}

fn json(value: &impl Serialize) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(error.into()))
}

/// Takes what a batch says of its job over, but for the events.
fn take_over(job: &mut Record, after: i64, batch: &Batch) -> StoreResult<()> {
    let count = i64::try_from(batch.events.len()).unwrap_or(i64::MAX);
    job.set("generator_sequence", after.saturating_add(count));
    job.set("reading_deaths", 0);
    job.add("event_bytes", batch.bytes());
    if let Some(position) = &batch.log_position {
        job.set("log_position", position);
    }
    if let Some(artifact) = &batch.artifact {
        job.set("artifact_name", &artifact.name)
            .set("artifact_size_bytes", artifact.size_bytes)
            .set("artifact_sha256", &artifact.sha256)
            .clear("artifact_e_tag")
            .set_or_clear("artifact_commit", artifact.commit.as_deref());
    }
    match &batch.outcome {
        None => {}
        Some(Outcome::Succeeded) => {
            job.set("outcome", "succeeded");
        }
        Some(Outcome::Failed { reason }) => {
            job.set("outcome", "failed").set("outcome_text", reason);
        }
        Some(Outcome::Paused(pause)) => {
            let text = json(pause)?;
            job.set("outcome", pause.ending()).set("outcome_text", text);
        }
    }
    let used = &batch.used;
    job.add("used_micro_usd", used.micro_usd);
    job.add("used_tokens", used.tokens);
    job.add("used_unpriced_tokens", used.unpriced_tokens);
    let iterations = job.number("used_iterations").max(used.iterations);
    job.set("used_iterations", iterations);
    if let Some(checkpoint) = &batch.checkpoint {
        job.set("checkpoint", json(checkpoint)?);
    }
    if let Some(resources) = &batch.resources {
        job.set("resources", json(resources)?);
    }
    Ok(())
}

#[async_trait::async_trait]
impl Following for DynamoStore {
    async fn own_job(&self, lease: &Lease, id: &str) -> StoreResult<Option<Job>> {
        let job = self.table.get(&key::job(id)).await?;
        let own = job.filter(|job| is_own(job, lease));
        own.map(jobs::read).transpose()
    }

    async fn begin_launch(&self, lease: &Lease, id: &str) -> StoreResult<Option<i64>> {
        let job = self.change_own(lease, id, |job| {
            job.add("launch_attempt", 1);
        });
        Ok(job.await?.map(|job| job.number("launch_attempt")))
    }

    async fn set_task(
        &self,
        lease: &Lease,
        id: &str,
        task: &str,
        task_handle: &str,
        micro_usd_per_hour: Option<i64>,
    ) -> StoreResult<bool> {
        let job = self.change_own(lease, id, |job| {
            job.set("task", task)
                .set("task_handle", task_handle)
                .set_or_clear("task_micro_usd_per_hour", micro_usd_per_hour);
        });
        Ok(job.await?.is_some())
    }

    async fn clear_task(&self, lease: &Lease, id: &str) -> StoreResult<()> {
        let job = self.change_own(lease, id, |job| {
            job.clear("task")
                .clear("task_handle")
                .clear("task_micro_usd_per_hour");
        });
        job.await.map(|_| ())
    }

    async fn set_running(&self, lease: &Lease, id: &str) -> StoreResult<()> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let Some(mut job) = own(&mut round, lease, id).await? else {
                return Ok(());
            };
            if !job.is("state", "starting") {
                return Ok(());
            }
            stream::tell_state(&mut round, &mut job, now_millis(), JobState::Running, None)?;
            round.put(job);
            if round.commit().await? {
                return Ok(());
            }
        }
    }

    async fn set_stop(&self, lease: &Lease, id: &str, stop: &Stop) -> StoreResult<()> {
        let job = self.change_own(lease, id, |job| {
            if !job.has("stop_state") {
                job.set("stop_state", stop.state.as_str())
                    .set("stop_reason", &stop.reason);
            }
        });
        job.await.map(|_| ())
    }

    async fn begin_change(&self, lease: &Lease, job_id: &str) -> StoreResult<Option<i64>> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let Some(mut job) = own(&mut round, lease, job_id).await? else {
                return Ok(None);
            };
            if let Some(number) = job.integer("start_version") {
                return Ok(Some(number));
            }
            let Some(project) = job.text("project_id").map(key::project) else {
                return Ok(None);
            };
            // No other job of the project can make a version meanwhile.
            let project = round.get(&project).await?;
            let number = project.map_or(0, |project| project.number("newest_version"));
            if number == 0 {
                return Ok(None);
            }
            job.set("start_version", number);
            round.put(job);
            if round.commit().await? {
                return Ok(Some(number));
            }
        }
    }

    async fn begin_reading(&self, lease: &Lease, id: &str, deaths: i64) -> StoreResult<bool> {
        let job = self.change_own(lease, id, |job| {
            job.set("reading_deaths", deaths + 1);
        });
        Ok(job.await?.is_some())
    }

    async fn store_batch(
        &self,
        lease: &Lease,
        id: &str,
        after: i64,
        batch: &Batch,
    ) -> StoreResult<Option<Vec<EventRecord>>> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let Some(mut job) = own(&mut round, lease, id).await? else {
                return Ok(None);
            };
            if job.number("generator_sequence") != after {
                return Ok(None);
            }
            take_over(&mut job, after, batch)?;
            let records = stream::append(&mut round, &mut job, &batch.events)?;
            if let Some(shown) = &batch.shown {
                deliveries::show(&mut round, &job, shown).await?;
            }
            round.put(job);
            if round.commit().await? {
                return Ok(Some(records));
            }
        }
    }

    async fn pause_job(
        &self,
        lease: &Lease,
        id: &str,
        pause: &Pause,
        advanced: bool,
        resume_at: Option<i64>,
    ) -> StoreResult<bool> {
        let waiting = json(pause)?;
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let now = now_millis();
            let Some(mut job) = own(&mut round, lease, id).await? else {
                return Ok(false);
            };
            let detail = Some(pause.detail());
            if job.has("stop_state") || !keep_attempt(&mut round, &job, pause.ending(), detail, now)
            {
                return Ok(false);
            }
            count_attempt(&mut job, now);
            job.set("waiting", &waiting)
                .set_or_clear("resume_at", resume_at)
                .set("lease_expires_at", i64::MAX)
                .clear("owner")
                .clear("attempt_started_at");
            if let Pause::Interrupted { .. } = pause {
                let interruptions = match advanced {
                    true => 1,
                    false => job.number("interruptions") + 1,
                };
                job.set("interruptions", interruptions);
                begin_next_attempt(&mut job);
            }
            stream::tell_state(&mut round, &mut job, now, pause.state(), detail)?;
            let tenant = job.text("tenant_id").unwrap_or_default().to_owned();
            round.put(job);
            if round.commit().await? {
                if pause.state() == JobState::Queued {
                    self.dispatch.tell(id, &tenant).await;
                }
                return Ok(true);
            }
        }
    }

    async fn finish_job(
        &self,
        lease: &Lease,
        id: &str,
        state: JobState,
        reason: Option<&str>,
        version: Option<&NewVersion>,
    ) -> StoreResult<bool> {
        let ending = Ending {
            state,
            reason,
            version,
        };
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let now = now_millis();
            let Some(mut job) = own(&mut round, lease, id).await? else {
                return Ok(false);
            };
            keep_attempt(&mut round, &job, state.as_str(), reason, now);
            count_attempt(&mut job, now);
            let next = ending::end(self, &mut round, job, &ending, now).await?;
            if round.commit().await? {
                self.tell_next(next).await;
                return Ok(true);
            }
        }
    }
}
