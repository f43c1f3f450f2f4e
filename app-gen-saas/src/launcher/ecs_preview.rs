//! Previews as tasks on ECS: with the preview's id as `startedBy` and the number of the try as client token, as
//! generators have them. They are given no credentials of any kind.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context as _;
use app_gen_contract::env::{PREVIEW_LIFETIME_SECS, PREVIEW_SHA256};
use aws_config::retry::RetryConfig;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::error::ProvideErrorMetadata as _;
use aws_sdk_ecs::operation::run_task::RunTaskError;
use aws_sdk_ecs::types::{
    ContainerOverride, DesiredStatus, KeyValuePair, LaunchType, Task as EcsTask, TaskOverride,
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::aws::aws_sdk;
use crate::config::EcsPreviewConfig;
use crate::launcher::ecs::{MAX_LIST_PAGES, family, status};
use crate::launcher::ecs_run::{launch_error, network, started_arn, tags};
use crate::launcher::preview::{
    PreviewPlaces, PreviewTaskStatus, PreviewTasks, RunningPreview, StartPreview,
};
use crate::launcher::sdk_error::described;
use crate::launcher::{LaunchError, Task, TaskStatus};

/// Starts previews as ECS tasks.
#[derive(Debug)]
pub(super) struct EcsPreviews {
    config: EcsPreviewConfig,
    client: Client,
}

/// The ports are those with which the task was started, whatever the configuration says later.
#[derive(Debug, Serialize, Deserialize)]
struct Handle {
    cluster: String,
    task_arn: String,
    container: String,
    control_port: u16,
    port: u16,
}

impl EcsPreviews {
    pub(super) async fn new(config: &EcsPreviewConfig) -> anyhow::Result<Self> {
        Ok(Self {
            config: config.clone(),
            client: Client::new(&aws_sdk().await?),
        })
    }

    fn task(&self, task_arn: &str) -> anyhow::Result<Task> {
        let config = &self.config;
        let handle = Handle {
            cluster: config.cluster.clone(),
            task_arn: task_arn.to_owned(),
            container: config.container.clone(),
            control_port: config.control_port,
            port: config.port,
        };
        Ok(Task {
            name: task_arn.to_owned(),
            handle: serde_json::to_string(&handle)?,
        })
    }

    async fn run(&self, start: &StartPreview) -> Result<Task, LaunchError> {
        let config = &self.config;
        let once = aws_sdk_ecs::config::Builder::new().retry_config(RetryConfig::disabled());
        let result = self
            .client
            .run_task()
            .cluster(&config.cluster)
            .task_definition(&config.task_definition)
            .launch_type(LaunchType::Fargate)
            .count(1)
            .client_token(format!("{}-{}", start.id, start.number))
            .started_by(&start.id)
            .set_tags(Some(tags(&config.tags, "preview", &start.id)))
            .overrides(overrides(&config.container, start))
            .set_network_configuration(network(&config.subnets, &config.security_groups)?)
            .customize()
            .config_override(once)
            .send()
            .await;
        let output = match result {
            Ok(output) => output,
            Err(error) => {
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

    async fn find_started(&self, id: &str) -> anyhow::Result<Option<Task>> {
        let output = self
            .client
            .list_tasks()
            .cluster(&self.config.cluster)
            .started_by(id)
            .desired_status(DesiredStatus::Running)
            .send()
            .await
            .map_err(|error| described(error, "failed to list the tasks of a preview"))?;
        let arn = output.task_arns().first();
        arn.map(|arn| self.task(arn)).transpose()
    }

    async fn running_tasks(&self) -> anyhow::Result<Vec<RunningPreview>> {
        let mut running = Vec::new();
        let mut next = None;
        for _ in 0..MAX_LIST_PAGES {
            let page = self
                .client
                .list_tasks()
                .cluster(&self.config.cluster)
                .family(family(&self.config.task_definition))
                .desired_status(DesiredStatus::Running)
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| described(error, "failed to list previews"))?;
            if page.task_arns().is_empty() {
                break;
            }
            let tasks = self
                .client
                .describe_tasks()
                .cluster(&self.config.cluster)
                .set_tasks(page.task_arns)
                .send()
                .await
                .map_err(|error| described(error, "failed to describe previews"))?;
            for task in tasks.tasks() {
                let stops = task.desired_status() == Some("STOPPED")
                    || matches!(task.last_status(), Some("STOPPED" | "DELETED"));
                if let (Some(arn), Some(id), false) = (task.task_arn(), task.started_by(), stops) {
                    running.push(RunningPreview {
                        id: id.to_owned(),
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

    async fn describe(&self, handle: &Handle) -> anyhow::Result<PreviewTaskStatus> {
        let result = self
            .client
            .describe_tasks()
            .cluster(&handle.cluster)
            .tasks(&handle.task_arn)
            .send()
            .await;
        let output = match result {
            Ok(output) => output,
            // Without the cluster there is no task in it.
            Err(error) if error.code() == Some("ClusterNotFoundException") => {
                return Ok(PreviewTaskStatus::Missing);
            }
            Err(error) => {
                let what = format!("failed to describe {}", handle.task_arn);
                return Err(described(error, &what));
            }
        };
        let Some(task) = output.tasks().first() else {
            return Ok(PreviewTaskStatus::Missing);
        };
        Ok(match status(task, &handle.container) {
            TaskStatus::Pending => PreviewTaskStatus::Pending,
            TaskStatus::Running => match address(task) {
                Some(address) => PreviewTaskStatus::Running(PreviewPlaces {
                    control: SocketAddr::new(address, handle.control_port),
                    application: SocketAddr::new(address, handle.port),
                }),
                None => PreviewTaskStatus::Pending,
            },
            TaskStatus::Stopped(ending) => PreviewTaskStatus::Stopped(ending),
            TaskStatus::Missing => PreviewTaskStatus::Missing,
        })
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

fn overrides(container: &str, start: &StartPreview) -> TaskOverride {
    let lifetime = start.lifetime.as_secs().to_string();
    let variables = [
        (PREVIEW_SHA256, start.sha256.as_str()),
        (PREVIEW_LIFETIME_SECS, lifetime.as_str()),
    ]
    .map(|(name, value)| KeyValuePair::builder().name(name).value(value).build());
    let container = ContainerOverride::builder()
        .name(container)
        .set_environment(Some(variables.to_vec()))
        .build();
    TaskOverride::builder()
        .container_overrides(container)
        .build()
}

/// The task's own address in its network. ECS says it, and not the task: nobody who runs in a task can have
/// the orchestrator ask somebody else.
fn address(task: &EcsTask) -> Option<IpAddr> {
    let attachments = task.attachments().iter();
    let details = attachments.flat_map(|attachment| attachment.details());
    let mut addresses = details.filter(|detail| detail.name() == Some("privateIPv4Address"));
    addresses.find_map(|detail| detail.value()?.parse().ok())
}

fn parse(handle: &str) -> anyhow::Result<Handle> {
    serde_json::from_str(handle).with_context(|| format!("task handle {handle:?} is unreadable"))
}

impl PreviewTasks for EcsPreviews {
    fn start<'a>(&'a self, start: &'a StartPreview) -> BoxFuture<'a, Result<Task, LaunchError>> {
        Box::pin(self.run(start))
    }

    fn find<'a>(
        &'a self,
        id: &'a str,
        _number: i64,
    ) -> BoxFuture<'a, anyhow::Result<Option<Task>>> {
        Box::pin(self.find_started(id))
    }

    fn status<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, anyhow::Result<PreviewTaskStatus>> {
        Box::pin(async move { self.describe(&parse(handle)?).await })
    }

    fn stop<'a>(
        &'a self,
        handle: &'a str,
        reason: &'a str,
        _force: bool,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move { self.stop_task(&parse(handle)?, reason).await })
    }

    fn running(&self) -> BoxFuture<'_, anyhow::Result<Vec<RunningPreview>>> {
        Box::pin(self.running_tasks())
    }

    fn forget<'a>(&'a self, _handle: &'a str) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::Attachment;

    #[test]
    fn a_task_has_the_address_of_its_network_interface() {
        let detail =
            |name: &str, value: &str| KeyValuePair::builder().name(name).value(value).build();
        let attachment = Attachment::builder()
            .details(detail("subnetId", "subnet-1"))
            .details(detail("privateIPv4Address", "10.11.0.7"))
            .build();
        let task = EcsTask::builder().attachments(attachment).build();
        assert_eq!(address(&task), Some(IpAddr::from([10, 11, 0, 7])));
        assert_eq!(address(&EcsTask::builder().build()), None);
    }
}
