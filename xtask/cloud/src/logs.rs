//! CloudWatch log groups and the end of a stream.

use crate::error::{CloudError, Kind};
use aws_config::SdkConfig;
use serde::Serialize;
use std::time::Duration;

/// Pause between two readings of a stream whose writer is gone.
const SETTLE_INTERVAL: Duration = Duration::from_millis(300);

/// Readings after which the stream counts as complete in any case.
const SETTLE_READS: u32 = 10;

/// One log line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LogLine {
    /// Milliseconds since 1970, UTC.
    pub(crate) time_ms: i64,
    pub(crate) message: String,
}

/// CloudWatch Logs.
#[derive(Debug)]
pub(crate) struct Logs {
    client: aws_sdk_cloudwatchlogs::Client,
}

impl Logs {
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        Self {
            client: aws_sdk_cloudwatchlogs::Client::new(sdk),
        }
    }

    /// Creates the group where it does not exist and sets its retention.
    ///
    /// # Errors
    /// A call fails, or the service does not offer that retention.
    pub(crate) async fn ensure_group(
        &self,
        name: &str,
        retention_days: u32,
        tags: &[(String, String)],
    ) -> Result<(), CloudError> {
        let created = self
            .client
            .create_log_group()
            .log_group_name(name)
            .set_tags(Some(tags.iter().cloned().collect()))
            .send()
            .await;
        if let Err(error) = created {
            let error = CloudError::from_sdk(&format!("logs CreateLogGroup {name}"), error);
            if error.kind != Kind::Exists {
                return Err(error);
            }
        }
        self.client
            .put_retention_policy()
            .log_group_name(name)
            .retention_in_days(i32::try_from(retention_days).unwrap_or(i32::MAX))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| {
                CloudError::from_sdk(&format!("logs PutRetentionPolicy {name}"), error)
            })
    }

    /// Returns whether there was one to delete.
    ///
    /// # Errors
    /// The call fails.
    pub(crate) async fn delete_group(&self, name: &str) -> Result<bool, CloudError> {
        let deleted = self
            .client
            .delete_log_group()
            .log_group_name(name)
            .send()
            .await;
        match deleted {
            Ok(_) => Ok(true),
            Err(error) => {
                match CloudError::from_sdk(&format!("logs DeleteLogGroup {name}"), error) {
                    error if error.kind == Kind::NotFound => Ok(false),
                    error => Err(error),
                }
            }
        }
    }

    /// Like [`Logs::tail`] for a task that has stopped: its last lines may come later
    /// than its end, so the stream is read until it stays the same, within a bound.
    ///
    /// # Errors
    /// The call fails.
    pub(crate) async fn tail_of_stopped(
        &self,
        group: &str,
        stream: &str,
        lines: u32,
    ) -> Result<Vec<LogLine>, CloudError> {
        let mut last = self.tail(group, stream, lines).await?;
        for _ in 0..SETTLE_READS {
            tokio::time::sleep(SETTLE_INTERVAL).await;
            let next = self.tail(group, stream, lines).await?;
            if next == last && !next.is_empty() {
                break;
            }
            last = next;
        }
        Ok(last)
    }

    /// The last lines of a stream, oldest first; empty where nothing was written yet.
    ///
    /// # Errors
    /// The call fails.
    pub(crate) async fn tail(
        &self,
        group: &str,
        stream: &str,
        lines: u32,
    ) -> Result<Vec<LogLine>, CloudError> {
        let reply = self
            .client
            .get_log_events()
            .log_group_name(group)
            .log_stream_name(stream)
            .start_from_head(false)
            .limit(i32::try_from(lines).unwrap_or(i32::MAX))
            .send()
            .await;
        match reply {
            Ok(reply) => Ok(reply
                .events()
                .iter()
                .map(|event| LogLine {
                    time_ms: event.timestamp().unwrap_or_default(),
                    message: event.message().unwrap_or_default().to_owned(),
                })
                .collect()),
            Err(error) => {
                let error =
                    CloudError::from_sdk(&format!("logs GetLogEvents {group} {stream}"), error);
                if error.kind == Kind::NotFound {
                    Ok(Vec::new())
                } else {
                    Err(error)
                }
            }
        }
    }
}
