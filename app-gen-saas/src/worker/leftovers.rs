//! Tasks that run although their job has ended, or has another task: a try whose answer was lost can
//! start one late, and a stop can fail for longer than anybody waits. The cloud's own list is looked at, so
//! nothing is forgotten with an orchestrator.

use app_gen_contract::JobState;
use tokio::time::sleep;

use crate::app::App;
use crate::database::Job;

/// Stops leftovers again and again, until no more of them are seen.
pub(super) async fn stop_for_ever(app: &App) {
    loop {
        if let Err(error) = stop_all(app).await {
            tracing::warn!(
                error = format!("{error:#}"),
                "failed to look for tasks whose job has ended"
            );
        }
        sleep(app.config.jobs.leftovers).await;
    }
}

async fn stop_all(app: &App) -> anyhow::Result<()> {
    for running in app.launcher.running().await? {
        let (job_id, task) = (&running.job_id, &running.task);
        // The task of somebody else, if the job is not known.
        let Some(job) = app.database.job(job_id).await? else {
            continue;
        };
        let Some(reason) = why_not(&job, &task.name) else {
            continue;
        };
        tracing::warn!(job_id, task = task.name, reason, "stopping a leftover task");
        if let Err(error) = app.launcher.stop(&task.handle, reason, true).await {
            tracing::warn!(
                job_id,
                task = task.name,
                error = format!("{error:#}"),
                "failed to stop a leftover task"
            );
        }
    }
    Ok(())
}

/// Why this task of the job must not run, if so.
fn why_not(job: &Job, task: &str) -> Option<&'static str> {
    if job.finished_at.is_some() {
        Some("its job has ended")
    } else if matches!(
        job.state,
        JobState::Queued | JobState::WaitingApproval | JobState::WaitingLimit
    ) {
        // A job in the queue has no task yet, and one that waits has none any more.
        Some("its attempt has ended")
    } else if job.task.as_deref().is_some_and(|own| own != task) {
        Some("its job has another task")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::samples;

    #[test]
    fn only_leftovers_are_stopped() {
        let mut job = samples::job(0);
        assert_eq!(why_not(&job, "task"), None, "its start is not kept yet");
        job.task = Some("task".to_owned());
        assert_eq!(why_not(&job, "task"), None);
        assert_eq!(why_not(&job, "other"), Some("its job has another task"));
        for state in [
            JobState::Queued,
            JobState::WaitingApproval,
            JobState::WaitingLimit,
        ] {
            job.state = state;
            assert_eq!(why_not(&job, "task"), Some("its attempt has ended"));
        }
        job.finished_at = Some(1);
        assert_eq!(why_not(&job, "task"), Some("its job has ended"));
    }
}
