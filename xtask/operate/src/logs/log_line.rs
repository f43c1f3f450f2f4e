//! A line of a log as a person reads it: `12:03:04.123 orchestrator WARN message key=value`,
//! times in UTC. The orchestrator writes JSON of `tracing`, the generator the events of its
//! contract; whatever else stands in a log, a panic for instance, is shown as it is.

use crate::logs::Entry;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use xtask_core::report::printable;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Finer than debug
    Trace,
    /// For whoever looks for a defect
    Debug,
    /// Progress
    Info,
    /// Something to look at
    Warn,
    /// Something went wrong
    Error,
}

impl Level {
    /// All of them, the least important first.
    pub const ALL: [Self; 5] = [
        Self::Trace,
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
    ];

    fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(text))
    }

    /// As lines name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// What a line says, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When it was written, as it says itself.
    pub at: Option<OffsetDateTime>,
    /// Nothing where the line is not one of ours.
    pub level: Option<Level>,
    /// What happened.
    pub message: String,
    /// What it says beside that, in its order.
    pub fields: Vec<(String, String)>,
}

impl Record {
    /// Takes a line apart.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        match serde_json::from_str(line) {
            Ok(Value::Object(fields)) if fields.contains_key("type") => Self::of_event(fields),
            Ok(Value::Object(fields)) if fields.contains_key("message") => Self::of_trace(fields),
            _ => Self {
                at: None,
                level: None,
                message: line.trim_end().to_owned(),
                fields: Vec::new(),
            },
        }
    }

    /// Of `tracing`: `{"timestamp","level","message",…,"target"}`.
    fn of_trace(mut fields: Map<String, Value>) -> Self {
        let at = take(&mut fields, "timestamp").and_then(|at| parse_time(&at));
        let level = take(&mut fields, "level").and_then(|level| Level::parse(&level));
        let message = take(&mut fields, "message").unwrap_or_default();
        // Where in our code it was said matters to whoever changes that code.
        fields.remove("target");
        Self {
            at,
            level,
            message,
            fields: flat(fields),
        }
    }

    /// Of the generator: `{"version","job_id","sequence","time","type","body"}`.
    fn of_event(mut fields: Map<String, Value>) -> Self {
        let at = take(&mut fields, "time").and_then(|at| parse_time(&at));
        let kind = take(&mut fields, "type").unwrap_or_default();
        let mut body = match fields.remove("body") {
            Some(Value::Object(body)) => body,
            _ => Map::new(),
        };
        let level = match kind.as_str() {
            "failed" => Some(Level::Error),
            _ => take(&mut body, "level")
                .and_then(|level| Level::parse(&level))
                .or(Some(Level::Info)),
        };
        let said = ["message", "summary", "reason"]
            .into_iter()
            .find_map(|name| take(&mut body, name));
        let message = match said {
            Some(said) if kind == "log" => said,
            Some(said) => format!("{kind}: {said}"),
            None => kind,
        };
        let mut shown = flat(body);
        for name in ["body_uri", "sequence", "job_id"] {
            if let Some(value) = fields.remove(name) {
                shown.push((name.to_owned(), plain(value)));
            }
        }
        Self {
            at,
            level,
            message,
            fields: shown,
        }
    }
}

fn take(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    fields.remove(name).map(plain)
}

