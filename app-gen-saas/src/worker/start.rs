//! Finds a job's task or starts it, but never starts a second one.
//!
//! Every try is counted in the database before it is made. If the outcome of a try was not kept, because
//! the orchestrator died or the call broke off, its task is looked for before another try, and for longer
//! before the job ends without one.
//!
//! Only a refusal fails the job. Whatever else prevents a start may pass: the job waits for that as long as
//! its time lasts, and no other job is claimed meanwhile.

use std::time::Duration;

use anyhow::Context as _;
use app_gen_contract::{Attempt, Budget, Delivery, JobSpec, JobState, SpecError, StartFrom, Used};
use tokio::time::{Instant, sleep};

use crate::database::{Job, JobKind, Stop};
use crate::launcher::{Launch, LaunchError, OwnKeys, Trace};
use crate::worker::follow::{FollowError, Follower};
use crate::worker::launching::Launching;

/// Pauses between tries, the first and the longest. While the job is only to end, the pauses are short.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const SEARCH_PAUSE: Duration = Duration::from_secs(3);
/// How often a pause looks for a stop.
const LOOK: Duration = Duration::from_millis(500);

/// What a look or a try came to.
enum Found {
    /// The job's task.
    Task(String),
    /// The job gets no task and ends.
    End(Stop),
    /// Nothing yet.
    Nothing,
}

