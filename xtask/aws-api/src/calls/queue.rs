//! The queue that wakes who waits for jobs, where everything is kept in DynamoDB.

use serde::{Deserialize, Serialize};

/// Puts dead letters back into the queue that they came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedriveQueue {}

/// What was put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redriven {
    /// The queue.
    pub queue: String,
    /// The jobs that its messages are about, in no order; one as often as it has messages.
    pub jobs: Vec<String>,
    /// Whether there are more than one call puts back.
    pub more: bool,
}
