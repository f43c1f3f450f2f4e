//! `cargo xtask templates update`: another name, description or version.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, text};
use crate::commands::templates::{newest_version, template_path, template_text};
use serde_json::{Value, json};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::deploy::guards;
use xtask_operate::product::Product;

/// Rename or describe a template, or make it of another version
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the template
    #[arg(value_name = "TEMPLATE")]
    template: String,
    /// Another name: up to 80 characters
    #[arg(long, value_name = "NAME", required_unless_present_any = ["description", "project", "version"])]
    name: Option<String>,
    /// Another description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Id of the project of another version [default: the one that the template was made of]
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// Number of that version [default, with --project: the newest one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    version: Option<i64>,
    #[command(flatten)]
    server: Server,
}

impl Args {
    fn body(&self, product: &Product) -> anyhow::Result<Value> {
        let mut body = json!({});
        for (field, value) in [("name", &self.name), ("description", &self.description)] {
            if let Some(value) = value {
                body[field] = json!(value);
            }
        }
        let (project, version) = match (&self.project, self.version) {
            (None, None) => return Ok(body),
            (Some(project), Some(version)) => (project.clone(), version),
            (Some(project), None) => (project.clone(), newest_version(product, project)?),
            (None, Some(version)) => {
                let template = product.get(&template_path(&self.template))?;
                (text(&template, "project").to_owned(), version)
            }
        };
        body["project"] = json!(project);
        body["version"] = json!(version);
        Ok(body)
    }
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object("a TEMPLATE, see below");

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "templates update")?;
        let product = self.server.product(context)?;
        let body = self.body(&product)?;
        let template = product.patch(&template_path(&self.template), &body)?;
        context
            .report
            .result(&template, &template_text(&template))?;
        Ok(ExitCode::SUCCESS)
    }
}
