//! `cargo xtask jobs defer`: a job asks again, after something was taken up.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::jobs::decide;
use crate::commands::product::Server;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::deploy::guards;

/// Have a job ask again, after your notes were taken up
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the job
    #[arg(value_name = "JOB")]
    id: String,
    /// What is to be done first
    #[arg(value_name = "NOTES")]
    notes: String,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer =
        Answer::Object("a JOB, see below; the next attempt goes on with the decision");

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "jobs defer")?;
        decide(context, &self.server, &self.id, "defer", Some(&self.notes))
    }
}
