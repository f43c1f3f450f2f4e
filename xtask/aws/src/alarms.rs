//! CloudWatch alarms.

use crate::error::CloudError;
use crate::time::as_rfc3339;
use aws_config::SdkConfig;
use aws_smithy_types::DateTime;
use serde::Serialize;

/// An alarm as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Alarm {
    pub(crate) name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub(crate) state: String,
    /// As CloudWatch says it.
    pub(crate) reason: Option<String>,
    /// When it came into this state.
    #[serde(serialize_with = "as_rfc3339")]
    pub(crate) since: Option<DateTime>,
}

/// The alarms whose names begin with `prefix`.
///
/// # Errors
/// A call fails.
pub(crate) async fn alarms(sdk: &SdkConfig, prefix: &str) -> Result<Vec<Alarm>, CloudError> {
    let client = aws_sdk_cloudwatch::Client::new(sdk);
    let mut alarms = Vec::new();
    let mut token = None;
    loop {
        let page = client
            .describe_alarms()
            .alarm_name_prefix(prefix)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| {
                CloudError::from_sdk(&format!("cloudwatch DescribeAlarms {prefix}*"), error)
            })?;
        alarms.extend(page.metric_alarms().iter().map(alarm_of));
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            return Ok(alarms);
        }
    }
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
        // The other time also moves when only the reason changes.
        since: alarm
            .state_transitioned_timestamp()
            .or_else(|| alarm.state_updated_timestamp())
            .copied(),
    }
}
