//! One attempt of a job, from its claim to its end.
//!
//! A follower can die at any point, and another goes on from what the database holds: events are stored
//! together with the place in the log they were read up to, decisions (a stop, its reason) before they are
//! acted on.

use std::collections::VecDeque;
use std::time::Duration;

use app_gen_contract::JobState;
use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::database::{Job, JobKind, Lease, Stop};
use crate::launcher::{Ending, LogPage, LogTraits, TaskStatus, Urgency};
use crate::stores::StoreError;
use crate::worker::launching::Launching;
use crate::worker::reading::{self, Fault};
use crate::worker::room::{Room, Waiting};

/// How often the job is read again, for a stop that was asked for.
const REFRESH: Duration = Duration::from_secs(1);
/// Pause after a log could not be read.
const READ_PAUSE: Duration = Duration::from_millis(500);
/// So many orchestrators may die while they take lines of a job; then it ends.
pub(super) const MAX_DEATHS: i64 = 3;
/// After each of them, the next one waits longer before it takes lines: an orchestrator that is killed by
/// something else dies elsewhere most of the time, and jobs beside this one get on meanwhile.
const DEATH_PAUSE: Duration = Duration::from_secs(2);

/// While lines come, the note that they are being taken is renewed this often, and not for each batch: a
/// death in between is seen when the next orchestrator takes the same lines.
const NOTE_PAUSE: Duration = Duration::from_secs(1);
/// For so long after an event a log is read again soon.
const BUSY: Duration = Duration::from_secs(1);

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

impl From<StoreError> for FollowError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// What a look into the log brought.
pub(super) enum Reading {
    /// The log cannot be read at the moment.
    Unreadable,
    /// It was not this job's turn to read its log.
    NotYet,
    /// Something is left to be taken.
    More,
    /// All lines that are there were taken; a last one may be there without its newline.
    AllTaken { unfinished: Vec<u8> },
}

/// What a follower knows of its job.
pub(super) struct Follower {
    pub(super) app: App,
    pub(super) lease: Lease,
    pub(super) job: Job,
    pub(super) traits: LogTraits,
    pub(super) room: Room,
    /// Held while the job waits for its task.
    pub(super) waiting: Option<Waiting>,
    /// What is known of the last try to start a task.
    pub(super) launching: Launching,
    /// Where in the log the next reading begins. It differs from the stored place once that has proved
    /// useless.
    pub(super) position: Option<String>,
    /// The part of the log that was read last, with the lines that are not stored yet.
    page: Option<(VecDeque<Vec<u8>>, LogPage)>,
    /// Bytes of the log that were read.
    log_bytes: u64,
    /// Orchestrators that died, one after the other, while they took lines.
    pub(super) deaths: i64,
    /// When it was noted that lines are being taken.
    noted: Option<Instant>,
    /// Set once the log is damaged for good: it is not read any more.
    pub(super) broken: bool,
    begun: Instant,
    pub(super) last_event: Instant,
    /// When the log was last read. Silence counts up to then: what nobody has read may be there.
    pub(super) last_read: Instant,
    pub(super) gap_since: Option<Instant>,
    pub(super) missing_since: Option<Instant>,
    last_status: Option<(Instant, TaskStatus)>,
    pub(super) stopped: Option<(Instant, Ending)>,
    pub(super) asked_to_stop: Option<Instant>,
    pub(super) forced: Option<Instant>,
    last_refresh: Instant,
}

impl Follower {
    pub(super) fn new(app: App, lease: Lease, room: Room, job: Job) -> Self {
        let now = Instant::now();
        let broken = job
            .stop
            .as_ref()
            .is_some_and(|stop| stop.state == JobState::Failed);
        Self {
            traits: app.launcher.log_traits(),
            room,
            waiting: None,
            launching: Launching::of_another(&job, now),
            position: job.log_position.clone(),
            page: None,
            log_bytes: 0,
            deaths: job.reading_deaths,
            noted: None,
            app,
            lease,
            job,
            broken,
            begun: now,
            last_event: now,
            last_read: now,
            gap_since: None,
            missing_since: None,
            last_status: None,
            stopped: None,
            asked_to_stop: None,
            forced: None,
            last_refresh: now,
        }
    }

