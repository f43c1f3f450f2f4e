//! Events: what a generator reports while it works.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use time::OffsetDateTime;

use crate::activity::Activity;
use crate::models::Payer;
use crate::raw::RawJson;
use crate::spec::ApprovalPoint;
use crate::timestamp::{self, whole_milliseconds};

/// One event of one job.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The job it belongs to.
    pub job_id: String,
    /// 1 for the job's first event, one more for each that follows, without gaps. An attempt goes on
    /// where the one before it ended.
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
    /// The generator runs and has read its spec. The first event of an attempt.
    Started {
        /// Version of the generator.
        generator_version: String,
        /// Number of the attempt, from 1.
        attempt: u32,
        /// The providers that the spec asks for, by name, each with the version of its program; `null`
        /// for one that runs no program.
        providers: BTreeMap<String, Option<String>>,
        /// The request that the job comes from, by its id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
    },
    /// A part of the work begins or ends.
    Stage {
        /// The part's name, in lower case.
        name: String,
        /// Whether it begins or has ended.
        state: StageState,
        /// A few words about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// An agent did something, or something happened to it.
    Activity {
        /// The role that the agent has, `builder` for example.
        role: String,
        /// The stage that it works in.
        stage: String,
        /// What.
        what: Activity,
    },
    /// A check of the application has ended.
    Check {
        /// Its name, in lower case.
        name: String,
        /// What it came to.
        outcome: CheckOutcome,
        /// What was found; of a failure, what a repair must know.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// How long it took, in whole seconds.
        seconds: u64,
    },
    /// The application has a new commit.
    Commit {
        /// The iteration that made it, from 1. It counts on across attempts.
        iteration: u32,
        /// Its id in lower-case hexadecimal.
        commit: String,
        /// The role that did the work.
        role: String,
        /// Its message.
        message: String,
        /// What it changes, as a unified diff.
        diff: String,
    },
    /// Tokens that were used since the usage event before. Sums over all events are what the job took.
    Usage {
        /// The role that the agent has.
        role: String,
        /// The stage that it works in.
        stage: String,
        /// The provider.
        provider: String,
        /// The model that answered.
        model: String,
        /// The tokens.
        tokens: Tokens,
        /// What they cost in millionths of a US dollar; `null` where the model's price is not known.
        micro_usd: Option<u64>,
        /// Whose key was sent, and who pays therefore.
        #[serde(default, skip_serializing_if = "Payer::is_platform")]
        paid_by: Payer,
    },
    /// The work is kept: an attempt that follows goes on from here.
    Checkpoint {
        /// From 1. It counts on across attempts.
        number: u32,
        /// The commit of the workspace in lower-case hexadecimal.
        commit: String,
    },
    /// What the attempt has taken of its task so far. Each replaces the one before.
    Resources {
        /// The most memory that all processes held at once, without the cache of files.
        peak_memory_bytes: u64,
        /// The most by which its disk was fuller than at the start. A disk that others write to is fuller by
        /// their files, too.
        peak_disk_bytes: u64,
        /// Time of all processors. What still runs is not in it.
        processor_milliseconds: u64,
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
        /// The commit whose files it has, in lower-case hexadecimal. Its history is in the job's folder, as
        /// [`crate::BUNDLE_NAME`]. A result that nobody could change has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
    },
    /// A delivery is in place, and was looked at from outside.
    Delivered {
        /// Where people find it.
        url: String,
        /// The commit that the target shows, in lower-case hexadecimal; none where it shows none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
    },
    /// An ending: the job ended well.
    Succeeded {
        /// One sentence about the result.
        summary: String,
    },
    /// An ending: the job failed.
    Failed {
        /// Why.
        reason: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// An ending: a person must decide, and the next attempt is told what.
    WaitingApproval {
        /// What comes next if the person approves.
        point: ApprovalPoint,
        /// What is to be decided, in one sentence.
        question: String,
        /// The artifact to look at, if there is one: an artifact event named it before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        artifact_uri: Option<String>,
    },
    /// An ending: the next attempt makes sense once a limit of a provider has passed.
    WaitingLimit {
        /// The provider.
        provider: String,
        /// When it passes, if the provider said.
        #[serde(with = "timestamp::option", default)]
        until: Option<OffsetDateTime>,
        /// In the words of the provider or of the agent.
        detail: String,
    },
    /// An ending: something ended the process in the middle of its work, and the next attempt goes on.
    Interrupted {
        /// What.
        reason: String,
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

/// Whether a stage begins or has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageState {
    /// It has begun.
    Running,
    /// It has ended well.
    Done,
    /// It has ended badly; the ending of the attempt says what follows.
    Failed,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// What it looked at is as it should be.
    Passed,
    /// It is not.
    Failed,
    /// It could not look, and its detail says why: nothing is proven.
    Skipped,
    /// An outcome that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Tokens. Each is in one field only, but for `thinking`, which is a part of `output`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Input that was neither read from a cache nor written to one.
    pub input: u64,
    /// Input that was read from a cache.
    pub cache_read: u64,
    /// Input that was written to a cache for the usual time.
    pub cache_write: u64,
    /// Input that was written to a cache for an hour.
    pub cache_write_long: u64,
    /// Output, thinking included.
    pub output: u64,
    /// The part of the output that was thinking, where the provider says it.
    pub thinking: u64,
}

impl Tokens {
    /// All of them, as a budget counts them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
            .saturating_add(self.cache_write_long)
            .saturating_add(self.output)
    }
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

    /// The event's type: `started`, `stage`, …
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

    /// Whether it is an ending: no event of its attempt follows.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        ENDINGS.contains(&self.kind())
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
        timestamp::text(self.time)
    }
}

impl Body {
    /// The event's type: `started`, `stage`, …
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Started { .. } => "started",
            Self::Stage { .. } => "stage",
            Self::Activity { .. } => "activity",
            Self::Check { .. } => "check",
            Self::Commit { .. } => "commit",
            Self::Usage { .. } => "usage",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Resources { .. } => "resources",
            Self::Log { .. } => "log",
            Self::Heartbeat {} => "heartbeat",
            Self::Artifact { .. } => "artifact",
            Self::Delivered { .. } => "delivered",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
            Self::WaitingApproval { .. } => "waiting_approval",
            Self::WaitingLimit { .. } => "waiting_limit",
            Self::Interrupted { .. } => "interrupted",
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
        if KNOWN_KINDS.contains(&kind) || ENDINGS.contains(&kind) {
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

/// The types that this version knows, without the endings.
const KNOWN_KINDS: [&str; 12] = [
    "started",
    "stage",
    "activity",
    "check",
    "commit",
    "usage",
    "checkpoint",
    "resources",
    "log",
    "heartbeat",
    "artifact",
    "delivered",
];

/// The types of an attempt's last event.
const ENDINGS: [&str; 5] = [
    "succeeded",
    "failed",
    "waiting_approval",
    "waiting_limit",
    "interrupted",
];
