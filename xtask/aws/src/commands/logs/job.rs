//! Which lines belong to a job.

use crate::config::Cloud;
use crate::ecs::{Ecs, TaskId};
use crate::error::CloudError;
use crate::tasks;
use std::collections::BTreeMap;
use xtask_aws_api::calls::logs::LogRecord;

/// How many tasks are remembered: more than run in a day, and few enough for the memory.
const TASKS: usize = 10_000;

/// Admits what the tasks of a job wrote, and what other tasks wrote about it.
#[derive(Debug)]
pub(super) struct JobFilter<'a> {
    job: String,
    cloud: &'a Cloud,
    ecs: Ecs,
    cluster: String,
    /// Whether each task is one of the job's.
    tasks: BTreeMap<String, bool>,
}

impl<'a> JobFilter<'a> {
    pub(super) fn new(job: String, cloud: &'a Cloud) -> Self {
        Self {
            job,
            cloud,
            ecs: Ecs::new(cloud.sdk()),
            cluster: cloud.deployed().cluster,
            tasks: BTreeMap::new(),
        }
    }

    /// # Errors
    /// The line's task cannot be asked for.
    pub(super) async fn admits(&mut self, line: &LogRecord) -> Result<bool, CloudError> {
        if line.message.contains(&self.job) {
            return Ok(true);
        }
        let Some(id) = &line.task else {
            return Ok(false);
        };
        if let Some(known) = self.tasks.get(id) {
            return Ok(*known);
        }
        // A task that ECS has forgotten is known only by its lines.
        let asked = [TaskId(id.clone())];
        let found = self.ecs.describe_tasks(&self.cluster, &asked).await?;
        let is_ours = found
            .into_iter()
            .any(|task| tasks::known(task, self.cloud).state.job.as_deref() == Some(&self.job));
        if self.tasks.len() >= TASKS {
            self.tasks.clear();
        }
        self.tasks.insert(id.clone(), is_ours);
        Ok(is_ours)
    }
}
