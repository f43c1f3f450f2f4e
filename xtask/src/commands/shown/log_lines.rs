//! Lines of logs, as `logs` and `run` print them.

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
        Self {
            json: context.report.json(),
            raw,
            painter: Painter::default(),
        }
    }

    /// # Errors
    /// Standard output cannot be written to.
    pub(crate) fn print(&mut self, line: &LogRecord) -> anyhow::Result<()> {
        if self.json {
            lines::print_json(line)
        } else if self.raw {
            lines::print_raw(&line.message)
        } else {
            lines::print(&self.painter.line(line))
        }
    }
}
