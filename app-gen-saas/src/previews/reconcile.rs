//! Looks after previews: what is wanted is started, what is over is stopped, whoever began it. Each look at a preview
//! is one step, under a lease, and everything that the next one needs is in the database: an orchestrator may be
//! killed between any two statements.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::app::App;
use crate::clock::now_millis;
use crate::database::{Lease, Preview};
use crate::previews::Previews;
use crate::previews::step::{Pause, step};
use crate::stores::StoreResult;

/// How often previews that are due are looked for when nothing wakes anybody.
const POLL: Duration = Duration::from_secs(1);

/// Works until this future is dropped. Where there are no previews, it waits for that.
pub(crate) async fn work(app: &App, owner: &str) {
    let Some(previews) = app.previews.clone() else {
        return std::future::pending().await;
    };
    let lease = Lease {
        owner: owner.to_owned(),
        duration: previews.config.lease,
    };
    tokio::join!(
        take_steps(app, &previews, &lease),
        stop_leftovers_for_ever(app, &previews)
    );
}

/// Takes steps of the previews that are due, side by side: one that waits for something keeps no other waiting.
async fn take_steps(app: &App, previews: &Arc<Previews>, lease: &Lease) {
    let mut steps = JoinSet::new();
    loop {
        while steps.try_join_next().is_some() {}
        match due(app, lease).await {
            Ok(due) => {
                for preview in due {
                    let (app, previews) = (app.clone(), Arc::clone(previews));
                    steps.spawn(look(app, previews, lease.clone(), preview));
                }
            }
            Err(error) => tracing::warn!(%error, "failed to look after previews"),
        }
        tokio::select! {
            () = previews.wake.notified() => {}
            () = sleep(POLL.min(previews.config.poll)) => {}
        }
    }
}

/// The previews that somebody has to look at now; they are ours until they are given back.
async fn due(app: &App, lease: &Lease) -> StoreResult<Vec<Preview>> {
    let database = &app.database;
    if !database.has_previews().await? {
        return Ok(Vec::new());
    }
    let kept = i64::try_from(app.config.jobs.retention.as_millis()).unwrap_or(i64::MAX);
    database
        .end_due_previews(now_millis().saturating_sub(kept))
        .await?;
    database.claim_previews(lease).await
}

/// Takes one step, within the time of the lease, and gives the preview back.
async fn look(app: App, previews: Arc<Previews>, lease: Lease, preview: Preview) {
    let config = &previews.config;
    let step = step(&app, &previews, &lease, &preview);
    let pause = match timeout(config.lease * 3 / 4, step).await {
        Ok(Ok(Pause::Short)) => config.poll,
        Ok(Ok(Pause::Ready)) => config.ready_poll,
        Ok(Ok(Pause::NoRoom)) => config.room_pause,
        Ok(Err(error)) => {
            let error = format!("{error:#}");
            tracing::warn!(
                preview = preview.new.id,
                error,
                "failed to look after a preview"
            );
            config.poll * 2
        }
        Err(_) => {
            tracing::warn!(
                preview = preview.new.id,
                "a look at a preview took too long"
            );
            config.poll * 2
        }
    };
    let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    if let Err(error) = app.database.release_preview(&lease, &preview, pause).await {
        tracing::warn!(preview = preview.new.id, %error, "a preview is given back when its lease ends");
    }
}

/// Looks for tasks that nobody wants, again and again.
async fn stop_leftovers_for_ever(app: &App, previews: &Previews) {
    loop {
        if let Err(error) = stop_leftovers(app, previews).await {
            let error = format!("{error:#}");
            tracing::warn!(error, "failed to look for previews that nobody wants");
        }
        sleep(previews.config.leftovers).await;
    }
}

/// Stops tasks that run although their preview has ended, or has another task.
async fn stop_leftovers(app: &App, previews: &Previews) -> anyhow::Result<()> {
    for running in previews.tasks.running().await? {
        // The task of somebody else, if the preview is not known.
        let Some(preview) = app.database.preview(&running.id).await? else {
            continue;
        };
        let Some(reason) = why_not(&preview, &running.task.name) else {
            continue;
        };
        let task = &running.task;
        tracing::warn!(
            preview = running.id,
            task = task.name,
            reason,
            "stopping a preview"
        );
        previews.tasks.stop(&task.handle, reason, true).await?;
    }
    Ok(())
}

/// Why this task of the preview must not run, if so.
fn why_not(preview: &Preview, task: &str) -> Option<&'static str> {
    if preview.gone_at.is_some() {
        Some("its preview has ended")
    } else if preview.task.as_deref().is_some_and(|own| own != task) {
        Some("its preview has another task")
    } else {
        // One that has just ended is stopped by its next step, and a start may not be kept yet.
        None
    }
}
