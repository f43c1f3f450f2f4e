//! Progress of a run with `--json`, back in the form that people read.

use serde_json::Value;

/// Each event as `step`, or as `label | line`; what is no event as it is.
pub(crate) fn readable(progress: &str) -> String {
    let lines: Vec<String> = progress.split('\n').map(readable_line).collect();
    lines.join("\n")
}

fn readable_line(line: &str) -> String {
    let Ok(Value::Object(event)) = serde_json::from_str(line) else {
        return line.to_owned();
    };
    match (event["label"].as_str(), event["text"].as_str()) {
        (Some(label), Some(text)) => format!("{label} | {text}"),
        (None, Some(text)) => text.to_owned(),
        (_, None) => line.to_owned(),
    }
}
