//! `cargo xtask tasks`: what runs, and what stopped lately and why; with `--failed` what failed
//! since a time, also where ECS has forgotten it.

use crate::commands::age::age;
use crate::commands::logs::parse_since;
use serde::Serialize;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::report::{printable, table};
use xtask_machine::ministack;
use xtask_operate::status::answers;
use xtask_operate::status::answers::Task;

/// Stopped tasks that are listed without `--all`.
const LATELY: usize = 10;

/// Arguments of `tasks`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// All stopped tasks, not just the newest ten; ECS remembers them for about an hour
    #[arg(long)]
    all: bool,
    /// Only those that failed, as they were recorded when they did, also where ECS has forgotten them
    #[arg(long)]
    failed: bool,
    /// With --failed: since so long ago (90s, 10m, 2h, 1d), or since this time (RFC 3339)
    #[arg(long, value_name = "TIME", requires = "failed", default_value = "1d", value_parser = parse_since)]
    since: i64,
}

/// The result of `tasks --json`.
#[derive(Debug, Serialize)]
struct Listing {
    /// Running ones first, then the newest end.
    tasks: Vec<Task>,
}

/// Runs the command.
///
/// # Errors
/// The cloud does not answer, or does not record which tasks fail.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    if args.failed && context.is_local() {
        let message = "the local cloud records no failures of tasks: its ECS sends no events";
        return Err(Failure::new(Code::Usage, message)
            .hint("cargo xtask tasks --all lists what it remembers")
            .into());
    }
    ministack::require_if_local(context)?;
    let (mut tasks, mut stopped): (Vec<Task>, Vec<Task>) = match args.failed {
        true => answers::failed_tasks(context, args.since)?,
        false => answers::tasks(context)?,
    }
    .into_iter()
    .partition(|task| !task.is_stopped());
    let known = stopped.len();
    if !args.all {
        stopped.truncate(LATELY);
    }
    let left_out = known - stopped.len();
    tasks.append(&mut stopped);
    let mut text = match (tasks.is_empty(), args.failed) {
        (true, true) => "no task has failed since then".to_owned(),
        (true, false) => "no task runs, and none stopped lately".to_owned(),
        (false, true) => failures(&tasks),
        (false, false) => crate::commands::status::tasks(tasks.iter()),
    };
    if left_out > 0 {
        let have = if args.failed { "failed" } else { "stopped" };
        text.push_str(&format!("{left_out} more have {have}; --all lists them"));
    }
    context.report.result(&Listing { tasks }, &text)
}

/// A table of tasks that failed.
fn failures(tasks: &[Task]) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "—".to_owned());
    let rows: Vec<Vec<String>> = tasks
        .iter()
        .map(|task| {
            vec![
                task.task.clone(),
                task.kind.clone(),
                format!("{} ago", age(task.stopped_at.as_deref())),
                or_dash(task.exit_code.map(|code| code.to_string())),
                or_dash(task.job.clone()),
                printable(&task.why()).into_owned(),
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
    use serde_json::json;
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    #[test]
    fn a_failure_is_read_at_a_glance() {
        let hours_ago = OffsetDateTime::now_utc() - time::Duration::hours(5);
        let task = |more: serde_json::Value| -> Task {
            let mut task = json!({
                "task": "3c9040ca", "arn": "arn", "kind": "generator", "status": "STOPPED",
                "stopped_at": hours_ago.format(&Rfc3339).unwrap(),
            });
            task.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            serde_json::from_value(task).unwrap()
        };
        let tasks = [
            task(json!({
                "exit_code": 137, "job": "j1",
                "meaning": { "name": "memory", "says": "the container needs more memory", "hint": null },
            })),
            task(json!({ "kind": "orchestrator", "reason": "Essential container exited" })),
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
