//! The application is handed over: a zip file for its owner, and its history for the next change.

use crate::approval::{self, Next};
use crate::ending::Ending;
use crate::pipeline::halt::Halt;
use crate::pipeline::job::Job;
use crate::pipeline::prompts;
use crate::pipeline::review::{Reviewed, run_by_others};
use crate::pipeline::state::Stage;
use crate::publish;
use app_gen_contract::{ApprovalPoint, JobKind, LogLevel, StageState};

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
    let artifact_uri = hand_over(job).await?;
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
    hand_over(job).await?;
    let message = match job.state.good == job.state.head {
        true => "what was reached can be downloaded; its checks passed",
        false => "what was reached can be downloaded; its checks did not pass",
    };
    job.emitter.log(LogLevel::Info, message).await;
    Ok(())
}

/// Writes and reports the newest commit; returns the URI of its files.
async fn hand_over(job: &Job) -> Result<String, Halt> {
    let repository = &job.workshop.repository;
    Ok(publish::publish(&job.folder, &job.emitter, repository, job.head()?).await?)
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
        JobKind::Change | JobKind::Deliver => format!("The change is made by {by}"),
    }
}
