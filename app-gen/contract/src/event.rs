//! Events: what a generator reports while it works.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::raw::RawJson;

/// One event of one job.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The job it belongs to.
    pub job_id: String,
    /// 1 for the job's first event, one more for each that follows, without gaps.
    pub sequence: u64,
    /// When it was made: UTC, whole milliseconds.
    pub time: OffsetDateTime,
    /// What happened.
    pub payload: Payload,
}

/// The body of an event, or where it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// The line holds the body.
    Inline(Body),
    /// The line would have been too long: the body is a JSON object of its own.
    Reference {
        /// The event's type.
        kind: String,
        /// `s3://…` or `file:///…`.
        body_uri: String,
    },
}

/// What happened, by the event's type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "body", rename_all = "snake_case")]
pub enum Body {
    /// The generator runs and has read its spec.
    Started {
        /// Version of the generator.
        generator_version: String,
        /// The provider that the spec asks for.
        provider: String,
    },
    /// A part of the work begins or ends.
    Step {
        /// The part's name, in lower case.
        name: String,
        /// Whether it begins or has ended.
        state: StepState,
        /// A few words about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// A message for people.
    Log {
        /// Its severity.
        level: LogLevel,
        /// The text; may have several lines.
        message: String,
    },
    /// Sent every ten seconds, so that silence means trouble.
    Heartbeat {},
    /// A result is in place.
    Artifact {
        /// `app.zip`.
        name: String,
        /// Where it is.
        uri: String,
        /// Its size.
        size_bytes: u64,
        /// Its SHA-256 in lower-case hexadecimal.
        sha256: String,
    },
    /// The last event of a job that ended well.
    Succeeded {
        /// One sentence about the result.
        summary: String,
    },
    /// The last event of a job that failed.
    Failed {
        /// Why.
        reason: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// A type that this version does not know, from a newer generator.
    #[serde(skip)]
    Unknown {
        /// The event's type.
        kind: String,
        /// Its body as it came.
        body: RawJson,
    },
}

/// Whether a step begins or has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// It has begun.
    Running,
    /// It has ended well.
    Done,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Severity of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Progress.
    Info,
    /// Something to look at.
    Warn,
    /// Something went wrong.
    Error,
    /// A level that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// An event with its body in the line; `time` is brought to UTC and whole milliseconds.
    #[must_use]
    pub fn new(job_id: &str, sequence: u64, time: OffsetDateTime, body: Body) -> Self {
        Self {
            job_id: job_id.to_owned(),
            sequence,
            time: whole_milliseconds(time),
            payload: Payload::Inline(body),
        }
    }

    /// The event's type: `started`, `step`, …
    #[must_use]
    pub fn kind(&self) -> &str {
        match &self.payload {
            Payload::Inline(body) => body.kind(),
            Payload::Reference { kind, .. } => kind,
        }
    }

    /// The body, unless it is elsewhere.
    #[must_use]
    pub fn body(&self) -> Option<&Body> {
        match &self.payload {
            Payload::Inline(body) => Some(body),
            Payload::Reference { .. } => None,
        }
    }

    /// Where the body is, unless the line holds it.
    #[must_use]
    pub fn body_uri(&self) -> Option<&str> {
        match &self.payload {
            Payload::Inline(_) => None,
            Payload::Reference { body_uri, .. } => Some(body_uri),
        }
    }

    /// Whether no event of this job follows: `succeeded` or `failed`.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self.kind(), "succeeded" | "failed")
    }

    /// The same event with its body at `body_uri`.
    #[must_use]
    pub fn by_reference(&self, body_uri: &str) -> Self {
        let payload = Payload::Reference {
            kind: self.kind().to_owned(),
            body_uri: body_uri.to_owned(),
        };
        Self {
            payload,
            ..self.clone()
        }
    }

    /// The time as RFC 3339 in UTC with milliseconds.
    #[must_use]
    pub fn time_text(&self) -> String {
        let time = self.time;
        let (hour, minute, second, millisecond) = time.to_hms_milli();
        format!(
            "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z",
            time.year(),
            u8::from(time.month()),
            time.day()
        )
    }
}

/// UTC, cut to milliseconds. A time that UTC cannot express (on the first and the last possible day)
/// keeps its offset.
pub(crate) fn whole_milliseconds(time: OffsetDateTime) -> OffsetDateTime {
    let time = time.checked_to_offset(time::UtcOffset::UTC).unwrap_or(time);
    time.replace_millisecond(time.millisecond()).unwrap_or(time)
}

impl Body {
    /// The event's type: `started`, `step`, …
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Started { .. } => "started",
            Self::Step { .. } => "step",
            Self::Log { .. } => "log",
            Self::Heartbeat {} => "heartbeat",
            Self::Artifact { .. } => "artifact",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Unknown { kind, .. } => kind,
        }
    }

    /// The body alone as JSON text, as in the line's `body` or in an object of its own.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Self::Unknown { body, .. } => body.as_str().to_owned(),
            known => serde_json::to_value(known)
                .ok()
                .and_then(|tagged| tagged.get("body").map(ToString::to_string))
                .unwrap_or_else(|| "{}".to_owned()),
        }
    }

    /// Puts a type and the text of a body together; an unknown type gives [`Body::Unknown`].
    ///
    /// # Errors
    /// The text is not JSON, or the body lacks a field of its type, or a field has the wrong type.
    pub fn from_json(kind: &str, body: &str) -> Result<Self, serde_json::Error> {
        if KNOWN_KINDS.contains(&kind) {
            let body: &RawValue = serde_json::from_str(body)?;
            // The type comes first, so that the body is read as what it is, without a tree before.
            serde_json::from_str(&format!(r#"{{"type":"{kind}","body":{body}}}"#))
        } else {
            Ok(Self::Unknown {
                kind: kind.to_owned(),
                body: RawJson::parse(body.as_bytes())?,
            })
        }
    }
}

const KNOWN_KINDS: [&str; 7] = [
    "started",
    "step",
    "log",
    "heartbeat",
    "artifact",
    "succeeded",
    "failed",
];
