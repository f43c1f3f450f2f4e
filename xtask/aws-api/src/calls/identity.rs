//! Whom the credentials in use belong to.

use serde::{Deserialize, Serialize};

/// Asks whom the credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetIdentity {}

/// Account and principal of the credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// ARN of the user, of the session of a role, or of the account's root.
    pub arn: String,
}
