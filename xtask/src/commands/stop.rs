//! `cargo xtask stop TASK…`: stops tasks. The job of a generator goes on with another attempt (to end it,
//! cancel it); a service replaces a task that was stopped.

use crate::commands::command::{Answer, Changes, Command};
use serde::Serialize;
use std::process::ExitCode;
use xtask_aws_api::calls::tasks::{StopTask, TaskStopped};
use xtask_core::context::Context;
use xtask_machine::{aws, ministack};
use xtask_operate::deploy::guards;

/// Stop tasks
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Tasks by their ids, by the first six or more characters of an id, or by their ARNs
    #[arg(required = true, value_name = "TASK")]
    tasks: Vec<String>,
    /// Reason that ECS stores with the task
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "stopped with cargo xtask stop"
    )]
    reason: String,
}

/// The result of `stop --json`.
#[derive(Debug, Serialize)]
struct Listing {
    stopped: Vec<TaskStopped>,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(
        r#"`{"stopped":[{"arn","was"}]}`; `was` is `STOPPED` where the task had already stopped"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, &format!("stop {}", self.tasks.join(" ")))?;
        ministack::require_if_local(context)?;
        let what = match self.tasks.as_slice() {
            [task] => format!("this stops task {task}"),
            tasks => format!("this stops {} tasks", tasks.len()),
        };
        guards::confirm(
            context,
            &format!("{what} of environment {}", context.environment),
        )?;
        let mut stopped = Vec::new();
        for task in &self.tasks {
            let request = StopTask {
                task: task.clone(),
                reason: self.reason.clone(),
            };
            let answer = aws::call(context, request).read()?;
            context.report.step(&match answer.was.as_str() {
                "STOPPED" => format!("{} had already stopped", answer.arn),
                _ => format!("stopped {}", answer.arn),
            });
            stopped.push(answer);
        }
        let text = stopped
            .iter()
            .map(|task| format!("{} (was {})", task.arn, task.was.to_lowercase()))
            .collect::<Vec<_>>()
            .join("\n");
        context.report.result(&Listing { stopped }, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}
