//! One job, from its claim to its end.
//!
//! A follower can die at any point, and another goes on from what the database holds: events are stored
//! together with the place in the log they were read up to, decisions (a stop, its reason) before they are
//! acted on.

use std::time::Duration;

use app_gen_contract::JobState;
use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::database::{Job, Lease, Stop};
use crate::launcher::{Ending, LogPage, LogTraits, TaskStatus};
use crate::worker::reading::{self, Fault};

/// How often the job is read again, for a stop that was asked for.
const REFRESH: Duration = Duration::from_secs(1);
/// Pause after a log could not be read.
const READ_PAUSE: Duration = Duration::from_millis(500);

/// Why a follower stops before the job has ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum FollowError {
    /// The job belongs to another orchestrator now.
    #[error("the job is followed by another orchestrator")]
    Lost,
    /// Something did not answer; another attempt may succeed.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl From<sqlx::Error> for FollowError {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// What a follower knows of its job.
pub(super) struct Follower {
    pub(super) app: App,
    pub(super) lease: Lease,
    pub(super) job: Job,
    pub(super) traits: LogTraits,
    /// Whether it is known that the last attempt did not start a task.
    pub(super) not_started: bool,
    /// Errors on the way to a task.
    pub(super) start_errors: u32,
    /// Where in the log the next reading begins. It differs from the stored place once that has proved
    /// useless.
    pub(super) position: Option<String>,
    /// Set once the log is damaged for good: it is not read any more.
    pub(super) broken: bool,
    pub(super) last_event: Instant,
    pub(super) gap_since: Option<Instant>,
    pub(super) missing_since: Option<Instant>,
    last_status: Option<(Instant, TaskStatus)>,
    pub(super) stopped: Option<(Instant, Ending)>,
    pub(super) asked_to_stop: Option<Instant>,
    pub(super) forced: bool,
    last_refresh: Instant,
}

impl Follower {
    pub(super) fn new(app: App, lease: Lease, job: Job) -> Self {
        let now = Instant::now();
        let broken = job
            .stop
            .as_ref()
            .is_some_and(|stop| stop.state == JobState::Failed);
        Self {
            traits: app.launcher.log_traits(),
            not_started: false,
            start_errors: 0,
            position: job.log_position.clone(),
            app,
            lease,
            job,
            broken,
            last_event: now,
            gap_since: None,
            missing_since: None,
            last_status: None,
            stopped: None,
            asked_to_stop: None,
            forced: false,
            last_refresh: now,
        }
    }

    pub(super) async fn run(&mut self) -> Result<(), FollowError> {
        let handle = match self.task().await? {
            Ok(handle) => handle,
            Err(stop) => return self.finish(&stop).await,
        };
        loop {
            if self.last_refresh.elapsed() >= REFRESH {
                self.refresh().await?;
            }
            // The status is read before the log, so that everything written before the end is read.
            self.look_at_task(&handle).await?;
            let page = self.read(&handle).await?;
            if let Some(stop) = self.end(page.as_ref()).await? {
                self.finish(&stop).await?;
                if let Err(error) = self.app.launcher.forget(&handle).await {
                    tracing::warn!(
                        job_id = self.job.id,
                        error = format!("{error:#}"),
                        "failed to clean up after a task"
                    );
                }
                return Ok(());
            }
            self.stop_if_needed(&handle).await?;
            if !page.is_some_and(|page| page.more) {
                sleep(self.traits.poll).await;
            }
        }
    }

    /// The job as the database has it, with a stop that somebody asked for.
    pub(super) async fn refresh(&mut self) -> Result<(), FollowError> {
        let job = self.app.database.own_job(&self.lease, &self.job.id).await?;
        self.job = job.ok_or(FollowError::Lost)?;
        self.last_refresh = Instant::now();
        Ok(())
    }

