//! The Responses API of OpenAI, as far as Codex uses it.

use crate::conversation::{Conversation, Entry, ToolResult};
use crate::protocol::{Answer, content_of, event, header, items, pieces, text_of};
use crate::script::{Action, Stop, Usage};
use hyper::HeaderMap;
use serde_json::{Value, json};

/// What Codex says of a tool that it did not see end: `aborted` or `aborted by user`.
const INTERRUPTED: &str = "aborted";
/// How it names a command that runs on.
const RUNNING: &str = "Process running with session ID ";
/// What comes between its own lines and those of a command.
const OUTPUT: &str = "Output:";
/// How long a call waits for a command, and a look at it: what Codex allows at most, and a minute.
const COMMAND_MILLIS: u32 = 30_000;
const LOOK_MILLIS: u32 = 60_000;
/// Looks at one command before the script goes on without its end: ten minutes in all.
const MAX_LOOKS: usize = 10;

pub(super) fn read(headers: &HeaderMap, body: &Value) -> Result<Conversation, String> {
    let model = body["model"]
        .as_str()
        .ok_or("Missing required parameter: 'model'.")?;
    let id = body["prompt_cache_key"]
        .as_str()
        .or_else(|| header(headers, "session-id"));
    let mut conversation = Conversation {
        id: id.unwrap_or_default().to_owned(),
        model: model.to_owned(),
        stream: body["stream"] == true,
        instructions: body["instructions"]
            .as_str()
            .map(str::to_owned)
            .into_iter()
            .collect(),
        entries: Vec::new(),
    };
    match &body["input"] {
        Value::String(text) => conversation.add_prompt(text),
        Value::Array(items) => {
            // Items of one answer follow each other: its thinking, its texts, its calls.
            let mut answer: Vec<&Value> = Vec::new();
            for item in items {
                match is_said(item) {
                    true => answer.push(item),
                    false => {
                        end_answer(&mut conversation, &mut answer);
                        add(&mut conversation, item);
                    }
                }
            }
            end_answer(&mut conversation, &mut answer);
        }
        _ => return Err("Missing required parameter: 'input'.".to_owned()),
    }
    Ok(conversation)
}

fn kind(item: &Value) -> &str {
    item["type"].as_str().unwrap_or("message")
}

/// Whether the model said an item.
fn is_said(item: &Value) -> bool {
    match kind(item) {
        "message" => item["role"] == "assistant",
        "reasoning" => true,
        kind => kind.ends_with("_call"),
    }
}

/// Whether an item is one of [`looks`].
fn is_look(item: &Value) -> bool {
    item["name"] == "write_stdin"
        && item["arguments"]
            .as_str()
            .and_then(|text| serde_json::from_str::<Value>(text).ok())
            .is_some_and(|arguments| arguments["chars"] == "")
}

fn end_answer(conversation: &mut Conversation, answer: &mut Vec<&Value>) {
    if answer.is_empty() {
        return;
    }
    let calls = answer.iter().filter(|item| kind(item).ends_with("_call"));
    let entry = match answer.iter().all(|item| is_look(item)) {
        true => Entry::Aside,
        false => Entry::Answer {
            calls: calls.count(),
        },
    };
    conversation.entries.push(entry);
    answer.clear();
}

fn add(conversation: &mut Conversation, item: &Value) {
    let content = &item["content"];
    match (kind(item), item["role"].as_str()) {
        ("message", Some("user")) => match content {
            Value::String(text) => conversation.add_prompt(text),
            blocks => {
                for block in items(Some(blocks)) {
                    conversation.add_prompt(block["text"].as_str().unwrap_or_default());
                }
            }
        },
        ("message", _) => conversation.instructions.push(text_of(content)),
        (kind, _) if kind.ends_with("_call_output") => {
            let text = text_of(&item["output"]);
            let is_interrupted = own_lines(&text).any(|line| line.starts_with(INTERRUPTED));
            conversation.add_result(ToolResult {
                text,
                is_interrupted,
            });
        }
        _ => {}
    }
}

