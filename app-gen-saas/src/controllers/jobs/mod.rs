//! Jobs: submit, list, look at, decide, cancel.

mod accept;
pub mod line;
pub mod shown;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use app_gen_contract::{
    ApprovalPoint, Attempt as SpecAttempt, Budget as SpecBudget, Decided, Decision, JobSpec,
};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

pub(super) use accept::{accept, admission, created, find, queued};

use crate::accounts::{Identity, Scope, Tenant};
use crate::app::App;
use crate::config::JobsConfig;
use crate::controllers::extract::{ApiJson, ApiQuery, JobId, page_limit, stored_id};
use crate::controllers::jobs::accept::answer;
use crate::controllers::jobs::shown::{
    ApprovalPointName, Budget, Choice, Fallback, Job, JobList, Surroundings,
};
use crate::controllers::once::{self, Once};
use crate::controllers::{attachments, naming, templates};
use crate::database::{self, Cancelled, JobKind, JobProject, NewJob, PastAttempt, Pause, Wishes};
use crate::error::ApiError;
use crate::observe::request::AskedBy;
use crate::problem::Problem;

/// The body of a request for a new job.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateJob {
    /// The project that is to be changed; without it, the job makes a new one. The job begins after the other
    /// jobs of the project have ended.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    project: Option<Uuid>,
    /// The version that a change begins with; without it, the newest one at the time of its start.
    #[serde(default)]
    #[schema(minimum = 1)]
    start_version: Option<i64>,
    /// Id of the template that a new application begins with; without it, it begins with nothing.
    #[serde(default)]
    template: Option<String>,
    /// Description of the application, or of what is to be changed: 1 to 4000 characters after trimming.
    #[schema(min_length = 1, max_length = 4000)]
    description: String,
    /// Provider that makes the application; the orchestrator's default if it is left out.
    #[serde(default)]
    provider: Option<String>,
    /// Model of roles that choose none; without it the orchestrator's, if the provider is its own.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    model: Option<String>,
    /// Who goes on for every role that chooses nobody, when a limit of its provider is reached; without it,
    /// the job waits.
    #[serde(default)]
    fallback: Option<Fallback>,
    /// What is chosen for single roles, by the role's name.
    #[serde(default)]
    #[schema(required = false)]
    roles: BTreeMap<String, Choice>,
    /// How much all attempts together may use.
    #[serde(default)]
    #[schema(required = false)]
    budget: Budget,
    /// Where a person wants to decide; default nowhere.
    #[serde(default)]
    #[schema(value_type = Vec<ApprovalPointName>, required = false)]
    approvals: BTreeSet<ApprovalPoint>,
    /// Ids of files that were uploaded (`POST /api/attachments`) and belong to what is asked for: by default
    /// up to 8.
    #[serde(default)]
    #[schema(value_type = Vec<String>, required = false)]
    attachments: Vec<Uuid>,
}

/// What a person decided.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// Number of the attempt that asked, so that no decision is taken for the answer to a later question.
    attempt: u32,
    /// The decision.
    decision: DecisionKind,
    /// Why the result is rejected, or what is still to be done before the question is asked again: 1 to
    /// 2000 characters. An approval has none.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 2000)]
    words: Option<String>,
}

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// The work goes on.
    Approve,
    /// It does not go on like this.
    Reject,
    /// The question is asked again, after what `words` say was taken up.
    Defer,
}

impl Decide {
    /// The decision in the words of the contract.
    fn decision(self) -> Result<Decision, ApiError> {
        match (self.decision, self.words) {
            (DecisionKind::Approve, None) => Ok(Decision::Approved),
            (DecisionKind::Reject, Some(reason)) => Ok(Decision::Rejected { reason }),
            (DecisionKind::Defer, Some(notes)) => Ok(Decision::Deferred { notes }),
            (DecisionKind::Approve, Some(_)) => Err(ApiError::Invalid(
                "words is given, and an approval has none".to_owned(),
            )),
            (DecisionKind::Reject | DecisionKind::Defer, None) => Err(ApiError::Invalid(
                "words is missing: say why, or what is to be done first".to_owned(),
            )),
        }
    }
}

/// Which jobs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListJobs {
    /// Only jobs of the project with this id.
    #[param(format = "uuid")]
    project: Option<String>,
    /// Maximum number of jobs to list: 1 to 200, default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Only jobs older than the one with this id.
    #[param(format = "uuid")]
    before: Option<String>,
}

