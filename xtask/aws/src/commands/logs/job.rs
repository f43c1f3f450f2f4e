//! Which lines belong to a job.

use crate::config::Cloud;
use crate::ecs::{Ecs, TaskId};
use crate::error::CloudError;
use crate::log_reader::Line;
use crate::names::Deployed;
use crate::tasks::Task;
use std::collections::BTreeMap;

/// Tasks that are remembered; more than run in a day, and few in memory.
const TASKS: usize = 10_000;

/// What the tasks of the job wrote, and what the others wrote about it.
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
            cluster: Deployed::new(cloud).cluster,
            tasks: BTreeMap::new(),
        }
    }

    /// # Errors
    /// The line's task cannot be asked for.
    pub(super) async fn admits(&mut self, line: &Line) -> Result<bool, CloudError> {
        if line.message.contains(&self.job) {
            return Ok(true);
        }
        let Some(id) = &line.task else {
            return Ok(false);
        };
        if let Some(known) = self.tasks.get(id) {
            return Ok(*known);
        }
        // A task that ECS has forgotten is known by its lines alone.
        let asked = [TaskId(id.clone())];
        let found = self.ecs.describe_tasks(&self.cluster, &asked).await?;
        let is_ours = found
            .into_iter()
            .any(|state| Task::new(state, self.cloud).state.job.as_deref() == Some(&self.job));
        if self.tasks.len() >= TASKS {
            self.tasks.clear();
        }
        self.tasks.insert(id.clone(), is_ours);
        Ok(is_ours)
    }
}
