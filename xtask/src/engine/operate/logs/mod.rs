//! Lines of logs, in one form wherever they come from: CloudWatch (`deployed`), the containers
//! that `validate --keep` left (`compose`), the files of `dev` (`files`).

mod compose;
mod deployed;
mod files;

use super::answers::Task;
use super::record::{Level, Record};
use crate::engine::context::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A line of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Who wrote it, as the manifest names it.
    pub source: String,
    /// Log group, compose project or folder.
    pub group: Option<String>,
    /// Log stream, container or file.
    pub stream: String,
    /// Short id of the task that wrote it.
    pub task: Option<String>,
    /// Told once for each line.
    pub id: String,
    /// When it was written, or arrived.
    pub time_ms: i64,
    /// The line.
    pub message: String,
}

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Services and kinds of tasks; all where there is none.
    pub sources: Vec<String>,
    /// Of this task only.
    pub task: Option<String>,
    /// Of this job only.
    pub job: Option<String>,
    /// Since then.
    pub since_ms: Option<i64>,
    /// That have this in them.
    pub filter: Option<String>,
    /// That matter as much, or are not ours.
    pub level: Option<Level>,
    /// The newest so many.
    pub newest: Option<usize>,
    /// And those to come.
    pub follow: bool,
}

impl Wanted {
    fn source(&self, source: &str) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|name| name == source)
    }

    /// Whether a line is wanted, by what it says.
    fn passes(&self, message: &str) -> bool {
        let has = |text: &Option<String>| text.as_ref().is_none_or(|text| message.contains(text));
        has(&self.filter) && has(&self.job) && self.passes_level(message)
    }

    /// A line without a level is no line of ours: a panic, or what a tool says.
    fn passes_level(&self, message: &str) -> bool {
        self.level.is_none_or(|level| {
            Record::parse(message)
                .level
                .is_none_or(|found| found >= level)
        })
    }
}

/// Where logs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Place {
    /// Of what was deployed to the environment
    Deployed,
    /// Of the containers that `validate --keep` left running
    Validate,
    /// Of `dev` on this machine
    Dev,
}

/// Hands over the wanted lines, the oldest first; returns how the task ended whose lines alone
/// were followed.
///
/// # Errors
/// The place does not answer, there is no such task, we were interrupted, or `on_entry` fails.
pub fn read(
    context: &Context,
    place: Place,
    wanted: &Wanted,
    on_entry: impl FnMut(Entry) -> anyhow::Result<()>,
) -> anyhow::Result<Option<Task>> {
    match place {
        Place::Deployed => deployed::read(context, wanted, on_entry),
        Place::Validate => compose::read(context, wanted, on_entry).map(|()| None),
        Place::Dev => files::read(context, wanted, on_entry).map(|()| None),
    }
}

/// The newest of what is wanted, in its order.
fn newest(mut entries: Vec<Entry>, wanted: &Wanted) -> Vec<Entry> {
    entries.sort_by_key(|entry| entry.time_ms);
    if let Some(count) = wanted.newest {
        entries.drain(..entries.len().saturating_sub(count));
    }
    entries
}

/// An object of a stream.
pub enum Streamed {
    /// A line.
    Entry(Entry),
    /// The task whose lines those were has ended.
    Ended(Box<Task>),
    /// The call has failed, and says so.
    Failed(String),
}

impl Streamed {
    /// Tells which it is.
    ///
    /// # Errors
    /// It has another form.
    pub fn new(mut value: Value) -> anyhow::Result<Self> {
        if value.get("message").is_some() {
            return Ok(Self::Entry(serde_json::from_value(value)?));
        }
        // A line has a task, too: its id.
        if let Some(task @ Value::Object(_)) = value.get_mut("task").map(Value::take) {
            return Ok(Self::Ended(Box::new(serde_json::from_value(task)?)));
        }
        let message = value["error"]["message"].as_str();
        Ok(Self::Failed(message.unwrap_or_default().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_passes_by_text_job_and_level() {
        let line = |level: &str| format!(r#"{{"level":"{level}","message":"m","job_id":"j1"}}"#);
        let wanted = |level, filter: Option<&str>, job: Option<&str>| Wanted {
            level,
            filter: filter.map(str::to_owned),
            job: job.map(str::to_owned),
            ..Wanted::default()
        };
        let warn = wanted(Some(Level::Warn), None, None);
        assert!(warn.passes(&line("WARN")) && warn.passes(&line("ERROR")));
        assert!(!warn.passes(&line("INFO")));
        assert!(warn.passes("thread 'main' panicked"), "no line of ours");
        assert!(wanted(None, Some("m"), Some("j1")).passes(&line("INFO")));
        assert!(!wanted(None, Some("x"), None).passes(&line("INFO")));
        assert!(!wanted(None, None, Some("j2")).passes(&line("INFO")));
    }
}
