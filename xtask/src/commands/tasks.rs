//! `cargo xtask tasks`: lists running and recently stopped tasks. With `--failed`, it lists tasks
//! that failed since a time, even those that ECS has forgotten.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::shown;
use crate::commands::shown::age::age;
use crate::commands::since::parse_since;
use serde::Serialize;
use std::process::ExitCode;
use xtask_aws_api::calls::tasks::Task;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::report::table;
use xtask_machine::ministack;
use xtask_operate::status::answers;

/// How many stopped tasks are listed without `--all`.
const LATELY: usize = 10;

/// List the running tasks, and the recently stopped ones with the reasons
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// List all stopped tasks, not only the newest ten; ECS remembers them for about an hour
    #[arg(long)]
    all: bool,
    /// List only tasks that failed, including those that ECS has forgotten
    #[arg(long)]
    failed: bool,
    /// With --failed, list the failures of the last 90s, 10m, 2h or 1d, or those since a time of RFC 3339
    #[arg(long, value_name = "TIME", requires = "failed", default_value = "1d", value_parser = parse_since)]
    since: i64,
}

/// The result of `tasks --json`.
#[derive(Debug, Serialize)]
struct Listing {
    /// Running tasks come first, then the stopped ones, the newest first.
    tasks: Vec<Task>,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Object(
        r#"`{"tasks":[TASK]}`, where TASK is `{"task","arn","kind","status","job","exit_code","reason",
        "meaning":{"says",…},"capacity","started_at","stopped_at",…}`. With `--failed` the tasks
        that failed in the last day or since `--since`; the local cloud does not record those:
        exit code 2"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        if self.failed && context.is_local() {
            let message =
                "the local cloud does not record failed tasks, because its ECS sends no events";
            return Err(Failure::new(Code::Usage, message)
                .hint("list what the local cloud remembers: cargo xtask tasks --all")
                .into());
        }
        ministack::require_if_local(context)?;
        let (mut tasks, mut stopped): (Vec<Task>, Vec<Task>) = match self.failed {
            true => answers::failed_tasks(context, self.since)?,
            false => answers::tasks(context)?,
        }
        .into_iter()
        .partition(|task| !task.is_stopped());
        let known = stopped.len();
        if !self.all {
            stopped.truncate(LATELY);
        }
        let left_out = known - stopped.len();
        tasks.append(&mut stopped);
        let mut text = match (tasks.is_empty(), self.failed) {
            (true, true) => "no task has failed since that time".to_owned(),
            (true, false) => "no task runs, and no task has stopped recently".to_owned(),
            (false, true) => failures(&tasks),
            (false, false) => shown::tasks::table_of(tasks.iter()),
        };
        if left_out > 0 {
            let have = if self.failed { "failed" } else { "stopped" };
            text.push_str(&format!(
                "{left_out} more tasks have {have}; --all lists them"
            ));
        }
        context.report.result(&Listing { tasks }, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A table of tasks that failed.
fn failures(tasks: &[Task]) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "—".to_owned());
    let rows: Vec<Vec<String>> = tasks
        .iter()
        .map(|task| {
            vec![
                task.id.clone(),
                task.kind.clone(),
                format!("{} ago", age(task.state.stopped_at)),
                or_dash(task.state.exit_code.map(|code| code.to_string())),
                or_dash(task.state.job.clone()),
                task.why(),
            ]
        })
        .collect();
    table(
        &["task", "kind", "failed", "exit code", "job", "why"],
        &rows,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::OffsetDateTime;
    use xtask_aws_api::StopReason;
    use xtask_aws_api::calls::tasks::{Meaning, TaskState};

    #[test]
    fn a_failure_is_read_at_a_glance() {
        let hours_ago = OffsetDateTime::now_utc() - time::Duration::hours(5);
        let stopped = |kind: &str, state: TaskState| Task {
            id: "3c9040ca".to_owned(),
            kind: kind.to_owned(),
            state: TaskState {
                status: "STOPPED".to_owned(),
                stopped_at: Some(hours_ago.into()),
                ..state
            },
            ..Task::default()
        };
        let tasks = [
            Task {
                meaning: Some(Meaning {
                    reason: StopReason::Memory,
                    says: "the container needs more memory".to_owned(),
                    hint: None,
                }),
                ..stopped(
                    "generator",
                    TaskState {
                        exit_code: Some(137),
                        job: Some("j1".to_owned()),
                        ..TaskState::default()
                    },
                )
            },
            stopped(
                "orchestrator",
                TaskState {
                    reason: Some("Essential container exited".to_owned()),
                    ..TaskState::default()
                },
            ),
        ];
        let lines: Vec<String> = failures(&tasks)
            .lines()
            .filter(|line| !line.starts_with('─'))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "task kind failed exit code job why",
                "3c9040ca generator 5 h ago 137 j1 the container needs more memory",
                "3c9040ca orchestrator 5 h ago — — Essential container exited",
            ]
        );
    }
}
