//! A line of a log as a program wrote it.

use serde::{Deserialize, Serialize};

/// A line, and where it comes from. This is what `logs --json` prints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawLine {
    /// The service or kind of task that wrote it, by its name in the manifest.
    pub source: String,
    /// The log group, the compose project or the folder.
    pub group: Option<String>,
    /// The log stream, the container or the file.
    pub stream: String,
    /// Short id of the task that wrote it.
    pub task: Option<String>,
    /// No two lines have the same one.
    pub id: String,
    /// When it was written, or when it arrived, in milliseconds since 1970.
    pub time_ms: i64,
    /// The text, without its line end.
    pub message: String,
}
