//! One step of a preview: what is done for it now, by what is known of it.

use std::net::SocketAddr;
use std::time::Duration;

use app_gen_contract::PreviewPhase;

use crate::app::App;
use crate::clock::now_millis;
use crate::database::{Lease, Preview};
use crate::launcher::{Ending, LaunchError, PreviewPlaces, PreviewTaskStatus, StartPreview, Task};
use crate::observe::spans::preview_span;
use crate::previews::Previews;
use crate::previews::control::{self, NotGiven};

/// After this time a task that was asked to end is killed.
const STOP_GRACE_MILLIS: i64 = 40_000;
/// How long ECS may not know a task that it has started.
const MISSING_MILLIS: i64 = 60_000;

/// How long nobody needs to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// It starts or ends.
    Short,
    /// It runs.
    Ready,
    /// There was no room.
    NoRoom,
}

/// What a step has to do with.
struct Step<'a> {
    app: &'a App,
    previews: &'a Previews,
    lease: &'a Lease,
    preview: &'a Preview,
}

/// Takes one step.
///
/// # Errors
/// Something does not answer; the next step tries it again.
pub(super) async fn step(
    app: &App,
    previews: &Previews,
    lease: &Lease,
    preview: &Preview,
) -> anyhow::Result<Pause> {
    let step = Step {
        app,
        previews,
        lease,
        preview,
    };
    match (&preview.task_handle, preview.ended_at) {
        (Some(handle), Some(ended_at)) => step.stop(handle, ended_at).await,
        (None, Some(ended_at)) => step.end_without_task(ended_at).await,
        (Some(handle), None) => step.follow(handle).await,
        (None, None) => step.start().await,
    }
}

