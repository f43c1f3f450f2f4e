//! Launchers start a generator, report its status, read its log and stop it.
//!
//! A launcher remembers nothing. Everything that it needs to find a task again, even after the death of
//! the orchestrator, is in the handle that the caller keeps.

mod cloudwatch;
mod ecs;
mod ecs_ending;
mod ecs_preview;
mod ecs_run;
mod job_rights;
mod preview;
mod process;
mod process_files;
mod process_preview;
mod quota;
mod sdk_error;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use app_gen_contract::env::{MODEL_ENDPOINTS, MODEL_KEYS};
use app_gen_contract::{CheckpointId, KeyPlaces, key_places_text};
use futures::future::BoxFuture;

use crate::config::{LauncherConfig, PreviewStarter};

pub use preview::{PreviewPlaces, PreviewTaskStatus, PreviewTasks, RunningPreview, StartPreview};

/// The request to start a task.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The job.
    pub job_id: String,
    /// The attempt of the job that the task is to be.
    pub attempt: u32,
    /// Number of the try to start a task, from 1; no two tries of a job share one, whatever the attempt.
    pub number: i64,
    /// Where the attempt's spec is. No other task than those of this attempt is given it.
    pub spec_uri: String,
    /// The checkpoint that the attempt goes on from.
    pub checkpoint: Option<CheckpointId>,
    /// Whether the job's folder has a history that the attempt may need.
    pub has_start: bool,
    /// Whether the job's folder has files that a person attached.
    pub has_attachments: bool,
    /// Whether it delivers: it has the tokens for that, and no other task has them.
    pub delivers: bool,
    /// After this time the generator ends by itself.
    pub lifetime: Duration,
    /// Keys of model providers that the job's tenant brings.
    pub own_keys: OwnKeys,
    /// An interruption costs little, so it may run where it can be interrupted.
    pub may_be_interrupted: bool,
}

/// Keys that a job's tenant brings: where they are, and nothing of what they are. What a task was started with can be
/// looked up while it runs and for an hour after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnKeys {
    /// Only those that the job may need. The task of an attempt may read these and no others.
    pub places: KeyPlaces,
    /// Whether a server may have an address of a private network or of this machine.
    pub allows_private: bool,
}

impl OwnKeys {
    /// What the generator is told of them.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<String, String> {
        if self.places.is_empty() {
            return BTreeMap::new();
        }
        let endpoints = if self.allows_private { "any" } else { "public" };
        BTreeMap::from([
            (MODEL_KEYS.to_owned(), key_places_text(&self.places)),
            (MODEL_ENDPOINTS.to_owned(), endpoints.to_owned()),
        ])
    }
}

/// A started task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its name for people: a process id or a task ARN.
    pub name: String,
    /// The handle by which the launcher finds it.
    pub handle: String,
}

/// A task that runs, whoever started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningTask {
    /// The job that it was started for.
    pub job_id: String,
    /// The task.
    pub task: Task,
}

/// Status of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskStatus {
    /// It is accepted, but does not run yet.
    Pending,
    /// It runs.
    Running,
    /// It has ended.
    Stopped(Ending),
    /// The process table or the cluster does not know it.
    Missing,
}

/// How a task ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// The generator's exit code, 128 + n when signal n ended it; `None` if it is not known.
    pub exit_code: Option<i32>,
    /// Other facts, in words.
    pub detail: Option<String>,
    /// It never ran, for a reason that passes: there was no room for it.
    pub no_room: bool,
}

/// Result of one reading of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// Whole lines without their newline; one that is longer than the contract allows may be cut.
    pub lines: Vec<Vec<u8>>,
    /// Where the next reading begins; `None` when nothing was read yet.
    pub position: Option<String>,
    /// Whether more can be read at once.
    pub more: bool,
    /// A last line without its newline, as far as it is there.
    pub unfinished: Vec<u8>,
    /// How many more bytes the log is known to have.
    pub unread_bytes: u64,
}

