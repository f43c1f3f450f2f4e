//! What is told of each request: for the log, for events, and for whoever drives the agent.

use crate::budget::{Place, Spent};
use crate::limit::Limit;
use crate::protocol::Protocol;
use serde::{Serialize, Serializer};
use std::time::Duration;

/// One request that was sent to a provider, when it has ended. No body is in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exchange {
    /// Counted from 1, in the order in which they began.
    pub number: u64,
    /// The request of a person that it is for, by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Who asked.
    #[serde(flatten)]
    pub place: Place,
    /// In which words.
    pub protocol: Protocol,
    /// The model that answered, or else the one that was asked for.
    pub model: String,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// How it ended.
    pub end: End,
    /// The provider's word for what went wrong.
    pub error: Option<String>,
    /// The limit that it met.
    pub limit: Option<Limit>,
    /// What it took.
    #[serde(flatten)]
    pub spent: Spent,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub answer_bytes: u64,
    /// Time until the answer began.
    #[serde(serialize_with = "seconds")]
    pub first_byte: Option<Duration>,
    /// Time until it ended.
    #[serde(serialize_with = "seconds")]
    pub took: Option<Duration>,
}

fn seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(serializer)
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The answer came to its end. It may be an error of the provider; see the status.
    Answered,
    /// The answer came to an end that is not the one it should have.
    Incomplete,
    /// The connection to the provider broke.
    Cut,
    /// The agent closed its connection.
    Abandoned,
    /// The provider did not begin to answer in time.
    NoAnswer,
    /// The provider fell silent in the middle of the answer.
    Silent,
    /// The answer took longer than any may.
    TooLong,
    /// No connection to the provider came about.
    Unreachable,
}

/// Why a request was not sent to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No token, or one that is no longer valid.
    Token,
    /// Not a request of the model.
    Path,
    /// Not JSON that names a model, or a coding that is not read.
    Request,
    /// The body is too large.
    Size,
    /// The body did not come in time.
    Slow,
    /// No provider is configured for this protocol.
    Provider,
    /// A faster and dearer tier than the one that the prices are for.
    Tier,
    /// A budget is used up.
    Budget,
}

/// Learns what happens. It is called from the middle of the traffic, so it must not wait.
pub trait Observer: Send + Sync {
    /// A request has ended.
    fn ended(&self, exchange: &Exchange);

    /// A request was refused; nobody's, if it had no valid token. An agent can cause any number of these.
    fn refused(&self, place: Option<&Place>, refusal: Refusal, message: &str) {
        let _ = (place, refusal, message);
    }

    /// Whether bodies are wanted. They hold what people and models wrote, so they are not by default.
    fn wants_bodies(&self) -> bool {
        false
    }

    /// The body of a request, if bodies are wanted.
    fn request_body(&self, number: u64, body: &[u8]) {
        let _ = (number, body);
    }

    /// A piece of the body of an answer, if bodies are wanted.
    fn answer_piece(&self, number: u64, piece: &[u8]) {
        let _ = (number, piece);
    }
}

/// Nobody.
impl Observer for () {
    fn ended(&self, _: &Exchange) {}
}
