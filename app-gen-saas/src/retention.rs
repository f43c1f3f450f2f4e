//! Removes jobs that ended long ago, with their events. Specs and results in a bucket are removed by the
//! bucket's own rule after the same number of days (`JOB_RETENTION_DAYS` of `platform.toml`); in a folder,
//! they are removed here.

use std::time::Duration;

use crate::app::App;
use crate::clock::now_millis;

/// How often old jobs are looked for, and how long after a failure.
const PERIOD: Duration = Duration::from_secs(60 * 60);
/// Jobs that are removed in one go, and the pause between two goes: nobody waits for this.
const BATCH: i64 = 50;
const PAUSE: Duration = Duration::from_millis(200);

/// Works until the orchestrator stops.
pub async fn run(app: App) {
    let work = async {
        loop {
            let pause = match remove_some(&app).await {
                Ok(true) => PAUSE,
                Ok(false) => PERIOD,
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "failed to remove old jobs");
                    PERIOD
                }
            };
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        () = app.stopping() => {}
        () = work => {}
    }
}

/// Removes the oldest of the old jobs; whether there may be more.
async fn remove_some(app: &App) -> anyhow::Result<bool> {
    let kept = i64::try_from(app.config.jobs.retention.as_millis())?;
    let jobs = app
        .database
        .ended_before(now_millis().saturating_sub(kept), BATCH)
        .await?;
    for job_id in &jobs {
        // The files first: without its job, nobody would find them again.
        app.artifacts.remove_job(job_id).await?;
        app.database.remove_job(job_id).await?;
    }
    if !jobs.is_empty() {
        tracing::info!(jobs = jobs.len(), "removed old jobs");
    }
    Ok(i64::try_from(jobs.len())? == BATCH)
}