impl Step<'_> {
    fn id(&self) -> &str {
        &self.preview.new.id
    }

    /// Milliseconds since its task was started.
    fn age_of_task(&self) -> i64 {
        let since = self.preview.task_at.unwrap_or(self.preview.created_at);
        now_millis().saturating_sub(since)
    }

    /// Starts its task, never a second one.
    async fn start(&self) -> anyhow::Result<Pause> {
        let (database, tasks) = (&self.app.database, &self.previews.tasks);
        let number = if self.preview.is_unclear {
            let number = self.preview.tries;
            if let Some(task) = tasks.find(self.id(), number).await? {
                return self.keep(task).await;
            }
            // Whoever made the try was killed, or its answer was lost. It is repeated as it was.
            number
        } else {
            match database.begin_preview_try(self.lease, self.id()).await? {
                Some(number) => number,
                // It has ended meanwhile.
                None => return Ok(Pause::Short),
            }
        };
        let left = self.preview.new.expires_at.saturating_sub(now_millis());
        let start = StartPreview {
            id: self.id().to_owned(),
            number,
            sha256: self.preview.new.sha256.clone(),
            lifetime: Duration::from_secs(left.max(1_000).unsigned_abs() / 1_000),
        };
        match tasks.start(&start).await {
            Ok(task) => self.keep(task).await,
            Err(LaunchError::Refused(reason)) => {
                database
                    .clear_preview_task(self.lease, self.id(), &reason)
                    .await?;
                self.end(&reason).await
            }
            Err(LaunchError::NotStarted(reason)) => self.no_room(&reason).await,
            Err(LaunchError::Unknown(error)) => Err(error),
        }
    }

    async fn keep(&self, task: Task) -> anyhow::Result<Pause> {
        tracing::info!(preview = self.id(), task = task.name, "started a preview");
        let database = &self.app.database;
        database
            .set_preview_task(self.lease, self.id(), &task.name, &task.handle)
            .await?;
        Ok(Pause::Short)
    }

    async fn no_room(&self, reason: &str) -> anyhow::Result<Pause> {
        tracing::warn!(preview = self.id(), reason, "a preview was not started");
        let database = &self.app.database;
        database
            .clear_preview_task(self.lease, self.id(), reason)
            .await?;
        Ok(Pause::NoRoom)
    }

    async fn end(&self, reason: &str) -> anyhow::Result<Pause> {
        tracing::info!(preview = self.id(), reason, "a preview has ended");
        self.app
            .database
            .end_preview(self.lease, self.id(), reason)
            .await?;
        Ok(Pause::Short)
    }

    /// Looks at its task.
    async fn follow(&self, handle: &str) -> anyhow::Result<Pause> {
        let age = self.age_of_task();
        match self.previews.tasks.status(handle).await? {
            PreviewTaskStatus::Pending => self.wait("pending").await,
            PreviewTaskStatus::Running(places) => self.ask(&places).await,
            PreviewTaskStatus::Stopped(ending) if ending.no_room => {
                let reason = ending
                    .detail
                    .unwrap_or_else(|| "no reason given".to_owned());
                self.no_room(&reason).await
            }
            PreviewTaskStatus::Stopped(ending) => self.end(&why(&ending)).await,
            PreviewTaskStatus::Missing if age < MISSING_MILLIS => Ok(Pause::Short),
            PreviewTaskStatus::Missing => self.end("its task is gone").await,
        }
    }

    /// Keeps how far the start is, or ends it where it takes too long.
    async fn wait(&self, phase: &str) -> anyhow::Result<Pause> {
        let age = self.age_of_task();
        let limit = self.previews.config.start_timeout;
        if u128::from(age.unsigned_abs()) > limit.as_millis() {
            let reason = format!(
                "the application did not start within {} s; the last step was: {phase}",
                limit.as_secs()
            );
            return self.end(&reason).await;
        }
        if self.preview.phase.as_deref() != Some(phase) {
            self.app
                .database
                .set_preview_phase(self.lease, self.id(), phase)
                .await?;
        }
        Ok(Pause::Short)
    }

    /// Asks the preview how it is, and hands the application over where it has none.
    async fn ask(&self, places: &PreviewPlaces) -> anyhow::Result<Pause> {
        let status = match control::status(places.control).await {
            Ok(status) => status,
            // It has just been started, or is too busy: its task says when it is over.
            Err(error) => {
                let error = format!("{error:#}");
                tracing::debug!(
                    preview = self.id(),
                    error,
                    "a preview does not say how it is"
                );
                return match self.preview.ready_at {
                    Some(_) => Ok(Pause::Ready),
                    None => self.wait("pending").await,
                };
            }
        };
        match status.phase {
            PreviewPhase::Empty => {
                match control::give(self.app, self.preview, places.control).await {
                    Ok(()) => self.wait("installing").await,
                    Err(NotGiven::Never(reason)) => self.end(reason).await,
                    Err(NotGiven::Later(error)) => Err(error),
                }
            }
            PreviewPhase::Installing => self.wait("installing").await,
            PreviewPhase::Building => self.wait("building").await,
            PreviewPhase::Starting => self.wait("starting").await,
            PreviewPhase::Ready => self.ready(places.application).await,
            PreviewPhase::Failed => {
                let reason = status
                    .detail
                    .unwrap_or_else(|| "no reason given".to_owned());
                self.end(&reason).await
            }
        }
    }

    async fn ready(&self, application: SocketAddr) -> anyhow::Result<Pause> {
        let address = application.to_string();
        if self.preview.address.as_deref() != Some(address.as_str()) {
            tracing::info!(preview = self.id(), "a preview is ready");
            self.app
                .database
                .set_preview_ready(self.lease, self.id(), &address)
                .await?;
            if self.preview.ready_at.is_none() {
                self.trace().await;
            }
        }
        Ok(Pause::Ready)
    }

    /// Adds its start to the trace of the job that made what it shows: a folder of a project has that job's name.
    async fn trace(&self) {
        if !self.app.tracer.is_on() {
            return;
        }
        match self.app.database.job(&self.preview.new.folder).await {
            Ok(Some(job)) => {
                let span = preview_span(&job, self.preview, now_millis());
                self.app.tracer.add(span.into_iter().collect());
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(preview = self.id(), %error, "the start of a preview is in no trace");
            }
        }
    }

    /// Stops the task of a preview that has ended, until it has ended, too.
    async fn stop(&self, handle: &str, ended_at: i64) -> anyhow::Result<Pause> {
        let tasks = &self.previews.tasks;
        match tasks.status(handle).await? {
            PreviewTaskStatus::Stopped(_) | PreviewTaskStatus::Missing => {
                tasks.forget(handle).await?;
                self.gone().await
            }
            PreviewTaskStatus::Pending | PreviewTaskStatus::Running(_) => {
                let force = now_millis().saturating_sub(ended_at) > STOP_GRACE_MILLIS;
                let reason = self.preview.reason.as_deref().unwrap_or_default();
                tasks.stop(handle, reason, force).await?;
                Ok(Pause::Short)
            }
        }
    }

    /// A preview that has ended before its task was kept. One that was started all the same is looked for.
    async fn end_without_task(&self, ended_at: i64) -> anyhow::Result<Pause> {
        let preview = self.preview;
        if preview.is_unclear {
            let tasks = &self.previews.tasks;
            if let Some(task) = tasks.find(self.id(), preview.tries).await? {
                return self.keep(task).await;
            }
            let searched = now_millis().saturating_sub(ended_at);
            if u128::from(searched.unsigned_abs()) < self.previews.config.search.as_millis() {
                return Ok(Pause::Short);
            }
        }
        self.gone().await
    }

    async fn gone(&self) -> anyhow::Result<Pause> {
        self.app
            .database
            .set_preview_gone(self.lease, self.id())
            .await?;
        Ok(Pause::Short)
    }
}

/// How a task ended that nobody asked to end.
fn why(ending: &Ending) -> String {
    match (&ending.detail, ending.exit_code) {
        (Some(detail), _) => format!("its task ended: {detail}"),
        (None, Some(code)) => format!("its task ended with exit code {code}"),
        (None, None) => "its task ended".to_owned(),
    }
}
