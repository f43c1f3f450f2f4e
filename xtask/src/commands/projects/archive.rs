//! `cargo xtask projects archive`: puts an application aside.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::Server;
use crate::commands::projects::change;
use serde_json::json;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::deploy::guards;

/// Put a project aside: it is not listed, and takes no changes
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the project
    #[arg(value_name = "PROJECT")]
    project: String,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object("a PROJECT, see below");

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "projects archive")?;
        change(
            context,
            &self.server,
            &self.project,
            &json!({ "archived": true }),
        )
    }
}
