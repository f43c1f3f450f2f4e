//! CloudWatch log groups and the end of a stream.

use crate::error::{CloudError, Kind};
use aws_config::SdkConfig;
use std::time::Duration;
use xtask_aws_api::calls::logs::LogLine;

/// The pause between two readings of a stream whose writer has ended.
const SETTLE_INTERVAL: Duration = Duration::from_millis(300);

/// After this many readings the stream counts as complete in any case.
const SETTLE_READS: u32 = 10;

/// FilterLogEvents returns at most this many lines at once.
pub(crate) const PAGE_LINES: usize = 10_000;

/// Some lines of a group, and where the next ones begin.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Oldest first.
    pub(crate) lines: Vec<GroupLine>,
    pub(crate) next_token: Option<String>,
}

/// One line of a group.
#[derive(Debug)]
pub(crate) struct GroupLine {
    pub(crate) stream: String,
    /// No other line has the same one.
    pub(crate) id: String,
    pub(crate) time_ms: i64,
    pub(crate) message: String,
}

/// CloudWatch Logs.
#[derive(Debug, Clone)]
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

    /// Deletes the group; returns whether there was one.
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

    /// Lines of a group, or of one stream of it, from a time on, at most [`PAGE_LINES`].
    /// A page without lines is not the last one where it has a token.
    ///
    /// # Errors
    /// There is no such group or stream ([`Kind::NotFound`]), or the call fails.
    pub(crate) async fn filter(
        &self,
        group: &str,
        stream: Option<&str>,
        start_ms: i64,
        end_ms: Option<i64>,
        token: Option<String>,
    ) -> Result<Page, CloudError> {
        let reply = self
            .client
            .filter_log_events()
            .log_group_name(group)
            .set_log_stream_names(stream.map(|stream| vec![stream.to_owned()]))
            .start_time(start_ms)
            .set_end_time(end_ms)
            .set_next_token(token)
            .limit(i32::try_from(PAGE_LINES).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| {
                CloudError::from_sdk(&format!("logs FilterLogEvents {group}"), error)
            })?;
        let next_token = reply.next_token;
        let lines = reply
            .events
            .unwrap_or_default()
            .into_iter()
            .map(|event| GroupLine {
                stream: event.log_stream_name.unwrap_or_default(),
                id: event.event_id.unwrap_or_default(),
                time_ms: event.timestamp.unwrap_or_default(),
                message: event.message.unwrap_or_default(),
            })
            .collect();
        Ok(Page { lines, next_token })
    }

    /// As [`Logs::tail`], for a task that has stopped. Its last lines may come after its end, so
    /// the stream is read until it stays the same, within a bound.
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

    /// The last lines of a stream, oldest first; empty where nothing has been written yet.
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
