//! Results that a command writes line by line, each as soon as it is known: logs, and `--watch`.

use crate::report::printable::{self, Painted};
use std::io::{self, IsTerminal as _, Write as _};

/// Moves to the top left and clears from there on, so that a new drawing does not flicker.
const REDRAW: &str = "\x1b[H\x1b[J";

/// Writes one line to standard output at once, without a buffer; in colours where a terminal wants
/// them. Whether an error is a failure of the command is decided by [`reader_is_gone`], here and
/// below.
///
/// # Errors
/// Standard output cannot be written to.
pub fn print(line: &Painted) -> anyhow::Result<()> {
    let wants_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    write(&line.shown(wants_colours && io::stdout().is_terminal()))
}

/// Writes a value as one line of JSON.
///
/// # Errors
/// As [`print`].
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    write(&printable::json(value)?)
}

/// Writes a text of several lines; on a terminal, in place of the text before it.
///
/// # Errors
/// As [`print`].
pub fn redraw(text: &str) -> anyhow::Result<()> {
    let clear = if io::stdout().is_terminal() {
        REDRAW
    } else {
        ""
    };
    write(&format!("{clear}{}", printable::printable_lines(text)))
}

/// Writes a text unchanged, and a line end. On a terminal, what would act on that is escaped.
///
/// # Errors
/// As [`print`].
pub fn print_raw(text: &str) -> anyhow::Result<()> {
    write(&raw(text, io::stdout().is_terminal()))
}

fn raw(text: &str, on_terminal: bool) -> std::borrow::Cow<'_, str> {
    match on_terminal {
        true => printable::printable_lines(text),
        false => text.into(),
    }
}

/// Whether the error only means that the reader of standard output has closed it, as `head` does
/// when it has seen enough. Then the command has not failed.
#[must_use]
pub fn reader_is_gone(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn write(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_raw_is_unchanged_but_on_a_terminal() {
        assert_eq!(raw("a\x1b[2J\nb", false), "a\x1b[2J\nb");
        assert_eq!(raw("a\x1b[2J\nb", true), "a\\u{1b}[2J\nb");
    }
}
