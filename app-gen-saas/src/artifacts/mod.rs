//! Job specs, results, attachments and long event bodies, in a folder or a bucket.

mod attachments;
mod backups;
mod metered;
mod templates;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use app_gen_contract::{
    ARTIFACT_NAME, BUNDLE_NAME, JobSpec, MAX_BODY_BYTES, START_BUNDLE_NAME, event_body_name,
    join_uri, spec_name,
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt as _, RetryConfig};
use sha2::{Digest as _, Sha256};

use crate::artifacts::metered::Metered;
use crate::config::{StorageConfig, StorageLocation};
use crate::observe::measures::Measures;
use crate::tls;

pub use attachments::StoredAttachment;
pub use backups::{Content, is_kept_name};

/// Bytes that each request of a download asks for.
const DOWNLOAD_CHUNK_BYTES: u64 = 1024 * 1024;
/// Time limits of one request, and of one request with its retries.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);
/// Time limit of the reading of a whole object. Of an event body: its job is not looked after meanwhile.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// The store below the artifact URI.
#[derive(Debug, Clone)]
pub struct Artifacts {
    store: Arc<dyn ObjectStore>,
    /// Set if the store is a folder of this machine.
    folder: Option<PathBuf>,
    uri: String,
    prefix: String,
}

impl Artifacts {
    /// Makes the client, whose calls are counted in `measures`; no request is sent yet.
    ///
    /// # Errors
    /// When the folder cannot be made or the AWS variables are contradictory.
    pub fn new(config: &StorageConfig, measures: Arc<Measures>) -> anyhow::Result<Self> {
        let (store, prefix): (Arc<dyn ObjectStore>, _) = match &config.location {
            StorageLocation::Folder(folder) => {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("failed to create {}", folder.display()))?;
                let store = LocalFileSystem::new_with_prefix(folder)?;
                (Arc::new(Metered::new(store, measures)), "")
            }
            StorageLocation::Bucket { bucket, prefix } => {
                let store = s3(config, bucket)?;
                (Arc::new(Metered::new(store, measures)), prefix.as_str())
            }
        };
        let folder = match &config.location {
            StorageLocation::Folder(folder) => Some(folder.clone()),
            StorageLocation::Bucket { .. } => None,
        };
        Ok(Self {
            store,
            folder,
            uri: config.uri.clone(),
            prefix: prefix.to_owned(),
        })
    }

    /// The folder of a job's results.
    #[must_use]
    pub fn job_uri(&self, job_id: &str) -> String {
        join_uri(&self.uri, &format!("jobs/{job_id}"))
    }

    /// The spec of an attempt of the job.
    #[must_use]
    pub fn spec_uri(&self, job_id: &str, attempt: u32) -> String {
        join_uri(&self.job_uri(job_id), &spec_name(attempt))
    }

    /// Writes the spec to its place.
    ///
    /// # Errors
    /// When the store fails, retries included.
    pub async fn put_spec(&self, spec: &JobSpec) -> anyhow::Result<()> {
        let attempt = spec.attempt.number;
        let path = self.path(&spec.job_id, &spec_name(attempt));
        self.store
            .put(&path, spec.to_json().into())
            .await
            .with_context(|| {
                let uri = self.spec_uri(&spec.job_id, attempt);
                format!("failed to write {uri}")
            })?;
        Ok(())
    }

    /// Reads the body of an event from its place in the job's folder. Each event has a place of its own,
    /// so that what a job has in the store is read once at most.
    ///
    /// # Errors
    /// When the URI names another place, the body is too large or not a file, or the store fails or does
    /// not answer in time.
    pub async fn event_body(
        &self,
        job_id: &str,
        sequence: u64,
        uri: &str,
    ) -> anyhow::Result<Bytes> {
        let name = event_body_name(sequence);
        if uri != join_uri(&self.job_uri(job_id), &name) {
            bail!("event body {uri:?} is not at the place of event {sequence}");
        }
        let path = self.path(job_id, &name);
        tokio::time::timeout(
            BODY_TIMEOUT,
            self.read_at_most(&path, MAX_BODY_BYTES as u64),
        )
        .await
        .unwrap_or_else(|_| bail!("no answer within {} s", BODY_TIMEOUT.as_secs()))
        .with_context(|| format!("failed to read {uri}"))
    }

    async fn read_at_most(&self, path: &Path, max_bytes: u64) -> anyhow::Result<Bytes> {
        if let Some(folder) = &self.folder {
            // A pipe would be waited for, in a thread that nothing can end.
            let file = folder.join(path.as_ref());
            if !tokio::fs::metadata(&file).await?.is_file() {
                bail!("it is not a file");
            }
        }
        let result = self.store.get(path).await?;
        let size = result.meta.size;
        if size > max_bytes {
            bail!("it has {size} bytes, more than {max_bytes}");
        }
        Ok(result.bytes().await?)
    }

    /// The store's record of a job's result; `None` when there is no result.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(&self, job_id: &str, name: &str) -> anyhow::Result<Option<ObjectMeta>> {
        match self.store.head(&self.path(job_id, name)).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("failed to find {name} of {job_id}")),
        }
    }

    /// Copies the files and the history of a job's result into the folder of its project, where no
    /// generator writes, and returns the SHA-256 of the copied files in lower-case hexadecimal. `None` when
    /// the job has no such result.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_result(
        &self,
        job_id: &str,
        project_id: &str,
    ) -> anyhow::Result<Option<String>> {
        for name in [ARTIFACT_NAME, BUNDLE_NAME] {
            let from = self.path(job_id, name);
            let to = self.version_path(project_id, job_id, name);
            match self.store.copy(&from, &to).await {
                Ok(()) => {}
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error).with_context(|| format!("failed to keep {from}")),
            }
        }
        match self.find_version(project_id, job_id).await? {
            Some(object) => self.sha256(object).await,
            None => Ok(None),
        }
    }

    /// Copies the history of a version into the folder of a job that changes it, and returns its URI.
    ///
    /// # Errors
    /// When the store fails, or has no such history.
    pub async fn lend_history(
        &self,
        project_id: &str,
        folder: &str,
        job_id: &str,
    ) -> anyhow::Result<String> {
        let from = self.version_path(project_id, folder, BUNDLE_NAME);
        let to = self.path(job_id, START_BUNDLE_NAME);
        self.store
            .copy(&from, &to)
            .await
            .with_context(|| format!("failed to copy {from}"))?;
        Ok(self.start_uri(job_id))
    }

    /// The store's record of the zip file of a version's files; `None` when there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find_version(
        &self,
        project_id: &str,
        folder: &str,
    ) -> anyhow::Result<Option<ObjectMeta>> {
        let path = self.version_path(project_id, folder, ARTIFACT_NAME);
        match self.store.head(&path).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("failed to find {path}")),
        }
    }

    /// Removes one folder of a project. What is not there counts as removed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_version(&self, project_id: &str, folder: &str) -> anyhow::Result<()> {
        for name in [ARTIFACT_NAME, BUNDLE_NAME] {
            self.remove(&self.version_path(project_id, folder, name))
                .await?;
        }
        Ok(())
    }

    /// Copies an object; `false` when there is none.
    async fn copied(&self, from: &Path, to: &Path) -> anyhow::Result<bool> {
        let copied: anyhow::Result<bool> = match &self.folder {
            None => match self.store.copy(from, to).await {
                Ok(()) => Ok(true),
                Err(object_store::Error::NotFound { .. }) => Ok(false),
                Err(error) => Err(error.into()),
            },
            // The store would make a link, and who writes to one of the two files writes to both.
            Some(folder) => copied_file(&folder.join(from.as_ref()), &folder.join(to.as_ref()))
                .await
                .map_err(anyhow::Error::from),
        };
        copied.with_context(|| format!("failed to copy {from}"))
    }

    async fn remove(&self, path: &Path) -> anyhow::Result<()> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("failed to remove {path}")),
        }
    }

    /// The SHA-256 of an object in lower-case hexadecimal; `None` when it is replaced or removed
    /// meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sha256(&self, object: ObjectMeta) -> anyhow::Result<Option<String>> {
        let mut digest = Sha256::new();
        let mut bytes = pin!(self.download(object));
        while let Some(part) = bytes.next().await {
            match part {
                Ok(part) => digest.update(&part),
                Err(
                    object_store::Error::NotFound { .. } | object_store::Error::Precondition { .. },
                ) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(hexadecimal(&digest.finalize())))
    }

    /// Removes everything of a job from a folder; a bucket has a rule of its own for that.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub async fn remove_job(&self, job_id: &str) -> anyhow::Result<()> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let folder = folder.join("jobs").join(job_id);
        match tokio::fs::remove_dir_all(&folder).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("failed to remove {}", folder.display()))
            }
            _ => Ok(()),
        }
    }

    /// The bytes of an object, requested piece by piece as they are taken: a slow reader holds neither
    /// memory nor a connection, and every request has its own time limit.
    pub fn download(
        &self,
        object: ObjectMeta,
    ) -> impl Stream<Item = object_store::Result<Bytes>> + Send + use<> {
        let store = Arc::clone(&self.store);
        async_stream::try_stream! {
            let mut start = 0;
            while start < object.size {
                let end = object.size.min(start + DOWNLOAD_CHUNK_BYTES);
                let options = GetOptions::new()
                    .with_range(Some(start..end))
                    .with_if_match(object.e_tag.clone());
                yield store.get_opts(&object.location, options).await?.bytes().await?;
                start = end;
            }
        }
    }

    fn path(&self, job_id: &str, name: &str) -> Path {
        Path::from(format!("{}/jobs/{job_id}/{name}", self.prefix))
    }

    fn version_path(&self, project_id: &str, folder: &str, name: &str) -> Path {
        let prefix = &self.prefix;
        Path::from(format!("{prefix}/projects/{project_id}/{folder}/{name}"))
    }
}

