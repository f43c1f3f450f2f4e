//! RunTask: its request, and the meaning of its answers.

use std::collections::BTreeMap;

use app_gen_contract::env::{JOB_LIFETIME_SECS, JOB_SPEC_URI};
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::operation::run_task::RunTaskOutput;
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, CapacityProviderStrategyItem, ContainerOverride,
    KeyValuePair, NetworkConfiguration, Tag, TaskOverride,
};

use crate::launcher::quota::{count_refusal, is_throttled};
use crate::launcher::sdk_error::described;
use crate::launcher::{Launch, LaunchError};

pub(super) fn overrides(
    container: &str,
    environment: &BTreeMap<String, String>,
    launch: &Launch,
) -> TaskOverride {
    let variable =
        |(name, value): (&str, &str)| KeyValuePair::builder().name(name).value(value).build();
    let lifetime = launch.lifetime.as_secs().to_string();
    let variables = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .chain([
            (JOB_SPEC_URI, launch.spec_uri.as_str()),
            (JOB_LIFETIME_SECS, lifetime.as_str()),
        ])
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

/// Spare capacity, for less than half of the price.
pub(super) fn spot() -> anyhow::Result<CapacityProviderStrategyItem> {
    let strategy = CapacityProviderStrategyItem::builder().capacity_provider("FARGATE_SPOT");
    Ok(strategy.weight(1).build()?)
}

/// What the task's cost is told apart by: the common tags, and what it is for.
pub(super) fn tags(common: &BTreeMap<String, String>, what: &str, id: &str) -> Vec<Tag> {
    common
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .chain([(what, id)])
        .map(|(name, value)| Tag::builder().key(name).value(value).build())
        .collect()
}

pub(super) fn network(
    subnets: &[String],
    security_groups: &[String],
) -> anyhow::Result<Option<NetworkConfiguration>> {
    if subnets.is_empty() {
        return Ok(None);
    }
    let vpc = AwsVpcConfiguration::builder()
        .set_subnets(Some(subnets.to_vec()))
        .set_security_groups(Some(security_groups.to_vec()))
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
    if passes(&text) {
        return Err(no_room(&text));
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

/// Signs of what passes with time, in lower case. ECS has no code for it: texts like these came with
/// `ClientException`, `InvalidParameterException` and `ThrottlingException` (aws-sdk-ruby#3047,
/// dask-cloudprovider#56), and in the failures of an answer.
const PASSES: [&str; 8] = [
    "capacity",
    "limit exceeded",
    "rate exceeded",
    "reached the limit",
    "requestlimitexceeded",
    "resource:",
    "throttl",
    "try again",
];

pub(super) fn passes(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    PASSES.iter().any(|sign| text.contains(sign))
}

fn no_room(text: &str) -> LaunchError {
    LaunchError::NotStarted(format!("ECS has no room for the task: {text}"))
}

/// The meaning of an error: refused for good, not started this time, or unknown.
pub(super) fn launch_error<E, R>(error: SdkError<E, R>) -> LaunchError
where
    SdkError<E, R>: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    /// These stay the same when the request is repeated, unless their text says otherwise.
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
    const LIMITS: [&str; 3] = [
        "LimitExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
    ];
    let code = error.code().unwrap_or_default();
    let text = format!("{code}: {}", error.message().unwrap_or("no message"));
    if is_throttled(Some(code)) {
        count_refusal();
    }
    let is_final = FINAL.contains(&code);
    if LIMITS.contains(&code) || is_final && passes(&text) {
        no_room(&text)
    } else if is_final {
        LaunchError::Refused(format!("ECS refused the task: {text}"))
    } else {
        described(error, "failed to run a task").into()
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

        for reason in [
            "RESOURCE:MEMORY",
            "Capacity is unavailable at this time",
            "You've reached the limit on the number of tasks you can run concurrently",
        ] {
            let LaunchError::NotStarted(text) = failure(reason) else {
                panic!("{reason} passes with time");
            };
            assert!(text.contains(reason));
        }
        let LaunchError::Refused(text) = failure("MISSING") else {
            panic!("what is missing stays so");
        };
        assert_eq!(text, "ECS did not start a task: MISSING (why)");
        assert!(matches!(
            failure("The requested CPU configuration is above your limit"),
            LaunchError::Refused(_)
        ));
        let nothing = RunTaskOutput::builder().build();
        assert!(matches!(
            started_arn(&nothing),
            Err(LaunchError::Refused(_))
        ));
    }
}
