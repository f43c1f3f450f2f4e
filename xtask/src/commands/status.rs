//! `cargo xtask status`: shows services, tasks, jobs and alarms. It does not judge them: the exit
//! code is 0 whatever it finds.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::selection::Selection;
use crate::commands::shown::age::age;
use crate::commands::shown::tasks;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;
use xtask_aws_api::calls::status::Alarm;
use xtask_core::context::Context;
use xtask_core::interrupt;
use xtask_core::report::{lines, printable, table};
use xtask_image::key::short;
use xtask_machine::ministack::State;
use xtask_operate::jobs::NEWEST;
use xtask_operate::status;
use xtask_operate::status::{Jobs, Overview, Serving};

const WATCH_EVERY: Duration = Duration::from_secs(2);
/// How many failed tasks are shown; `tasks` lists all of them.
const FAILED_SHOWN: usize = 3;
/// How much of a git revision a table shows.
const REVISION_CHARACTERS: usize = 12;

/// Show the services, tasks, jobs and alarms of an environment
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Show the state again every two seconds, until Ctrl-C; with --json, print one object a line
    #[arg(long)]
    watch: bool,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer = Answer::Stream(
        r#"`{"environment","release":{"id","at","git"},
        "services":[{"service","exists","running","desired","rollout_state","image","image_key",
        "git","events":[{"at","message"}],"targets":[{"health","reason"}],…}],"tasks":[TASK],
        "jobs":{"newest","states":{STATE:COUNT}},"alarms":[{"name","state","reason","since"}],
        "local_cloud","partial":[{"what","error"}]}`. What is not known is `null`, and `partial`
        says why. The exit code is 0 whatever the state of the environment. With `--watch` one
        object a line"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let services = self.selection.services(context)?;
        let ask = || status::ask(context, &services, !self.selection.is_given());
        if !self.watch {
            let overview = ask();
            interrupt::check()?;
            context.report.result(&overview, &text(&overview))?;
            return Ok(ExitCode::SUCCESS);
        }
        loop {
            let overview = ask();
            interrupt::check()?;
            let printed = match context.report.json() {
                true => lines::print_json(&overview),
                false => lines::redraw(&text(&overview)),
            };
            match printed {
                Err(error) if lines::reader_is_gone(&error) => return Ok(ExitCode::SUCCESS),
                printed => printed?,
            }
            interrupt::sleep(WATCH_EVERY)?;
        }
    }
}

fn text(overview: &Overview) -> String {
    let mut text = format!("environment {}", overview.environment);
    if let Some(release) = &overview.release {
        text.push_str(&format!(
            ", release {} of {} ago",
            release.id,
            age(release.at.parse().ok())
        ));
    }
    if let Some(cloud) = &overview.local_cloud {
        let state = match cloud.state {
            State::Running => "runs",
            State::Broken => "is broken",
            State::Stopped => "is stopped",
            State::Missing => "is not installed",
        };
        text.push_str(&format!("; the local cloud {state}"));
    }
    text.push_str("\n\n");
    if !overview.services.is_empty() {
        let rows: Vec<_> = overview.services.iter().map(service_row).collect();
        let heading = ["service", "tasks", "deployment", "image", "git", "since"];
        text.push_str(&table(
            &[&heading[..], &["health", "last event"]].concat(),
            &rows,
        ));
        text.push('\n');
    }
    let running = overview.tasks.iter().filter(|task| !task.is_stopped());
    text.push_str(&match running.count() {
        0 => "no task runs\n".to_owned(),
        1 => "1 task runs\n".to_owned(),
        count => format!("{count} tasks run\n"),
    });
    let failed = overview.tasks.iter().filter(|task| task.is_stopped());
    let more = failed.count().saturating_sub(FAILED_SHOWN);
    // Running tasks come first, then the stopped ones, the newest first.
    let shown = overview.tasks.len() - more;
    if shown > 0 {
        text.push_str(&tasks::table_of(overview.tasks.iter().take(shown)));
    }
    if more > 0 {
        text.push_str(&format!(
            "{more} more tasks failed: cargo xtask tasks --all\n"
        ));
    }
    if let Some(jobs) = &overview.jobs {
        text.push_str(&format!("\njobs: {}\n", jobs_line(jobs)));
    }
    if !overview.alarms.is_empty() {
        text.push_str(&format!("\nalarms: {}\n", alarms(&overview.alarms)));
    }
    for unknown in &overview.partial {
        text.push_str(&format!(
            "\nunknown: {}: {}",
            unknown.what,
            printable(&unknown.error)
        ));
    }
    text
}

fn service_row(serving: &Serving) -> Vec<String> {
    let service = &serving.service;
    match service.exists {
        Some(true) => {}
        Some(false) => return vec![service.service.clone(), "not deployed".to_owned()],
        None => return vec![service.service.clone(), "unknown".to_owned()],
    }
    let mut health = BTreeMap::<&str, usize>::new();
    for target in &service.targets {
        *health.entry(&target.health).or_default() += 1;
    }
    let health: Vec<String> = health
        .iter()
        .map(|(health, count)| format!("{count} {health}"))
        .collect();
    let git = serving.git.as_deref().map(|git| {
        let (revision, edits) = match git.strip_suffix("-dirty") {
            Some(revision) => (revision, "+"),
            None => (git, ""),
        };
        let revision: String = revision.chars().take(REVISION_CHARACTERS).collect();
        format!("{revision}{edits}")
    });
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "—".to_owned());
    vec![
        service.service.clone(),
        format!("{}/{}", service.running, service.desired),
        or_dash(
            service
                .rollout_state
                .as_ref()
                .map(|state| state.to_lowercase()),
        ),
        or_dash(serving.image_key.as_ref().map(|key| short(key).to_owned())),
        or_dash(git),
        age(service.created_at),
        or_dash(Some(health.join(", ")).filter(|health| !health.is_empty())),
        or_dash(
            service
                .events
                .first()
                .map(|event| format!("{} ago: {}", age(event.at), event.message)),
        ),
    ]
}

fn jobs_line(jobs: &Jobs) -> String {
    if jobs.newest == 0 {
        return "none".to_owned();
    }
    let states: Vec<String> = jobs
        .states
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let mut line = states.join(", ");
    if jobs.newest == NEWEST {
        line.push_str(&format!(", of the newest {NEWEST}"));
    }
    line
}

fn alarms(alarms: &[Alarm]) -> String {
    let loud: Vec<String> = alarms
        .iter()
        .filter(|alarm| alarm.state == "ALARM")
        .map(|alarm| {
            let reason = alarm.reason.as_deref().unwrap_or("no reason given");
            format!(
                "\n  {} for {}: {}",
                alarm.name,
                age(alarm.since),
                printable(reason)
            )
        })
        .collect();
    match loud.len() {
        0 => format!("all {} are quiet", alarms.len()),
        count => format!("{count} of {} ring{}", alarms.len(), loud.concat()),
    }
}
