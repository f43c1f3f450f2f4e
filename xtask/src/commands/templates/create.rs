//! `cargo xtask templates create`: makes a template of a version.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::Server;
use crate::commands::templates::{newest_version, template_text};
use serde_json::json;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::deploy::guards;

/// Make a template of a version of a project
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the project
    #[arg(value_name = "PROJECT")]
    project: String,
    /// Name of the template: up to 80 characters
    #[arg(value_name = "NAME")]
    name: String,
    /// What it is good for
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    description: String,
    /// Number of the version [default: the newest one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    version: Option<i64>,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object("a TEMPLATE, see below");

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "templates create")?;
        let product = self.server.product(context)?;
        let version = match self.version {
            Some(version) => version,
            None => newest_version(&product, &self.project)?,
        };
        let body = json!({
            "name": self.name, "description": self.description, "project": self.project,
            "version": version,
        });
        let template = product.post("/api/templates", Some(&body))?;
        context
            .report
            .result(&template, &template_text(&template))?;
        Ok(ExitCode::SUCCESS)
    }
}
