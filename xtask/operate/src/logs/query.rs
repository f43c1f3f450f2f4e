//! Which lines of a log are asked for.

use crate::logs::log_line::{Level, LogLine};
use xtask_aws_api::calls::logs::LogRecord;

/// A question to a log. Each field narrows it; the default asks for every line there is.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Lines of these services and kinds of tasks; of all of them where the list is empty.
    pub sources: Vec<String>,
    /// Lines of this task.
    pub task: Option<String>,
    /// Lines of this job.
    pub job: Option<String>,
    /// Lines from this time on, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Lines that contain this text.
    pub filter: Option<String>,
    /// Lines of this level or a higher one, and those without a level.
    pub level: Option<Level>,
    /// The newest lines, at most this many.
    pub newest: Option<usize>,
    /// Also lines that are written from now on.
    pub follow: bool,
}

impl Query {
    /// Whether a line is asked for. `newest` and `task` are left to whoever reads the log.
    pub(super) fn admits(&self, line: &LogRecord) -> bool {
        let source = self.sources.is_empty() || self.sources.contains(&line.source);
        let contains =
            |text: &Option<String>| text.as_ref().is_none_or(|text| line.message.contains(text));
        // The name of a job's file begins with the id of the job.
        let of_job = |job: &String| line.stream.starts_with(job.as_str());
        source
            && contains(&self.filter)
            && (contains(&self.job) || self.job.as_ref().is_some_and(of_job))
            && self.since_ms.is_none_or(|since| line.time_ms >= since)
            && self.passes_level(&line.message)
    }

    /// A line without a level was not written by our code: it is part of a panic, for instance.
    /// Every level shows it.
    pub(super) fn passes_level(&self, message: &str) -> bool {
        self.level.is_none_or(|level| {
            LogLine::parse(message)
                .level
                .is_none_or(|found| found >= level)
        })
    }

    /// Sorts lines by time, and leaves the newest if only some of them are asked for.
    pub(super) fn newest_of(&self, mut lines: Vec<LogRecord>) -> Vec<LogRecord> {
        lines.sort_by_key(|line| line.time_ms);
        if let Some(count) = self.newest {
            lines.drain(..lines.len().saturating_sub(count));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_admitted_by_source_text_job_time_and_level() {
        let raw = |stream: &str, message: &str| LogRecord {
            source: "generator".to_owned(),
            stream: stream.to_owned(),
            time_ms: 1_000,
            message: message.to_owned(),
            ..LogRecord::default()
        };
        let line = |level: &str| raw("j1.log", &format!(r#"{{"level":"{level}","message":"m"}}"#));
        let panic = raw("j1.log", "thread 'main' panicked");
        let about = raw("api.log", r#"{"level":"INFO","message":"m","job_id":"j1"}"#);

        let warn = Query {
            level: Some(Level::Warn),
            ..Query::default()
        };
        assert!(warn.admits(&line("WARN")) && warn.admits(&line("ERROR")));
        assert!(!warn.admits(&line("INFO")));
        assert!(warn.admits(&panic), "it has no level");

        let some = |text: &str| Some(text.to_owned());
        let all = Query::default;
        let admitted = [
            Query {
                filter: some("panicked"),
                ..all()
            },
            Query {
                job: some("j1"),
                ..all()
            },
            Query {
                since_ms: Some(1_000),
                ..all()
            },
            Query {
                sources: vec!["generator".to_owned()],
                ..all()
            },
        ];
        for query in admitted {
            assert!(query.admits(&panic), "{query:?}");
        }
        let refused = [
            Query {
                filter: some("x"),
                ..all()
            },
            Query {
                job: some("j2"),
                ..all()
            },
            Query {
                since_ms: Some(1_001),
                ..all()
            },
            Query {
                sources: vec!["orchestrator".to_owned()],
                ..all()
            },
        ];
        for query in refused {
            assert!(!query.admits(&panic), "{query:?}");
        }
        assert!(
            Query {
                job: some("j1"),
                ..all()
            }
            .admits(&about),
            "the message names the job"
        );
    }
}
