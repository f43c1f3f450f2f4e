//! What tasks wrote to their logs.

use serde::{Deserialize, Serialize};

/// Reads the last lines of one log stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TailLog {
    /// The log group.
    pub group: String,
    /// `prefix/container/task id`.
    pub stream: String,
    /// How many lines, from 1 to 10,000.
    pub lines: u32,
}

/// The last lines of a log stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTail {
    /// The oldest line first; empty where the stream does not exist yet.
    pub lines: Vec<LogLine>,
}

/// A line of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When the line was written, in milliseconds since 1970.
    pub time_ms: i64,
    /// The line itself.
    pub message: String,
}

/// Reads the lines of services and tasks, as they are or as they come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadLogs {
    /// Whose lines.
    pub of: LogSource,
    /// Only what the tasks of this job wrote, and what other tasks wrote about it.
    pub job: Option<String>,
    /// From when on, in milliseconds since 1970. Where this is absent: the start of the task that
    /// `of` names, else ten minutes ago.
    pub since_ms: Option<i64>,
    /// Only lines that contain this text.
    pub filter: Option<String>,
    /// Whether to go on with the lines that come; those of one task are followed to its end.
    pub follow: bool,
    /// Only this many of the last lines that are there already, from 1 to 100,000.
    pub tail: Option<u32>,
}

/// Whose lines are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogSource {
    /// Those of all services and all kinds of task.
    Everything,
    /// Those of some services and kinds of task, by their names in `platform.toml`.
    Some {
        /// Names of services.
        services: Vec<String>,
        /// Names of kinds of task.
        task_kinds: Vec<String>,
    },
    /// Those of one task: its id, at least six characters of its beginning, or its ARN.
    Task(String),
}

/// A line, and where it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// Name in `platform.toml` of the service or the kind of task that wrote it.
    pub source: String,
    /// The log group.
    pub group: String,
    /// The log stream.
    pub stream: String,
    /// Id of the task that wrote it.
    pub task: Option<String>,
    /// No other line has the same one.
    pub id: String,
    /// When the line was written, in milliseconds since 1970.
    pub time_ms: i64,
    /// The line itself.
    pub message: String,
}
