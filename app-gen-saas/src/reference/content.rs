//! What the reference says, in its order.

use serde_json::Value;
use utoipa::openapi::OpenApi;

use crate::controllers::extract::MAX_REQUEST_BYTES;
use crate::document::{API_VERSION, VERSION_HEADER};
use crate::limits::requests::MAX_HEAD_BYTES;
use crate::problem::{CONTENT_TYPE, Code, REFERENCE_PATH};
use crate::reference::block::Block;
use crate::reference::operation::Operation;
use crate::reference::{data, examples};

/// All of it.
pub(super) fn blocks(document: &OpenApi) -> Vec<Block> {
    // A document that cannot be written as JSON is not served either; then the reference has no operations.
    let document = serde_json::to_value(document).unwrap_or_default();
    let operations = Operation::all(&document);
    let mut blocks = introduction();
    blocks.extend(problems());
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = tag["name"].as_str().unwrap_or_default();
        blocks.push(Block::heading(2, &format!("tag-{name}"), &capital(name)));
        blocks.push(Block::text(tag["description"].as_str().unwrap_or_default()));
        for operation in operations.iter().filter(|operation| operation.tag == name) {
            describe(operation, &mut blocks);
        }
    }
    blocks.push(Block::heading(2, "data", "Data"));
    blocks.push(Block::text(
        "The shapes of bodies. Fields may be added to answers; a program ignores those that it does not know.",
    ));
    blocks.extend(data::blocks(&document));
    blocks
}

fn introduction() -> Vec<Block> {
    vec![
        Block::heading(1, "top", "The API of the orchestrator"),
        Block::text(format!(
            "Everything that the page does, a program can do. This is version {API_VERSION}; the OpenAPI document is at \
             `/api/openapi.json`, and this reference, which is made from it, at `{REFERENCE_PATH}`."
        )),
        Block::text(
            "The examples need the address of the orchestrator: `BASE=http://127.0.0.1:5013` in the shell, and a \
             variable `base` in TypeScript and Rust. `client` is a `reqwest::Client` with the feature `json`. Ids in \
             them are placeholders.",
        ),
        Block::heading(2, "authentication", "Authentication"),
        Block::text(
            "There are no accounts: whoever reaches the orchestrator may do everything, so the network decides who \
             that is. A request must name a host that the orchestrator serves (`ALLOWED_HOSTS`, `localhost`, or an \
             address), and a page of another origin is refused unless the orchestrator lists it (`ALLOWED_ORIGINS`).",
        ),
        Block::heading(2, "limits", "Limits"),
        Block::List(vec![
            format!(
                "A body of JSON has at most {} KiB. What a file may have, `GET /api/attachments` says.",
                MAX_REQUEST_BYTES / 1024
            ),
            "A list answers 50 items, or as many as `limit` says, 200 at most; the newest are first. For the next \
             page, `before` is the id of the last item."
                .to_owned(),
            format!(
                "The address and the headers of a request have at most {} KiB, and a body that brings nothing for a \
                 while is given up (408).",
                MAX_HEAD_BYTES / 1024
            ),
            "An answer begins within 60 seconds, or it is a 503.".to_owned(),
            "One client may send so many requests a second, by default 100, and 200 at once after silence; further \
             ones are a 429 (`too_fast`). Who is signed in or sends a key is counted by that, everybody else by the \
             address. A stream is one request."
                .to_owned(),
            "A tenant may have so many jobs at once, further ones wait: `queue` of a job says why, and about how many \
             are before it. Beyond its jobs a day, dollars a month and bytes, requests are a 429 (`limit_reached`), \
             whose field `limit` says which, how much, and when it begins anew. `GET /api/usage` says what is used."
                .to_owned(),
            "Where there is no room for another job, preview, file or stream, the answer is a 503, or a 429 where \
             only the client's own share is used up. Its header `Retry-After` and its field `retry_after_secs` say \
             when another attempt makes sense."
                .to_owned(),
            "A parameter or a field that an operation does not know is refused, so that a misspelt one is noticed."
                .to_owned(),
        ]),
        Block::heading(2, "repetitions", "Repetitions"),
        Block::text(
            "Whoever does not know whether a request for a job, a delivery or a way back arrived sends it again with the \
             same header `Idempotency-Key`: for 24 hours, the same request with the same key is answered with what the \
             first one made, as it is by then, and with the header `Idempotent-Replayed`. Another request with that key \
             is a 422 (`key_reused`). What was refused is not kept.",
        ),
        Block::heading(2, "versions", "Versions and deprecations"),
        Block::text(format!(
            "Every answer has the header `{VERSION_HEADER}`. The first number changes when a program that keeps to \
             the document could break, the second when there is something new, the third when only words change. \
             Before an operation goes, it is marked `deprecated` in the document and here, and its answers have the \
             headers `Deprecation` (RFC 9745) and `Sunset` (RFC 8594), which say since when and until when."
        )),
    ]
}

fn problems() -> Vec<Block> {
    let mut blocks = vec![
        Block::heading(2, "errors", "Errors"),
        Block::text(format!(
            "Every answer with a status from 400 is problem details as of RFC 9457, of type `{CONTENT_TYPE}`: the \
             shape [Problem](#data-Problem). A program reads `code`, a person `detail`; `type` leads to the \
             descriptions below, and `instance` is in the orchestrator's log beside the cause of a 500 or 503."
        )),
    ];
    for code in Code::ALL {
        let heading = format!("{} {}", code.status().as_u16(), code.name());
        blocks.push(Block::heading(3, &code.anchor(), &heading));
        blocks.push(Block::text(format!("{}. {}", code.title(), code.advice())));
    }
    blocks
}

fn describe(operation: &Operation, blocks: &mut Vec<Block>) {
    let heading = format!("{} {}", operation.method, operation.path);
    blocks.push(Block::heading(3, &operation.id, &heading));
    if operation.is_deprecated {
        blocks.push(Block::text(
            "Deprecated: the headers of its answers say until when it is there.",
        ));
    }
    for text in [&operation.summary, &operation.description] {
        if !text.is_empty() {
            blocks.push(Block::Text(text.clone()));
        }
    }
    if !operation.parameters.is_empty() {
        let rows = operation.parameters.iter().map(|parameter| {
            let needed = match parameter.is_required {
                true => "required",
                false => "optional",
            };
            vec![
                format!("`{}`", parameter.name),
                format!("{}, {needed}", parameter.place),
                data::kind(&parameter.schema),
                parameter.description.clone(),
            ]
        });
        blocks.push(Block::Table {
            head: vec!["parameter", "where", "type", "what it is"],
            rows: rows.collect(),
        });
    }
    if let Some(body) = &operation.body {
        let shape = data::kind(&body.schema);
        let text = format!("Body, `{}`: {shape}. {}", body.media_type, body.description);
        blocks.push(Block::text(text.trim()));
    }
    let rows = operation.answers.iter().map(|answer| {
        let shape = match &answer.schema {
            Value::Null => "nothing".to_owned(),
            schema => data::kind(schema),
        };
        vec![answer.status.clone(), shape, answer.description.clone()]
    });
    blocks.push(Block::Table {
        head: vec!["status", "body", "when"],
        rows: rows.collect(),
    });
    blocks.extend(examples::blocks(operation));
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
