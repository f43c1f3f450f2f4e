//! Objects by URI: `s3://bucket/key` or `file:///path`. Every call is bounded.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use object_store::aws::AmazonS3Builder;
use object_store::client::{Certificate, ClientOptions};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, RetryConfig};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// After this long a failed request is not tried again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_RETRIES: usize = 5;

/// The end of any call, whatever happens below: one last request may begin just before
/// [`RETRY_TIMEOUT`].
const CALL_TIMEOUT: Duration = Duration::from_secs(150);

/// A place that holds an object, or a folder of them.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    store: Arc<dyn ObjectStore>,
    path: Path,
    uri: String,
}

impl Location {
    /// Prepares access to `uri` with the credentials, region and endpoint of the process environment;
    /// nothing is sent yet.
    pub(crate) fn open(uri: &str) -> Result<Self> {
        let uri = uri.trim_end_matches('/');
        if let Some(path) = uri
            .strip_prefix("file://")
            .filter(|path| path.starts_with('/'))
        {
            let path = Path::from_absolute_path(path)
                .with_context(|| format!("{uri} is not a usable path"))?;
            return Ok(Self {
                store: Arc::new(LocalFileSystem::new()),
                path,
                uri: uri.to_owned(),
            });
        }
        let Some((bucket, key)) = uri
            .strip_prefix("s3://")
            .and_then(|rest| rest.split_once('/'))
        else {
            bail!("{uri:?} is neither s3://bucket/key nor file:///absolute/path");
        };
        let path = Path::parse(key).with_context(|| format!("{uri} has an unusable key"))?;
        let store = open_bucket(bucket).with_context(|| format!("cannot use bucket {bucket}"))?;
        Ok(Self {
            store,
            path,
            uri: uri.to_owned(),
        })
    }

    /// The object `name` in this folder; `name` may have slashes.
    pub(crate) fn child(&self, name: &str) -> Self {
        let path = name.split('/').fold(self.path.clone(), Path::join);
        Self {
            store: Arc::clone(&self.store),
            path,
            uri: app_gen_contract::join_uri(&self.uri, name),
        }
    }

    /// The URI it was opened with, less a trailing slash.
    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }

    /// The object's bytes, refused when there are more than `max_bytes`.
    pub(crate) async fn read(&self, max_bytes: usize) -> Result<Vec<u8>> {
        let read = async {
            let object = self.store.get(&self.path).await?;
            let size = object.meta.size;
            if size > u64::try_from(max_bytes)? {
                bail!("it has {size} bytes, more than {max_bytes}");
            }
            Ok(object.bytes().await?.to_vec())
        };
        bounded(read)
            .await
            .with_context(|| format!("cannot read {}", self.uri))
    }

    /// Creates or replaces the object; readers see the old bytes or the new, never a part.
    pub(crate) async fn write(&self, bytes: Vec<u8>) -> Result<()> {
        let write = async {
            self.store.put(&self.path, bytes.into()).await?;
            Ok(())
        };
        bounded(write)
            .await
            .with_context(|| format!("cannot write {}", self.uri))
    }
}

async fn bounded<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(CALL_TIMEOUT, call)
        .await
        .unwrap_or_else(|_| bail!("no answer within {} s", CALL_TIMEOUT.as_secs()))
}

fn open_bucket(bucket: &str) -> Result<Arc<dyn ObjectStore>> {
    let endpoint_is_http = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .is_some_and(|endpoint| endpoint.starts_with("http://"));
    // The HTTP client of `object_store` takes the provider of TLS from the process, and without one it
    // panics. An error means that the process has a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut options = ClientOptions::new()
        .with_allow_http(endpoint_is_http)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(REQUEST_TIMEOUT);
    // Without any root certificate the HTTP client cannot even be made, and debian:trixie-slim has
    // none. These come on top of those of the system.
    for root in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        options = options.with_root_certificate(Certificate::from_der(root)?);
    }
    let store = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(options)
        .with_retry(RetryConfig {
            max_retries: MAX_RETRIES,
            retry_timeout: RETRY_TIMEOUT,
            ..RetryConfig::default()
        })
        .build()?;
    Ok(Arc::new(store))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_written_read_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let uri = format!("file://{}/a b/ü", folder.path().display());
        let location = Location::open(&format!("{uri}/"))
            .unwrap()
            .child("events/000001.json");
        assert_eq!(location.uri(), format!("{uri}/events/000001.json"));
        location.write(b"hello".to_vec()).await.unwrap();
        assert_eq!(
            std::fs::read(folder.path().join("a b/ü/events/000001.json")).unwrap(),
            b"hello"
        );
        assert_eq!(location.read(5).await.unwrap(), b"hello");
        let too_long = format!("{:#}", location.read(4).await.unwrap_err());
        assert!(
            too_long.ends_with("it has 5 bytes, more than 4"),
            "{too_long}"
        );
        let missing = Location::open(&uri)
            .unwrap()
            .child("none")
            .read(1)
            .await
            .unwrap_err();
        assert!(
            missing.to_string().starts_with("cannot read file:///"),
            "{missing}"
        );
    }

    #[test]
    fn a_bucket_can_be_opened() {
        Location::open("s3://bucket/key").unwrap();
    }

    #[test]
    fn other_uris_are_refused() {
        for uri in [
            "",
            "http://bucket/key",
            "s3://bucket",
            "file://host/path",
            "s3://bucket/../a",
        ] {
            assert!(Location::open(uri).is_err(), "{uri}");
        }
    }
}
