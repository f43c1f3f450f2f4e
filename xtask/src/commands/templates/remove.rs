//! `cargo xtask templates remove`: nothing begins with it any more.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, text};
use crate::commands::templates::template_path;
use serde_json::json;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::deploy::guards;

/// Remove a template; applications that were made with it stay
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the template
    #[arg(value_name = "TEMPLATE")]
    template: String,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(r#"`{"template":ID,"removed":true}`"#);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "templates remove")?;
        let product = self.server.product(context)?;
        let path = template_path(&self.template);
        let template = product.get(&path)?;
        let loss = format!(
            "template {} ({}) is lost",
            text(&template, "name"),
            self.template
        );
        guards::confirm(context, &loss)?;
        product.delete(&path)?;
        context.report.result(
            &json!({ "template": self.template, "removed": true }),
            &format!("template {} is removed", self.template),
        )?;
        Ok(ExitCode::SUCCESS)
    }
}
