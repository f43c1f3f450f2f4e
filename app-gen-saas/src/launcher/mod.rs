//! Launchers: what starts a generator, tells how it is, reads its log and stops it.
//!
//! A launcher remembers nothing. Whatever it needs to find a task again, after the orchestrator died
//! too, is in the handle that the caller keeps.

mod cloudwatch;
mod ecs;
mod ecs_ending;
mod ecs_run;
mod process;
mod process_files;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::config::LauncherConfig;

/// What a task is started for.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The job.
    pub job_id: String,
    /// Number of the try, from 1; no two tries of a job share one.
    pub attempt: i64,
    /// Where the job's spec is.
    pub spec_uri: String,
}

/// A started task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// What people know it by: a process id or a task ARN.
    pub name: String,
    /// What the launcher finds it by.
    pub handle: String,
}

/// How a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskStatus {
    /// Accepted; does not run yet.
    Pending,
    /// Runs.
    Running,
    /// Has ended.
    Stopped(Ending),
    /// Is not known where it should be.
    Missing,
}

/// How a task ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// The generator's exit code, 128 + n when signal n ended it; `None` when nobody knows.
    pub exit_code: Option<i32>,
    /// What else is known, in words.
    pub detail: Option<String>,
}

/// What one reading of a log brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// Whole lines without their newline; one that is longer than the contract allows may be cut.
    pub lines: Vec<Vec<u8>>,
    /// Where the next reading begins; `None` when nothing was read yet.
    pub position: Option<String>,
    /// Whether it pays to read on at once.
    pub more: bool,
    /// A last line without its newline, as far as it is there.
    pub unfinished: Vec<u8>,
}

/// What is known of a try whose outcome was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// It started this task.
    Task(Task),
    /// It started no task and never will.
    Never,
    /// No task can be seen. The same try may be repeated: if there is a task after all, none is added.
    Unclear,
}

/// Why there is no task.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// It will not start, however often it is tried; the text is shown to the user.
    #[error("{0}")]
    Refused(String),
    /// This try started no task; another may.
    #[error("{0}")]
    NotStarted(String),
    /// Nobody knows whether this try started a task.
    #[error(transparent)]
    Unknown(#[from] anyhow::Error),
}

/// How a launcher's log behaves.
#[derive(Debug, Clone, Copy)]
pub struct LogTraits {
    /// Pause between two readings when there is nothing new.
    pub poll: Duration,
    /// Pause between two questions for the task's status.
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
    /// How its log behaves.
    fn log_traits(&self) -> LogTraits;

    /// Starts the task of a try; may be repeated after [`Trace::Unclear`].
    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Task, LaunchError>>;

    /// Looks for the task of a try whose outcome was not kept.
    fn find<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, anyhow::Result<Trace>>;

    /// How the task is.
    fn status<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, anyhow::Result<TaskStatus>>;

    /// The next lines of its log, from `position` or from the start. Bounded in size.
    fn read_log<'a>(
        &'a self,
        handle: &'a str,
        position: Option<&'a str>,
    ) -> BoxFuture<'a, anyhow::Result<LogPage>>;

    /// Asks the task to end; `force` leaves it no choice where there is a difference.
    fn stop<'a>(
        &'a self,
        handle: &'a str,
        reason: &'a str,
        force: bool,
    ) -> BoxFuture<'a, anyhow::Result<()>>;

    /// Removes what a task that has ended leaves behind, less its log.
    fn forget<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, anyhow::Result<()>>;
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
