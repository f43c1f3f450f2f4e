//! A task's log in CloudWatch Logs, read from its own stream with the forward token: lines are neither
//! filtered nor sampled, and the reads do not count against the account's search quota.

use app_gen_contract::MAX_LINE_BYTES;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::Builder;
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata as _;

use crate::launcher::quota::{Turns, count_refusal, is_throttled};
use crate::launcher::sdk_error::described;
use crate::launcher::{LogPage, Urgency};

/// Lines of one answer; an answer has 1 MB at most in any case.
const PAGE: i32 = 1000;
/// From so many lines or bytes on, an answer was cut off, and there is more at once.
const FULL_LINES: usize = 900;
const FULL_BYTES: usize = 900_000;

/// Reads log streams, each in its turn.
#[derive(Debug)]
pub(super) struct LogReader {
    client: Client,
    turns: Turns,
}

impl LogReader {
    /// With so many readings a second at most.
    pub(super) fn new(sdk: &SdkConfig, per_second: u32) -> Self {
        // A call that is repeated behind our back is one that was not dealt out.
        let once = Builder::from(sdk).retry_config(RetryConfig::disabled());
        Self {
            client: Client::from_conf(once.build()),
            turns: Turns::new(f64::from(per_second)),
        }
    }

    /// The stream is not read any more.
    pub(super) fn forget(&self, stream: &str) {
        self.turns.forget(stream);
    }

    /// The lines after `position`, a forward token. A stream that is not there yet is empty. `None` if it was
    /// not its turn.
    pub(super) async fn read(
        &self,
        group: &str,
        stream: &str,
        position: Option<&str>,
        urgency: Urgency,
    ) -> anyhow::Result<Option<LogPage>> {
        if !self.turns.wait(stream, urgency).await {
            return Ok(None);
        }
        let result = self
            .client
            .get_log_events()
            .log_group_name(group)
            .log_stream_name(stream)
            .start_from_head(true)
            .limit(PAGE)
            .set_next_token(position.map(str::to_owned))
            .send()
            .await;
        let output = match result {
            Ok(output) => output,
            Err(error) => match error.code() {
                Some("ResourceNotFoundException") => return Ok(Some(LogPage::default())),
                code if is_throttled(code) => {
                    count_refusal();
                    self.turns.refused();
                    self.turns.has_more(stream);
                    tracing::warn!(
                        stream,
                        "AWS refused to read a log; fewer are read for a while"
                    );
                    return Ok(None);
                }
                // Tokens are valid for a day. The caller skips what it has seen, so it can read from the start.
                Some("InvalidParameterException") if position.is_some() => {
                    self.turns.has_more(stream);
                    return Ok(Some(LogPage {
                        more: true,
                        ..LogPage::default()
                    }));
                }
                _ => {
                    return Err(described(
                        error,
                        &format!("failed to read log stream {stream}"),
                    ));
                }
            },
        };
        let lines: Vec<Vec<u8>> = output
            .events()
            .iter()
            .map(|event| line(event.message().unwrap_or_default()))
            .collect();
        let token = output.next_forward_token().map(str::to_owned);
        let bytes: usize = lines.iter().map(Vec::len).sum();
        if lines.len() >= FULL_LINES || bytes >= FULL_BYTES {
            self.turns.has_more(stream);
        }
        Ok(Some(LogPage {
            // Only the same token again means the end: pages before the end may be empty.
            more: !lines.is_empty() || token.as_deref() != position,
            lines,
            position: token,
            unfinished: Vec::new(),
            unread_bytes: 0,
        }))
    }
}

/// A line; one that is too long stays too long when it is cut.
fn line(message: &str) -> Vec<u8> {
    let bytes = message.as_bytes();
    bytes[..bytes.len().min(MAX_LINE_BYTES + 1)].to_vec()
}
