//! Tasks as people ask for them: what of platform.toml they are, and why they failed.

use crate::config::Cloud;
use crate::ecs::{Container, Ecs, TaskId, TaskState};
use crate::error::{CloudError, Kind};
use crate::log_reader::{Reader, Source};
use crate::logs::{LogLine, Logs};
use crate::names::Deployed;
use crate::stop_reasons::{Meaning, Stop, meaning};
use crate::validate::Names;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use tokio::task::JoinSet;

/// Failed tasks whose log is read: the newest. A crash loop leaves hundreds that say the same.
const LOGS_READ: usize = 20;

/// Recorded failures that are listed: the newest.
const FAILURES_LISTED: usize = 1_000;

/// Lines that tell what a bare exit code means.
const TELLING_LINES: u32 = 5;

/// A task, and what is known of it beyond ECS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Task {
    /// The last part of the ARN.
    #[serde(rename = "task")]
    pub(crate) id: String,
    /// Its name in platform.toml, or `other`.
    pub(crate) kind: String,
    /// Of platform.toml where it stands there, else as ECS calls it.
    pub(crate) service: Option<String>,
    /// Of a task that failed.
    pub(crate) meaning: Option<Meaning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<Vec<LogLine>>,
    #[serde(flatten)]
    pub(crate) state: TaskState,
}

impl Task {
    pub(crate) fn new(mut state: TaskState, cloud: &Cloud) -> Self {
        let deployed = Deployed::new(cloud);
        let family = state.task_definition.split(':').next().unwrap_or_default();
        let kind = deployed
            .consumers
            .iter()
            .find(|consumer| consumer.family == family)
            .map(|consumer| consumer.name.clone());
        let validated = || (family == Names::new(cloud).family).then(|| GENERATOR.to_owned());
        let kind = kind.or_else(validated).unwrap_or_else(|| OTHER.to_owned());
        let group = state.group.as_deref().unwrap_or_default();
        let service = group.strip_prefix("service:").map(|group| {
            let named = deployed.services().find(|(_, name)| *name == group);
            named.map_or_else(|| group.to_owned(), |(consumer, _)| consumer.name.clone())
        });
        // The orchestrator starts a generator in the name of its job.
        if state.job.is_none() && kind == GENERATOR && service.is_none() {
            state.job = state.started_by.clone().filter(|by| by != STARTED_BY);
        }
        let mut task = Self {
            id: TaskId(state.arn.clone()).short().to_owned(),
            kind,
            service,
            meaning: None,
            log: None,
            state,
        };
        task.judge(&[], cloud);
        task
    }

    /// Says why it failed, if it did; `log` is what it wrote last.
    fn judge(&mut self, log: &[String], cloud: &Cloud) {
        if !self.state.is_stopped() || self.state.failure().is_none() {
            return;
        }
        let stop = Stop {
            reason: &self.state.reasons(),
            code: self.state.stop_code.as_deref(),
            exit_code: self.state.exit_code,
            log,
        };
        self.meaning = Some(meaning(&stop, &cloud.environment)).filter(|said| !said.is_order());
    }
}

/// `started_by` of the tasks that this tool runs.
pub(crate) const STARTED_BY: &str = "xtask";

const GENERATOR: &str = "generator";
const OTHER: &str = "other";

/// Tasks of the cluster, running ones first, then the latest stop. With `log_lines` the
/// newest failed ones carry that much of their log.
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
    let states = ecs.describe_tasks(cluster, &ids).await?;
    let mut tasks: Vec<Task> = states
        .into_iter()
        .map(|state| Task::new(state, cloud))
        .collect();
    tasks.sort_by_key(|task| {
        let state = &task.state;
        let times = (state.stopped_at, state.created_at);
        (state.is_stopped(), Reverse(times))
    });
    read_logs(&mut tasks, cloud, &ecs, log_lines).await;
    Ok(tasks)
}

/// [`list`] for what is deployed; nothing where nothing is.
///
/// # Errors
/// A call fails.
pub(crate) async fn list_deployed(
    cloud: &Cloud,
    log_lines: Option<u32>,
) -> Result<Vec<Task>, CloudError> {
    match list(cloud, &Deployed::new(cloud).cluster, log_lines).await {
        Err(error) if error.kind == Kind::NotFound => Ok(Vec::new()),
        listed => listed,
    }
}

/// Tasks that failed since then, the latest first, as EventBridge recorded them (the CDK app's
/// `lib/observability/task-failures.ts` says which). `log_lines` as for [`list`].
///
/// # Errors
/// A call fails, there is no record ([`Kind::NotFound`]), or something else stands in it.
pub(crate) async fn list_failed(
    cloud: &Cloud,
    since_ms: i64,
    log_lines: Option<u32>,
) -> Result<Vec<Task>, CloudError> {
    let group = Deployed::new(cloud).failure_log_group;
    let source = Source {
        name: OTHER.to_owned(),
        group: group.clone(),
        stream: None,
    };
    let mut reader = Reader::new(Logs::new(cloud.sdk()), vec![source], since_ms, false);
    let mut states = VecDeque::new();
    reader.begin_pass().await;
    while let Some(line) = reader.next().await? {
        let state = TaskState::of_event(&line.message).map_err(|error| {
            let message = format!("{group}: a line is no event of a task: {error}");
            CloudError::new(Kind::Service, message)
        })?;
        // EventBridge may tell of a task twice.
        states.retain(|known: &TaskState| known.arn != state.arn);
        if states.len() == FAILURES_LISTED {
            states.pop_front();
        }
        states.push_back(state);
    }
    if !reader.found_any() {
        let message = format!("nothing records failures of tasks: no log group {group}");
        return Err(CloudError::new(Kind::NotFound, message)
            .hint(format!("cargo xtask deploy --env {}", cloud.environment)));
    }
    let newest_first = states.into_iter().rev();
    let mut tasks: Vec<Task> = newest_first.map(|state| Task::new(state, cloud)).collect();
    read_logs(&mut tasks, cloud, &Ecs::new(cloud.sdk()), log_lines).await;
    Ok(tasks)
}

/// Reads the logs of failed tasks side by side. A log that cannot be read says nothing,
/// and the task is told without it.
async fn read_logs(tasks: &mut [Task], cloud: &Cloud, ecs: &Ecs, log_lines: Option<u32>) {
    let logs = Logs::new(cloud.sdk());
    let mut containers: BTreeMap<String, Option<Container>> = BTreeMap::new();
    let mut reading = JoinSet::new();
    let wanted = tasks.iter().enumerate().filter(|(_, task)| {
        // Without an exit code the container never ran, and only a bare one needs telling.
        let exited = task.state.exit_code.is_some();
        exited
            && task
                .meaning
                .as_ref()
                .is_some_and(|said| log_lines.is_some() || said.is_bare())
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
        tasks[index].judge(&messages, cloud);
        if let Some(wanted) = log_lines {
            let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
            lines.drain(..lines.len().saturating_sub(wanted));
            tasks[index].log = Some(lines);
        }
    }
}

#[cfg(test)]
mod tests;