impl Follower {
    /// The handle of the job's task; the inner `Err` is the end of a job that gets no task.
    pub(super) async fn task(&mut self) -> Result<Result<String, Stop>, FollowError> {
        let mut pause = FIRST_PAUSE;
        loop {
            self.refresh().await?;
            if let Some(handle) = &self.job.task_handle {
                self.waiting = None;
                return Ok(Ok(handle.clone()));
            }
            if self.job.stop.is_none()
                && let Some(stop) = self.too_late()
            {
                self.decide(stop).await?;
            }
            match self.find_or_start().await {
                Ok(Found::Task(handle)) => {
                    self.waiting = None;
                    return Ok(Ok(handle));
                }
                Ok(Found::End(stop)) => return Ok(Err(stop)),
                Ok(Found::Nothing) => {}
                Err(FollowError::Failed(error)) => tracing::warn!(
                    job_id = self.job.id,
                    error = format!("{error:#}"),
                    "no task yet"
                ),
                Err(lost @ FollowError::Lost) => return Err(lost),
            }
            if self.job.stop.is_some() {
                self.waiting = None;
            } else if self.waiting.is_none() {
                self.waiting = Some(self.room.wait());
            }
            self.pause(pause).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Gives up a task that ended before it ran, and waits a while for another one.
    pub(super) async fn give_task_up(&mut self, why: String) -> Result<(), FollowError> {
        tracing::warn!(
            job_id = self.job.id,
            reason = why,
            "a generator was not started"
        );
        self.app
            .database
            .clear_task(&self.lease, &self.job.id)
            .await?;
        self.forget_task();
        self.launching = Launching {
            unclear: None,
            failure: Some(why),
        };
        self.waiting = Some(self.room.wait());
        self.refresh().await?;
        self.pause(LONGEST_PAUSE).await
    }

    /// Waits for a while, or until the job is to end.
    async fn pause(&mut self, pause: Duration) -> Result<(), FollowError> {
        let until = Instant::now() + pause;
        let search = Instant::now() + SEARCH_PAUSE.min(self.app.config.jobs.search / 4);
        let stopping = self.job.stop.is_some();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            sleep(LOOK.min(left)).await;
            if left.is_zero() || stopping && Instant::now() >= search {
                return Ok(());
            }
            self.refresh().await?;
            if !stopping && (self.job.stop.is_some() || self.out_of_time().is_some()) {
                return Ok(());
            }
        }
    }

    /// The end of a job that has used up its time without a task.
    fn too_late(&self) -> Option<Stop> {
        let mut stop = self.out_of_time()?;
        if let Some(why) = &self.launching.failure {
            stop.reason = format!("{}: {why}", stop.reason);
        }
        Some(stop)
    }

    async fn find_or_start(&mut self) -> Result<Found, FollowError> {
        let mut repeat = None;
        if let Some(since) = self.launching.unclear {
            let launch = self.launch(self.job.launch_attempt);
            let trace = self.app.launcher.find(&launch).await;
            match trace {
                Ok(Trace::Task(task)) => {
                    tracing::info!(job_id = launch.job_id, task = task.name, "found a task");
                    return self.keep(&task.name, task.handle).await;
                }
                Ok(Trace::Never) => self.launching.unclear = None,
                // What appears after the search is stopped as a leftover.
                Ok(Trace::Unclear) | Err(_)
                    if self.job.stop.is_some()
                        && since.elapsed() >= self.app.config.jobs.search => {}
                Ok(Trace::Unclear) if self.job.stop.is_none() => repeat = Some(launch),
                Ok(Trace::Unclear) => return Ok(Found::Nothing),
                Err(error) => return Err(error.into()),
            }
        }
        match self.job.stop.clone() {
            Some(stop) => Ok(Found::End(stop)),
            None => self.start(repeat).await,
        }
    }

    /// Repeats the try `repeat`, or makes the next one.
    async fn start(&mut self, repeat: Option<Launch>) -> Result<Found, FollowError> {
        let start_from = match self.start_from().await? {
            Ok(start_from) => start_from,
            Err(reason) => return self.refuse(reason.to_owned()).await,
        };
        let delivery = match self.delivery().await? {
            Ok(delivery) => delivery,
            Err(reason) => return self.refuse(reason.to_owned()).await,
        };
        let usual = self.app.config.limits.tenant;
        let left = self.app.database.month_left(&self.job.tenant, usual);
        let budget = within(self.job.wishes.budget, self.job.used.micro_usd, left.await?);
        let spec = match self.spec(start_from, delivery, budget) {
            Ok(spec) => spec,
            Err(error) => return self.refuse(error.to_string()).await,
        };
        let job = &self.job;
        self.app.artifacts.put_spec(&spec).await?;
        let own_keys = self.own_keys().await?;
        let launch = match repeat {
            Some(launch) => launch,
            None => {
                let database = &self.app.database;
                let number = database.begin_launch(&self.lease, &job.id).await?;
                self.launch(number.ok_or(FollowError::Lost)?)
            }
        };
        let launch = Launch { own_keys, ..launch };
        let was_unclear = self.launching.unclear.replace(Instant::now());
        match self.app.launcher.launch(&launch).await {
            Ok(task) => {
                tracing::info!(
                    job_id = launch.job_id,
                    task = task.name,
                    "started a generator"
                );
                self.keep(&task.name, task.handle).await
            }
            Err(LaunchError::Refused(reason)) => {
                self.launching.unclear = was_unclear;
                self.refuse(reason).await
            }
            Err(LaunchError::NotStarted(reason)) => {
                tracing::warn!(
                    job_id = launch.job_id,
                    reason,
                    "a generator was not started"
                );
                self.launching = Launching {
                    unclear: was_unclear,
                    failure: Some(reason),
                };
                Ok(Found::Nothing)
            }
            Err(LaunchError::Unknown(error)) => {
                // The time of the search begins when the call has ended.
                self.launching.unclear = Some(Instant::now());
                Err(error.into())
            }
        }
    }

    /// The end of a job that cannot be started; the search for the task of an earlier try comes first.
    async fn refuse(&mut self, reason: String) -> Result<Found, FollowError> {
        let stop = Stop {
            state: JobState::Failed,
            reason,
        };
        if self.launching.unclear.is_none() {
            return Ok(Found::End(stop));
        }
        self.decide(stop).await?;
        Ok(Found::Nothing)
    }

    async fn keep(&mut self, name: &str, handle: String) -> Result<Found, FollowError> {
        let database = &self.app.database;
        let kept = database
            .set_task(
                &self.lease,
                &self.job.id,
                name,
                &handle,
                self.app.config.launcher.micro_usd_per_hour(),
            )
            .await?;
        // The job's new owner finds the task in the same way as this orchestrator.
        if kept {
            Ok(Found::Task(handle))
        } else {
            Err(FollowError::Lost)
        }
    }

    fn launch(&self, number: i64) -> Launch {
        let job = &self.job;
        Launch {
            job_id: job.id.clone(),
            attempt: job.attempt,
            number,
            spec_uri: self.app.artifacts.spec_uri(&job.id, job.attempt),
            checkpoint: job.checkpoint,
            has_start: matches!(job.kind, JobKind::Change | JobKind::Deliver)
                || job.wishes.start_commit().is_some(),
            has_attachments: !job.wishes.attachments.is_empty(),
            delivers: job.kind == JobKind::Deliver,
            own_keys: OwnKeys::default(),
            lifetime: self.app.config.jobs.lifetime(),
            may_be_interrupted: may_be_interrupted(job, number),
        }
    }

    /// What the job begins with, once its history is in the job's folder; the inner `Err` is why there is
    /// nothing to change. A creation begins with nothing, or with a template, which was lent to it as it was
    /// accepted.
    async fn start_from(&self) -> Result<Result<Option<StartFrom>, &'static str>, FollowError> {
        let (database, job) = (&self.app.database, &self.job);
        if let (JobKind::Create, Some(commit)) = (job.kind, job.wishes.start_commit()) {
            return Ok(Ok(Some(StartFrom {
                bundle_uri: self.app.artifacts.start_uri(&job.id),
                commit: commit.to_owned(),
            })));
        }
        let (JobKind::Change | JobKind::Deliver, Some(project_id)) =
            (job.kind, job.project_id.as_deref())
        else {
            return Ok(Ok(None));
        };
        let Some(number) = database.begin_change(&self.lease, &job.id).await? else {
            return Ok(Err("the project has no version that could be changed"));
        };
        let version = database.version(project_id, number).await?;
        let content = version.context("the version is gone")?.content;
        let artifacts = &self.app.artifacts;
        let bundle_uri = artifacts
            .lend_history(project_id, &content.folder, &job.id)
            .await?;
        Ok(Ok(Some(StartFrom {
            bundle_uri,
            commit: content.commit,
        })))
    }