/// Submits a description of a new application, or of what is to be changed of one.
#[utoipa::path(
    post,
    path = "/api/jobs",
    tag = "jobs",
    operation_id = "create_job",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "Any key of 1 to 255 characters of ASCII without spaces: the same request with the same key is answered with what the first one made, for 24 hours."),
    ),
    request_body(
        content = CreateJob,
        example = json!({ "description": "A shop for tea, with a basket and a search" }),
    ),
    responses(
        (status = 201, description = "Accepted; `Location` leads to the job.", body = Job),
        (status = 400, description = "The body is not valid.", body = Problem),
        (status = 404, description = "No such project, version, template or attachment.", body = Problem),
        (status = 409, description = "The project was put aside.", body = Problem),
        (status = 413, description = "The body has more than 64 KiB.", body = Problem),
        (status = 415, description = "The content type is not application/json.", body = Problem),
        (status = 422, description = "The key was sent with another request.", body = Problem),
        (status = 429, description = "A limit of the tenant is reached, or requests come too fast; `limit` says which, and `Retry-After` when to try again.", body = Problem),
        (status = 503, description = "The database or the store does not answer, or too many jobs wait for their start; `Retry-After` says when to try again.", body = Problem),
    )
)]
pub async fn create(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    AskedBy(origin): AskedBy,
    Once {
        key,
        value: ApiJson(request),
    }: Once<ApiJson<CreateJob>>,
) -> Result<(StatusCode, HeaderMap, Json<Job>), ApiError> {
    if let Some((_, id)) = once::earlier(&app, &tenant, key.as_ref()).await? {
        return created(&app, &id, true).await;
    }
    let id = Uuid::now_v7().to_string();
    let usual = &app.config.jobs;
    let provider = request.provider.as_deref().unwrap_or(&usual.provider);
    let usual_model = usual.model.as_ref().filter(|_| provider == usual.provider);
    let model = request.model.or_else(|| usual_model.cloned());
    let budget = bounded(request.budget.into(), usual)?;
    let roles = request.roles.into_iter();
    let roles = roles.map(|(role, choice)| (role, choice.into())).collect();
    let fallback = request.fallback.map(Into::into);
    if request.template.is_some() && request.project.is_some() {
        return Err(ApiError::Invalid(
            "template is given with a project; only a new application begins with one".to_owned(),
        ));
    }
    let template = match &request.template {
        Some(id) => Some(templates::chosen(&app, &tenant, id).await?),
        None => None,
    };
    let uploads = attachments::uploads(&app, &tenant, &request.attachments).await?;
    let attached = uploads.iter().map(|upload| upload.attachment.clone());
    let attached = attached.collect();
    // The spec itself checks what a generator will accept.
    let artifact_uri = app.artifacts.job_uri(&id);
    let spec = JobSpec::new(&id, &request.description, provider, &artifact_uri)
        .and_then(|spec| {
            let spec = JobSpec {
                model,
                fallback,
                roles,
                budget,
                attachments: attached,
                ..spec
            };
            spec.checked()
        })
        .map_err(|error| ApiError::Invalid(error.to_string()))?;
    let start = (&request.project, request.start_version);
    let project = project_of(&app, &tenant, start, &spec).await?;
    let job = NewJob {
        id,
        tenant,
        project,
        description: spec.description,
        provider: spec.provider,
        launcher: app.config.launcher.name(),
        wishes: Wishes {
            model: spec.model,
            fallback: spec.fallback,
            roles: spec.roles,
            budget: spec.budget,
            approvals: request.approvals,
            attachments: spec.attachments,
            template: template.as_ref().map(|chosen| chosen.began_with.clone()),
            origin: Some(origin),
        },
    };
    let lent = async {
        if let Some(template) = &template {
            templates::lend(&app, &job.id, template).await?;
        }
        attachments::lend(&app, &job.id, &uploads).await
    };
    if let Err(error) = lent.await {
        attachments::take_back(&app, &job).await;
        return Err(error);
    }
    accept(&app, job, key.as_ref()).await
}

/// The project of a job: a new one, or one that exists, with a version to begin with.
async fn project_of(
    app: &App,
    tenant: &str,
    (project, start_version): (&Option<Uuid>, Option<i64>),
    spec: &JobSpec,
) -> Result<JobProject, ApiError> {
    let Some(id) = project.map(|id| id.to_string()) else {
        if start_version.is_some() {
            return Err(ApiError::Invalid(
                "start_version is given without a project".to_owned(),
            ));
        }
        return Ok(JobProject::New(naming::new_project(&spec.description)));
    };
    let project = app.database.project_of(tenant, &id).await?;
    project.ok_or(ApiError::NotFound("project"))?;
    if let Some(number) = start_version {
        let version = app.database.version(&id, number).await?;
        version.ok_or(ApiError::NotFound("version"))?;
    }
    Ok(JobProject::Existing {
        id,
        kind: JobKind::Change,
        start_version,
    })
}

/// The budget with the orchestrator's amount of dollars, if it names none.
fn bounded(budget: SpecBudget, limits: &JobsConfig) -> Result<SpecBudget, ApiError> {
    let micro_usd = budget.micro_usd.unwrap_or(limits.budget_micro_usd);
    if micro_usd > limits.max_budget_micro_usd {
        return Err(ApiError::Invalid(format!(
            "budget.micro_usd is {micro_usd}; a job may cost {} at most",
            limits.max_budget_micro_usd
        )));
    }
    Ok(SpecBudget {
        micro_usd: Some(micro_usd),
        ..budget
    })
}

