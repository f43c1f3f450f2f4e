//! Files that people attach to jobs: upload them, and read those of a job.

use app_gen_contract::{Attachment, MediaType, validate_attachment_name};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::accounts::Tenant;
use crate::app::App;
use crate::artifacts::{StoredAttachment, hexadecimal};
use crate::controllers::extract::{ApiQuery, AttachmentPath, interrupted};
use crate::database::{KeptUpload, NewJob, Upload};
use crate::error::ApiError;
use crate::problem::Problem;

/// Seconds after which there may be room for another upload: they are removed after a day.
const RETRY_AFTER_SECS: u32 = 60 * 60;
const WRONG_TYPE: &str =
    "the file is neither text in UTF-8 nor an image of type PNG, JPEG, WebP or GIF";

/// A file that was attached to a job.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobAttachment {
    /// Its number, from 1.
    number: usize,
    /// Its name.
    name: String,
    /// What its bytes are: `text/plain`, `image/png`, `image/jpeg`, `image/webp` or `image/gif`.
    media_type: &'static str,
    /// Its size.
    size_bytes: u64,
    /// SHA-256 in lower-case hexadecimal.
    sha256: String,
}

/// A file that can be attached to jobs.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadedFile {
    /// UUID version 7: a job names it.
    id: String,
    /// Its name.
    name: String,
    /// What its bytes are: `text/plain`, `image/png`, `image/jpeg`, `image/webp` or `image/gif`.
    media_type: &'static str,
    /// Its size.
    size_bytes: u64,
    /// SHA-256 in lower-case hexadecimal.
    sha256: String,
}

/// What can be attached.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttachmentLimits {
    /// Maximum number of files of a job.
    count: usize,
    /// Maximum size of a file.
    bytes: u64,
    /// Maximum size of all files of a job together.
    job_bytes: u64,
    /// What a file may be.
    media_types: Vec<&'static str>,
}

/// What a file is called.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UploadFile {
    /// Its name: 1 to 100 characters after trimming, without slashes.
    #[param(min_length = 1, max_length = 100)]
    name: String,
}

impl JobAttachment {
    /// All attachments of a job.
    pub(super) fn of(attachments: Vec<Attachment>) -> Vec<Self> {
        let numbered = attachments.into_iter().zip(1..);
        numbered
            .map(|(attachment, number)| Self {
                number,
                name: attachment.name,
                media_type: attachment.media_type.as_str(),
                size_bytes: attachment.size_bytes,
                sha256: attachment.sha256,
            })
            .collect()
    }
}

/// Says what can be attached.
#[utoipa::path(
    get,
    path = "/api/attachments",
    tag = "attachments",
    operation_id = "get_attachment_limits",
    responses((status = 200, description = "Bounds.", body = AttachmentLimits))
)]
pub async fn limits(State(app): State<App>) -> Json<AttachmentLimits> {
    let limits = &app.config.attachments;
    Json(AttachmentLimits {
        count: limits.count,
        bytes: limits.bytes,
        job_bytes: limits.job_bytes,
        media_types: MediaType::ALL.map(MediaType::as_str).to_vec(),
    })
}

