//! Questions to a person at a terminal. A program is never asked: where standard input or
//! standard error is no terminal, or `--json` is wanted, there is no answer.

use crate::interrupt;
use crate::report::Report;
use anyhow::Context as _;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal as _};

/// Whether somebody can be asked.
#[must_use]
pub fn somebody_is_there(report: &Report) -> bool {
    !report.json() && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The line that a person answers with; nothing where nobody can be asked.
///
/// # Errors
/// The terminal cannot be read, or Ctrl-C is the answer.
pub fn line(report: &Report, question: &str) -> anyhow::Result<Option<String>> {
    if !somebody_is_there(report) {
        return Ok(None);
    }
    report.question(question);
    read_line().map(Some)
}

/// As [`line`], and what is typed is not shown.
///
/// # Errors
/// As [`line`].
pub fn hidden(report: &Report, question: &str) -> anyhow::Result<Option<String>> {
    if !somebody_is_there(report) {
        return Ok(None);
    }
    let silence = Silence::begin()?;
    report.question(question);
    let answer = read_line();
    drop(silence);
    // The one that was typed was not shown either.
    report.question("\n");
    answer.map(Some)
}

fn read_line() -> anyhow::Result<String> {
    // A read of the terminal cannot be broken off; the thread ends with us.
    let (read, mut line) = interrupt::abandon(|| {
        let mut line = String::new();
        (io::stdin().read_line(&mut line), line)
    })?;
    read.context("failed to read the terminal")?;
    line.truncate(line.trim_end_matches(['\n', '\r']).len());
    Ok(line)
}

/// The terminal does not show what is typed while this lives.
struct Silence(Termios);

impl Silence {
    fn begin() -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin()).context("failed to ask the terminal")?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)
            .context("failed to silence the terminal")?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // What was typed ahead is left for whoever reads next.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
