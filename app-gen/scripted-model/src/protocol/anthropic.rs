//! The Messages API of Anthropic, as far as Claude Code uses it.

use crate::conversation::{Conversation, Entry, ToolResult};
use crate::protocol::{Answer, content_of, event, header, items, pieces, text_of};
use crate::script::{Action, Stop, Usage};
use hyper::HeaderMap;
use serde_json::{Value, json};

/// What Claude Code says for the model when a session is resumed.
const SAID_BY_AGENT: &str = "No response requested.";
/// How it begins the result of a tool that it did not see end: when it was killed (SIGKILL), when it
/// was asked to end and killed the command itself (SIGTERM), and when it was interrupted (SIGINT).
const INTERRUPTED: [&str; 3] = [
    "[Tool call interrupted",
    "Exit code 137",
    "The user doesn't want to proceed with this tool use",
];
/// Milliseconds that a command may run; Claude Code lowers it to its own limit.
const COMMAND_MILLIS: u32 = 600_000;

pub(super) fn read(headers: &HeaderMap, body: &Value) -> Result<Conversation, String> {
    let model = body["model"].as_str().ok_or("model: Field required")?;
    let messages = body["messages"]
        .as_array()
        .ok_or("messages: Field required")?;
    let id = header(headers, "x-claude-code-session-id")
        .or_else(|| body["metadata"]["user_id"].as_str());
    let mut conversation = Conversation {
        id: id.unwrap_or_default().to_owned(),
        model: model.to_owned(),
        stream: body["stream"] == true,
        instructions: match &body["system"] {
            Value::String(text) => vec![text.clone()],
            blocks => items(Some(blocks)).iter().map(block_text).collect(),
        },
        entries: Vec::new(),
    };
    for message in messages {
        add(&mut conversation, message)?;
    }
    Ok(conversation)
}

fn block_text(block: &Value) -> String {
    block["text"].as_str().unwrap_or_default().to_owned()
}

fn add(conversation: &mut Conversation, message: &Value) -> Result<(), String> {
    let content = &message["content"];
    match message["role"].as_str() {
        Some("system") => conversation.instructions.push(text_of(content)),
        Some("assistant") => {
            let is_aside = text_of(content) == SAID_BY_AGENT;
            conversation.entries.push(match is_aside {
                true => Entry::Aside,
                false => Entry::Answer {
                    calls: items(Some(content))
                        .iter()
                        .filter(|block| block["type"] == "tool_use")
                        .count(),
                },
            });
        }
        Some("user") => {
            if let Value::String(text) = content {
                conversation.add_prompt(text);
            }
            for block in items(Some(content)) {
                match block["type"].as_str() {
                    Some("text") => conversation.add_prompt(&block_text(block)),
                    Some("tool_result") => conversation.add_result(result(block)),
                    _ => {}
                }
            }
        }
        other => return Err(format!("messages: {other:?} is no role")),
    }
    Ok(())
}

fn result(block: &Value) -> ToolResult {
    let text = text_of(&block["content"]);
    ToolResult {
        is_interrupted: INTERRUPTED.iter().any(|start| text.starts_with(start)),
        text,
    }
}

/// How many calls [`calls`] makes of an action.
pub(super) const fn count_calls(action: &Action) -> usize {
    match action {
        Action::Write { replace: true, .. } | Action::Edit { .. } => 2,
        Action::WriteFolder { .. } => 0,
        _ => 1,
    }
}

/// The calls of Claude Code's tools that do what an action says. It makes those of one answer in order.
pub(super) fn calls(action: &Action) -> Vec<(String, Value)> {
    let call = |tool: &str, input: Value| (tool.to_owned(), input);
    let read = |path: &str| call("Read", json!({"file_path": path}));
    match action {
        Action::Write {
            path,
            content,
            repeat,
            replace,
            ..
        } => {
            let text = content_of(content.as_deref(), *repeat);
            let write = call("Write", json!({"file_path": path, "content": text}));
            match replace {
                true => vec![read(path), write],
                false => vec![write],
            }
        }
        // It refuses to edit a file that it has not read in this session.
        Action::Edit { path, old, new } => vec![
            read(path),
            call(
                "Edit",
                json!({"file_path": path, "old_string": old, "new_string": new}),
            ),
        ],
        Action::Read { path } => vec![read(path)],
        Action::Run { command } => vec![call(
            "Bash",
            json!({"command": command, "description": "Run a command", "timeout": COMMAND_MILLIS}),
        )],
        Action::Call { tool, input } => vec![call(tool, Value::Object(input.clone()))],
        // Loading has made writes of it.
        Action::WriteFolder { .. } => Vec::new(),
    }
}

