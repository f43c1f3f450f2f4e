//! What was found when something that a command needs was looked for.

use serde::Serialize;
use xtask_core::error::{Code, Failure};

/// How a part of the machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is as needed.
    Ok,
    /// It is installed, but does not run.
    Stopped,
    /// It is not there, or is not as needed.
    Missing,
    /// Something that is not ours has taken its place.
    Blocked,
    /// Nobody can know before another part is there.
    Unknown,
}

/// What was found of a part.
#[derive(Debug, Clone)]
pub struct Finding {
    /// How it is.
    pub state: State,
    /// What is there, in a few words.
    pub found: String,
    /// What a person can do about it, where the part's own way does not help.
    pub fix: Option<String>,
    failure: Option<Failure>,
}

impl Finding {
    fn new(state: State, found: impl Into<String>) -> Self {
        Self {
            state,
            found: found.into(),
            fix: None,
            failure: None,
        }
    }

    pub(crate) fn ok(found: impl Into<String>) -> Self {
        Self::new(State::Ok, found)
    }

    pub(crate) fn stopped(found: impl Into<String>) -> Self {
        Self::new(State::Stopped, found)
    }

    pub(crate) fn missing(found: impl Into<String>) -> Self {
        Self::new(State::Missing, found)
    }

    pub(crate) fn unknown(found: impl Into<String>) -> Self {
        Self::new(State::Unknown, found)
    }

    /// Something else has taken its place: `failure` says what, and `way_out` what to do.
    pub(crate) fn blocked(failure: Failure, way_out: String) -> Self {
        Self {
            fix: Some(way_out),
            failure: Some(failure.clone()),
            ..Self::new(State::Blocked, failure.to_string())
        }
    }

    /// Whether nothing needs to be done.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.state == State::Ok
    }

    /// The exit code of a command that cannot do without the part.
    #[must_use]
    pub fn code(&self) -> Code {
        match self.state {
            State::Blocked => Code::Service,
            _ => Code::Prerequisite,
        }
    }

    /// The error of a command that needs the part `name`: what was found, and what is `needed`.
    pub(crate) fn refusal(self, name: &str, needed: &str, fix: String) -> Failure {
        self.failure.unwrap_or_else(|| {
            Failure::new(
                Code::Prerequisite,
                format!("{name}: found: {}; needed: {needed}", self.found),
            )
            .hint(fix)
        })
    }
}
