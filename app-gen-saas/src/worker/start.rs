//! Finds a job's task or starts it, but never starts a second one.
//!
//! Every attempt is counted in the database before it is made. If the outcome of an attempt was not kept,
//! because the orchestrator died or the call broke off, its task is looked for before another attempt.

use app_gen_contract::{JobSpec, JobState};

use crate::database::Stop;
use crate::launcher::{Launch, LaunchError, Trace};
use crate::worker::follow::{FollowError, Follower};

/// Errors on the way to a task before the job is given up: about half a minute.
const MAX_ERRORS: u32 = 8;

impl Follower {
    /// The handle of the job's task; the inner `Err` is the end of a job that gets no task.
    pub(super) async fn task(&mut self) -> Result<Result<String, Stop>, FollowError> {
        self.refresh().await?;
        if let Some(handle) = &self.job.task_handle {
            return Ok(Ok(handle.clone()));
        }
        match self.find_or_start().await {
            Err(FollowError::Failed(error)) => {
                self.start_errors += 1;
                if let Some(stop) = self.give_up() {
                    tracing::error!(
                        job_id = self.job.id,
                        error = format!("{error:#}"),
                        "gave up starting a generator"
                    );
                    return Ok(Err(stop));
                }
                Err(error.into())
            }
            result => result,
        }
    }

    fn give_up(&self) -> Option<Stop> {
        let failed = || Stop {
            state: JobState::Failed,
            reason: format!("the generator could not be started in {MAX_ERRORS} attempts"),
        };
        self.out_of_time()
            .or_else(|| (self.start_errors >= MAX_ERRORS).then(failed))
    }

    async fn find_or_start(&mut self) -> Result<Result<String, Stop>, FollowError> {
        let mut repeat = None;
        if self.job.launch_attempt > 0 && !self.not_started {
            let launch = self.launch(self.job.launch_attempt);
            match self.app.launcher.find(&launch).await? {
                Trace::Task(task) => {
                    tracing::info!(job_id = launch.job_id, task = task.name, "found a task");
                    return self.keep(&task.name, task.handle).await.map(Ok);
                }
                Trace::Never => {}
                Trace::Unclear => repeat = Some(launch),
            }
        }
        if let Some(stop) = self.job.stop.clone().or_else(|| self.out_of_time()) {
            return Ok(Err(stop));
        }
        self.start(repeat).await
    }

    /// Repeats the attempt `repeat`, or makes the next one.
    async fn start(&mut self, repeat: Option<Launch>) -> Result<Result<String, Stop>, FollowError> {
        let failed = |reason| Stop {
            state: JobState::Failed,
            reason,
        };
        let job = &self.job;
        let artifact_uri = self.app.artifacts.job_uri(&job.id);
        let spec = match JobSpec::new(&job.id, &job.description, &job.provider, &artifact_uri) {
            Ok(spec) => spec,
            Err(error) => return Ok(Err(failed(error.to_string()))),
        };
        self.app.artifacts.put_spec(&spec).await?;
        let launch = match repeat {
            Some(launch) => launch,
            None => {
                let database = &self.app.database;
                let attempt = database.begin_attempt(&self.lease, &job.id).await?;
                self.launch(attempt.ok_or(FollowError::Lost)?)
            }
        };
        self.not_started = false;
        match self.app.launcher.launch(&launch).await {
            Ok(task) => {
                tracing::info!(
                    job_id = launch.job_id,
                    task = task.name,
                    "started a generator"
                );
                self.keep(&task.name, task.handle).await.map(Ok)
            }
            Err(LaunchError::Refused(reason)) => Ok(Err(failed(reason))),
            Err(LaunchError::NotStarted(reason)) => {
                self.not_started = true;
                Err(anyhow::Error::msg(reason).into())
            }
            Err(LaunchError::Unknown(error)) => Err(error.into()),
        }
    }

    async fn keep(&mut self, name: &str, handle: String) -> Result<String, FollowError> {
        let database = &self.app.database;
        let kept = database
            .set_task(&self.lease, &self.job.id, name, &handle)
            .await?;
        // The job's new owner finds the task in the same way as this orchestrator.
        if kept {
            Ok(handle)
        } else {
            Err(FollowError::Lost)
        }
    }

    fn launch(&self, attempt: i64) -> Launch {
        Launch {
            job_id: self.job.id.clone(),
            attempt,
            spec_uri: self.app.artifacts.spec_uri(&self.job.id),
        }
    }
}
