//! Lines of logs, as `logs` and `run` print them.

use std::io::{self, IsTerminal as _};
use xtask_aws_api::calls::logs::LogRecord;
use xtask_core::context::Context;
use xtask_core::report::lines;
use xtask_operate::logs::painter::Painter;

/// The prefix of the ids of jobs that `run` starts.
pub(crate) const MANUAL_JOB: &str = "manual-";

/// Prints lines in the form that the command line asks for.
pub(crate) struct Printer {
    json: bool,
    raw: bool,
    painter: Painter,
}

impl Printer {
    pub(crate) fn new(context: &Context, raw: bool) -> Self {
        let colour = io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            json: context.report.json(),
            raw,
            painter: Painter::new(colour),
        }
    }

    /// # Errors
    /// Standard output cannot be written to.
    pub(crate) fn print(&mut self, line: &LogRecord) -> anyhow::Result<()> {
        if self.json {
            lines::print(&serde_json::to_string(line)?)
        } else if self.raw {
            lines::print(&line.message)
        } else {
            lines::print(&self.painter.line(line))
        }
    }
}
