//! The result of a job, streamed through the orchestrator.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use object_store::ObjectMeta;

use crate::app::App;
use crate::controllers::extract::JobId;
use crate::controllers::jobs;
use crate::error::ApiError;
use crate::problem::Problem;
use crate::results::{self, FindError, Found};

/// Downloads the result of a job.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/artifact",
    tag = "jobs",
    operation_id = "download_job_artifact",
    params(("id" = String, Path, format = "uuid", description = "Id of the job.")),
    responses(
        (status = 200, description = "The zip file.", body = Vec<u8>, content_type = "application/zip"),
        (status = 404, description = "No such job, no result yet, or the result is no longer kept.", body = Problem),
        (status = 409, description = "The stored file is not the one that the job made.", body = Problem),
        (status = 503, description = "The database or the store does not answer.", body = Problem),
    )
)]
pub async fn download(State(app): State<App>, JobId(id): JobId) -> Result<Response, ApiError> {
    let job = jobs::find(&app, &id).await?;
    let artifact = job.artifact.ok_or(ApiError::NotFound("artifact"))?;
    let object = match results::find(&app.artifacts, app.database.as_ref(), &id, &artifact).await? {
        Found::Result(object) => object,
        Found::Missing => return Err(ApiError::NotFound("stored file of the artifact")),
        Found::Replaced => {
            return Err(ApiError::Changed(
                "the stored file was replaced: it is not the one that the job made",
            ));
        }
    };
    zip(&app, object, &format!("app-{id}.zip"), &artifact.sha256)
}

/// A zip file of the store as the answer; `name` is what a browser calls it.
pub(super) fn zip(
    app: &App,
    object: ObjectMeta,
    name: &str,
    sha256: &str,
) -> Result<Response, ApiError> {
    let size_bytes = object.size;
    let name = format!("attachment; filename=\"{name}\"");
    let etag = format!("\"{sha256}\"");
    let mut response = Body::from_stream(app.artifacts.download(object)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/zip"),
    );
    headers.insert(header::CONTENT_LENGTH, size_bytes.into());
    for (header_name, value) in [(header::CONTENT_DISPOSITION, name), (header::ETAG, etag)] {
        let value =
            HeaderValue::try_from(value).map_err(|error| ApiError::Internal(error.into()))?;
        headers.insert(header_name, value);
    }
    Ok(response)
}

impl From<FindError> for ApiError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Store(source) => Self::store(source),
            FindError::Database(error) => error.into(),
        }
    }
}
