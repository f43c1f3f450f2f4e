//! `cargo xtask jobs change`: asks for another version of an application.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::jobs::Wishes;
use crate::commands::jobs::attached::Attached;
use crate::commands::product::{Server, Waiting};
use serde_json::json;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_operate::deploy::guards;

/// Ask for a change of an application: the next version of its project
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the project
    #[arg(value_name = "PROJECT")]
    project: String,
    /// What is to be changed, in your words
    #[arg(value_name = "DESCRIPTION")]
    description: String,
    /// Number of the version to begin with [default: the newest one when the job starts]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    from: Option<i64>,
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
        r#"a JOB, see below; `waits_for` names the job of the project whose end it waits for. With `--wait`,
        once it has ended or asks for a decision: exit code 1 where it ended badly"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "jobs change")?;
        let mut body = self.wishes.body(&self.description)?;
        body["project"] = json!(self.project);
        if let Some(number) = self.from {
            body["start_version"] = json!(number);
        }
        let product = self.server.product(context)?;
        self.attached.upload(&product, &mut body)?;
        let job = product.post("/api/jobs", Some(&body))?;
        self.waiting.end_with(context, &product, job)
    }
}
