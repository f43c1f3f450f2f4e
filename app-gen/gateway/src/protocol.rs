//! The two protocols, and the requests of each that are the model's.

use hyper::Method;
use serde::Serialize;
use serde_json::{Value, json};

/// Whom an agent speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// The Messages API, as Claude Code speaks it.
    Anthropic,
    /// The Responses API, as Codex speaks it.
    #[serde(rename = "openai")]
    OpenAi,
}

impl Protocol {
    /// The protocol of a request that is the model's; nothing for any other.
    ///
    /// Files, batches, administration and everything that a provider may add stay out of an agent's reach.
    pub(crate) fn of_request(method: &Method, path: &str) -> Option<Self> {
        match (method, path) {
            (&Method::POST, "/v1/messages") => Some(Self::Anthropic),
            (&Method::POST, "/v1/responses") => Some(Self::OpenAi),
            _ => None,
        }
    }

    /// The path of the model's request below the provider's base URL. The base URL of each provider is
    /// as its own agent takes it: only that of OpenAI holds the version.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Anthropic => "/v1/messages",
            Self::OpenAi => "/responses",
        }
    }

    /// An error as the provider would say it.
    pub(crate) fn error(self, kind: &str, message: &str) -> Value {
        match self {
            Self::Anthropic => {
                json!({"type": "error", "error": {"type": kind, "message": message}})
            }
            Self::OpenAi => {
                json!({"error": {"message": message, "type": kind, "code": kind, "param": null}})
            }
        }
    }
}
