//! Extractors that refuse requests with the API's own errors.

use app_gen_contract::BuiltInTemplate;
use axum::Json;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody, JsonRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use tower_http::timeout::TimeoutError;
use uuid::Uuid;

use crate::accounts::{Identity, Tenant};
use crate::app::App;
use crate::database::Owned;
use crate::error::ApiError;

/// Maximum size of a request body in bytes.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// A body of JSON.
#[derive(Debug)]
pub struct ApiJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(ApiError::UnsupportedMediaType),
            Err(JsonRejection::BytesRejection(rejection)) => Err(not_whole(&rejection)),
            Err(rejection) => Err(ApiError::Invalid(rejection.body_text())),
        }
    }
}

/// Why a body is not there as a whole: it is too large, or it stopped coming.
pub(super) fn not_whole(rejection: &BytesRejection) -> ApiError {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            ApiError::TooLarge(MAX_REQUEST_BYTES)
        }
        other => interrupted(other),
    }
}

/// Why the rest of a body does not come.
pub(super) fn interrupted(error: &(dyn std::error::Error + 'static)) -> ApiError {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    match causes.any(|cause| cause.is::<TimeoutError>()) {
        true => ApiError::Slow,
        false => ApiError::Invalid("the body ended before it was complete".to_owned()),
    }
}

/// The parameters behind the question mark.
#[derive(Debug)]
pub struct ApiQuery<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Query::<T>::from_request_parts(parts, state)
            .await
            .map(|Query(value)| Self(value))
            .map_err(|rejection| ApiError::Invalid(rejection.body_text()))
    }
}

/// The job id of the path, in the form in which ids are stored: of a job of the tenant of whoever asks. Anything else
/// is answered with "job not found", and so it is with what follows here.
#[derive(Debug)]
pub struct JobId(pub String);

/// The project id of the path, likewise.
#[derive(Debug)]
pub struct ProjectId(pub String);

/// The project id of the path, and the number of one of its versions.
#[derive(Debug)]
pub struct VersionPath {
    /// Of the project.
    pub project_id: String,
    /// Of the version.
    pub number: i64,
}

/// The job id of the path, and the number of one of its attachments.
#[derive(Debug)]
pub struct AttachmentPath {
    /// Of the job.
    pub job_id: String,
    /// From 1.
    pub number: usize,
}

/// The project id of the path, and the id of one of its deliveries.
#[derive(Debug)]
pub struct DeliveryPath {
    /// Of the project.
    pub project_id: String,
    /// Of the delivery.
    pub id: String,
}

/// The template id of the path.
#[derive(Debug)]
pub enum TemplateId {
    /// In the form in which ids are stored.
    Own(String),
    /// One that comes with the generator.
    BuiltIn(&'static BuiltInTemplate),
}

/// One id of the path, as it is there.
#[derive(Debug)]
pub struct Segment(pub String);

/// Two ids of the path, as they are there.
#[derive(Debug)]
pub struct Segments(pub String, pub String);

impl FromRequestParts<App> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Path(text): Path<String> = path(parts, app, "path").await?;
        Ok(Self(text))
    }
}

impl FromRequestParts<App> for Segments {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Path((first, second)): Path<(String, String)> = path(parts, app, "path").await?;
        Ok(Self(first, second))
    }
}

impl FromRequestParts<App> for JobId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Path(text): Path<String> = path(parts, app, "job").await?;
        Ok(Self(job_id(parts, app, &text).await?))
    }
}

impl FromRequestParts<App> for AttachmentPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Path((job, number)): Path<(String, String)> = path(parts, app, "attachment").await?;
        Ok(Self {
            job_id: job_id(parts, app, &job).await?,
            number: number
                .parse()
                .map_err(|_| ApiError::NotFound("attachment"))?,
        })
    }
}

impl FromRequestParts<App> for ProjectId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Path(text): Path<String> = path(parts, app, "project").await?;
        Ok(Self(owned(parts, app, Owned::Project, &text).await?))
    }
}

