//! Deletion of every version: of a whole bucket, or of single objects.

use crate::error::{CloudError, Kind};
use crate::s3::{S3, malformed};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

impl S3 {
    /// Deletes all objects, their versions and delete markers; returns how many. `None`: there is
    /// no such bucket. An object without versions has one version, `null`.
    ///
    /// # Errors
    /// A call fails, or an object cannot be deleted.
    pub(crate) async fn empty_bucket(&self, name: &str) -> Result<Option<u64>, CloudError> {
        self.delete_versions(name, "", |_| true).await
    }

    /// Deletes an object with all its versions and delete markers.
    ///
    /// # Errors
    /// As [`empty_bucket`](Self::empty_bucket).
    pub(crate) async fn delete_for_good(&self, bucket: &str, key: &str) -> Result<(), CloudError> {
        // The key itself comes before all others that begin with it.
        self.delete_versions(bucket, key, |found| found == key)
            .await
            .map(|_| ())
    }

    async fn delete_versions(
        &self,
        name: &str,
        prefix: &str,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Option<u64>, CloudError> {
        let action = format!("s3 ListObjectVersions {name}");
        let mut deleted = 0;
        loop {
            // The next listing does not hold what was deleted, so each listing is a first page.
            let page = self
                .client
                .list_object_versions()
                .bucket(name)
                .prefix(prefix)
                .send()
                .await;
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    let error = CloudError::from_sdk(&action, error);
                    return if error.kind == Kind::NotFound {
                        Ok(None)
                    } else {
                        Err(error)
                    };
                }
            };
            let versions = page.versions().iter().map(|v| (v.key(), v.version_id()));
            let markers = page
                .delete_markers()
                .iter()
                .map(|m| (m.key(), m.version_id()));
            let objects = versions
                .chain(markers)
                .filter_map(|(key, version)| Some((key?, version)))
                .filter(|(key, _)| is_wanted(key))
                .map(|(key, version)| {
                    ObjectIdentifier::builder()
                        .key(key)
                        .set_version_id(version.map(str::to_owned))
                        .build()
                        .map_err(|error| malformed(&action, &error))
                })
                .collect::<Result<Vec<_>, _>>()?;
            if objects.is_empty() {
                return Ok(Some(deleted));
            }
            deleted += objects.len() as u64;
            self.delete_objects(name, objects).await?;
        }
    }

    async fn delete_objects(
        &self,
        bucket: &str,
        objects: Vec<ObjectIdentifier>,
    ) -> Result<(), CloudError> {
        let action = format!("s3 DeleteObjects {bucket}");
        let delete = Delete::builder()
            .quiet(true)
            .set_objects(Some(objects))
            .build()
            .map_err(|error| malformed(&action, &error))?;
        let reply = self
            .client
            .delete_objects()
            .bucket(bucket)
            .delete(delete)
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&action, error))?;
        match reply.errors().first() {
            None => Ok(()),
            // Without this, the loop above would list the same object for ever.
            Some(error) => Err(CloudError::new(
                Kind::Service,
                format!(
                    "{action}: {}: {}",
                    error.key().unwrap_or("unnamed object"),
                    error.message().or(error.code()).unwrap_or("no reason")
                ),
            )),
        }
    }
}
