//! Generators as tasks on ECS.
//!
//! A task is started with the job's id as `startedBy` and the number of the try as client token. On AWS
//! the token alone makes a repeated RunTask harmless. The local cloud ignores it, so the launcher looks for
//! a task by `startedBy` and by the attempt's spec before it repeats a try, and the SDK's own retries are
//! off for this one call.

use std::time::Duration;

use anyhow::Context as _;
use app_gen_contract::env::JOB_SPEC_URI;
use aws_config::retry::RetryConfig;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::Builder;
use aws_sdk_ecs::error::ProvideErrorMetadata as _;
use aws_sdk_ecs::operation::run_task::RunTaskError;
use aws_sdk_ecs::types::{DesiredStatus, LaunchType, Task as EcsTask};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::aws::aws_sdk;
use crate::config::EcsConfig;
use crate::launcher::cloudwatch::LogReader;
use crate::launcher::ecs_ending::ending;
use crate::launcher::ecs_run::{launch_error, network, overrides, spot, started_arn, tags};
use crate::launcher::job_rights::JobRights;
use crate::launcher::quota::TaskDesk;
use crate::launcher::sdk_error::described;
use crate::launcher::{
    Launch, LaunchError, Launcher, LogPage, LogTraits, RunningTask, Task, TaskStatus, Trace,
    Urgency,
};

/// Pages of a list of tasks, with 100 each, that are read at most.
pub(super) const MAX_LIST_PAGES: usize = 20;
/// Why an orchestrator without a task definition for it delivers nothing.
const NO_DELIVERIES: &str = "this environment delivers nothing yet: DELIVERER_TASK_DEFINITION is not set; deploy the \
     environment with cargo xtask deploy";
/// How long a started task may stay out of lists.
const LIST_DELAY: Duration = Duration::from_secs(2);

/// Starts generators as ECS tasks.
#[derive(Debug)]
pub(super) struct EcsLauncher {
    config: EcsConfig,
    client: Client,
    tasks: TaskDesk,
    logs: LogReader,
    /// `None` where the generator's container has credentials of its own.
    rights: Option<JobRights>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Handle {
    cluster: String,
    task_arn: String,
    container: String,
    log_group: String,
    log_stream: String,
}

impl EcsLauncher {
    pub(super) async fn new(config: &EcsConfig) -> anyhow::Result<Self> {
        let sdk = aws_sdk().await?;
        let once = Builder::from(&sdk).retry_config(RetryConfig::disabled());
        Ok(Self {
            config: config.clone(),
            client: Client::new(&sdk),
            tasks: TaskDesk::new(Client::from_conf(once.build())),
            logs: LogReader::new(&sdk, config.log_reads_per_second),
            rights: config
                .role_arn
                .as_ref()
                .map(|role_arn| JobRights::new(role_arn, &sdk)),
        })
    }

    fn handle(&self, task_arn: &str) -> anyhow::Result<Handle> {
        let task_id = task_arn
            .rsplit('/')
            .next()
            .filter(|id| !id.is_empty())
            .with_context(|| format!("task ARN {task_arn:?} holds no task id"))?;
        let config = &self.config;
        Ok(Handle {
            cluster: config.cluster.clone(),
            task_arn: task_arn.to_owned(),
            container: config.container.clone(),
            log_group: config.log_group.clone(),
            log_stream: format!(
                "{}/{}/{task_id}",
                config.log_stream_prefix, config.container
            ),
        })
    }

    fn task(&self, task_arn: &str) -> anyhow::Result<Task> {
        Ok(Task {
            name: task_arn.to_owned(),
            handle: serde_json::to_string(&self.handle(task_arn)?)?,
        })
    }

