//! What `cargo xtask validate` needs in the cloud.

use crate::calls::tasks::Network;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Makes cluster, bucket, log group, roles and task definitions where they are missing. A second
/// call changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnsureValidation {
    /// The generator's image as `repository@sha256:…`.
    pub generator_image: String,
    /// Variables of the task definition besides those of the manifest.
    #[serde(default)]
    pub generator_environment: BTreeMap<String, String>,
    /// Where the network interfaces of the tasks are.
    pub network: Network,
}

/// What the orchestrator has to know in order to start generator tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidationParts {
    /// The ECS cluster.
    pub cluster: String,
    /// The bucket of the results.
    pub bucket: String,
    /// `family:revision` of the generator.
    pub task_definition: String,
    /// The container in it.
    pub container: String,
    /// `family:revision` of previews.
    pub preview_task_definition: String,
    /// The log group that its tasks write to.
    pub log_group: String,
    /// What the names of their log streams begin with.
    pub log_stream_prefix: String,
    /// The subnets of the request.
    pub subnets: Vec<String>,
    /// The security groups of the request.
    pub security_groups: Vec<String>,
}

/// Stops the tasks of validations, and keeps their logs and results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopValidation {}

/// No task of a validation runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidationStopped {
    /// Ids of the tasks that were stopped.
    pub stopped: Vec<String>,
}

/// Stops the tasks of validations and removes everything that [`EnsureValidation`] made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveValidation {}

/// Nothing of a validation is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidationRemoved {
    /// What was removed, as `kind/name`.
    pub removed: Vec<String>,
}
