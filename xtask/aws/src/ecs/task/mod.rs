//! Tasks: how to start one, follow it to its end, stop it, and list them.

use crate::ecs::{Ecs, definition_name, refuse_failures};
use crate::error::{CloudError, Kind};
use crate::time::timestamp;
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, CapacityProviderStrategyItem, ContainerOverride,
    DesiredStatus, KeyValuePair, LaunchType, NetworkConfiguration, Task, TaskOverride,
};
use std::time::{Duration, Instant};
use xtask_aws_api::calls::tasks::{Network, TaskState};

/// The time between two looks at a task that is followed.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// DescribeTasks may not know a new task for a while (boto3#842).
const UNKNOWN_GRACE: Duration = Duration::from_secs(30);

/// DescribeTasks accepts this many at once.
const DESCRIBE_LIMIT: usize = 100;

/// Variables by which the generator knows its job, as the contract between it and the orchestrator
/// names them. A dependency on that contract would have the whole SDK compiled with other
/// features, which two names are not worth.
const JOB_SPEC_URI: &str = "JOB_SPEC_URI";
const REQUEST_ID: &str = "REQUEST_ID";

/// The ARN of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskId(pub(crate) String);

impl TaskId {
    /// The last part of the ARN, which log stream names contain.
    pub(crate) fn short(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

/// One run of a task definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskSpec {
    pub(crate) cluster: String,
    /// `family` or `family:revision`.
    pub(crate) definition: String,
    pub(crate) container: String,
    /// Added to the environment in the definition; ECS accepts 8 KiB of overrides in all.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) network: Network,
    /// The arguments of its program; those of its definition where there are none.
    pub(crate) command: Vec<String>,
    /// Whether it runs on spare capacity, which costs a third and may be taken back.
    pub(crate) spot: bool,
    /// At most 36 characters.
    pub(crate) started_by: String,
}

/// A task as ECS describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DescribedTask {
    pub(crate) state: TaskState,
    /// The service that it belongs to, by its name in ECS.
    pub(crate) service: Option<String>,
    /// The first container, as the session service names it.
    pub(crate) runtime_id: Option<String>,
}

impl Ecs {
    /// Starts one task on Fargate.
    ///
    /// # Errors
    /// The call fails, or its reply holds failures or no task.
    pub(crate) async fn run_task(&self, spec: &TaskSpec) -> Result<TaskId, CloudError> {
        let action = format!("ecs RunTask {}", spec.definition);
        let environment = spec
            .environment
            .iter()
            .map(|(name, value)| KeyValuePair::builder().name(name).value(value).build())
            .collect();
        let overrides = TaskOverride::builder()
            .container_overrides(
                ContainerOverride::builder()
                    .name(&spec.container)
                    .set_environment(Some(environment))
                    .set_command((!spec.command.is_empty()).then(|| spec.command.clone()))
                    .build(),
            )
            .build();
        let reply = self
            .client
            .run_task()
            .cluster(&spec.cluster)
            .task_definition(&spec.definition)
            .set_launch_type((!spec.spot).then_some(LaunchType::Fargate))
            .set_capacity_provider_strategy(spot_strategy(&action, spec.spot)?)
            .count(1)
            .started_by(&spec.started_by)
            .overrides(overrides)
            .set_network_configuration(network_configuration(&action, &spec.network)?)
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&action, error))?;
        refuse_failures(&action, reply.failures().iter())?;
        reply
            .tasks()
            .first()
            .and_then(|task| task.task_arn())
            .map(|arn| TaskId(arn.to_owned()))
            .ok_or_else(|| {
                CloudError::new(Kind::Service, format!("{action}: the reply holds no task"))
            })
    }

    /// Follows the task until it has stopped. `None`: it still ran after `bound`.
    ///
    /// # Errors
    /// A call fails, or the task stays unknown.
    pub(crate) async fn wait_stopped(
        &self,
        cluster: &str,
        task: &TaskId,
        bound: Duration,
    ) -> Result<Option<DescribedTask>, CloudError> {
        let begin = Instant::now();
        loop {
            let tasks = self
                .describe_tasks(cluster, std::slice::from_ref(task))
                .await?;
            match tasks.into_iter().next() {
                Some(task) if task.state.is_stopped() => return Ok(Some(task)),
                Some(_) => {}
                None if begin.elapsed() < UNKNOWN_GRACE => {}
                None => {
                    return Err(CloudError::new(
                        Kind::NotFound,
                        format!("ecs DescribeTasks {cluster}: no task {}", task.short()),
                    ));
                }
            }
            if begin.elapsed() >= bound {
                return Ok(None);
            }
            tokio::time::sleep(POLL_INTERVAL.min(bound)).await;
        }
    }

    /// Those of the given tasks that ECS knows.
    ///
    /// # Errors
    /// A call fails, or its reply holds failures.
    pub(crate) async fn describe_tasks(
        &self,
        cluster: &str,
        tasks: &[TaskId],
    ) -> Result<Vec<DescribedTask>, CloudError> {
        let mut states = Vec::with_capacity(tasks.len());
        for chunk in tasks.chunks(DESCRIBE_LIMIT) {
            let action = format!("ecs DescribeTasks {cluster}");
            let reply = self
                .client
                .describe_tasks()
                .cluster(cluster)
                .set_tasks(Some(chunk.iter().map(|task| task.0.clone()).collect()))
                .send()
                .await
                .map_err(|error| CloudError::from_sdk(&action, error))?;
            // A task that ECS does not know is left out: it is too new, or was forgotten since it
            // was listed.
            let known = reply
                .failures()
                .iter()
                .filter(|failure| failure.reason() != Some("MISSING"));
            refuse_failures(&action, known)?;
            states.extend(reply.tasks().iter().map(described));
        }
        Ok(states)
    }

    /// Tasks of the cluster, or of one service in it, that run or stopped lately. ECS forgets
    /// tasks about an hour after they stopped.
    ///
    /// # Errors
    /// A call fails, or there is no such cluster or service ([`Kind::NotFound`]).
    pub(crate) async fn list_tasks(
        &self,
        cluster: &str,
        service: Option<&str>,
    ) -> Result<Vec<TaskId>, CloudError> {
        let mut tasks = Vec::new();
        for status in [DesiredStatus::Running, DesiredStatus::Stopped] {
            let arns: Result<Vec<String>, _> = self
                .client
                .list_tasks()
                .cluster(cluster)
                .set_service_name(service.map(str::to_owned))
                .desired_status(status)
                .into_paginator()
                .items()
                .send()
                .collect()
                .await;
            let arns = arns.map_err(|error| {
                CloudError::from_sdk(&format!("ecs ListTasks {cluster}"), error)
            })?;
            tasks.extend(arns.into_iter().map(TaskId));
        }
        Ok(tasks)
    }

    /// Asks the task to stop. A task that has stopped already stays as it is.
    ///
    /// # Errors
    /// The call fails.
    pub(crate) async fn stop_task(
        &self,
        cluster: &str,
        task: &TaskId,
        reason: &str,
    ) -> Result<(), CloudError> {
        self.client
            .stop_task()
            .cluster(cluster)
            .task(&task.0)
            .reason(reason)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| CloudError::from_sdk(&format!("ecs StopTask {}", task.short()), error))
    }
}

