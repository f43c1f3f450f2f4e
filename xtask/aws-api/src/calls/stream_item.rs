//! What the calls print that stream a log.

use crate::ErrorObject;
use crate::calls::logs::LogRecord;
use crate::calls::tasks::TaskRun;
use serde::{Deserialize, Serialize};

/// One line of a stream of log lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StreamItem {
    /// A line of the log.
    Line(LogRecord),
    /// The task whose lines were followed has ended. This is the last item.
    Ended(Box<TaskRun>),
    /// The call failed. This is the last item.
    Failed(ErrorObject),
}
