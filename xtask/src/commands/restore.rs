//! `cargo xtask restore`: brings a backup back into an environment whose orchestrator is stopped.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::shown::backups::{ANSWER, text};
use std::process::ExitCode;
use std::time::Duration;
use xtask_core::context::Context;
use xtask_operate::backup::{Wanted, Whose, confirm, restore};
use xtask_operate::deploy::guards;

/// Bring a backup back: all of it or nothing
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of a backup of the environment, or a folder that `backup --output` wrote
    #[arg(value_name = "BACKUP")]
    backup: String,
    /// Remove the rows that are there; without this, only an empty environment is filled
    #[arg(long)]
    replace: bool,
    /// SHA-256 that `backup` showed; a backup that was changed since then is refused
    #[arg(long, value_name = "DIGEST")]
    sha256: Option<String>,
    /// Fill the data of `cargo xtask dev` instead of an environment
    #[arg(long)]
    dev: bool,
    /// Give up after this time
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout_secs: u64,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = ANSWER;

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let whose = match self.dev {
            true => Whose::Dev,
            false => {
                guards::said_yes(context, &format!("restore {}", self.backup))?;
                Whose::Environment
            }
        };
        if self.replace {
            confirm(context, whose)?;
        }
        let wanted = Wanted {
            replace: self.replace,
            sha256: self.sha256,
        };
        let bound = Duration::from_secs(self.timeout_secs);
        let backup = restore(context, whose, &self.backup, &wanted, bound)?;
        context.report.result(&backup, &text(&backup, "restored"))?;
        Ok(ExitCode::SUCCESS)
    }
}
