//! Small objects that several processes write. Each write says what it expects to find.

use crate::error::{CloudError, Kind};
use crate::s3::S3;
use aws_sdk_s3::primitives::ByteStream;
use std::time::Duration;

/// Locks and records are far smaller.
const SIZE_LIMIT_BYTES: usize = 1 << 20;

/// The SDK's own bound ends with the headers; this one is for the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A small object as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) body: Vec<u8>,
    /// Identifies this content in [`Condition::Unchanged`].
    pub(crate) etag: String,
}

/// What a write expects to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Whatever it is.
    Anything,
    /// No object with the key.
    Absent,
    /// The object with this ETag.
    Unchanged(String),
}

impl S3 {
    /// The object; `None` where the bucket or the key does not exist.
    ///
    /// # Errors
    /// The call fails, or the object is larger than 1 MiB.
    pub(crate) async fn read(&self, bucket: &str, key: &str) -> Result<Option<Object>, CloudError> {
        let action = format!("s3 GetObject s3://{bucket}/{key}");
        let reply = self
            .client
            .get_object()
            .bucket(bucket)
            .key(key)
            .send()
            .await;
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => {
                let error = CloudError::from_sdk(&action, error);
                return if error.kind == Kind::NotFound {
                    Ok(None)
                } else {
                    Err(error)
                };
            }
        };
        let size_bytes = reply.content_length().unwrap_or_default();
        if usize::try_from(size_bytes).is_ok_and(|size| size > SIZE_LIMIT_BYTES) {
            return Err(CloudError::new(
                Kind::Service,
                format!("{action}: the object has {size_bytes} bytes, more than any record"),
            ));
        }
        let etag = reply.e_tag().unwrap_or_default().to_owned();
        let body = match tokio::time::timeout(BODY_TIMEOUT, reply.body.collect()).await {
            Ok(Ok(body)) => body.to_vec(),
            Ok(Err(error)) => {
                return Err(CloudError::new(
                    Kind::Unreachable,
                    format!("{action}: {error}"),
                ));
            }
            Err(_) => {
                return Err(CloudError::new(
                    Kind::Unreachable,
                    format!("{action}: not finished after {} s", BODY_TIMEOUT.as_secs()),
                ));
            }
        };
        Ok(Some(Object { body, etag }))
    }

    /// Writes the object, if what the bucket has now is as `condition` says, in one step.
    ///
    /// # Errors
    /// It is not ([`Kind::Conflict`]), there is no such bucket ([`Kind::NotFound`]), or the call
    /// fails.
    pub(crate) async fn write(
        &self,
        bucket: &str,
        key: &str,
        body: Vec<u8>,
        condition: &Condition,
    ) -> Result<(), CloudError> {
        let action = format!("s3 PutObject s3://{bucket}/{key}");
        let request = self
            .client
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_type("application/json")
            .body(ByteStream::from(body));
        let request = match condition {
            Condition::Anything => request,
            Condition::Absent => request.if_none_match("*"),
            Condition::Unchanged(etag) => request.if_match(etag),
        };
        request
            .send()
            .await
            .map(|_| ())
            .map_err(|error| changed(CloudError::from_sdk(&action, error), condition))
    }

    /// Removes the object, if it still has this ETag.
    ///
    /// # Errors
    /// It is not ([`Kind::Conflict`]), or the call fails.
    pub(crate) async fn remove(
        &self,
        bucket: &str,
        key: &str,
        etag: &str,
    ) -> Result<(), CloudError> {
        let action = format!("s3 DeleteObject s3://{bucket}/{key}");
        self.client
            .delete_object()
            .bucket(bucket)
            .key(key)
            .if_match(etag)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| {
                changed(
                    CloudError::from_sdk(&action, error),
                    &Condition::Unchanged(etag.to_owned()),
                )
            })
    }

    /// Keys that begin with `prefix`, ascending; an empty list where there is no such bucket.
    ///
    /// # Errors
    /// A call fails.
    pub(crate) async fn keys(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, CloudError> {
        let action = format!("s3 ListObjectsV2 s3://{bucket}/{prefix}");
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .into_paginator()
            .send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = match page.map_err(|error| CloudError::from_sdk(&action, error)) {
                Ok(page) => page,
                Err(error) if error.kind == Kind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            keys.extend(
                page.contents()
                    .iter()
                    .filter_map(|object| object.key().map(str::to_owned)),
            );
        }
        Ok(keys)
    }
}

/// S3 answers 404 where the object that a condition names does not exist any more.
fn changed(mut error: CloudError, condition: &Condition) -> CloudError {
    if error.kind == Kind::NotFound && matches!(condition, Condition::Unchanged(_)) {
        error.kind = Kind::Conflict;
    }
    error
}
