//! `cargo xtask exec SERVICE [-- COMMAND]`: a command, or a shell, inside a running task.

use crate::commands::selection::unknown;
use serde::Serialize;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_machine::ministack;
use xtask_operate::deploy::guards;
use xtask_operate::exec;
use xtask_operate::status::answers;
use xtask_operate::status::answers::Task;

/// Arguments of `exec`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Service of platform.toml, locally also a kind of task; its newest running task is taken
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
/// The environment takes no commands, nothing of the service runs, there is no way into it, or
/// what was run failed: its exit code is passed on.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let platform = &context.platform;
    let service = &args.service;
    if !platform.services.contains_key(service) && !platform.tasks.contains_key(service) {
        let known = platform.services.keys().chain(platform.tasks.keys());
        return Err(unknown("service", service, known).into());
    }
    admitted(args, context)?;
    ministack::require_if_local(context)?;
    let task = running(context, service)?;
    context
        .report
        .step(&format!("in task {} of {service}", task.task));
    if !context.is_local() {
        // The session's program tells nothing of how the command ended.
        let ended = exec::on_aws(context, &task, &args.command)?.with_our_streams()?;
        return Ok(ended_well(args, ended.code())?);
    }
    let command = exec::local(context, &task, &args.command)?;
    if context.report.json() {
        return captured(args, context, task, command);
    }
    Ok(ended_well(args, command.with_our_streams()?.code())?)
}

/// Whether there is a way in at all: what the CDK app (`lib/service/exec.ts`) opens, where
/// platform.toml does not protect the environment, and what the local cloud has in any case.
fn admitted(args: &Args, context: &Context) -> anyhow::Result<()> {
    let service = &args.service;
    let log = format!("cargo xtask logs {service} --env {}", context.environment);
    if context.environment().protected {
        return Err(guards::refusal(context, "its tasks take no commands", &log));
    }
    if context.is_local() {
        return Ok(());
    }
    if !context.platform.services.contains_key(service) {
        let message = format!("on AWS only services take commands, not tasks of {service}");
        return Err(Failure::new(Code::Usage, message).hint(log).into());
    }
    if context.report.json() {
        let message = "a session on AWS is a terminal's: there is no --json for it";
        return Err(Failure::new(Code::Usage, message)
            .hint("the same without --json")
            .into());
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use xtask_core::error::Rendered;
    use xtask_core::report::{Report, Verbosity};

    fn refused(service: &str, environment: &str, json: bool) -> Option<(u8, String, String)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let report = Report::new(json, Verbosity::Quiet);
        let context = Context::at(root.to_owned(), environment, true, report).unwrap();
        let args = Args {
            service: service.to_owned(),
            command: vec!["sh".to_owned()],
        };
        let rendered = Rendered::new(&admitted(&args, &context).err()?);
        Some((rendered.exit_code, rendered.message, rendered.hint?))
    }

    #[test]
    fn commands_go_into_services_of_what_is_not_protected_and_locally_into_all() {
        for service in ["orchestrator", "generator"] {
            assert_eq!(refused(service, "local", true), None);
            assert_eq!(
                refused(service, "prod", false),
                Some((
                    11,
                    "environment prod is protected: its tasks take no commands".to_owned(),
                    format!("cargo xtask logs {service} --env prod"),
                ))
            );
        }
        for environment in ["dev", "staging"] {
            assert_eq!(refused("orchestrator", environment, false), None);
        }
        assert_eq!(
            refused("generator", "dev", false),
            Some((
                2,
                "on AWS only services take commands, not tasks of generator".to_owned(),
                "cargo xtask logs generator --env dev".to_owned(),
            ))
        );
        assert_eq!(
            refused("orchestrator", "dev", true),
            Some((
                2,
                "a session on AWS is a terminal's: there is no --json for it".to_owned(),
                "the same without --json".to_owned(),
            ))
        );
    }
}
