//! The lines of services and tasks as they are, or as they come.

use crate::commands::logs::job::JobFilter;
use crate::commands::{HandleStream, require_in, task, unknown};
use crate::config::Cloud;
use crate::ecs::{DescribedTask, Ecs, TaskId};
use crate::error::{CloudError, Kind};
use crate::interrupt::Signals;
use crate::log_reader::{Reader, Source};
use crate::logs::Logs;
use crate::report::Lines;
use crate::tasks;
use crate::time::now_ms;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use xtask_aws_api::calls::logs::{LogRecord, LogSource, ReadLogs};
use xtask_aws_api::calls::stream_item::StreamItem;
use xtask_aws_api::calls::tasks::{TaskRun, TaskState};
use xtask_aws_api::names::{Consumer, Deployed, LOG_STREAM_PREFIX};

/// How far back lines are read where the request does not say it.
const RECENT: Duration = Duration::from_secs(10 * 60);

/// How far back the last lines are looked for, one step after the other.
const LOOK_BACK: [Duration; 4] = [
    RECENT,
    Duration::from_secs(2 * 3600),
    Duration::from_secs(24 * 3600),
    Duration::from_secs(14 * 24 * 3600),
];

/// After this much silence, the log of a stopped task counts as complete. CloudWatch shows lines some
/// seconds after it received them, the local cloud at once.
const QUIET: Duration = Duration::from_secs(6);
const QUIET_LOCALLY: Duration = Duration::from_secs(2);

/// After this time, the log of a stopped task counts as complete in any case.
const DRAIN: Duration = Duration::from_secs(30);

/// Clocks differ, so the first line of a task may be older than the task.
const CLOCK_SKEW_MS: i64 = 60_000;

impl HandleStream for ReadLogs {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Option<StreamItem>> {
        if let Some(lines) = self.tail {
            require_in("tail", lines, 1..=100_000)?;
        }
        let mut signals = Signals::listen()?;
        tokio::select! {
            read = read(self, cloud) => read,
            how = signals.next() => {
                let message = format!("{how} while logs were read");
                Err(CloudError::new(Kind::Interrupted, message).into())
            }
        }
    }
}

async fn read(request: ReadLogs, cloud: &Cloud) -> anyhow::Result<Option<StreamItem>> {
    let deployed = cloud.deployed();
    let (sources, task) = match &request.of {
        LogSource::Task(wanted) => sources_of_task(wanted, &deployed, cloud).await?,
        of => (sources(of, &deployed)?, None),
    };
    let is_one_task = matches!(request.of, LogSource::Task(_));
    let mut wanted = Wanted {
        filter: request.filter,
        job: request.job.map(|job| JobFilter::new(job, cloud)),
    };
    let begin_ms = is_one_task.then(|| task.as_ref().map_or(0, begin_of));
    let since_ms = request.since_ms.or(begin_ms);
    if since_ms.is_none()
        && !request.follow
        && let Some(count) = request.tail
    {
        last_lines(count, &sources, &mut wanted, cloud).await?;
        return Ok(None);
    }
    // A task that ECS has forgotten does not write any more.
    let follows = request.follow && (!is_one_task || task.is_some());
    let since_ms = since_ms.unwrap_or(ago(RECENT));
    let mut reader = Reader::new(Logs::new(cloud.sdk()), sources, since_ms, follows);
    if let (true, Some(task)) = (follows, task) {
        let running = Running {
            cluster: &deployed.cluster,
            id: &TaskId(task.arn),
            bound: None,
        };
        let ended = follow_task(&mut reader, &mut wanted, request.tail, &running, cloud).await?;
        return Ok(ended.map(|task| {
            StreamItem::Ended(Box::new(TaskRun {
                task: tasks::known(task, cloud),
                log: None,
                error: None,
            }))
        }));
    }
    show(&mut reader, &mut wanted, request.tail).await?;
    if follows {
        loop {
            show(&mut reader, &mut wanted, None).await?;
        }
    }
    refuse_nothing(&reader, cloud)?;
    Ok(None)
}