/// What Codex itself says about a call.
fn own_lines(result: &str) -> impl Iterator<Item = &str> {
    result.lines().take_while(|line| *line != OUTPUT)
}

/// Calls that wait for the commands that Codex left running: its own call ends after half a minute,
/// whether the command has ended or not.
pub(super) fn looks(conversation: &Conversation) -> Vec<(String, Value)> {
    let looks = conversation
        .entries
        .iter()
        .rev()
        .take_while(|entry| !matches!(entry, Entry::Answer { .. } | Entry::Prompt(_)))
        .filter(|entry| matches!(entry, Entry::Aside));
    if looks.count() >= MAX_LOOKS {
        return Vec::new();
    }
    let running = conversation.latest_results().iter().filter_map(|result| {
        let number = own_lines(&result.text).find_map(|line| line.strip_prefix(RUNNING))?;
        number.trim().parse::<u64>().ok()
    });
    running
        .map(|number| {
            let input = json!({"session_id": number, "chars": "", "yield_time_ms": LOOK_MILLIS});
            ("write_stdin".to_owned(), input)
        })
        .collect()
}

/// The calls with which actions begin. With some models Codex runs those of one answer at the same
/// time, so only new files are written together, and everything else is done one by one.
pub(super) fn calls_at_once(actions: &[Action]) -> Vec<(String, Value)> {
    let is_alone = |action: &Action| !matches!(action, Action::Write { replace: false, .. });
    let together = actions
        .iter()
        .take_while(|action| !is_alone(action))
        .count();
    actions[..together.max(1).min(actions.len())]
        .iter()
        .map(call)
        .collect()
}

/// The call of Codex's tools that does what an action says.
///
/// Files are changed by `apply_patch` as a command, because that works with every model that Codex
/// knows or does not know; a tool of that name is given to some models only.
fn call(action: &Action) -> (String, Value) {
    let command = match action {
        Action::Write {
            path,
            content,
            repeat,
            ..
        } => write(path, &content_of(content.as_deref(), *repeat)),
        Action::Edit { path, old, new } => {
            let lines = [("-", old), ("+", new)].map(|(sign, text)| signed(sign, text));
            patch(&format!("*** Update File: {path}\n@@\n{}", lines.concat()))
        }
        Action::Read { path } => format!("cat -- {}", quoted(path)),
        Action::Run { command } => command.clone(),
        Action::Call { tool, input } => return (tool.clone(), Value::Object(input.clone())),
        // Loading has made writes of it.
        Action::WriteFolder { .. } => String::new(),
    };
    let input = json!({"cmd": command, "yield_time_ms": COMMAND_MILLIS});
    ("exec_command".to_owned(), input)
}

/// A command that writes a file. A patch has whole lines only.
fn write(path: &str, text: &str) -> String {
    if text.ends_with('\n') && !text.contains('\r') {
        return patch(&format!("*** Add File: {path}\n{}", signed("+", text)));
    }
    let (path, text) = (quoted(path), quoted(text));
    format!("mkdir -p -- \"$(dirname -- {path})\" && printf %s {text} > {path}")
}

fn patch(body: &str) -> String {
    format!("apply_patch <<'PATCH'\n*** Begin Patch\n{body}*** End Patch\nPATCH")
}

/// Every line of a text behind a sign, which also keeps it from being the end of the patch.
fn signed(sign: &str, text: &str) -> String {
    text.lines().map(|line| format!("{sign}{line}\n")).collect()
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The items of the answer with their places.
fn output(answer: &Answer<'_>) -> Vec<Value> {
    let mut output = Vec::new();
    if let Some(thinking) = answer.thinking {
        output.push(json!({
            "type": "reasoning",
            "id": format!("rs_{}", answer.name),
            "summary": [{"type": "summary_text", "text": thinking}],
            "encrypted_content": null,
        }));
    }
    if let Some(text) = answer.text {
        output.push(json!({
            "type": "message",
            "id": format!("msg_{}", answer.name),
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }));
    }
    for call in &answer.calls {
        output.push(json!({
            "type": "function_call",
            "id": format!("fc_{}", call.id),
            "call_id": format!("call_{}", call.id),
            "name": call.tool,
            "arguments": call.input.to_string(),
            "status": "completed",
        }));
    }
    output
}

fn usage(usage: Usage) -> Value {
    let read = usage.input_tokens.saturating_add(usage.cache_read_tokens);
    let input = read.saturating_add(usage.cache_write_tokens);
    json!({
        "input_tokens": input,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.thinking_tokens},
        "total_tokens": input.saturating_add(usage.output_tokens),
    })
}

