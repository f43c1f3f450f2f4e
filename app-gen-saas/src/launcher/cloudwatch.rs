//! A task's log in CloudWatch Logs, read from its own stream with the forward token: lines are neither
//! filtered nor sampled, and the reads do not count against the account's search quota.

use app_gen_contract::MAX_LINE_BYTES;
use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata as _;

use crate::launcher::LogPage;
use crate::launcher::sdk_error::described;

/// Lines of one answer; an answer has 1 MB at most in any case.
const PAGE: i32 = 1000;

/// Reads log streams.
#[derive(Debug)]
pub(super) struct LogReader {
    client: Client,
}

impl LogReader {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self {
            client: Client::new(sdk),
        }
    }

    /// The lines after `position`, a forward token. A stream that is not there yet is empty.
    pub(super) async fn read(
        &self,
        group: &str,
        stream: &str,
        position: Option<&str>,
    ) -> anyhow::Result<LogPage> {
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
                Some("ResourceNotFoundException") => return Ok(LogPage::default()),
                // Tokens are valid for a day. The caller skips what it has seen, so it can read from the start.
                Some("InvalidParameterException") if position.is_some() => {
                    return Ok(LogPage {
                        more: true,
                        ..LogPage::default()
                    });
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
        Ok(LogPage {
            // Only the same token again means the end: pages before the end may be empty.
            more: !lines.is_empty() || token.as_deref() != position,
            lines,
            position: token,
            unfinished: Vec::new(),
            unread_bytes: 0,
        })
    }
}

/// A line; one that is too long stays too long when it is cut.
fn line(message: &str) -> Vec<u8> {
    let bytes = message.as_bytes();
    bytes[..bytes.len().min(MAX_LINE_BYTES + 1)].to_vec()
}
