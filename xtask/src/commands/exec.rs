//! `cargo xtask exec SERVICE [-- COMMAND]`: a command, or a shell, inside a running task.

use crate::engine::cmd::Cmd;
use crate::engine::context::Context;
use crate::engine::deploy::guards;
use crate::engine::error::{Code, Failure};
use crate::engine::operate::answers::{self, Task};
use crate::engine::operate::selection::unknown;
use crate::engine::operate::{inside, require_cloud};
use serde::Serialize;

/// Arguments of `exec`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Service or kind of task of platform.toml; its newest running task is taken
    #[arg(value_name = "SERVICE")]
    service: String,
    /// What to run there
    #[arg(last = true, value_name = "COMMAND", default_value = "sh")]
    command: Vec<String>,
}

/// The result of `exec --json`.
#[derive(Debug, Serialize)]
struct Executed {
    task: String,
    exit_code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the command.
///
/// # Errors
/// Nothing of the service runs, there is no way into it, or what was run failed: its exit code
/// is passed on.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let platform = &context.platform;
    let service = &args.service;
    if !platform.services.contains_key(service) && !platform.tasks.contains_key(service) {
        let known = platform.services.keys().chain(platform.tasks.keys());
        return Err(unknown("service", service, known).into());
    }
    guards::said_yes(context, &format!("exec {service}"))?;
    require_cloud(context)?;
    let task = running(context, service)?;
    context
        .report
        .step(&format!("in task {} of {service}", task.task));
    if !context.is_local() {
        if context.report.json() {
            return Err(Failure::new(
                Code::Usage,
                "a session on AWS is a terminal's: there is no --json for it",
            )
            .hint("the same without --json")
            .into());
        }
        // The session's program tells nothing of how the command ended.
        let ended = inside::on_aws(context, &task, &args.command)?.with_our_streams()?;
        return Ok(ended_well(args, ended.code())?);
    }
    let command = inside::local(context, &task, &args.command)?;
    if context.report.json() {
        return captured(args, context, task, command);
    }
    Ok(ended_well(args, command.with_our_streams()?.code())?)
}

/// The newest task of a kind that runs.
fn running(context: &Context, kind: &str) -> anyhow::Result<Task> {
    answers::tasks(context)?
        .into_iter()
        .filter(|task| task.kind == kind && task.status == "RUNNING")
        .max_by(|one, other| one.started_at.cmp(&other.started_at))
        .ok_or_else(|| {
            Failure::new(
                Code::Deploy,
                format!("no task of {kind} runs in {}", context.environment),
            )
            .hint(format!("cargo xtask status --env {}", context.environment))
            .into()
        })
}

fn captured(args: &Args, context: &Context, task: Task, command: Cmd) -> anyhow::Result<()> {
    let output = command.output()?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let executed = Executed {
        task: task.task,
        exit_code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    };
    let said = executed.stderr.trim().to_owned();
    ended_well(args, executed.exit_code).map_err(|failure| match said.is_empty() {
        true => failure,
        false => failure.because(anyhow::Error::msg(said)),
    })?;
    context.report.result(&executed, "")
}

fn ended_well(args: &Args, exit_code: Option<i32>) -> Result<(), Failure> {
    let command = args.command.join(" ");
    let hint = format!("cargo xtask logs {}", args.service);
    let failure = |how: &str| Failure::new(Code::Failed, format!("`{command}` {how}")).hint(hint);
    match exit_code {
        Some(0) => Ok(()),
        Some(code) => Err(failure(&format!("ended with exit code {code}")).passing_on(code)),
        None => Err(failure("was ended by a signal")),
    }
}
