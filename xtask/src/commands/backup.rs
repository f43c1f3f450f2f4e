//! `cargo xtask backup`: keeps what an environment has, in its own bucket and, with `--output`, in a folder of this
//! machine.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::shown::backups::{ANSWER, text};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use xtask_core::context::Context;
use xtask_operate::backup::{Whose, create};
use xtask_operate::deploy::guards;

/// Keep the database and all objects of an environment, as they are at one moment
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also copy the backup to this folder of this machine, which must not exist
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Keep the data of `cargo xtask dev` instead of that of an environment
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
                guards::said_yes(context, "backup")?;
                Whose::Environment
            }
        };
        let bound = Duration::from_secs(self.timeout_secs);
        let backup = create(context, whose, self.output.as_deref(), bound)?;
        context.report.result(&backup, &text(&backup, "kept"))?;
        Ok(ExitCode::SUCCESS)
    }
}
