//! What can go wrong with an answer.

use crate::protocol::Protocol;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A fault of one turn.
#[derive(Debug, Clone, Deserialize)]
pub struct Fault {
    /// How many requests of one conversation it meets; all of them if it says nothing.
    pub times: Option<u32>,
    /// It meets every request, of whatever conversation, until this long after the first one: a limit
    /// with a time at which it ends.
    pub for_seconds: Option<u32>,
    /// It meets the agent of one provider only.
    pub only: Option<Protocol>,
    /// What happens.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// The kinds of fault. Events are counted from 0, so `after_events = 0` is before the first; a place
/// behind the last event is at the end.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// An answer with an error instead of a message.
    Status {
        /// The status, 400 to 599.
        status: u16,
        /// Further headers. Their values, and the message, may hold `{seconds_left}`, `{reset_epoch}`
        /// and `{reset_time}`, which follow from `for_seconds`.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The error's type, `rate_limit_error` for instance.
        error_type: String,
        /// The error's message.
        message: String,
    },
    /// An error in the middle of a stream that began well.
    ErrorEvent {
        /// Where.
        #[serde(default)]
        after_events: usize,
        /// The error's type or code, `overloaded_error` for instance.
        error_type: String,
        /// The error's message.
        message: String,
    },
    /// The connection breaks in the middle of the answer.
    Cut {
        /// Where.
        #[serde(default)]
        after_events: usize,
    },
    /// The answer pauses, and then goes on.
    Stall {
        /// Where.
        #[serde(default)]
        after_events: usize,
        /// How long.
        seconds: u32,
    },
    /// Not even headers come, and then everything.
    Silence {
        /// How long.
        seconds: u32,
    },
    /// The connection is closed without an answer.
    HangUp {},
    /// Bytes that belong to no protocol, and no more.
    Garbage {
        /// Where.
        #[serde(default)]
        after_events: usize,
        /// How many.
        bytes: usize,
    },
}
