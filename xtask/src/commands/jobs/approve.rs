//! `cargo xtask jobs approve`: what a job asks about may go on.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::jobs::decide;
use crate::commands::product::Server;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::deploy::guards;

/// Let a job go on that waits for a decision
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the job
    #[arg(value_name = "JOB")]
    id: String,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer =
        Answer::Object("a JOB, see below; the next attempt goes on with the decision");

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "jobs approve")?;
        decide(context, &self.server, &self.id, "approve", None)
    }
}
