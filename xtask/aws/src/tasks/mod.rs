//! Tasks as people know them: which service or kind of task of `platform.toml` they belong to, and
//! why they failed.

use crate::config::Cloud;
use crate::ecs::{Container, DescribedTask, Ecs, TaskId};
use crate::error::{CloudError, Kind};
use crate::log_reader::{Reader, Source};
use crate::logs::Logs;
use crate::stop_reasons::{Stop, meaning};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use tokio::task::JoinSet;
use xtask_aws_api::calls::tasks::Task;

/// How many logs of failed tasks are read, beginning with the newest task. A crash loop leaves
/// hundreds of tasks that failed in the same way.
const LOGS_READ: usize = 20;

/// How many recorded failures are listed, beginning with the newest.
const FAILURES_LISTED: usize = 1_000;

/// How many lines are read to find out what a bare exit code means.
const TELLING_LINES: u32 = 5;

/// `started_by` of the tasks that this tool runs.
pub(crate) const STARTED_BY: &str = "xtask";

const GENERATOR: &str = "generator";
const PREVIEW: &str = "preview";
const OTHER: &str = "other";

/// The task with everything that is known of it without its log.
pub(crate) fn known(found: DescribedTask, cloud: &Cloud) -> Task {
    let deployed = cloud.deployed();
    let DescribedTask {
        mut state, service, ..
    } = found;
    let family = state.task_definition.split(':').next().unwrap_or_default();
    let kind = deployed
        .consumers
        .iter()
        .find(|consumer| consumer.family == family)
        .map(|consumer| consumer.name.clone());
    let delivers = (deployed.deliverer.as_ref()).is_some_and(|known| known.family == family);
    let validated = || {
        let names = cloud.validation();
        let kinds = [(names.family, GENERATOR), (names.preview_family, PREVIEW)];
        let found = kinds.into_iter().find(|(known, _)| known == family);
        let kind = delivers
            .then_some(GENERATOR)
            .or(found.map(|(_, kind)| kind));
        kind.map(str::to_owned)
    };
    let kind = kind.or_else(validated).unwrap_or_else(|| OTHER.to_owned());
    let service = service.map(|service| {
        let named = deployed.services().find(|(_, name)| *name == service);
        named.map_or(service.clone(), |(consumer, _)| consumer.name.clone())
    });
    // The orchestrator starts a generator in the name of its job.
    if state.job.is_none() && kind == GENERATOR && service.is_none() {
        state.job = state.started_by.clone().filter(|by| by != STARTED_BY);
    }
    let mut task = Task {
        id: TaskId(state.arn.clone()).short().to_owned(),
        kind,
        service,
        meaning: None,
        log: None,
        state,
    };
    judge(&mut task, &[], cloud);
    task
}

/// Finds out why the task failed, if it did; `log` is what it wrote last.
fn judge(task: &mut Task, log: &[String], cloud: &Cloud) {
    if !task.state.is_stopped() || task.state.failure().is_none() {
        return;
    }
    let stop = Stop {
        reason: &task.state.reasons(),
        code: task.state.stop_code.as_deref(),
        exit_code: task.state.exit_code,
        log,
    };
    let meaning = meaning(&stop, &cloud.environment);
    task.meaning = Some(meaning).filter(|meaning| !meaning.reason.is_order());
}

/// Tasks of the cluster: running tasks first, then those that stopped, the latest first. With
/// `log_lines`, the newest tasks that failed carry that many lines of their log.
///
/// # Errors
/// A call fails, or there is no such cluster ([`Kind::NotFound`]).
pub(crate) async fn list(
    cloud: &Cloud,
    cluster: &str,
    log_lines: Option<u32>,
) -> Result<Vec<Task>, CloudError> {
    let ecs = Ecs::new(cloud.sdk());
    let ids = ecs.list_tasks(cluster, None).await?;
    let found = ecs.describe_tasks(cluster, &ids).await?;
    let mut tasks: Vec<Task> = found.into_iter().map(|task| known(task, cloud)).collect();
    tasks.sort_by_key(|task| {
        let state = &task.state;
        let times = (state.stopped_at, state.created_at);
        (state.is_stopped(), Reverse(times))
    });
    read_logs(&mut tasks, cloud, &ecs, log_lines).await;
    Ok(tasks)
}

