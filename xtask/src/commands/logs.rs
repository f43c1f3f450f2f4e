//! `cargo xtask logs`: shows the logs of services and tasks.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::one_of::one_of;
use crate::commands::selection::services_of_group;
use crate::commands::shown::log_lines::{MANUAL_JOB, Printer};
use crate::commands::since::parse_since;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, unknown};
use xtask_core::report::lines;
use xtask_machine::ministack;
use xtask_operate::logs;
use xtask_operate::logs::Place;
use xtask_operate::logs::log_line::Level;
use xtask_operate::logs::query::Query;

/// ECS does not find a task by a shorter part of its id.
const SHORTEST_TASK: usize = 6;

const LEVELS: &[(Level, &str, &str)] = &[
    (Level::Trace, "trace", "More detail than debug"),
    (Level::Debug, "debug", "Detail for finding a defect"),
    (Level::Info, "info", "Normal progress"),
    (Level::Warn, "warn", "Something that deserves attention"),
    (Level::Error, "error", "Something went wrong"),
];
const PLACES: &[(Place, &str, &str)] = &[
    (
        Place::Deployed,
        "deployed",
        "Services and tasks that were deployed to the environment",
    ),
    (
        Place::Validate,
        "validate",
        "Containers that `validate --keep` left running",
    ),
    (Place::Dev, "dev", "Processes of `dev` on this machine"),
];

/// Show logs of services and tasks
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Services or kinds of tasks of platform.toml, or the id of a task or job [default: everything]
    #[arg(value_name = "SERVICE|TASK|JOB")]
    names: Vec<String>,
    /// Show the logs of all services of a group of platform.toml
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Show lines of the last 90s, 10m, 2h or 1d, or lines since a time of RFC 3339 [default: 10m;
    /// everything for `validate` and `dev`]
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<i64>,
    /// Keep showing new lines, until Ctrl-C or the end of the task that is named
    #[arg(long)]
    follow: bool,
    /// Show only lines that contain this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Show only lines of this level or a higher one, and lines without a level
    #[arg(long, value_name = "LEVEL", value_parser = one_of(LEVELS))]
    level: Option<Level>,
    /// Show only lines of this job
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    /// Show at most this many of the newest lines
    #[arg(long, value_name = "COUNT")]
    lines: Option<usize>,
    /// Print the lines unchanged; on a terminal, what would act on it is escaped
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// Choose whose logs are shown
    #[arg(long = "where", value_name = "PLACE", value_parser = one_of(PLACES), default_value = "deployed")]
    place: Place,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Stream(
        r#"one object a line: `{"source","group","stream","task","id","time_ms","message"}`. With
        `--follow` and one task, the last line is `{"task":TASK}`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let query = query(&self, context)?;
        if self.place == Place::Deployed {
            ministack::require_if_local(context)?;
        } else if query.task.is_some() {
            return Err(Failure::new(
                Code::Usage,
                "a task has its own log only where it was deployed",
            )
            .hint("name the job of the task, or leave out --where")
            .into());
        }
        let mut printer = Printer::new(context, self.raw);
        let read = logs::read(context, self.place, &query, |line| printer.print(&line));
        match read {
            Err(error) if lines::reader_is_gone(&error) => {}
            Err(error) => return Err(error),
            Ok(Some(task)) if context.report.json() => {
                lines::print_json(&serde_json::json!({ "task": task }))?;
            }
            Ok(Some(task)) => {
                let why = task.why();
                context
                    .report
                    .step(&format!("task {} has ended: {why}", task.id));
            }
            Ok(None) => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn query(args: &Args, context: &Context) -> anyhow::Result<Query> {
    let mut query = Query {
        job: args.job.clone(),
        since_ms: args.since,
        filter: args.filter.clone(),
        level: args.level,
        newest: args.lines,
        follow: args.follow,
        ..Query::default()
    };
    if let Some(group) = &args.group {
        query.sources = services_of_group(context, group)?;
    }
    let twice = |what: &str| {
        Failure::new(
            Code::Usage,
            format!("two {what}s are named, and `logs` shows one {what} at a time"),
        )
        .hint("name services or kinds of tasks to show several logs at once")
    };
    for name in &args.names {
        match Named::new(context, name) {
            Some(Named::Source) => query.sources.push(name.clone()),
            Some(Named::Job) if query.job.replace(name.clone()).is_some() => {
                return Err(twice("job").into());
            }
            Some(Named::Task) if query.task.replace(name.clone()).is_some() => {
                return Err(twice("task").into());
            }
            Some(_) => {}
            None => {
                let platform = &context.platform;
                let known = platform.services.keys().chain(platform.tasks.keys());
                return Err(unknown("service, task or job", name, known).into());
            }
        }
    }
    Ok(query)
}

/// What a name on the command line is.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Source,
    Task,
    Job,
}

impl Named {
    fn new(context: &Context, name: &str) -> Option<Self> {
        let platform = &context.platform;
        if platform.services.contains_key(name) || platform.tasks.contains_key(name) {
            return Some(Self::Source);
        }
        // The orchestrator's job ids are UUIDs of version 7. Ids of tasks have another version or
        // no hyphens.
        let is_version_7 = name.len() == 36 && name.as_bytes()[14] == b'7';
        let is_hexadecimal = name
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if name.starts_with(MANUAL_JOB) || is_hexadecimal && is_version_7 {
            return Some(Self::Job);
        }
        let is_task = is_hexadecimal && name.len() >= SHORTEST_TASK || name.starts_with("arn:");
        is_task.then_some(Self::Task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use xtask_core::report::{Report, Verbosity};

    #[test]
    fn names_are_services_tasks_or_jobs() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let report = Report::new(false, Verbosity::Quiet);
        let context = Context::at(root.to_owned(), "local", false, report).unwrap();
        let named = |name| Named::new(&context, name);
        assert_eq!(named("orchestrator"), Some(Named::Source));
        assert_eq!(named("generator"), Some(Named::Source));
        assert_eq!(
            named("01939f5c-3b1e-7c4a-9d2e-0123456789ab"),
            Some(Named::Job)
        );
        assert_eq!(named("manual-20261121-0a1b"), Some(Named::Job));
        assert_eq!(
            named("ebcdf01b-19f8-4fed-8caf-1983ca7b6f7f"),
            Some(Named::Task)
        );
        assert_eq!(named("ebcdf0"), Some(Named::Task));
        assert_eq!(named("arn:aws:ecs:eu:0:task/c/1"), Some(Named::Task));
        for nothing in ["", "ebcdf", "orchestra", "möööööööööööööööööö"] {
            assert_eq!(named(nothing), None, "{nothing}");
        }
    }
}
