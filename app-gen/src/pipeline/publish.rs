//! The application is handed over: a zip file for its owner, and its history for the next change.

use crate::approval::{self, Next};
use crate::ending::Ending;
use crate::package::{self, Package};
use crate::pipeline::halt::Halt;
use crate::pipeline::job::Job;
use crate::pipeline::prompts;
use crate::pipeline::review::{Reviewed, run_by_others};
use crate::pipeline::state::Stage;
use crate::publish;
use anyhow::Context as _;
use app_gen_contract::{ApprovalPoint, BUNDLE_NAME, JobKind, LogLevel, StageState};

/// What became of the last stage.
pub(crate) enum Published {
    /// How the attempt ends.
    Ending(Ending),
    /// The builder has a task.
    Again,
}

/// Hands the application over, or asks whether it may be.
pub(crate) async fn publish(job: &mut Job) -> Result<Published, Halt> {
    job.report(Stage::Publish, StageState::Running, None).await;
    let next = approval::at(ApprovalPoint::BeforePublish, &job.spec)?;
    if let Next::Rework(notes) = &next
        && job.takes_up()
    {
        job.state.task = Some(prompts::decided(notes));
        return Ok(Published::Again);
    }
    // Whoever approved it looked at it after this.
    let is_looked_at = next == Next::GoOn && job.spec.attempt.decision.is_some();
    if job.spec.kind == JobKind::Create
        && !is_looked_at
        && run_by_others(job).await? == Reviewed::Again
    {
        return Ok(Published::Again);
    }
    let package = pack(job).await?;
    let artifact_uri = publish::artifact(&job.folder, &job.emitter, package).await?;
    let bundle = job.workshop.repository.bundle().await?;
    job.folder.child(BUNDLE_NAME).write(bundle).await?;
    let summary = summary(job);
    if next != Next::GoOn {
        return Ok(Published::Ending(Ending::WaitingApproval {
            point: ApprovalPoint::BeforePublish,
            question: format!("{summary}. May it be published?"),
            artifact_uri: Some(artifact_uri),
        }));
    }
    job.report(Stage::Publish, StageState::Done, None).await;
    Ok(Published::Ending(Ending::Succeeded { summary }))
}

/// Puts what was reached where it can be downloaded, if there is anything: of a job that fails.
pub(crate) async fn rescue(job: &Job) -> Result<(), Halt> {
    if job.state.head.is_none() {
        return Ok(());
    }
    let package = pack(job).await?;
    publish::artifact(&job.folder, &job.emitter, package).await?;
    let message = match job.state.good == job.state.head {
        true => "what was reached can be downloaded; its checks passed",
        false => "what was reached can be downloaded; its checks did not pass",
    };
    job.emitter.log(LogLevel::Info, message).await;
    Ok(())
}

async fn pack(job: &Job) -> Result<Package, Halt> {
    let snapshot = job.workshop.repository.snapshot(job.head()?).await?;
    let package = tokio::task::spawn_blocking(move || package::pack(&snapshot))
        .await
        .context("packing did not finish")??;
    Ok(package)
}

fn summary(job: &Job) -> String {
    let by = match &job.workshop.script {
        Some(script) => format!("a scripted model that plays {script:?}, without an AI model"),
        None => format!(
            "{} in {} iterations",
            job.spec.provider, job.state.iterations
        ),
    };
    match job.spec.kind {
        JobKind::Create => format!("The application is ready: made by {by}"),
        JobKind::Change => format!("The change is made by {by}"),
    }
}