/// Uploads a file, to be attached to a job. It is kept for a day; every job that names it gets a copy.
#[utoipa::path(
    post,
    path = "/api/attachments",
    tag = "attachments",
    operation_id = "upload_attachment",
    params(UploadFile),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The bytes of the file. What they are is looked at, whatever the content type says."),
    responses(
        (status = 201, description = "It is there.", body = UploadedFile),
        (status = 400, description = "The name is none, or the file is empty.", body = Problem),
        (status = 413, description = "The file is too large.", body = Problem),
        (status = 415, description = "The file is neither text nor one of the images that are taken, or not what its content type says.", body = Problem),
        (status = 429, description = "The tenant would have more bytes than it may, or requests come too fast.", body = Problem),
        (status = 503, description = "The database or the store does not answer, or too much was uploaded within a day; `Retry-After` says when to try again.", body = Problem),
    )
)]
pub async fn upload(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    ApiQuery(query): ApiQuery<UploadFile>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<UploadedFile>), ApiError> {
    let name = validate_attachment_name(&query.name)
        .map_err(|error| ApiError::Invalid(error.to_string()))?
        .to_owned();
    let limits = app.config.attachments;
    let most = usize::try_from(limits.bytes).unwrap_or(usize::MAX);
    let said = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|length| length > limits.bytes) {
        return Err(ApiError::TooLarge(most));
    }
    let permit = app.uploaders.acquire().await;
    let _place = permit.map_err(|error| ApiError::Internal(error.into()))?;
    let bytes = whole(body, most).await?;
    let media_type = kind_of(&bytes)?;
    if contradicts(&headers, media_type) {
        return Err(ApiError::NotTaken(
            "the file is not what its content type says",
        ));
    }
    let upload = Upload {
        id: Uuid::now_v7().to_string(),
        attachment: Attachment {
            name,
            media_type,
            size_bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            sha256: hexadecimal(&Sha256::digest(&bytes)),
        },
    };
    // The row first: it is what the bytes are found by again, to be removed.
    let usual = app.config.limits.tenant;
    let kept = app
        .database
        .insert_upload(&tenant, &upload, limits.stored_bytes, usual);
    match kept.await? {
        KeptUpload::Kept => {}
        KeptUpload::Full => {
            return Err(ApiError::Busy {
                message: "too much was uploaded within a day",
                retry_after_secs: RETRY_AFTER_SECS,
            });
        }
        KeptUpload::Limit(reached) => return Err(ApiError::Limit(reached)),
    }
    let put = app.artifacts.put_upload(&upload.id, bytes).await;
    put.map_err(ApiError::store)?;
    let Upload { id, attachment } = upload;
    let answer = UploadedFile {
        id,
        name: attachment.name,
        media_type: media_type.as_str(),
        size_bytes: attachment.size_bytes,
        sha256: attachment.sha256,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// A body, within its bound.
async fn whole(body: Body, max_bytes: usize) -> Result<Bytes, ApiError> {
    let mut parts = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| interrupted(&error))?;
        if bytes.len() + part.len() > max_bytes {
            return Err(ApiError::TooLarge(max_bytes));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.into())
}

/// What the bytes of a file are.
fn kind_of(bytes: &[u8]) -> Result<MediaType, ApiError> {
    if bytes.is_empty() {
        return Err(ApiError::Invalid("the file is empty".to_owned()));
    }
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(&b"WEBP"[..]);
    Ok(match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => MediaType::Png,
        [0xff, 0xd8, 0xff, ..] => MediaType::Jpeg,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => MediaType::Gif,
        _ if is_webp => MediaType::WebP,
        _ if !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok() => MediaType::Text,
        _ => return Err(ApiError::NotTaken(WRONG_TYPE)),
    })
}

/// Whether the content type is that of an image, and of another one.
fn contradicts(headers: &HeaderMap, media_type: MediaType) -> bool {
    let said = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .and_then(|kind| MediaType::named(&kind.trim().to_ascii_lowercase()));
    said.is_some_and(|said| said.is_image() && said != media_type)
}

/// The uploads of these ids, in their order.
///
/// # Errors
/// One of them is not there, or they are too many or too large for one job.
pub(super) async fn uploads(
    app: &App,
    tenant: &str,
    ids: &[Uuid],
) -> Result<Vec<Upload>, ApiError> {
    let limits = &app.config.attachments;
    if ids.len() > limits.count {
        return Err(ApiError::Invalid(format!(
            "attachments has {} files; a job takes {} at most",
            ids.len(),
            limits.count
        )));
    }
    let mut uploads = Vec::new();
    for id in ids {
        let upload = app.database.upload(tenant, &id.to_string()).await?;
        uploads.push(upload.ok_or(ApiError::NotFound("attachment"))?);
    }
    let bytes: u64 = uploads
        .iter()
        .map(|upload| upload.attachment.size_bytes)
        .sum();
    if bytes > limits.job_bytes {
        return Err(ApiError::Invalid(format!(
            "attachments has {bytes} bytes together; a job takes {} at most",
            limits.job_bytes
        )));
    }
    Ok(uploads)
}

/// Copies uploads into the folder of a job that is to be accepted.
///
/// # Errors
/// One of them was removed in this moment, or the store fails.
pub(super) async fn lend(app: &App, job_id: &str, uploads: &[Upload]) -> Result<(), ApiError> {
    for (upload, number) in uploads.iter().zip(1..) {
        let lent = app.artifacts.lend_upload(&upload.id, job_id, number).await;
        if !lent.map_err(ApiError::store)? {
            return Err(ApiError::NotFound("attachment"));
        }
    }
    Ok(())
}