/// Copies a file; `false` when there is none.
async fn copied_file(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<bool> {
    if let Some(folder) = to.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    match tokio::fs::copy(from, to).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn s3(config: &StorageConfig, bucket: &str) -> anyhow::Result<object_store::aws::AmazonS3> {
    let variables = &config.aws_variables;
    let plain_http = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
        .iter()
        .find_map(|name| variables.get(*name))
        .is_some_and(|endpoint| endpoint.starts_with("http://"));
    let client = tls::object_store_options()?
        .with_timeout(REQUEST_TIMEOUT)
        .with_connect_timeout(Duration::from_secs(5))
        .with_allow_http(plain_http);
    let retry = RetryConfig {
        max_retries: 5,
        retry_timeout: RETRY_TIMEOUT,
        ..RetryConfig::default()
    };
    let mut builder = AmazonS3Builder::new()
        .with_client_options(client)
        .with_retry(retry);
    for (name, value) in variables {
        // Variables that only the AWS SDKs know (a profile, for example) are left out.
        if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    builder
        .with_bucket_name(bucket)
        .with_virtual_hosted_style_request(false)
        // A request that removes one object names it where whoever judges requests looks for it.
        .with_disable_bulk_delete(true)
        .build()
        .with_context(|| format!("failed to prepare the client of s3://{bucket}"))
}