impl FromRequestParts<App> for VersionPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Path((project, number)): Path<(String, String)> = path(parts, app, "version").await?;
        Ok(Self {
            project_id: owned(parts, app, Owned::Project, &project).await?,
            number: number.parse().map_err(|_| ApiError::NotFound("version"))?,
        })
    }
}

impl FromRequestParts<App> for DeliveryPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Path((project, delivery)): Path<(String, String)> =
            path(parts, app, "delivery").await?;
        Ok(Self {
            project_id: owned(parts, app, Owned::Project, &project).await?,
            id: id(&delivery, "delivery")?,
        })
    }
}

impl FromRequestParts<App> for TemplateId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Path(text): Path<String> = path(parts, app, "template").await?;
        match BuiltInTemplate::named(&text) {
            Some(template) => Ok(Self::BuiltIn(template)),
            None => Ok(Self::Own(owned(parts, app, Owned::Template, &text).await?)),
        }
    }
}

/// The id of a job of the tenant of whoever asks; with a ticket, of the job that it is for.
async fn job_id(parts: &mut Parts, app: &App, text: &str) -> Result<String, ApiError> {
    let id = owned(parts, app, Owned::Job, text).await?;
    match Identity::from_request_parts(parts, app).await? {
        Identity::Ticket { job, .. } if job != id => Err(ApiError::NotFound("job")),
        _ => Ok(id),
    }
}

/// The id of something of the tenant of whoever asks. What is somebody else's does not exist.
async fn owned(parts: &mut Parts, app: &App, kind: Owned, text: &str) -> Result<String, ApiError> {
    let what = match kind {
        Owned::Job => "job",
        Owned::Project => "project",
        Owned::Template => "template",
    };
    let Tenant(tenant) = Tenant::from_request_parts(parts, app).await?;
    let id = id(text, what)?;
    match app.database.owns(&tenant, kind, &id).await? {
        true => Ok(id),
        false => Err(ApiError::NotFound(what)),
    }
}

/// The text that is searched for, if there is any.
///
/// # Errors
/// It is too long, or holds what no name has.
pub fn searched(asked: Option<String>) -> Result<Option<String>, ApiError> {
    /// Maximum number of characters of a search.
    const MAX_SEARCH_CHARS: usize = 100;
    match asked {
        Some(text) if text.chars().count() > MAX_SEARCH_CHARS || text.contains('\0') => {
            Err(ApiError::Invalid(format!(
                "search takes up to {MAX_SEARCH_CHARS} characters, and no NUL"
            )))
        }
        search => Ok(search
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())),
    }
}

/// How many items of a list are answered: 50 if nothing is asked for.
///
/// # Errors
/// It is none of 1 to 200.
pub fn page_limit(asked: Option<i64>) -> Result<i64, ApiError> {
    const MAX_PAGE: i64 = 200;
    let limit = asked.unwrap_or(50);
    match (1..=MAX_PAGE).contains(&limit) {
        true => Ok(limit),
        false => Err(ApiError::Invalid(format!(
            "limit is {limit}; it takes 1 to {MAX_PAGE}"
        ))),
    }
}

/// The id that a parameter holds, in the form in which ids are stored.
///
/// # Errors
/// It is none, which is answered with `refusal`.
pub fn stored_id(asked: Option<String>, refusal: &str) -> Result<Option<String>, ApiError> {
    asked
        .map(|id| Uuid::try_parse(&id).map(|id| id.to_string()))
        .transpose()
        .map_err(|_| ApiError::Invalid(refusal.to_owned()))
}

async fn path<T: DeserializeOwned + Send>(
    parts: &mut Parts,
    app: &App,
    what: &'static str,
) -> Result<Path<T>, ApiError> {
    let path = Path::from_request_parts(parts, app).await;
    path.map_err(|_| ApiError::NotFound(what))
}

pub(super) fn id(text: &str, what: &'static str) -> Result<String, ApiError> {
    let id = Uuid::try_parse(text).map_err(|_| ApiError::NotFound(what))?;
    Ok(id.to_string())
}
