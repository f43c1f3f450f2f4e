//! `cargo xtask jobs create`: asks for an application.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::jobs::Wishes;
use crate::commands::product::{Server, Waiting};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::deploy::guards;

/// Ask for a new application: the first version of a new project
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The application, in your words
    #[arg(value_name = "DESCRIPTION")]
    description: String,
    #[command(flatten)]
    wishes: Wishes,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(
        "a JOB, see below. With `--wait`, once it has ended or asks for a decision: exit code 1 where it ended badly",
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "jobs create")?;
        let body = self.wishes.body(&self.description)?;
        let product = self.server.product(context)?;
        let job = product.post("/api/jobs", Some(&body))?;
        self.waiting.end_with(context, &product, job)
    }
}
