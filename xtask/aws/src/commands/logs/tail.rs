//! The last lines of one log stream.

use crate::commands::{Handle, require_in};
use crate::config::Cloud;
use crate::logs::Logs;
use xtask_aws_api::calls::logs::{LogTail, TailLog};

impl Handle for TailLog {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<LogTail> {
        require_in("lines", self.lines, 1..=10_000)?;
        let lines = Logs::new(cloud.sdk())
            .tail(&self.group, &self.stream, self.lines)
            .await?;
        Ok(LogTail { lines })
    }
}
