//! The versions of a project: list, look at, read their files, compare, download.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::clock::rfc3339;
use crate::controllers::extract::{ApiQuery, ProjectId, VersionPath, page_limit, version_number};
use crate::controllers::{artifact, projects};
use crate::database::{self, JobKind};
use crate::error::ApiError;
use crate::problem::Problem;
use crate::source::{self, Difference, EMPTY_ZIP, File, FileContent, MAX_ZIP_BYTES, Source};

const DAMAGED: &str = "the stored files are not those that the job made";

/// A version of a project: a commit, whose files are never changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Version {
    /// From 1, without gaps.
    number: i64,
    /// Number of the version that it was made from; null for the first one.
    #[schema(required)]
    parent: Option<i64>,
    /// Id of its commit.
    commit: String,
    /// Id of the job that made it. Jobs are removed some time after their end.
    job: String,
    /// What the job did.
    kind: JobKind,
    /// What the job was asked.
    description: String,
    /// Provider that did it.
    provider: String,
    /// RFC 3339, UTC.
    created_at: String,
    /// Size of the zip file of its files.
    size_bytes: i64,
    /// SHA-256 of the zip file in lower-case hexadecimal.
    sha256: String,
    /// What the checks came to that the generator made of it.
    #[schema(value_type = Vec<Check>)]
    checks: Vec<database::Check>,
}

/// What a check came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Check {
    /// Its name, in lower case.
    name: String,
    /// `passed`, `failed` or `skipped`.
    outcome: String,
    /// What was found.
    #[schema(required = false)]
    detail: Option<String>,
    /// How long it took, in whole seconds.
    seconds: u64,
}

/// One page of the list of versions.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionList {
    /// Newest first.
    versions: Vec<Version>,
}

/// The files of a version.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileList {
    /// Sorted by path.
    files: Vec<File>,
}

/// Which versions to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListVersions {
    /// Maximum number of versions to list: 1 to 200, default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Only versions with a number less than this one.
    #[param(minimum = 1)]
    before: Option<i64>,
}

/// Which file to read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReadFile {
    /// Its path, as the list of files has it.
    path: String,
}

/// What to compare a version with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Compare {
    /// Number of the other version; without it, the one that this was made from. 0 is an empty version.
    #[param(minimum = 0)]
    from: Option<i64>,
}

impl From<database::Version> for Version {
    fn from(version: database::Version) -> Self {
        Self {
            number: version.number,
            parent: version.parent,
            commit: version.content.commit,
            job: version.job_id,
            kind: version.kind,
            description: version.description,
            provider: version.provider,
            created_at: rfc3339(version.created_at),
            size_bytes: version.content.size_bytes,
            sha256: version.content.sha256,
            checks: version.content.checks,
        }
    }
}

/// The version, or the error "not found".
pub(crate) async fn find(app: &App, path: &VersionPath) -> Result<database::Version, ApiError> {
    projects::find(app, &path.project_id).await?;
    of_project(app, path).await
}

/// The version of a project that is known to be there, or the error "not found".
async fn of_project(app: &App, path: &VersionPath) -> Result<database::Version, ApiError> {
    let version = app.database.version(&path.project_id, path.number).await?;
    version.ok_or(ApiError::NotFound("version"))
}

/// The zip file of a version, for as long as it is there.
async fn object(
    app: &App,
    version: &database::Version,
) -> Result<object_store::ObjectMeta, ApiError> {
    let folder = &version.content.folder;
    let object = app
        .artifacts
        .find_version(&version.project_id, folder)
        .await;
    object
        .map_err(ApiError::store)?
        .ok_or(ApiError::NotFound("stored file of the version"))
}

/// A place among those who look into zip files. It is held until the work is done, also where nobody waits for
/// its answer any more.
async fn place(app: &App) -> Result<OwnedSemaphorePermit, ApiError> {
    let permit = Arc::clone(&app.readers).acquire_owned().await;
    permit.map_err(|error| ApiError::Internal(error.into()))
}

