//! `logs read`: the lines of services and tasks as they are, or as they come.

use super::job::JobFilter;
use crate::commands::task;
use crate::config::Cloud;
use crate::ecs::{Ecs, LOG_STREAM_PREFIX, TaskId, TaskState};
use crate::error::{CloudError, Kind};
use crate::interrupt::Signals;
use crate::log_reader::{Line, Reader, Source};
use crate::logs::Logs;
use crate::names::{Consumer, Deployed};
use crate::report::{Lines, Outcome};
use crate::tasks::Task;
use crate::time::now_ms;
use serde_json::json;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back is read where nobody says it.
const RECENT: Duration = Duration::from_secs(10 * 60);

/// How far back the last lines are looked for, step by step.
const LOOK_BACK: [Duration; 4] = [
    RECENT,
    Duration::from_secs(2 * 3600),
    Duration::from_secs(24 * 3600),
    Duration::from_secs(14 * 24 * 3600),
];

/// How long the log of a stopped task is quiet when nothing more comes. CloudWatch
/// shows lines some seconds after it got them, the local cloud at once.
const QUIET: Duration = Duration::from_secs(6);
const QUIET_LOCALLY: Duration = Duration::from_secs(2);

/// How long a stopped task's log is waited for in any case.
const DRAIN: Duration = Duration::from_secs(30);

/// Clocks differ: a task's first line may be older than the task.
const CLOCK_SKEW_MS: i64 = 60_000;

/// The lines of services and tasks
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A service of platform.toml; may be given again [default: all services and tasks]
    #[arg(long = "service", value_name = "SERVICE")]
    services: Vec<String>,
    /// A kind of task of platform.toml; may be given again
    #[arg(long = "task-kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// One task: its id, at least 6 characters of its beginning, or ARN
    #[arg(long, conflicts_with_all = ["services", "kinds"])]
    task: Option<String>,
    /// What the tasks of this job wrote, and what the others wrote about it
    #[arg(long)]
    job: Option<String>,
    /// Milliseconds since 1970 [default: 10 minutes ago; with --task, its start]
    #[arg(long, value_name = "TIME")]
    since_ms: Option<i64>,
    /// Only lines that hold this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Go on with what comes; with --task until its end
    #[arg(long)]
    follow: bool,
    /// At first only so many of the last lines
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    tail: Option<u32>,
}

/// # Errors
/// Nothing of the kind is in platform.toml or deployed, a call fails, stdout is closed,
/// or a signal ends what is followed.
pub(crate) async fn run(args: Args, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let mut signals = Signals::listen()?;
    tokio::select! {
        read = read(args, cloud) => read,
        how = signals.next() => {
            let message = format!("{how} while logs were read");
            Err(CloudError::new(Kind::Interrupted, message).into())
        }
    }
}

async fn read(args: Args, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let deployed = Deployed::new(cloud);
    let (sources, task) = match &args.task {
        Some(wanted) => sources_of_task(wanted, &deployed, cloud).await?,
        None => (sources(&args, &deployed)?, None),
    };
    let mut wanted = Wanted {
        filter: args.filter.clone(),
        job: args.job.clone().map(|job| JobFilter::new(job, cloud)),
    };
    let begin_ms = match (&args.task, &task) {
        (Some(_), Some(task)) => Some(begin_of(task)),
        (Some(_), None) => Some(0),
        (None, _) => None,
    };
    let since_ms = args.since_ms.or(begin_ms);
    if since_ms.is_none()
        && !args.follow
        && let Some(count) = args.tail
    {
        last_lines(count, &sources, &mut wanted, cloud).await?;
        return Ok(Outcome::silent());
    }
    // A task that ECS has forgotten writes nothing any more.
    let follows = args.follow && (args.task.is_none() || task.is_some());
    let since_ms = since_ms.unwrap_or(ago(RECENT));
    let mut reader = Reader::new(Logs::new(cloud.sdk()), sources, since_ms, follows);
    if let (true, Some(task)) = (follows, task) {
        let running = Running {
            cluster: &deployed.cluster,
            id: &TaskId(task.arn),
            bound: None,
        };
        let ended = follow_task(&mut reader, &mut wanted, args.tail, &running, cloud).await?;
        let ended = ended.map(|state| Task::new(state, cloud));
        return Outcome::success(json!({ "task": ended }));
    }
    show(&mut reader, &mut wanted, args.tail).await?;
    if follows {
        loop {
            show(&mut reader, &mut wanted, None).await?;
        }
    }
    refuse_nothing(&reader, cloud)?;
    Ok(Outcome::silent())
}

