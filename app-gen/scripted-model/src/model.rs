//! Answers requests: what is asked for, by whom, and what is played.

use crate::choice::choose;
use crate::conversation::Conversation;
use crate::fault::{self, Memory, Place, Step};
use crate::protocol::{Protocol, Sent};
use crate::record::{Played, Record};
use crate::script::{Fault, FaultKind, Script};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};
use serde_json::{Value, json};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use time::OffsetDateTime;

/// How a model behaves besides its script.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The only credential that is accepted; without one, all are.
    pub key: Option<String>,
    /// The file to which every request is appended as a line of JSON.
    pub record: Option<PathBuf>,
    /// Limits that end after some time have ended: they were met before this server was started.
    pub limits_have_ended: bool,
}

/// A script that is being played.
#[derive(Debug)]
pub struct Model {
    script: Script,
    key: Option<String>,
    record: Option<Record>,
    limits_have_ended: bool,
    memory: Memory,
}

/// One answer, as it is to be sent.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// How long not even headers are sent.
    pub(crate) silence: Duration,
    /// Nothing is sent at all, and the connection is closed.
    pub(crate) is_hang_up: bool,
    pub(crate) steps: Vec<Step>,
    played: Option<Played>,
}

impl Reply {
    fn new(status: u16, content_type: &str, steps: Vec<Step>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            silence: Duration::ZERO,
            is_hang_up: false,
            steps,
            played: None,
        }
    }

    fn json(status: u16, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        Self::new(status, "application/json", vec![Step::Send(body)])
    }
}

impl Model {
    /// A model that plays `script`.
    ///
    /// # Errors
    /// The file for the record cannot be opened.
    pub fn new(script: Script, settings: Settings) -> io::Result<Self> {
        let record = settings
            .record
            .map(|path| Record::open(&path))
            .transpose()?;
        Ok(Self {
            script,
            key: settings.key,
            record,
            limits_have_ended: settings.limits_have_ended,
            memory: Memory::default(),
        })
    }

    /// Answers one request.
    ///
    /// # Errors
    /// The request cannot be recorded.
    pub(crate) fn reply(&self, request: &Parts, body: &[u8]) -> io::Result<Reply> {
        let reply = self.answer(request, body);
        if let Some(record) = &self.record {
            record.add(request, body, reply.played.as_ref(), reply.status)?;
        }
        Ok(reply)
    }

    fn answer(&self, request: &Parts, body: &[u8]) -> Reply {
        let path = request.uri.path();
        let protocol = match path.starts_with("/v1/messages")
            || request.headers.contains_key("anthropic-version")
        {
            true => Protocol::Anthropic,
            false => Protocol::OpenAi,
        };
        if matches!(path, "/" | "/api/hello") {
            return Reply::new(200, "text/plain", Vec::new());
        }
        if !self.accepts(&request.headers) {
            let error = protocol.error("authentication_error", "the key is not accepted");
            return Reply::json(401, &error);
        }
        match (&request.method, path) {
            (&Method::POST, "/v1/messages" | "/v1/responses") => {
                self.play(protocol, &request.headers, body, OffsetDateTime::now_utc())
            }
            (&Method::POST, "/v1/messages/count_tokens") => {
                // A rule of thumb for English text.
                Reply::json(200, &json!({"input_tokens": body.len() / 4}))
            }
            (&Method::GET, "/v1/models") => {
                let models = self.script.models.iter();
                let models: Vec<Value> = models.map(|name| protocol.model(name)).collect();
                Reply::json(200, &protocol.models(&models))
            }
            (&Method::GET, path) if path.starts_with("/v1/models/") => {
                let name = &path["/v1/models/".len()..];
                match self.has_model(name) {
                    true => Reply::json(200, &protocol.model(name)),
                    false => no_model(protocol, name),
                }
            }
            (method, path) => {
                let message = format!("{method} {path} is not played");
                Reply::json(404, &protocol.error("not_found_error", &message))
            }
        }
    }

