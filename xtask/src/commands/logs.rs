//! `cargo xtask logs`: shows the logs of services and tasks.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::one_of::one_of;
use crate::commands::selection::services_of_group;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, unknown};
use xtask_core::report::lines;
use xtask_machine::ministack;
use xtask_operate::logs;
use xtask_operate::logs::Place;
use xtask_operate::logs::log_line::Level;
use xtask_operate::logs::painter::Painter;
use xtask_operate::logs::query::Query;
use xtask_operate::logs::raw_line::RawLine;

/// The prefix of the ids of jobs that `run` starts.
pub(super) const MANUAL_JOB: &str = "manual-";
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
    /// Print the lines unchanged
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
                lines::print(&serde_json::json!({ "task": task }).to_string())?;
            }
            Ok(Some(task)) => {
                let why = task.why();
                context
                    .report
                    .step(&format!("task {} has ended: {why}", task.task));
            }
            Ok(None) => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints lines in the form that the command line asks for.
pub(super) struct Printer {
    json: bool,
    raw: bool,
    painter: Painter,
}

impl Printer {
    pub(super) fn new(context: &Context, raw: bool) -> Self {
        let colour = io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            json: context.report.json(),
            raw,
            painter: Painter::new(colour),
        }
    }

    /// # Errors
    /// Standard output cannot be written to.
    pub(super) fn print(&mut self, line: &RawLine) -> anyhow::Result<()> {
        if self.json {
            lines::print(&serde_json::to_string(line)?)
        } else if self.raw {
            lines::print(&line.message)
        } else {
            lines::print(&self.painter.line(line))
        }
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

/// Reads a span before now or a time, as milliseconds since 1970.
pub(super) fn parse_since(text: &str) -> Result<i64, String> {
    let wrong =
        || "it is neither a span such as 90s, 10m, 2h or 1d, nor a time of RFC 3339".to_owned();
    if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
        return unix_ms(at).ok_or_else(wrong);
    }
    let unit_secs = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let ago = count.checked_mul(unit_secs).map(Duration::from_secs);
    ago.and_then(|ago| time::Duration::try_from(ago).ok())
        .and_then(|ago| OffsetDateTime::now_utc().checked_sub(ago))
        .and_then(unix_ms)
        .ok_or_else(wrong)
}

fn unix_ms(at: OffsetDateTime) -> Option<i64> {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
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

    #[test]
    fn since_is_a_span_or_a_time() {
        let now = unix_ms(OffsetDateTime::now_utc()).unwrap();
        for (text, ago_secs) in [
            ("0s", 0),
            ("90s", 90),
            ("10m", 600),
            ("2h", 7_200),
            ("1d", 86_400),
        ] {
            let since = parse_since(text).unwrap();
            assert!((now - since - ago_secs * 1000).abs() <= 1000, "{text}");
        }
        assert_eq!(parse_since("1970-01-01T00:00:01.25Z"), Ok(1250));
        for wrong in [
            "",
            "m",
            "10",
            "-1s",
            "1.5h",
            "10 m",
            "é",
            "99999999999999999999d",
            "9999999999999d",
        ] {
            parse_since(wrong).unwrap_err();
        }
    }
}
