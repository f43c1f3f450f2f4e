//! A table of tasks.

use crate::commands::shown::age::age;
use xtask_core::report::{printable, table};
use xtask_operate::status::answers::Task;

/// A table of tasks.
pub(crate) fn table_of<'a>(tasks: impl Iterator<Item = &'a Task>) -> String {
    let rows: Vec<Vec<String>> = tasks
        .map(|task| {
            let capacity = task.capacity.as_deref().map(|capacity| match capacity {
                "FARGATE_SPOT" => "spot",
                _ => "on demand",
            });
            vec![
                task.task.clone(),
                task.kind.clone(),
                task.status.to_lowercase(),
                capacity.unwrap_or("—").to_owned(),
                age(task.stopped_at.as_deref().or(task.started_at.as_deref())),
                task.job.clone().unwrap_or_else(|| "—".to_owned()),
                printable(&task.why()).into_owned(),
            ]
        })
        .collect();
    let heading = ["task", "kind", "state", "capacity", "since", "job", "why"];
    table(&heading, &rows)
}
