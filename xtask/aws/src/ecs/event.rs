//! Tasks as EventBridge reports them.

use crate::ecs::task::{DescribedTask, described};
use aws_sdk_ecs::primitives::{DateTime, DateTimeFormat};
use aws_sdk_ecs::types::{
    Container, ContainerOverride, KeyValuePair, LaunchType, Task, TaskOverride, TaskStopCode,
};
use serde::Deserialize;

/// An event. What is not read here, for instance an address, is of no use for a stopped task.
#[derive(Deserialize)]
struct Event {
    detail: Detail,
}

/// A task as DescribeTasks returns it, except that times are text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    task_arn: String,
    task_definition_arn: Option<String>,
    last_status: String,
    stop_code: Option<String>,
    stopped_reason: Option<String>,
    group: Option<String>,
    started_by: Option<String>,
    launch_type: Option<String>,
    capacity_provider_name: Option<String>,
    created_at: Option<String>,
    started_at: Option<String>,
    stopped_at: Option<String>,
    #[serde(default)]
    containers: Vec<Part>,
    #[serde(default)]
    overrides: Overrides,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    name: Option<String>,
    image: Option<String>,
    image_digest: Option<String>,
    exit_code: Option<i32>,
    reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Overrides {
    container_overrides: Vec<Override>,
}

#[derive(Deserialize)]
struct Override {
    #[serde(default)]
    environment: Vec<Variable>,
}

#[derive(Deserialize)]
struct Variable {
    name: Option<String>,
    value: Option<String>,
}

impl DescribedTask {
    /// The task of an event "ECS Task State Change".
    ///
    /// # Errors
    /// The text is not such an event.
    pub(crate) fn of_event(text: &str) -> serde_json::Result<Self> {
        let Event { detail } = serde_json::from_str(text)?;
        // By way of the SDK's type, so that only one place knows how a task is read.
        Ok(described(&detail.into()))
    }
}

impl From<Detail> for Task {
    fn from(detail: Detail) -> Self {
        let time = |text: Option<String>| DateTime::from_str(&text?, DateTimeFormat::DateTime).ok();
        let containers = detail.containers.into_iter().map(|part| {
            Container::builder()
                .set_name(part.name)
                .set_image(part.image)
                .set_image_digest(part.image_digest)
                .set_exit_code(part.exit_code)
                .set_reason(part.reason)
                .build()
        });
        let overrides = detail.overrides.container_overrides.into_iter().map(|one| {
            let variables = one.environment.into_iter().map(|variable| {
                KeyValuePair::builder()
                    .set_name(variable.name)
                    .set_value(variable.value)
                    .build()
            });
            ContainerOverride::builder()
                .set_environment(Some(variables.collect()))
                .build()
        });
        Self::builder()
            .task_arn(detail.task_arn)
            .set_task_definition_arn(detail.task_definition_arn)
            .last_status(detail.last_status)
            .set_stop_code(detail.stop_code.as_deref().map(TaskStopCode::from))
            .set_stopped_reason(detail.stopped_reason)
            .set_group(detail.group)
            .set_started_by(detail.started_by)
            .set_launch_type(detail.launch_type.as_deref().map(LaunchType::from))
            .set_capacity_provider_name(detail.capacity_provider_name)
            .set_created_at(time(detail.created_at))
            .set_started_at(time(detail.started_at))
            .set_stopped_at(time(detail.stopped_at))
            .set_containers(Some(containers.collect()))
            .overrides(
                TaskOverride::builder()
                    .set_container_overrides(Some(overrides.collect()))
                    .build(),
            )
            .build()
    }
}
