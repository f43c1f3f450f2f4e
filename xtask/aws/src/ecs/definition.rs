//! Task definitions that have one container and run on Fargate.

use crate::ecs::{Ecs, TaskId, definition_name, refuse_failures, sdk_tags};
use crate::error::{CloudError, Kind};
use aws_sdk_ecs::types::{
    Compatibility, ContainerDefinition, CpuArchitecture, KeyValuePair, LogConfiguration, LogDriver,
    NetworkMode, OsFamily, RuntimePlatform, Secret, TaskDefinitionStatus,
};
use std::collections::BTreeMap;
use xtask_aws_api::names::LOG_STREAM_PREFIX;

/// DeleteTaskDefinitions accepts this many at once.
const DELETE_LIMIT: usize = 10;

/// One revision of a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision {
    pub(crate) arn: String,
    pub(crate) number: u32,
    /// Whether new tasks can be started from it.
    pub(crate) is_active: bool,
}

/// What a task runs. Equal definitions are registered once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskDefinition {
    pub(crate) family: String,
    pub(crate) container: String,
    /// The image by digest.
    pub(crate) image: String,
    /// 1024 are one vCPU.
    pub(crate) cpu_units: u32,
    pub(crate) memory_mib: u32,
    pub(crate) environment: BTreeMap<String, String>,
    /// Variables that ECS takes from secrets when the task starts: name → `secret ARN:key::`.
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) log_group: String,
    pub(crate) region: String,
    /// The role of the container itself, if it has rights.
    pub(crate) task_role_arn: Option<String>,
    pub(crate) execution_role_arn: String,
}

/// A container of a registered definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) log_group: Option<String>,
    log_stream_prefix: Option<String>,
}

impl Container {
    /// The stream that `task` writes to; `None` where its name cannot be known.
    pub(crate) fn log_stream(&self, task: &TaskId) -> Option<String> {
        let prefix = self.log_stream_prefix.as_ref()?;
        Some(format!("{prefix}/{}/{}", self.name, task.short()))
    }
}

impl Ecs {
    /// Registers the definition, unless the newest revision of its family is equal; returns
    /// `family:revision`.
    ///
    /// # Errors
    /// A call fails.
    pub(crate) async fn ensure_definition(
        &self,
        definition: &TaskDefinition,
        tags: &[(String, String)],
    ) -> Result<String, CloudError> {
        if let Some((revision, newest)) = self.newest_definition(&definition.family).await?
            && newest == *definition
        {
            return Ok(format!("{}:{revision}", definition.family));
        }
        let action = format!("ecs RegisterTaskDefinition {}", definition.family);
        let container = container_of(definition)
            .map_err(|error| CloudError::new(Kind::Service, format!("{action}: {error}")))?;
        let reply = self
            .client
            .register_task_definition()
            .family(&definition.family)
            .requires_compatibilities(Compatibility::Fargate)
            .network_mode(NetworkMode::Awsvpc)
            .runtime_platform(
                RuntimePlatform::builder()
                    .cpu_architecture(CpuArchitecture::X8664)
                    .operating_system_family(OsFamily::Linux)
                    .build(),
            )
            .cpu(definition.cpu_units.to_string())
            .memory(definition.memory_mib.to_string())
            .set_task_role_arn(definition.task_role_arn.clone())
            .execution_role_arn(&definition.execution_role_arn)
            .container_definitions(container)
            .set_tags(Some(sdk_tags(tags)))
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&action, error))?;
        reply
            .task_definition()
            .map(|registered| format!("{}:{}", definition.family, registered.revision()))
            .ok_or_else(|| {
                CloudError::new(
                    Kind::Service,
                    format!("{action}: the reply holds no definition"),
                )
            })
    }

    async fn newest_definition(
        &self,
        family: &str,
    ) -> Result<Option<(i32, TaskDefinition)>, CloudError> {
        let described = self.describe(family).await;
        match described {
            Ok(found) => Ok((found.status() == Some(&TaskDefinitionStatus::Active))
                .then(|| Some((found.revision(), as_ours(&found)?)))
                .flatten()),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The container of `family` or `family:revision` with the name `wanted`; the first one where
    /// no name is given.
    ///
    /// # Errors
    /// There is no such definition or no such container ([`Kind::NotFound`]), or the call fails.
    pub(crate) async fn container(
        &self,
        definition: &str,
        wanted: Option<&str>,
    ) -> Result<Container, CloudError> {
        let found = self.describe(definition).await?;
        let container = found
            .container_definitions()
            .iter()
            .find(|container| wanted.is_none() || container.name() == wanted)
            .ok_or_else(|| {
                CloudError::new(
                    Kind::NotFound,
                    match wanted {
                        Some(name) => {
                            format!("task definition {definition} has no container `{name}`")
                        }
                        None => format!("task definition {definition} has no container"),
                    },
                )
            })?;
        let option = |name: &str| {
            let options = container.log_configuration()?.options()?;
            options.get(name).cloned()
        };
        Ok(Container {
            name: container.name().unwrap_or_default().to_owned(),
            log_group: option("awslogs-group"),
            log_stream_prefix: option("awslogs-stream-prefix"),
        })
    }

    /// The environment of the definition's first container, without its secrets.
    ///
    /// # Errors
    /// There is no such definition ([`Kind::NotFound`]), or the call fails.
    pub(crate) async fn environment(
        &self,
        definition: &str,
    ) -> Result<BTreeMap<String, String>, CloudError> {
        let found = self.describe(definition).await?;
        Ok(found
            .container_definitions()
            .iter()
            .take(1)
            .flat_map(|container| container.environment())
            .filter_map(|pair| Some((pair.name()?.to_owned(), pair.value()?.to_owned())))
            .collect())
    }

    pub(super) async fn describe(
        &self,
        name: &str,
    ) -> Result<aws_sdk_ecs::types::TaskDefinition, CloudError> {
        let action = format!("ecs DescribeTaskDefinition {name}");
        self.client
            .describe_task_definition()
            .task_definition(name)
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&action, error))?
            .task_definition
            .ok_or_else(|| {
                CloudError::new(
                    Kind::Service,
                    format!("{action}: the reply holds no definition"),
                )
            })
    }

    /// Deregisters every revision of the family; returns the names of the revisions.
    ///
    /// # Errors
    /// A call fails.
    pub(crate) async fn remove_definitions(&self, family: &str) -> Result<Vec<String>, CloudError> {
        let mut removed = Vec::new();
        for revision in self.revisions(family).await? {
            if revision.is_active {
                self.deregister(&revision.arn).await?;
                removed.push(definition_name(&revision.arn).to_owned());
            }
        }
        Ok(removed)
    }

    /// The revisions of the family that have not been deleted, the oldest first.
    ///
    /// # Errors
    /// A call fails.
    pub(crate) async fn revisions(&self, family: &str) -> Result<Vec<Revision>, CloudError> {
        let mut revisions = Vec::new();
        for status in [TaskDefinitionStatus::Active, TaskDefinitionStatus::Inactive] {
            let arns: Result<Vec<String>, _> = self
                .client
                .list_task_definitions()
                .family_prefix(family)
                .status(status.clone())
                .into_paginator()
                .items()
                .send()
                .collect()
                .await;
            let arns = arns.map_err(|error| {
                CloudError::from_sdk(&format!("ecs ListTaskDefinitions {family}"), error)
            })?;
            // The call filters by prefix, which other families may share.
            revisions.extend(arns.into_iter().filter_map(|arn| {
                let (of, number) = definition_name(&arn).split_once(':')?;
                let number = number.parse().ok()?;
                (of == family).then_some(Revision {
                    arn,
                    number,
                    is_active: status == TaskDefinitionStatus::Active,
                })
            }));
        }
        revisions.sort_by_key(|revision| revision.number);
        Ok(revisions)
    }

    /// Takes the revision out of use: tasks that run go on, and no new task starts from it.
    ///
    /// # Errors
    /// The call fails.
    pub(crate) async fn deregister(&self, definition: &str) -> Result<(), CloudError> {
        self.client
            .deregister_task_definition()
            .task_definition(definition)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| {
                CloudError::from_sdk(&format!("ecs DeregisterTaskDefinition {definition}"), error)
            })
    }

    /// Deletes revisions that are out of use for good.
    ///
    /// # Errors
    /// A call fails, or its reply holds failures.
    pub(crate) async fn delete_definitions(&self, definitions: &[&str]) -> Result<(), CloudError> {
        for chunk in definitions.chunks(DELETE_LIMIT) {
            let action = "ecs DeleteTaskDefinitions";
            let reply = self
                .client
                .delete_task_definitions()
                .set_task_definitions(Some(chunk.iter().map(|&arn| arn.to_owned()).collect()))
                .send()
                .await
                .map_err(|error| CloudError::from_sdk(action, error))?;
            refuse_failures(action, reply.failures().iter())?;
        }
        Ok(())
    }
}

