//! `logs tail|read`: what tasks wrote.

mod job;
mod read;
mod tail;

pub(super) use read::{Running, follow_started};

use crate::config::Cloud;
use crate::report::Outcome;

/// What tasks wrote
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// The last lines of a log stream
    Tail(tail::Args),
    /// The lines of services and tasks, one JSON object a line
    Read(read::Args),
}

/// # Errors
/// A call fails, or what is followed is interrupted.
pub(crate) async fn run(command: Command, cloud: &Cloud) -> anyhow::Result<Outcome> {
    match command {
        Command::Tail(args) => tail::run(args, cloud).await,
        Command::Read(args) => read::run(args, cloud).await,
    }
}
