//! `cargo xtask jobs reject`: what a job asks about may not go on like this.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::jobs::decide;
use crate::commands::product::Server;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::deploy::guards;

/// Refuse what a job asks about, with the reason
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the job
    #[arg(value_name = "JOB")]
    id: String,
    /// Why it may not go on like this
    #[arg(value_name = "REASON")]
    reason: String,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer =
        Answer::Object("a JOB, see below; the next attempt goes on with the decision");

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "jobs reject")?;
        decide(
            context,
            &self.server,
            &self.id,
            "reject",
            Some(&self.reason),
        )
    }
}
