//! Jobs, as those see them who do not follow them.

use std::collections::HashMap;

use app_gen_contract::JobState;
use futures::future::try_join_all;

use crate::clock::now_millis;
use crate::database::record::{FromColumns as _, Record};
use crate::database::{Accepted, Cancelled, Job, NOT_STARTED, NewJob, PastAttempt, WAITED};
use crate::stores::dynamodb::accept::accept;
use crate::stores::dynamodb::job::{ENDED_JOBS, OPEN_JOBS, complete, is_open, stands_in_line};
use crate::stores::dynamodb::key::{self, Key, named, sortable};
use crate::stores::dynamodb::table::{LAST, List};
use crate::stores::dynamodb::{DynamoStore, LOOK, ending};
use crate::stores::error::StoreResult;
use crate::stores::jobs::Jobs;

/// Lists that are read at the same time at most.
const TOGETHER: usize = 16;

/// The job that an item holds.
pub(super) fn read(mut item: Record) -> StoreResult<Job> {
    complete(&mut item);
    Ok(Job::from_columns(&item)?)
}

impl DynamoStore {
    /// The items of jobs that have not ended, as the index knows them: the oldest first.
    pub(super) async fn open_jobs(&self) -> StoreResult<Vec<Record>> {
        self.table.work(OPEN_JOBS, i64::MAX).await
    }

    /// The items of the jobs that a list names, in its order.
    pub(super) async fn jobs_of(&self, list: &[Record]) -> StoreResult<Vec<Record>> {
        let keys = list.iter().map(|entry| key::job(named(entry)));
        let mut found = self.table.get_all(keys.collect()).await?;
        let jobs = list
            .iter()
            .filter_map(|entry| found.remove(&key::job(named(entry))));
        Ok(jobs.collect())
    }

    /// The items of a tenant's jobs from `first` to `last`: of one project, or of all.
    pub(super) async fn jobs_between(
        &self,
        tenant: &str,
        (first, last): (&str, &str),
        project_id: Option<&str>,
    ) -> StoreResult<Vec<Record>> {
        let partition = match project_id {
            Some(id) => key::project_partition(id),
            None => key::tenant_partition(tenant),
        };
        let list = List::of(partition, "JOB#")
            .from(format!("JOB#{first}"))
            .to(format!("JOB#{last}"));
        let mut jobs = self.jobs_of(&self.table.list(&list).await?).await?;
        jobs.retain(|job| job.is("tenant_id", tenant));
        Ok(jobs)
    }

    /// Ends a job that nobody follows.
    async fn cancel_idle(&self, id: &str) -> StoreResult<bool> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let Some(mut job) = round.get(&key::job(id)).await? else {
                return Ok(false);
            };
            let is_idle = ["queued", "waiting_approval", "waiting_limit"]
                .iter()
                .any(|state| job.is("state", state));
            if !is_open(&job) || !is_idle {
                return Ok(false);
            }
            let now = now_millis();
            let is_fresh = job.number("attempt") == 1 && job.is("state", "queued");
            let reason = match is_fresh {
                true => NOT_STARTED,
                false => WAITED,
            };
            job.clear("waiting").clear("resume_at");
            let end = ending::Ending {
                state: JobState::Cancelled,
                reason: Some(reason),
                version: None,
            };
            let next = ending::end(self, &mut round, job, &end, now).await?;
            if round.commit().await? {
                self.tell_next(next).await;
                return Ok(true);
            }
        }
    }

    /// The job's follower reads this before it starts anything, and every second after that.
    async fn request_stop(&self, id: &str) -> StoreResult<bool> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let Some(mut job) = round.get(&key::job(id)).await? else {
                return Ok(false);
            };
            if !is_open(&job) || !job.has("owner") || job.has("stop_state") {
                return Ok(false);
            }
            job.set("stop_state", JobState::Cancelled.as_str());
            job.set("stop_reason", "cancelled on request");
            round.put(job);
            if round.commit().await? {
                return Ok(true);
            }
        }
    }

    /// Tells of the job that was waiting for one that has ended.
    pub(super) async fn tell_next(&self, next: Option<ending::Next>) {
        if let Some(next) = next {
            self.dispatch.tell(&next.job_id, &next.tenant).await;
        }
    }
}

