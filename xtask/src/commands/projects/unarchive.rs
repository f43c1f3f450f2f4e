//! `cargo xtask projects unarchive`: takes an application up again.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::Server;
use crate::commands::projects::change;
use serde_json::json;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::deploy::guards;

/// Take an archived project up again
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
        guards::said_yes(context, "projects unarchive")?;
        change(
            context,
            &self.server,
            &self.project,
            &json!({ "archived": false }),
        )
    }
}
