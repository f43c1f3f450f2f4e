//! Events as lines: the generator's standard output, read back from a file or from CloudWatch Logs.

use serde::{Deserialize, Deserializer};
use serde_json::json;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::event::{Body, Event, Payload};
use crate::raw::RawJson;
use crate::spec::validate_job_id;
use crate::text::excerpt;
use crate::{CONTRACT_VERSION, SpecError, timestamp};

/// Maximum size of a line in bytes, its newline included. Log collectors split lines at 16,384.
pub const MAX_LINE_BYTES: usize = 16_000;

/// Maximum size in bytes of a body that is an object of its own; a larger one is not read.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// Characters that JSON leaves as they are and log collectors do not: the line separators of
/// Unicode, and the character that replaces bytes that are not UTF-8.
const ESCAPED: [(char, &str); 4] = [
    ('\u{85}', "\\u0085"),
    ('\u{2028}', "\\u2028"),
    ('\u{2029}', "\\u2029"),
    (char::REPLACEMENT_CHARACTER, "\\ufffd"),
];

/// An event that needs [`Event::by_reference`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("event line has {bytes} bytes, more than {MAX_LINE_BYTES}")]
pub struct LineTooLong {
    /// Its size, newline included.
    pub bytes: usize,
}

/// Why a line is not an event. Excerpts are fit to be shown (see [`excerpt`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Longer than [`MAX_LINE_BYTES`].
    #[error("line has {bytes} bytes, more than {MAX_LINE_BYTES}")]
    TooLong {
        /// Its size, newline included.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("line is not UTF-8: {excerpt}")]
    NotUtf8 {
        /// Its start.
        excerpt: String,
    },
    /// Not JSON. An empty line is not JSON either.
    #[error("line is not JSON: {excerpt}")]
    NotJson {
        /// Its start.
        excerpt: String,
    },
    /// JSON without the version of this contract.
    #[error("line has version {found}, this program reads version {CONTRACT_VERSION}")]
    WrongVersion {
        /// The version found; `none` if there is no version.
        found: String,
    },
    /// A field is missing or holds what it must not.
    #[error("line's {field} {reason}")]
    InvalidField {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl Event {
    /// The event as one line, newline included.
    ///
    /// # Errors
    /// [`LineTooLong`] when it would be longer than [`MAX_LINE_BYTES`].
    pub fn to_line(&self) -> Result<String, LineTooLong> {
        let (name, content) = match &self.payload {
            Payload::Inline(body) => ("body", body.to_json()),
            Payload::Reference { body_uri, .. } => ("body_uri", json!(body_uri).to_string()),
        };
        // Put together by hand to keep the fields in the order of the documentation.
        let mut text = format!(
            r#"{{"version":{CONTRACT_VERSION},"job_id":{},"sequence":{},"time":"{}","type":{},"{name}":{content}}}"#,
            json!(self.job_id),
            self.sequence,
            self.time_text(),
            json!(self.kind()),
        );
        for (character, escape) in ESCAPED {
            text = text.replace(character, escape);
        }
        text.push('\n');
        if text.len() > MAX_LINE_BYTES {
            Err(LineTooLong { bytes: text.len() })
        } else {
            Ok(text)
        }
    }
}

/// Reads one line, with or without its newline. Unknown fields are ignored, an unknown type gives
/// [`Body::Unknown`]: both come from a newer generator of the same contract version.
///
/// # Errors
/// Any [`LineError`]. No input makes it panic.
pub fn parse_line(line: &[u8]) -> Result<Event, LineError> {
    let content = line.strip_suffix(b"\n").unwrap_or(line);
    if content.len() + 1 > MAX_LINE_BYTES {
        return Err(LineError::TooLong {
            bytes: content.len() + 1,
        });
    }
    // A replacement character that is not escaped was put there by a log collector.
    let text = std::str::from_utf8(content)
        .ok()
        .filter(|text| !text.contains(char::REPLACEMENT_CHARACTER))
        .ok_or_else(|| LineError::NotUtf8 {
            excerpt: excerpt(content),
        })?;
    let not_json = |_| LineError::NotJson {
        excerpt: excerpt(content),
    };
    if !text.trim_start().starts_with('{') {
        RawJson::parse(content).map_err(not_json)?;
        return Err(wrong_version("none"));
    }
    let fields: Fields<'_> = serde_json::from_str(text).map_err(not_json)?;
    let version = fields.version.ok_or_else(|| wrong_version("none"))?.get();
    if version != CONTRACT_VERSION.to_string() {
        return Err(wrong_version(version));
    }

    let job_id = text_of(fields.job_id, "job_id")?;
    validate_job_id(&job_id).map_err(|error| match error {
        SpecError::Invalid { reason, .. } => LineError::InvalidField {
            field: "job_id",
            reason,
        },
        other => invalid("job_id", &other.to_string()),
    })?;
    // The bound is that of the orchestrator's database, a signed 64-bit integer.
    let sequence = fields
        .sequence
        .and_then(|number| serde_json::from_str::<u64>(number.get()).ok())
        .filter(|sequence| (1..=i64::MAX.unsigned_abs()).contains(sequence))
        .ok_or_else(|| invalid("sequence", "is not an integer from 1"))?;
    let time = parse_time(&text_of(fields.time, "time")?)?;
    let kind = text_of(fields.kind, "type")?;
    let payload = match (fields.body, fields.body_uri) {
        (Some(body), None) => {
            let body = Body::from_json(&kind, body.get()).map_err(|error| {
                invalid(
                    "body",
                    &format!("of type {kind}: {}", without_place(&error)),
                )
            })?;
            Payload::Inline(body)
        }
        (None, Some(uri)) => match serde_json::from_str::<String>(uri.get()) {
            Ok(body_uri) if !body_uri.is_empty() => Payload::Reference { kind, body_uri },
            _ => return Err(invalid("body_uri", "is not a URI")),
        },
        (None, None) => return Err(invalid("body", "is missing")),
        (Some(_), Some(_)) => return Err(invalid("body", "is given together with a body_uri")),
    };
    Ok(Event {
        job_id,
        sequence,
        time,
        payload,
    })
}

/// A line's fields, each as its own piece of the text: what is not used is never taken apart.
#[derive(Deserialize)]
struct Fields<'line> {
    #[serde(borrow, default, deserialize_with = "given")]
    version: Option<&'line RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    job_id: Option<&'line RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    sequence: Option<&'line RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    time: Option<&'line RawValue>,
    #[serde(borrow, default, deserialize_with = "given", rename = "type")]
    kind: Option<&'line RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    body: Option<&'line RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    body_uri: Option<&'line RawValue>,
}

/// A field that is there, `null` included.
fn given<'line, D: Deserializer<'line>>(field: D) -> Result<Option<&'line RawValue>, D::Error> {
    <&RawValue>::deserialize(field).map(Some)
}

fn wrong_version(found: &str) -> LineError {
    LineError::WrongVersion {
        found: excerpt(found.as_bytes()),
    }
}

fn text_of(field: Option<&RawValue>, name: &'static str) -> Result<String, LineError> {
    let field = field.ok_or_else(|| invalid(name, "is missing"))?;
    serde_json::from_str(field.get())
        .ok()
        .filter(|text: &String| !text.is_empty())
        .ok_or_else(|| invalid(name, "is not a text"))
}

/// The place would be that in a text which nobody sees.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

fn parse_time(text: &str) -> Result<OffsetDateTime, LineError> {
    timestamp::parse(text).ok_or_else(|| invalid("time", &format!("{text:?} is not RFC 3339")))
}

fn invalid(field: &'static str, reason: &str) -> LineError {
    LineError::InvalidField {
        field,
        reason: excerpt(reason.as_bytes()),
    }
}
