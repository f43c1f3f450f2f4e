//! CloudWatch alarms.

use crate::config::Cloud;
use crate::error::CloudError;
use crate::report;
use crate::time::timestamp;
use aws_config::SdkConfig;
use aws_sdk_cloudwatch::operation::put_metric_alarm::builders::PutMetricAlarmInputBuilder;
use aws_sdk_cloudwatch::types::MetricAlarm;
use xtask_aws_api::calls::status::Alarm;

/// The alarm that compares how many tasks run with how many the service asks for, without its prefix.
const BELOW_DESIRED: &str = "running-below-desired";

/// Makes the alarm expect as many tasks as the service asks for now. No metric without a charge says how
/// many that are, so whatever changes the number changes the alarm. A failure is only reported: the
/// service has changed already.
pub(crate) async fn expect_tasks(cloud: &Cloud, desired: u32) {
    // The local cloud measures nothing.
    if cloud.is_local() {
        return;
    }
    let name = format!("{}{BELOW_DESIRED}", cloud.deployed().alarm_prefix);
    if let Err(error) = retarget_alarm(cloud.sdk(), &name, desired).await {
        report::step(&format!(
            "alarm {name} does not expect {desired} tasks yet: {error}"
        ));
    }
}

async fn retarget_alarm(sdk: &SdkConfig, name: &str, desired: u32) -> Result<(), CloudError> {
    let client = aws_sdk_cloudwatch::Client::new(sdk);
    let found = client
        .describe_alarms()
        .alarm_names(name)
        .send()
        .await
        .map_err(|error| {
            CloudError::from_sdk(&format!("cloudwatch DescribeAlarms {name}"), error)
        })?;
    let Some(request) = found
        .metric_alarms()
        .first()
        .and_then(|alarm| retargeted(alarm, desired))
    else {
        return Ok(());
    };
    request
        .send_with(&client)
        .await
        .map(|_| ())
        .map_err(|error| CloudError::from_sdk(&format!("cloudwatch PutMetricAlarm {name}"), error))
}

/// The alarm as it is, with this threshold; `None` where it has it. Where no task is wanted, none
/// reports, and that is no alarm.
fn retargeted(alarm: &MetricAlarm, desired: u32) -> Option<PutMetricAlarmInputBuilder> {
    let threshold = f64::from(desired);
    let missing = match desired {
        0 => "notBreaching",
        _ => "breaching",
    };
    if alarm.threshold() == Some(threshold) && alarm.treat_missing_data() == Some(missing) {
        return None;
    }
    let alarm = alarm.clone();
    let request = PutMetricAlarmInputBuilder::default()
        .set_alarm_name(alarm.alarm_name)
        .set_alarm_description(alarm.alarm_description)
        .set_actions_enabled(alarm.actions_enabled)
        .set_ok_actions(alarm.ok_actions)
        .set_alarm_actions(alarm.alarm_actions)
        .set_insufficient_data_actions(alarm.insufficient_data_actions)
        .set_metric_name(alarm.metric_name)
        .set_namespace(alarm.namespace)
        .set_statistic(alarm.statistic)
        .set_extended_statistic(alarm.extended_statistic)
        .set_dimensions(alarm.dimensions)
        .set_period(alarm.period)
        .set_unit(alarm.unit)
        .set_evaluation_periods(alarm.evaluation_periods)
        .set_datapoints_to_alarm(alarm.datapoints_to_alarm)
        .set_comparison_operator(alarm.comparison_operator)
        .threshold(threshold)
        .treat_missing_data(missing);
    Some(request)
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, Statistic};

    fn alarm(threshold: f64, missing: &str) -> MetricAlarm {
        MetricAlarm::builder()
            .alarm_name("app-gen-saas-running-below-desired")
            .alarm_description("[urgent] Fewer than wanted.")
            .actions_enabled(true)
            .alarm_actions("arn:topic")
            .ok_actions("arn:topic")
            .metric_name("CPUUtilization")
            .namespace("AWS/ECS")
            .statistic(Statistic::SampleCount)
            .dimensions(Dimension::builder().name("ServiceName").value("s").build())
            .period(60)
            .evaluation_periods(5)
            .comparison_operator(ComparisonOperator::LessThanThreshold)
            .threshold(threshold)
            .treat_missing_data(missing)
            .build()
    }

    #[test]
    fn the_alarm_follows_the_number_that_the_service_asks_for() {
        for (before, desired, after) in [
            (alarm(1.0, "breaching"), 2, alarm(2.0, "breaching")),
            // Samples are never fewer than none, and without a task there are none.
            (alarm(1.0, "breaching"), 0, alarm(0.0, "notBreaching")),
            (alarm(0.0, "notBreaching"), 1, alarm(1.0, "breaching")),
        ] {
            let request = retargeted(&before, desired).expect("a change");
            let request = request.build().expect("a request");
            let same = alarm_request(&after);
            assert_eq!(request, same);
            assert!(retargeted(&after, desired).is_none(), "it is so already");
        }
    }

    /// Everything that was set, so that nothing of the alarm is lost.
    fn alarm_request(
        alarm: &MetricAlarm,
    ) -> aws_sdk_cloudwatch::operation::put_metric_alarm::PutMetricAlarmInput {
        PutMetricAlarmInputBuilder::default()
            .set_alarm_name(alarm.alarm_name().map(str::to_owned))
            .alarm_description("[urgent] Fewer than wanted.")
            .actions_enabled(true)
            .alarm_actions("arn:topic")
            .ok_actions("arn:topic")
            .metric_name("CPUUtilization")
            .namespace("AWS/ECS")
            .statistic(Statistic::SampleCount)
            .dimensions(Dimension::builder().name("ServiceName").value("s").build())
            .period(60)
            .evaluation_periods(5)
            .comparison_operator(ComparisonOperator::LessThanThreshold)
            .set_threshold(alarm.threshold())
            .set_treat_missing_data(alarm.treat_missing_data().map(str::to_owned))
            .build()
            .expect("a request")
    }
}