    /// Where a delivery goes; the inner `Err` is why there is nothing to deliver. No other job has one.
    async fn delivery(&self) -> Result<Result<Option<Delivery>, &'static str>, FollowError> {
        let (database, job) = (&self.app.database, &self.job);
        let (JobKind::Deliver, Some(project_id)) = (job.kind, job.project_id.as_deref()) else {
            return Ok(Ok(None));
        };
        let Some(project) = database.project(project_id).await? else {
            return Ok(Err("the project is gone"));
        };
        let Some(delivery) = database.delivery_of_job(&job.id).await? else {
            return Ok(Err("the delivery was asked for again, by a later job"));
        };
        let Some(target) = delivery.target else {
            return Ok(Err("the target is one that only a newer version knows"));
        };
        Ok(Ok(Some(Delivery {
            target,
            project_id: project.id,
            name: project.name,
            version: u32::try_from(delivery.version).unwrap_or(u32::MAX),
            check_url: delivery.url.filter(|_| delivery.check_only),
        })))
    }

    /// What the present attempt is asked.
    fn spec(
        &self,
        start_from: Option<StartFrom>,
        delivery: Option<Delivery>,
        budget: Budget,
    ) -> Result<JobSpec, SpecError> {
        let job = &self.job;
        let artifact_uri = self.app.artifacts.job_uri(&job.id);
        let used = Used {
            micro_usd: job.used.micro_usd.unsigned_abs(),
            tokens: job.used.tokens.unsigned_abs(),
            seconds: job.used.millis.unsigned_abs() / 1000,
            iterations: u32::try_from(job.used.iterations).unwrap_or(u32::MAX),
        };
        let spec = JobSpec {
            kind: match job.kind {
                JobKind::Change => app_gen_contract::JobKind::Change,
                JobKind::Deliver => app_gen_contract::JobKind::Deliver,
                JobKind::Create | JobKind::Restore => app_gen_contract::JobKind::Create,
            },
            start_from,
            template: job
                .wishes
                .template
                .as_ref()
                .filter(|template| template.commit.is_none())
                .map(|template| template.id.clone()),
            attachments: job.wishes.attachments.clone(),
            delivery,
            attempt: Attempt {
                number: job.attempt,
                after_sequence: job.attempt_after_sequence.unsigned_abs(),
                used,
                checkpoint: job.checkpoint,
                decision: job.decision.clone(),
            },
            model: job.wishes.model.clone(),
            fallback: job.wishes.fallback.clone(),
            roles: job.wishes.roles.clone(),
            budget,
            approvals: job.wishes.approvals.clone(),
            origin: job.wishes.origin.clone(),
            ..JobSpec::new(&job.id, &job.description, &job.provider, &artifact_uri)?
        };
        spec.checked()
    }
}

