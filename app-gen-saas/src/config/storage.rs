//! Where job specs and results are kept.

use std::collections::BTreeMap;
use std::path::PathBuf;

use app_gen_contract::validate_artifact_uri;

use crate::config::{ConfigError, Environment, environment};

/// Where job specs and results are kept.
#[derive(Clone)]
pub struct StorageConfig {
    /// The URI without a slash at its end; jobs are kept under `<uri>/jobs/<id>/`.
    pub uri: String,
    /// The parts of the URI.
    pub location: StorageLocation,
    /// The `AWS_…` variables, for the object store's client; may hold credentials.
    pub aws_variables: BTreeMap<String, String>,
}

impl std::fmt::Debug for StorageConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("StorageConfig")
            .field("uri", &self.uri)
            .finish_non_exhaustive()
    }
}

/// What the artifact URI names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageLocation {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket; keys begin with the prefix, which may be empty.
    Bucket {
        /// Name of the bucket.
        bucket: String,
        /// Start of all keys, without slashes at its ends.
        prefix: String,
    },
}

impl StorageConfig {
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let variable = environment::ARTIFACT_URI;
        let uri = environment
            .required(variable, "s3://BUCKET/PREFIX or file:///FOLDER")?
            .trim_end_matches('/');
        validate_artifact_uri(uri)
            .map_err(|error| ConfigError::new(variable, format!("is refused: {error}")))?;
        let location = match uri.strip_prefix("s3://") {
            Some(path) => {
                let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
                StorageLocation::Bucket {
                    bucket: bucket.to_owned(),
                    prefix: prefix.to_owned(),
                }
            }
            None => StorageLocation::Folder(PathBuf::from(uri.trim_start_matches("file://"))),
        };
        Ok(Self {
            uri: uri.to_owned(),
            location,
            aws_variables: environment.with_prefix("AWS_"),
        })
    }
}
