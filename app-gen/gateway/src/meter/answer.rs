//! What the events of both protocols say about tokens, ends and errors.

use crate::meter::scan::Value;
use crate::protocol::Protocol;
use crate::usage::Usage;

/// What is known of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// The model that answered.
    pub(crate) model: Option<String>,
    pub(crate) usage: Usage,
    /// The provider said what the input was.
    pub(crate) has_input: bool,
    /// It came to its end, whether well or with an error of the model, and said what it took.
    pub(crate) is_whole: bool,
    /// Bytes of text, thinking and calls, from which output is estimated that nobody counted.
    pub(crate) said_bytes: u64,
    /// The error in it, in the provider's word for programs.
    pub(crate) error: Option<String>,
    /// When a limit ends, where the body says it.
    pub(crate) reset: Option<Reset>,
    tokens: Tokens,
}

/// When a limit ends, as a body says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reset {
    /// Seconds since 1970.
    At(u64),
    /// Seconds from now.
    In(u64),
}

/// Counts in the provider's own words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tokens {
    input: Option<u64>,
    output: Option<u64>,
    /// Anthropic: besides `input`.
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    /// Anthropic: the part of `cache_write` that is kept for an hour.
    cache_write_hour: Option<u64>,
    /// OpenAI: parts of `input`.
    cached_part: Option<u64>,
    written_part: Option<u64>,
    thinking: Option<u64>,
}

impl Tokens {
    fn note(&mut self, name: &str, number: u64) {
        let field = match name {
            "input_tokens" => &mut self.input,
            "output_tokens" => &mut self.output,
            "cache_read_input_tokens" => &mut self.cache_read,
            "cache_creation_input_tokens" => &mut self.cache_write,
            "cache_creation.ephemeral_1h_input_tokens" => &mut self.cache_write_hour,
            "input_tokens_details.cached_tokens" => &mut self.cached_part,
            "input_tokens_details.cache_write_tokens" => &mut self.written_part,
            "output_tokens_details.reasoning_tokens" | "output_tokens_details.thinking_tokens" => {
                &mut self.thinking
            }
            _ => return,
        };
        *field = (*field).max(Some(number));
    }

    /// Counts only grow within an answer, and not every event has all of them.
    fn add(&mut self, newer: &Self) {
        let add = |old: &mut Option<u64>, new: Option<u64>| *old = (*old).max(new);
        add(&mut self.input, newer.input);
        add(&mut self.output, newer.output);
        add(&mut self.cache_read, newer.cache_read);
        add(&mut self.cache_write, newer.cache_write);
        add(&mut self.cache_write_hour, newer.cache_write_hour);
        add(&mut self.cached_part, newer.cached_part);
        add(&mut self.written_part, newer.written_part);
        add(&mut self.thinking, newer.thinking);
    }

    fn usage(&self) -> Usage {
        let [read_part, written_part] =
            [self.cached_part, self.written_part].map(Option::unwrap_or_default);
        let written = self.cache_write.unwrap_or_default();
        let hour = self.cache_write_hour.unwrap_or_default().min(written);
        let input = self.input.unwrap_or_default();
        let output = self.output.unwrap_or_default();
        let usage = Usage {
            input: input.saturating_sub(read_part).saturating_sub(written_part),
            cache_read: self
                .cache_read
                .unwrap_or_default()
                .saturating_add(read_part),
            cache_write: (written - hour).saturating_add(written_part),
            cache_write_long: hour,
            output,
            thinking: self.thinking.unwrap_or_default().min(output),
        };
        usage.bounded()
    }
}

/// What one event says, whatever it is.
#[derive(Debug, Default)]
pub(crate) struct Event {
    kind: Option<String>,
    model: Option<String>,
    tokens: Tokens,
    said_bytes: u64,
    error_code: Option<String>,
    error_type: Option<String>,
    reset: Option<Reset>,
}

impl Event {
    /// Takes a value, if it is one of those that count.
    pub(crate) fn note(&mut self, path: &str, value: Value<'_>) {
        // A streamed event has its message or response inside.
        let inner = path
            .strip_prefix("message.")
            .or_else(|| path.strip_prefix("response."))
            .unwrap_or(path);
        match value {
            Value::Number(number) => match (inner.strip_prefix("usage."), inner) {
                (Some(name), _) => self.tokens.note(name, number),
                (None, "error.resets_at") => self.reset = Some(Reset::At(number)),
                (None, "error.resets_in_seconds") if self.reset.is_none() => {
                    self.reset = Some(Reset::In(number));
                }
                _ => {}
            },
            Value::Text { start, bytes } => match (path, inner) {
                ("type", _) => self.kind = Some(start.to_owned()),
                ("code", _) | (_, "error.code") => self.error_code = Some(start.to_owned()),
                (_, "error.type") => self.error_type = Some(start.to_owned()),
                (_, "model") => self.model = Some(start.to_owned()),
                ("delta" | "delta.text" | "delta.thinking" | "delta.partial_json", _) => {
                    self.said_bytes = self.said_bytes.saturating_add(bytes);
                }
                _ => {}
            },
        }
    }

    /// OpenAI says more precisely in its code what happened than in its type.
    fn error(&mut self) -> Option<String> {
        self.error_code.take().or_else(|| self.error_type.take())
    }
}

impl Known {
    /// Adds what an event of a stream says.
    pub(crate) fn learn(&mut self, protocol: Protocol, mut event: Event) {
        let kind = event.kind.take().unwrap_or_default();
        match (protocol, &*kind) {
            (_, "error") => self.fail(&mut event),
            (Protocol::Anthropic, "message_start" | "message_delta") => self.count(&mut event),
            (Protocol::Anthropic, "message_stop") => self.is_whole = self.has_input,
            (Protocol::Anthropic, "content_block_delta") => self.say(&event),
            // A server may send the whole message instead of a stream.
            (Protocol::Anthropic, "message") => self.learn_object(event),
            (Protocol::OpenAi, "response.completed" | "response.incomplete") => {
                self.learn_object(event);
            }
            (Protocol::OpenAi, "response.failed") => {
                self.count(&mut event);
                // Tokens of a response that failed are said, or were not taken.
                self.is_whole = self.has_input;
                self.fail(&mut event);
            }
            (Protocol::OpenAi, "response.created" | "response.in_progress") => {
                self.model = event.model.take().or(self.model.take());
            }
            (Protocol::OpenAi, kind) if kind.ends_with(".delta") => self.say(&event),
            _ => {}
        }
    }

    /// Adds what a whole message, response or error says.
    pub(crate) fn learn_object(&mut self, mut event: Event) {
        self.count(&mut event);
        self.is_whole = self.has_input;
        self.fail(&mut event);
    }

    fn count(&mut self, event: &mut Event) {
        self.model = event.model.take().or(self.model.take());
        self.tokens.add(&event.tokens);
        self.has_input |= event.tokens.input.is_some();
        self.usage = self.tokens.usage();
    }

    fn say(&mut self, event: &Event) {
        self.said_bytes = self.said_bytes.saturating_add(event.said_bytes);
    }

    fn fail(&mut self, event: &mut Event) {
        self.error = event.error().or(self.error.take());
        self.reset = event.reset.or(self.reset);
    }
}
