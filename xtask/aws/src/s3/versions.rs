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
        self.delete_versions(name, "", |_, _| true).await
    }

    /// Deletes an object with all its versions and delete markers.
    ///
    /// # Errors
    /// As [`empty_bucket`](Self::empty_bucket).
    pub(crate) async fn delete_for_good(&self, bucket: &str, key: &str) -> Result<(), CloudError> {
        // The key itself comes before all others that begin with it.
        self.delete_versions(bucket, key, |found, _| found == key)
            .await
            .map(|_| ())
    }

    /// Deletes all versions and delete markers of an object but the latest. There may be no such
    /// bucket.
    ///
    /// # Errors
    /// As [`empty_bucket`](Self::empty_bucket).
    pub(crate) async fn delete_old_versions(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<(), CloudError> {
        self.delete_versions(bucket, key, |found, is_latest| found == key && !is_latest)
            .await
            .map(|_| ())
    }

    async fn delete_versions(
        &self,
        name: &str,
        prefix: &str,
        is_wanted: impl Fn(&str, bool) -> bool,
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
            let versions = page
                .versions()
                .iter()
                .map(|v| (v.key(), v.version_id(), v.is_latest()));
            let markers = page
                .delete_markers()
                .iter()
                .map(|m| (m.key(), m.version_id(), m.is_latest()));
            let objects = versions
                .chain(markers)
                // Without versions, there is only the latest.
                .filter_map(|(key, version, latest)| Some((key?, version, latest.unwrap_or(true))))
                .filter(|(key, _, latest)| is_wanted(key, *latest))
                .map(|(key, version, _)| {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned::Canned;

    fn listing(entries: &[(&str, &str, &str, bool)]) -> (u16, String) {
        let entries: String = entries
            .iter()
            .map(|(kind, key, version, is_latest)| {
                format!(
                    "<{kind}><Key>{key}</Key><VersionId>{version}</VersionId>\
                     <IsLatest>{is_latest}</IsLatest></{kind}>"
                )
            })
            .collect();
        let body = format!("<ListVersionsResult>{entries}</ListVersionsResult>");
        (200, body)
    }

    #[tokio::test]
    async fn only_old_versions_of_the_key_itself_are_deleted() {
        let canned = Canned::new([
            listing(&[
                ("DeleteMarker", "lock.json", "released", true),
                ("DeleteMarker", "lock.json", "released-before", false),
                ("Version", "lock.json", "taken", false),
                ("Version", "lock.json", "renewed", false),
                ("Version", "lock.json.bak", "another", false),
            ]),
            (200, "<DeleteResult></DeleteResult>".to_owned()),
            listing(&[
                ("DeleteMarker", "lock.json", "released", true),
                ("Version", "lock.json.bak", "another", false),
            ]),
        ]);
        S3::new(&canned.config(), true)
            .delete_old_versions("bucket", "lock.json")
            .await
            .expect("deleted");
        let requests = canned.requests();
        assert_eq!(requests.len(), 3);
        let mut deleted: Vec<&str> = requests[1]
            .body
            .split("<VersionId>")
            .skip(1)
            .filter_map(|rest| rest.split('<').next())
            .collect();
        deleted.sort_unstable();
        assert_eq!(deleted, ["released-before", "renewed", "taken"]);
        assert!(!requests[1].body.contains("lock.json.bak"));
    }

    #[tokio::test]
    async fn a_bucket_that_does_not_exist_has_no_old_versions() {
        let missing = "<Error><Code>NoSuchBucket</Code><Message>no</Message></Error>";
        let canned = Canned::new([(404, missing.to_owned())]);
        S3::new(&canned.config(), true)
            .delete_old_versions("bucket", "lock.json")
            .await
            .expect("nothing");
    }
}