/// How the answer ends, and why if it ends early.
const fn end(answer: &Answer<'_>) -> (&'static str, Option<&'static str>) {
    match answer.stop {
        None => ("completed", None),
        Some(Stop::MaxTokens) => ("incomplete", Some("max_output_tokens")),
        Some(Stop::Refusal) => ("incomplete", Some("content_filter")),
    }
}

/// The whole response.
pub(super) fn response(answer: &Answer<'_>) -> Value {
    let (status, reason) = end(answer);
    let mut response = head(answer);
    response["status"] = status.into();
    response["incomplete_details"] = reason.map_or(Value::Null, |reason| json!({"reason": reason}));
    response["output"] = output(answer).into();
    response["usage"] = usage(answer.usage);
    response
}

/// A response before anything was said.
fn head(answer: &Answer<'_>) -> Value {
    json!({
        "id": format!("resp_{}", answer.name),
        "object": "response",
        "created_at": 0,
        "status": "in_progress",
        "model": answer.model,
        "output": [],
        "error": null,
        "incomplete_details": null,
        "usage": null,
    })
}

/// Events with their numbers.
#[derive(Default)]
struct Events(Vec<String>);

impl Events {
    fn push(&mut self, kind: &str, mut data: Value) {
        data["type"] = kind.into();
        data["sequence_number"] = self.0.len().into();
        self.0.push(event(kind, &data));
    }
}

/// The response as a stream.
pub(super) fn events(answer: &Answer<'_>) -> Vec<String> {
    let mut events = Events::default();
    events.push("response.created", json!({"response": head(answer)}));
    for (index, item) in output(answer).into_iter().enumerate() {
        let mut added = item.clone();
        match kind(&item) {
            "reasoning" => added["summary"] = json!([]),
            "message" => {
                added["content"] = json!([]);
                added["status"] = "in_progress".into();
            }
            _ => {}
        }
        let added = json!({"output_index": index, "item": added});
        events.push("response.output_item.added", added);
        if kind(&item) == "message" {
            say(&mut events, index, &item);
        }
        let done = json!({"output_index": index, "item": item});
        events.push("response.output_item.done", done);
    }
    let (status, _) = end(answer);
    let whole = json!({"response": response(answer)});
    events.push(&format!("response.{status}"), whole);
    events.0
}

/// The text of a message, piece by piece.
fn say(events: &mut Events, index: usize, item: &Value) {
    let part = &item["content"][0];
    let text = part["text"].as_str().unwrap_or_default();
    let mut push = |kind: &str, name: &str, value: Value| {
        let mut data = json!({"item_id": item["id"], "output_index": index, "content_index": 0});
        data[name] = value;
        events.push(kind, data);
    };
    let empty = json!({"type": "output_text", "text": "", "annotations": []});
    push("response.content_part.added", "part", empty);
    for piece in pieces(text) {
        push("response.output_text.delta", "delta", piece.into());
    }
    push("response.output_text.done", "text", text.into());
    push("response.content_part.done", "part", part.clone());
}

/// The end of a response that broke.
pub(super) fn failed(code: &str, message: &str) -> String {
    let kind = "response.failed";
    let response = json!({
        "id": "resp_failed",
        "object": "response",
        "status": "failed",
        "error": {"code": code, "message": message},
        "output": [],
        "usage": null,
    });
    event(kind, &json!({"type": kind, "response": response}))
}

pub(super) fn error(kind: &str, message: &str) -> Value {
    json!({"error": {"message": message, "type": kind, "code": kind, "param": null}})
}

pub(super) fn model(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 0, "owned_by": "app-gen"})
}