    async fn look_at_task(&mut self, handle: &str) -> Result<(), FollowError> {
        let due = self
            .last_status
            .as_ref()
            .is_none_or(|(at, _)| at.elapsed() >= self.traits.status_poll);
        if self.stopped.is_some() || !due {
            return Ok(());
        }
        let status = match self.app.launcher.status(handle).await {
            Ok(status) => status,
            Err(error) => {
                tracing::warn!(
                    job_id = self.job.id,
                    error = format!("{error:#}"),
                    "failed to ask for a task"
                );
                return Ok(());
            }
        };
        match &status {
            TaskStatus::Running if self.job.state == JobState::Starting => {
                self.set_running().await?;
            }
            // Before the generator runs, silence is not its fault.
            TaskStatus::Pending => self.last_event = Instant::now(),
            TaskStatus::Stopped(ending) => self.stopped = Some((Instant::now(), ending.clone())),
            _ => {}
        }
        self.missing_since = match status {
            TaskStatus::Missing => self.missing_since.or_else(|| Some(Instant::now())),
            _ => None,
        };
        self.last_status = Some((Instant::now(), status));
        Ok(())
    }

    async fn set_running(&mut self) -> Result<(), FollowError> {
        self.app
            .database
            .set_running(&self.lease, &self.job.id)
            .await?;
        self.app.hub.notify(&self.job.id);
        self.job.state = JobState::Running;
        self.last_event = Instant::now();
        Ok(())
    }

    /// Reads on in the log and stores what is new; `None` when the log could not be read.
    async fn read(&mut self, handle: &str) -> Result<Option<LogPage>, FollowError> {
        if self.broken {
            return Ok(Some(LogPage::default()));
        }
        let position = self.position.as_deref();
        let page = match self.app.launcher.read_log(handle, position).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(
                    job_id = self.job.id,
                    error = format!("{error:#}"),
                    "failed to read a log"
                );
                // A log that cannot be read says nothing about the generator.
                self.last_event = Instant::now();
                sleep(READ_PAUSE).await;
                return Ok(None);
            }
        };
        self.take(&page.lines, page.position.clone()).await?;
        Ok(Some(page))
    }

    pub(super) async fn take(
        &mut self,
        lines: &[Vec<u8>],
        position: Option<String>,
    ) -> Result<(), FollowError> {
        let after = self.job.generator_sequence;
        if self.job.outcome.is_some() {
            if !lines.is_empty() {
                tracing::warn!(
                    job_id = self.job.id,
                    lines = lines.len(),
                    "ignored what a generator wrote after its last event"
                );
            }
            self.position = position;
            return Ok(());
        }
        let (events, line_fault) = reading::parse(&self.job.id, after, lines);
        let (mut batch, body_fault) =
            reading::batch(&self.app.artifacts, &self.job.id, events).await;
        let fault = body_fault.or(line_fault);
        if fault.is_none() {
            batch.log_position.clone_from(&position);
        }
        if !batch.events.is_empty() && self.job.state == JobState::Starting {
            self.set_running().await?;
        }
        if !batch.events.is_empty() || batch.log_position.is_some() && position != self.position {
            let stored = self
                .app
                .database
                .store_batch(&self.lease, &self.job.id, after, &batch)
                .await?;
            if !stored {
                return Err(FollowError::Lost);
            }
        }
        if let Some(last) = batch.events.last() {
            self.app.hub.notify(&self.job.id);
            self.job.generator_sequence = last.generator_sequence;
            self.last_event = Instant::now();
        }
        self.job.artifact = batch.artifact.or(self.job.artifact.take());
        self.job.outcome = batch.outcome;
        match fault {
            None => {
                self.position = position;
                self.gap_since = None;
            }
            Some(fault) => self.on_fault(&fault).await?,
        }
        Ok(())
    }

    async fn on_fault(&mut self, fault: &Fault) -> Result<(), FollowError> {
        if let Fault::Gap(_) = fault {
            let since = *self.gap_since.get_or_insert_with(Instant::now);
            if since.elapsed() < self.traits.gap {
                // Late lines may have arrived before the present place.
                self.position = None;
                sleep(self.traits.poll).await;
                return Ok(());
            }
        }
        self.broken = true;
        self.decide(Stop {
            state: JobState::Failed,
            reason: fault.reason().to_owned(),
        })
        .await
    }

    /// Keeps a decision to stop the task, unless there is an earlier one.
    pub(super) async fn decide(&mut self, stop: Stop) -> Result<(), FollowError> {
        self.app
            .database
            .set_stop(&self.lease, &self.job.id, &stop)
            .await?;
        self.refresh().await
    }
}
