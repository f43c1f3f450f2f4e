//! What CDK needs in an account before its first deployment.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Asks whether the account is prepared for CDK.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowBootstrap {}

/// The state of the bootstrap stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// The name of the stack.
    pub stack: String,
    /// Whether CDK can deploy.
    pub bootstrapped: bool,
    /// As CloudFormation writes it; `None` where the stack does not exist.
    pub status: Option<String>,
    /// The version of the bootstrap.
    pub version: Option<u32>,
    /// The qualifier that the stack was made with.
    pub qualifier: Option<String>,
    /// The qualifier that it has to have.
    pub expected_qualifier: String,
}

/// Makes managed policies say what a file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WritePolicies {
    /// A JSON object of policy documents by policy name. `${ACCOUNT}` and `${REGION}` in it are
    /// replaced by those of the environment.
    pub file: PathBuf,
}

/// The policies of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// Their ARNs, sorted by name.
    pub arns: Vec<String>,
}