    async fn run(&self, launch: &Launch) -> Result<Task, LaunchError> {
        let config = &self.config;
        let task_definition = match (launch.delivers, &config.delivery_task_definition) {
            (false, _) => &config.task_definition,
            (true, Some(definition)) => definition,
            (true, None) => return Err(LaunchError::Refused(NO_DELIVERIES.to_owned())),
        };
        let mut environment = config.environment.clone();
        environment.extend(launch.own_keys.variables());
        if let Some(rights) = &self.rights {
            let lent = rights.lend(launch).await;
            environment
                .extend(lent.map_err(|error| LaunchError::NotStarted(format!("{error:#}")))?);
        }
        let once = Builder::new().retry_config(RetryConfig::disabled());
        let on_spot = config.spot && launch.may_be_interrupted;
        let result = self
            .client
            .run_task()
            .cluster(&config.cluster)
            .task_definition(task_definition)
            .set_launch_type((!on_spot).then_some(LaunchType::Fargate))
            .set_capacity_provider_strategy(if on_spot { Some(vec![spot()?]) } else { None })
            .count(1)
            .client_token(format!("{}-{}", launch.job_id, launch.number))
            .started_by(&launch.job_id)
            .set_tags(Some(tags(&config.tags, "job", &launch.job_id)))
            .overrides(overrides(&config.container, &environment, launch))
            .set_network_configuration(network(&config.subnets, &config.security_groups)?)
            .customize()
            .config_override(once)
            .send()
            .await;
        let output = match result {
            Ok(output) => output,
            Err(error) => {
                // The token was used before with another request, by an older version of this service.
                if let Some(RunTaskError::ConflictException(conflict)) = error.as_service_error()
                    && let Some(arn) = conflict.resource_ids().first()
                {
                    return Ok(self.task(arn)?);
                }
                return Err(launch_error(error));
            }
        };
        let arn = started_arn(&output)?;
        Ok(self.task(arn)?)
    }

    async fn find_started(&self, launch: &Launch) -> anyhow::Result<Trace> {
        if let Some(task) = self.list(launch).await? {
            return Ok(Trace::Task(task));
        }
        // AWS shows a task that has just been started a little late.
        tokio::time::sleep(LIST_DELAY).await;
        Ok(self.list(launch).await?.map_or(Trace::Unclear, Trace::Task))
    }

    async fn list(&self, launch: &Launch) -> anyhow::Result<Option<Task>> {
        for desired in [DesiredStatus::Running, DesiredStatus::Stopped] {
            let result = self
                .client
                .list_tasks()
                .cluster(&self.config.cluster)
                .started_by(&launch.job_id)
                .desired_status(desired.clone())
                .send()
                .await;
            match result {
                Ok(output) => {
                    for arn in output.task_arns() {
                        if self.is_of(arn, launch).await? {
                            return Ok(Some(self.task(arn)?));
                        }
                    }
                }
                // AWS may refuse to filter by both; there the client token finds a stopped task.
                Err(error)
                    if desired == DesiredStatus::Stopped
                        && error.code() == Some("InvalidParameterException") => {}
                Err(error) => return Err(described(error, "failed to list tasks of a job")),
            }
        }
        Ok(None)
    }

    /// Whether this task of the job is that of this attempt, and more than a try that found no room.
    async fn is_of(&self, arn: &str, launch: &Launch) -> anyhow::Result<bool> {
        let handle = self.handle(arn)?;
        let task = self.tasks.task(&handle.cluster, &handle.task_arn).await?;
        let Some(task) = task else {
            return Ok(false);
        };
        let found_no_room = matches!(status(&task, &handle.container), TaskStatus::Stopped(ending) if ending.no_room);
        Ok(!found_no_room && spec_uri(&task) == Some(&launch.spec_uri))
    }

    /// All tasks of the generator's families that run and are not being stopped.
    async fn running_tasks(&self) -> anyhow::Result<Vec<RunningTask>> {
        let mut running = self.running_of(&self.config.task_definition).await?;
        if let Some(definition) = &self.config.delivery_task_definition {
            running.extend(self.running_of(definition).await?);
        }
        Ok(running)
    }

    /// Those of one family.
    async fn running_of(&self, task_definition: &str) -> anyhow::Result<Vec<RunningTask>> {
        let mut running = Vec::new();
        let mut next = None;
        for _ in 0..MAX_LIST_PAGES {
            let page = self
                .client
                .list_tasks()
                .cluster(&self.config.cluster)
                .family(family(task_definition))
                .desired_status(DesiredStatus::Running)
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| described(error, "failed to list running tasks"))?;
            if page.task_arns().is_empty() {
                break;
            }
            let described_tasks = self
                .client
                .describe_tasks()
                .cluster(&self.config.cluster)
                .set_tasks(page.task_arns)
                .send()
                .await
                .map_err(|error| described(error, "failed to describe running tasks"))?;
            for task in described_tasks.tasks() {
                let stops = task.desired_status() == Some("STOPPED")
                    || matches!(task.last_status(), Some("STOPPED" | "DELETED"));
                if let (Some(arn), Some(job_id), false) =
                    (task.task_arn(), task.started_by(), stops)
                {
                    running.push(RunningTask {
                        job_id: job_id.to_owned(),
                        task: self.task(arn)?,
                    });
                }
            }
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        Ok(running)
    }

