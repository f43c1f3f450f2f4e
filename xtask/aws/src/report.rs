//! The two streams: one JSON object on stdout, progress lines on stderr.

use serde::Serialize;
use serde_json::{Value, json};
use std::io::{BufWriter, Stdout, Write};

/// What a command came to: the object to print, and whether it counts as a success.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) value: Value,
    pub(crate) exit_code: u8,
}

impl Outcome {
    /// A success that prints `value`.
    ///
    /// # Errors
    /// `value` cannot be written as JSON.
    pub(crate) fn success(value: impl Serialize) -> anyhow::Result<Self> {
        Ok(Self {
            value: serde_json::to_value(value)?,
            exit_code: 0,
        })
    }

    /// The success of a command that has printed everything already.
    pub(crate) fn silent() -> Self {
        Self {
            value: Value::Null,
            exit_code: 0,
        }
    }
}

/// The object of a failure.
pub(crate) fn error_value(message: &str, causes: &[String], hint: Option<&str>) -> Value {
    json!({ "error": { "message": message, "causes": causes, "hint": hint } })
}

/// Objects on stdout while a command runs, one a line.
#[derive(Debug)]
pub(crate) struct Lines(BufWriter<Stdout>);

impl Lines {
    pub(crate) fn new() -> Self {
        Self(BufWriter::new(std::io::stdout()))
    }

    /// # Errors
    /// Nobody reads stdout any more, or it is full.
    pub(crate) fn write(&mut self, value: &impl Serialize) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.0, value)?;
        self.0.write_all(b"\n")
    }

    /// To be called before every wait: what was written is to be seen.
    ///
    /// # Errors
    /// Nobody reads stdout any more, or it is full.
    pub(crate) fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Prints the one object of this run; a command that streams may have none.
///
/// # Errors
/// stdout is closed or full.
pub(crate) fn print(value: &Value) -> std::io::Result<()> {
    if value.is_null() {
        return Ok(());
    }
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, value)?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// Says on stderr what is being done.
#[expect(clippy::print_stderr, reason = "stderr is where progress goes")]
pub(crate) fn step(message: &str) {
    eprintln!("{message}");
}
