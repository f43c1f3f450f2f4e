//! The objects that `xtask-aws` writes while it reads a log or runs a task, one per line.

use crate::logs::raw_line::RawLine;
use crate::status::answers::Task;
use serde_json::Value;

/// One object of the stream.
pub enum Streamed {
    /// A line of the log.
    Line(RawLine),
    /// The task that alone was followed has ended.
    Ended(Box<Task>),
    /// The call has failed, with this message.
    Failed(String),
}

impl Streamed {
    /// Reads an object.
    ///
    /// # Errors
    /// A line or a task in it lacks a field.
    pub fn new(mut value: Value) -> anyhow::Result<Self> {
        if value.get("message").is_some() {
            return Ok(Self::Line(serde_json::from_value(value)?));
        }
        // A line has a `task` too, but only its id.
        if let Some(task @ Value::Object(_)) = value.get_mut("task").map(Value::take) {
            return Ok(Self::Ended(Box::new(serde_json::from_value(task)?)));
        }
        let message = value["error"]["message"].as_str();
        Ok(Self::Failed(message.unwrap_or_default().to_owned()))
    }
}