/// Prints what the task writes, until it has stopped and no more lines come. `None`: it still ran
/// after its bound.
async fn follow_task(
    reader: &mut Reader,
    wanted: &mut Wanted<'_>,
    tail: Option<u32>,
    task: &Running<'_>,
    cloud: &Cloud,
) -> anyhow::Result<Option<DescribedTask>> {
    let ecs = Ecs::new(cloud.sdk());
    let begin = Instant::now();
    show(reader, wanted, tail).await?;
    loop {
        // Without time to wait, this asks only once.
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

/// Prints the log of a task that was just started, and returns what [`Ecs::wait_stopped`] does.
///
/// # Errors
/// A call fails, or stdout is closed.
pub(in crate::commands) async fn follow_started(
    task: &Running<'_>,
    source: Source,
    cloud: &Cloud,
) -> anyhow::Result<Option<DescribedTask>> {
    let since_ms = now_ms() - CLOCK_SKEW_MS;
    let mut reader = Reader::new(Logs::new(cloud.sdk()), vec![source], since_ms, true);
    follow_task(&mut reader, &mut Wanted::default(), None, task, cloud).await
}

/// Prints the last lines of a task that has stopped.
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
    task.created_at
        .map_or(0, |created| created.unix_ms() - CLOCK_SKEW_MS)
}

/// The logs that the request names by services and kinds of task.
///
/// # Errors
/// A name is not in `platform.toml`.
fn sources(of: &LogSource, deployed: &Deployed) -> Result<Vec<Source>, CloudError> {
    let LogSource::Some {
        services,
        task_kinds,
    } = of
    else {
        let all = deployed.consumers.iter();
        return Ok(all.map(|consumer| source_of(consumer, None)).collect());
    };
    let known_services: Vec<&Consumer> = deployed.services().map(|(service, _)| service).collect();
    let mut chosen = choose("service", services, &known_services)?;
    let known_kinds: Vec<&Consumer> = deployed.task_kinds().collect();
    chosen.extend(choose("kind of task", task_kinds, &known_kinds)?);
    Ok(chosen)
}

/// The logs of those that are named.
fn choose(what: &str, names: &[String], known: &[&Consumer]) -> Result<Vec<Source>, CloudError> {
    let is_known = |name: &&String| known.iter().any(|consumer| consumer.name == **name);
    if let Some(name) = names.iter().find(|name| !is_known(name)) {
        return Err(unknown(what, name, known.iter().map(|it| it.name.as_str())));
    }
    Ok(known
        .iter()
        .filter(|consumer| names.contains(&consumer.name))
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

/// The stream of a task, and the task where ECS still knows it. A task that ECS has forgotten may
/// be of any kind, so the streams that it has in all of them are returned.
async fn sources_of_task(
    wanted: &str,
    deployed: &Deployed,
    cloud: &Cloud,
) -> Result<(Vec<Source>, Option<TaskState>), CloudError> {
    let ecs = Ecs::new(cloud.sdk());
    match task::find(wanted, &deployed.cluster, &ecs, cloud).await {
        Ok(found) => {
            let state = found.state.clone();
            let source = source_of_task(found, &ecs, cloud).await?;
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

/// The log that the first container of the task writes to.
///
/// # Errors
/// The log cannot be known, or a call fails.
async fn source_of_task(
    task: DescribedTask,
    ecs: &Ecs,
    cloud: &Cloud,
) -> Result<Source, CloudError> {
    let id = TaskId(task.state.arn.clone());
    let container = ecs.container(&task.state.task_definition, None).await?;
    let stream = container.log_stream(&id);
    let (Some(group), Some(stream)) = (container.log_group, stream) else {
        let message = format!("task {} does not write a log to CloudWatch", id.short());
        return Err(CloudError::new(Kind::NotFound, message));
    };
    Ok(Source {
        name: tasks::known(task, cloud).kind,
        group,
        stream: Some(stream),
    })
}

/// Ids of ECS have 32 hexadecimal digits; the local cloud puts dashes between them.
fn is_whole_id(wanted: &str) -> bool {
    let id = wanted.rsplit('/').next().unwrap_or(wanted);
    let digits = id.chars().filter(char::is_ascii_hexdigit).count();
    digits == 32 && id.chars().all(|one| one == '-' || one.is_ascii_hexdigit())
}

/// Where none of the logs exists, an empty answer would be wrong.
fn refuse_nothing(reader: &Reader, cloud: &Cloud) -> Result<(), CloudError> {
    if reader.found_any() {
        return Ok(());
    }
    let message = format!("environment `{}` has no such log", cloud.environment);
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
    async fn admits(&mut self, line: &LogRecord) -> Result<bool, CloudError> {
        // This is not a pattern for CloudWatch, because patterns have another meaning for JSON.
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
) -> anyhow::Result<VecDeque<LogRecord>> {
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

/// Prints the lines of the reader's next pass, or the last of them; returns how many.
async fn show(
    reader: &mut Reader,
    wanted: &mut Wanted<'_>,
    tail: Option<u32>,
) -> anyhow::Result<usize> {
    let mut out = Lines::new();
    let mut shown = 0;
    if let Some(count) = tail {
        for line in last_of_pass(reader, wanted, count).await? {
            out.write(&StreamItem::Line(line))?;
            shown += 1;
        }
    } else {
        reader.begin_pass().await;
        while let Some(line) = reader.next().await? {
            if wanted.admits(&line).await? {
                out.write(&StreamItem::Line(line))?;
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
        out.write(&StreamItem::Line(line))?;
    }
    Ok(out.flush()?)
}
