//! `cargo xtask jobs show`: one job.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, Waiting, job_path};
use std::process::ExitCode;
use xtask_core::context::Context;

/// Show a job, what it cost, and what it waits for
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the job
    #[arg(value_name = "JOB")]
    id: String,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        "a JOB, see below. With `--wait`, once it has ended or asks for a decision: exit code 1 where it ended badly",
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let product = self.server.product(context)?;
        let job = product.get(&job_path(&self.id))?;
        self.waiting.end_with(context, &product, job)
    }
}
