//! How an operation is used from a shell, from TypeScript and from Rust.

use std::fmt::Write as _;

use serde_json::Value;

use crate::reference::block::Block;
use crate::reference::operation::{Operation, Parameter};

/// What an operation answers with, as far as a program reads it differently.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answered {
    Nothing,
    Json,
    Bytes,
    Events,
    WebSocket,
}

impl Answered {
    fn by(operation: &Operation) -> Self {
        let Some(success) = operation.success() else {
            return Self::Nothing;
        };
        match (success.status.as_str(), success.media_type.as_deref()) {
            ("101", _) => Self::WebSocket,
            (_, Some("application/json")) => Self::Json,
            (_, Some("text/event-stream")) => Self::Events,
            (_, Some(_)) => Self::Bytes,
            (_, None) => Self::Nothing,
        }
    }
}

/// What a request carries.
enum Sent<'a> {
    Nothing,
    Json(&'a Value),
    Bytes(&'a str),
}

/// The examples of an operation.
pub(super) fn blocks(operation: &Operation) -> Vec<Block> {
    let path = path(operation);
    let sent = match &operation.body {
        None => Sent::Nothing,
        Some(body) => match &body.example {
            Some(example) => Sent::Json(example),
            None => Sent::Bytes(&body.media_type),
        },
    };
    let answered = Answered::by(operation);
    let example = |label, language, text| Block::Code {
        label,
        language,
        text,
    };
    vec![
        example("curl", "sh", curl(operation, &path, &sent, answered)),
        example(
            "TypeScript",
            "ts",
            typescript(operation, &path, &sent, answered),
        ),
        example("Rust", "rust", rust(operation, &path, &sent, answered)),
    ]
}

/// The path with values for everything that it must have.
fn path(operation: &Operation) -> String {
    let mut path = operation.path.clone();
    let mut query = String::new();
    for parameter in &operation.parameters {
        let value = value(parameter);
        match parameter.place.as_str() {
            "path" => path = path.replace(&format!("{{{}}}", parameter.name), value),
            "query" if parameter.is_required => {
                let separator = if query.is_empty() { '?' } else { '&' };
                let _ = write!(query, "{separator}{}={value}", parameter.name);
            }
            _ => {}
        }
    }
    path + &query
}

/// None of them needs to be escaped in an address.
fn value(parameter: &Parameter) -> &'static str {
    match parameter.name.as_str() {
        "id" | "delivery" => "0192f0c1-2345-7000-8000-000000000000",
        "name" => "notes.txt",
        "path" => "README.md",
        "provider" => "anthropic",
        _ => "1",
    }
}

fn curl(operation: &Operation, path: &str, sent: &Sent<'_>, answered: Answered) -> String {
    let base = match answered {
        Answered::WebSocket => "${BASE/#http/ws}",
        _ => "$BASE",
    };
    let mut text = "curl --fail-with-body".to_owned();
    // What sends something, posts it.
    let usual = match sent {
        Sent::Nothing => "GET",
        Sent::Json(_) | Sent::Bytes(_) => "POST",
    };
    if operation.method != usual {
        let _ = write!(text, " --request {}", operation.method);
    }
    match answered {
        Answered::Events | Answered::WebSocket => text.push_str(" --no-buffer"),
        Answered::Bytes => text.push_str(" --output FILE"),
        Answered::Json | Answered::Nothing => {}
    }
    let _ = write!(text, " \"{base}{path}\"");
    match sent {
        Sent::Nothing => {}
        Sent::Json(body) => {
            // Within quotes, a quote ends them.
            let body = body.to_string().replace('\'', r"'\''");
            let _ = write!(text, " \\\n  --json '{body}'");
        }
        Sent::Bytes(media_type) => {
            let _ = write!(
                text,
                " \\\n  --header 'Content-Type: {media_type}' --data-binary @notes.txt"
            );
        }
    }
    text
}

fn typescript(operation: &Operation, path: &str, sent: &Sent<'_>, answered: Answered) -> String {
    match answered {
        Answered::Events => {
            return format!(
                "const events = new EventSource(`${{base}}{path}`);\n\
                 events.addEventListener(\"state\", (event) => console.log(JSON.parse(event.data)));"
            );
        }
        Answered::WebSocket => {
            return format!(
                "const socket = new WebSocket(`${{base.replace(/^http/, \"ws\")}}{path}`);\n\
                 socket.onmessage = (message) => console.log(JSON.parse(message.data));"
            );
        }
        Answered::Nothing | Answered::Json | Answered::Bytes => {}
    }
    let mut options = Vec::new();
    if operation.method != "GET" {
        options.push(format!("  method: \"{}\",", operation.method));
    }
    match sent {
        Sent::Nothing => {}
        Sent::Json(body) => {
            options.push("  headers: { \"content-type\": \"application/json\" },".to_owned());
            options.push(format!("  body: JSON.stringify({body}),"));
        }
        Sent::Bytes(media_type) => {
            options.push(format!(
                "  headers: {{ \"content-type\": \"{media_type}\" }},"
            ));
            options.push("  body: new Blob([\"text of the file\"]),".to_owned());
        }
    }
    let options = match options.is_empty() {
        true => String::new(),
        false => format!(", {{\n{}\n}}", options.join("\n")),
    };
    let read = match answered {
        Answered::Json => "\nconst answer = await response.json();",
        Answered::Bytes => "\nconst bytes = await response.arrayBuffer();",
        Answered::Nothing | Answered::Events | Answered::WebSocket => "",
    };
    format!(
        "const response = await fetch(`${{base}}{path}`{options});\n\
         if (!response.ok) throw new Error((await response.json()).detail);{read}"
    )
}

fn rust(operation: &Operation, path: &str, sent: &Sent<'_>, answered: Answered) -> String {
    if answered == Answered::WebSocket {
        return format!(
            "let url = format!(\"{{}}{path}\", base.replacen(\"http\", \"ws\", 1));\n\
             let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;\n\
             while let Some(message) = socket.next().await {{\n    println!(\"{{}}\", message?);\n}}"
        );
    }
    let method = operation.method.to_lowercase();
    let mut request = format!("client\n    .{method}(format!(\"{{base}}{path}\"))");
    match sent {
        Sent::Nothing => {}
        Sent::Json(body) => {
            let _ = write!(request, "\n    .json(&serde_json::json!({body}))");
        }
        Sent::Bytes(media_type) => {
            let _ = write!(request, "\n    .header(\"content-type\", \"{media_type}\")");
            request.push_str("\n    .body(std::fs::read(\"notes.txt\")?)");
        }
    }
    request.push_str("\n    .send()\n    .await?\n    .error_for_status()?");
    match answered {
        Answered::Json => {
            format!("let answer: serde_json::Value = {request}\n    .json()\n    .await?;")
        }
        Answered::Bytes => format!("let bytes = {request}\n    .bytes()\n    .await?;"),
        Answered::Events => format!(
            "let mut response = {request};\n\
             while let Some(chunk) = response.chunk().await? {{\n    \
             print!(\"{{}}\", String::from_utf8_lossy(&chunk));\n}}"
        ),
        Answered::Nothing | Answered::WebSocket => format!("{request};"),
    }
}
