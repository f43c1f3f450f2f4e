//! What load balancers know of the tasks behind them.

use crate::error::CloudError;
use aws_config::SdkConfig;
use aws_sdk_elasticloadbalancingv2::types::TargetHealthDescription;
use xtask_aws_api::calls::status::Target;

/// The states of health that a load balancer knows.
const HEALTH: [&str; 5] = ["healthy", "unhealthy", "initial", "draining", "unused"];

/// Its other words mean that nobody asks the target.
const UNKNOWN: &str = "unknown";

/// The targets of one group.
///
/// # Errors
/// There is no such group, or the call fails.
pub(crate) async fn targets(sdk: &SdkConfig, group: &str) -> Result<Vec<Target>, CloudError> {
    let reply = aws_sdk_elasticloadbalancingv2::Client::new(sdk)
        .describe_target_health()
        .target_group_arn(group)
        .send()
        .await
        .map_err(|error| {
            CloudError::from_sdk(&format!("elb DescribeTargetHealth {group}"), error)
        })?;
    Ok(reply
        .target_health_descriptions()
        .iter()
        .map(target_of)
        .collect())
}

fn target_of(described: &TargetHealthDescription) -> Target {
    let (target, health) = (described.target(), described.target_health());
    let state = health.and_then(|health| health.state());
    Target {
        address: target
            .and_then(|target| target.id())
            .unwrap_or_default()
            .to_owned(),
        port: target.and_then(|target| u16::try_from(target.port()?).ok()),
        health: state
            .map(|state| state.as_str())
            .filter(|state| HEALTH.contains(state))
            .unwrap_or(UNKNOWN)
            .to_owned(),
        reason: health
            .and_then(|health| health.reason())
            .map(|reason| reason.as_str().to_owned()),
        description: health
            .and_then(|health| health.description())
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
    }
}
