//! Names of what `validate` makes before anything is deployed.

use crate::names::account;
use app_gen_infra::Platform;

/// What all of these names begin with, so that the parts of a validation can be removed without
/// touching what CDK made.
const PREFIX: &str = "validate";

/// Names of the parts of a validation in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// The ECS cluster that generator tasks run in.
    pub cluster: String,
    /// The bucket of their results.
    pub bucket: String,
    /// The family of their task definitions.
    pub family: String,
    /// The family of the task definitions of previews.
    pub preview_family: String,
    /// The log group that they write to.
    pub log_group: String,
    /// The role of the container itself.
    pub task_role: String,
    /// The role that ECS takes on for it.
    pub execution_role: String,
}

impl Validation {
    /// The names in an environment of the manifest.
    #[must_use]
    pub fn new(platform: &Platform, environment: &str) -> Self {
        let task = platform.generator();
        let (project, region) = (&platform.project, &platform.region);
        let account = account(platform, environment);
        Self {
            cluster: format!("{PREFIX}-{project}-cluster"),
            // Bucket names are unique over all accounts.
            bucket: format!("{PREFIX}-{project}-{account}-{region}"),
            family: format!("{PREFIX}-{}", task.family),
            preview_family: format!("{PREFIX}-{}", platform.preview().family),
            log_group: format!("/{PREFIX}{}", task.log_group),
            task_role: format!("{PREFIX}-{}", platform.generator_role()),
            execution_role: format!("{PREFIX}-{}-execution-role", task.family),
        }
    }
}