/// Prints what the task writes, until it has stopped and nothing more comes. `None`: it
/// has not stopped after `bound`.
async fn follow_task(
    reader: &mut Reader,
    wanted: &mut Wanted<'_>,
    tail: Option<u32>,
    task: &Running<'_>,
    cloud: &Cloud,
) -> anyhow::Result<Option<TaskState>> {
    let ecs = Ecs::new(cloud.sdk());
    let begin = Instant::now();
    show(reader, wanted, tail).await?;
    loop {
        // Without a time to wait it is asked for once.
        let stopped = ecs.wait_stopped(task.cluster, task.id, Duration::ZERO);
        if let Some(stopped) = stopped.await? {
            drain(reader, wanted, cloud).await?;
            return Ok(Some(stopped));
        }
        if task.bound.is_some_and(|bound| begin.elapsed() >= bound) {
            return Ok(None);
        }
        show(reader, wanted, None).await?;
    }
}

/// A task whose log is followed to its end.
#[derive(Debug)]
pub(in crate::commands) struct Running<'a> {
    pub(in crate::commands) cluster: &'a str,
    pub(in crate::commands) id: &'a TaskId,
    pub(in crate::commands) bound: Option<Duration>,
}

/// Prints the log of a task that was just started; as [`Ecs::wait_stopped`] otherwise.
///
/// # Errors
/// A call fails, or stdout is closed.
pub(in crate::commands) async fn follow_started(
    task: &Running<'_>,
    source: Source,
    cloud: &Cloud,
) -> anyhow::Result<Option<TaskState>> {
    let since_ms = now_ms() - CLOCK_SKEW_MS;
    let mut reader = Reader::new(Logs::new(cloud.sdk()), vec![source], since_ms, true);
    follow_task(&mut reader, &mut Wanted::default(), None, task, cloud).await
}

/// Prints what a task that has stopped wrote last.
async fn drain(reader: &mut Reader, wanted: &mut Wanted<'_>, cloud: &Cloud) -> anyhow::Result<()> {
    let enough = if cloud.is_local() {
        QUIET_LOCALLY
    } else {
        QUIET
    };
    let stopped = Instant::now();
    let mut quiet_since = stopped;
    while quiet_since.elapsed() < enough && stopped.elapsed() < DRAIN {
        if show(reader, wanted, None).await? > 0 {
            quiet_since = Instant::now();
        }
    }
    Ok(())
}

fn ago(duration: Duration) -> i64 {
    now_ms() - i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn begin_of(task: &TaskState) -> i64 {
    let created_ms = task.created_at.and_then(|time| time.to_millis().ok());
    created_ms.map_or(0, |created_ms| created_ms - CLOCK_SKEW_MS)
}

/// What was chosen of platform.toml; all of it where nothing was.
fn sources(args: &Args, deployed: &Deployed) -> Result<Vec<Source>, CloudError> {
    let choose = |chosen: &[String], what: &str, is_service: bool| {
        for name in chosen {
            let kind = |one: &&Consumer| one.service.is_some() == is_service;
            let mut known = deployed.consumers.iter().filter(kind);
            if !known.any(|consumer| consumer.name == *name) {
                let known: Vec<&str> = deployed
                    .consumers
                    .iter()
                    .filter(kind)
                    .map(|consumer| consumer.name.as_str())
                    .collect();
                let message = format!("no {what} `{name}` in platform.toml");
                return Err(CloudError::new(Kind::Usage, message)
                    .hint(format!("choose one of: {}", known.join(", "))));
            }
        }
        Ok(())
    };
    choose(&args.services, "service", true)?;
    choose(&args.kinds, "kind of task", false)?;
    let all = args.services.is_empty() && args.kinds.is_empty();
    let is_chosen = |consumer: &&Consumer| {
        let chosen = match consumer.service {
            Some(_) => &args.services,
            None => &args.kinds,
        };
        all || chosen.contains(&consumer.name)
    };
    Ok(deployed
        .consumers
        .iter()
        .filter(is_chosen)
        .map(|consumer| source_of(consumer, None))
        .collect())
}

fn source_of(consumer: &Consumer, stream: Option<String>) -> Source {
    Source {
        name: consumer.name.clone(),
        group: consumer.log_group.clone(),
        stream,
    }
}

/// The stream of a task, and the task where ECS still knows it. One that it has
/// forgotten may be of any kind: all are asked.
async fn sources_of_task(
    wanted: &str,
    deployed: &Deployed,
    cloud: &Cloud,
) -> Result<(Vec<Source>, Option<TaskState>), CloudError> {
    let ecs = Ecs::new(cloud.sdk());
    match task::find(wanted, &deployed.cluster, &ecs, cloud).await {
        Ok(state) => {
            let source = source_of_task(&state, &ecs, cloud).await?;
            Ok((vec![source], Some(state)))
        }
        Err(error) if error.kind == Kind::NotFound && is_whole_id(wanted) => {
            let id = TaskId(wanted.to_owned());
            let sources = deployed.consumers.iter().map(|consumer| {
                let stream = format!("{LOG_STREAM_PREFIX}/{}/{}", consumer.container, id.short());
                source_of(consumer, Some(stream))
            });
            Ok((sources.collect(), None))
        }
        Err(error) => Err(error),
    }
}

/// Where the first container of the task writes.
///
/// # Errors
/// It writes to no log that can be known, or a call fails.
async fn source_of_task(state: &TaskState, ecs: &Ecs, cloud: &Cloud) -> Result<Source, CloudError> {
    let id = TaskId(state.arn.clone());
    let container = ecs.container(&state.task_definition, None).await?;
    let stream = container.log_stream(&id);
    let (Some(group), Some(stream)) = (container.log_group, stream) else {
        let message = format!("task {} writes no log to CloudWatch", id.short());
        return Err(CloudError::new(Kind::NotFound, message));
    };
    Ok(Source {
        name: Task::new(state.clone(), cloud).kind,
        group,
        stream: Some(stream),
    })
}

/// ECS gives ids of 32 hexadecimal digits, the local cloud with dashes.
fn is_whole_id(wanted: &str) -> bool {
    let id = wanted.rsplit('/').next().unwrap_or(wanted);
    let digits = id.chars().filter(char::is_ascii_hexdigit).count();
    digits == 32 && id.chars().all(|one| one == '-' || one.is_ascii_hexdigit())
}

/// Where nothing that was asked for exists, no lines is not the answer.
fn refuse_nothing(reader: &Reader, cloud: &Cloud) -> Result<(), CloudError> {
    if reader.found_any() {
        return Ok(());
    }
    let message = format!("no such log in environment `{}`", cloud.environment);
    Err(CloudError::new(Kind::NotFound, message)
        .hint(format!("cargo xtask deploy --env {}", cloud.environment)))
}

/// Which lines are shown.
#[derive(Debug, Default)]
struct Wanted<'a> {
    filter: Option<String>,
    job: Option<JobFilter<'a>>,
}