/// The budget of a job with no more than what its tenant has left this month, beside what the job has used.
fn within(budget: Budget, used_micro_usd: i64, left_micro_usd: Option<i64>) -> Budget {
    let Some(left) = left_micro_usd else {
        return budget;
    };
    let most = used_micro_usd
        .max(0)
        .saturating_add(left.max(1))
        .unsigned_abs();
    Budget {
        micro_usd: Some(budget.micro_usd.map_or(most, |own| own.min(most))),
        ..budget
    }
}

/// Whether the try of this number may run where it can be interrupted: agents keep their work as they go, so
/// an interruption costs them an iteration. One that was interrupted twice in vain, or found no room there,
/// gets a place that it keeps. A delivery takes minutes, and somebody waits for it.
fn may_be_interrupted(job: &Job, number: i64) -> bool {
    const KEEPS_NO_WORK: &str = "template";
    let is_first_try = number == job.attempt_after_launch + 1;
    let keeps_work = job.provider != KEEPS_NO_WORK && job.kind != JobKind::Deliver;
    keeps_work && job.interruptions < 2 && is_first_try
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::samples::job;

    #[test]
    fn only_what_keeps_its_work_may_be_interrupted() {
        let mut job = job(0);
        assert!(!may_be_interrupted(&job, 1));
        job.provider = "claude".to_owned();
        assert!(may_be_interrupted(&job, 1));
        assert!(!may_be_interrupted(&job, 2));
        job.attempt_after_launch = 4;
        assert!(may_be_interrupted(&job, 5));
        job.interruptions = 2;
        assert!(!may_be_interrupted(&job, 5));
        job.interruptions = 0;
        job.kind = JobKind::Deliver;
        assert!(!may_be_interrupted(&job, 5));
    }

    #[test]
    fn no_job_spends_more_than_its_tenant_has_left() {
        let budget = |micro_usd| Budget {
            micro_usd,
            minutes: Some(30),
            ..Budget::default()
        };
        let of = |own, used, left| within(budget(own), used, left).micro_usd;
        assert_eq!(of(Some(500), 100, None), Some(500));
        assert_eq!(of(Some(500), 100, Some(1000)), Some(500));
        assert_eq!(of(Some(500), 100, Some(50)), Some(150));
        assert_eq!(of(None, 100, Some(50)), Some(150));
        assert_eq!(of(Some(500), 0, Some(0)), Some(1));
        assert_eq!(within(budget(None), 0, Some(5)).minutes, Some(30));
    }
}
