//! The clients: each of their calls has a bound.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

use crate::tls;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Of one attempt of a call of DynamoDB, and of the call with its retries.
const TABLE_TIMEOUTS: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(9));
/// The same of SQS, where a call may wait 20 s for a message.
const QUEUE_TIMEOUTS: (Duration, Duration) = (Duration::from_secs(25), Duration::from_secs(30));

/// What this process has: region, address and credentials come from its environment or its role.
pub(in crate::stores) async fn of_this_process() -> anyhow::Result<SdkConfig> {
    Ok(aws_config::defaults(BehaviorVersion::latest())
        .http_client(tls::aws_http_client()?)
        .load()
        .await)
}

pub(super) fn dynamodb(sdk: &SdkConfig) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(sdk);
    let config = config.timeout_config(timeouts(TABLE_TIMEOUTS));
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

pub(super) fn sqs(sdk: &SdkConfig) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::config::Builder::from(sdk);
    let config = config.timeout_config(timeouts(QUEUE_TIMEOUTS));
    aws_sdk_sqs::Client::from_conf(config.build())
}

fn timeouts((attempt, operation): (Duration, Duration)) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}