impl Wanted<'_> {
    async fn admits(&mut self, line: &Line) -> Result<bool, CloudError> {
        // Not a pattern of CloudWatch's: in JSON those mean something else.
        if let Some(filter) = &self.filter
            && !line.message.contains(filter)
        {
            return Ok(false);
        }
        match &mut self.job {
            Some(job) => job.admits(line).await,
            None => Ok(true),
        }
    }
}

/// The last lines of the reader's next pass.
async fn last_of_pass(
    reader: &mut Reader,
    wanted: &mut Wanted<'_>,
    count: u32,
) -> anyhow::Result<VecDeque<Line>> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut last = VecDeque::new();
    reader.begin_pass().await;
    while let Some(line) = reader.next().await? {
        if wanted.admits(&line).await? {
            if last.len() == count {
                last.pop_front();
            }
            last.push_back(line);
        }
    }
    Ok(last)
}

/// Prints the reader's next pass, or its last lines; returns how many.
async fn show(
    reader: &mut Reader,
    wanted: &mut Wanted<'_>,
    tail: Option<u32>,
) -> anyhow::Result<usize> {
    let mut out = Lines::new();
    let mut shown = 0;
    if let Some(count) = tail {
        for line in last_of_pass(reader, wanted, count).await? {
            out.write(&line)?;
            shown += 1;
        }
    } else {
        reader.begin_pass().await;
        while let Some(line) = reader.next().await? {
            if wanted.admits(&line).await? {
                out.write(&line)?;
                shown += 1;
            }
        }
    }
    out.flush()?;
    Ok(shown)
}

/// Prints the last `count` lines, however old.
async fn last_lines(
    count: u32,
    sources: &[Source],
    wanted: &mut Wanted<'_>,
    cloud: &Cloud,
) -> anyhow::Result<()> {
    let mut last = VecDeque::new();
    for look_back in LOOK_BACK {
        let logs = Logs::new(cloud.sdk());
        let mut reader = Reader::new(logs, sources.to_vec(), ago(look_back), false);
        last = last_of_pass(&mut reader, wanted, count).await?;
        refuse_nothing(&reader, cloud)?;
        if last.len() >= usize::try_from(count).unwrap_or(usize::MAX) {
            break;
        }
    }
    let mut out = Lines::new();
    for line in last {
        out.write(&line)?;
    }
    Ok(out.flush()?)
}
