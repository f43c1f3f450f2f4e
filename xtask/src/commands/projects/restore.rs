//! `cargo xtask projects restore`: goes back to a version.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, Waiting, project_path};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::deploy::guards;

/// Make a version the newest one again; no model is asked
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the project
    #[arg(value_name = "PROJECT")]
    project: String,
    /// Number of the version to go back to
    #[arg(value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    version: i64,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object("the JOB that makes it a new version, see below");

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "projects restore")?;
        let product = self.server.product(context)?;
        let (project, version) = (project_path(&self.project), self.version);
        let path = format!("{project}/versions/{version}/restore");
        let job = product.post(&path, None)?;
        self.waiting.end_with(context, &product, job)
    }
}
