//! The two streams: JSON objects on standard output, progress lines on standard error.

use serde::Serialize;
use serde_json::Value;
use std::io::{BufWriter, Stdout, Write};
use xtask_aws_api::calls::stream_item::StreamItem;
use xtask_aws_api::{ErrorBody, ErrorObject, ExitCode};

/// What a command ends with: its last object, and how the process exits.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    /// `None` where everything has been printed already.
    pub(crate) value: Option<Value>,
    /// `None` for a success.
    pub(crate) failure: Option<ExitCode>,
}

impl Outcome {
    /// A success with `value` as its last object, if it has one.
    ///
    /// # Errors
    /// `value` cannot be written as JSON.
    pub(crate) fn success(value: Option<&impl Serialize>) -> anyhow::Result<Self> {
        Ok(Self {
            value: value.map(serde_json::to_value).transpose()?,
            failure: None,
        })
    }

    /// A failure.
    pub(crate) fn failure(error: ErrorBody, exit_code: ExitCode) -> Self {
        Self {
            // A struct of texts is always JSON.
            value: serde_json::to_value(ErrorObject { error }).ok(),
            failure: Some(exit_code),
        }
    }
}

/// Objects on standard output while a command runs, one a line.
#[derive(Debug)]
pub(crate) struct Lines(BufWriter<Stdout>);

impl Lines {
    pub(crate) fn new() -> Self {
        Self(BufWriter::new(std::io::stdout()))
    }

    /// # Errors
    /// Nobody reads standard output any more, or its disk is full.
    pub(crate) fn write(&mut self, item: &StreamItem) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.0, item)?;
        self.0.write_all(b"\n")
    }

    /// Shows what was written. Every wait has to come after this.
    ///
    /// # Errors
    /// Nobody reads standard output any more, or its disk is full.
    pub(crate) fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Prints the last object of this run.
///
/// # Errors
/// Nobody reads standard output any more, or its disk is full.
pub(crate) fn print(value: &Value) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, value)?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// Reports progress on standard error.
#[expect(clippy::print_stderr, reason = "progress belongs on standard error")]
pub(crate) fn step(message: &str) {
    eprintln!("{message}");
}
