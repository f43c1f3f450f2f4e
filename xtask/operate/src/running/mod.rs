//! What people do with a platform that runs: look at it, read its logs, start and stop parts.
//!
//! `answers` is what `xtask-aws` says of it, `overview` asks for all of that at once, `change`
//! starts services anew and scales them, `logs` reads from wherever something runs, `record`
//! makes a line of a log readable, `selection` is what a command line names.

pub mod answers;
pub mod change;
pub mod inside;
pub mod overview;

use std::io::{self, Write as _};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask_core::context::Context;

/// The local cloud runs, where that is what is asked.
///
/// # Errors
/// It is not installed, or does not start.
pub fn require_cloud(context: &Context) -> anyhow::Result<()> {
    if context.is_local() {
        xtask_machine::ministack::require(context)?;
    }
    Ok(())
}

/// Writes one line of results at once. [`went_away`] tells whether there is nobody to read it.
///
/// # Errors
/// Standard output cannot be written to.
pub fn say(line: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// Whether an error is that of a reader that has seen enough, which is none.
#[must_use]
pub fn went_away(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// How long ago that was, for a table; a dash where it is no time.
#[must_use]
pub fn age(at: Option<&str>) -> String {
    let Some(at) = at.and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok()) else {
        return "—".to_owned();
    };
    match (OffsetDateTime::now_utc() - at).whole_seconds() {
        seconds @ ..120 => format!("{} s", seconds.max(0)),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_read_at_a_glance() {
        let ago = |seconds| {
            let at = OffsetDateTime::now_utc() - time::Duration::seconds(seconds);
            age(Some(&at.format(&Rfc3339).unwrap()))
        };
        assert_eq!(
            [-5, 119, 125, 7_199, 7_300, 172_900].map(ago),
            ["0 s", "119 s", "2 min", "119 min", "2 h", "2 days"]
        );
        assert_eq!(age(None), "—");
        assert_eq!(age(Some("yesterday")), "—");
    }
}
