//! Tasks that run and tasks that stopped, or tasks that failed, with the meaning of failures.

use crate::commands::{Handle, require_in};
use crate::config::Cloud;
use crate::tasks;
use xtask_aws_api::calls::tasks::{ListTasks, TaskList, WhichTasks};

impl Handle for ListTasks {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<TaskList> {
        if let Some(lines) = self.log_lines {
            require_in("log_lines", lines, 1..=1_000)?;
        }
        let tasks = match self.which {
            WhichTasks::FailedSinceMs(since_ms) => {
                tasks::list_failed(cloud, since_ms, self.log_lines).await?
            }
            WhichTasks::InCluster(cluster) => tasks::list(cloud, &cluster, self.log_lines).await?,
            WhichTasks::Deployed => tasks::list_deployed(cloud, self.log_lines).await?,
        };
        Ok(TaskList { tasks })
    }
}
