//! Jobs: submit, list, look at, cancel.

use app_gen_contract::JobSpec;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::clock::rfc3339;
use crate::controllers::extract::{ApiJson, ApiQuery, JobId};
use crate::database::{self, Cancelled, NewJob};
use crate::error::{ApiError, ErrorBody};

/// Seconds after which a full queue may have room again.
const RETRY_AFTER_SECS: u32 = 60;
/// Maximum number of jobs of one page.
const MAX_PAGE: i64 = 200;

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub struct Job {
    /// UUID version 7.
    id: String,
    /// Description of the application.
    description: String,
    /// Provider that makes the application.
    provider: String,
    /// State. After a rollback it can be one that only the newer version knows.
    #[schema(value_type = JobStateName)]
    state: String,
    /// Why the job ended in this state; null if there is no reason to give.
    #[schema(required)]
    reason: Option<String>,
    /// `process` or `ecs`.
    launcher: String,
    /// The process id or the task ARN, once there is one.
    #[schema(required)]
    task: Option<String>,
    /// RFC 3339, UTC.
    created_at: String,
    /// RFC 3339, UTC; null before the start.
    #[schema(required)]
    started_at: Option<String>,
    /// RFC 3339, UTC; null before the end.
    #[schema(required)]
    finished_at: Option<String>,
    /// Number of the last event of the job's stream.
    last_sequence: i64,
    /// The result, once it is in place.
    #[schema(required)]
    artifact: Option<Artifact>,
}

/// The result of a job.
#[derive(Debug, Serialize, ToSchema)]
pub struct Artifact {
    /// File name.
    name: String,
    /// Size.
    size_bytes: i64,
    /// SHA-256 in lower-case hexadecimal.
    sha256: String,
}

/// The states of a job; the last five are final.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobState)]
#[expect(
    dead_code,
    reason = "the contract's enum as OpenAPI shows it; a test compares the two"
)]
pub(crate) enum JobStateName {
    Queued,
    Starting,
    Running,
    WaitingApproval,
    WaitingLimit,
    Publishing,
    Succeeded,
    Failed,
    Cancelled,
    TimedOut,
    Lost,
}

/// One page of the list of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobList {
    /// Newest first.
    jobs: Vec<Job>,
}

/// The body of a request for a new job.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateJob {
    /// Description of the application: 1 to 4000 characters after trimming.
    #[schema(min_length = 1, max_length = 4000)]
    description: String,
    /// Provider that makes the application; the orchestrator's default if it is left out.
    #[serde(default)]
    provider: Option<String>,
}

/// Which jobs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListJobs {
    /// Maximum number of jobs to list: 1 to 200, default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Only jobs older than the one with this id.
    before: Option<String>,
}

impl From<database::Job> for Job {
    fn from(job: database::Job) -> Self {
        Self {
            id: job.id,
            description: job.description,
            provider: job.provider,
            state: job.state_name,
            reason: job.reason,
            launcher: job.launcher,
            task: job.task,
            created_at: rfc3339(job.created_at),
            started_at: job.started_at.map(rfc3339),
            finished_at: job.finished_at.map(rfc3339),
            last_sequence: job.last_sequence,
            artifact: job.artifact.map(|artifact| Artifact {
                name: artifact.name,
                size_bytes: artifact.size_bytes,
                sha256: artifact.sha256,
            }),
        }
    }
}

/// The job, or the error "not found".
pub(super) async fn find(app: &App, id: &str) -> Result<database::Job, ApiError> {
    app.database.job(id).await?.ok_or(ApiError::NotFound("job"))
}

