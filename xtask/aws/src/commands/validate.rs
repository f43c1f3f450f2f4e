//! What a validation needs in the cloud: it is made, its tasks are stopped, and all of it is removed.
//!
//! Each request may be repeated: what exists already is not made again, and what is gone already
//! is not an error.

use crate::commands::Handle;
use crate::commands::run_task::check_network;
use crate::config::Cloud;
use crate::ecs::{Ecs, TaskDefinition, TaskId};
use crate::error::{CloudError, Kind};
use crate::iam::Iam;
use crate::logs::Logs;
use crate::report;
use crate::s3::S3;
use crate::secrets::{Secrets, Stored};
use crate::validate::{execution_rights, task_rights};
use app_gen_infra::{Size, Task};
use std::collections::BTreeMap;
use std::time::Duration;
use xtask_aws_api::calls::validation::{
    EnsureValidation, RemoveValidation, StopValidation, ValidationParts, ValidationRemoved,
    ValidationStopped,
};
use xtask_aws_api::names::{LOCAL, LOG_STREAM_PREFIX, Validation};

/// How long one task may take to stop. ECS kills it after 30 s.
const STOP_BOUND: Duration = Duration::from_secs(90);

impl Handle for EnsureValidation {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<ValidationParts> {
        check_digest(&self.generator_image)?;
        check_network(&self.network, cloud)?;
        let names = cloud.validation();
        let variables = self.generator_environment;
        let [task_definition, preview_task_definition] =
            ensure(&names, self.generator_image, variables, cloud).await?;
        report::step(&format!(
            "task definitions {task_definition} and {preview_task_definition}"
        ));
        Ok(ValidationParts {
            cluster: names.cluster,
            bucket: names.bucket,
            task_definition,
            container: cloud.platform.generator().container.clone(),
            preview_task_definition,
            log_group: names.log_group,
            log_stream_prefix: LOG_STREAM_PREFIX.to_owned(),
            subnets: self.network.subnets,
            security_groups: self.network.security_groups,
        })
    }
}

/// Makes what is missing; returns `family:revision` of the task definitions of generators and of previews.
async fn ensure(
    names: &Validation,
    image: String,
    variables: BTreeMap<String, String>,
    cloud: &Cloud,
) -> anyhow::Result<[String; 2]> {
    let tags = cloud.tags();
    let (task, preview) = (cloud.platform.generator(), cloud.platform.preview());
    let size = size_of("generator", task, cloud)?;
    let preview_size = size_of("preview", preview, cloud)?;
    let secrets = task_secrets(cloud).await?;
    report::step(&format!("bucket {}", names.bucket));
    S3::new(cloud.sdk(), cloud.is_local())
        .ensure_bucket(&names.bucket, cloud.region(), &tags)
        .await?;
    report::step(&format!("log group {}", names.log_group));
    Logs::new(cloud.sdk())
        .ensure_group(&names.log_group, retention_days(cloud), &tags)
        .await?;
    report::step(&format!(
        "roles {} and {}",
        names.task_role, names.execution_role
    ));
    let iam = Iam::new(cloud.sdk());
    let task_role_arn = iam
        .ensure_task_role(&names.task_role, &task_rights(names), &tags)
        .await?;
    let execution_role_arn = iam
        .ensure_task_role(
            &names.execution_role,
            &execution_rights(names, cloud, secrets.arn.as_deref()),
            &tags,
        )
        .await?;
    report::step(&format!("cluster {}", names.cluster));
    let ecs = Ecs::new(cloud.sdk());
    ecs.ensure_cluster(&names.cluster, &tags).await?;
    let mut environment = task.environment.clone();
    environment.extend(cloud.task_environment());
    environment.extend(variables.clone());
    let mut preview_environment = preview.environment.clone();
    preview_environment.extend(variables);
    let previews = &cloud.platform.previews;
    preview_environment.extend(
        [
            ("PREVIEW_CONTROL_PORT", previews.control_port.get_ref()),
            ("PREVIEW_PORT", previews.port.get_ref()),
        ]
        .map(|(name, port)| (name.to_owned(), port.to_string())),
    );
    let preview = TaskDefinition {
        family: names.preview_family.clone(),
        container: preview.container.clone(),
        image: image.clone(),
        cpu_units: preview_size.cpu_units,
        memory_mib: preview_size.memory_mib,
        environment: preview_environment,
        secrets: BTreeMap::new(),
        log_group: names.log_group.clone(),
        region: cloud.region().to_owned(),
        // It may ask nothing of anybody.
        task_role_arn: None,
        execution_role_arn: execution_role_arn.clone(),
    };
    let definition = TaskDefinition {
        family: names.family.clone(),
        container: task.container.clone(),
        image,
        cpu_units: size.cpu_units,
        memory_mib: size.memory_mib,
        environment,
        secrets: secrets.variables,
        log_group: names.log_group.clone(),
        region: cloud.region().to_owned(),
        task_role_arn: Some(task_role_arn),
        execution_role_arn,
    };
    Ok([
        ecs.ensure_definition(&definition, &tags).await?,
        ecs.ensure_definition(&preview, &tags).await?,
    ])
}

