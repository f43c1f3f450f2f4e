//! What a person sees while a command works (standard error) and what it
//! returns (standard output: a table, or one JSON object with `--json`).
//!
//! Progress has three forms: text for people, with `--json` one JSON object a line, and in
//! GitHub Actions groups that fold.

mod actions;
pub mod lines;

use crate::error::Rendered;
use anyhow::Context as _;
use serde_json::json;
use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Progress and results of one command. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Report {
    json: bool,
    verbosity: Verbosity,
    form: Form,
    summary: Option<actions::Summary>,
    started: Instant,
}

/// How much of the progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// No progress: nothing but the result, or the error.
    Quiet,
    /// Steps and the output of the tools.
    Normal,
    /// Also each command line.
    Verbose,
}

/// How progress is written.
#[derive(Debug, Clone)]
enum Form {
    /// For people, on a terminal that takes colours or elsewhere.
    Text { colour: bool },
    /// One JSON object a line.
    Events,
    /// A group for each step, which GitHub folds; whether one is open.
    Groups(Arc<AtomicBool>),
}

impl Form {
    fn new(json: bool) -> Self {
        if json {
            Self::Events
        } else if actions::runs_us() {
            Self::Groups(Arc::default())
        } else {
            let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            Self::Text {
                colour: wanted && io::stderr().is_terminal(),
            }
        }
    }
}

impl Report {
    /// A report that starts its clock now.
    #[must_use]
    pub fn new(json: bool, verbosity: Verbosity) -> Self {
        Self {
            json,
            verbosity,
            form: Form::new(json),
            summary: actions::Summary::of_this_step(),
            started: Instant::now(),
        }
    }

    /// Whether the result is wanted as JSON.
    #[must_use]
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether the lines of the tools reach the terminal.
    #[must_use]
    pub fn shows_lines(&self) -> bool {
        self.verbosity >= Verbosity::Normal
    }

    /// Seconds since the command began.
    #[must_use]
    pub fn elapsed_secs(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Says what is about to be done.
    pub fn step(&self, text: &str) {
        if self.verbosity < Verbosity::Normal {
            return;
        }
        let at = self.clock();
        match &self.form {
            Form::Text { colour: true } => write(&format!("{at} \x1b[1m{text}\x1b[0m")),
            Form::Text { colour: false } => write(&format!("{at} {text}")),
            Form::Events => self.event("step", text, None),
            Form::Groups(open) => {
                let end = actions::end_of_group(open.swap(true, Ordering::SeqCst));
                let text = actions::escaped(text);
                write(&format!("{end}::group::{at} {text}"));
            }
        }
    }

    /// Shows a line that a tool wrote.
    pub fn line(&self, label: &str, text: &str) {
        if self.verbosity < Verbosity::Normal {
            return;
        }
        match &self.form {
            Form::Text { colour: true } => write(&format!("\x1b[2m{label:>9} |\x1b[0m {text}")),
            Form::Events => self.event("line", text, Some(label)),
            // The label keeps a tool's line from being a command of the workflow.
            Form::Text { colour: false } | Form::Groups(_) => {
                write(&format!("{label:>9} | {text}"));
            }
        }
    }

    /// Shows a detail that only `--verbose` asks for.
    pub fn debug(&self, text: &str) {
        if self.verbosity < Verbosity::Verbose {
            return;
        }
        match &self.form {
            Form::Events => self.event("debug", text, None),
            Form::Text { .. } | Form::Groups(_) => write(&format!("{} {text}", self.clock())),
        }
    }

    /// Asks a person at the terminal, also where the command is quiet; the answer stands behind it.
    pub(super) fn question(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
    }

    /// Ends the command with what went wrong, also where it is quiet: on standard error, and
    /// with `--json` as the one object on standard output.
    pub fn error(&self, error: &Rendered) {
        if self.json {
            // Nobody is left to tell that standard output is closed.
            let _ = writeln!(io::stdout().lock(), "{}", json!({ "error": error }));
        }
        let mut text = error.message.clone();
        for cause in &error.causes {
            text.push_str(&format!("\n  because: {cause}"));
        }
        if let Some(hint) = &error.hint {
            text.push_str(&format!("\nhint: {hint}"));
        }
        match &self.form {
            Form::Text { .. } => write(&format!("error: {text}")),
            Form::Events => self.event("error", &text, None),
            Form::Groups(open) => {
                let end = actions::end_of_group(open.swap(false, Ordering::SeqCst));
                let annotation = actions::escaped(&text);
                write(&format!("{end}error: {text}\n::error::{annotation}"));
            }
        }
    }

    /// Ends the command: the JSON value with `--json`, else the text.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub fn result(&self, value: &impl serde::Serialize, text: &str) -> anyhow::Result<()> {
        self.stream(value, |stdout| writeln!(stdout, "{}", text.trim_end()))
    }

    /// As [`Report::result`], for a text too long to be held.
    ///
    /// # Errors
    /// Standard output cannot be written to. A reader that has seen enough is no error.
    pub fn stream(
        &self,
        value: &impl serde::Serialize,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        if let Form::Groups(open) = &self.form
            && open.swap(false, Ordering::SeqCst)
        {
            write("::endgroup::");
        }
        let mut stdout = io::BufWriter::new(io::stdout().lock());
        let written = match (self.json, &self.summary) {
            (true, _) => serde_json::to_writer(&mut stdout, value)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(stdout)),
            (false, None) => text(&mut stdout),
            (false, Some(summary)) => summary.copy_of(&mut stdout, text),
        };
        match written.and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.context("failed to write to standard output"),
        }
    }

    fn event(&self, event: &str, text: &str, label: Option<&str>) {
        let seconds = (self.elapsed_secs() * 1000.0).round() / 1000.0;
        let event = json!({ "event": event, "seconds": seconds, "text": text, "label": label });
        write(&event.to_string());
    }

    fn clock(&self) -> String {
        format!("[{:>6.1}s]", self.elapsed_secs())
    }
}

fn write(text: &str) {
    // A closed standard error must not end the command.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Text without control characters, which would act on a terminal or break a line.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        let escaped = text.chars().map(|character| match character.is_control() {
            true => character.escape_default().to_string(),
            false => character.to_string(),
        });
        Cow::Owned(escaped.collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Longest cell of a table; `--json` has the whole of it.
const CELL_CHARACTERS: usize = 72;

/// Lays rows out in columns under a heading; the last column is not padded.
#[must_use]
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |row: usize, column: usize| -> String {
        let cell = if row == 0 {
            heading[column]
        } else {
            rows[row - 1].get(column).map_or("", String::as_str)
        };
        if cell.chars().count() <= CELL_CHARACTERS {
            cell.to_owned()
        } else {
            cell.chars()
                .take(CELL_CHARACTERS - 1)
                .chain(['…'])
                .collect()
        }
    };
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| {
            (0..=rows.len())
                .map(|row| cells(row, column).chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in 0..=rows.len() {
        let mut line = String::new();
        for (column, width) in widths.iter().enumerate() {
            line.push_str(&format!("{:<width$}  ", cells(row, column)));
        }
        text.push_str(line.trim_end());
        text.push('\n');
        if row == 0 {
            let total = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
            text.push_str(&"─".repeat(total));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned() {
        let rows = vec![
            vec!["app".to_owned(), "built".to_owned()],
            vec!["generator".to_owned(), "present".to_owned()],
        ];
        insta::assert_snapshot!(table(&["image", "state"], &rows), @r"
        image      state
        ──────────────────
        app        built
        generator  present
        ");
    }
}
