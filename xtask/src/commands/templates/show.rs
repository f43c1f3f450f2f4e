//! `cargo xtask templates show`: one template.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::Server;
use crate::commands::templates::{template_path, template_text};
use std::process::ExitCode;
use xtask_core::context::Context;

/// Show a template
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the template
    #[arg(value_name = "TEMPLATE")]
    template: String,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object("a TEMPLATE, see below");

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let product = self.server.product(context)?;
        let template = product.get(&template_path(&self.template))?;
        context
            .report
            .result(&template, &template_text(&template))?;
        Ok(ExitCode::SUCCESS)
    }
}