/// Submits a description.
#[utoipa::path(
    post,
    path = "/api/jobs",
    tag = "jobs",
    request_body = CreateJob,
    responses(
        (status = 201, description = "Accepted; `Location` leads to the job.", body = Job),
        (status = 400, description = "The body is not valid.", body = ErrorBody),
        (status = 413, description = "The body has more than 64 KiB.", body = ErrorBody),
        (status = 415, description = "The content type is not application/json.", body = ErrorBody),
        (status = 503, description = "The database does not answer, or too many jobs wait for their start; `Retry-After` says when to try again.", body = ErrorBody),
    )
)]
pub async fn create(
    State(app): State<App>,
    ApiJson(request): ApiJson<CreateJob>,
) -> Result<(StatusCode, HeaderMap, Json<Job>), ApiError> {
    let id = Uuid::now_v7().to_string();
    let provider = request
        .provider
        .as_deref()
        .unwrap_or(&app.config.jobs.provider);
    // The spec itself checks what a generator will accept.
    let artifact_uri = app.artifacts.job_uri(&id);
    let spec = JobSpec::new(&id, &request.description, provider, &artifact_uri)
        .map_err(|error| ApiError::Invalid(error.to_string()))?;
    let job = NewJob {
        id: id.clone(),
        description: spec.description,
        provider: spec.provider,
        launcher: app.config.launcher.name(),
    };
    if !app.database.insert_job(&job, app.config.jobs.queue).await? {
        return Err(ApiError::Busy {
            message: "too many jobs wait for their start",
            retry_after_secs: RETRY_AFTER_SECS,
        });
    }
    app.new_job.notify_one();
    let job = find(&app, &id).await?;
    let mut headers = HeaderMap::new();
    if let Ok(location) = HeaderValue::try_from(format!("/api/jobs/{id}")) {
        headers.insert(header::LOCATION, location);
    }
    Ok((StatusCode::CREATED, headers, Json(job.into())))
}

/// Lists jobs, newest first.
#[utoipa::path(
    get,
    path = "/api/jobs",
    tag = "jobs",
    params(ListJobs),
    responses(
        (status = 200, description = "Jobs.", body = JobList),
        (status = 400, description = "A parameter is wrong.", body = ErrorBody),
        (status = 503, description = "The database does not answer.", body = ErrorBody),
    )
)]
pub async fn list(
    State(app): State<App>,
    ApiQuery(query): ApiQuery<ListJobs>,
) -> Result<Json<JobList>, ApiError> {
    let limit = query.limit.unwrap_or(50);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::Invalid(format!(
            "limit is {limit}; it takes 1 to {MAX_PAGE}"
        )));
    }
    let before = query
        .before
        .map(|id| Uuid::try_parse(&id).map(|id| id.to_string()))
        .transpose()
        .map_err(|_| ApiError::Invalid("before is not the id of a job".to_owned()))?;
    let jobs = app.database.jobs(before.as_deref(), limit).await?;
    let jobs = jobs.into_iter().map(Job::from).collect();
    Ok(Json(JobList { jobs }))
}

/// Shows a job.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}",
    tag = "jobs",
    params(("id" = String, Path, description = "Id of the job.")),
    responses(
        (status = 200, description = "The job.", body = Job),
        (status = 404, description = "No such job.", body = ErrorBody),
        (status = 503, description = "The database does not answer.", body = ErrorBody),
    )
)]
pub async fn show(State(app): State<App>, JobId(id): JobId) -> Result<Json<Job>, ApiError> {
    Ok(Json(find(&app, &id).await?.into()))
}

/// Cancels a job. A job that has not started ends at once; otherwise its generator is stopped, and the
/// state follows. A job that has ended stays as it is.
#[utoipa::path(
    post,
    path = "/api/jobs/{id}/cancel",
    tag = "jobs",
    params(("id" = String, Path, description = "Id of the job.")),
    responses(
        (status = 200, description = "The job in its present state.", body = Job),
        (status = 404, description = "No such job.", body = ErrorBody),
        (status = 503, description = "The database does not answer.", body = ErrorBody),
    )
)]
pub async fn cancel(State(app): State<App>, JobId(id): JobId) -> Result<Json<Job>, ApiError> {
    find(&app, &id).await?;
    if app.database.cancel_job(&id).await? == Cancelled::AtOnce {
        app.hub.notify(&id);
    }
    Ok(Json(find(&app, &id).await?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use app_gen_contract::JobState;
    use utoipa::PartialSchema as _;

    #[test]
    fn openapi_knows_the_contract_states() {
        let schema = serde_json::to_value(JobStateName::schema()).unwrap();
        assert_eq!(schema["enum"], serde_json::to_value(JobState::ALL).unwrap());
    }
}
