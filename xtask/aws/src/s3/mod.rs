//! Simple Storage Service: buckets here; small objects, folders and versions in files of their own.

mod folder;
mod object;
mod versions;

pub(crate) use object::Condition;

use crate::error::{CloudError, Kind};
use aws_config::SdkConfig;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    PublicAccessBlockConfiguration, Tag, Tagging, VersioningConfiguration,
};
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// The SDK's own bound ends with the headers; this one is for the body.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(300);

/// The parts of `s3://bucket/key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectUri {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

impl std::str::FromStr for ObjectUri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("s3://")
            .and_then(|rest| rest.split_once('/'))
            .filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
            .map(|(bucket, key)| Self {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            })
            .ok_or_else(|| format!("`{text}` is not s3://BUCKET/KEY"))
    }
}

/// Simple Storage Service.
#[derive(Debug, Clone)]
pub(crate) struct S3 {
    client: aws_sdk_s3::Client,
}

impl S3 {
    /// With `local`, the name of the bucket is part of the path, because `bucket.127.0.0.1` does
    /// not resolve.
    pub(crate) fn new(sdk: &SdkConfig, local: bool) -> Self {
        let config = aws_sdk_s3::config::Builder::from(sdk)
            .force_path_style(local)
            .build();
        Self {
            client: aws_sdk_s3::Client::from_conf(config),
        }
    }