    async fn describe(&self, handle: &Handle) -> anyhow::Result<TaskStatus> {
        let task = self.tasks.task(&handle.cluster, &handle.task_arn).await?;
        Ok(task.map_or(TaskStatus::Missing, |task| status(&task, &handle.container)))
    }

    async fn stop_task(&self, handle: &Handle, reason: &str) -> anyhow::Result<()> {
        // ECS takes at most 255 characters.
        let reason: String = reason.chars().take(255).collect();
        self.client
            .stop_task()
            .cluster(&handle.cluster)
            .task(&handle.task_arn)
            .reason(reason)
            .send()
            .await
            .map_err(|error| described(error, &format!("failed to stop {}", handle.task_arn)))?;
        Ok(())
    }
}

pub(super) fn status(task: &EcsTask, container: &str) -> TaskStatus {
    match task.last_status().unwrap_or_default() {
        "PROVISIONING" | "PENDING" | "ACTIVATING" => TaskStatus::Pending,
        "STOPPED" | "DELETED" => TaskStatus::Stopped(ending(task, container)),
        _ => TaskStatus::Running,
    }
}

/// The spec that the task was started with.
fn spec_uri(task: &EcsTask) -> Option<&str> {
    let containers = task.overrides()?.container_overrides();
    let variables = containers
        .iter()
        .flat_map(|container| container.environment());
    variables
        .filter(|variable| variable.name() == Some(JOB_SPEC_URI))
        .find_map(|variable| variable.value())
}

/// The family of `family`, `family:revision` or an ARN that ends so.
pub(super) fn family(task_definition: &str) -> &str {
    let name = task_definition.rsplit('/').next().unwrap_or_default();
    name.split_once(':').map_or(name, |(family, _)| family)
}

fn parse(handle: &str) -> anyhow::Result<Handle> {
    serde_json::from_str(handle).with_context(|| format!("task handle {handle:?} is unreadable"))
}

impl Launcher for EcsLauncher {
    fn log_traits(&self) -> LogTraits {
        LogTraits {
            // The turns of reading (`quota`) are the pauses.
            poll: Duration::from_millis(100),
            busy_poll: Duration::from_millis(100),
            status_poll: Duration::from_secs(2),
            drain: Duration::from_secs(10),
            gap: Duration::from_secs(15),
            missing: Duration::from_secs(60),
        }
    }

    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Task, LaunchError>> {
        Box::pin(self.run(launch))
    }

    fn find<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, anyhow::Result<Trace>> {
        Box::pin(self.find_started(launch))
    }

    fn status<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, anyhow::Result<TaskStatus>> {
        Box::pin(async move { self.describe(&parse(handle)?).await })
    }

    fn read_log<'a>(
        &'a self,
        handle: &'a str,
        position: Option<&'a str>,
        urgency: Urgency,
    ) -> BoxFuture<'a, anyhow::Result<Option<LogPage>>> {
        Box::pin(async move {
            let handle = parse(handle)?;
            let (group, stream) = (&handle.log_group, &handle.log_stream);
            self.logs.read(group, stream, position, urgency).await
        })
    }

    fn stop<'a>(
        &'a self,
        handle: &'a str,
        reason: &'a str,
        _force: bool,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move { self.stop_task(&parse(handle)?, reason).await })
    }

    fn running(&self) -> BoxFuture<'_, anyhow::Result<Vec<RunningTask>>> {
        Box::pin(self.running_tasks())
    }

    fn forget<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            self.logs.forget(&parse(handle)?.log_stream);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        let arn = "arn:aws:ecs:us-east-1:000000000001:task-definition/app-generator:7";
        for text in ["app-generator", "app-generator:7", arn] {
            assert_eq!(family(text), "app-generator");
        }
    }
}