    pub(super) async fn run(&mut self) -> Result<(), FollowError> {
        if self.job.kind == JobKind::Restore {
            return self.restore().await;
        }
        loop {
            match self.task().await? {
                Err(stop) => return self.finish(&stop).await,
                Ok(handle) if self.follow(&handle).await? => return Ok(()),
                // There was no room for that task.
                Ok(_) => {}
            }
        }
    }

    /// Follows the task to its end; `false` if the job needs another one.
    async fn follow(&mut self, handle: &str) -> Result<bool, FollowError> {
        loop {
            if self.last_refresh.elapsed() >= REFRESH {
                self.refresh().await?;
            }
            // The status is read before the log, so that everything written before the end is read. The
            // job's time and a stop come before the log, which may be anything.
            self.look_at_task(handle).await?;
            if let Some(why) = self.found_no_room() {
                self.give_task_up(why).await?;
                return Ok(false);
            }
            self.stop_if_needed(handle).await?;
            let reading = self.read(handle).await?;
            if let Some(conclusion) = self.end(&reading).await?
                && self.conclude(conclusion).await?
            {
                if let Err(error) = self.app.launcher.forget(handle).await {
                    tracing::warn!(
                        job_id = self.job.id,
                        error = format!("{error:#}"),
                        "failed to clean up after a task"
                    );
                }
                return Ok(true);
            }
            match reading {
                // Where turns are dealt out, the wait for one is the pause.
                Reading::More | Reading::NotYet => {}
                Reading::AllTaken { .. } | Reading::Unreadable => {
                    sleep(self.pause_of_reading()).await
                }
            }
        }
    }

    /// Until the log is read again when there is nothing new.
    fn pause_of_reading(&self) -> Duration {
        match self.last_event.elapsed() < BUSY {
            true => self.traits.busy_poll,
            false => self.traits.poll,
        }
    }

    /// How soon the log should be read. Jobs that nobody looks at can wait, unless their end depends on it.
    fn urgency(&self) -> Urgency {
        let is_urgent = self.stopped.is_some()
            || self.gap_since.is_some()
            || self.job.outcome.is_some()
            || self.app.hub.is_watched(&self.job.id);
        match is_urgent {
            true => Urgency::Soon,
            false => Urgency::Later,
        }
    }

    /// The job as the database has it, with a stop that somebody asked for.
    pub(super) async fn refresh(&mut self) -> Result<(), FollowError> {
        let job = self.app.database.own_job(&self.lease, &self.job.id).await?;
        self.job = job.ok_or(FollowError::Lost)?;
        self.last_refresh = Instant::now();
        Ok(())
    }

    /// Why the task never ran, if there was no room for it and the job may still have another one.
    fn found_no_room(&self) -> Option<String> {
        let (_, ending) = self.stopped.as_ref()?;
        let has_begun = self.job.generator_sequence > self.job.attempt_after_sequence;
        let is_over = self.job.stop.is_some() || has_begun;
        (ending.no_room && !is_over).then(|| ending.detail.clone().unwrap_or_default())
    }