    /// Creates the bucket, unless this account has one of that name.
    ///
    /// # Errors
    /// A call fails, for instance because somebody else has a bucket of that name.
    pub(crate) async fn ensure_bucket(
        &self,
        name: &str,
        region: &str,
        tags: &[(String, String)],
    ) -> Result<(), CloudError> {
        let action = format!("s3 CreateBucket {name}");
        // us-east-1 is the default, and S3 refuses it as a constraint.
        let configuration = (region != "us-east-1").then(|| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(region))
                .build()
        });
        let created = self
            .client
            .create_bucket()
            .bucket(name)
            .set_create_bucket_configuration(configuration)
            .send()
            .await;
        if let Err(error) = created {
            let error = CloudError::from_sdk(&action, error);
            if error.kind != Kind::Exists {
                return Err(error);
            }
        }
        let mut tagging = Tagging::builder();
        for (key, value) in tags {
            let tag = Tag::builder().key(key).value(value).build();
            tagging = tagging.tag_set(tag.map_err(|error| malformed(&action, &error))?);
        }
        let tagging = tagging
            .build()
            .map_err(|error| malformed(&action, &error))?;
        self.client
            .put_bucket_tagging()
            .bucket(name)
            .tagging(tagging)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| CloudError::from_sdk(&format!("s3 PutBucketTagging {name}"), error))
    }

    /// Closes the bucket to the public, sets its policy, and lets it keep what is overwritten.
    /// Versioning comes last: where it is on, everything else has been done.
    ///
    /// # Errors
    /// A call fails.
    pub(crate) async fn protect_bucket(
        &self,
        name: &str,
        policy: Option<String>,
    ) -> Result<(), CloudError> {
        let failed = |call: &str| format!("s3 {call} {name}");
        self.client
            .put_public_access_block()
            .bucket(name)
            .public_access_block_configuration(
                PublicAccessBlockConfiguration::builder()
                    .block_public_acls(true)
                    .block_public_policy(true)
                    .ignore_public_acls(true)
                    .restrict_public_buckets(true)
                    .build(),
            )
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&failed("PutPublicAccessBlock"), error))?;
        if let Some(policy) = policy {
            self.client
                .put_bucket_policy()
                .bucket(name)
                .policy(policy)
                .send()
                .await
                .map_err(|error| CloudError::from_sdk(&failed("PutBucketPolicy"), error))?;
        }
        self.client
            .put_bucket_versioning()
            .bucket(name)
            .versioning_configuration(
                VersioningConfiguration::builder()
                    .status(BucketVersioningStatus::Enabled)
                    .build(),
            )
            .send()
            .await
            .map(|_| ())
            .map_err(|error| CloudError::from_sdk(&failed("PutBucketVersioning"), error))
    }

    /// Whether the bucket exists and keeps what is overwritten.
    ///
    /// # Errors
    /// The call fails.
    pub(crate) async fn is_versioned(&self, name: &str) -> Result<bool, CloudError> {
        let reply = self
            .client
            .get_bucket_versioning()
            .bucket(name)
            .send()
            .await;
        match reply {
            Ok(reply) => Ok(reply.status() == Some(&BucketVersioningStatus::Enabled)),
            Err(error) => {
                match CloudError::from_sdk(&format!("s3 GetBucketVersioning {name}"), error) {
                    error if error.kind == Kind::NotFound => Ok(false),
                    error => Err(error),
                }
            }
        }
    }

    /// Deletes the bucket with everything in it; returns whether it existed.
    ///
    /// # Errors
    /// A call fails, or an object cannot be deleted.
    pub(crate) async fn delete_bucket(&self, name: &str) -> Result<bool, CloudError> {
        if self.empty_bucket(name).await?.is_none() {
            return Ok(false);
        }
        match self.client.delete_bucket().bucket(name).send().await {
            Ok(_) => Ok(true),
            Err(error) => match CloudError::from_sdk(&format!("s3 DeleteBucket {name}"), error) {
                error if error.kind == Kind::NotFound => Ok(false),
                error => Err(error),
            },
        }
    }

    /// Writes the object to `path`, whole or not at all; returns its size in bytes.
    ///
    /// # Errors
    /// There is no such object, the file cannot be written, or the time is up.
    pub(crate) async fn download(&self, uri: &ObjectUri, path: &Path) -> Result<u64, CloudError> {
        let action = format!("s3 GetObject s3://{}/{}", uri.bucket, uri.key);
        let object = self
            .client
            .get_object()
            .bucket(&uri.bucket)
            .key(&uri.key)
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&action, error))?;
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = Path::new(&part);
        let written =
            match tokio::time::timeout(DOWNLOAD_TIMEOUT, write_body(object.body, part)).await {
                Ok(written) => written.map_err(|cause| (Kind::Service, cause)),
                Err(_) => Err((
                    Kind::Unreachable,
                    format!("not finished after {} s", DOWNLOAD_TIMEOUT.as_secs()),
                )),
            };
        let renamed = match written {
            Ok(size_bytes) => tokio::fs::rename(part, path)
                .await
                .map(|()| size_bytes)
                .map_err(|error| (Kind::Service, format!("{}: {error}", path.display()))),
            Err(error) => Err(error),
        };
        if renamed.is_err() {
            // The file may not exist, and the first error is the one to report.
            let _ = tokio::fs::remove_file(part).await;
        }
        renamed.map_err(|(kind, cause)| CloudError::new(kind, format!("{action}: {cause}")))
    }
}

fn malformed(action: &str, error: &dyn std::error::Error) -> CloudError {
    CloudError::new(Kind::Service, format!("{action}: {error}"))
}

async fn write_body(
    mut body: aws_sdk_s3::primitives::ByteStream,
    path: &Path,
) -> Result<u64, String> {
    let in_file = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = tokio::fs::File::create(path).await.map_err(in_file)?;
    let mut size_bytes = 0;
    while let Some(chunk) = body.try_next().await.map_err(|error| error.to_string())? {
        file.write_all(&chunk).await.map_err(in_file)?;
        size_bytes += chunk.len() as u64;
    }
    file.flush().await.map_err(in_file)?;
    Ok(size_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_uris() {
        assert_eq!(
            "s3://bucket/jobs/1/app.zip".parse(),
            Ok(ObjectUri {
                bucket: "bucket".to_owned(),
                key: "jobs/1/app.zip".to_owned()
            })
        );
        for wrong in ["bucket/key", "s3://bucket", "s3://bucket/", "s3:///key"] {
            assert!(wrong.parse::<ObjectUri>().is_err(), "{wrong}");
        }
    }
}
