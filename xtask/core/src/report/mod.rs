//! What a command shows while it works (on standard error) and what it returns (on standard
//! output: text for people, or with `--json` one JSON object).
//!
//! Progress has three forms: text for people, one JSON object on each line with `--json`, and
//! groups that fold in GitHub Actions. What is worth showing is up to the commands. Whatever they
//! show is made [`printable`] here.

mod actions;
pub mod lines;
mod printable;
mod table;

use crate::error::Rendered;
use crate::report::printable::{PrintableWriter, printable_block, printable_lines, write_json};
use anyhow::Context as _;
use serde_json::json;
use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub use crate::report::printable::{Painted, printable};
pub use crate::report::table::table;

/// Progress and result of one command. It is cheap to clone.
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
    /// Only the result, or the error.
    Quiet,
    /// Also the steps, and the lines that tools write.
    Normal,
    /// Also every command line.
    Verbose,
}

/// How progress is written.
#[derive(Debug, Clone)]
enum Form {
    /// Lines for people, with colours where standard error is a terminal.
    Text { colour: bool },
    /// One JSON object on each line.
    Events,
    /// A group for each step, which GitHub folds. The flag says whether one is open.
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
    /// A report whose clock starts now.
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

    /// Whether the command was given `--json`.
    #[must_use]
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether the lines that tools write are shown.
    #[must_use]
    pub fn shows_lines(&self) -> bool {
        self.verbosity >= Verbosity::Normal
    }

    /// Seconds since the command started.
    #[must_use]
    pub fn elapsed_secs(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Announces the next step of the command.
    pub fn step(&self, text: &str) {
        if self.verbosity < Verbosity::Normal {
            return;
        }
        let at = self.clock();
        match &self.form {
            Form::Text { colour } => write(&step(&at, text, *colour)),
            Form::Events => self.event("step", text, None),
            Form::Groups(open) => {
                let end = actions::end_of_group(open.swap(true, Ordering::SeqCst));
                let text = actions::escaped(&printable_block(text));
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
            Form::Text { colour } => write(&labelled(label, text, *colour)),
            Form::Events => self.event("line", text, Some(label)),
            // Because of the label, GitHub does not read a tool's line as a workflow command.
            Form::Groups(_) => write(&labelled(label, text, false)),
        }
    }

    /// Shows a detail with `--verbose`.
    pub fn debug(&self, text: &str) {
        if self.verbosity < Verbosity::Verbose {
            return;
        }
        match &self.form {
            Form::Events => self.event("debug", text, None),
            Form::Text { .. } | Form::Groups(_) => write(&step(&self.clock(), text, false)),
        }
    }

    /// Shows a question at the terminal, also with `--quiet`. The line does not end, because the
    /// answer is typed behind it.
    pub(super) fn question(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "{}", printable_block(text)).and_then(|()| stderr.flush());
    }

    /// Ends the line of a question whose answer the terminal did not show.
    pub(super) fn end_of_question(&self) {
        write("");
    }

    /// Shows the error that ended the command, also with `--quiet`: on standard error, and with
    /// `--json` also as the one object on standard output.
    pub fn error(&self, error: &Rendered) {
        if self.json {
            // Where standard output is closed, standard error still has the error.
            let mut stdout = io::stdout().lock();
            let _ =
                write_json(&mut stdout, &json!({ "error": error })).and_then(|()| writeln!(stdout));
        }
        let text = error_text(error);
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

    /// Writes the result: the value as JSON with `--json`, else the text.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub fn result(&self, value: &impl serde::Serialize, text: &str) -> anyhow::Result<()> {
        self.stream(value, |stdout| writeln!(stdout, "{}", text.trim_end()))
    }

    /// As [`Report::result`], for a text that is too long to be built in memory.
    ///
    /// # Errors
    /// Standard output cannot be written to. It is not an error that its reader closed it.
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
            (true, _) => write_json(&mut stdout, value).and_then(|()| writeln!(stdout)),
            (false, None) => print(&mut stdout, text),
            (false, Some(summary)) => summary.copy_of(&mut stdout, |copied| print(copied, text)),
        };
        match written.and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.context("failed to write to standard output"),
        }
    }

    fn event(&self, event: &str, text: &str, label: Option<&str>) {
        let seconds = (self.elapsed_secs() * 1000.0).round() / 1000.0;
        let event = json!({ "event": event, "seconds": seconds, "text": text, "label": label });
        if let Ok(line) = printable::json(&event) {
            write(&line);
        }
    }

    fn clock(&self) -> String {
        format!("[{:>6.1}s]", self.elapsed_secs())
    }
}

fn write(text: &str) {
    // A closed standard error must not end the command.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Passes a result on to standard output.
fn print(
    output: &mut dyn Write,
    text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut printable = PrintableWriter::new(output);
    text(&mut printable)?;
    printable.flush()
}

fn step(clock: &str, text: &str, colour: bool) -> String {
    let text = printable_block(text);
    match colour {
        true => format!("{clock} \x1b[1m{text}\x1b[0m"),
        false => format!("{clock} {text}"),
    }
}

fn labelled(label: &str, text: &str, colour: bool) -> String {
    // Windows' line ends come from some tools everywhere.
    let text = printable_lines(text.trim_end_matches('\r')).replace('\n', r"\n");
    match colour {
        true => format!("\x1b[2m{label:>9} |\x1b[0m {text}"),
        false => format!("{label:>9} | {text}"),
    }
}

fn error_text(error: &Rendered) -> String {
    let mut text = printable_block(&error.message);
    for cause in &error.causes {
        text.push_str(&format!("\n  because: {}", printable_block(cause)));
    }
    if let Some(hint) = &error.hint {
        text.push_str(&format!("\nhint: {}", printable_block(hint)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clears the screen, returns to the start of the line, and forges a line of ours.
    const HOSTILE: &str = "one\x1b[2J\rtwo\nhint: rm -rf ~";

    #[test]
    fn what_comes_from_outside_cannot_act_on_the_terminal() {
        assert_eq!(
            step("[   0.1s]", HOSTILE, false),
            "[   0.1s] one\\u{1b}[2J\\rtwo\n    hint: rm -rf ~"
        );
        assert_eq!(
            step("[   0.1s]", HOSTILE, true),
            "[   0.1s] \x1b[1mone\\u{1b}[2J\\rtwo\n    hint: rm -rf ~\x1b[0m"
        );
        assert_eq!(
            labelled("npm", &format!("{HOSTILE}\t!\r"), false),
            "      npm | one\\u{1b}[2J\\rtwo\\nhint: rm -rf ~\t!"
        );
        let rendered = Rendered {
            message: HOSTILE.to_owned(),
            causes: vec![HOSTILE.to_owned()],
            hint: Some("cargo xtask doctor".to_owned()),
            exit_code: 1,
        };
        insta::assert_snapshot!(error_text(&rendered), @r"
        one\u{1b}[2J\rtwo
            hint: rm -rf ~
          because: one\u{1b}[2J\rtwo
            hint: rm -rf ~
        hint: cargo xtask doctor
        ");
    }

    #[test]
    fn a_result_cannot_act_on_the_terminal() {
        let mut output = Vec::new();
        print(&mut output, |output| writeln!(output, "a\x1b[2J\tb\nc")).unwrap();
        assert_eq!(output, b"a\\u{1b}[2J\tb\nc\n");
    }
}
