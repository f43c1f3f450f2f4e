//! Deliveries of versions: ask for one, list, look at.

use app_gen_contract::{ApprovalPoint, DELIVER_PROVIDER, DeliveryTarget};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::accounts::Tenant;
use crate::app::App;
use crate::clock::rfc3339;
use crate::controllers::extract::{
    ApiJson, ApiQuery, DeliveryPath, ProjectId, VersionPath, page_limit,
};
use crate::controllers::jobs;
use crate::controllers::once::{self, Once};
use crate::controllers::projects::{self, versions};
use crate::database::{
    self, Accepted, AcceptedDelivery, DeliveryState, JobKind, JobProject, NewDelivery, NewJob,
    Wishes,
};
use crate::error::ApiError;
use crate::observe::request::AskedBy;
use crate::problem::Problem;

/// Where a version is delivered to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// A repository on GitHub.
    Github {
        /// The user or the organisation that has it, or gets it; without it, whoever the token belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(required = false)]
        owner: Option<String>,
        /// Its name, without its owner.
        repository: String,
        /// Whether everybody may see it, where the delivery makes it. One that exists stays as it is.
        #[serde(default)]
        #[schema(required = false)]
        public: bool,
        /// Whether the repository is there already, and gets a branch with a pull request.
        #[serde(default)]
        #[schema(required = false)]
        pull_request: bool,
    },
    /// An app on Fly.io.
    Fly {
        /// The organisation that has it, or gets it.
        #[serde(default = "personal")]
        #[schema(required = false)]
        organization: String,
        /// Its name, which is a part of its address; without it, the name follows from organisation and project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(required = false)]
        app: Option<String>,
        /// Where its machine is, `ams` for example; without it, Fly.io chooses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(required = false)]
        region: Option<String>,
    },
}

/// The organisation that every account of Fly.io has.
fn personal() -> String {
    "personal".to_owned()
}

impl From<Target> for DeliveryTarget {
    fn from(target: Target) -> Self {
        match target {
            Target::Github {
                owner,
                repository,
                public,
                pull_request,
            } => Self::Github {
                owner,
                repository,
                public,
                pull_request,
            },
            Target::Fly {
                organization,
                app,
                region,
            } => Self::Fly {
                organization,
                app,
                region,
            },
        }
    }
}

impl From<DeliveryTarget> for Target {
    fn from(target: DeliveryTarget) -> Self {
        match target {
            DeliveryTarget::Github {
                owner,
                repository,
                public,
                pull_request,
            } => Self::Github {
                owner,
                repository,
                public,
                pull_request,
            },
            DeliveryTarget::Fly {
                organization,
                app,
                region,
            } => Self::Fly {
                organization,
                app,
                region,
            },
        }
    }
}

/// The body of a request for a delivery.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDelivery {
    /// Where to.
    target: Target,
    /// Whether a person decides before anything outside is changed; default no. The job of the delivery waits
    /// for the decision.
    #[serde(default)]
    #[schema(required = false)]
    approval: bool,
    /// Whether the target is only looked at, where the version was delivered before; default no.
    #[serde(default)]
    #[schema(required = false)]
    check_only: bool,
}

/// A version at a target.
#[derive(Debug, Serialize, ToSchema)]
pub struct Delivery {
    /// UUID version 7.
    id: String,
    /// Id of the project.
    project: String,
    /// Number of the version.
    version: i64,
    /// The version's commit.
    commit: String,
    /// Where to; null if only a newer orchestrator knows this kind of target.
    #[schema(required)]
    target: Option<Target>,
    /// What it is at.
    state: DeliveryState,
    /// How often it was asked for.
    attempts: i64,
    /// Id of the job of the last time, whose events tell what is done, and which waits where a decision is
    /// wanted. Jobs are removed some time after their end.
    job: String,
    /// State of that job; null once it is removed.
    #[schema(required)]
    job_state: Option<String>,
    /// Whether that job only looks at the target.
    check_only: bool,
    /// Where people find it; null before it was there.
    #[schema(required)]
    url: Option<String>,
    /// The commit that was seen there last; null if none was.
    #[schema(required)]
    shown_commit: Option<String>,
    /// Why it failed, and what to do about it; null unless it did.
    #[schema(required)]
    error: Option<String>,
    /// RFC 3339, UTC: when it was asked for the first time.
    created_at: String,
    /// RFC 3339, UTC: when it was asked for the last time, or ended.
    updated_at: String,
}

/// Deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryList {
    /// What was asked for last comes first.
    deliveries: Vec<Delivery>,
}

/// Which deliveries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListDeliveries {
    /// Only those of the version with this number.
    #[param(minimum = 1)]
    version: Option<i64>,
    /// Maximum number of deliveries to list: 1 to 200, default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

impl From<database::Delivery> for Delivery {
    fn from(delivery: database::Delivery) -> Self {
        Self {
            id: delivery.id,
            project: delivery.project_id,
            version: delivery.version,
            commit: delivery.commit,
            target: delivery.target.map(Target::from),
            state: delivery.state,
            attempts: delivery.attempts,
            job: delivery.job_id,
            job_state: delivery.job_state,
            check_only: delivery.check_only,
            url: delivery.url,
            shown_commit: delivery.shown_commit,
            error: delivery.error,
            created_at: rfc3339(delivery.created_at),
            updated_at: rfc3339(delivery.updated_at),
        }
    }
}

/// The delivery, or the error "not found".
async fn find(app: &App, project_id: &str, id: &str) -> Result<Delivery, ApiError> {
    let delivery = app.database.delivery(project_id, id).await?;
    let delivery = delivery.ok_or(ApiError::NotFound("delivery"))?;
    Ok(delivery.into())
}

/// Delivers a version to a target, or looks at it there. It can be repeated: while it is not at its end, the
/// same delivery is answered, and after that its target is made sure of once more.
#[utoipa::path(
    post,
    path = "/api/projects/{id}/versions/{number}/deliveries",
    tag = "deliveries",
    operation_id = "create_delivery",
    params(
        ("id" = String, Path, format = "uuid", description = "Id of the project."),
        ("number" = i64, Path, description = "Number of the version."),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "Any key of 1 to 255 characters of ASCII without spaces: the same request with the same key is answered with what the first one made, for 24 hours."),
    ),
    request_body(
        content = CreateDelivery,
        example = json!({ "target": { "kind": "github", "repository": "tea-shop" } }),
    ),
    responses(
        (status = 200, description = "It is on its way already.", body = Delivery),
        (status = 201, description = "Accepted; `Location` leads to the delivery.", body = Delivery),
        (status = 400, description = "The body is not valid.", body = Problem),
        (status = 404, description = "No such project or version.", body = Problem),
        (status = 409, description = "The project was put aside, another version is on its way to this target, the target is that of another project, or it is to be looked at and was never there.", body = Problem),
        (status = 413, description = "The body has more than 64 KiB.", body = Problem),
        (status = 415, description = "The content type is not application/json.", body = Problem),
        (status = 422, description = "The key was sent with another request.", body = Problem),
        (status = 429, description = "The tenant has asked for as many jobs today as it may, or requests come too fast; `Retry-After` says when to try again.", body = Problem),
        (status = 503, description = "The database does not answer, or too many jobs wait for their start; `Retry-After` says when to try again.", body = Problem),
    )
)]
pub async fn create(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    AskedBy(origin): AskedBy,
    path: VersionPath,
    Once {
        key,
        value: ApiJson(request),
    }: Once<ApiJson<CreateDelivery>>,
) -> Result<(StatusCode, HeaderMap, Json<Delivery>), ApiError> {
    if let Some((status, id)) = once::earlier(&app, &tenant, key.as_ref()).await? {
        return answer(&app, &path.project_id, &id, status, true).await;
    }
    let version = versions::find(&app, &path).await?;
    let target = DeliveryTarget::from(request.target);
    target
        .validate()
        .map_err(|error| ApiError::Invalid(error.to_string()))?;
    if request.approval && request.check_only {
        return Err(ApiError::Invalid(
            "approval is given with check_only, which changes nothing".to_owned(),
        ));
    }
    let number = version.number;
    let description = match request.check_only {
        true => format!("Look for version {number} at {target}"),
        false => format!("Deliver version {number} to {target}"),
    };
    let approvals = request
        .approval
        .then_some(ApprovalPoint::BeforePublish)
        .into_iter()
        .collect();
    let job = NewJob {
        id: Uuid::now_v7().to_string(),
        tenant,
        project: JobProject::Existing {
            id: version.project_id.clone(),
            kind: JobKind::Deliver,
            start_version: Some(version.number),
        },
        description,
        provider: DELIVER_PROVIDER.to_owned(),
        launcher: app.config.launcher.name(),
        wishes: Wishes {
            approvals,
            origin: Some(origin),
            ..Wishes::default()
        },
    };
    let delivery = NewDelivery {
        id: Uuid::now_v7().to_string(),
        commit: version.content.commit,
        target,
        check_only: request.check_only,
    };
    let place = (version.project_id.as_str(), version.number);
    let admission = jobs::admission(&app, key.as_ref());
    let accepted = app
        .database
        .insert_delivery(&delivery, place, &job, &admission);
    let (status, id) = match accepted.await? {
        AcceptedDelivery::Queued { id } => (StatusCode::CREATED, id),
        AcceptedDelivery::Pending { id } => (StatusCode::OK, id),
        AcceptedDelivery::OtherVersion => {
            return Err(ApiError::Changed(
                "another version is on its way to this target; wait for its end, or cancel its job",
            ));
        }
        AcceptedDelivery::OtherProject => {
            return Err(ApiError::Changed(
                "the target is that of another project; choose another name",
            ));
        }
        AcceptedDelivery::NeverDelivered => {
            return Err(ApiError::Changed(
                "this version was never delivered to this target; deliver it first",
            ));
        }
        // Of two that came at the same time, this is the second.
        AcceptedDelivery::Refused(Accepted::Answered(answered)) => {
            let (status, id) = once::again(answered)?;
            return answer(&app, &version.project_id, &id, status, true).await;
        }
        AcceptedDelivery::Refused(refused) => {
            jobs::queued(refused)?;
            return Err(ApiError::Internal(anyhow::anyhow!(
                "a delivery is refused, and its job is not"
            )));
        }
    };
    app.new_job.notify_one();
    answer(&app, &version.project_id, &id, status, false).await
}

