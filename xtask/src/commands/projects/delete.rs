//! `cargo xtask projects delete`: an application is gone, with all its versions.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, project_path, text};
use serde_json::json;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::deploy::guards;

/// Delete a project with its versions, jobs and files, for good
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
    const ANSWER: Answer = Answer::Object(r#"`{"project":ID,"deleted":true}`"#);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "projects delete")?;
        let product = self.server.product(context)?;
        let path = project_path(&self.project);
        let project = product.get(&path)?;
        let loss = format!(
            "project {} ({}) is lost with all its versions",
            text(&project, "name"),
            self.project
        );
        guards::confirm(context, &loss)?;
        product.delete(&path)?;
        context.report.result(
            &json!({ "project": self.project, "deleted": true }),
            &format!("project {} is deleted", self.project),
        )?;
        Ok(ExitCode::SUCCESS)
    }
}
