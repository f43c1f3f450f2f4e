//! `cargo xtask diff`: shows what a deploy would change, and what was changed in the cloud
//! without a deploy.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::shown::difference;
use std::process::ExitCode;
use xtask_core::context::Context;

/// Show what a deploy would change, and what was changed in the cloud without a deploy
#[derive(Debug, clap::Args)]
pub(crate) struct Args;

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"unbuilt":[IMAGE],"changes",
        "drift":[{"name","status":"IN_SYNC|DRIFTED|UNKNOWN","reason","resources":[RESOURCE]}],
        "month_usd"}`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        difference::show(context)?;
        Ok(ExitCode::SUCCESS)
    }
}
