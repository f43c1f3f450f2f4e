//! Previews: they are started, found again and stopped like generators, and have an address besides.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::launcher::{Ending, LaunchError, Task};

/// The request to start a preview.
#[derive(Debug, Clone)]
pub struct StartPreview {
    /// The preview.
    pub id: String,
    /// Number of the try to start it, from 1.
    pub number: i64,
    /// SHA-256 of the only application that it takes.
    pub sha256: String,
    /// After this time it ends by itself.
    pub lifetime: Duration,
}

/// Where a preview listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewPlaces {
    /// It is given the application here, and asked how it is.
    pub control: SocketAddr,
    /// The application.
    pub application: SocketAddr,
}

/// Status of the task of a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreviewTaskStatus {
    /// It has no address yet.
    Pending,
    /// It runs.
    Running(PreviewPlaces),
    /// It has ended.
    Stopped(Ending),
    /// Nobody knows it.
    Missing,
}

/// The task of a preview that runs, whoever started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningPreview {
    /// The preview that it was started for.
    pub id: String,
    /// The task.
    pub task: Task,
}

/// Starts previews and looks after them. It remembers nothing: whatever finds a task again is in its handle.
pub trait PreviewTasks: Debug + Send + Sync {
    /// Starts the task of a try; may be repeated, and adds no other task then.
    fn start<'a>(&'a self, start: &'a StartPreview) -> BoxFuture<'a, Result<Task, LaunchError>>;

    /// The task that a try started whose outcome was not kept, if one can be seen.
    fn find<'a>(&'a self, id: &'a str, number: i64) -> BoxFuture<'a, anyhow::Result<Option<Task>>>;

    /// Status of the task.
    fn status<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, anyhow::Result<PreviewTaskStatus>>;

    /// Asks the task to end; with `force` it is killed, if there is a difference. May be repeated.
    fn stop<'a>(
        &'a self,
        handle: &'a str,
        reason: &'a str,
        force: bool,
    ) -> BoxFuture<'a, anyhow::Result<()>>;

    /// All tasks of previews that run. Empty where none can be forgotten.
    fn running(&self) -> BoxFuture<'_, anyhow::Result<Vec<RunningPreview>>>;

    /// Removes what a task that has ended leaves behind.
    fn forget<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, anyhow::Result<()>>;
}