/// The files of a version, which are those of its commit or an error.
async fn open(app: &App, version: &database::Version) -> Result<Source, ApiError> {
    let object = object(app, version).await?;
    if object.size > MAX_ZIP_BYTES {
        return Err(ApiError::Changed(
            "the version is too large to be looked into; it can be downloaded",
        ));
    }
    let bytes: Vec<u8> = app
        .artifacts
        .download(object)
        .try_fold(Vec::new(), async |mut bytes, part| {
            bytes.extend_from_slice(&part);
            Ok(bytes)
        })
        .await
        .map_err(|error| ApiError::store(error.into()))?;
    let sha256 = version.content.sha256.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let digest = Sha256::digest(&bytes);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        (digest == sha256).then(|| Source::open(bytes))
    });
    match opened
        .await
        .map_err(|error| ApiError::Internal(error.into()))?
    {
        Some(source) => source.map_err(|error| {
            let error = format!("{error:#}");
            tracing::warn!(
                version.project_id,
                version.number,
                error,
                "unreadable files"
            );
            ApiError::Changed(
                "the files of the version cannot be looked into; they can be downloaded",
            )
        }),
        None => Err(ApiError::Changed(DAMAGED)),
    }
}

/// Does work on files where it keeps nobody from being answered.
async fn work<T: Send + 'static>(
    place: OwnedSemaphorePermit,
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let work = move || {
        let _place = place;
        work()
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ApiError::Internal(error.into()))?
        .map_err(ApiError::Internal)
}

/// Lists the versions of a project, newest first.
#[utoipa::path(
    get,
    path = "/api/projects/{id}/versions",
    tag = "projects",
    operation_id = "list_versions",
    params(("id" = String, Path, format = "uuid", description = "Id of the project."), ListVersions),
    responses(
        (status = 200, description = "Versions.", body = VersionList),
        (status = 400, description = "A parameter is wrong.", body = Problem),
        (status = 404, description = "No such project.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn list(
    State(app): State<App>,
    ProjectId(id): ProjectId,
    ApiQuery(query): ApiQuery<ListVersions>,
) -> Result<Json<VersionList>, ApiError> {
    let limit = page_limit(query.limit)?;
    projects::find(&app, &id).await?;
    let before = version_number(query.before, "before")?.unwrap_or(i64::MAX);
    let versions = app.database.versions(&id, before, limit).await?;
    Ok(Json(VersionList {
        versions: versions.into_iter().map(Version::from).collect(),
    }))
}

/// Shows a version.
#[utoipa::path(
    get,
    path = "/api/projects/{id}/versions/{number}",
    tag = "projects",
    operation_id = "get_version",
    params(
        ("id" = String, Path, format = "uuid", description = "Id of the project."),
        ("number" = i64, Path, description = "Number of the version."),
    ),
    responses(
        (status = 200, description = "The version.", body = Version),
        (status = 404, description = "No such project or version.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn show(State(app): State<App>, path: VersionPath) -> Result<Json<Version>, ApiError> {
    Ok(Json(find(&app, &path).await?.into()))
}

/// Lists the files of a version.
#[utoipa::path(
    get,
    path = "/api/projects/{id}/versions/{number}/files",
    tag = "projects",
    operation_id = "list_version_files",
    params(
        ("id" = String, Path, format = "uuid", description = "Id of the project."),
        ("number" = i64, Path, description = "Number of the version."),
    ),
    responses(
        (status = 200, description = "Files.", body = FileList),
        (status = 404, description = "No such project or version.", body = Problem),
        (status = 409, description = "The version is too large to be looked into, or its stored files are not those that the job made.", body = Problem),
        (status = 503, description = "The database or the store does not answer.", body = Problem),
    )
)]
pub async fn files(State(app): State<App>, path: VersionPath) -> Result<Json<FileList>, ApiError> {
    let version = find(&app, &path).await?;
    let place = place(&app).await?;
    let mut source = open(&app, &version).await?;
    let files = work(place, move || source.list()).await?;
    Ok(Json(FileList { files }))
}