fn flat(fields: Map<String, Value>) -> Vec<(String, String)> {
    fields
        .into_iter()
        .map(|(name, value)| (name, plain(value)))
        .collect()
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn parse_time(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// Makes lines readable, each source in a colour of its own where colours are wanted.
#[derive(Debug)]
pub struct Painter {
    colour: bool,
    /// In the order of their first line.
    sources: Vec<String>,
}

impl Painter {
    /// Colours of sources: none that means something else.
    const COLOURS: [&str; 5] = ["36", "35", "34", "32", "96"];

    /// A painter that has seen nothing yet.
    #[must_use]
    pub fn new(colour: bool) -> Self {
        Self {
            colour,
            sources: Vec::new(),
        }
    }

    /// The line, without its end.
    pub fn line(&mut self, entry: &Entry, record: &Record) -> String {
        let index = match self.sources.iter().position(|name| *name == entry.source) {
            Some(index) => index,
            None => {
                self.sources.push(entry.source.clone());
                self.sources.len() - 1
            }
        };
        let level_colour = match record.level {
            Some(Level::Error) => "1;31",
            Some(Level::Warn) => "33",
            _ => "2",
        };
        let source = self.paint(Self::COLOURS[index % Self::COLOURS.len()], &entry.source);
        let level = record.level.map_or("-", Level::name);
        let mut line = format!(
            "{} {source} {} {}",
            clock(entry, record),
            self.paint(level_colour, level),
            printable(&record.message)
        );
        for (name, value) in &record.fields {
            let value = match value.is_empty() || value.contains([' ', '"', '=']) {
                true => format!("{value:?}"),
                false => printable(value).into_owned(),
            };
            line.push_str(&self.paint("2", &format!(" {name}=")));
            line.push_str(&value);
        }
        line
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        match self.colour {
            true => format!("\x1b[{colour}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// The time of day that the line itself says, else when it arrived.
fn clock(entry: &Entry, record: &Record) -> String {
    let arrived =
        || OffsetDateTime::from_unix_timestamp_nanos(i128::from(entry.time_ms) * 1_000_000).ok();
    let format = format_description!("[hour]:[minute]:[second].[subsecond digits:3]");
    record
        .at
        .or_else(arrived)
        .and_then(|at| at.to_offset(time::UtcOffset::UTC).format(format).ok())
        .unwrap_or_else(|| "--:--:--.---".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str, message: &str) -> String {
        let entry = Entry {
            source: source.to_owned(),
            time_ms: 1_795_000_000_123,
            message: message.to_owned(),
            ..Entry::default()
        };
        Painter::new(false).line(&entry, &Record::parse(message))
    }

    #[test]
    fn lines_of_all_kinds_are_readable() {
        let lines = [
            shown(
                "orchestrator",
                r#"{"timestamp":"2026-11-21T12:03:04.123456Z","level":"WARN","message":"a job has ended","job_id":"j1","reason":"took too long","target":"app_gen_saas::worker"}"#,
            ),
            shown(
                "generator",
                r#"{"version":1,"job_id":"j1","sequence":3,"time":"2026-11-21T12:03:05.001Z","type":"step","body":{"name":"plan","state":"running"}}"#,
            ),
            shown(
                "generator",
                r#"{"version":1,"job_id":"j1","sequence":4,"time":"2026-11-21T12:03:05.002Z","type":"log","body":{"level":"error","message":"two\nlines"}}"#,
            ),
            shown(
                "generator",
                r#"{"version":1,"job_id":"j1","sequence":5,"time":"2026-11-21T13:03:05.002+01:00","type":"failed","body":{"reason":"no"}}"#,
            ),
            shown("generator", "thread 'main' panicked \u{1b}[31m"),
            shown("generator", r#"{"type":7,"body":[]}"#),
            shown("orchestrator", "[1]"),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r#"
        12:03:04.123 orchestrator WARN a job has ended job_id=j1 reason="took too long"
        12:03:05.001 generator INFO step name=plan state=running sequence=3 job_id=j1
        12:03:05.002 generator ERROR two\nlines sequence=4 job_id=j1
        12:03:05.002 generator ERROR failed: no sequence=5 job_id=j1
        11:06:40.123 generator - thread 'main' panicked \u{1b}[31m
        11:06:40.123 generator INFO 7
        11:06:40.123 orchestrator - [1]
        "#);
    }

    #[test]
    fn sources_are_told_apart_and_faults_stand_out() {
        let mut painter = Painter::new(true);
        let mut paint = |source: &str, level: &str| {
            let message = format!(r#"{{"level":"{level}","message":"m"}}"#);
            let entry = Entry {
                source: source.to_owned(),
                message: message.clone(),
                ..Entry::default()
            };
            painter.line(&entry, &Record::parse(&message))
        };
        let (first, second) = (paint("a", "INFO"), paint("b", "ERROR"));
        assert!(first.contains("\x1b[36ma\x1b[0m") && second.contains("\x1b[35mb\x1b[0m"));
        assert!(second.contains("\x1b[1;31mERROR\x1b[0m"));
        assert!(
            paint("a", "INFO").contains("\x1b[36ma"),
            "it keeps its colour"
        );
    }
}
