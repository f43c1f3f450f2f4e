//! `cargo xtask jobs create`: asks for an application.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::jobs::Wishes;
use crate::commands::jobs::attached::Attached;
use crate::commands::product::{Server, Waiting};
use serde_json::json;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::deploy::guards;

/// Ask for a new application: the first version of a new project
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The application, in your words
    #[arg(value_name = "DESCRIPTION")]
    description: String,
    /// Id of the template to begin with; cargo xtask templates list shows them
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
    #[command(flatten)]
    attached: Attached,
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
        let mut body = self.wishes.body(&self.description)?;
        if let Some(template) = &self.template {
            body["template"] = json!(template);
        }
        let product = self.server.product(context)?;
        self.attached.upload(&product, &mut body)?;
        let job = product.post("/api/jobs", Some(&body))?;
        self.waiting.end_with(context, &product, job)
    }
}