    fn accepts(&self, headers: &HeaderMap) -> bool {
        let Some(key) = &self.key else {
            return true;
        };
        let is = |name: &str, expected: &str| {
            let value = headers.get(name);
            value.is_some_and(|value| value.as_bytes() == expected.as_bytes())
        };
        is("x-api-key", key) || is("authorization", &format!("Bearer {key}"))
    }

    fn has_model(&self, name: &str) -> bool {
        self.script.models.is_empty() || self.script.models.iter().any(|model| model == name)
    }

    fn play(
        &self,
        protocol: Protocol,
        headers: &HeaderMap,
        body: &[u8],
        now: OffsetDateTime,
    ) -> Reply {
        let invalid = |message: &str| {
            let error = protocol.error("invalid_request_error", message);
            Reply::json(400, &error)
        };
        let conversation = match protocol.read(headers, body) {
            Ok(conversation) => conversation,
            Err(message) => return invalid(&message),
        };
        if !self.has_model(&conversation.model) {
            return no_model(protocol, &conversation.model);
        }
        let Some(choice) = choose(&self.script, &conversation, protocol) else {
            return invalid("no part of the script is for this role or prompt");
        };
        let mut played = Played {
            part: choice.part + 1,
            turn: choice.turn + 1,
            is_faulty: false,
        };
        let name = format!("{}_{}_{}", choice.part, choice.turn, choice.position);
        let usage = choice
            .content
            .map_or(self.script.usage, |turn| self.script.usage_of(turn));
        let pause = choice.content.map_or(0, |turn| turn.pause_millis);
        let waiting = protocol.wait(&conversation, usage);
        let is_waiting = waiting.is_some();
        let Sent {
            events,
            content_type,
        } = waiting.unwrap_or_else(|| {
            protocol.say(&conversation, choice.content, choice.calls, name, usage)
        });
        let steps = fault::steps(events, Duration::from_millis(pause));
        let mut reply = Reply::new(200, content_type, steps);
        let fault = choice.content.and_then(|turn| turn.fault.as_ref());
        let fault = fault.filter(|fault| {
            let is_limit = fault.for_seconds.is_some();
            fault.only.is_none_or(|only| only == protocol) && !(is_limit && self.limits_have_ended)
        });
        if let (Some(fault), false) = (fault, is_waiting) {
            let place = Place {
                conversation: conversation.id.clone(),
                part: choice.part,
                turn: choice.turn,
            };
            if let Some(until) = self.memory.meets(place, fault, now) {
                played.is_faulty = true;
                reply = disturbed(reply, fault, protocol, &conversation, (now, until));
            }
        }
        reply.played = Some(played);
        reply
    }
}

fn no_model(protocol: Protocol, name: &str) -> Reply {
    let kind = match protocol {
        Protocol::Anthropic => "not_found_error",
        Protocol::OpenAi => "model_not_found",
    };
    Reply::json(404, &protocol.error(kind, &format!("model: {name}")))
}

/// The reply with the fault. A limit is met at the first time and ends at the second.
fn disturbed(
    mut reply: Reply,
    fault: &Fault,
    protocol: Protocol,
    conversation: &Conversation,
    (now, until): (OffsetDateTime, OffsetDateTime),
) -> Reply {
    let timed = |text: &str| fault::with_reset(text, now, until);
    match &fault.kind {
        FaultKind::Status {
            status,
            headers,
            error_type,
            message,
        } => {
            let mut error = Reply::json(*status, &protocol.error(error_type, &timed(message)));
            let headers = headers.iter();
            error
                .headers
                .extend(headers.map(|(name, value)| (name.clone(), timed(value))));
            return error;
        }
        // There is no stream in whose middle it could be.
        FaultKind::ErrorEvent {
            error_type,
            message,
            ..
        } if !conversation.stream => {
            return Reply::json(503, &protocol.error(error_type, message));
        }
        FaultKind::Silence { seconds } => reply.silence = Duration::from_secs((*seconds).into()),
        FaultKind::HangUp {} => reply.is_hang_up = true,
        _ => {}
    }
    reply.steps = fault::disturb(reply.steps, &fault.kind, |kind, message| {
        protocol.error_event(kind, message)
    });
    reply
}
