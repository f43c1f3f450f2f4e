//! Results that come line by line, each as soon as it is known: logs, `--watch`.

use std::io::{self, Write as _};

/// Writes one line to standard output, and does not keep it back in a buffer.
/// [`reader_is_gone`] tells an error that is none.
///
/// # Errors
/// Standard output cannot be written to.
pub fn print(line: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// Whether an error only means that the reader has seen enough, as `head` has: the command has
/// not failed then.
#[must_use]
pub fn reader_is_gone(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