fn container_of(
    definition: &TaskDefinition,
) -> Result<ContainerDefinition, aws_sdk_ecs::error::BuildError> {
    let environment = definition
        .environment
        .iter()
        .map(|(name, value)| KeyValuePair::builder().name(name).value(value).build())
        .collect();
    let logs = LogConfiguration::builder()
        .log_driver(LogDriver::Awslogs)
        .options("awslogs-group", &definition.log_group)
        .options("awslogs-region", &definition.region)
        .options("awslogs-stream-prefix", LOG_STREAM_PREFIX)
        .build()?;
    let mut secrets = Vec::with_capacity(definition.secrets.len());
    for (name, from) in &definition.secrets {
        secrets.push(Secret::builder().name(name).value_from(from).build()?);
    }
    Ok(ContainerDefinition::builder()
        .name(&definition.container)
        .image(&definition.image)
        .essential(true)
        .set_environment(Some(environment))
        .set_secrets(Some(secrets))
        .log_configuration(logs)
        .build())
}

/// `None` where the definition holds something that ours never hold, so that nobody takes it for one
/// of ours.
fn as_ours(found: &aws_sdk_ecs::types::TaskDefinition) -> Option<TaskDefinition> {
    let [container] = found.container_definitions() else {
        return None;
    };
    if !container.command().is_empty() {
        return None;
    }
    let options = container.log_configuration()?.options()?;
    if options.get("awslogs-stream-prefix").map(String::as_str) != Some(LOG_STREAM_PREFIX) {
        return None;
    }
    Some(TaskDefinition {
        family: found.family()?.to_owned(),
        container: container.name()?.to_owned(),
        image: container.image()?.to_owned(),
        cpu_units: found.cpu()?.parse().ok()?,
        memory_mib: found.memory()?.parse().ok()?,
        environment: container
            .environment()
            .iter()
            .filter_map(|pair| Some((pair.name()?.to_owned(), pair.value()?.to_owned())))
            .collect(),
        secrets: container
            .secrets()
            .iter()
            .map(|secret| (secret.name().to_owned(), secret.value_from().to_owned()))
            .collect(),
        log_group: options.get("awslogs-group")?.clone(),
        region: options.get("awslogs-region")?.clone(),
        task_role_arn: found
            .task_role_arn()
            .filter(|arn| !arn.is_empty())
            .map(str::to_owned),
        execution_role_arn: found.execution_role_arn()?.to_owned(),
    })
}
