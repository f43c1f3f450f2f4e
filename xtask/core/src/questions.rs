//! Questions to a person at a terminal. A program is never asked: where standard input or
//! standard error is not a terminal, or the command was given `--json`, nobody answers.
//!
//! What follows from an answer, or from its absence, is up to the caller.

use crate::interrupt;
use crate::report::Report;
use anyhow::Context as _;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal as _};

/// Whether a person is there to be asked.
#[must_use]
pub fn somebody_is_there(report: &Report) -> bool {
    !report.json() && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The line that a person answers with; `None` where nobody can be asked.
///
/// # Errors
/// The terminal cannot be read, or the person presses Ctrl-C.
pub fn line(report: &Report, question: &str) -> anyhow::Result<Option<String>> {
    if !somebody_is_there(report) {
        return Ok(None);
    }
    report.question(question);
    read_line().map(Some)
}

/// As [`line`], but the terminal does not show what is typed.
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
    // The newline that ended the answer was not shown either.
    report.end_of_question();
    answer.map(Some)
}

fn read_line() -> anyhow::Result<String> {
    // A read of the terminal cannot be interrupted; its thread ends with this process.
    let (read, mut line) = interrupt::abandon(|| {
        let mut line = String::new();
        (io::stdin().read_line(&mut line), line)
    })?;
    read.context("failed to read the terminal")?;
    without_line_end(&mut line);
    Ok(line)
}

/// Takes one line end off, as editors, `echo` and the enter key write it: `\n` or `\r\n`. Every
/// other character belongs to the value.
pub fn without_line_end(text: &mut String) {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
}

/// Keeps the terminal from showing what is typed until it is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> anyhow::Result<Self> {
        let before =
            tcgetattr(io::stdin()).context("failed to read the settings of the terminal")?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)
            .context("failed to hide what is typed at the terminal")?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // `Now` keeps what was typed ahead for the next reader.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_taken_off_and_nothing_else() {
        for (text, value) in [
            ("abc", "abc"),
            ("abc\n", "abc"),
            ("abc\r\n", "abc"),
            ("abc\n\n", "abc\n"),
            ("abc\r\n\r\n", "abc\r\n"),
            ("abc\n\r\n", "abc\n"),
            ("abc\r", "abc\r"),
            (" abc \t\n", " abc \t"),
            ("\n", ""),
            ("\r\n", ""),
            ("", ""),
        ] {
            let mut taken = text.to_owned();
            without_line_end(&mut taken);
            assert_eq!(taken, value, "{text:?}");
        }
    }
}