#[async_trait::async_trait]
impl Jobs for DynamoStore {
    async fn insert_job(&self, job: &NewJob, queue: u32) -> StoreResult<Accepted> {
        if self.is_queue_full(queue).await? {
            return Ok(Accepted::QueueFull);
        }
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            match accept(&mut round, job, None, now_millis()).await? {
                Accepted::Queued => {}
                refused => return Ok(refused),
            }
            if round.commit().await? {
                self.dispatch.tell(&job.id, &job.tenant).await;
                return Ok(Accepted::Queued);
            }
        }
    }

    async fn job(&self, id: &str) -> StoreResult<Option<Job>> {
        let item = self.table.get(&key::job(id)).await?;
        item.map(read).transpose()
    }

    async fn jobs(
        &self,
        tenant: &str,
        project_id: Option<&str>,
        before: Option<&str>,
        limit: i64,
    ) -> StoreResult<Vec<Job>> {
        let partition = match project_id {
            Some(id) => key::project_partition(id),
            None => key::tenant_partition(tenant),
        };
        let mut list = List::of(partition, "JOB#").newest_first();
        if let Some(before) = before {
            list = list.to(format!("JOB#{before}"));
        }
        // The one that the page begins after is in the list.
        let mut entries = self
            .table
            .list(&list.limit(limit.saturating_add(1)))
            .await?;
        entries.retain(|entry| Some(named(entry)) != before);
        entries.truncate(usize::try_from(limit).unwrap_or(0));
        let mut jobs = self.jobs_of(&entries).await?;
        jobs.retain(|job| job.is("tenant_id", tenant));
        jobs.into_iter().map(read).collect()
    }

    async fn first_of_projects(&self) -> StoreResult<HashMap<String, String>> {
        let mut first = HashMap::new();
        // The oldest first.
        for job in self.open_jobs().await? {
            if stands_in_line(&job)
                && let (Some(project), Some(id)) = (job.text("project_id"), job.text("id"))
            {
                let entry = first.entry(project.to_owned());
                entry.or_insert_with(|| id.to_owned());
            }
        }
        Ok(first)
    }

    async fn cancel_job(&self, id: &str) -> StoreResult<Cancelled> {
        // A job that begins to wait between the two looks is met by the second round.
        for _ in 0..2 {
            if self.cancel_idle(id).await? {
                return Ok(Cancelled::AtOnce);
            }
            if self.request_stop(id).await? {
                return Ok(Cancelled::Requested);
            }
        }
        Ok(Cancelled::Nothing)
    }

    async fn attempts(
        &self,
        tenant: &str,
        first: &str,
        last: &str,
        project_id: Option<&str>,
    ) -> StoreResult<Vec<PastAttempt>> {
        let jobs = self.jobs_between(tenant, (first, last), project_id).await?;
        let lists: Vec<List> = jobs
            .iter()
            .filter_map(|job| Some(List::of(key::job_partition(job.text("id")?), "ATTEMPT#")))
            .collect();
        let mut attempts = Vec::new();
        for lists in lists.chunks(TOGETHER) {
            for items in try_join_all(lists.iter().map(|list| self.table.list(list))).await? {
                for item in &items {
                    attempts.push(PastAttempt::from_columns(item)?);
                }
            }
        }
        Ok(attempts)
    }

    async fn set_verified(&self, id: &str, sha256: &str, e_tag: &str) -> StoreResult<bool> {
        let mut rounds = self.table.rounds();
        loop {
            let mut round = rounds.next().await?;
            let Some(mut job) = round.get(&key::job(id)).await? else {
                return Ok(false);
            };
            if !job.is("artifact_sha256", sha256) || job.has("artifact_e_tag") {
                return Ok(false);
            }
            job.set("artifact_e_tag", e_tag);
            round.put(job);
            if round.commit().await? {
                return Ok(true);
            }
        }
    }

    async fn ended_before(&self, millis: i64, limit: i64) -> StoreResult<Vec<String>> {
        // Times of the same millisecond have ids after them, which sort before this.
        let until = sortable(millis.saturating_sub(1)) + LAST;
        let jobs = self.table.work_until(ENDED_JOBS, until, limit).await?;
        Ok(jobs
            .iter()
            .filter_map(|job| Some(job.text("id")?.to_owned()))
            .collect())
    }

    async fn unfinished_jobs(&self, tenant: &str, limit: i64) -> StoreResult<Vec<String>> {
        let jobs = self.open_jobs().await?;
        let jobs = jobs.iter().filter(|job| job.is("tenant_id", tenant));
        let ids = jobs.filter_map(|job| Some(job.text("id")?.to_owned()));
        Ok(ids.take(usize::try_from(limit).unwrap_or(0)).collect())
    }

    async fn remove_job(&self, id: &str) -> StoreResult<()> {
        let Some(job) = self.table.get(&key::job(id)).await? else {
            return Ok(());
        };
        if is_open(&job) {
            return Ok(());
        }
        // Its item and the lists that name it go last: whatever ends this in between, the next one finds it.
        loop {
            let items = self
                .table
                .list(&List::of(key::job_partition(id), "").limit(LOOK))
                .await?;
            let rest: Vec<Key> = items
                .iter()
                .map(Key::of)
                .filter(|key| key.sort != "JOB")
                .collect();
            if rest.is_empty() {
                break;
            }
            self.table.delete_all(rest).await?;
        }
        let mut round = self.table.rounds().next().await?;
        round.delete(key::job(id));
        if let Some(project) = job.text("project_id") {
            round.delete(key::job_of_project(project, id));
        }
        if let Some(tenant) = job.text("tenant_id") {
            round.delete(key::owned(tenant, "JOB", id));
        }
        round.commit().await?;
        Ok(())
    }
}
