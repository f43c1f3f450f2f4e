//! Lines of logs, in one form wherever they come from: CloudWatch (`deployed`), the containers
//! that `validate --keep` left (`compose`), the files of `dev` (`files`).

mod compose;
mod deployed;
mod files;
pub mod log_line;

use crate::logs::log_line::{Level, Record};
use crate::running::answers::Task;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xtask_core::context::Context;

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
    /// Whether a line is wanted, of a log that is read whole.
    fn admits(&self, entry: &Entry) -> bool {
        let source = self.sources.is_empty() || self.sources.contains(&entry.source);
        let has = |text: &Option<String>| {
            text.as_ref()
                .is_none_or(|text| entry.message.contains(text))
        };
        // The file of a job is named by it.
        let of_job = |job: &String| entry.stream.starts_with(job.as_str());
        source
            && has(&self.filter)
            && (has(&self.job) || self.job.as_ref().is_some_and(of_job))
            && self.since_ms.is_none_or(|since| entry.time_ms >= since)
            && self.passes_level(&entry.message)
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    fn a_line_is_admitted_by_source_text_job_time_and_level() {
        let entry = |stream: &str, message: &str| Entry {
            source: "generator".to_owned(),
            stream: stream.to_owned(),
            time_ms: 1_000,
            message: message.to_owned(),
            ..Entry::default()
        };
        let line =
            |level: &str| entry("j1.log", &format!(r#"{{"level":"{level}","message":"m"}}"#));
        let panic = entry("j1.log", "thread 'main' panicked");
        let about = entry("api.log", r#"{"level":"INFO","message":"m","job_id":"j1"}"#);

        let warn = Wanted {
            level: Some(Level::Warn),
            ..Wanted::default()
        };
        assert!(warn.admits(&line("WARN")) && warn.admits(&line("ERROR")));
        assert!(!warn.admits(&line("INFO")));
        assert!(warn.admits(&panic), "no line of ours");

        let some = |text: &str| Some(text.to_owned());
        let all = Wanted::default;
        let admitted = [
            Wanted {
                filter: some("panicked"),
                ..all()
            },
            Wanted {
                job: some("j1"),
                ..all()
            },
            Wanted {
                since_ms: Some(1_000),
                ..all()
            },
            Wanted {
                sources: vec!["generator".to_owned()],
                ..all()
            },
        ];
        for wanted in admitted {
            assert!(wanted.admits(&panic), "{wanted:?}");
        }
        let refused = [
            Wanted {
                filter: some("x"),
                ..all()
            },
            Wanted {
                job: some("j2"),
                ..all()
            },
            Wanted {
                since_ms: Some(1_001),
                ..all()
            },
            Wanted {
                sources: vec!["orchestrator".to_owned()],
                ..all()
            },
        ];
        for wanted in refused {
            assert!(!wanted.admits(&panic), "{wanted:?}");
        }
        assert!(
            Wanted {
                job: some("j1"),
                ..all()
            }
            .admits(&about),
            "by what it says"
        );
    }
}
