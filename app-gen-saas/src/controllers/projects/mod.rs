//! Projects: list, look at, rename, put aside, delete, and go back to a version.

pub mod deliveries;
pub mod versions;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::accounts::Tenant;
use crate::app::App;
use crate::clock::rfc3339;
use crate::controllers::extract::{
    ApiJson, ApiQuery, ProjectId, VersionPath, page_limit, searched, stored_id,
};
use crate::controllers::jobs::shown::Job;
use crate::controllers::once::{self, NoBody, Once};
use crate::controllers::{jobs, naming};
use crate::database::{self, JobKind, JobProject, NewJob, ProjectFilter, Wishes};
use crate::error::ApiError;
use crate::observe::request::AskedBy;
use crate::problem::Problem;

/// A project: an application over time.
#[derive(Debug, Serialize, ToSchema)]
pub struct Project {
    /// UUID version 7.
    id: String,
    /// Its name for people.
    name: String,
    /// Part of addresses and names elsewhere: small letters, digits and dashes. It stays when the name changes.
    slug: String,
    /// RFC 3339, UTC.
    created_at: String,
    /// Whether it was put aside: it is not listed, and takes no changes.
    archived: bool,
    /// Number of its newest version; 0 before the first.
    newest_version: i64,
    /// Id of its job that is at work or waits; null if there is none. Later jobs of the project begin after
    /// its end. Deliveries are not among them.
    #[schema(required)]
    unfinished_job: Option<String>,
    /// Millionths of a US dollar that its jobs used, as far as prices are known.
    micro_usd: i64,
    /// Millionths of a US dollar that the tasks cost of attempts that have ended, as far as prices are known.
    task_micro_usd: i64,
}

/// One page of the list of projects.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectList {
    /// Newest first.
    projects: Vec<Project>,
}

/// Which projects to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListProjects {
    /// Maximum number of projects to list: 1 to 200, default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Only projects older than the one with this id.
    #[param(format = "uuid")]
    before: Option<String>,
    /// Only projects whose names have this text, in small or capital letters.
    #[param(max_length = 100, pattern = "^[^\\u0000]*$")]
    search: Option<String>,
    /// List those that were put aside, instead of the others.
    archived: Option<bool>,
}

/// What is to be changed of a project; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeProject {
    /// Another name: 1 to 80 characters after trimming.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 80)]
    name: Option<String>,
    /// Whether it is put aside.
    #[serde(default)]
    archived: Option<bool>,
}

impl From<database::Project> for Project {
    fn from(project: database::Project) -> Self {
        Self {
            id: project.id,
            name: project.name,
            slug: project.slug,
            created_at: rfc3339(project.created_at),
            archived: project.archived_at.is_some(),
            newest_version: project.newest_version,
            unfinished_job: project.unfinished_job,
            micro_usd: project.used_micro_usd,
            task_micro_usd: project.used_task_micro_usd,
        }
    }
}

/// The project, or the error "not found".
pub(super) async fn find(app: &App, id: &str) -> Result<database::Project, ApiError> {
    let project = app.database.project(id).await?;
    project.ok_or(ApiError::NotFound("project"))
}

