//! Extractors that refuse requests with the API's own errors.

use app_gen_contract::BuiltInTemplate;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use uuid::Uuid;

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
            Err(JsonRejection::BytesRejection(_)) => Err(ApiError::TooLarge(MAX_REQUEST_BYTES)),
            Err(rejection) => Err(ApiError::Invalid(rejection.body_text())),
        }
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

/// The job id of the path, in the form in which ids are stored. A text that is not an id is answered
/// with "job not found".
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

impl<S: Send + Sync> FromRequestParts<S> for AttachmentPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path((job, number)): Path<(String, String)> = path(parts, state, "attachment").await?;
        Ok(Self {
            job_id: id(&job, "job")?,
            number: number
                .parse()
                .map_err(|_| ApiError::NotFound("attachment"))?,
        })
    }
}

/// The project id of the path, and the id of one of its deliveries.
#[derive(Debug)]
pub struct DeliveryPath {
    /// Of the project.
    pub project_id: String,
    /// Of the delivery.
    pub id: String,
}

impl<S: Send + Sync> FromRequestParts<S> for JobId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text): Path<String> = path(parts, state, "job").await?;
        Ok(Self(id(&text, "job")?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ProjectId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text): Path<String> = path(parts, state, "project").await?;
        Ok(Self(id(&text, "project")?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for VersionPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path((project, number)): Path<(String, String)> = path(parts, state, "version").await?;
        Ok(Self {
            project_id: id(&project, "project")?,
            number: number.parse().map_err(|_| ApiError::NotFound("version"))?,
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for DeliveryPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path((project, delivery)): Path<(String, String)> =
            path(parts, state, "delivery").await?;
        Ok(Self {
            project_id: id(&project, "project")?,
            id: id(&delivery, "delivery")?,
        })
    }
}

/// The template id of the path.
#[derive(Debug)]
pub enum TemplateId {
    /// In the form in which ids are stored.
    Own(String),
    /// One that comes with the generator.
    BuiltIn(&'static BuiltInTemplate),
}

impl<S: Send + Sync> FromRequestParts<S> for TemplateId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text): Path<String> = path(parts, state, "template").await?;
        match BuiltInTemplate::named(&text) {
            Some(template) => Ok(Self::BuiltIn(template)),
            None => Ok(Self::Own(id(&text, "template")?)),
        }
    }
}

/// The text that is searched for, if there is any.
///
/// # Errors
/// It is too long, or holds what no name has.
pub fn searched(asked: Option<String>) -> Result<Option<String>, ApiError> {
    /// Maximum number of characters of a search.
    const MAX_SEARCH_CHARS: usize = 100;
    let search = asked.filter(|text| !text.trim().is_empty());
    match search {
        Some(text) if text.chars().count() > MAX_SEARCH_CHARS || text.contains('\0') => {
            Err(ApiError::Invalid(format!(
                "search takes up to {MAX_SEARCH_CHARS} characters, and no NUL"
            )))
        }
        search => Ok(search.map(|text| text.trim().to_owned())),
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

async fn path<T: DeserializeOwned + Send, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    what: &'static str,
) -> Result<Path<T>, ApiError> {
    let path = Path::from_request_parts(parts, state).await;
    path.map_err(|_| ApiError::NotFound(what))
}

fn id(text: &str, what: &'static str) -> Result<String, ApiError> {
    let id = Uuid::try_parse(text).map_err(|_| ApiError::NotFound(what))?;
    Ok(id.to_string())
}
