//! `cargo xtask projects rename`: another name for an application.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::Server;
use crate::commands::projects::change;
use serde_json::json;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::deploy::guards;

/// Give a project another name
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the project
    #[arg(value_name = "PROJECT")]
    project: String,
    /// The new name: up to 80 characters
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object("a PROJECT, see below");

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "projects rename")?;
        let what = json!({ "name": self.name });
        change(context, &self.server, &self.project, &what)
    }
}
