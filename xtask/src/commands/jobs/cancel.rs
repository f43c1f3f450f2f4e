//! `cargo xtask jobs cancel`: ends a job.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, job_path, job_text};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::deploy::guards;

/// Cancel a job
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
        Answer::Object("a JOB, see below; one that runs is stopped, and its state follows");

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "jobs cancel")?;
        let product = self.server.product(context)?;
        let path = format!("{}/cancel", job_path(&self.id));
        let job = product.post(&path, None)?;
        context.report.result(&job, &job_text(&job))?;
        Ok(ExitCode::SUCCESS)
    }
}
