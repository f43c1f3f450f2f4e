//! The two protocols: what a request says, and how a turn is said.

mod anthropic;
mod openai;

use crate::conversation::Conversation;
use crate::script::{Action, Stop, Turn, Usage};
use hyper::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Characters of a text in one event. A provider sends a few at a time, and agents put them together.
const PIECE_CHARACTERS: usize = 48;
/// Events of one text. The pieces of a long one are larger.
const MAX_PIECES: usize = 2000;
/// What is said when nothing is left to say.
const OVER: &str = "The script has no further turn.";

/// Whom a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// `POST /v1/messages`, as Claude Code sends it.
    Anthropic,
    /// `POST /v1/responses`, as Codex sends it.
    OpenAi,
}

/// One answer, before it takes the form of a protocol.
struct Answer<'a> {
    model: &'a str,
    /// What no other answer of the conversation has.
    name: String,
    thinking: Option<&'a str>,
    text: Option<&'a str>,
    calls: Vec<Call>,
    stop: Option<Stop>,
    usage: Usage,
}

/// A call of a tool.
struct Call {
    id: String,
    tool: String,
    input: Value,
}

/// What is sent for an answer.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The events of the stream, or pieces of the one object where no stream was asked for.
    pub(crate) events: Vec<String>,
    pub(crate) content_type: &'static str,
}

impl Protocol {
    /// What a request holds.
    ///
    /// # Errors
    /// It is not a request of this protocol; the text says why.
    pub fn read(self, headers: &HeaderMap, body: &[u8]) -> Result<Conversation, String> {
        let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let mut conversation = match self {
            Self::Anthropic => anthropic::read(headers, &body),
            Self::OpenAi => openai::read(headers, &body),
        }?;
        // Agents name their sessions. Other conversations are known by how they began.
        if conversation.id.is_empty() {
            let mut hasher = DefaultHasher::new();
            conversation.first_prompt().hash(&mut hasher);
            conversation.id = format!("{:016x}", hasher.finish());
        }
        Ok(conversation)
    }

    /// How a turn is said, from a call of it on: what comes before its calls is said only once.
    pub(crate) fn say(
        self,
        conversation: &Conversation,
        turn: Option<&Turn>,
        first_call: usize,
        name: String,
        usage: Usage,
    ) -> Sent {
        let over = Turn {
            text: Some(OVER.to_owned()),
            ..Turn::default()
        };
        let turn = turn.unwrap_or(&over);
        let is_begun = first_call > 0;
        let calls = match self {
            Self::Anthropic => turn
                .actions
                .iter()
                .flat_map(anthropic::calls)
                .skip(first_call)
                .collect(),
            Self::OpenAi => {
                openai::calls_at_once(turn.actions.get(first_call..).unwrap_or_default())
            }
        };
        let answer = Answer {
            model: &conversation.model,
            thinking: turn.thinking.as_deref().filter(|_| !is_begun),
            text: turn.text.as_deref().filter(|_| !is_begun),
            calls: numbered(calls, &name),
            name,
            stop: turn.stop,
            usage,
        };
        self.form(&answer, conversation.stream)
    }

    /// How many calls say the actions of a turn.
    pub(crate) fn count_calls(self, turn: &Turn) -> usize {
        let count = |action: &Action| match self {
            Self::Anthropic => anthropic::count_calls(action),
            Self::OpenAi => 1,
        };
        turn.actions.iter().map(count).sum()
    }

    /// Asks about commands that still run, where the agent leaves that to the model.
    pub(crate) fn wait(self, conversation: &Conversation, usage: Usage) -> Option<Sent> {
        if self == Self::Anthropic {
            return None;
        }
        let name = format!("wait_{}", conversation.entries.len());
        let calls = openai::looks(conversation);
        let answer = Answer {
            model: &conversation.model,
            thinking: None,
            text: None,
            calls: numbered(calls, &name),
            name,
            stop: None,
            usage,
        };
        (!answer.calls.is_empty()).then(|| self.form(&answer, conversation.stream))
    }

    fn form(self, answer: &Answer<'_>, stream: bool) -> Sent {
        let whole = |value: Value| Sent {
            events: pieces(&value.to_string()),
            content_type: "application/json",
        };
        let streamed = |events| Sent {
            events,
            content_type: "text/event-stream; charset=utf-8",
        };
        match (self, stream) {
            (Self::Anthropic, true) => streamed(anthropic::events(answer)),
            (Self::Anthropic, false) => whole(anthropic::message(answer)),
            (Self::OpenAi, true) => streamed(openai::events(answer)),
            (Self::OpenAi, false) => whole(openai::response(answer)),
        }
    }

    /// An error in the middle of a stream.
    pub(crate) fn error_event(self, kind: &str, message: &str) -> String {
        match self {
            Self::Anthropic => event("error", &anthropic::error(kind, message)),
            Self::OpenAi => openai::failed(kind, message),
        }
    }

    /// The body of an answer that is an error.
    pub(crate) fn error(self, kind: &str, message: &str) -> Value {
        match self {
            Self::Anthropic => anthropic::error(kind, message),
            Self::OpenAi => openai::error(kind, message),
        }
    }

    /// A model, as a list of models or a question for one answers it.
    pub(crate) fn model(self, name: &str) -> Value {
        match self {
            Self::Anthropic => anthropic::model(name),
            Self::OpenAi => openai::model(name),
        }
    }

    /// The list of models.
    pub(crate) fn models(self, models: &[Value]) -> Value {
        match self {
            Self::Anthropic => anthropic::models(models),
            Self::OpenAi => serde_json::json!({"object": "list", "data": models}),
        }
    }
}

/// Gives calls their names, which a conversation may not have twice.
fn numbered(calls: Vec<(String, Value)>, name: &str) -> Vec<Call> {
    let calls = calls.into_iter().enumerate();
    calls
        .map(|(index, (tool, input))| Call {
            id: format!("{name}_{index}"),
            tool,
            input,
        })
        .collect()
}

/// One event of a stream.
fn event(kind: &str, data: &Value) -> String {
    format!("event: {kind}\ndata: {data}\n\n")
}

/// A text in pieces; nothing of an empty one.
fn pieces(text: &str) -> Vec<String> {
    let characters = PIECE_CHARACTERS.max(text.len() / MAX_PIECES);
    let mut rest = text;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let end = rest
            .char_indices()
            .nth(characters)
            .map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        pieces.push(piece.to_owned());
        rest = after;
    }
    pieces
}

/// The text of a value that is a text, or a list of blocks that have one.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks
            .iter()
            .filter_map(|block| block.get("text")?.as_str())
            .collect::<Vec<_>>()
            .join("\n"),
        _ => String::new(),
    }
}

/// The items of a list; none of anything else.
fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A header, where it is text.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The text that an action writes.
fn content_of(content: Option<&str>, repeat: usize) -> String {
    content.unwrap_or_default().repeat(repeat)
}