/// Answers with a delivery that was accepted, now or before.
async fn answer(
    app: &App,
    project_id: &str,
    id: &str,
    status: StatusCode,
    is_again: bool,
) -> Result<(StatusCode, HeaderMap, Json<Delivery>), ApiError> {
    let mut headers = HeaderMap::new();
    if let Ok(location) =
        HeaderValue::try_from(format!("/api/projects/{project_id}/deliveries/{id}"))
    {
        headers.insert(header::LOCATION, location);
    }
    if is_again {
        once::mark(&mut headers);
    }
    Ok((status, headers, Json(find(app, project_id, id).await?)))
}

/// Lists the deliveries of a project, or of one of its versions.
#[utoipa::path(
    get,
    path = "/api/projects/{id}/deliveries",
    tag = "deliveries",
    operation_id = "list_deliveries",
    params(("id" = String, Path, format = "uuid", description = "Id of the project."), ListDeliveries),
    responses(
        (status = 200, description = "Deliveries.", body = DeliveryList),
        (status = 400, description = "A parameter is wrong.", body = Problem),
        (status = 404, description = "No such project.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn list(
    State(app): State<App>,
    ProjectId(id): ProjectId,
    ApiQuery(query): ApiQuery<ListDeliveries>,
) -> Result<Json<DeliveryList>, ApiError> {
    let limit = page_limit(query.limit)?;
    projects::find(&app, &id).await?;
    let deliveries = app.database.deliveries(&id, query.version, limit).await?;
    Ok(Json(DeliveryList {
        deliveries: deliveries.into_iter().map(Delivery::from).collect(),
    }))
}

/// Shows a delivery.
#[utoipa::path(
    get,
    path = "/api/projects/{id}/deliveries/{delivery}",
    tag = "deliveries",
    operation_id = "get_delivery",
    params(
        ("id" = String, Path, format = "uuid", description = "Id of the project."),
        ("delivery" = String, Path, format = "uuid", description = "Id of the delivery."),
    ),
    responses(
        (status = 200, description = "The delivery.", body = Delivery),
        (status = 404, description = "No such project or delivery.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn show(State(app): State<App>, path: DeliveryPath) -> Result<Json<Delivery>, ApiError> {
    projects::find(&app, &path.project_id).await?;
    Ok(Json(find(&app, &path.project_id, &path.id).await?))
}