/// Lists projects, newest first.
#[utoipa::path(
    get,
    path = "/api/projects",
    tag = "projects",
    operation_id = "list_projects",
    params(ListProjects),
    responses(
        (status = 200, description = "Projects.", body = ProjectList),
        (status = 400, description = "A parameter is wrong.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn list(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    ApiQuery(query): ApiQuery<ListProjects>,
) -> Result<Json<ProjectList>, ApiError> {
    let limit = page_limit(query.limit)?;
    let before = stored_id(query.before, "before is not the id of a project")?;
    let filter = ProjectFilter {
        tenant,
        search: searched(query.search)?,
        archived: query.archived.unwrap_or(false),
        before,
    };
    let projects = app.database.projects(&filter, limit).await?;
    Ok(Json(ProjectList {
        projects: projects.into_iter().map(Project::from).collect(),
    }))
}

/// Shows a project.
#[utoipa::path(
    get,
    path = "/api/projects/{id}",
    tag = "projects",
    operation_id = "get_project",
    params(("id" = String, Path, format = "uuid", description = "Id of the project.")),
    responses(
        (status = 200, description = "The project.", body = Project),
        (status = 404, description = "No such project.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn show(
    State(app): State<App>,
    ProjectId(id): ProjectId,
) -> Result<Json<Project>, ApiError> {
    Ok(Json(find(&app, &id).await?.into()))
}

/// Renames a project, puts it aside, or takes it up again.
#[utoipa::path(
    patch,
    path = "/api/projects/{id}",
    tag = "projects",
    operation_id = "change_project",
    params(("id" = String, Path, format = "uuid", description = "Id of the project.")),
    request_body(content = ChangeProject, example = json!({ "name": "Tea shop" })),
    responses(
        (status = 200, description = "The project as it is now.", body = Project),
        (status = 400, description = "The body is not valid.", body = Problem),
        (status = 404, description = "No such project.", body = Problem),
        (status = 413, description = "The body has more than 64 KiB.", body = Problem),
        (status = 415, description = "The content type is not application/json.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn change(
    State(app): State<App>,
    ProjectId(id): ProjectId,
    ApiJson(request): ApiJson<ChangeProject>,
) -> Result<Json<Project>, ApiError> {
    let name = request.name.as_deref().map(naming::checked_name);
    if let Some(name) = name.transpose()? {
        app.database.rename_project(&id, &name).await?;
    }
    if let Some(archived) = request.archived {
        app.database.set_archived(&id, archived).await?;
    }
    Ok(Json(find(&app, &id).await?.into()))
}

/// Deletes a project with its versions, jobs and files. This cannot be taken back.
#[utoipa::path(
    delete,
    path = "/api/projects/{id}",
    tag = "projects",
    operation_id = "delete_project",
    params(("id" = String, Path, format = "uuid", description = "Id of the project.")),
    responses(
        (status = 204, description = "It is deleted; its files are removed within the hour."),
        (status = 404, description = "No such project.", body = Problem),
        (status = 409, description = "A job of the project has not ended.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn delete(
    State(app): State<App>,
    ProjectId(id): ProjectId,
) -> Result<StatusCode, ApiError> {
    find(&app, &id).await?;
    if !app.database.delete_project(&id).await? {
        return Err(ApiError::Changed(
            "a job of the project has not ended; cancel it first",
        ));
    }
    app.deleted_project.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

/// Goes back to a version: a job makes it the newest one again, without a generator. It begins after the other
/// jobs of the project have ended.
#[utoipa::path(
    post,
    path = "/api/projects/{id}/versions/{number}/restore",
    tag = "projects",
    operation_id = "restore_version",
    params(
        ("id" = String, Path, format = "uuid", description = "Id of the project."),
        ("number" = i64, Path, description = "Number of the version."),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "Any key of 1 to 255 characters of ASCII without spaces: the same request with the same key is answered with what the first one made, for 24 hours."),
    ),
    responses(
        (status = 201, description = "Accepted; `Location` leads to the job.", body = Job),
        (status = 404, description = "No such project or version.", body = Problem),
        (status = 409, description = "The project was put aside.", body = Problem),
        (status = 422, description = "The key was sent with another request.", body = Problem),
        (status = 429, description = "The tenant has asked for as many jobs today as it may, or requests come too fast; `Retry-After` says when to try again.", body = Problem),
        (status = 503, description = "The database does not answer, or too many jobs wait for their start; `Retry-After` says when to try again.", body = Problem),
    )
)]
pub async fn restore(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    AskedBy(origin): AskedBy,
    path: VersionPath,
    Once { key, .. }: Once<NoBody>,
) -> Result<(StatusCode, HeaderMap, Json<Job>), ApiError> {
    if let Some((_, id)) = once::earlier(&app, &tenant, key.as_ref()).await? {
        return jobs::created(&app, &id, true).await;
    }
    let version = versions::find(&app, &path).await?;
    let job = NewJob {
        id: Uuid::now_v7().to_string(),
        tenant,
        project: JobProject::Existing {
            id: version.project_id,
            kind: JobKind::Restore,
            start_version: Some(version.number),
        },
        description: format!("Go back to version {}", version.number),
        provider: version.provider,
        launcher: app.config.launcher.name(),
        wishes: Wishes {
            origin: Some(origin),
            ..Wishes::default()
        },
    };
    jobs::accept(&app, job, key.as_ref()).await
}