    /// Forgets the task, which never ran.
    pub(super) fn forget_task(&mut self) {
        self.stopped = None;
        self.last_status = None;
        self.missing_since = None;
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

    /// Reads on in the log, unless lines are left, and stores a batch of what is new.
    async fn read(&mut self, handle: &str) -> Result<Reading, FollowError> {
        if self.deaths >= MAX_DEATHS && !self.broken {
            let reason = format!(
                "the orchestrator died {} times while it read the generator's log",
                self.deaths
            );
            self.on_fault(&Fault::Broken(reason)).await?;
        }
        if self.broken {
            return Ok(Reading::AllTaken {
                unfinished: Vec::new(),
            });
        }
        // What is left of an earlier reading says nothing about what was written since.
        let is_fresh = self.page.is_none();
        let (mut lines, page) = match self.page.take() {
            Some(page) => page,
            None => {
                let (position, urgency) = (self.position.as_deref(), self.urgency());
                let page = self.app.launcher.read_log(handle, position, urgency);
                match page.await {
                    Ok(None) => return Ok(Reading::NotYet),
                    Ok(Some(mut page)) => {
                        self.last_read = Instant::now();
                        let lines = std::mem::take(&mut page.lines);
                        if let Some(fault) = self.too_large(&lines, &page) {
                            self.on_fault(&fault).await?;
                            return Ok(Reading::More);
                        }
                        (lines.into(), page)
                    }
                    Err(error) => return Ok(self.unreadable(&error).await),
                }
            }
        };
        let more = page.more;
        if !self.may_take() {
            self.page = Some((lines, page));
            sleep(self.traits.poll).await;
            return Ok(Reading::More);
        }
        self.take(&mut lines, page.position.clone()).await?;
        if lines.is_empty() && !more && is_fresh {
            return Ok(Reading::AllTaken {
                unfinished: page.unfinished,
            });
        }
        if !lines.is_empty() {
            self.page = Some((lines, page));
        }
        Ok(Reading::More)
    }

    async fn unreadable(&mut self, error: &anyhow::Error) -> Reading {
        tracing::warn!(
            job_id = self.job.id,
            error = format!("{error:#}"),
            "failed to read a log"
        );
        // A log that cannot be read says nothing about the generator.
        self.last_event = Instant::now();
        sleep(READ_PAUSE).await;
        Reading::Unreadable
    }

    /// Whether enough time has passed since an orchestrator died at this.
    fn may_take(&self) -> bool {
        let deaths = u32::try_from(self.deaths).unwrap_or(0);
        self.begun.elapsed() >= DEATH_PAUSE * deaths
    }

    /// Lines that bring no event count too. While a gap is waited for, the log is read again and again.
    fn too_large(&mut self, lines: &[Vec<u8>], page: &LogPage) -> Option<Fault> {
        let limit = self.app.config.jobs.max_log_bytes();
        if self.gap_since.is_none() {
            let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
            self.log_bytes += bytes as u64;
        }
        (self.log_bytes + page.unread_bytes > limit)
            .then(|| Fault::Broken(format!("the generator's log has more than {limit} bytes")))
    }

    /// Stores the next batch of these lines. The place in the log is stored with the last of them.
    pub(super) async fn take(
        &mut self,
        lines: &mut VecDeque<Vec<u8>>,
        position: Option<String>,
    ) -> Result<(), FollowError> {
        if self.job.outcome.is_some() {
            if !lines.is_empty() {
                tracing::warn!(
                    job_id = self.job.id,
                    lines = lines.len(),
                    "ignored what a generator wrote after its last event"
                );
            }
            lines.clear();
            self.position = position;
            return Ok(());
        }
        let database = &self.app.database;
        let after = self.job.generator_sequence;
        let brought_lines = !lines.is_empty();
        if brought_lines && self.noted.is_none_or(|at| at.elapsed() >= NOTE_PAUSE) {
            let noted = database.begin_reading(&self.lease, &self.job.id, self.deaths);
            if !noted.await? {
                return Err(FollowError::Lost);
            }
            self.noted = Some(Instant::now());
        }
        let (mut batch, fault) =
            reading::batch(&self.app.artifacts, &self.job, &self.app.config.jobs, lines).await;
        if fault.is_none() && lines.is_empty() {
            batch.log_position.clone_from(&position);
        }
        if !batch.events.is_empty() && self.job.state == JobState::Starting {
            self.set_running().await?;
        }
        if brought_lines || batch.log_position.is_some() && position != self.position {
            let database = &self.app.database;
            let stored = database
                .store_batch(&self.lease, &self.job.id, after, &batch)
                .await?;
            let records = stored.ok_or(FollowError::Lost)?;
            if !records.is_empty() {
                self.app.hub.publish(&self.job.id, records);
            }
        }
        if brought_lines {
            self.deaths = 0;
        }
        if let Some(last) = batch.events.last() {
            self.job.generator_sequence = last.generator_sequence;
            self.job.event_bytes += batch.bytes();
            self.last_event = Instant::now();
            self.gap_since = None;
        }
        self.job.artifact = batch.artifact.or(self.job.artifact.take());
        self.job.outcome = batch.outcome;
        match fault {
            None if lines.is_empty() => self.position = position,
            None => {}
            Some(fault) => {
                lines.clear();
                self.on_fault(&fault).await?;
            }
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