/// As [`list`], for the environment's own cluster; an empty list where nothing is deployed.
///
/// # Errors
/// A call fails.
pub(crate) async fn list_deployed(
    cloud: &Cloud,
    log_lines: Option<u32>,
) -> Result<Vec<Task>, CloudError> {
    match list(cloud, &cloud.deployed().cluster, log_lines).await {
        Err(error) if error.kind == Kind::NotFound => Ok(Vec::new()),
        listed => listed,
    }
}

/// Tasks that failed since then, the latest first, as EventBridge recorded them (see
/// `lib/observability/task-failures.ts` of the CDK app). `log_lines` has the meaning that it has
/// for [`list`].
///
/// # Errors
/// A call fails, failures are not recorded ([`Kind::NotFound`]), or the record holds something else.
pub(crate) async fn list_failed(
    cloud: &Cloud,
    since_ms: i64,
    log_lines: Option<u32>,
) -> Result<Vec<Task>, CloudError> {
    let group = cloud.deployed().failure_log_group;
    let source = Source {
        name: OTHER.to_owned(),
        group: group.clone(),
        stream: None,
    };
    let mut reader = Reader::new(Logs::new(cloud.sdk()), vec![source], since_ms, false);
    let mut found: VecDeque<DescribedTask> = VecDeque::new();
    reader.begin_pass().await;
    while let Some(line) = reader.next().await? {
        let task = DescribedTask::of_event(&line.message).map_err(|error| {
            let message = format!("{group}: a line is not an event of a task: {error}");
            CloudError::new(Kind::Service, message)
        })?;
        // EventBridge may report a task twice.
        found.retain(|known| known.state.arn != task.state.arn);
        if found.len() == FAILURES_LISTED {
            found.pop_front();
        }
        found.push_back(task);
    }
    if !reader.found_any() {
        let message = format!("failures of tasks are not recorded: there is no log group {group}");
        return Err(CloudError::new(Kind::NotFound, message)
            .hint(format!("cargo xtask deploy --env {}", cloud.environment)));
    }
    let newest_first = found.into_iter().rev();
    let mut tasks: Vec<Task> = newest_first.map(|task| known(task, cloud)).collect();
    read_logs(&mut tasks, cloud, &Ecs::new(cloud.sdk()), log_lines).await;
    Ok(tasks)
}

/// Reads the logs of failed tasks side by side. Where a log cannot be read, the task is returned
/// without it.
async fn read_logs(tasks: &mut [Task], cloud: &Cloud, ecs: &Ecs, log_lines: Option<u32>) {
    let logs = Logs::new(cloud.sdk());
    let mut containers: BTreeMap<String, Option<Container>> = BTreeMap::new();
    let mut reading = JoinSet::new();
    let wanted = tasks.iter().enumerate().filter(|(_, task)| {
        // Without an exit code the container never ran. Where the lines were not asked for, they
        // are needed only to explain a bare exit code.
        let exited = task.state.exit_code.is_some();
        exited
            && task
                .meaning
                .as_ref()
                .is_some_and(|meaning| log_lines.is_some() || meaning.reason.is_bare_exit())
    });
    for (index, task) in wanted.take(LOGS_READ) {
        let definition = &task.state.task_definition;
        if !containers.contains_key(definition) {
            let found = ecs.container(definition, None).await.ok();
            containers.insert(definition.clone(), found);
        }
        let id = TaskId(task.state.arn.clone());
        let container = containers.get(definition).and_then(Option::as_ref);
        let place = container.and_then(|it| Some((it.log_group.clone()?, it.log_stream(&id)?)));
        if let Some((group, stream)) = place {
            let logs = logs.clone();
            let lines = log_lines.unwrap_or_default().max(TELLING_LINES);
            reading.spawn(async move { (index, logs.tail(&group, &stream, lines).await) });
        }
    }
    while let Some(read) = reading.join_next().await {
        let Ok((index, Ok(mut lines))) = read else {
            continue;
        };
        let messages: Vec<String> = lines.iter().map(|line| line.message.clone()).collect();
        judge(&mut tasks[index], &messages, cloud);
        if let Some(wanted) = log_lines {
            let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
            lines.drain(..lines.len().saturating_sub(wanted));
            tasks[index].log = Some(lines);
        }
    }
}

#[cfg(test)]
mod tests;