/// The size of a kind of task where it is validated.
fn size_of(kind: &str, task: &Task, cloud: &Cloud) -> Result<Size, CloudError> {
    let size = task.size.get(&cloud.environment).copied();
    size.ok_or_else(|| {
        CloudError::new(
            Kind::Manifest,
            format!(
                "{}: tasks.{kind}.size has no entry for `{}`",
                app_gen_infra::MANIFEST_PATH,
                cloud.environment
            ),
        )
    })
}

/// Refuses an image by tag, which may become another image before the task starts.
fn check_digest(image: &str) -> Result<(), CloudError> {
    let digest = image.split_once("@sha256:").map(|(_, digest)| digest);
    let valid = digest.is_some_and(|digest| {
        digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    if valid {
        return Ok(());
    }
    Err(CloudError::new(
        Kind::Usage,
        format!("image `{image}` is not given by its digest"),
    )
    .hint("write it as repository@sha256:…, as cargo xtask build --json does"))
}

fn retention_days(cloud: &Cloud) -> u32 {
    cloud
        .platform
        .environments
        .get(&cloud.environment)
        .or_else(|| cloud.platform.environments.get(LOCAL))
        .map_or(7, |environment| environment.log_retention_days)
}

#[derive(Default)]
struct TaskSecrets {
    /// The ARN of the secret, where any of its keys is needed.
    arn: Option<String>,
    /// Variable → `ARN:key::`, as task definitions write it.
    variables: BTreeMap<String, String>,
}

/// The keys that the generator needs in this mode, and of those of which one is enough, the ones that are
/// there. With the `template` provider it needs no key.
async fn task_secrets(cloud: &Cloud) -> Result<TaskSecrets, CloudError> {
    let platform = &cloud.platform;
    let Some(id) = platform.generator().secret.as_ref().map(|id| id.get_ref()) else {
        return Ok(TaskSecrets::default());
    };
    let keys = platform.required_secret_keys(id, &cloud.environment);
    let optional = platform.optional_secret_keys(id, &cloud.environment);
    let Some(secret) = platform.secrets.get(id) else {
        return Ok(TaskSecrets::default());
    };
    if keys.is_empty() && optional.is_empty() {
        return Ok(TaskSecrets::default());
    }
    let stored = Secrets::new(cloud.sdk()).read(&secret.name).await?;
    let missing = |key: &str| {
        CloudError::new(
            Kind::SecretMissing,
            format!("secret {} has no key {key}", secret.name),
        )
        .hint(format!(
            "cargo xtask secrets set --env {} {id} {key}",
            cloud.environment
        ))
    };
    let Stored::Present { arn, values } = stored else {
        return match keys.first() {
            Some(key) => Err(missing(key)),
            None => Ok(TaskSecrets::default()),
        };
    };
    if let Some(key) = keys.iter().find(|key| !values.has(key)) {
        return Err(missing(key));
    }
    let present = optional.into_iter().filter(|key| values.has(key));
    let variables: BTreeMap<String, String> = keys
        .into_iter()
        .chain(present)
        .map(|key| (key.to_owned(), format!("{arn}:{key}::")))
        .collect();
    Ok(TaskSecrets {
        arn: (!variables.is_empty()).then_some(arn),
        variables,
    })
}

impl Handle for StopValidation {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<ValidationStopped> {
        let names = cloud.validation();
        let ecs = Ecs::new(cloud.sdk());
        let mut stopped = Vec::new();
        if ecs.has_cluster(&names.cluster).await? {
            stopped = stop_tasks(&ecs, &names.cluster).await?;
        }
        Ok(ValidationStopped { stopped })
    }
}

impl Handle for RemoveValidation {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<ValidationRemoved> {
        let names = cloud.validation();
        let ecs = Ecs::new(cloud.sdk());
        let iam = Iam::new(cloud.sdk());
        let mut removed: Vec<String> = Vec::new();
        let has_cluster = ecs.has_cluster(&names.cluster).await?;
        if has_cluster {
            for task in stop_tasks(&ecs, &names.cluster).await? {
                removed.push(format!("task/{task}"));
            }
        }
        for family in [&names.family, &names.preview_family] {
            for definition in ecs.remove_definitions(family).await? {
                removed.push(format!("task-definition/{definition}"));
            }
        }
        let s3 = S3::new(cloud.sdk(), cloud.is_local());
        if s3.delete_bucket(&names.bucket).await? {
            removed.push(format!("bucket/{}", names.bucket));
        }
        if Logs::new(cloud.sdk())
            .delete_group(&names.log_group)
            .await?
        {
            removed.push(format!("log-group/{}", names.log_group));
        }
        for role in [&names.task_role, &names.execution_role] {
            if iam.delete_role(role).await? {
                removed.push(format!("role/{role}"));
            }
        }
        if has_cluster {
            ecs.delete_cluster(&names.cluster).await?;
            removed.push(format!("cluster/{}", names.cluster));
        }
        Ok(ValidationRemoved { removed })
    }
}

/// Stops the tasks that run in the cluster and waits for their end; returns their ids.
async fn stop_tasks(ecs: &Ecs, cluster: &str) -> anyhow::Result<Vec<String>> {
    let ids = ecs.list_tasks(cluster, None).await?;
    let mut stopped = Vec::new();
    for found in ecs.describe_tasks(cluster, &ids).await? {
        if found.state.is_stopped() {
            continue;
        }
        let task = TaskId(found.state.arn);
        report::step(&format!("stopping task {}", task.short()));
        ecs.stop_task(cluster, &task, "xtask: validate is over")
            .await?;
        if ecs
            .wait_stopped(cluster, &task, STOP_BOUND)
            .await?
            .is_none()
        {
            return Err(CloudError::new(
                Kind::Service,
                format!(
                    "task {} still runs {} s after it was asked to stop",
                    task.short(),
                    STOP_BOUND.as_secs()
                ),
            )
            .into());
        }
        stopped.push(task.short().to_owned());
    }
    Ok(stopped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_taken_by_digest_only() {
        let digest = "0".repeat(64);
        assert_eq!(
            check_digest(&format!("localhost:5000/generator@sha256:{digest}")),
            Ok(())
        );
        for wrong in ["localhost:5000/generator:latest", "generator@sha256:12"] {
            let error = check_digest(wrong).expect_err(wrong);
            assert_eq!(error.kind, Kind::Usage);
            assert!(error.hint.is_some());
        }
    }
}
