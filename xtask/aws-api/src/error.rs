//! The JSON object of a call that failed.

use serde::{Deserialize, Serialize};

/// The last object that a failed call prints; its exit code says which kind of failure it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorObject {
    /// The failure itself.
    pub error: ErrorBody,
}

/// A failure in words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A lowercase fragment that names what failed.
    pub message: String,
    /// What led to it, the nearest cause first.
    pub causes: Vec<String>,
    /// The next command, where one helps.
    pub hint: Option<String>,
}