/// What is known about a try whose outcome was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// It started this task.
    Task(Task),
    /// It did not start a task and never will.
    Never,
    /// No task can be seen. The same try may be repeated: if there is a task after all, no other one
    /// is added.
    Unclear,
}

/// Why a task was not started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// No try can start it; the text is shown to the user.
    #[error("{0}")]
    Refused(String),
    /// This try did not start a task; another one may.
    #[error("{0}")]
    NotStarted(String),
    /// It is not known whether this try started a task.
    #[error(transparent)]
    Unknown(#[from] anyhow::Error),
}

/// How soon a log should be read, where not all can be read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Somebody waits for what is in it.
    Soon,
    /// Nobody does.
    Later,
}

/// Timing of a launcher's log and status.
#[derive(Debug, Clone, Copy)]
pub struct LogTraits {
    /// Pause between two readings when there is nothing new.
    pub poll: Duration,
    /// The same while events come.
    pub busy_poll: Duration,
    /// Pause between two queries of the task's status.
    pub status_poll: Duration,
    /// How long after the task's end lines may still arrive.
    pub drain: Duration,
    /// How long a gap in the generator's numbers may be due to late lines.
    pub gap: Duration,
    /// How long a task may be unknown before it counts as lost.
    pub missing: Duration,
}

/// Starts generators and looks after them.
pub trait Launcher: Debug + Send + Sync {
    /// The timing of its log.
    fn log_traits(&self) -> LogTraits;

    /// Starts the task of a try; may be repeated after [`Trace::Unclear`].
    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Task, LaunchError>>;

    /// Looks for the task of a try whose outcome was not kept.
    fn find<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, anyhow::Result<Trace>>;

    /// Status of the task.
    fn status<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, anyhow::Result<TaskStatus>>;

    /// The next lines of its log, from `position` or from the start. Bounded in size. `None` if it was not
    /// this log's turn, which was waited for for a while.
    fn read_log<'a>(
        &'a self,
        handle: &'a str,
        position: Option<&'a str>,
        urgency: Urgency,
    ) -> BoxFuture<'a, anyhow::Result<Option<LogPage>>>;

    /// Asks the task to end; with `force` it is killed, if the launcher can do both. May be repeated.
    fn stop<'a>(
        &'a self,
        handle: &'a str,
        reason: &'a str,
        force: bool,
    ) -> BoxFuture<'a, anyhow::Result<()>>;

    /// All running tasks that may have been started for a job and be forgotten: by a try whose outcome
    /// was lost, or because they could not be stopped. Empty where that cannot happen.
    fn running(&self) -> BoxFuture<'_, anyhow::Result<Vec<RunningTask>>>;

    /// Removes what a task that has ended leaves behind, except for its log.
    fn forget<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, anyhow::Result<()>>;
}

/// How many calls AWS refused to this process so far because there were too many.
#[must_use]
pub fn throttled() -> u64 {
    quota::refused()
}

/// The launcher that the configuration names.
///
/// # Errors
/// When its folder or its clients cannot be made.
pub async fn from_config(config: &LauncherConfig) -> anyhow::Result<Arc<dyn Launcher>> {
    Ok(match config {
        LauncherConfig::Process(config) => Arc::new(process::ProcessLauncher::new(config)?),
        LauncherConfig::Ecs(config) => Arc::new(ecs::EcsLauncher::new(config).await?),
    })
}

/// What the configuration names for previews.
///
/// # Errors
/// When its folder or its clients cannot be made.
pub async fn preview_tasks(config: &PreviewStarter) -> anyhow::Result<Arc<dyn PreviewTasks>> {
    Ok(match config {
        PreviewStarter::Process(config) => Arc::new(process_preview::ProcessPreviews::new(config)?),
        PreviewStarter::Ecs(config) => Arc::new(ecs_preview::EcsPreviews::new(config).await?),
    })
}
