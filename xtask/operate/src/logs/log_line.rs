//! What a line of a log means. The orchestrator writes the JSON of `tracing`, the generator writes
//! the events of its contract; any other line, of a panic for instance, is its own message.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Finer than debug.
    Trace,
    /// For whoever looks for a defect.
    Debug,
    /// Progress.
    Info,
    /// Something to look at.
    Warn,
    /// Something went wrong.
    Error,
}

impl Level {
    /// All levels, the least important first.
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

    /// How log lines spell it.
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

/// A line of a log, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When the line says that it was written.
    pub at: Option<OffsetDateTime>,
    /// `None` if our code did not write the line.
    pub level: Option<Level>,
    /// What happened.
    pub message: String,
    /// All other fields, in the order of the line.
    pub fields: Vec<(String, String)>,
}

impl LogLine {
    /// Parses a line. Every text is one.
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

    /// A line of `tracing`: `{"timestamp","level","message",…,"target"}`.
    fn of_trace(mut fields: Map<String, Value>) -> Self {
        let at = take(&mut fields, "timestamp").and_then(|at| parse_time(&at));
        let level = take(&mut fields, "level").and_then(|level| Level::parse(&level));
        let message = take(&mut fields, "message").unwrap_or_default();
        // The place in our code only helps whoever changes that code.
        fields.remove("target");
        Self {
            at,
            level,
            message,
            fields: flat(fields),
        }
    }

    /// A line of the generator: `{"version","job_id","sequence","time","type","body"}`.
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
        let text = ["message", "summary", "reason"]
            .into_iter()
            .find_map(|name| take(&mut body, name));
        let message = match text {
            Some(text) if kind == "log" => text,
            Some(text) => format!("{kind}: {text}"),
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
