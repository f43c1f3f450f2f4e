//! CloudWatch alarms.

use crate::error::CloudError;
use crate::time::timestamp;
use aws_config::SdkConfig;
use xtask_aws_api::calls::status::Alarm;

/// The alarms whose names begin with `prefix`.
///
/// # Errors
/// A call fails.
pub(crate) async fn alarms(sdk: &SdkConfig, prefix: &str) -> Result<Vec<Alarm>, CloudError> {
    let client = aws_sdk_cloudwatch::Client::new(sdk);
    let mut pages = client
        .describe_alarms()
        .alarm_name_prefix(prefix)
        .into_paginator()
        .send();
    let mut alarms = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            CloudError::from_sdk(&format!("cloudwatch DescribeAlarms {prefix}*"), error)
        })?;
        alarms.extend(page.metric_alarms().iter().map(alarm_of));
    }
    Ok(alarms)
}

fn alarm_of(alarm: &aws_sdk_cloudwatch::types::MetricAlarm) -> Alarm {
    Alarm {
        name: alarm.alarm_name().unwrap_or_default().to_owned(),
        state: alarm
            .state_value()
            .map_or("INSUFFICIENT_DATA", |state| state.as_str())
            .to_owned(),
        reason: alarm
            .state_reason()
            .filter(|reason| !reason.is_empty())
            .map(str::to_owned),
        // The other time also changes when only the reason does.
        since: alarm
            .state_transitioned_timestamp()
            .or_else(|| alarm.state_updated_timestamp())
            .and_then(timestamp),
    }
}
