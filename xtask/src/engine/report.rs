//! What a person sees while a command works (standard error) and what it
//! returns (standard output: a table, or one JSON object with `--json`).

use anyhow::Context as _;
use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};
use std::time::Instant;

/// Progress and results of one command. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Report {
    json: bool,
    verbosity: Verbosity,
    colour: bool,
    started: Instant,
}

/// How much of the progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Nothing but errors.
    Quiet,
    /// Steps and the output of the tools.
    Normal,
    /// Also each command line.
    Verbose,
}

impl Report {
    /// A report that starts its clock now.
    #[must_use]
    pub fn new(json: bool, verbosity: Verbosity) -> Self {
        let colour = io::stderr().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            json,
            verbosity,
            colour,
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
        if self.verbosity >= Verbosity::Normal {
            let (bold, reset) = if self.colour {
                ("\x1b[1m", "\x1b[0m")
            } else {
                ("", "")
            };
            self.write(&format!(
                "[{:>6.1}s] {bold}{text}{reset}",
                self.elapsed_secs()
            ));
        }
    }

    /// Shows a line that a tool wrote.
    pub fn line(&self, label: &str, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            let (dim, reset) = if self.colour {
                ("\x1b[2m", "\x1b[0m")
            } else {
                ("", "")
            };
            self.write(&format!("{dim}{label:>9} |{reset} {text}"));
        }
    }

    /// Shows a detail that only `--verbose` asks for.
    pub fn debug(&self, text: &str) {
        if self.verbosity >= Verbosity::Verbose {
            self.write(&format!("[{:>6.1}s] {text}", self.elapsed_secs()));
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
        let mut stdout = io::BufWriter::new(io::stdout().lock());
        let written = if self.json {
            serde_json::to_writer(&mut stdout, value)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(stdout))
        } else {
            text(&mut stdout)
        };
        match written.and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.context("failed to write to standard output"),
        }
    }

    fn write(&self, text: &str) {
        // A closed standard error must not end the command.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
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
