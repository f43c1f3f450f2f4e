//! Removes jobs that ended long ago, with their events and attachments, projects that were deleted, with all they
//! have, templates that were removed, and uploads and idempotency keys that are a day old.
//! Tenants that were deleted go with everything they have: their jobs are cancelled, and the rest is removed as if
//! it were deleted piece by piece. Versions of other projects stay. Specs and results in a bucket are removed by the
//! bucket's own rule after the same number of days (`JOB_RETENTION_DAYS` of `platform.toml`); in a folder,
//! they are removed here.

use std::time::Duration;

use app_gen_contract::ModelProvider;

use crate::app::App;
use crate::clock::now_millis;
use crate::database::Cancelled;

/// How often old jobs are looked for, and how long after a failure.
const PERIOD: Duration = Duration::from_secs(60 * 60);
/// Jobs that are removed in one go, and the pause between two goes: nobody waits for this.
const BATCH: i64 = 50;
const PAUSE: Duration = Duration::from_millis(200);
/// Pause between two looks at tenants that were deleted: their last jobs are being stopped.
const STOPPING_PAUSE: Duration = Duration::from_secs(5);

/// Works until the orchestrator stops.
pub async fn run(app: App) {
    let work = async {
        loop {
            let pause = match remove_some(&app).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "failed to remove old jobs");
                    PERIOD
                }
            };
            tokio::select! {
                () = app.deleted_project.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    };
    tokio::select! {
        () = app.stopping() => {}
        () = work => {}
    }
}

/// Removes the oldest of the old jobs, and what was deleted; how long to wait before there may be more. One that
/// cannot be removed does not keep the others.
async fn remove_some(app: &App) -> anyhow::Result<Duration> {
    let tenants = app.database.deleted_tenants(BATCH).await?;
    for tenant in &tenants {
        for job in app.database.unfinished_jobs(tenant, BATCH).await? {
            if app.database.cancel_job(&job).await? == Cancelled::AtOnce {
                app.hub.notify(&job);
            }
        }
        app.database.delete_content(tenant).await?;
        remove_model_keys(app, tenant).await;
    }
    let projects = app.database.deleted_projects(BATCH).await?;
    for project_id in &projects {
        match remove_project(app, project_id).await {
            Ok(()) => tracing::info!(project_id, "removed a deleted project"),
            Err(error) => tracing::warn!(
                project_id,
                error = format!("{error:#}"),
                "failed to remove a deleted project"
            ),
        }
    }
    remove_uploads(app).await?;
    remove_templates(app).await?;
    let kept = i64::try_from(app.config.jobs.retention.as_millis())?;
    let old = now_millis().saturating_sub(kept);
    let jobs = app.database.ended_before(old, BATCH).await?;
    let mut removed = 0;
    for job_id in &jobs {
        match remove(app, job_id).await {
            Ok(()) => removed += 1,
            Err(error) => tracing::warn!(
                job_id,
                error = format!("{error:#}"),
                "failed to remove an old job"
            ),
        }
    }
    if removed > 0 {
        tracing::info!(jobs = removed, "removed old jobs");
    }
    app.database.remove_empty_projects(old).await?;
    app.database.forget_old_keys(now_millis()).await?;
    app.database.forget_old_usage(now_millis()).await?;
    let mut are_stopping = false;
    for tenant in &tenants {
        // Whoever was let in before it was shut may have set one since.
        if !remove_model_keys(app, tenant).await {
            are_stopping = true;
            continue;
        }
        match app.database.remove_tenant(tenant).await? {
            true => tracing::info!(tenant, "removed a deleted tenant"),
            false => are_stopping = true,
        }
    }
    Ok(
        match (
            removed > 0 && i64::try_from(jobs.len())? == BATCH,
            are_stopping,
        ) {
            (true, _) => PAUSE,
            (false, true) => STOPPING_PAUSE,
            (false, false) => PERIOD,
        },
    )
}

/// Removes a project that was deleted. Whatever ends this in between, the next one finds what is left.
async fn remove_project(app: &App, project_id: &str) -> anyhow::Result<()> {
    let jobs = app.database.job_ids_of_project(project_id).await?;
    let mut folders = app.database.version_folders(project_id).await?;
    // A job that was to make a version may have left its files, although it did not end well.
    folders.extend(jobs.iter().cloned());
    folders.sort_unstable();
    folders.dedup();
    for folder in &folders {
        app.artifacts.remove_version(project_id, folder).await?;
    }
    for job_id in &jobs {
        remove(app, job_id).await?;
    }
    app.database.remove_project(project_id).await?;
    Ok(())
}

/// Removes the keys that a tenant brought, those too of which the database knows nothing; `false` if one may be left.
async fn remove_model_keys(app: &App, tenant: &str) -> bool {
    let Some(keys) = &app.model_keys else {
        let kept = app.database.model_keys(tenant).await;
        if kept.is_ok_and(|kept| kept.is_empty()) {
            return true;
        }
        tracing::warn!(
            tenant,
            "keys of a deleted tenant cannot be removed: MODEL_KEYS_URI is not set"
        );
        return false;
    };
    let mut is_done = true;
    for provider in ModelProvider::ALL {
        let removed = async {
            keys.remove(tenant, provider).await?;
            let forgotten = app.database.forget_model_key(tenant, provider.as_str());
            anyhow::Ok(forgotten.await?)
        };
        if let Err(error) = removed.await {
            tracing::warn!(
                tenant,
                provider = provider.as_str(),
                error = format!("{error:#}"),
                "failed to remove a key of a deleted tenant"
            );
            is_done = false;
        }
    }
    is_done
}

/// Removes old uploads, a batch at a time. Jobs that took them have copies.
async fn remove_uploads(app: &App) -> anyhow::Result<()> {
    let kept = i64::try_from(app.config.attachments.lifetime.as_millis())?;
    let old = now_millis().saturating_sub(kept);
    for id in app.database.uploads_before(old, BATCH).await? {
        app.artifacts.remove_upload(&id).await?;
        app.database.remove_upload(&id).await?;
    }
    Ok(())
}

/// Removes what no template has any more, a batch at a time.
async fn remove_templates(app: &App) -> anyhow::Result<()> {
    let old = now_millis().saturating_sub(i64::try_from(PERIOD.as_millis())?);
    for (id, folder) in app.database.idle_template_folders(old, BATCH).await? {
        app.artifacts.remove_template(&id, &folder).await?;
        app.database.forget_template_folder(&folder).await?;
    }
    app.database.forget_deleted_templates().await?;
    Ok(())
}

async fn remove(app: &App, job_id: &str) -> anyhow::Result<()> {
    // The files first: without its job, nobody would find them again. What a person attached does not wait for
    // the bucket's rule.
    if let Some(job) = app.database.job(job_id).await? {
        let attachments = job.wishes.attachments.len();
        app.artifacts
            .remove_attachments(job_id, attachments)
            .await?;
    }
    app.artifacts.remove_job(job_id).await?;
    app.database.remove_job(job_id).await?;
    Ok(())
}
