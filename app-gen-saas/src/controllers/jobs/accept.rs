//! Jobs that are asked for: each is accepted, or the refusal says why, and is answered with as it is by then.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::app::App;
use crate::controllers::attachments;
use crate::controllers::jobs::shown::{Job, Surroundings};
use crate::controllers::once;
use crate::database::{self, Accepted, Admission, NewJob, OnceKey};
use crate::error::ApiError;

/// Seconds after which a full queue may have room again.
const RETRY_AFTER_SECS: u32 = 60;

/// The job, or the error "not found".
pub(in crate::controllers) async fn find(app: &App, id: &str) -> Result<database::Job, ApiError> {
    app.database.job(id).await?.ok_or(ApiError::NotFound("job"))
}

/// The job as it is answered.
pub(super) async fn answer(app: &App, id: &str) -> Result<Job, ApiError> {
    let job = find(app, id).await?;
    let tenant = &job.tenant;
    let attempts = app.database.attempts(tenant, id, id, None).await?;
    let of_it = std::slice::from_ref(&job);
    let surroundings = Surroundings::of(app, tenant, of_it, None).await?;
    Ok(Job::new(job, attempts, &surroundings))
}

/// Puts a job into the queue; answers with it.
pub(in crate::controllers) async fn accept(
    app: &App,
    job: NewJob,
    key: Option<&OnceKey>,
) -> Result<(StatusCode, HeaderMap, Json<Job>), ApiError> {
    let accepted = app.database.insert_job(&job, &admission(app, key)).await?;
    if accepted != Accepted::Queued {
        attachments::take_back(app, &job).await;
    }
    // Of two that came at the same time, this is the second.
    if let Accepted::Answered(answered) = accepted {
        let (_, id) = once::again(answered)?;
        return created(app, &id, true).await;
    }
    queued(accepted)?;
    app.new_job.notify_one();
    created(app, &job.id, false).await
}

/// What a job to be accepted must pass.
pub(in crate::controllers) fn admission<'a>(app: &App, once: Option<&'a OnceKey>) -> Admission<'a> {
    Admission {
        queue: app.config.jobs.queue,
        usual: app.config.limits.tenant,
        once,
    }
}

/// Answers with a job that was made, now or before.
pub(in crate::controllers) async fn created(
    app: &App,
    id: &str,
    is_again: bool,
) -> Result<(StatusCode, HeaderMap, Json<Job>), ApiError> {
    let job = answer(app, id).await?;
    let mut headers = HeaderMap::new();
    if let Ok(location) = HeaderValue::try_from(format!("/api/jobs/{id}")) {
        headers.insert(header::LOCATION, location);
    }
    if is_again {
        once::mark(&mut headers);
    }
    Ok((StatusCode::CREATED, headers, Json(job)))
}

/// # Errors
/// A job is not in the queue.
pub(in crate::controllers) fn queued(accepted: Accepted) -> Result<(), ApiError> {
    match accepted {
        Accepted::Queued => Ok(()),
        Accepted::QueueFull => Err(ApiError::Busy {
            message: "too many jobs wait for their start",
            retry_after_secs: RETRY_AFTER_SECS,
        }),
        Accepted::NoProject => Err(ApiError::Changed(
            "the project was put aside or deleted; take it up again first",
        )),
        Accepted::Limit(reached) => Err(ApiError::Limit(reached)),
        Accepted::Answered(_) => Err(ApiError::KeyReused),
    }
}
