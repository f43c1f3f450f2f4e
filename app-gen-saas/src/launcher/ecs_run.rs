//! RunTask: its request, and the meaning of its answers.

use std::collections::BTreeMap;

use app_gen_contract::env::JOB_SPEC_URI;
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::operation::run_task::RunTaskOutput;
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, ContainerOverride, KeyValuePair, NetworkConfiguration,
    TaskOverride,
};

use crate::config::EcsConfig;
use crate::launcher::sdk_error::described;
use crate::launcher::{Launch, LaunchError};

pub(super) fn overrides(
    container: &str,
    environment: &BTreeMap<String, String>,
    launch: &Launch,
) -> TaskOverride {
    let variable =
        |(name, value): (&str, &str)| KeyValuePair::builder().name(name).value(value).build();
    let variables = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .chain([(JOB_SPEC_URI, launch.spec_uri.as_str())])
        .map(variable)
        .collect();
    let container = ContainerOverride::builder()
        .name(container)
        .set_environment(Some(variables))
        .build();
    TaskOverride::builder()
        .container_overrides(container)
        .build()
}

pub(super) fn network(config: &EcsConfig) -> anyhow::Result<Option<NetworkConfiguration>> {
    if config.subnets.is_empty() {
        return Ok(None);
    }
    let vpc = AwsVpcConfiguration::builder()
        .set_subnets(Some(config.subnets.clone()))
        .set_security_groups(Some(config.security_groups.clone()))
        // The subnets are public and have no NAT: without an address of its own a task cannot reach anything.
        .assign_public_ip(AssignPublicIp::Enabled)
        .build()?;
    Ok(Some(
        NetworkConfiguration::builder()
            .awsvpc_configuration(vpc)
            .build(),
    ))
}

/// The task of an answer to RunTask: failures arrive in an answer with status 200.
pub(super) fn started_arn(output: &RunTaskOutput) -> Result<&str, LaunchError> {
    if let Some(arn) = output.tasks().first().and_then(|task| task.task_arn()) {
        return Ok(arn);
    }
    let failures: Vec<String> = output
        .failures()
        .iter()
        .map(|failure| {
            let reason = failure.reason().unwrap_or("no reason given");
            match failure.detail() {
                Some(detail) => format!("{reason} ({detail})"),
                None => reason.to_owned(),
            }
        })
        .collect();
    let text = failures.join(", ");
    if text.contains("RESOURCE:") || text.to_ascii_lowercase().contains("capacity") {
        return Err(LaunchError::NotStarted(format!(
            "ECS has no room for the task: {text}"
        )));
    }
    Err(LaunchError::Refused(format!(
        "ECS did not start a task: {}",
        if text.is_empty() {
            "no reason given"
        } else {
            &text
        }
    )))
}

/// These errors of ECS stay the same when the request is repeated; other errors may pass.
pub(super) fn launch_error<E, R>(error: SdkError<E, R>) -> LaunchError
where
    SdkError<E, R>: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    const FINAL: [&str; 8] = [
        "AccessDeniedException",
        "BlockedException",
        "ClientException",
        "ClusterNotFoundException",
        "InvalidParameterException",
        "PlatformTaskDefinitionIncompatibilityException",
        "PlatformUnknownException",
        "UnsupportedFeatureException",
    ];
    match error.code() {
        Some(code) if FINAL.contains(&code) => {
            let text = format!(
                "ECS refused the task: {code}: {}",
                error.message().unwrap_or("no message")
            );
            LaunchError::Refused(text)
        }
        _ => described(error, "failed to run a task").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::{Failure, Task};

    fn failure(reason: &str) -> LaunchError {
        let failure = Failure::builder().reason(reason).detail("why").build();
        let output = RunTaskOutput::builder().failures(failure).build();
        started_arn(&output).unwrap_err()
    }

    #[test]
    fn a_task_is_a_start_and_a_failure_is_none() {
        let task = Task::builder().task_arn("arn:task/1").build();
        let output = RunTaskOutput::builder().tasks(task).build();
        assert_eq!(started_arn(&output).unwrap(), "arn:task/1");

        for reason in ["RESOURCE:MEMORY", "Capacity is unavailable at this time"] {
            let LaunchError::NotStarted(text) = failure(reason) else {
                panic!("{reason} passes with time");
            };
            assert!(text.contains(reason));
        }
        let LaunchError::Refused(text) = failure("MISSING") else {
            panic!("what is missing stays so");
        };
        assert_eq!(text, "ECS did not start a task: MISSING (why)");
        let nothing = RunTaskOutput::builder().build();
        assert!(matches!(
            started_arn(&nothing),
            Err(LaunchError::Refused(_))
        ));
    }
}
