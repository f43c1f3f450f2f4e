//! Which rights a principal has.

use serde::{Deserialize, Serialize};

/// Asks IAM which of the rights that the commands need a principal has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRights {
    /// ARN of a user or a role; the caller where this is absent.
    pub principal: Option<String>,
    /// Only the rights of this command, for instance `validate`.
    pub command: Option<String>,
}

/// The rights of a principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// ARN of the user or the role.
    pub principal: String,
    /// How many rights it lacks.
    pub missing: usize,
    /// Every right that was asked for.
    pub rights: Vec<Right>,
}

/// Whether a principal may do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Right {
    /// The command of `cargo xtask` that needs the right.
    pub command: String,
    /// As IAM writes it, for instance `ecs:RunTask`.
    pub action: String,
    /// ARN, or a pattern of ARNs.
    pub resource: String,
    /// Whether IAM allows it.
    pub allowed: bool,
}
