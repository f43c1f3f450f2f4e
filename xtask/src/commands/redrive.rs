//! `cargo xtask redrive`: puts dead letters back into the queue that wakes who waits for jobs.

use crate::commands::command::{Answer, Changes, Command};
use app_gen_infra::StorageMode;
use std::process::ExitCode;
use xtask_aws_api::calls::queue::RedriveQueue;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_machine::{aws, ministack};
use xtask_operate::deploy::guards;

/// Put messages about jobs that no orchestrator took care of back into their queue
#[derive(Debug, clap::Args)]
pub(crate) struct Args;

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(
        r#"`{"queue","jobs":[ID],"more"}`; `more` where there are more than one call puts back; exit code 2
        where the environment keeps nothing in DynamoDB, and has no queue"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let environment = &context.environment;
        if context.platform.storage_mode(environment) != StorageMode::DynamoDb {
            return Err(Failure::new(
                Code::Usage,
                format!(
                    "environment {environment} keeps everything in a database, and has no queue"
                ),
            )
            .hint("jobs wait in the database: cargo xtask jobs list")
            .into());
        }
        guards::said_yes(context, "redrive")?;
        ministack::require_if_local(context)?;
        let redriven = aws::call(context, RedriveQueue {}).read()?;
        let mut said = format!(
            "{} messages are in queue {} again",
            redriven.jobs.len(),
            redriven.queue
        );
        if redriven.more {
            said.push_str("; there are more: run the command again");
        }
        context.report.result(&redriven, &said)?;
        Ok(ExitCode::SUCCESS)
    }
}
