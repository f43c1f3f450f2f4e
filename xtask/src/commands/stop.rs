//! `cargo xtask stop TASK…`: stop tasks. The job of a generator ends with it; a service starts
//! another task in place of its own.

use serde::{Deserialize, Serialize};
use xtask_core::context::Context;
use xtask_machine::{aws, ministack};
use xtask_operate::deploy::guards;

/// Arguments of `stop`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Tasks by id, by the first six or more characters of it, or by ARN
    #[arg(required = true, value_name = "TASK")]
    tasks: Vec<String>,
    /// Why, as ECS keeps it with the task
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "stopped with cargo xtask stop"
    )]
    reason: String,
}

/// The result of `stop --json`.
#[derive(Debug, Serialize)]
struct Result {
    stopped: Vec<Stopped>,
}

/// A task that was told to stop.
#[derive(Debug, Serialize, Deserialize)]
struct Stopped {
    arn: String,
    /// Its status before; `STOPPED` where there was nothing to do.
    was: String,
}

/// Runs the command.
///
/// # Errors
/// The answer was no, there is no such task, or the cloud refuses.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    guards::said_yes(context, &format!("stop {}", args.tasks.join(" ")))?;
    ministack::require_if_local(context)?;
    let what = match args.tasks.as_slice() {
        [task] => format!("this stops task {task}"),
        tasks => format!("this stops {} tasks", tasks.len()),
    };
    guards::confirm(context, &format!("{what} of {}", context.environment))?;
    let mut stopped = Vec::new();
    for task in &args.tasks {
        let answer: Stopped =
            aws::call(context, ["task", "stop", task, "--reason", &args.reason]).read()?;
        context.report.step(&match answer.was.as_str() {
            "STOPPED" => format!("{} had stopped already", answer.arn),
            _ => format!("stopped {}", answer.arn),
        });
        stopped.push(answer);
    }
    let text = stopped
        .iter()
        .map(|task| format!("{} (was {})", task.arn, task.was.to_lowercase()))
        .collect::<Vec<_>>()
        .join("\n");
    context.report.result(&Result { stopped }, &text)
}
