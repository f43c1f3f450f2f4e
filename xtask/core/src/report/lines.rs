//! Results that a command writes line by line, each as soon as it is known: logs, and `--watch`.

use std::io::{self, Write as _};

/// Writes one line to standard output at once, without a buffer. Whether an error is a failure of
/// the command is decided by [`reader_is_gone`].
///
/// # Errors
/// Standard output cannot be written to.
pub fn print(line: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// Whether the error only means that the reader of standard output has closed it, as `head` does
/// when it has seen enough. Then the command has not failed.
#[must_use]
pub fn reader_is_gone(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