/// Removes what was copied for a job that was not accepted.
pub(super) async fn take_back(app: &App, job: &NewJob) {
    let count = job.wishes.attachments.len();
    let removed = async {
        app.artifacts.remove_attachments(&job.id, count).await?;
        app.artifacts.remove_job(&job.id).await
    };
    if let Err(error) = removed.await {
        let error = format!("{error:#}");
        tracing::warn!(job_id = job.id, error, "failed to remove what was copied");
    }
}

/// Reads a file that was attached to a job.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/attachments/{number}",
    tag = "attachments",
    operation_id = "read_attachment",
    params(
        ("id" = String, Path, format = "uuid", description = "Id of the job."),
        ("number" = usize, Path, description = "Number of the attachment, from 1."),
    ),
    responses(
        (status = 200, description = "Its bytes. Only an image is to be shown in a page; anything else is saved.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, description = "No such job or attachment, or it is no longer kept.", body = Problem),
        (status = 409, description = "The stored file is not the one that was attached.", body = Problem),
        (status = 503, description = "The database or the store does not answer.", body = Problem),
    )
)]
pub async fn read(State(app): State<App>, path: AttachmentPath) -> Result<Response, ApiError> {
    let AttachmentPath { job_id, number } = path;
    let job = app.database.job(&job_id).await?;
    let job = job.ok_or(ApiError::NotFound("job"))?;
    let attachment = number
        .checked_sub(1)
        .and_then(|index| job.wishes.attachments.get(index))
        .ok_or(ApiError::NotFound("attachment"))?;
    let permit = app.uploaders.acquire().await;
    let _place = permit.map_err(|error| ApiError::Internal(error.into()))?;
    let stored = app.artifacts.attachment(&job_id, number, attachment).await;
    let bytes = match stored.map_err(ApiError::store)? {
        StoredAttachment::File(bytes) => bytes,
        StoredAttachment::Missing => {
            return Err(ApiError::NotFound("stored file of the attachment"));
        }
        StoredAttachment::Replaced => {
            return Err(ApiError::Changed(
                "the stored file was replaced: it is not the one that was attached",
            ));
        }
    };
    let content_type = match attachment.media_type {
        MediaType::Text => "text/plain; charset=utf-8",
        image => image.as_str(),
    };
    // The gate's headers keep browsers from taking it for anything else.
    let mut response = Body::from(bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (header_name, value) in [
        (header::CONTENT_DISPOSITION, disposition(attachment)),
        (header::ETAG, format!("\"{}\"", attachment.sha256)),
    ] {
        let value =
            HeaderValue::try_from(value).map_err(|error| ApiError::Internal(error.into()))?;
        headers.insert(header_name, value);
    }
    Ok(response)
}

/// How a browser is to take a file: only an image may be a part of a page.
fn disposition(attachment: &Attachment) -> String {
    let how = match attachment.media_type.is_image() {
        true => "inline",
        false => "attachment",
    };
    // RFC 6266; what of a name is no letter and no digit is encoded.
    let name = utf8_percent_encode(&attachment.name, NON_ALPHANUMERIC);
    format!("{how}; filename*=UTF-8''{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_what_their_bytes_are() {
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\n\0"[..], MediaType::Png),
            (b"\xff\xd8\xff\xe0\0", MediaType::Jpeg),
            (b"GIF89a\0", MediaType::Gif),
            (b"RIFF\0\0\0\0WEBPVP8 ", MediaType::WebP),
            (b"<svg onload='alert(1)'/>", MediaType::Text),
            ("größer".as_bytes(), MediaType::Text),
        ] {
            assert_eq!(kind_of(bytes).unwrap(), expected);
        }
        for bytes in [
            &b""[..],
            b"a\0b",
            b"caf\xe9",
            b"RIFF\0\0\0\0WAVE",
            b"%PDF-1.7\xff",
        ] {
            assert!(kind_of(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_name_is_no_header() {
        let attachment = |name: &str, media_type| Attachment {
            name: name.to_owned(),
            media_type,
            size_bytes: 1,
            sha256: String::new(),
        };
        assert_eq!(
            disposition(&attachment("a \"b\".ü", MediaType::Text)),
            "attachment; filename*=UTF-8''a%20%22b%22%2E%C3%BC"
        );
        assert_eq!(
            disposition(&attachment("a", MediaType::Png)),
            "inline; filename*=UTF-8''a"
        );
    }
}
