//! `cargo xtask exec SERVICE [-- COMMAND]`: runs a command or a shell inside a running task.

use crate::commands::command::{Answer, Changes, Command};
use serde::Serialize;
use std::process::ExitCode;
use xtask_aws_api::calls::tasks::Task;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, unknown};
use xtask_machine::ministack;
use xtask_operate::deploy::guards;
use xtask_operate::exec;
use xtask_operate::status::answers;

/// Run a command or a shell inside a running task
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Service of platform.toml, or on this machine also a kind of task; the command runs in its newest task
    #[arg(value_name = "SERVICE")]
    service: String,
    /// Command to run in the task
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

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(
        r#"`{"task","exit_code","stdout","stderr"}`. The exit code is that of the command; where it is
        not 0, the answer is an error whose `causes` hold the standard error of the command. On
        AWS, `exec` reaches only services, refuses `--json`, and refuses protected
        environments"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let platform = &context.platform;
        let service = &self.service;
        if !platform.services.contains_key(service) && !platform.tasks.contains_key(service) {
            let known = platform.services.keys().chain(platform.tasks.keys());
            return Err(unknown("service", service, known).into());
        }
        admitted(&self, context)?;
        ministack::require_if_local(context)?;
        let task = running(context, service)?;
        context
            .report
            .step(&format!("in task {} of {service}", task.id));
        if !context.is_local() {
            // This is the exit code of the session, which does not report that of the command.
            let ended = exec::on_aws(context, &task, &self.command)?.with_our_streams()?;
            ended_well(&self, ended.code())?;
            return Ok(ExitCode::SUCCESS);
        }
        let command = exec::local(context, &task, &self.command)?;
        if context.report.json() {
            captured(&self, context, task, command)?;
        } else {
            ended_well(&self, command.with_our_streams()?.code())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Refuses what cannot be entered: every task of a protected environment and, on AWS, every
/// task that does not belong to a service. `lib/service/exec.ts` of the CDK app gives access to
/// the services only.
fn admitted(args: &Args, context: &Context) -> anyhow::Result<()> {
    let service = &args.service;
    let log = format!("cargo xtask logs {service} --env {}", context.environment);
    if context.environment().protected {
        return Err(guards::refusal(
            context,
            "no command can run inside its tasks",
            &log,
        ));
    }
    if context.is_local() {
        return Ok(());
    }
    if !context.platform.services.contains_key(service) {
        let message =
            format!("on AWS, commands can run only inside services, and {service} is not one");
        return Err(Failure::new(Code::Usage, message).hint(log).into());
    }
    if context.report.json() {
        let message = "a session on AWS needs a terminal, so `exec` has no --json there";
        return Err(Failure::new(Code::Usage, message)
            .hint(format!(
                "cargo xtask exec {service} --env {}",
                context.environment
            ))
            .into());
    }
    Ok(())
}

/// The newest running task of a kind.
fn running(context: &Context, kind: &str) -> anyhow::Result<Task> {
    answers::tasks(context)?
        .into_iter()
        .filter(|task| task.kind == kind && task.state.status == "RUNNING")
        .max_by(|one, other| one.state.started_at.cmp(&other.state.started_at))
        .ok_or_else(|| {
            Failure::new(
                Code::Deploy,
                format!(
                    "no task of {kind} runs in environment {}",
                    context.environment
                ),
            )
            .hint(format!("cargo xtask status --env {}", context.environment))
            .into()
        })
}

fn captured(args: &Args, context: &Context, task: Task, command: Cmd) -> anyhow::Result<()> {
    let output = command.output()?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let executed = Executed {
        task: task.id,
        exit_code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    };
    let stderr = executed.stderr.trim().to_owned();
    ended_well(args, executed.exit_code).map_err(|failure| match stderr.is_empty() {
        true => failure,
        false => failure.because(anyhow::Error::msg(stderr)),
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
        None => Err(failure("was killed by a signal")),
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
    fn commands_run_only_in_services_on_aws_and_nowhere_in_a_protected_environment() {
        for service in ["orchestrator", "generator"] {
            assert_eq!(refused(service, "local", true), None);
            assert_eq!(
                refused(service, "prod", false),
                Some((
                    11,
                    "environment prod is protected: no command can run inside its tasks".to_owned(),
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
                "on AWS, commands can run only inside services, and generator is not one"
                    .to_owned(),
                "cargo xtask logs generator --env dev".to_owned(),
            ))
        );
        assert_eq!(
            refused("orchestrator", "dev", true),
            Some((
                2,
                "a session on AWS needs a terminal, so `exec` has no --json there".to_owned(),
                "cargo xtask exec orchestrator --env dev".to_owned(),
            ))
        );
    }
}