/// Reads a file of a version: up to 512 KiB of its text.
#[utoipa::path(
    get,
    path = "/api/projects/{id}/versions/{number}/file",
    tag = "projects",
    operation_id = "read_version_file",
    params(
        ("id" = String, Path, format = "uuid", description = "Id of the project."),
        ("number" = i64, Path, description = "Number of the version."),
        ReadFile,
    ),
    responses(
        (status = 200, description = "The file.", body = FileContent),
        (status = 400, description = "A parameter is wrong.", body = Problem),
        (status = 404, description = "No such project, version or file.", body = Problem),
        (status = 409, description = "The version is too large to be looked into, or its stored files are not those that the job made.", body = Problem),
        (status = 503, description = "The database or the store does not answer.", body = Problem),
    )
)]
pub async fn file(
    State(app): State<App>,
    path: VersionPath,
    ApiQuery(query): ApiQuery<ReadFile>,
) -> Result<Json<FileContent>, ApiError> {
    let version = find(&app, &path).await?;
    let place = place(&app).await?;
    let mut source = open(&app, &version).await?;
    let content = work(place, move || source.read(&query.path)).await?;
    Ok(Json(content.ok_or(ApiError::NotFound("file"))?))
}

/// Compares a version with the one that it was made from, or with another one.
#[utoipa::path(
    get,
    path = "/api/projects/{id}/versions/{number}/diff",
    tag = "projects",
    operation_id = "compare_version",
    params(
        ("id" = String, Path, format = "uuid", description = "Id of the project."),
        ("number" = i64, Path, description = "Number of the version."),
        Compare,
    ),
    responses(
        (status = 200, description = "What differs.", body = Difference),
        (status = 400, description = "A parameter is wrong.", body = Problem),
        (status = 404, description = "No such project or version.", body = Problem),
        (status = 409, description = "A version is too large to be looked into, or its stored files are not those that the job made.", body = Problem),
        (status = 503, description = "The database or the store does not answer.", body = Problem),
    )
)]
pub async fn diff(
    State(app): State<App>,
    path: VersionPath,
    ApiQuery(query): ApiQuery<Compare>,
) -> Result<Json<Difference>, ApiError> {
    let version = find(&app, &path).await?;
    let earlier = match query.from.or(version.parent).unwrap_or(0) {
        0 => None,
        number => Some(of_project(&app, &VersionPath { number, ..path }).await?),
    };
    let place = place(&app).await?;
    let mut later = open(&app, &version).await?;
    let mut earlier = match earlier {
        Some(earlier) => open(&app, &earlier).await?,
        None => Source::open(EMPTY_ZIP.to_vec()).map_err(ApiError::Internal)?,
    };
    let difference = work(place, move || source::difference(&mut earlier, &mut later)).await?;
    Ok(Json(difference))
}

/// Downloads the files of a version.
#[utoipa::path(
    get,
    path = "/api/projects/{id}/versions/{number}/download",
    tag = "projects",
    operation_id = "download_version",
    params(
        ("id" = String, Path, format = "uuid", description = "Id of the project."),
        ("number" = i64, Path, description = "Number of the version."),
    ),
    responses(
        (status = 200, description = "The zip file.", body = Vec<u8>, content_type = "application/zip"),
        (status = 404, description = "No such project or version.", body = Problem),
        (status = 409, description = "The stored files are not those that the job made.", body = Problem),
        (status = 503, description = "The database or the store does not answer.", body = Problem),
    )
)]
pub async fn download(State(app): State<App>, path: VersionPath) -> Result<Response, ApiError> {
    let slug = projects::find(&app, &path.project_id).await?.slug;
    let version = of_project(&app, &path).await?;
    let object = object(&app, &version).await?;
    // No generator can write there, so that its size is enough to tell a damaged store.
    if i64::try_from(object.size) != Ok(version.content.size_bytes) {
        return Err(ApiError::Changed(DAMAGED));
    }
    let name = format!("{slug}-{}.zip", version.number);
    artifact::zip(&app, object, &name, &version.content.sha256)
}
