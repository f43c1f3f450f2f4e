//! What all clients of AWS have in common.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

use crate::tls;

/// Time limits of one attempt of a call, and of a call with its retries.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(40);

/// The configuration of this process: each call has a bound.
///
/// # Errors
/// A compiled-in certificate cannot be read.
pub(crate) async fn aws_sdk() -> anyhow::Result<SdkConfig> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    Ok(aws_config::defaults(BehaviorVersion::latest())
        .http_client(tls::aws_http_client()?)
        .timeout_config(timeouts)
        .load()
        .await)
}