/// Lists jobs, newest first.
#[utoipa::path(
    get,
    path = "/api/jobs",
    tag = "jobs",
    operation_id = "list_jobs",
    params(ListJobs),
    responses(
        (status = 200, description = "Jobs.", body = JobList),
        (status = 400, description = "A parameter is wrong.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn list(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    ApiQuery(query): ApiQuery<ListJobs>,
) -> Result<Json<JobList>, ApiError> {
    let limit = page_limit(query.limit)?;
    let before = stored_id(query.before, "before is not the id of a job")?;
    let project = stored_id(query.project, "project is not the id of a project")?;
    let jobs = app
        .database
        .jobs(&tenant, project.as_deref(), before.as_deref(), limit)
        .await?;
    let surroundings = Surroundings::of(&app, &tenant, &jobs, project.as_deref()).await?;
    let mut attempts: HashMap<String, Vec<PastAttempt>> = HashMap::new();
    if let (Some(newest), Some(oldest)) = (jobs.first(), jobs.last()) {
        let (first, last, project) = (&oldest.id, &newest.id, project.as_deref());
        let ended = app.database.attempts(&tenant, first, last, project);
        for attempt in ended.await? {
            let of_job = attempts.entry(attempt.job_id.clone()).or_default();
            of_job.push(attempt);
        }
    }
    let jobs = jobs.into_iter().map(|job| {
        let own = attempts.remove(&job.id).unwrap_or_default();
        Job::new(job, own, &surroundings)
    });
    Ok(Json(JobList {
        jobs: jobs.collect(),
    }))
}

/// Shows a job.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}",
    tag = "jobs",
    operation_id = "get_job",
    params(("id" = String, Path, format = "uuid", description = "Id of the job.")),
    responses(
        (status = 200, description = "The job.", body = Job),
        (status = 404, description = "No such job.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn show(State(app): State<App>, JobId(id): JobId) -> Result<Json<Job>, ApiError> {
    Ok(Json(answer(&app, &id).await?))
}

/// Decides what a job waits for. The next attempt goes on with the decision, as soon as there is room.
#[utoipa::path(
    post,
    path = "/api/jobs/{id}/decision",
    tag = "jobs",
    operation_id = "decide_job",
    params(("id" = String, Path, format = "uuid", description = "Id of the job.")),
    request_body(
        content = Decide,
        example = json!({ "attempt": 1, "decision": "approve" }),
    ),
    responses(
        (status = 200, description = "The job in its present state.", body = Job),
        (status = 400, description = "The body is not valid.", body = Problem),
        (status = 404, description = "No such job.", body = Problem),
        (status = 409, description = "The job does not wait for a decision about that attempt.", body = Problem),
        (status = 413, description = "The body has more than 64 KiB.", body = Problem),
        (status = 415, description = "The content type is not application/json.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn decide(
    State(app): State<App>,
    identity: Identity,
    JobId(id): JobId,
    ApiJson(request): ApiJson<Decide>,
) -> Result<Json<Job>, ApiError> {
    let job = find(&app, &id).await?;
    if job.kind == JobKind::Deliver {
        // Who may not deliver may not approve that, either.
        identity.require(Scope::Deliver)?;
    }
    let attempt = request.attempt;
    let decision = request.decision()?;
    let decided = match &job.waiting {
        Some(Pause::WaitingApproval { point, .. }) if job.attempt == attempt => Decided {
            point: *point,
            decision,
        },
        _ => return Err(NOT_ASKED),
    };
    let decided = checked(&app, &job, decided)?;
    if !app.database.decide(&id, attempt.into(), &decided).await? {
        return Err(NOT_ASKED);
    }
    app.hub.notify(&id);
    app.new_job.notify_one();
    Ok(Json(answer(&app, &id).await?))
}

const NOT_ASKED: ApiError =
    ApiError::Changed("the job does not wait for a decision about that attempt");

/// The decision as a spec will carry it; the spec itself checks what a generator will accept.
fn checked(app: &App, job: &database::Job, decided: Decided) -> Result<Decided, ApiError> {
    let artifact_uri = app.artifacts.job_uri(&job.id);
    let spec = JobSpec::new(&job.id, &job.description, &job.provider, &artifact_uri);
    let checked = spec.and_then(|spec| {
        let attempt = SpecAttempt {
            number: job.attempt.saturating_add(1),
            decision: Some(decided.clone()),
            ..SpecAttempt::default()
        };
        JobSpec { attempt, ..spec }.checked()
    });
    let spec = checked.map_err(|error| ApiError::Invalid(error.to_string()))?;
    Ok(spec.attempt.decision.unwrap_or(decided))
}

/// Cancels a job. A job that has not started, or that waits, ends at once; otherwise its generator is stopped, and the
/// state follows. A job that has ended stays as it is.
#[utoipa::path(
    post,
    path = "/api/jobs/{id}/cancel",
    tag = "jobs",
    operation_id = "cancel_job",
    params(("id" = String, Path, format = "uuid", description = "Id of the job.")),
    responses(
        (status = 200, description = "The job in its present state.", body = Job),
        (status = 404, description = "No such job.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn cancel(State(app): State<App>, JobId(id): JobId) -> Result<Json<Job>, ApiError> {
    find(&app, &id).await?;
    if app.database.cancel_job(&id).await? == Cancelled::AtOnce {
        app.hub.notify(&id);
    }
    Ok(Json(answer(&app, &id).await?))
}