/// A part of the answer's content: at once, and as a stream begins it and goes on.
struct Block {
    whole: Value,
    start: Value,
    deltas: Vec<Value>,
}

fn blocks(answer: &Answer<'_>) -> Vec<Block> {
    const SIGNATURE: &str = "c2NyaXB0";
    let mut blocks = Vec::new();
    if let Some(thinking) = answer.thinking {
        let part = |piece| json!({"type": "thinking_delta", "thinking": piece});
        let signature = json!({"type": "signature_delta", "signature": SIGNATURE});
        blocks.push(Block {
            whole: json!({"type": "thinking", "thinking": thinking, "signature": SIGNATURE}),
            start: json!({"type": "thinking", "thinking": "", "signature": ""}),
            deltas: pieces(thinking)
                .into_iter()
                .map(part)
                .chain([signature])
                .collect(),
        });
    }
    if let Some(text) = answer.text {
        let part = |piece| json!({"type": "text_delta", "text": piece});
        blocks.push(Block {
            whole: json!({"type": "text", "text": text}),
            start: json!({"type": "text", "text": ""}),
            deltas: pieces(text).into_iter().map(part).collect(),
        });
    }
    for call in &answer.calls {
        let part = |piece| json!({"type": "input_json_delta", "partial_json": piece});
        let id = format!("toolu_{}", call.id);
        let (tool, input) = (&call.tool, &call.input);
        blocks.push(Block {
            whole: json!({"type": "tool_use", "id": id, "name": tool, "input": input}),
            start: json!({"type": "tool_use", "id": id, "name": tool, "input": {}}),
            deltas: pieces(&input.to_string()).into_iter().map(part).collect(),
        });
    }
    blocks
}

fn stop_reason(answer: &Answer<'_>) -> &'static str {
    match answer.stop {
        Some(Stop::MaxTokens) => "max_tokens",
        Some(Stop::Refusal) => "refusal",
        None if answer.calls.is_empty() => "end_turn",
        None => "tool_use",
    }
}

fn usage(usage: Usage, output_tokens: u32) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": output_tokens,
    })
}

/// The whole message.
pub(super) fn message(answer: &Answer<'_>) -> Value {
    let mut message = head(answer, answer.usage.output_tokens);
    message["content"] = blocks(answer)
        .into_iter()
        .map(|block| block.whole)
        .collect();
    message["stop_reason"] = stop_reason(answer).into();
    message
}

/// A message without its content.
fn head(answer: &Answer<'_>, output_tokens: u32) -> Value {
    json!({
        "id": format!("msg_{}", answer.name),
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage(answer.usage, output_tokens),
    })
}

/// The message as a stream.
pub(super) fn events(answer: &Answer<'_>) -> Vec<String> {
    // The provider knows all of the input and one token of the output when it begins.
    let start = json!({"type": "message_start", "message": head(answer, 1)});
    let mut events = vec![event("message_start", &start)];
    for (index, block) in blocks(answer).into_iter().enumerate() {
        let Block { start, deltas, .. } = block;
        let start = json!({"type": "content_block_start", "index": index, "content_block": start});
        events.push(event("content_block_start", &start));
        for delta in deltas {
            let delta = json!({"type": "content_block_delta", "index": index, "delta": delta});
            events.push(event("content_block_delta", &delta));
        }
        let stop = json!({"type": "content_block_stop", "index": index});
        events.push(event("content_block_stop", &stop));
    }
    let delta = json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(answer), "stop_sequence": null},
        "usage": usage(answer.usage, answer.usage.output_tokens),
    });
    events.push(event("message_delta", &delta));
    events.push(event("message_stop", &json!({"type": "message_stop"})));
    events
}

pub(super) fn error(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}})
}

pub(super) fn model(name: &str) -> Value {
    let created = "2026-01-01T00:00:00Z";
    json!({"type": "model", "id": name, "display_name": name, "created_at": created})
}

pub(super) fn models(models: &[Value]) -> Value {
    let name = |model: Option<&Value>| model.map_or(Value::Null, |model| model["id"].clone());
    json!({
        "data": models,
        "has_more": false,
        "first_id": name(models.first()),
        "last_id": name(models.last()),
    })
}
