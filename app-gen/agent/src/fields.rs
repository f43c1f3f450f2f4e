//! Lines that may be no JSON, and fields that may be missing or of another type. Nothing here fails.

use crate::lines::Line;
use app_gen_contract::{Activity, Excerpt};
use serde_json::Value;
use time::OffsetDateTime;

pub(crate) fn text<'value>(value: &'value Value, pointer: &str) -> Option<&'value str> {
    value.pointer(pointer)?.as_str()
}

pub(crate) fn owned(value: &Value, pointer: &str) -> Option<String> {
    text(value, pointer).map(str::to_owned)
}

pub(crate) fn number(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer)?.as_u64()
}

pub(crate) fn status(value: &Value, pointer: &str) -> Option<u16> {
    number(value, pointer)?.try_into().ok()
}

/// Seconds since 1970.
pub(crate) fn moment(value: &Value, pointer: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(value.pointer(pointer)?.as_i64()?).ok()
}

pub(crate) fn list<'value>(value: &'value Value, pointer: &str) -> &'value [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The text of what is a string, or a list of blocks with texts.
pub(crate) fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().map(|block| match text(block, "/text") {
                Some(text) => text.to_owned(),
                None => format!("[{}]", text_or(block, "/type", "block")),
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn text_or<'value>(value: &'value Value, pointer: &str, or: &'value str) -> &'value str {
    text(value, pointer).unwrap_or(or)
}

/// The object of a line.
pub(crate) fn parse(line: &Line) -> Option<Value> {
    let Line::Whole(bytes) = line else {
        return None;
    };
    let value: Value = serde_json::from_slice(bytes).ok()?;
    value.is_object().then_some(value)
}

pub(crate) fn unknown(line: &Line) -> Activity {
    let line = match line {
        Line::Whole(bytes) => Excerpt::new(&String::from_utf8_lossy(bytes)),
        Line::TooLong { start, bytes } => {
            let start = String::from_utf8_lossy(start);
            Excerpt::new(&format!("{start}\n[… a line of {bytes} bytes …]"))
        }
    };
    Activity::Unknown { line }
}
