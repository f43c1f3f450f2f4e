//! The result of a job, streamed through the orchestrator.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use object_store::ObjectMeta;

use crate::app::App;
use crate::controllers::extract::JobId;
use crate::controllers::jobs;
use crate::database::Artifact;
use crate::error::{ApiError, ErrorBody};

/// Downloads the result of a job.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/artifact",
    tag = "jobs",
    params(("id" = String, Path, description = "Id of the job.")),
    responses(
        (status = 200, description = "The zip file.", body = Vec<u8>, content_type = "application/zip"),
        (status = 404, description = "No such job, no result yet, or the result is no longer kept.", body = ErrorBody),
        (status = 409, description = "The stored file is not the one that the job made.", body = ErrorBody),
        (status = 503, description = "The database or the store does not answer.", body = ErrorBody),
    )
)]
pub async fn download(State(app): State<App>, JobId(id): JobId) -> Result<Response, ApiError> {
    let job = jobs::find(&app, &id).await?;
    let artifact = job.artifact.ok_or(ApiError::NotFound("artifact"))?;
    let object = find_verified(&app, &id, &artifact).await?;
    let name = format!("attachment; filename=\"app-{id}.zip\"");
    let etag = format!("\"{}\"", artifact.sha256);
    let mut response = Body::from_stream(app.artifacts.download(object)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/zip"),
    );
    headers.insert(header::CONTENT_LENGTH, artifact.size_bytes.into());
    for (header_name, value) in [(header::CONTENT_DISPOSITION, name), (header::ETAG, etag)] {
        let value =
            HeaderValue::try_from(value).map_err(|error| ApiError::Internal(error.into()))?;
        headers.insert(header_name, value);
    }
    Ok(response)
}

/// The stored object, if it is the one that the job made: whose bytes have the SHA-256 that the job
/// named. That is computed once; from then on, the store's own mark of the object is compared. Every part
/// of the download names that mark, so that a replacement in between breaks it off.
async fn find_verified(app: &App, id: &str, artifact: &Artifact) -> Result<ObjectMeta, ApiError> {
    let replaced =
        || ApiError::Changed("the stored file was replaced: it is not the one that the job made");
    let store_fails = |source| ApiError::Unavailable {
        message: "the artifact store does not answer",
        source,
    };
    let object = app.artifacts.find(id, &artifact.name).await;
    let object = object
        .map_err(store_fails)?
        .ok_or(ApiError::NotFound("stored file of the artifact"))?;
    let e_tag = object.e_tag.clone().ok_or_else(|| {
        ApiError::Internal(anyhow::anyhow!(
            "the store gives no ETag for {}",
            object.location
        ))
    })?;
    if i64::try_from(object.size) != Ok(artifact.size_bytes)
        || artifact
            .e_tag
            .as_ref()
            .is_some_and(|verified| *verified != e_tag)
    {
        return Err(replaced());
    }
    if artifact.e_tag.is_none() {
        let sha256 = app
            .artifacts
            .sha256(object.clone())
            .await
            .map_err(store_fails)?;
        if sha256.as_ref() != Some(&artifact.sha256) {
            return Err(replaced());
        }
        app.database
            .set_verified(id, &artifact.sha256, &e_tag)
            .await?;
    }
    Ok(object)
}