fn spot_strategy(
    action: &str,
    spot: bool,
) -> Result<Option<Vec<CapacityProviderStrategyItem>>, CloudError> {
    if !spot {
        return Ok(None);
    }
    CapacityProviderStrategyItem::builder()
        .capacity_provider("FARGATE_SPOT")
        .weight(1)
        .build()
        .map(|item| Some(vec![item]))
        .map_err(|error| CloudError::new(Kind::Service, format!("{action}: {error}")))
}

fn network_configuration(
    action: &str,
    network: &Network,
) -> Result<Option<NetworkConfiguration>, CloudError> {
    if network.subnets.is_empty() {
        return Ok(None);
    }
    let configuration = AwsVpcConfiguration::builder()
        .set_subnets(Some(network.subnets.clone()))
        .set_security_groups(Some(network.security_groups.clone()))
        // The subnets are public and have no NAT: without an address of its own, the task does not
        // reach the registry.
        .assign_public_ip(AssignPublicIp::Enabled)
        .build()
        .map_err(|error| CloudError::new(Kind::Service, format!("{action}: {error}")))?;
    Ok(Some(
        NetworkConfiguration::builder()
            .awsvpc_configuration(configuration)
            .build(),
    ))
}

/// Reads a task of the SDK.
pub(super) fn described(task: &Task) -> DescribedTask {
    let container = task.containers().first();
    let text = |value: Option<&str>| value.filter(|text| !text.is_empty()).map(str::to_owned);
    let definition = task.task_definition_arn().unwrap_or_default();
    let state = TaskState {
        arn: task.task_arn().unwrap_or_default().to_owned(),
        task_definition: definition_name(definition).to_owned(),
        status: task.last_status().unwrap_or("UNKNOWN").to_owned(),
        exit_code: container.and_then(|container| container.exit_code()),
        reason: text(task.stopped_reason()),
        stop_code: text(task.stop_code().map(|code| code.as_str())),
        container_reason: text(container.and_then(|container| container.reason())),
        container: text(container.and_then(|container| container.name())),
        image: text(container.and_then(|container| container.image())),
        image_digest: text(container.and_then(|container| container.image_digest())),
        address: text(address(task)),
        // Where no provider was named, the launch type says the same.
        capacity: text(task.capacity_provider_name())
            .or_else(|| text(task.launch_type().map(|launch| launch.as_str()))),
        started_by: text(task.started_by()),
        created_at: task.created_at().and_then(timestamp),
        started_at: task.started_at().and_then(timestamp),
        stopped_at: task.stopped_at().and_then(timestamp),
        job: job_of(task),
    };
    DescribedTask {
        state,
        // `service:NAME` or `family:NAME`.
        service: text(
            task.group()
                .and_then(|group| group.strip_prefix("service:")),
        ),
        runtime_id: text(container.and_then(|container| container.runtime_id())),
    }
}

/// The job that the variables of the task name, by the rule of the generator itself. Other
/// variables are not kept, because they may hold credentials.
fn job_of(task: &Task) -> Option<String> {
    let variable = |wanted: &str| {
        task.overrides()?
            .container_overrides()
            .iter()
            .flat_map(|container| container.environment())
            .find(|pair| pair.name() == Some(wanted))?
            .value()
            .filter(|value| !value.is_empty())
    };
    // `…/ID/spec.json`
    variable(JOB_SPEC_URI)
        .and_then(|uri| uri.rsplit('/').nth(1))
        .or_else(|| variable(REQUEST_ID))
        .map(str::to_owned)
}

fn address(task: &Task) -> Option<&str> {
    task.attachments()
        .iter()
        .flat_map(|attachment| attachment.details())
        .find(|detail| detail.name() == Some("privateIPv4Address"))?
        .value()
}

#[cfg(test)]
mod tests;
